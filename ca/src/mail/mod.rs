//! Mails on their way out: into a folder, or to an SMTP server.

mod device;
mod letter;
mod outbox;
mod smtp;

use std::path::PathBuf;

use thiserror::Error;

pub(crate) use device::DeviceLetter;
pub(crate) use letter::{CodeLetter, Letter};
pub(crate) use outbox::Outbox;
use smtp::Smtp;

/// Where mails go.
#[derive(Clone)]
pub enum Mailer {
    /// Into this Maildir, where a person or a program picks them up: for trying out and for tests.
    Outbox(PathBuf),
    /// To the SMTP server at this URL.
    ///
    /// * `smtps://[name:password@]host[:465]` speaks TLS from the first byte (RFC 8314);
    /// * `smtp://[name:password@]host[:587]` insists on STARTTLS (RFC 3207), except towards this same machine;
    /// * `smtp://host[:25]?tls=none` speaks plain text: only if it is asked for so.
    Smtp(String),
}

impl std::fmt::Debug for Mailer {
    /// The URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outbox(folder) => f.debug_tuple("Outbox").field(folder).finish(),
            Self::Smtp(_) => f.write_str("Smtp(…)"),
        }
    }
}

/// Why a mail did not leave, or the mailer did not open.
#[derive(Debug, Error)]
pub enum MailError {
    /// The configured address or URL cannot be used.
    #[error("{what}: expected {expected}, found {found}")]
    Config {
        /// Which setting.
        what: &'static str,
        /// What it should look like.
        expected: &'static str,
        /// What it is (without secrets).
        found: String,
    },
    /// The outbox cannot be written.
    #[error("the outbox {folder}: {source}")]
    Outbox {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The mail server has no such mailbox, or refuses it for good. What a stranger is told must not depend on this.
    #[error("the mail server refuses the address")]
    Refused,
    /// The mail server cannot be reached or asks to come back later.
    #[error("the mail server does not take mail at the moment: {0}")]
    Unreachable(String),
    /// The mail cannot be written down.
    #[error("the mail cannot be composed: {0}")]
    Compose(String),
}

/// An open mailer.
pub(crate) enum Post {
    Outbox(Outbox),
    Smtp(Box<Smtp>),
}

impl Post {
    pub(crate) fn open(mailer: &Mailer) -> Result<Self, MailError> {
        Ok(match mailer {
            Mailer::Outbox(folder) => Self::Outbox(Outbox::open(folder)?),
            Mailer::Smtp(url) => Self::Smtp(Box::new(Smtp::open(url)?)),
        })
    }

    /// Whether sending takes no network, and so no time that would tell a stranger anything.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Outbox(_))
    }

    /// Hands the mail over; when it answers, the other side has it durably.
    pub(crate) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        match self {
            Self::Outbox(outbox) => outbox.send(letter).await,
            Self::Smtp(smtp) => smtp.send(letter).await,
        }
    }
}

#[cfg(test)]
mod tests;
