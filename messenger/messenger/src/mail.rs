//! Certificates for mail: the person's own, which her device tells those whom she knows or talks to, and those of others, which
//! are kept as their devices tell them (`Home::mail_certificates_of`).

use device::{Home, chain_to_pem};
use identity::trust::Trust;
use identity::verify::verify_mail;
use identity::{Identifier, UnixTime};
use messenger_engine::{Event, MailCertificate};
use rustls_pki_types::CertificateDer;

use crate::settings::Settings;

/// The chain of one's own, as far as it is to be told: nothing without one, or where the person keeps it to herself.
pub(crate) fn to_be_told(home: &Home, who: &Identifier, settings: &Settings) -> Vec<CertificateDer<'static>> {
    let is_there = settings.tell_mail_certificate && home.has_mailbox(who).unwrap_or(false);
    let mailbox = is_there.then(|| home.locked_mailbox(who).ok()).flatten();
    mailbox.map(|mailbox| mailbox.chain).unwrap_or_default()
}

/// The same, if others would accept it: one that has ended, say, is told nobody.
pub(crate) fn if_it_counts(chain: Vec<CertificateDer<'static>>, trust: &Trust) -> Vec<CertificateDer<'static>> {
    if chain.is_empty() {
        return chain;
    }
    match verify_mail(&chain, trust, UnixTime::now()) {
        Ok(_) => chain,
        Err(error) => {
            tracing::warn!(%error, "the certificate for mail is told nobody");
            Vec::new()
        }
    }
}

/// Its certificates, leaf first.
pub(crate) fn chain(told: &MailCertificate) -> Vec<CertificateDer<'static>> {
    told.chain.iter().map(|certificate| CertificateDer::from(certificate.0.clone())).collect()
}

/// As other programs read it.
pub(crate) fn pem(told: &MailCertificate) -> String {
    chain_to_pem(&chain(told))
}

/// Keeps what a `mail_certificate` event says; on disk when this returns. What went wrong comes back as an `error` event.
pub(crate) fn keep(home: &Home, event: &Event) -> Option<Event> {
    let Event::MailCertificate(told) = event else { return None };
    let kept = home.keep_mail_certificate_of(&told.who, told.device, &chain(told));
    kept.err().map(|error| Event::Error {
        about: told.who.to_string(),
        message: format!("their certificate for mail is not kept: {error}"),
        remedy: "check the folder and its free space; it comes again with the next conversation".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use identity::profile::{KeyAlgorithm, Profile};
    use identity::testing::{Authority, mail_key};
    use identity::trust::Fingerprint;

    use super::*;

    #[test]
    fn what_a_device_told_is_kept_and_one_that_has_ended_is_told_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let (bob, now) = (Identifier::parse("bob@example.org").unwrap(), UnixTime::now());
        let begun = |hours: u64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_secs().saturating_sub(hours * 3600)))
        };
        let authority = Authority::new(1, begun(1));
        let issue = |hours| authority.issue_mail(Profile::mail(), &bob, &mail_key(KeyAlgorithm::P256), begun(hours));
        let chain = issue(1);
        let told = MailCertificate {
            who: bob.clone(),
            device: Fingerprint([1; 32]),
            serial: "05".to_owned(),
            not_before: 0,
            not_after: 0,
            chain: chain.iter().map(|certificate| certificate.to_vec().into()).collect(),
        };
        assert!(pem(&told).starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(keep(&home, &Event::MailCertificate(told)), None);
        let trust = authority.trust();
        assert_eq!(home.mail_certificates_of(&bob, &trust, now).unwrap()[0].chain, chain);

        assert_eq!(if_it_counts(chain.clone(), &trust), chain);
        assert!(if_it_counts(issue(24 * 91), &trust).is_empty());
        assert!(if_it_counts(Vec::new(), &trust).is_empty());
        assert!(to_be_told(&home, &bob, &Settings::default()).is_empty(), "there is none");
    }
}
