//! Dating a signature (docs/spec/log.md, "Signature entries"): who holds the key of a valid certificate has a blinded
//! digest put into the log, and gets the proof. The authority learns that she signed something, and not what; the log
//! learns nothing.
//!
//! The label is drawn here: a label that a client chose could be somebody else's, and two entries under one label are
//! misbehaviour of the authority.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Identifier;
use identity::certificate::Certificate;
use serde::Deserialize;
use serde_json::{Value, json};
use tlog_proof::Entry;
use transparency_log::SubmitError;

use super::Service;
use super::problem::{Kind, Problem};
use super::request::{ByAny, ByKey};
use super::revoke::is_key_of;
use crate::config::Limit;
use crate::random;
use crate::store::{CertificateRecord, CertificateState, Serial, Subject};

#[derive(Deserialize)]
struct Wanted {
    certificate: String,
    digest: String,
}

/// POST date-signature.
pub(super) async fn date(State(service): State<Arc<Service>>, by: ByAny) -> Result<Json<Value>, Problem> {
    let ByAny::Key(by) = by else { return Err(not_hers()) };
    let wanted: Wanted = by.payload.json()?;
    let decoded = URL_SAFE_NO_PAD.decode(&wanted.digest).ok();
    let digest: [u8; 32] = decoded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::malformed("expected a blinded digest of 32 bytes in base64url"))?;
    let identifier = signer(&service, &by, &wanted.certificate).await?;
    service.limits.take(Limit::DatesPerAddress, &[identifier.as_str()], service.now()).await?;
    let label = random::bytes();
    let logged = service.issuer.shard().log().submit(Entry::Signature { label, digest }.encode()).await;
    let logged = logged.map_err(|error| not_logged(&error))?;
    tracing::debug!(index = logged.index, "a signature is dated");
    Ok(Json(json!({"label": URL_SAFE_NO_PAD.encode(label), "proof": logged.proof.to_string()})))
}

/// One answer, whatever is wrong with key or certificate: nobody learns here whether a certificate was issued.
fn not_hers() -> Problem {
    Problem::new(
        Kind::Unauthorized,
        "expected a request signed by the key of a person's certificate that this authority issued and that is valid",
    )
}

/// Whose certificate it is, if it is valid and the request is signed by its key.
async fn signer(service: &Service, by: &ByKey, certificate: &str) -> Result<Identifier, Problem> {
    let der = URL_SAFE_NO_PAD.decode(certificate).map_err(|_| not_hers())?;
    let certificate = Certificate::parse(&der).map_err(|_| not_hers())?;
    let serial = certificate.tbs().serial().try_into().map_err(|_| not_hers())?;
    let found = service.store.certificate(Serial(serial)).await?.ok_or_else(not_hers)?;
    let now = service.now().as_secs();
    let CertificateRecord { subject, state, revoked, not_before, not_after, .. } = found;
    let is_this = matches!(state, CertificateState::Issued { certificate, .. } if certificate == der);
    let is_valid = revoked.is_none() && (not_before..=not_after).contains(&now);
    match subject {
        Subject::Person { identifier, .. } if is_this && is_valid && is_key_of(&by.key, &certificate) => Ok(identifier),
        _ => Err(not_hers()),
    }
}

/// Nothing is lost: whoever asks again gets another entry.
fn not_logged(error: &SubmitError) -> Problem {
    tracing::warn!(%error, "a signature could not be dated");
    Problem::later("the log does not take entries at the moment; try again", std::time::Duration::from_secs(5))
}
