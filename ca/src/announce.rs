//! An owner is told, by mail or text message, of a certificate for another device than those she had: if it was not she, she can revoke it
//! before anybody has spoken in her name.
//!
//! That she is to be told is stored together with the certificate, and struck out once the message has left. After a crash
//! in between she is told twice.

use std::sync::Arc;
use std::time::Duration;

use identity::certificate::Tbs;
use identity::{Identifier, IdentifierKind};
use tokio_util::sync::CancellationToken;

use crate::acme::{self, Service};
use crate::mail::{DeviceLetter, MailError};
use crate::random;
use crate::sms::{SmsError, Text};
use crate::store::{CertificateRecord, Change, Record, Select, StoreError, Subject};

/// Pause before a message that did not leave is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// Told at a time.
const TAKE: u32 = 64;

/// Tells whoever is to be told, whenever there is somebody, until stopped.
pub(crate) async fn announce(service: Arc<Service>, stop: CancellationToken) {
    loop {
        if let Err(error) = announce_all(&service).await {
            tracing::warn!(%error, "could not look for certificates to be announced");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = service.issuer.to_announce.notified() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn announce_all(service: &Service) -> Result<(), StoreError> {
    loop {
        let due = service.store.certificates(Select::Unannounced { limit: TAKE }).await?;
        let whole = due.len() == TAKE as usize;
        let mut told = 0;
        for record in due {
            told += usize::from(tell(service, record).await?);
        }
        // Those that could not be told are tried again later, not at once.
        if !whole || told == 0 {
            return Ok(());
        }
    }
}

/// Whether she was told, or never can be.
async fn tell(service: &Service, record: CertificateRecord) -> Result<bool, StoreError> {
    match send(service, &record).await {
        Ok(()) => {
            tracing::info!(serial = %record.serial, "announced");
            service.issuer.trail.note("announced", serde_json::json!({"serial": record.serial.to_string()}));
        }
        Err(Untold::Never(error)) => {
            tracing::warn!(serial = %record.serial, error, "cannot be announced");
        }
        // A full disk, a server that is down or does not know us, a day's money that is spent: it passes.
        Err(Untold::Later(error)) => {
            tracing::warn!(serial = %record.serial, error, "not announced yet");
            return Ok(false);
        }
    }
    match service
        .store
        .commit(vec![Change::Update(Record::Certificate(CertificateRecord { announce: false, ..record }))])
        .await
    {
        // Revoked meanwhile, for instance: the next look strikes it out.
        Err(StoreError::Conflict(_)) => Ok(false),
        other => other.map(|_| true),
    }
}

/// Why she was not told.
enum Untold {
    /// She never can be.
    Never(String),
    /// It may be tried again.
    Later(String),
}

impl From<MailError> for Untold {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Refused | MailError::Compose(_) => Self::Never(error.to_string()),
            error => Self::Later(error.to_string()),
        }
    }
}

async fn send(service: &Service, record: &CertificateRecord) -> Result<(), Untold> {
    let Subject::Person { identifier, .. } = &record.subject else { return Ok(()) };
    if identifier.kind() == IdentifierKind::Phone {
        return send_text(service, record, identifier).await;
    }
    let key = Tbs::decode(&record.tbs).map_err(|e| Untold::Never(e.to_string()))?;
    let letter = DeviceLetter {
        from: &service.mail_from,
        to: identifier,
        authority: service.host(),
        serial: &record.serial.to_string(),
        key: key.spki().subject_public_key.raw_bytes(),
        made: record.not_before,
        now: service.now(),
        message_id: random::id(),
    };
    Ok(service.post.send(letter.compose()?).await?)
}

async fn send_text(service: &Service, record: &CertificateRecord, number: &Identifier) -> Result<(), Untold> {
    let Some(texting) = &service.texting else {
        return Err(Untold::Never("no text messages are sent here any more".into()));
    };
    let later = |e: &dyn std::fmt::Display| Untold::Later(e.to_string());
    let charge = acme::charge(service, &texting.phones, number).await;
    let charge = charge.map_err(|_| Untold::Later("the day's money for text messages is spent".into()))?;
    // A race with another message is lost until the next look.
    service.store.commit(vec![charge]).await.map_err(|e| later(&e))?;
    match texting.send(service, &Text::device(number, &record.serial.to_string())).await {
        Err(error @ SmsError::Refused) => Err(Untold::Never(error.to_string())),
        other => other.map_err(|e| later(&e)),
    }
}
