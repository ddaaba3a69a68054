//! `certtool endorse`: a device that contacts know says of a new one that it is the same person's.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use device::card::qr;
use device::endorsement::{EndorseError, accept};
use device::{is_same_file, keep_file};
use identity::endorsement::{Endorsement, EndorsementError};
use identity::tls::device_fingerprint;
use identity::verify::{VerifiedPerson, verify_person};
use identity::{Identifier, UnixTime};
use serde::Serialize;

use super::card::link_or_picture;
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::says_yes;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::verdict::refusal;
use crate::{subject, text};

/// Say on a device that your contacts know that a new one is yours, so that it does not alarm them.
///
/// On the new device, enrol for the same address, and show its card: certtool card. Give that to certtool endorse on a device
/// that your contacts know, compare the device key that it asks about, and take the file that it writes to the new device:
/// certtool endorse --accept FILE, or a picture of the QR code that --qr shows. The messenger there shows it to those you talk to; it holds as long as the certificate of
/// the device that endorses. Who has compared a code with you is still told that it was not with the new device.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool endorse 'inperson:alice@example.org?genesis=5f1c…&directory=chat.example.org:8444&key=0011…'\n  \
    certtool endorse phone.png --out phone.endorsement --qr\n  \
    certtool endorse --accept phone.endorsement\n      \
        on the new device")]
pub(crate) struct Endorse {
    /// The new device: the link of its contact card, a picture of it, or its certificate in PEM or DER
    #[arg(value_name = "LINK|PICTURE|FILE", required_unless_present = "accept")]
    new: Option<String>,
    /// Whose device endorses, if several addresses are enrolled here
    #[arg(long, value_name = "ID", value_parser = identifier, conflicts_with = "accept")]
    by: Option<Identifier>,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "endorsement.pem", conflicts_with = "accept")]
    out: PathBuf,
    /// Print it as a QR code, too: it takes some 170 columns and 90 rows
    #[arg(long, conflicts_with = "accept")]
    qr: bool,
    /// Do not ask: you have compared the device key
    #[arg(long, conflicts_with = "accept")]
    yes: bool,
    /// On the new device: take the file that the known one wrote, or a picture (PNG, JPEG) of the QR code that it shows
    #[arg(long, value_name = "FILE|PICTURE", conflicts_with = "new")]
    accept: Option<PathBuf>,
}

impl Endorse {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match (&self.accept, &self.new) {
            (Some(file), _) => take(context, file),
            (None, Some(new)) => self.endorse(context, new),
            (None, None) => unreachable!("clap wants one of both"),
        }
    }

    fn endorse(&self, context: &Context, new: &str) -> Result<Exit, Failure> {
        if is_same_file(Path::new(new), &self.out) {
            return Err(Failure::failed(
                format!("{} would take the place of what it speaks of", self.out.display()),
                "Choose another: --out FILE.",
            ));
        }
        let now = clock::now();
        let own = subject::find(context, self.by.as_ref().map(Identifier::as_str))?;
        let trust = context.home.trust_at(now)?;
        let person = verify_person(&own.chain, &trust, now).map_err(|error| refusal(error, &own, now, false))?;
        let key = new_key(context, new, &person, now)?;
        self.confirm(&person, &key)?;
        let device = context.home.device(person.identifier())?;
        let endorsement = Endorsement::sign(&person, device_fingerprint(&key), &device.key).map_err(|error| {
            let remedy = match error {
                EndorsementError::ByItself => "Give the card of the new device: certtool card, there.",
                _ => "Is the token still there? Try again; nothing was written.",
            };
            Failure::failed(error.to_string(), remedy)
        })?;
        let pem = endorsement.to_pem();
        let code = self.qr.then(|| qr::text_for_terminal(&pem).ok_or_else(|| too_long(&self.out))).transpose()?;
        keep_file(&self.out, pem.as_bytes())?;
        context.output.report(&Endorsed { code, ..Endorsed::new(&person, &key, &endorsement, self.out.clone()) });
        Ok(Exit::Ok)
    }

    /// Nobody endorses a device by a link that somebody else sent her.
    fn confirm(&self, person: &VerifiedPerson, key: &[u8; 32]) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let key = text::groups(&hex::encode(key), 4);
        let refused = |what: &str| {
            let remedy =
                "Compare the device key with what certtool card shows on the new device, then answer y, or say --yes.";
            Failure::new(Exit::Refused, format!("the device {key} was not endorsed: {what}"), remedy)
        };
        if !io::stdin().is_terminal() {
            return Err(refused("there is nobody to ask"));
        }
        let question = format!(
            "Your contacts will take the device with this key for yours, {}:\n\n  {key}\n\n\
             Does certtool card on the new device, in your hands, show this device key? [y/N] ",
            person.identifier()
        );
        if says_yes(&question) { Ok(()) } else { Err(refused("that was no yes")) }
    }
}

/// The key of the device that a card or a certificate of the same person speaks of.
fn new_key(context: &Context, new: &str, person: &VerifiedPerson, now: UnixTime) -> Result<[u8; 32], Failure> {
    let same = |found: &Identifier| match found == person.identifier() {
        true => Ok(()),
        false => Err(Failure::failed(
            format!("expected a device of {}, found one of {found}", person.identifier()),
            "Enrol the new device for the same address, or say --by which of yours endorses.",
        )),
    };
    if let Some(card) = link_or_picture(new) {
        let card = card?;
        same(&card.identifier)?;
        return match card.keys[..] {
            [key] => Ok(key),
            _ => Err(Failure::failed(
                format!("expected a card with one device key, found one with {}", card.keys.len()),
                "Take the card that the new device shows: certtool card, there.",
            )),
        };
    }
    let path = Path::new(new);
    if !path.is_file() {
        return Err(Failure::failed(
            format!("{new:?} is neither the link of a card, nor a picture of one, nor a certificate"),
            "Run certtool card on the new device, and give what it shows.",
        ));
    }
    let found = subject::Subject::of_file(new.to_owned(), subject::chain_of_file(path)?);
    let trust = context.home.trust_at(now)?;
    let verified = verify_person(&found.chain, &trust, now).map_err(|error| refusal(error, &found, now, false))?;
    same(verified.identifier())?;
    Ok(*verified.device_key())
}

/// On the new device.
fn take(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let bytes = subject::read_up_to(file, qr::MAX_PICTURE_BYTES, "endorsement")?;
    let read = match is_picture(&bytes) {
        true => in_picture(&bytes),
        false => Endorsement::from_pem(&bytes).map_err(|error| error.to_string()),
    };
    let endorsement = read.map_err(|error| {
        let remedy =
            "Take the file that certtool endorse wrote on the other device, or a sharp picture of the whole code.";
        Failure::failed(format!("{}: {error}", file.display()), remedy)
    })?;
    let now = clock::now();
    let trust = context.home.trust_at(now)?;
    let by = accept(&context.home, &trust, &endorsement, now)?;
    context.output.report(&Taken::new(&by, &endorsement));
    Ok(Exit::Ok)
}

/// By the first bytes of a PNG (ISO/IEC 15948) or a JPEG (ISO/IEC 10918-1).
fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG") || bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// The endorsement in a picture, or what is wrong with the first code in it.
fn in_picture(bytes: &[u8]) -> Result<Endorsement, String> {
    let texts = qr::texts(bytes).map_err(|error| error.to_string())?;
    let mut read: Vec<_> = texts.iter().map(|text| Endorsement::from_pem(text.as_bytes())).collect();
    let good = read.iter().position(Result::is_ok).unwrap_or(0);
    read.swap_remove(good).map_err(|error| error.to_string())
}

fn too_long(out: &Path) -> Failure {
    let what = "the endorsement is too long for a QR code: the certificate has many cosignatures";
    Failure::failed(what, format!("Without --qr: {} is taken to the new device.", out.display()))
}

impl From<EndorseError> for Failure {
    fn from(error: EndorseError) -> Self {
        let what = error.to_string();
        let refused = |remedy: &str| Self::new(Exit::Refused, what, remedy);
        match error {
            EndorseError::Home(error) => error.into(),
            EndorseError::Endorser(_) => refused(
                "Renew the certificate there, certtool renew, and endorse once more; or pin its authority here, certtool trust add.",
            ),
            EndorseError::Endorsed(_) => refused("Renew it: certtool renew."),
            EndorseError::Endorsement(EndorsementError::Ended(_)) => {
                refused("On the other device: certtool renew, then certtool endorse once more.")
            }
            _ => refused("Endorse this device once more: certtool card here, certtool endorse on the other one."),
        }
    }
}

fn end(endorsement: &Endorsement) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(endorsement.until()))
}

/// What the known device wrote.
#[derive(Debug, Serialize)]
struct Endorsed {
    endorsed: bool,
    identifier: String,
    /// The new device's.
    device_key: String,
    /// This device's.
    by: String,
    until: String,
    written_to: PathBuf,
    #[serde(skip)]
    ends: String,
    #[serde(skip)]
    code: Option<String>,
}

impl Endorsed {
    fn new(by: &VerifiedPerson, key: &[u8; 32], endorsement: &Endorsement, written_to: PathBuf) -> Self {
        Self {
            endorsed: true,
            identifier: by.identifier().to_string(),
            device_key: hex::encode(key),
            by: hex::encode(by.device_key()),
            until: text::rfc3339(end(endorsement)),
            written_to,
            ends: text::time(end(endorsement)),
            code: None,
        }
    }
}

impl Report for Endorsed {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Endorsed a new device of {}", self.identifier));
        page.field("device key", text::groups(&self.device_key, 4));
        page.field("until", &self.ends);
        page.field("written", self.written_to.display());
        if let Some(code) = &self.code {
            page.code(code);
        }
        page.line(format!(
            "Take the file to the new device, and there: certtool endorse --accept {}",
            text::quoted(&self.written_to.display().to_string())
        ));
    }
}

/// What the new device took.
#[derive(Debug, Serialize)]
struct Taken {
    accepted: bool,
    identifier: String,
    /// The key of the device that endorses this one.
    by: String,
    until: String,
    #[serde(skip)]
    ends: String,
}

impl Taken {
    fn new(by: &VerifiedPerson, endorsement: &Endorsement) -> Self {
        Self {
            accepted: true,
            identifier: by.identifier().to_string(),
            by: hex::encode(by.device_key()),
            until: text::rfc3339(end(endorsement)),
            ends: text::time(end(endorsement)),
        }
    }
}

impl Report for Taken {
    fn page(&self, page: &mut Page) {
        page.good(&format!("This device of {} is endorsed", self.identifier));
        page.field("by the device", text::groups(&self.by, 4));
        page.field("until", &self.ends);
        page.line("The messenger shows this to those you talk to: one that runs, in ten seconds.");
    }
}
