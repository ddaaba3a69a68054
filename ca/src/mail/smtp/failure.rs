//! Why a conversation with a mail server of one's own came to nothing, in words that say what to try.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// Of an error of lettre's, or of a handshake. `wrapped`: TLS was to begin with the first byte. `own_roots`: by certificates that the operator
/// has named.
pub(super) fn words(error: &(dyn Error + 'static), wrapped: bool, own_roots: bool) -> String {
    let is_response = error.downcast_ref::<lettre::transport::smtp::Error>().is_some_and(|error| error.is_response());
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    let tls = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
    match (tls, io.and_then(unreached)) {
        (Some(rustls::Error::InvalidMessage(_)), _) if wrapped => {
            "expected TLS from the first byte, found none; for a server with STARTTLS write smtp:// (port 587)".into()
        }
        (Some(rustls::Error::InvalidCertificate(reason)), _) => certificate(reason, own_roots),
        (_, Some(words)) => words.to_owned(),
        _ if is_response => format!("expected an SMTP server there, found something else ({error})"),
        _ => in_full(error),
    }
}

/// Why there is no connection, where more can be said than the system does.
pub(super) fn unreached(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("nobody listens there; ports are 465 for smtps://, 587 for smtp://, 25 for smtp://…?tls=none")
        }
        io::ErrorKind::TimedOut => Some("it cannot be reached there; something may be in between"),
        _ => None,
    }
}

fn certificate(reason: &CertificateError, own_roots: bool) -> String {
    match reason {
        CertificateError::UnknownIssuer if own_roots => {
            "its certificate is by none of the authorities in the file of smtp_roots".into()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is by no authority that is known here; an authority of your own is named by smtp_roots \
             (--smtp-roots FILE)"
                .into()
        }
        CertificateError::NotValidForName => "its certificate is not for that name".into(),
        // `openssl req -x509` marks what it makes as an authority's, and that says nothing for a server.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it shows the certificate of an authority in place of one for itself".into()
        }
        // What was expected and found, in rustls' words: names, or times and this computer's clock.
        other => format!("its certificate does not count: {other}"),
    }
}

/// An error and its causes, as far as they say something new.
fn in_full(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).fold(error.to_string(), |text, cause| match text.contains(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}

/// The error itself, what caused it, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let one = next?;
        next = one.source();
        Some(one)
    })
}
