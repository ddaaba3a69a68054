//! The certificate renews itself, while the program runs: at the device's own moment, or when its authority asks for it.
//! What another program (`certtool renew`, `certtool endorse --accept`) put into the folder is shown as well. What stands in the way is told, with what
//! helps, and so is a certificate that is not accepted any more, by whose ever fault.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use device::enrolment::{Due, Renewed, Trouble, renew_unattended};
use device::{Device, Home};
use identity::UnixTime;
use identity::endorsement::Endorsement;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::verify::verify_person;
use messenger_engine::{CertificateState, Event, RenewalError, Renewals, Reports};
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

use crate::start::remedy;
use crate::{clock, mail, settings};

/// How often the clock on the wall is looked at, and the folder: it may be set, and the computer may have slept.
const LOOK: Duration = Duration::from_secs(10);
/// Every so many looks the certificate is judged as others judge it.
const JUDGED: u32 = 6;
/// A certificate that was due when the program started waits about so long: else the log would say when its owner came. One
/// that ends within a day does not.
const START: Duration = Duration::from_secs(10 * 60);
const URGENT: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause before another attempt, about.
const AGAIN: Duration = Duration::from_secs(30 * 60);
/// How often about the authority is asked whether it wants an earlier renewal (RFC 9773), and what time it is there.
const ASK: Duration = Duration::from_secs(6 * 60 * 60);
/// The same trouble is told again after so long.
const TOLD_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps one device's certificate fresh.
pub(crate) struct Keeper {
    home: Home,
    device: Device,
    /// What was last brought of what other devices say of this one: at the first look, the engine gets it once more.
    endorsements: Vec<Endorsement>,
    /// The certificate for mail as the folder had it last, and as the engine was brought it.
    mail: [Vec<CertificateDer<'static>>; 2],
    trust: Arc<Trust>,
    renewals: Renewals,
    reports: Reports,
    told: Told,
}

/// The engine has ended, and with it what there is to do.
struct Ended;

/// When the next attempt to renew is made, and when the authority is asked again what it wants.
struct Pace {
    next: Instant,
    asks: Instant,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    /// The clock here is compared with the authority's.
    compare: bool,
    /// The certificate is renewed, if it is due or the authority wants it.
    renew: bool,
}

impl Pace {
    fn turn(&mut self, due: bool, now: Instant) -> Turn {
        let compare = now >= self.asks;
        let renew = if due { now >= self.next } else { compare };
        if compare {
            self.asks = now + about(ASK);
        }
        if renew {
            self.next = now + about(AGAIN);
        }
        Turn { compare, renew }
    }

    /// What the authority may have wanted before the certificate is due is asked again with the next attempt.
    fn failed(&mut self) {
        self.asks = self.asks.min(self.next);
    }
}

/// What was told, and when.
#[derive(Default)]
struct Told(BTreeMap<String, Instant>);

impl Told {
    /// Whether these words are news.
    fn is_news(&mut self, words: &str, now: Instant) -> bool {
        self.0.retain(|_, told| now < *told + TOLD_AGAIN);
        let news = !self.0.contains_key(words);
        self.0.entry(words.to_owned()).or_insert(now);
        news
    }
}

impl Keeper {
    pub(crate) fn new(home: Home, device: Device, trust: Arc<Trust>, (renewals, reports): (Renewals, Reports)) -> Self {
        Self {
            home,
            device,
            endorsements: Vec::new(),
            mail: [Vec::new(), Vec::new()],
            trust,
            renewals,
            reports,
            told: Told::default(),
        }
    }

    /// Until the engine ends.
    pub(crate) async fn keep(mut self) {
        let started = Instant::now();
        let was_due = self.due().is_some_and(|due| due.from <= UnixTime::now());
        let next = started + if was_due && !self.ends_within(URGENT) { about(START) } else { Duration::ZERO };
        let mut pace = Pace { next, asks: started };
        for look in 0_u32.. {
            if self.look(look, &mut pace).await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&mut self, look: u32, pace: &mut Pace) -> Result<(), Ended> {
        self.adopt().await?;
        self.adopt_endorsements().await?;
        let judged = look.is_multiple_of(JUDGED);
        self.adopt_mail(judged).await?;
        if judged {
            self.judge().await?;
        }
        let due = self.due().is_some_and(|due| due.from <= UnixTime::now());
        let turn = pace.turn(due, Instant::now());
        if turn.compare {
            self.compare_clocks().await?;
        }
        if turn.renew && !self.renew().await? {
            pace.failed();
        }
        Ok(())
    }

    fn due(&self) -> Option<Due> {
        Due::of(&self.device.chain, &self.device.enrolment).ok()
    }

    fn not_after(&self) -> u64 {
        self.due().map_or(0, |due| due.not_after.as_secs())
    }

    fn ends_within(&self, time: Duration) -> bool {
        self.not_after() <= UnixTime::now().as_secs().saturating_add(time.as_secs())
    }

    /// Shows what another program has put into the folder.
    async fn adopt(&mut self) -> Result<(), Ended> {
        // One that cannot be read now is read at the next look.
        let Ok(folder) = self.home.locked_device(&self.device.identifier) else { return Ok(()) };
        if folder.chain == self.device.chain {
            return Ok(());
        }
        match self.device.now(folder) {
            Some(device) => self.show(device).await,
            None => {
                let message = "this address was enrolled anew, with another key".to_owned();
                let remedy =
                    "end the messenger and start it again: until then it shows the certificate before".to_owned();
                self.tell(CertificateState::NotRenewed, message, remedy).await
            }
        }
    }

    /// Tells what other devices say by now of this one.
    async fn adopt_endorsements(&mut self) -> Result<(), Ended> {
        // What cannot be read now is read at the next look.
        let Ok(kept) = self.home.endorsements(&self.device.identifier, UnixTime::now()) else { return Ok(()) };
        if kept == self.endorsements {
            return Ok(());
        }
        self.endorsements.clone_from(&kept);
        self.renewals.endorse(kept).await.map_err(|_| Ended)
    }

    /// Tells the certificate for mail that there is by now, as long as it counts and its person has nothing against it.
    async fn adopt_mail(&mut self, judged: bool) -> Result<(), Ended> {
        // Settings that cannot be read now are read at the next look.
        let Ok(settings) = settings::load(&self.home) else { return Ok(()) };
        let found = mail::to_be_told(&self.home, &self.device.identifier, &settings);
        let [seen, brought] = &mut self.mail;
        if found == *seen && !judged {
            return Ok(());
        }
        seen.clone_from(&found);
        let counts = mail::if_it_counts(found, &self.trust);
        if counts == *brought {
            return Ok(());
        }
        brought.clone_from(&counts);
        self.renewals.show_mail_certificate(counts).await.map_err(|_| Ended)
    }

    /// Whether nothing stood in the way.
    async fn renew(&mut self) -> Result<bool, Ended> {
        let device = match self.home.locked_device(&self.device.identifier) {
            Ok(folder) => match self.device.now(folder) {
                Some(device) => device,
                // Enrolled anew with another key, as was told: the certificate before has ended its service here.
                None => return Ok(true),
            },
            Err(_) => self.device.clone(),
        };
        match renew_unattended(&self.home, device, UnixTime::now).await {
            Ok(Renewed::NotDue { .. }) => Ok(true),
            Ok(Renewed::Done(certified)) => self.show(certified.device).await.map(|()| true),
            Err(trouble) if self.is_worth_telling(&trouble) => {
                self.tell(CertificateState::NotRenewed, trouble.message, trouble.remedy).await.map(|()| false)
            }
            Err(trouble) => {
                tracing::debug!(?trouble, "the certificate was not renewed");
                Ok(false)
            }
        }
    }

    /// That nobody answers is worth a word when little of the certificate's life is left.
    fn is_worth_telling(&self, trouble: &Trouble) -> bool {
        !trouble.unreachable || self.ends_within(3 * URGENT)
    }

    async fn show(&mut self, device: Device) -> Result<(), Ended> {
        self.device = device;
        match self.renewals.show(self.device.chain.clone()).await {
            Ok(()) => {
                self.told = Told::default();
                let not_after = self.not_after();
                let state = CertificateState::Renewed;
                self.report(Event::Certificate { state, not_after, message: None, remedy: None }).await
            }
            Err(RenewalError::Ended) => Err(Ended),
            Err(RenewalError::Refused(reason)) => {
                let remedy = "end the messenger and start it again; `certtool status` says more".to_owned();
                self.tell(CertificateState::NotRenewed, reason, remedy).await
            }
        }
    }

    /// As others judge it. Where its time is the reason, the clock may be it, too.
    async fn judge(&mut self) -> Result<(), Ended> {
        let now = UnixTime::now();
        let Err(error) = verify_person(&self.device.chain, &self.trust, now) else { return Ok(()) };
        let remedy = remedy(error.rule, &self.device.identifier, now);
        // The times in it are other ones at every look.
        let news = self.told.is_news(error.rule.id(), Instant::now());
        if news {
            self.certificate(CertificateState::NotAccepted, error.to_string(), remedy).await?;
        }
        match error.rule {
            Rule::ChainExpired | Rule::ChainNotYetValid if news => self.compare_clocks().await,
            _ => Ok(()),
        }
    }

    async fn compare_clocks(&self) -> Result<(), Ended> {
        let ahead = clock::ahead(self.trust.clone(), &self.device.enrolment.acme).await;
        match ahead.and_then(|ahead| clock::trouble(ahead, UnixTime::now())) {
            Some(event) => self.report(event).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, state: CertificateState, message: String, remedy: String) -> Result<(), Ended> {
        match self.told.is_news(&message, Instant::now()) {
            true => self.certificate(state, message, remedy).await,
            false => Ok(()),
        }
    }

    async fn certificate(&self, state: CertificateState, message: String, remedy: String) -> Result<(), Ended> {
        let (not_after, message, remedy) = (self.not_after(), Some(message), Some(remedy));
        self.report(Event::Certificate { state, not_after, message, remedy }).await
    }

    async fn report(&self, event: Event) -> Result<(), Ended> {
        if self.reports.send(event).await { Ok(()) } else { Err(Ended) }
    }
}

/// Between half of it and one and a half.
pub(crate) fn about(time: Duration) -> Duration {
    let mut drawn = [0; 4];
    // Without randomness it is the time itself.
    let share = match aws_lc_rs::rand::fill(&mut drawn) {
        Ok(()) => f64::from(u32::from_be_bytes(drawn)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    };
    time.mul_f64(0.5 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_a_day() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert!(told.is_news("no proof", now));
        assert!(!told.is_news("no proof", now + TOLD_AGAIN / 2));
        assert!(told.is_news("revoked", now + TOLD_AGAIN / 2), "other words");
        assert!(!told.is_news("no proof", now + TOLD_AGAIN / 2), "both go on");
        assert!(told.is_news("revoked", now + 2 * TOLD_AGAIN));
    }

    #[test]
    fn what_the_authority_wanted_early_is_tried_again_soon_when_it_failed() {
        let now = Instant::now();
        let mut pace = Pace { next: now, asks: now };
        assert_eq!(pace.turn(false, now), Turn { compare: true, renew: true }, "it is asked at the start");
        assert_eq!(pace.turn(false, now + 2 * AGAIN), Turn { compare: false, renew: false }, "it answered");
        pace.failed();
        assert_eq!(pace.turn(false, now + 2 * AGAIN), Turn { compare: true, renew: true }, "it did not");
        assert_eq!(pace.turn(true, now + 2 * AGAIN), Turn { compare: false, renew: false }, "not twice");
        assert_eq!(pace.turn(true, now + 4 * AGAIN), Turn { compare: false, renew: true }, "and then the next");
    }

    #[test]
    fn what_is_due_at_the_start_waits_while_clocks_are_compared() {
        let now = Instant::now();
        let mut pace = Pace { next: now + START, asks: now };
        assert_eq!(pace.turn(true, now), Turn { compare: true, renew: false });
        assert_eq!(pace.turn(true, now + START), Turn { compare: false, renew: true });
    }

    #[test]
    fn nobody_comes_at_the_same_time() {
        let drawn: Vec<Duration> = (0..50).map(|_| about(Duration::from_secs(100))).collect();
        assert!(drawn.iter().all(|one| (50..=150).contains(&one.as_secs())), "{drawn:?}");
        assert!(drawn.iter().any(|one| one != &drawn[0]));
    }
}
