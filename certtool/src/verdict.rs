//! Whether a person's certificate counts, and how a refusal is told.

use std::path::Path;

use identity::certificate::Certificate;
use identity::oid;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::verify::{Certified, SignerKind, VerifyError, verify_mail, verify_person};
use identity::{CertificateDer, UnixTime};

use crate::clock;
use crate::failure::Failure;
use crate::subject::{self, Source, Subject};
use crate::text;

/// Whether it is for mail, by its policy.
pub(crate) fn is_for_mail(certificate: &Certificate) -> bool {
    certificate.tbs().policies().first() == Some(&oid::POLICY_MAIL)
}

/// What kind of certificate the first one of a chain is, by its policy.
pub(crate) fn kind(chain: &[CertificateDer]) -> SignerKind {
    let leaf = chain.first().and_then(|leaf| Certificate::parse(leaf).ok());
    match leaf.as_ref().is_some_and(is_for_mail) {
        true => SignerKind::Mailbox,
        false => SignerKind::Device,
    }
}

/// What a person's certificate proves, by the use it is for: mail, or live conversation.
pub(crate) fn certified(subject: &Subject, trust: &Trust, at: UnixTime) -> Result<Certified, VerifyError> {
    if kind(&subject.chain) == SignerKind::Mailbox {
        return verify_mail(&subject.chain, trust, at).map(|mailbox| Certified::clone(&mailbox));
    }
    verify_person(&subject.chain, trust, at).map(|person| Certified::clone(&person))
}

/// The refusal, with both times where time is the reason.
pub(crate) fn refusal(error: VerifyError, subject: &Subject, at: UnixTime, chosen: bool) -> Failure {
    let about_time = matches!(error.rule, Rule::ChainNotYetValid | Rule::ChainExpired);
    let revoked = error.rule == Rule::RevocationRevoked;
    let mut failure = Failure::from(error);
    failure.what = format!("{} is refused by {}", subject.name, failure.what);
    if about_time && let Some(window) = window(subject) {
        let clock = if chosen { format!("It was judged as of {}.", text::time(at)) } else { clock::says() };
        failure.remedy = format!("The certificate is valid {window}. {clock}");
    }
    if let (true, Some(identifier)) = (revoked, own(subject)) {
        failure.remedy = format!("It counts no more; certtool enroll {identifier} makes a new key and certificate.");
    }
    failure
}

/// What is typed after `certtool enroll` for another of the same kind, if the certificate is one of this computer's.
fn own(subject: &Subject) -> Option<String> {
    match subject.source {
        Source::Device => Some(subject.name.clone()),
        Source::Mail => subject.name.strip_prefix(subject::MAIL).map(|address| format!("{address} --for mail")),
        Source::File | Source::Earlier => None,
    }
}

fn window(subject: &Subject) -> Option<String> {
    let leaf = Certificate::parse(subject.chain.first()?).ok()?;
    Some(format!("from {} to {}", text::time(leaf.tbs().not_before()), text::time(leaf.tbs().not_after())))
}

/// The revocation list itself is refused, and says nothing of any certificate.
pub(crate) fn list_refused(error: VerifyError, list: &Path) -> Failure {
    let rule = error.rule;
    let mut failure = Failure::from(error);
    failure.what = format!("{} is refused by {}", list.display(), failure.what);
    let look = format!("certtool inspect {} says what it is", text::quoted(&list.display().to_string()));
    let remedy = match rule {
        Rule::RevocationIssuer => {
            format!("{look}. If its authority is another one, and you trust it, pin its policy: certtool trust add.")
        }
        Rule::RevocationOrder => format!("A newer one is known here, or it is from the future. {}", clock::says()),
        Rule::RevocationFresh => "Fetch a newer one from where this one came from.".to_owned(),
        _ => format!("{look}."),
    };
    failure.remedy = format!("Nothing was judged by it. {remedy}");
    failure
}
