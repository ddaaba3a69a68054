//! Text messages on their way out: into a folder, or to a gateway.

mod gateway;
mod receipts;
mod secrets;
mod smpp;
mod template;
mod text;

use std::path::PathBuf;

use thiserror::Error;

pub use gateway::HttpGateway;
pub(crate) use gateway::{preset, presets};
pub(crate) use receipts::{Fate, Receipts, Reports};
pub use secrets::{Secrets, SecretsError};
pub use smpp::{SmppError, SmppGateway};
#[cfg(any(test, fuzzing))]
pub(crate) use template::Values;
pub use template::{Expected, ReceiptShape, Template, TemplateError};
pub(crate) use text::Text;

use crate::mail::{MailError, Outbox};
use crate::web::WebError;
use gateway::Gateway;
use smpp::Smpp;
#[cfg(any(test, fuzzing))]
pub(crate) use smpp::look as look_at_smpp;

/// Where text messages go.
#[derive(Clone, Debug)]
pub enum Texter {
    /// Into this Maildir, beside mails: for trying out and for tests.
    Outbox(PathBuf),
    /// To a provider over HTTP.
    Http(Box<HttpGateway>),
    /// To an SMSC over SMPP.
    Smpp(Box<SmppGateway>),
}

/// Why a text message did not leave, or the gateway did not open. Nothing here holds a secret or a code.
#[derive(Debug, Error)]
pub enum SmsError {
    /// The template of the request.
    #[error("the request for the gateway: {0}")]
    Template(#[from] TemplateError),
    /// A header that cannot be sent.
    #[error("the request for the gateway: expected a header {0} of printable characters")]
    Header(String),
    /// The gateway cannot be asked.
    #[error("the gateway: {0}")]
    Web(#[from] WebError),
    /// The outbox cannot be written.
    #[error(transparent)]
    Outbox(#[from] MailError),
    /// The SMSC.
    #[error("the SMSC: {0}")]
    Smpp(#[from] SmppError),
    /// The gateway takes nothing from us, or not now.
    #[error("the gateway {host} does not take the message: it answers {status}")]
    Unaccepted {
        /// Who.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// The gateway refuses this message: mostly, that the number cannot be reached. What a stranger is told must not
    /// depend on this.
    #[error("the gateway refuses the message")]
    Refused,
}

impl SmsError {
    /// Whether it is certain that nothing was sent, so that nothing is to be paid. After a silence nobody knows; and what a
    /// gateway refuses for the number's sake, some charge for.
    pub(crate) const fn is_unsent(&self) -> bool {
        match self {
            Self::Template(_) | Self::Header(_) | Self::Unaccepted { .. } => true,
            Self::Web(error) => matches!(error, WebError::Unreachable { unasked: true, .. }),
            Self::Smpp(error) => matches!(error, SmppError::NoSession { .. } | SmppError::Status { .. }),
            Self::Outbox(_) | Self::Refused => false,
        }
    }
}

/// An open way out.
pub(crate) enum Sms {
    Outbox(Outbox),
    Http(Box<Gateway>),
    Smpp(Smpp),
}

impl Sms {
    /// What an SMSC reports goes to `reports`.
    pub(crate) fn open(texter: &Texter, reports: Reports) -> Result<Self, SmsError> {
        Ok(match texter {
            Texter::Outbox(folder) => Self::Outbox(Outbox::open(folder)?),
            Texter::Http(config) => Self::Http(Box::new(Gateway::open(config)?)),
            Texter::Smpp(config) => Self::Smpp(Smpp::open(config, reports)?),
        })
    }

    /// Whether sending takes no network, and so no time that would tell a stranger anything.
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self, Self::Outbox(_))
    }

    /// How the gateway reports over HTTP, if it does.
    pub(crate) fn receipt(&self) -> Option<&ReceiptShape> {
        match self {
            Self::Http(gateway) => gateway.receipt(),
            Self::Outbox(_) | Self::Smpp(_) => None,
        }
    }

    /// Hands the message over; when it answers, the other side has it. `receipt` is the URL at which it may report,
    /// and ends with `reference`.
    pub(crate) async fn send(&self, text: &Text, reference: &str, receipt: &str) -> Result<(), SmsError> {
        match self {
            Self::Outbox(outbox) => Ok(outbox.put(as_mail(text).into_bytes()).await?),
            Self::Http(gateway) => gateway.send(text, receipt).await,
            Self::Smpp(smpp) => smpp.send(text.clone(), reference.to_owned()).await,
        }
    }
}

/// In an outbox a text message looks like a mail, so that whatever shows mails shows it.
fn as_mail(text: &Text) -> String {
    format!("To: {}\nSubject: text message\n\n{}\n", text.to, *text.body)
}
