//! Whether an authority would open with a configuration, as far as that can be told without opening it: nothing is
//! written, and nobody is asked over the network.

use crate::acme;
use crate::ca::OpenError;
use crate::config::CaConfig;
use crate::dns::Dns;
use crate::mail::{MailError, Mailer, Post, Signers};
use crate::oidc::Issuers;

/// Looks at senders, the key that signs mails, the mail server's address, resolvers, and issuers of OpenID. Must be called
/// on a tokio runtime, for the clients that are made and thrown away.
///
/// # Errors
/// What [`Ca::open`](crate::Ca::open) would refuse.
pub fn check_config(config: &CaConfig) -> Result<(), OpenError> {
    let mail_from = acme::mailbox(&config.mail_from)?;
    let reply_from = config.replies.as_ref().map(|replies| acme::mailbox(&replies.address)).transpose()?;
    let senders = std::iter::once(&mail_from).chain(&reply_from).map(|sender| sender.email.domain());
    let signers = Signers::open(config.dkim.as_ref(), senders).map_err(MailError::from)?;
    // The outbox is made when it is opened.
    if matches!(config.mail, Mailer::Smtp { .. }) {
        Post::open(&config.mail, signers)?;
    }
    Issuers::open(&config.openid)?;
    config.dns.as_ref().map(Dns::open).transpose().map_err(|error| OpenError::Dns(error.to_string()))?;
    Ok(())
}
