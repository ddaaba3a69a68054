//! The mail that tells an owner of a certificate for another device, or of one for mail.

use identity::{Identifier, UnixTime};
use lettre::message::Mailbox;
use sha2::{Digest as _, Sha256};

use super::MailError;
use super::letter::{Automatic, Envelope, Letter};

/// What a mail about another device says: for which key a certificate was made and when, and what to do if it was not
/// you.
pub(crate) struct DeviceLetter<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a Identifier,
    /// The authority's host, as people know it.
    pub(crate) authority: &'a str,
    /// The certificate's serial number, hexadecimal.
    pub(crate) serial: &'a str,
    /// The device's public key.
    pub(crate) key: &'a [u8],
    /// Whether it is one for mail.
    pub(crate) for_mail: bool,
    /// When the certificate begins, seconds since the epoch.
    pub(crate) made: u64,
    pub(crate) now: UnixTime,
    pub(crate) message_id: String,
}

impl DeviceLetter<'_> {
    pub(crate) fn compose(&self) -> Result<Letter, MailError> {
        let subject = match self.for_mail {
            true => format!("In Person: a certificate for mail of {}", self.to),
            false => format!("In Person: another device speaks for {}", self.to),
        };
        let automatic = Automatic::Generated;
        Envelope { from: self.from, to: self.to, now: self.now, message_id: &self.message_id, subject, automatic }
            .compose(self.text())
    }

    fn text(&self) -> String {
        let (lets, whose) = match self.for_mail {
            true => (
                "A certificate was made by whose key mails are signed and read, and\nservers logged in to, in the name of",
                "Key, SHA-256",
            ),
            false => ("A certificate was made that lets another device speak for", "Key of the device"),
        };
        let (purpose, after) = match self.for_mail {
            true => ("", "your devices\nwill ask whether you know this key."),
            false => ("in live conversation.\n", "your other\ndevices will ask whether you know this one."),
        };
        // Those of mail are long.
        let key = if self.for_mail { hex::encode(Sha256::digest(self.key)) } else { hex::encode(self.key) };
        let time = jiff::Timestamp::from_second(i64::try_from(self.made).unwrap_or(0));
        format!(
            "{lets}\n\
             {to}\n\
             {purpose}\
             \n\
             Made at:   {authority}\n\
             Made on:   {time}\n\
             Serial number of the certificate\n\
             {serial}\n\
             {whose}\n\
             {key}\n\
             \n\
             If this was you, there is nothing to do; the first time, {after}\n\
             \n\
             If it was not, somebody can read your mail. Change its password,\n\
             then revoke the certificate, on any device of yours:\n\
             certtool revoke {to} --stolen --serial {serial}\n",
            to = self.to,
            authority = self.authority,
            time = time.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            serial = self.serial,
        )
    }
}
