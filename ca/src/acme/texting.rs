//! Text messages, for an authority that certifies phone numbers.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Service;
use super::problem::{Kind, Problem};
use crate::config::Phones;
use crate::random;
use crate::sms::{Fate, Receipts, Reports, Sms, SmsError, Text};
use crate::store::Authorization;

/// Everything about text messages.
pub(crate) struct Texting {
    pub(crate) phones: Phones,
    pub(crate) sms: Sms,
    pub(crate) receipts: Receipts,
    /// What an SMSC reports, until somebody listens.
    reports: Mutex<Option<mpsc::Receiver<(String, Fate)>>>,
}

impl Texting {
    pub(crate) fn open(phones: &Phones) -> Result<Self, SmsError> {
        let (tell, reports) = Reports::new();
        Ok(Self {
            phones: phones.clone(),
            sms: Sms::open(&phones.texter, tell)?,
            receipts: Receipts::default(),
            reports: Mutex::new(Some(reports)),
        })
    }

    /// Takes a receipt into the books and the audit trail.
    pub(super) fn report(&self, service: &Service, reference: &str, fate: Fate) {
        if let Some(who) = self.receipts.take(reference, fate) {
            tracing::info!(who, fate = fate.name(), "receipt of a text message");
            service.issuer.trail.note("text-receipt", json!({"who": who, "fate": fate.name()}));
        }
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

/// Takes what an SMSC reports, until stopped.
pub(crate) async fn listen(service: Arc<Service>, stop: CancellationToken) {
    let Some(texting) = &service.texting else { return };
    let reports = texting.reports.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut reports) = reports else { return };
    while let Some(Some((reference, fate))) = stop.run_until_cancelled(reports.recv()).await {
        texting.report(&service, &reference, fate);
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
