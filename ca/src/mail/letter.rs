//! The mail that carries a code.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use identity::{Identifier, UnixTime};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::{Address, address};

use super::MailError;
use crate::code::Code;

/// A composed mail (RFC 5322) and its envelope (RFC 5321).
pub(crate) struct Letter {
    message: Message,
    /// The domain of its sender.
    domain: String,
    /// The field `DKIM-Signature`, with its CRLF, once it is signed.
    signature: String,
}

impl Letter {
    pub(super) fn envelope(&self) -> &address::Envelope {
        self.message.envelope()
    }

    /// The domain of its recipient, in lower case.
    pub(super) fn to_domain(&self) -> String {
        self.envelope().to().first().map(|to| to.domain().to_ascii_lowercase()).unwrap_or_default()
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    pub(super) fn with_signature(self, signature: String) -> Self {
        Self { signature, ..self }
    }

    /// The message with CRLF line ends.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.signature.clone().into_bytes();
        out.extend(self.message.formatted());
        out
    }
}

/// What a mail with a code says: who asked, from where, for what, and what to do if it was not you.
pub(crate) struct CodeLetter<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a Identifier,
    pub(crate) code: &'a Code,
    /// The authority's host, as people know it.
    pub(crate) authority: &'a str,
    /// Who asked: the thumbprint of the account's key.
    pub(crate) account: &'a str,
    /// From where, if that is known.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) now: UnixTime,
    pub(crate) lifetime: Duration,
    pub(crate) tries: u8,
    pub(crate) message_id: String,
}

/// What every mail has.
pub(super) struct Envelope<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a Identifier,
    pub(super) now: UnixTime,
    pub(super) message_id: &'a str,
    pub(super) subject: String,
    /// What is said about its being sent by a program.
    pub(super) automatic: Automatic,
}

impl Envelope<'_> {
    pub(super) fn compose(self, text: String) -> Result<Letter, MailError> {
        let failed = |e: &dyn std::fmt::Display| MailError::Compose(e.to_string());
        // It goes to the canonical address byte for byte: that is the one the certificate names.
        let (Some(local), Some(domain)) = (self.to.local_part(), self.to.domain()) else {
            return Err(MailError::Compose("not a mail address".into()));
        };
        let to = Mailbox::new(None, Address::new(local, domain).map_err(|e| failed(&e))?);
        let host = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.as_secs()))
            .message_id(Some(format!("<{}@{host}>", self.message_id)))
            .subject(self.subject)
            .header(self.automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|e| failed(&e))?;
        Ok(Letter { message, domain: host.to_ascii_lowercase(), signature: String::new() })
    }
}

impl CodeLetter<'_> {
    pub(crate) fn compose(&self) -> Result<Letter, MailError> {
        let subject = format!("In Person: your code for {}", self.to);
        let automatic = Automatic::Generated;
        Envelope { from: self.from, to: self.to, now: self.now, message_id: &self.message_id, subject, automatic }
            .compose(self.text())
    }

    fn text(&self) -> String {
        let code = self.code.grouped();
        let from =
            self.peer.map_or_else(|| "an unknown network address".into(), |ip| format!("the network address {ip}"));
        let time = jiff::Timestamp::from_second(i64::try_from(self.now.as_secs()).unwrap_or(0))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let hours = self.lifetime.as_secs() / 3600;
        format!(
            "Somebody, we hope you, asks for a certificate that speaks for\n\
             {to}\n\
             in live conversation. To let it be made, type this code\n\
             where you were asked for it:\n\
             \n\
             \x20   {code}\n\
             \n\
             The code works once, within {hours} hours, and allows {tries} tries.\n\
             Never read it out or send it on: nobody but your own device\n\
             needs it, and nobody of ours will ever ask you for it.\n\
             \n\
             Asked at:  {authority}\n\
             Asked on:  {time}\n\
             Asked from {from}\n\
             Asked by the account key\n\
             {account}\n\
             \n\
             If this was not you, do nothing: without the code no certificate\n\
             is made. If these mails keep coming, somebody is trying to be you;\n\
             tell the authority named above.\n",
            to = self.to,
            code = *code,
            tries = self.tries,
            authority = self.authority,
            account = self.account,
        )
    }
}

/// `Auto-Submitted` (RFC 3834): no vacation message answers.
#[derive(Clone, Copy)]
pub(super) enum Automatic {
    Generated,
    /// A challenge that is to be replied to (RFC 8823 section 3.1, item 5).
    Acme,
}

impl Header for Automatic {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self::Generated)
    }

    fn display(&self) -> HeaderValue {
        let value = match self {
            Self::Generated => "auto-generated",
            Self::Acme => "auto-generated; type=acme",
        };
        HeaderValue::new(Self::name(), value.into())
    }
}
