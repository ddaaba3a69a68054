//! The mail that is to be replied to (RFC 8823 section 3.1).

use std::net::IpAddr;
use std::time::Duration;

use identity::{Identifier, UnixTime};
use lettre::message::Mailbox;

use super::MailError;
use super::letter::{Automatic, Envelope, Letter};
use crate::token::TokenPart1;

/// A challenge. Its subject is for programs, its text for people.
pub(crate) struct ReplyLetter<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a Identifier,
    pub(crate) token: &'a TokenPart1,
    /// The authority's host, as people know it.
    pub(crate) authority: &'a str,
    /// Who asked: the thumbprint of the account's key.
    pub(crate) account: &'a str,
    /// From where, if that is known.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) now: UnixTime,
    pub(crate) lifetime: Duration,
    pub(crate) message_id: String,
}

impl ReplyLetter<'_> {
    pub(crate) fn compose(&self) -> Result<Letter, MailError> {
        let subject = format!("ACME: {}", self.token);
        let automatic = Automatic::Acme;
        Envelope { from: self.from, to: self.to, now: self.now, message_id: &self.message_id, subject, automatic }
            .compose(self.text())
    }

    fn text(&self) -> String {
        let from =
            self.peer.map_or_else(|| "an unknown network address".into(), |ip| format!("the network address {ip}"));
        let time = jiff::Timestamp::from_second(i64::try_from(self.now.as_secs()).unwrap_or(0));
        format!(
            "Somebody, we hope you, asks for a certificate that speaks for\n\
             {to}\n\
             To let it be made, reply to this mail with the lines that your\n\
             program shows you when you give it the subject of this mail.\n\
             Some mail programs do so by themselves.\n\
             \n\
             A reply counts once, within {hours} hours. Leave the subject as it is.\n\
             \n\
             Asked at:  {authority}\n\
             Asked on:  {time}\n\
             Asked from {from}\n\
             Asked by the account key\n\
             {account}\n\
             \n\
             If this was not you, do not reply: without a reply no certificate\n\
             is made. If these mails keep coming, somebody is trying to be you;\n\
             tell the authority named above.\n",
            to = self.to,
            hours = self.lifetime.as_secs() / 3600,
            authority = self.authority,
            time = time.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            account = self.account,
        )
    }
}
