//! An owner is told, by mail or text message, of a certificate for another device than those she had: if it was not she,
//! she can revoke it before anybody has spoken in her name.
//!
//! That she is to be told is stored together with the certificate, and struck out once the message has left. After a crash
//! in between she is told twice. What does not leave is tried again, ever more rarely.
//!
//! Messages are sent in turns: those that are due, until the last of them has left or failed. Of a turn's sixteen mails at
//! once at most eight are to one domain. So one domain that lets everybody wait leaves room for the others of its turn, two
//! leave none until they have failed, and what comes meanwhile waits for the next turn.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use identity::certificate::Tbs;
use identity::profile::Profile;
use identity::{Identifier, IdentifierKind};
use tokio_util::sync::CancellationToken;

use crate::acme::{self, NoMoney, Purpose, Service};
use crate::mail::{DeviceLetter, MailError};
use crate::random;
use crate::sms::{SmsError, Text};
use crate::store::{CertificateRecord, Change, RACES, Record, Select, Serial, StoreError, Subject};

/// Pause before a message that did not leave is tried again; each further one is twice as long.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest pause.
const SELDOM: Duration = Duration::from_secs(6 * 3600);
/// Told at a time.
const TAKE: usize = 64;
/// Mails under way at once.
const AT_ONCE: usize = 16;

/// Messages that did not leave: how often they were tried, and when they are again (seconds since the epoch).
type Waiting = HashMap<Serial, (u32, u64)>;

/// What became of a message.
enum Told {
    /// She was told, or never can be.
    Over,
    /// It was tried in vain.
    NotYet,
    /// It was not tried: its domain is busy with others.
    Busy,
}

/// Tells whoever is to be told, whenever there is somebody, until stopped.
pub(crate) async fn announce(service: Arc<Service>, stop: CancellationToken) {
    let mut waiting = Waiting::new();
    loop {
        // Of several front ends one does it, so that nobody is told twice.
        let told = match service.issuer.alone_with("announce").await {
            Ok(Some(_turn)) => announce_all(&service, &mut waiting).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "could not look for certificates to be announced");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = service.issuer.to_announce.notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn announce_all(service: &Service, waiting: &mut Waiting) -> Result<(), StoreError> {
    loop {
        let limit = TAKE + waiting.len();
        let due =
            service.store.certificates(Select::Unannounced { limit: limit.try_into().unwrap_or(u32::MAX) }).await?;
        let (whole, now) = (due.len() == limit, service.now().as_secs());
        if !whole {
            // All that wait were seen: what is missing was announced by another front end.
            let open: HashSet<Serial> = due.iter().map(|record| record.serial).collect();
            waiting.retain(|serial, _| open.contains(serial));
        }
        let resting = |record: &CertificateRecord| waiting.get(&record.serial).is_some_and(|(_, until)| *until > now);
        let due: Vec<_> = due.into_iter().filter(|record| !resting(record)).collect();
        let tried = due.len();
        let told = tell_all(service, due).await;
        let over = |(_, domain, told): &(_, Option<String>, _)| matches!(told, Ok(Told::Over)).then(|| domain.clone());
        let moving: HashSet<Option<String>> = told.iter().filter_map(over).collect();
        let mut at_once = false;
        for (serial, domain, told) in told {
            let times = waiting.get(&serial).map_or(0, |(times, _)| *times);
            match told? {
                Told::Over => {
                    waiting.remove(&serial);
                }
                Told::NotYet => {
                    let pause = AGAIN.saturating_mul(1 << times.min(16)).min(SELDOM);
                    waiting.insert(serial, (times + 1, now + pause.as_secs()));
                }
                // It has not failed, so it waits no longer for that; and not at all where others have just left.
                Told::Busy if moving.contains(&domain) => {
                    waiting.insert(serial, (times, now));
                    at_once = true;
                }
                Told::Busy => {
                    waiting.insert(serial, (times, now + AGAIN.as_secs()));
                }
            }
        }
        if !at_once && (!whole || tried == 0) {
            return Ok(());
        }
    }
}

/// Several mails at once, so that one slow domain does not keep the others of this turn waiting; text messages one after the
/// other, as each is charged to the same day.
async fn tell_all(service: &Service, due: Vec<CertificateRecord>) -> Vec<Answer> {
    let (texts, mails): (Vec<_>, Vec<_>) = due.into_iter().partition(is_text);
    let busy = Busy::default();
    let told =
        |records: Vec<CertificateRecord>| records.into_iter().map(|record| told(service, record, &busy)).collect();
    let (mails, texts): (Vec<_>, Vec<_>) = (told(mails), told(texts));
    let mails = stream::iter(mails).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let texts = stream::iter(texts).buffered(1).collect::<Vec<_>>();
    let (mut told, texts) = tokio::join!(mails, texts);
    told.extend(texts);
    told
}

/// What became of a message, and to which domain it was.
type Answer = (Serial, Option<String>, Result<Told, StoreError>);

/// Domains that were found busy: in this pass nothing more is begun to them, so that it ends.
type Busy = Mutex<HashSet<Option<String>>>;

fn told<'a>(service: &'a Service, record: CertificateRecord, busy: &'a Busy) -> BoxFuture<'a, Answer> {
    Box::pin(async move {
        let (serial, domain) = (record.serial, domain(&record));
        if busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&domain) {
            return (serial, domain, Ok(Told::Busy));
        }
        let told = tell(service, record).await;
        if matches!(told, Ok(Told::Busy)) {
            busy.lock().unwrap_or_else(PoisonError::into_inner).insert(domain.clone());
        }
        (serial, domain, told)
    })
}

fn domain(record: &CertificateRecord) -> Option<String> {
    match &record.subject {
        Subject::Person { identifier, .. } => identifier.domain().map(ToOwned::to_owned),
        _ => None,
    }
}

fn is_text(record: &CertificateRecord) -> bool {
    matches!(&record.subject, Subject::Person { identifier, .. } if identifier.kind() == IdentifierKind::Phone)
}

async fn tell(service: &Service, record: CertificateRecord) -> Result<Told, StoreError> {
    match send(service, &record).await {
        Ok(()) => {
            tracing::info!(serial = %record.serial, "announced");
            service.issuer.trail.note("announced", serde_json::json!({"serial": record.serial.to_string()}));
        }
        Err(Untold::Never(error)) => {
            tracing::warn!(serial = %record.serial, error, "cannot be announced");
        }
        // A full disk, a server that is down or does not know us, a day's money that is spent: it passes.
        Err(Untold::Later(error)) => {
            tracing::warn!(serial = %record.serial, error, "not announced yet");
            return Ok(Told::NotYet);
        }
        Err(Untold::Busy) => return Ok(Told::Busy),
    }
    Ok(if strike_out(service, record).await? { Told::Over } else { Told::NotYet })
}

/// Notes that nobody is to be told any more. If the certificate was changed while the message was under way (she may have
/// revoked it at once), of the newer record no more than that is changed: otherwise she would be told again.
async fn strike_out(service: &Service, mut record: CertificateRecord) -> Result<bool, StoreError> {
    let serial = record.serial;
    for _ in 0..RACES {
        let struck = CertificateRecord { announce: false, ..record };
        match service.store.commit(vec![Change::Update(Record::Certificate(struck))]).await {
            Err(StoreError::Conflict(_)) => match service.store.certificate(serial).await? {
                Some(newer) if newer.announce => record = newer,
                _ => return Ok(true),
            },
            other => return other.map(|_| true),
        }
    }
    Ok(false)
}

/// Why she was not told.
enum Untold {
    /// She never can be.
    Never(String),
    /// It may be tried again.
    Later(String),
    /// It was not tried.
    Busy,
}

impl From<MailError> for Untold {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Refused | MailError::Compose(_) => Self::Never(error.to_string()),
            MailError::Busy(_) => Self::Busy,
            error => Self::Later(error.to_string()),
        }
    }
}

async fn send(service: &Service, record: &CertificateRecord) -> Result<(), Untold> {
    let Subject::Person { identifier, .. } = &record.subject else { return Ok(()) };
    if identifier.kind() == IdentifierKind::Phone {
        return send_text(service, record, identifier).await;
    }
    let key = Tbs::decode(&record.tbs).map_err(|e| Untold::Never(e.to_string()))?;
    let letter = DeviceLetter {
        from: &service.mail_from,
        to: identifier,
        authority: service.host(),
        serial: &record.serial.to_string(),
        key: key.spki().subject_public_key.raw_bytes(),
        for_mail: record.profile == Profile::mail().name(),
        made: record.not_before,
        now: service.now(),
        message_id: random::id(),
    };
    Ok(service.post.announce(letter.compose()?).await?)
}

async fn send_text(service: &Service, record: &CertificateRecord, number: &Identifier) -> Result<(), Untold> {
    let Some(texting) = &service.texting else {
        return Err(Untold::Never("no text messages are sent here any more".into()));
    };
    let later = |e: &dyn std::fmt::Display| Untold::Later(e.to_string());
    let charge = acme::charge(service, &texting.phones, number, Purpose::Announcement).await.map_err(|e| match e {
        NoMoney::Spent { .. } => Untold::Later("the day's money for text messages is spent".into()),
        NoMoney::Store(error) => later(&error),
    })?;
    let day = acme::day_of(&charge);
    // A race with another message is lost until the next look.
    service.store.commit(vec![charge]).await.map_err(|e| later(&e))?;
    match texting.send(service, &Text::device(number, &record.serial.to_string())).await {
        Err(error @ SmsError::Refused) => Err(Untold::Never(error.to_string())),
        Err(error) => {
            if error.is_unsent() {
                acme::give_back(service, &texting.phones, number, day).await;
            }
            Err(later(&error))
        }
        Ok(()) => Ok(()),
    }
}
