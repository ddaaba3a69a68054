//! Renewal information (RFC 9773): when a certificate should be renewed, and which order renews it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Identifier;
use identity::certificate::Tbs;
use serde_json::json;

use super::problem::{Kind, Problem};
use super::{Service, order, rfc3339};
use crate::store::{Account, CertificateRecord, CertificateState, Select, Serial, Subject};

/// When to ask again (section 4.3.1 recommends six hours): after a theft nobody goes on for longer without a new one.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);

/// GET renewalInfo. It is for everybody who knows the certificate (section 4.1): a serial number cannot be guessed.
pub(super) async fn get(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let found = find(&service, &id).await?.ok_or_else(unknown)?;
    let (start, end) = window(&found);
    let body = json!({"suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)}});
    Ok(([(header::RETRY_AFTER, ASK_AGAIN.as_secs())], Json(body)).into_response())
}

/// The issued certificate with this identifier (section 4.1): the issuer's key identifier and the serial number, each
/// base64url, with a dot between.
async fn find(service: &Service, id: &str) -> Result<Option<CertificateRecord>, Problem> {
    let malformed = || Problem::malformed("expected the identifier of a certificate as in RFC 9773 section 4.1");
    let (key_id, serial) = id.split_once('.').ok_or_else(malformed)?;
    let (key_id, serial) = (URL_SAFE_NO_PAD.decode(key_id), URL_SAFE_NO_PAD.decode(serial));
    let (Ok(key_id), Ok(serial)) = (key_id, serial) else { return Err(malformed()) };
    let Ok(serial) = serial.try_into().map(Serial) else { return Ok(None) };
    let found = service.store.certificate(serial).await?;
    let issued = |c: &CertificateRecord| matches!(c.state, CertificateState::Issued { .. });
    Ok(found.filter(|c| issued(c) && issuer_key_id(c).as_ref() == Some(&key_id)))
}

/// From the certificate itself: the issuing key may have been replaced since.
fn issuer_key_id(certificate: &CertificateRecord) -> Option<Vec<u8>> {
    Tbs::decode(&certificate.tbs).ok()?.authority_key_id()
}

fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "this authority has not issued such a certificate")
}

/// From two to three fifths of the certificate's life: every client draws its own moment in it, so that what is renewed
/// together does not stand in the log together. A revoked one was due when it was revoked.
fn window(certificate: &CertificateRecord) -> (u64, u64) {
    if let Some(revoked) = certificate.revoked {
        // The end must lie after the start (section 4.2).
        return (revoked.at.saturating_sub(2), revoked.at.saturating_sub(1));
    }
    let (begin, life) = (certificate.not_before, certificate.not_after.saturating_sub(certificate.not_before));
    (begin + life * 2 / 5, begin + life * 3 / 5)
}

/// The certificate that a new order names in `replaces` (section 5): issued to this account, for the same identifier, and
/// not being replaced by another order already.
pub(super) async fn replaced(
    service: &Service,
    account: &Account,
    identifier: &Identifier,
    id: &str,
) -> Result<CertificateRecord, Problem> {
    let found = find(service, id).await?.filter(|c| c.account.as_ref() == Some(&account.id)).ok_or_else(|| {
        Problem::malformed("expected a certificate of this account in replaces; leave it out for a new one")
    })?;
    if !matches!(&found.subject, Subject::Person { identifier: named, .. } if named == identifier) {
        return Err(Problem::malformed("expected the order to name the identifier of the certificate it replaces"));
    }
    for other in service.store.orders(Select::Replacing(found.serial)).await? {
        // One that has lapsed, or whose authorization is over, has come to nothing.
        let authorization = service.store.authorization(Select::Authorization(other.authorization.clone())).await?;
        if order::status(service, &other, authorization.as_ref()) != "invalid" {
            let detail = "another order replaces this certificate already; go on with that one, or leave replaces out";
            return Err(Problem::new(Kind::AlreadyReplaced, detail));
        }
    }
    Ok(found)
}

/// The identifier of a certificate (section 4.1), as an order repeats it.
pub(super) async fn id(service: &Service, serial: Serial) -> Result<Option<String>, Problem> {
    let found = service.store.certificate(serial).await?;
    let key_id = found.as_ref().and_then(issuer_key_id);
    Ok(key_id.map(|id| format!("{}.{}", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(serial.0))))
}
