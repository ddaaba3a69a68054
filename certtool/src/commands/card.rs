//! `certtool card`: one's own contact card as a link and a QR code, and what another's says.

use std::path::{Path, PathBuf};

use clap::Args;
use device::LockedDevice;
use device::card::{self, CardFailure, qr};
use identity::Identifier;
use identity::card::{CardError, ContactCard, Link, MAX_CARD_BYTES};
use identity::verify::verify_person;
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::verdict::refusal;
use crate::{subject, text};

/// Show your contact card as a link and a QR code, or what another's says
///
/// A card says who you are, under which trust policy you are certified, in which directory you are found and which key
/// this device has. Give it to those who are to find you: certtool trust add takes it, and so does /add in the messenger.
/// A card proves nothing by itself: it is worth what the way is worth on which it came.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool card\n  \
    certtool card alice@example.org --svg alice.svg\n  \
    certtool card bob.png --certificate bob.pem\n      \
        reads the card in a picture, and says whether the certificate is the one it means")]
pub(crate) struct Card {
    /// An address you enrolled, the link of another's card, or a picture of it; not needed if you enrolled one address
    #[arg(value_name = "ID|LINK|PICTURE")]
    what: Option<String>,
    /// Write the QR code to a file, as a picture in SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// A certificate in PEM or DER to compare with the card. Exit code 3: it is not the one that the card means
    #[arg(long, value_name = "FILE|ID")]
    certificate: Option<String>,
}

impl Card {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let card = match self.what.as_deref().map(read) {
            Some(Some(card)) => card?,
            Some(None) | None => own(context, self.what.as_deref())?,
        };
        if let Some(file) = &self.svg {
            write_svg(&card, file)?;
        }
        let policy = context.home.pinned_policies()?.into_iter().find(|pinned| pinned.pinned == card.genesis);
        let compared = self.certificate.as_deref().map(|what| compare(context, &card, what)).transpose()?;
        context.output.report(&Shown::new(&card, policy.map(|pinned| pinned.policy.name), compared));
        Ok(Exit::Ok)
    }
}

/// The card in a link or a file; nothing if `what` is neither.
fn read(what: &str) -> Option<Result<ContactCard, Failure>> {
    link(what).or_else(|| Path::new(what).is_file().then(|| read_file(Path::new(what))))
}

fn link(what: &str) -> Option<Result<ContactCard, Failure>> {
    let remedy = "Copy the whole link again, from inperson: to its end.";
    let scheme = what.trim_start().get(..9).is_some_and(|start| start.eq_ignore_ascii_case("inperson:"));
    scheme.then(|| of_text(what).map_err(|error| Failure::failed(error.to_string(), remedy)))
}

fn of_text(link: &str) -> Result<ContactCard, CardError> {
    link.parse::<Link>().and_then(ContactCard::try_from)
}

/// The card in a link or a picture, where a policy could stand as well.
pub(super) fn link_or_picture(what: &str) -> Option<Result<ContactCard, Failure>> {
    let picture = |path: &Path| {
        path.extension().is_some_and(|end| ["png", "jpg", "jpeg"].iter().any(|one| end.eq_ignore_ascii_case(one)))
    };
    link(what).or_else(|| Some(Path::new(what)).filter(|path| picture(path) && path.is_file()).map(read_file))
}

/// A picture, or a text with the link.
fn read_file(path: &Path) -> Result<ContactCard, Failure> {
    let bytes = subject::read_up_to(path, qr::MAX_PICTURE_BYTES, "picture of a card")?;
    let link = std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= MAX_CARD_BYTES);
    let card = match link {
        Some(link) => of_text(link).map_err(|error| error.to_string()),
        None => qr::read(&bytes).map_err(|error| error.to_string()),
    };
    card.map_err(|error| {
        let remedy = "Give the link itself, or a PNG or JPEG in which the whole code is to be seen, sharp and upright.";
        Failure::failed(format!("{}: {error}", path.display()), remedy)
    })
}

fn own(context: &Context, who: Option<&str>) -> Result<ContactCard, Failure> {
    let device = device(context, who)?;
    card::own(&context.home, &device.chain, &device.enrolment).map_err(|error| match error {
        CardFailure::Home(error) => error.into(),
        CardFailure::NotPinned { .. } => Failure::failed(error.to_string(), "Pin it again: certtool trust add."),
        CardFailure::NoDirectory { .. } => Failure::failed(error.to_string(), "Ask who runs the home server."),
        _ => Failure::failed(error.to_string(), "Get another one: certtool enroll."),
    })
}

/// The device enrolled for an address, or the only one.
fn device(context: &Context, who: Option<&str>) -> Result<LockedDevice, Failure> {
    let only;
    let who = match who {
        Some(who) => who,
        None => {
            only = subject::only_device(context)?.name;
            &only
        }
    };
    let identifier = Identifier::parse(who).map_err(|error| {
        Failure::failed(
            format!("{who:?} is neither an address, nor the link of a card, nor a file: {error}"),
            "Give an address you enrolled, a link that begins with inperson:, or the path of a picture.",
        )
    })?;
    Ok(context.home.locked_device(&identifier)?)
}

fn write_svg(card: &ContactCard, file: &Path) -> Result<(), Failure> {
    let svg = qr::as_svg(card).ok_or_else(too_long)?;
    std::fs::write(file, svg).map_err(|error| {
        Failure::failed(format!("{} cannot be written: {error}", file.display()), "Choose another file with --svg.")
    })
}

fn too_long() -> Failure {
    Failure::failed("the card is too long for a QR code", "Use the link.")
}

/// Whether a certificate is of the person, the policy and the device that the card means.
fn compare(context: &Context, card: &ContactCard, what: &str) -> Result<String, Failure> {
    let subject = subject::find(context, Some(what))?;
    let now = clock::now();
    let trust = context.home.trust_at(now)?;
    let person = verify_person(&subject.chain, &trust, now).map_err(|error| refusal(error, &subject, now, false))?;
    let expected = context.home.pinned_policies()?.into_iter().find(|pinned| pinned.pinned == card.genesis);
    let authorities = expected.map(|pinned| pinned.policy.authorities).unwrap_or_default();
    let theirs = |root: &[u8; 32]| authorities.iter().filter_map(|one| one.root_digest()).any(|known| known.0 == *root);
    let refused = |expected: String, found: String| {
        let remedy = "Ask the person, by phone or face to face, for a new card; until then trust neither.";
        Err(Failure::new(Exit::Refused, format!("expected {expected}, found {found}"), remedy))
    };
    if *person.identifier() != card.identifier {
        return refused(card.identifier.to_string(), person.identifier().to_string());
    }
    if !theirs(person.authority_root()) {
        return refused(format!("an authority of the policy {}", card.genesis), person.authority().to_owned());
    }
    if !card.keys.is_empty() && !card.keys.contains(person.device_key()) {
        let keys: Vec<_> = card.keys.iter().map(hex::encode).collect();
        return refused(format!("the key {}", keys.join(" or ")), hex::encode(person.device_key()));
    }
    Ok(subject.name)
}

/// A card in both forms.
#[derive(Debug, Serialize)]
struct Shown {
    link: String,
    identifier: String,
    genesis: String,
    /// The policy's name, if it is pinned here.
    pinned: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    directory: String,
    directory_address: String,
    device_keys: Vec<String>,
    /// The certificate that is the one the card means.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip)]
    code: Option<String>,
}

impl Shown {
    fn new(card: &ContactCard, pinned: Option<String>, certificate: Option<String>) -> Self {
        Self {
            link: card.to_string(),
            identifier: card.identifier.to_string(),
            genesis: card.genesis.to_string(),
            pinned,
            policy: card.policy.clone(),
            directory: card.directory.name.clone(),
            directory_address: card.directory.address.clone(),
            device_keys: card.keys.iter().map(hex::encode).collect(),
            certificate,
            code: qr::for_terminal(card),
        }
    }
}

impl Report for Shown {
    fn page(&self, page: &mut Page) {
        page.heading(&self.identifier);
        let pinned = self.pinned.as_deref().map_or("not pinned here".to_owned(), |name| format!("{name}, pinned here"));
        page.field("policy", pinned);
        page.field("fingerprint", text::groups(&self.genesis, 4));
        page.field("directory", format!("{} at {}", self.directory, self.directory_address));
        for key in &self.device_keys {
            page.field("device key", text::groups(key, 4));
        }
        if let Some(certificate) = &self.certificate {
            page.good(&format!("{certificate} is the certificate that the card means."));
        }
        if let Some(code) = &self.code {
            page.code(code);
        }
        page.line("");
        page.line(&self.link);
        if self.pinned.is_none() {
            page.line("");
            page.line("Pin the policy, if you trust the way on which the card came: certtool trust add 'LINK'");
        }
    }
}
