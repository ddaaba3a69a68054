//! Mails to an SMTP server. Encryption is decided by the URL, never by what the server offers.

use std::time::Duration;

use axum::http::Uri;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport as _, Tokio1Executor};

use super::{Letter, MailError};

/// How long a mail server may take for each step.
const STEP: Duration = Duration::from_secs(20);

/// A connection, or several, to one SMTP server.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    pub(super) fn open(url: &str) -> Result<Self, MailError> {
        let url = with_encryption(url)?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url).map_err(|_| bad("an unusable URL"))?;
        Ok(Self { transport: builder.timeout(Some(STEP)).build() })
    }

    pub(super) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        match self.transport.send_raw(letter.envelope(), &letter.bytes()).await {
            Ok(_) => Ok(()),
            // A server's words about a mailbox can quote the address; they are not repeated.
            Err(error) if error.is_permanent() => Err(self.refused().await),
            Err(error) if error.is_transient() => Err(MailError::Unreachable("it asks to come back later".into())),
            Err(error) => Err(MailError::Unreachable(error.to_string())),
        }
    }

    /// What a reply 5yz was about: this mail, or us. lettre does not tell at which command it came; but a server that does
    /// not greet us, or refuses our password, does so also without a mail.
    async fn refused(&self) -> MailError {
        match self.transport.test_connection().await {
            Ok(true) => MailError::Refused,
            Ok(false) | Err(_) => {
                MailError::Unreachable("it refuses this authority; look at its name and password".into())
            }
        }
    }
}

fn bad(found: &str) -> MailError {
    MailError::Config {
        what: "the SMTP server",
        expected: "smtps://[name:password@]host[:port] or smtp://[name:password@]host[:port][?tls=none]",
        found: found.into(),
    }
}

/// Says in lettre's words what the URL means in ours: it takes a bare `smtp://` for plain text, we for STARTTLS.
pub(super) fn with_encryption(url: &str) -> Result<String, MailError> {
    let parsed: Uri = url.parse().map_err(|_| bad("something that is no URL"))?;
    let host = parsed.host().filter(|h| !h.is_empty()).ok_or_else(|| bad("a URL without a host"))?;
    let base = url.split(['?', '#']).next().unwrap_or(url);
    match (parsed.scheme_str(), parsed.query()) {
        (Some("smtps"), None) | (Some("smtp"), Some("tls=none")) => Ok(base.into()),
        (Some("smtp"), None) if is_loopback(host) => Ok(base.into()),
        (Some("smtp"), None | Some("tls=required")) => Ok(format!("{base}?tls=required")),
        (Some("smtp" | "smtps"), Some(_)) => Err(bad("a URL with an unknown option")),
        (scheme, _) => Err(bad(&format!("the scheme {}", scheme.unwrap_or("(none)")))),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
