//! The owner's watch (docs/spec/enrolment.md): who has proven control of an identifier gets the VRF proofs of its
//! labels, and every entry under them opened.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::transparency::{period_of, periods_back};
use identity::{Identifier, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Service;
use super::problem::{Kind, Problem};
use super::request::ByAccount;
use crate::config::Limit;
use crate::proven::Proven;
use crate::store::{CertificateRecord, Select, Subject};

#[derive(Deserialize)]
struct Watch {
    identifier: String,
}

/// POST watch.
pub(super) async fn watch(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Json<Value>, Problem> {
    let asked: Watch = by.payload.json()?;
    let now = service.now();
    // One answer for whatever this account has not proven, whether or not anybody else has.
    let unproven = || {
        Problem::new(
            Kind::Unauthorized,
            "expected an account that has proven control of the identifier; enrol, or prove it with an order",
        )
    };
    let identifier = Identifier::parse(&asked.identifier).map_err(|_| unproven())?;
    let ask = Select::ValidAuthorizations {
        account: by.account.id.clone(),
        identifier: identifier.clone(),
        at: now.as_secs(),
    };
    let authorization = service.store.authorization(ask).await?;
    let proven = authorization.as_ref().and_then(|a| Proven::by(a, now)).ok_or_else(unproven)?;
    service.limits.take(Limit::WatchesPerAccount, &[&by.account.id], now)?;

    let (from, to) = periods(now, service.issuer.keys().began());
    let issuer = Arc::clone(&service.issuer);
    let labels = tokio::task::spawn_blocking(move || issuer.label_proofs(&proven, from, to))
        .await
        .map_err(|e| Problem::internal(&e))?;
    let labels: Vec<_> = labels
        .into_iter()
        .map(|(period, slot, proof)| (period, slot, URL_SAFE_NO_PAD.encode(proof.as_bytes())))
        .map(|(period, slot, proof)| json!({"period": period, "slot": slot, "proof": proof}))
        .collect();
    let entries = service.store.certificates(Select::CertificatesOf { identifier, from, to }).await?;
    let erased: Vec<_> = entries.iter().filter_map(erased).collect();
    let entries: Vec<_> = entries.iter().filter_map(opened).collect();
    Ok(Json(json!({"origin": service.config.origin, "labels": labels, "entries": entries, "erased": erased})))
}

/// From as far back as a certificate can still be valid, but not before the authority began, to the next one.
fn periods(now: UnixTime, began: UnixTime) -> (u32, u32) {
    let current = period_of(now);
    (current.saturating_sub(periods_back()).max(period_of(began)).min(current), current.saturating_add(1))
}

/// What opens an entry: index (null as long as the authority does not know it), label, opening and the certificate's
/// signed part.
fn opened(certificate: &CertificateRecord) -> Option<Value> {
    let Subject::Person { slot, .. } = certificate.subject else { return None };
    if certificate.is_erased() {
        return None;
    }
    Some(json!({
        "index": certificate.index(),
        "period": certificate.period,
        "slot": slot,
        "opening": URL_SAFE_NO_PAD.encode(certificate.opening),
        "tbs": URL_SAFE_NO_PAD.encode(&certificate.tbs),
    }))
}

/// An entry whose opening was erased: where it stands is all that is left.
fn erased(certificate: &CertificateRecord) -> Option<Value> {
    let Subject::Person { slot, .. } = certificate.subject else { return None };
    let place = json!({"index": certificate.index(), "period": certificate.period, "slot": slot});
    certificate.is_erased().then_some(place)
}
