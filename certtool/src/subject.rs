//! What a command is about: a certificate file, or the device of a person.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use device::{EarlierMailbox, LockedDevice, LockedMailbox, MAX_FILE_BYTES, chain_from_pem};
use identity::Identifier;
use rustls_pki_types::CertificateDer;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::handed::Leaf;
use crate::text;

/// What stands before an address where the certificate for mail is meant: `mail:alice@example.org`.
pub(crate) const MAIL: &str = "mail:";

/// A chain to look at and where it came from.
#[derive(Debug)]
pub(crate) struct Subject {
    /// A path or an identifier.
    pub(crate) name: String,
    /// Leaf first; never empty.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) source: Source,
}

/// Where a chain came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    File,
    /// This device.
    Device,
    /// What is here for mail.
    Mail,
    /// What was for mail here, before another took its place.
    Earlier,
}

impl Subject {
    pub(crate) fn of_file(name: String, chain: Vec<CertificateDer<'static>>) -> Self {
        Self { name, chain, source: Source::File }
    }

    fn of_device(device: LockedDevice) -> Self {
        Self { name: device.identifier.to_string(), chain: device.chain, source: Source::Device }
    }

    fn of_mail(mailbox: LockedMailbox) -> Self {
        Self { name: for_mail(&mailbox.identifier), chain: mailbox.chain, source: Source::Mail }
    }
}

/// What is typed where the certificate for mail of this address is meant.
pub(crate) fn for_mail(identifier: &Identifier) -> String {
    format!("{MAIL}{identifier}")
}

/// What is typed where one from before is meant: `mail:alice@example.org/5f1c09aa`, with the first digits of its fingerprint.
pub(crate) fn for_earlier(identifier: &Identifier, leaf: &Leaf) -> String {
    format!("{MAIL}{identifier}/{}", leaf.digits())
}

/// The certificate for mail from before that `what` names; none if it names something else.
pub(crate) fn earlier(context: &Context, what: &str) -> Result<Option<EarlierMailbox>, Failure> {
    let Some((identifier, digits)) = earlier_name(what) else { return Ok(None) };
    let kept = context.home.earlier_mailboxes(&identifier)?;
    let leaves = kept.iter().filter_map(|one| Leaf::of(&one.chain).map(|leaf| (one, leaf)));
    let (fitting, others): (Vec<_>, Vec<_>) = leaves.partition(|(_, leaf)| leaf.fingerprint.starts_with(&digits));
    if let [(one, _)] = fitting.as_slice() {
        return Ok(Some((*one).clone()));
    }
    let many = if fitting.is_empty() { "no" } else { "more than one" };
    let what =
        format!("there is {many} earlier certificate for mail of {identifier} whose fingerprint begins with {digits}");
    let named = fitting
        .iter()
        .chain(&others)
        .map(|(_, leaf)| format!("{MAIL}{identifier}/{} (until {})", leaf.fingerprint, text::time(leaf.not_after)));
    let named: Vec<_> = named.collect();
    let remedy = match named.is_empty() {
        true => format!(
            "There is none here. A key is kept when certtool enroll {identifier} --for mail --new makes another one, and by certtool import."
        ),
        false => format!("There are: {}.", named.join(", ")),
    };
    Err(Failure::failed(what, remedy))
}

/// Address and digits. A domain has no slash in it, so whatever the address is the last one is ours.
fn earlier_name(what: &str) -> Option<(Identifier, String)> {
    let (address, digits) = what.strip_prefix(MAIL)?.rsplit_once('/')?;
    let hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((Identifier::parse(address).ok().filter(|_| hex)?, digits.to_ascii_lowercase()))
}

/// Reads the chain of `what`: a file in PEM or DER if there is one of that name, else what is here for that address: of this
/// device, or, if there is none of it or `mail:` stands before, for mail. Without a name: the only one there is.
pub(crate) fn find(context: &Context, what: Option<&str>) -> Result<Subject, Failure> {
    let Some(what) = what else { return only(context) };
    let path = Path::new(what);
    if path.exists() {
        return Ok(Subject::of_file(what.to_owned(), chain_of_file(path)?));
    }
    if let Some(earlier) = earlier(context, what)? {
        return Ok(Subject { name: what.to_owned(), chain: earlier.chain, source: Source::Earlier });
    }
    let (address, wants_mail) = what.strip_prefix(MAIL).map_or((what, false), |address| (address, true));
    match Identifier::parse(address) {
        Ok(identifier) if wants_mail => Ok(Subject::of_mail(context.home.locked_mailbox(&identifier)?)),
        Ok(identifier) => of(context, &identifier),
        Err(error) => Err(Failure::failed(
            format!("{what:?} is neither a file nor an address: {error}"),
            "Give the path of a certificate in PEM or DER, or an address you enrolled.",
        )),
    }
}

fn of(context: &Context, identifier: &Identifier) -> Result<Subject, Failure> {
    let home = &context.home;
    if !home.has_device(identifier)? && home.has_mailbox(identifier)? {
        return Ok(Subject::of_mail(home.locked_mailbox(identifier)?));
    }
    Ok(Subject::of_device(home.locked_device(identifier)?))
}

/// What the profile means, else the only device, or where there is none the only certificate for mail.
fn only(context: &Context) -> Result<Subject, Failure> {
    if let Some(identity) = &context.identity {
        return of(context, identity);
    }
    match context.home.devices()?.is_empty() && !context.home.mailboxes()?.is_empty() {
        true => Ok(Subject::of_mail(only_mailbox(context)?)),
        false => only_device(context),
    }
}

/// The device that the profile means, else the only one, or a failure that says which there are.
pub(crate) fn only_device(context: &Context) -> Result<Subject, Failure> {
    if let Some(identity) = &context.identity {
        return Ok(Subject::of_device(context.home.locked_device(identity)?));
    }
    only_of(context.home.devices()?, |device| device.identifier.to_string(), nobody()).map(Subject::of_device)
}

/// The certificate for mail that the profile means, else the only one, or a failure that says which there are.
pub(crate) fn only_mailbox(context: &Context) -> Result<LockedMailbox, Failure> {
    if let Some(identity) = &context.identity {
        return Ok(context.home.locked_mailbox(identity)?);
    }
    let none = Failure::failed(
        "there is no certificate for mail here yet",
        "Get one: certtool enroll you@example.org --for mail",
    );
    only_of(context.home.mailboxes()?, |mailbox| for_mail(&mailbox.identifier), none)
}

fn only_of<T>(mut all: Vec<T>, name: impl Fn(&T) -> String, none: Failure) -> Result<T, Failure> {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(none),
        (Some(last), false) => {
            let names: Vec<_> = all.iter().chain([&last]).map(name).collect();
            Err(Failure::failed(
                format!("there is more than one certificate here: {}", names.join(", ")),
                "Say which one, or write identity = \"ADDRESS\" into a profile of the settings.",
            ))
        }
    }
}

/// Nobody is enrolled here.
pub(crate) fn nobody() -> Failure {
    Failure::failed("nobody is enrolled here yet", "Get a certificate: certtool enroll you@example.org")
}

/// The file beside another that has its name with something after it.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// The whole file of a certificate or policy, at most 1 MiB.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(path, MAX_FILE_BYTES, "certificate or policy")
}

/// The whole file, at most `limit` bytes (a whole number of MiB); `what` it is to be stands in the refusal.
pub(crate) fn read_up_to(path: &Path, limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("{} cannot be read: {error}", path.display()), "Check the path and its permissions.")
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > limit {
        return Err(Failure::failed(
            format!("{} is larger than {} MiB, which no {what} is", path.display(), limit >> 20),
            "Check that it is the right file.",
        ));
    }
    Ok(bytes)
}

/// The chain in a file, in PEM, or a single certificate in DER.
pub(crate) fn chain_of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let bytes = read_file(path)?;
    // A SEQUENCE tag begins every certificate in DER; PEM begins with text.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    chain_from_pem(&bytes).map_err(|found| {
        Failure::new(
            Exit::Failed,
            format!("{}: expected a certificate in PEM or DER, found {found}", path.display()),
            "A PEM file has a line -----BEGIN CERTIFICATE-----.",
        )
    })
}
