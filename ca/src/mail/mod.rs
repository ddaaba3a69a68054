//! Mails on their way out: into a folder, to an SMTP server, or straight to the recipients' own.

mod device;
mod direct;
pub(crate) mod dkim;
mod handover;
mod letter;
mod outbox;
mod places;
mod reply;
mod smtp;
mod socket;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub(crate) use device::DeviceLetter;
pub(crate) use dkim::{DKIM_FILE, Signers};
pub use dkim::{DkimError, DkimRecord, new_dkim_key};
pub(crate) use letter::{CodeLetter, Letter};
pub(crate) use outbox::Outbox;
pub(crate) use reply::ReplyLetter;
use smtp::Smtp;

pub(crate) use self::direct::DELIVERY;
use self::direct::Direct;
pub use self::direct::POLICIES_FILE;
pub(crate) use self::places::Full;
use self::places::{Place, Places};
pub use self::smtp::check_smtp_url;
use crate::config::{DirectDelivery, Resolvers};
use crate::limit;

/// Announcements under way to one domain. They are none of those with codes, of which a stranger may ask for many.
const ANNOUNCEMENTS_TO_ONE_DOMAIN: usize = 8;
/// How long a mail with a code stands in its domain's line.
pub(crate) const IN_LINE: Duration = Duration::from_secs(90);

/// Where mails go.
#[derive(Clone)]
pub enum Mailer {
    /// Into this Maildir, where a person or a program picks them up: for trying out and for tests.
    Outbox(PathBuf),
    /// To an SMTP server of one's own.
    Smtp {
        /// How it is spoken to, and where:
        ///
        /// * `smtps://[name:password@]host[:465]` speaks TLS from the first byte (RFC 8314);
        /// * `smtp://[name:password@]host[:587]` insists on STARTTLS (RFC 3207), except towards this same machine;
        /// * `smtp://host[:25]?tls=none` speaks plain text: only if it is asked for so.
        url: String,
        /// Certificates in PEM by which its own is verified, in place of the web's authorities.
        roots: Option<PathBuf>,
    },
    /// Straight to the recipients' own servers, by DANE and MTA-STS.
    Direct(Box<DirectMail>),
}

/// What it takes to deliver without a server of one's own.
#[derive(Clone, Debug)]
pub struct DirectMail {
    /// How.
    pub delivery: DirectDelivery,
    /// Whom the domain name system is asked through; what they say is validated.
    pub resolvers: Resolvers,
    /// Where policies are kept that domains have published.
    pub folder: PathBuf,
}

impl Mailer {
    /// To the SMTP server at this URL, verified by the web's authorities.
    #[must_use]
    pub fn smtp(url: impl Into<String>) -> Self {
        Self::Smtp { url: url.into(), roots: None }
    }
}

impl std::fmt::Debug for Mailer {
    /// The URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outbox(folder) => f.debug_tuple("Outbox").field(folder).finish(),
            Self::Smtp { roots, .. } => f.debug_struct("Smtp").field("roots", roots).finish_non_exhaustive(),
            Self::Direct(direct) => f.debug_tuple("Direct").field(direct).finish(),
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
    /// The mail server cannot be reached, asks to come back later, or refuses this authority or its mail whatever the mailbox.
    #[error("the mail server does not take mail at the moment: {0}")]
    Unreachable(String),
    /// All places of this server, or of announcements to this domain, are taken: this one was not tried.
    #[error("{0} has not taken the mails yet that are under way to it")]
    Busy(String),
    /// The key that signs mails.
    #[error(transparent)]
    Dkim(#[from] DkimError),
    /// The mail cannot be written down.
    #[error("the mail cannot be composed: {0}")]
    Compose(String),
}

/// An open mailer.
pub(crate) struct Post {
    way: Way,
    signers: Signers,
    /// For every way: a mail server of one's own, too, is not to be filled by one domain.
    announcing_domains: Arc<Places>,
}

/// When a mail may leave.
pub(crate) struct Turn(Option<places::Turn>);

/// A mail may leave now, as long as this lives.
pub(crate) struct Leave(#[allow(dead_code, reason = "held, not read")] Option<Place>);

impl Turn {
    /// For what is held up by nobody.
    pub(crate) const AT_ONCE: Self = Self(None);

    /// Now, or itself if others are before it.
    pub(crate) fn now(self) -> Result<Leave, Self> {
        match self.0 {
            None => Ok(Leave(None)),
            Some(places::Turn::Now(place)) => Ok(Leave(Some(place))),
            later => Err(Self(later)),
        }
    }

    /// Stands in line; none if its turn does not come in time ([`IN_LINE`]).
    pub(crate) async fn come(self) -> Option<Leave> {
        match self.now() {
            Ok(leave) => Some(leave),
            Err(Self(Some(places::Turn::Later(waiting)))) => {
                waiting.come(IN_LINE).await.map(|place| Leave(Some(place)))
            }
            Err(_) => None,
        }
    }
}

enum Way {
    Outbox(Outbox),
    Smtp(Box<Smtp>),
    Direct(Box<Direct>),
}

impl Post {
    pub(crate) fn open(mailer: &Mailer, signers: Signers) -> Result<Self, MailError> {
        let way = match mailer {
            Mailer::Outbox(folder) => Way::Outbox(Outbox::open(folder)?),
            Mailer::Smtp { url, roots } => Way::Smtp(Box::new(Smtp::open(url, roots.as_deref())?)),
            Mailer::Direct(direct) => {
                let DirectMail { delivery, resolvers, folder } = &**direct;
                Way::Direct(Box::new(Direct::open(delivery, resolvers, folder)?))
            }
        };
        Ok(Self { way, signers, announcing_domains: Places::new(ANNOUNCEMENTS_TO_ONE_DOMAIN) })
    }

    /// Whether sending takes no network, and so no time that would tell a stranger anything.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.way, Way::Outbox(_))
    }

    /// Whether the configured mail server takes mails of this sender from us at all. Of other ways nothing is known before there
    /// is a mail.
    pub(crate) async fn check(&self, sender: &lettre::Address) -> Result<(), MailError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.check(sender).await,
            Way::Outbox(_) | Way::Direct(_) => Ok(()),
        }
    }

    /// A stand in the line of the mail's domain for what `peer` asks for; refused if that is full, or her network's share of it.
    pub(crate) async fn turn(&self, letter: &Letter, peer: Option<IpAddr>) -> Result<Turn, Full> {
        match &self.way {
            Way::Outbox(_) | Way::Smtp(_) => Ok(Turn::AT_ONCE),
            Way::Direct(direct) => {
                let turn = direct.turn(&letter.to_domain(), limit::wide_network(peer)).await?;
                Ok(Turn(Some(turn)))
            }
        }
    }

    /// Hands the mail over whose turn it is; when it answers, the other side has it durably.
    pub(crate) async fn send(&self, letter: Letter, _leave: &Leave) -> Result<(), MailError> {
        let letter = self.signers.signed(letter)?;
        match &self.way {
            Way::Outbox(outbox) => outbox.send(letter).await,
            Way::Smtp(smtp) => smtp.send(letter).await,
            Way::Direct(direct) => direct.send(letter).await,
        }
    }

    /// The same of a mail that nobody waits for, and that nobody's asking for codes may keep from leaving.
    pub(crate) async fn announce(&self, letter: Letter) -> Result<(), MailError> {
        let domain = letter.to_domain();
        let Some(_place) = self.announcing_domains.take(&domain) else { return Err(MailError::Busy(domain)) };
        match &self.way {
            Way::Direct(direct) => direct.announce(self.signers.signed(letter)?).await,
            Way::Outbox(_) | Way::Smtp(_) => self.send(letter, &Leave(None)).await,
        }
    }
}

#[cfg(test)]
mod tests;
