//! Text messages, for an authority that certifies phone numbers.

use super::Service;
use super::problem::{Kind, Problem};
use crate::config::Phones;
use crate::random;
use crate::sms::{Fate, Receipts, Sms, SmsError, Text};
use crate::store::Authorization;

/// Everything about text messages.
pub(crate) struct Texting {
    pub(crate) phones: Phones,
    pub(crate) sms: Sms,
    pub(crate) receipts: Receipts,
}

impl Texting {
    pub(crate) fn open(phones: &Phones) -> Result<Self, SmsError> {
        Ok(Self { phones: phones.clone(), sms: Sms::open(&phones.texter)?, receipts: Receipts::default() })
    }

    /// Hands a message over, and awaits a receipt for it.
    pub(crate) async fn send(&self, service: &Service, text: &Text) -> Result<(), SmsError> {
        let reference = random::id();
        let at = service.url(&format!("/receipt/{reference}"));
        self.receipts.expect(reference.clone(), &text.to, service.pseudonyms.of(&text.to));
        let sent = self.sms.send(text, &reference, &at).await;
        self.receipts.count(&text.to, if sent.is_ok() { Fate::Sent } else { Fate::Refused });
        sent
    }
}

/// How codes get to this authorization's number; none if its identifier is none.
pub(super) fn of<'a>(service: &'a Service, found: &Authorization) -> Result<Option<&'a Texting>, Problem> {
    if found.identifier.numbering().is_none() {
        return Ok(None);
    }
    let refused = || Problem::new(Kind::RejectedIdentifier, "this authority does not certify phone numbers any more");
    service.texting.as_ref().map(Some).ok_or_else(refused)
}
