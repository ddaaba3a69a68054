//! An owner is told by mail of a certificate for another device than those she had: if it was not she, she can revoke it
//! before anybody has spoken in her name.
//!
//! That she is to be told is stored together with the certificate, and struck out once the mail has left. After a crash
//! in between she is told twice.

use std::sync::Arc;
use std::time::Duration;

use identity::certificate::Tbs;
use tokio_util::sync::CancellationToken;

use crate::acme::Service;
use crate::mail::{DeviceLetter, MailError};
use crate::random;
use crate::store::{CertificateRecord, Change, Record, Select, StoreError, Subject};

/// Pause before a mail that did not leave is tried again.
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
        Err(error @ (MailError::Refused | MailError::Compose(_))) => {
            tracing::warn!(serial = %record.serial, %error, "cannot be announced");
        }
        // A full disk, a server that is down or does not know us: it passes.
        Err(error) => {
            tracing::warn!(serial = %record.serial, %error, "not announced yet");
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

async fn send(service: &Service, record: &CertificateRecord) -> Result<(), MailError> {
    let Subject::Person { identifier, .. } = &record.subject else { return Ok(()) };
    let key = Tbs::decode(&record.tbs).map_err(|e| MailError::Compose(e.to_string()))?;
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
    service.post.send(letter.compose()?).await
}
