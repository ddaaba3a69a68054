//! To whom something is encrypted: her certificate for mail, which has to hold now, by the authority she is known by.

use std::path::Path;

use device::{NoTheirMailbox, chain_from_pem};
use identity::certificate::Certificate;
use identity::trust::{Revocation, Trust};
use identity::verify::{VerifiedMailbox, verify_mail};
use identity::{CertificateDer, Identifier, UnixTime};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::messenger;
use crate::output::Page;
use crate::reading::pem_content;
use crate::subject::{self, Subject, for_mail};
use crate::text;
use crate::verdict::refusal;

/// A certificate to which something may be encrypted, and whose it is.
#[derive(Debug, Serialize)]
pub(crate) struct Recipient {
    identifier: String,
    authority: String,
    not_after: String,
    /// Whether a revocation list of her authority is known here.
    revocation_checked: bool,
    /// What her address could be taken for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    lookalike: Option<String>,
    /// In DER.
    #[serde(skip)]
    pub(crate) certificate: CertificateDer,
}

/// Whose certificates `name` means: a file's, one of one's own, or a person's, of whom several are kept where her devices have
/// keys of their own. Nothing is encrypted to one that does not hold.
///
/// # Errors
/// There is none, or it is refused: exit code 3, with the rule that it breaks; 4 if her device cannot be reached.
pub(crate) fn recipients(
    context: &Context,
    name: &str,
    trust: &Trust,
    now: UnixTime,
) -> Result<Vec<Recipient>, Failure> {
    if let (false, Ok(who)) = (Path::new(name).exists(), Identifier::parse(name))
        && !context.home.has_mailbox(&who)?
        && !context.home.has_device(&who)?
    {
        return of_person(context, &who, trust, now);
    }
    let subject = certificate(context, name)?;
    let person = verify_mail(&subject.chain, trust, now).map_err(|error| {
        let mut failure = refusal(error, &subject, now, false);
        failure.what.push_str("; nothing was encrypted to it");
        failure
    })?;
    // A file may be called as somebody's address is, and come from anywhere.
    if let Ok(who) = Identifier::parse(name)
        && *person.identifier() != who
    {
        return Err(Failure::new(
            Exit::Refused,
            format!("the file {name} holds a certificate of {}; nothing was encrypted to it", person.identifier()),
            format!("Give it as ./{name} if the file is meant; otherwise move it away."),
        ));
    }
    Ok(vec![Recipient::of(&person, subject.chain)])
}

impl Recipient {
    /// What was verified, and the chain that was.
    fn of(person: &VerifiedMailbox, chain: Vec<CertificateDer>) -> Self {
        let certificate = chain.into_iter().next();
        Self {
            identifier: person.identifier().to_string(),
            authority: person.authority().to_owned(),
            not_after: text::rfc3339(person.not_after()),
            revocation_checked: person.revocation() != Revocation::Unknown,
            lookalike: person.identifier().lookalike().map(|lookalike| lookalike.to_string()),
            certificate: certificate.expect("a chain that was verified begins with a certificate"),
        }
    }

    /// Whose it is, under the line that says what was done.
    pub(crate) fn page(&self, page: &mut Page) {
        page.field("to", format!("{}, certified by {}", self.identifier, self.authority));
        if let Some(lookalike) = &self.lookalike {
            page.warning(&format!("Look twice: {lookalike}."));
        }
        if !self.revocation_checked {
            page.warning(&format!("  no revocation list is known here for the certificate of {}", self.identifier));
        }
    }
}

/// The certificate that is meant, not verified: a file's, or one's own.
fn certificate(context: &Context, name: &str) -> Result<Subject, Failure> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(Subject::of_file(name.to_owned(), chain_of_file(path)?));
    }
    // With `mail:` before it or without; or what it is that is neither.
    let own = Identifier::parse(name).map(|identifier| for_mail(&identifier));
    subject::find(context, Some(own.as_deref().unwrap_or(name)))
}

/// The certificates of a person who is not at this device. There is no public directory of people: what her devices told the
/// messenger is kept, and where that is none, or counts no more, her device is asked now.
fn of_person(context: &Context, who: &Identifier, trust: &Trust, now: UnixTime) -> Result<Vec<Recipient>, Failure> {
    let kept = match context.home.mail_certificates_of(who, trust, now) {
        Err(NoTheirMailbox::None { .. } | NoTheirMailbox::Refused { .. }) => {
            fetch(context, who)?;
            // A revocation list may have come with it.
            context.home.mail_certificates_of(who, &context.home.trust_at(now)?, now)
        }
        kept => kept,
    };
    let kept = kept.map_err(|error| match error {
        NoTheirMailbox::Home(error) => error.into(),
        NoTheirMailbox::Refused { .. } => Failure::new(Exit::Refused, error.to_string(), ASK),
        NoTheirMailbox::None { .. } => Failure::failed(error.to_string(), ASK),
    })?;
    Ok(kept.into_iter().map(|one| Recipient::of(&one.verified, one.chain)).collect())
}

const ASK: &str = "Ask them for their certificate, and give its file: --to FILE.";

/// Has the messenger get it from her device, which needs her to be online.
fn fetch(context: &Context, who: &Identifier) -> Result<(), Failure> {
    context.output.step(&format!("no certificate for mail of {who} is kept here: asking their device"));
    let mut command = messenger::command(context, "certificate");
    if let Some(identity) = &context.identity {
        command.arg("--identity").arg(identity.as_str());
    }
    // An address may begin as an option does.
    command.args(["--json", "--", who.as_str()]);
    let none = |exit, why: &str, remedy: &str| {
        let what = format!("no certificate for mail of {who} is kept here, and their device gave none: {why}");
        Failure::new(
            exit,
            what,
            format!("Try this: {}. Or give a file with it: --to FILE.", remedy.trim_end_matches('.')),
        )
    };
    let (said, exit) =
        messenger::said(command).map_err(|failure| none(failure.exit, &failure.what, &failure.remedy))?;
    if exit == Exit::Ok {
        return Ok(());
    }
    let of = |field: &str| said.get("error").and_then(|error| error.get(field)?.as_str()).unwrap_or_default();
    Err(none(exit, of("what"), of("try")))
}

/// The chain in a file, leaf first: certificates in PEM or DER, or a message that holds them (PKCS#7, .p7c), in any order.
fn chain_of_file(path: &Path) -> Result<Vec<CertificateDer>, Failure> {
    const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let bytes = subject::read_file(path)?;
    let begins = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).trim_start().to_owned();
    let message = if begins.starts_with("-----BEGIN PKCS7-----") || begins.starts_with("-----BEGIN CMS-----") {
        pem_content(&bytes).map_err(|found| no_certificate(path, &found))?
    } else if bytes.starts_with(b"\x30") && bytes.windows(PKCS7.len()).take(8).any(|part| part == PKCS7) {
        bytes
    } else if bytes.starts_with(b"\x30") {
        return Ok(vec![bytes.into()]);
    } else {
        return chain_from_pem(&bytes).map_err(|found| no_certificate(path, &found));
    };
    let found = message_syntax::certificates(&message[..]).map_err(|error| no_certificate(path, &error.to_string()))?;
    let chain: Vec<CertificateDer> = found.into_iter().take(identity::MAX_CHAIN).map(CertificateDer::from).collect();
    if chain.is_empty() {
        return Err(no_certificate(path, "none in it"));
    }
    Ok(leaf_first(chain))
}

/// One that has issued none of the others comes first.
fn leaf_first(mut chain: Vec<CertificateDer>) -> Vec<CertificateDer> {
    let parsed: Vec<_> = chain.iter().map(|der| Certificate::parse(der).ok()).collect();
    let issued = |one: &Certificate| {
        let others = parsed.iter().flatten().filter(|other| other.tbs().subject() != other.tbs().issuer());
        others.filter(|other| other.tbs().issuer() == one.tbs().subject()).count()
    };
    let leaf = parsed.iter().position(|one| one.as_ref().is_some_and(|one| issued(one) == 0));
    chain.swap(0, leaf.unwrap_or(0));
    chain
}

fn no_certificate(path: &Path, found: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{}: expected a certificate in PEM, DER or PKCS#7, found {found}", path.display()),
        "A PEM file has a line -----BEGIN CERTIFICATE-----.",
    )
}
