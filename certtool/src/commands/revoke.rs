//! `certtool revoke`: a certificate counts no more from now on.

mod report;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use clap::{Args, ValueEnum};
use device::enrolment::{self, EnrolError, Listed, Owner, Reason, Revoked};
use device::{Holder, OwnKey};
use identity::Identifier;

use self::report::{Done, One};
use super::verify::Purpose;
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::Person;
use crate::failure::{Exit, Failure};
use crate::{subject, text};

/// Revoke a certificate: this device's, or that of one you lost.
///
/// Without --stolen: the certificate of this device, whose key signs the request, for good: neither renew nor a timer brings it
/// back, and certtool enroll makes a new key and certificate. With --stolen: those of another device of
/// yours, also if they have ended, from any device that trusts the authority. A code is sent to your address, as when you
/// enrol, unless you typed one here within the hour. The stolen key gets no certificate any more, and whoever else has
/// proven your address, or your other devices, is asked for a code at the next renewal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool revoke alice@example.org --reason superseded\n  \
    certtool revoke alice@example.org --for mail\n  \
    certtool revoke alice@example.org --stolen\n  \
    certtool revoke alice@example.org --stolen --serial 5f2e…")]
pub(crate) struct Revoke {
    /// Whose certificate; at a terminal, without --stolen, it is asked if there is only one here
    #[arg(value_name = "ID", value_parser = identifier, required_if_eq("stolen", "true"))]
    identifier: Option<Identifier>,
    /// Which of the certificates that are here [default: that of this device]
    #[arg(long = "for", value_name = "USE", value_enum, conflicts_with = "stolen")]
    purpose: Option<Purpose>,
    /// A device was stolen or lost: revoke its certificate by proving that the address is yours
    #[arg(long)]
    stolen: bool,
    /// Which certificate, if there are several of other devices; repeatable
    #[arg(long = "serial", value_name = "HEX", requires = "stolen", conflicts_with = "all")]
    serials: Vec<String>,
    /// The certificates of all devices but this one
    #[arg(long, requires = "stolen")]
    all: bool,
    /// Why [default: unspecified, with --stolen key-compromise, which alone shuts out whoever has the device]
    #[arg(long, value_enum, value_name = "REASON")]
    reason: Option<Why>,
    /// Which authority, if more than one of those pinned may certify you
    #[arg(long, value_name = "NAME", requires = "stolen")]
    authority: Option<String>,
    /// The code that was sent, with --stolen
    #[arg(long, value_name = "CODE", requires = "stolen")]
    code: Option<String>,
}

/// The reasons of RFC 5280 that an owner can know.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Why {
    /// No reason
    Unspecified,
    /// Somebody else has, or may have, the key
    KeyCompromise,
    /// The address is no longer yours
    AffiliationChanged,
    /// Another certificate takes its place
    Superseded,
    /// The device is out of use
    CessationOfOperation,
}

impl Why {
    fn reason(self) -> Reason {
        match self {
            Self::Unspecified => Reason::Unspecified,
            Self::KeyCompromise => Reason::KeyCompromise,
            Self::AffiliationChanged => Reason::AffiliationChanged,
            Self::Superseded => Reason::Superseded,
            Self::CessationOfOperation => Reason::CessationOfOperation,
        }
    }
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match &self.identifier {
            Some(identifier) if self.stolen => self.stolen(context, identifier).await,
            _ => self.own(context).await,
        }
    }

    async fn own(&self, context: &Context) -> Result<Exit, Failure> {
        let for_mail = self.purpose == Some(Purpose::Mail);
        let identifier = match &self.identifier {
            Some(identifier) => identifier.clone(),
            None => {
                let only = if for_mail {
                    subject::only_mailbox(context)?.identifier
                } else {
                    Identifier::parse(&subject::only_device(context)?.name)
                        .map_err(|error| Failure::failed(error.to_string(), "Say whose certificate."))?
                };
                confirm(context, &only, for_mail)?;
                only
            }
        };
        match for_mail {
            true => self.revoke_own(context, context.home.mailbox(&identifier)?).await,
            false => self.revoke_own(context, context.home.device(&identifier)?).await,
        }
    }

    async fn revoke_own<K: OwnKey>(&self, context: &Context, device: Holder<K>) -> Result<Exit, Failure> {
        let reason = self.reason.unwrap_or(Why::Unspecified).reason();
        let mut person = Person::new(&context.output, None);
        let revoked = enrolment::revoke_own(&context.home, &device, reason, clock::now(), &mut person).await?;
        let serial = device.chain.first().and_then(|leaf| identity::certificate::Certificate::parse(leaf).ok());
        let serial = serial.map(|leaf| leaf.tbs().serial_hex()).unwrap_or_default();
        let mut done = Done::new(&device.identifier, vec![(serial, revoked)]);
        done.own = Some(self.purpose.unwrap_or(Purpose::Live));
        context.output.report(&done);
        Ok(Exit::Ok)
    }

    async fn stolen(&self, context: &Context, identifier: &Identifier) -> Result<Exit, Failure> {
        let mut own = Vec::new();
        if context.home.has_device(identifier)? {
            own.extend(context.home.locked_device(identifier)?.public_key());
        }
        if context.home.has_mailbox(identifier)? {
            own.extend(context.home.locked_mailbox(identifier)?.public_key());
        }
        own.extend(context.home.earlier_mail_keys(identifier)?);
        let mut person = Person::new(&context.output, self.code.clone());
        let authority = self.authority.as_deref();
        let mut owner = Owner::prove(&context.home, identifier, authority, clock::now(), &mut person).await?;
        let reason = self.reason.unwrap_or(Why::KeyCompromise).reason();
        let compromised = reason == Reason::KeyCompromise;
        let mut done = Done::new(identifier, Vec::new());
        if compromised {
            // First: whoever has one could go on while she reads which certificates there are.
            done.proofs_ended = Some(owner.end_other_proofs().await?);
        }
        let so_far = |failure: Failure| after_ending(failure, done.proofs_ended);
        let others = owner.certificates().await;
        let mut others = others.map_err(|error| so_far(error.into()))?;
        others.retain(|one| !own.contains(&one.key));
        let chosen = self.chosen(identifier, &others, done.proofs_ended).map_err(so_far)?;
        let revoke = async |one: &Listed| owner.revoke(&context.home, one, reason, clock::now()).await;
        done.certificates = each(&chosen, compromised, revoke).await;
        context.output.report(&done);
        Ok(done.exit())
    }

    /// Which of the other devices' certificates are meant.
    fn chosen<'a>(
        &self,
        identifier: &Identifier,
        others: &'a [Listed],
        proofs_ended: Option<u64>,
    ) -> Result<Vec<&'a Listed>, Failure> {
        // What never became a certificate is no device. By its number she hears so.
        let standing: Vec<_> = others.iter().filter(|one| !one.given_up).collect();
        // Proofs without a certificate are all that there was to end.
        if standing.is_empty() && self.serials.is_empty() && proofs_ended.is_some_and(|ended| ended > 0) {
            return Ok(Vec::new());
        }
        if standing.is_empty() && self.serials.is_empty() {
            return Err(Failure::failed(
                format!("there is no certificate of another device for {identifier}"),
                "This device's own is revoked without --stolen.",
            ));
        }
        // A device has several certificates in a row, of one key: they go together.
        let same_key = standing.iter().all(|one| one.key == standing[0].key);
        if self.all || self.serials.is_empty() && same_key {
            return Ok(standing);
        }
        if self.serials.is_empty() {
            let lines: Vec<_> = standing.into_iter().map(line).collect();
            return Err(Failure::failed(
                format!("there are certificates of several other devices:\n  {}", lines.join("\n  ")),
                "Say which with --serial HEX, or --all.",
            ));
        }
        let find = |serial: &String| {
            others.iter().find(|one| one.serial.eq_ignore_ascii_case(serial)).ok_or_else(|| {
                let have: Vec<_> = others.iter().map(|one| one.serial.as_str()).collect();
                Failure::failed(
                    format!("expected the serial number of another device's certificate, found {serial}"),
                    format!("There are: {}", have.join(", ")),
                )
            })
        };
        self.serials.iter().map(find).collect()
    }
}

/// What failed, and what was done all the same: the next attempt has nothing to end any more, and says 0.
fn after_ending(failure: Failure, proofs_ended: Option<u64>) -> Failure {
    let Some(ended @ 1..) = proofs_ended else { return failure };
    let proofs = text::count(ended, "other proof", "other proofs");
    Failure { what: format!("{}\n(ended before that: {proofs} of control)", failure.what), ..failure }
}

/// Revokes each of them: one that fails must not keep those behind it valid.
async fn each(
    chosen: &[&Listed],
    compromised: bool,
    mut revoke: impl AsyncFnMut(&Listed) -> Result<Revoked, EnrolError>,
) -> Vec<One> {
    let (mut reported, mut done) = (Vec::new(), Vec::new());
    for one in chosen {
        let revoked = match revoke(one).await {
            // With the first of a stolen key's certificates all of them are revoked.
            Ok(Revoked::Before) if reported.contains(&&one.key) => Ok(Revoked::Now),
            revoked => revoked,
        };
        if compromised && matches!(revoked, Ok(Revoked::Now)) {
            reported.push(&one.key);
        }
        done.push(One::new(one.serial.clone(), revoked));
    }
    done
}

/// Nobody revokes the one certificate she has by a command line that ends too early.
fn confirm(context: &Context, identifier: &Identifier, for_mail: bool) -> Result<(), Failure> {
    let (whose, option) =
        if for_mail { ("the certificate for mail", " --for mail") } else { ("this device's certificate", "") };
    let refused = |what: &str| {
        Failure::failed(
            format!("nothing was revoked: {what}"),
            format!("Say whose certificate: certtool revoke {identifier}{option}"),
        )
    };
    if context.output.json() || !io::stdin().is_terminal() {
        return Err(refused("there is nobody to ask whether the certificate of this device is meant"));
    }
    let _ = write!(io::stderr(), "Revoke {whose} of {identifier}? Type yes: ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    if read.is_ok() && answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(refused("that was no yes")) }
}

fn line(one: &Listed) -> String {
    let made = text::relative(one.not_before, clock::now());
    let key = &text::key_digits(&one.key)[..16];
    let ends = if one.not_after.as_secs() < clock::now().as_secs() { "ended" } else { "ends" };
    format!("{} made {made}, {ends} {}, key {key}…", one.serial, text::relative(one.not_after, clock::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(serial: &str, key: u8, ends: u64) -> Listed {
        let at = |seconds| identity::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        Listed {
            serial: serial.to_owned(),
            key: vec![key; 32],
            not_before: at(1),
            not_after: at(ends),
            given_up: false,
        }
    }

    #[tokio::test]
    async fn one_that_never_was_or_cannot_be_revoked_keeps_none_behind_it_valid() {
        let all = ["0a", "0b", "0c", "0d"].map(|serial| listed(serial, 1, 2));
        let chosen: Vec<_> = all.iter().collect();
        let mut asked = Vec::new();
        let answer = async |one: &Listed| {
            asked.push(one.serial.clone());
            match one.serial.as_str() {
                "0a" => Ok(Revoked::Never),
                "0b" => Err(EnrolError::NoCertificate { found: "nothing".to_owned() }),
                "0c" => Ok(Revoked::Now),
                _ => Ok(Revoked::Before),
            }
        };
        let alice = Identifier::parse("alice@example.org").unwrap();
        let mut done = Done::new(&alice, Vec::new());
        done.certificates = each(&chosen, true, answer).await;
        assert_eq!(asked, ["0a", "0b", "0c", "0d"]);
        let seen: Vec<_> = done.certificates.iter().map(|one| (one.never, one.failed.is_some(), one.now)).collect();
        assert_eq!(seen, [(true, false, false), (false, true, false), (false, false, true), (false, false, true)]);
        assert_eq!(done.exit(), Exit::Refused, "as the first that failed");
        done.certificates.remove(1);
        assert_eq!(done.exit(), Exit::Ok, "what never was needs no revocation");
    }

    #[test]
    fn what_was_ended_is_told_also_if_the_choice_fails() {
        let failure = || Failure::failed("there is no such certificate", "Say which.");
        let told = after_ending(failure(), Some(2));
        assert_eq!(told.what, "there is no such certificate\n(ended before that: 2 other proofs of control)");
        assert_eq!((told.remedy, told.exit), (failure().remedy, failure().exit));
        for nothing in [None, Some(0)] {
            assert_eq!(after_ending(failure(), nothing).what, failure().what);
        }
    }

    #[test]
    fn a_device_is_named_by_any_of_its_certificates_also_by_one_that_has_ended() {
        let alice = Identifier::parse("alice@example.org").unwrap();
        let revoke = |serials: &[&str]| Revoke {
            identifier: Some(alice.clone()),
            purpose: None,
            stolen: true,
            serials: serials.iter().map(|&serial| serial.to_owned()).collect(),
            all: false,
            reason: None,
            authority: None,
            code: None,
        };
        let (ended, current) = (listed("0a", 1, 2), listed("0b", 2, u64::MAX / 2));
        let others = [ended.clone(), current];
        // The only one there is.
        assert_eq!(revoke(&[]).chosen(&alice, &others[..1], Some(0)).unwrap(), [&ended]);
        assert_eq!(revoke(&["0A"]).chosen(&alice, &others, Some(0)).unwrap(), [&ended]);
        let several = revoke(&[]).chosen(&alice, &others, Some(0)).unwrap_err().what;
        assert!(several.contains("0a made") && several.contains(", ended "), "{several}");
        // What never became a certificate is no device, but may be asked about.
        let dead = Listed { given_up: true, ..listed("0c", 3, u64::MAX / 2) };
        let with_it = [ended.clone(), dead.clone()];
        assert_eq!(revoke(&[]).chosen(&alice, &with_it, Some(0)).unwrap(), [&ended]);
        assert_eq!(Revoke { all: true, ..revoke(&[]) }.chosen(&alice, &with_it, Some(0)).unwrap(), [&ended]);
        assert_eq!(revoke(&["0c"]).chosen(&alice, &with_it, Some(0)).unwrap(), [&dead]);
        assert!(revoke(&[]).chosen(&alice, std::slice::from_ref(&dead), Some(0)).is_err());
        // There may be nothing but proofs.
        assert!(revoke(&[]).chosen(&alice, &[], Some(1)).unwrap().is_empty());
        assert!(revoke(&[]).chosen(&alice, &[], Some(0)).is_err());
    }
}
