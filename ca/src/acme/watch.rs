//! The owner's watch (docs/spec/enrolment.md): who has proven control of an identifier gets the VRF proofs of its
//! labels, and every entry under them opened.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::transparency::{period_of, periods_back_of};
use identity::{Identifier, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Service;
use super::problem::{Kind, Problem};
use super::request::ByAccount;
use crate::config::Limit;
use crate::issue::{Issuer, Labelled};
use crate::proven::Proven;
use crate::shards::{LabelKeyError, Shard, Shards};
use crate::store::{CertificateRecord, CertificateState, Select, Subject};

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
    service.limits.take(Limit::WatchesPerAccount, &[&by.account.id], now).await?;

    let (from, to) = periods(&identifier, now, service.issuer.keys().began());
    let shards = service.issuer.logs.covering(from, to);
    let logs = tokio::task::spawn_blocking(move || {
        let prove = |(shard, periods): (Arc<Shard>, _)| {
            let labels = Issuer::label_proofs(&shard, &proven, periods)?;
            Ok((shard, labels))
        };
        shards.into_iter().map(prove).collect::<Result<Vec<_>, LabelKeyError>>()
    })
    .await
    .map_err(|e| Problem::internal(&e))?
    .map_err(|e| Problem::no_label_key(&e))?;
    let certificates = service.store.certificates(Select::CertificatesOf { identifier, from, to }).await?;
    let logs: Vec<_> = logs
        .iter()
        .map(|(shard, labels)| {
            let here = |record: &&CertificateRecord| stands_in(record, shard, labels, &service.issuer.logs);
            let entries: Vec<_> = certificates.iter().filter(here).filter_map(opened).collect();
            let erased: Vec<_> = certificates.iter().filter(here).filter_map(erased).collect();
            let labels: Vec<_> = labels.iter().map(proven_label).collect();
            json!({"origin": shard.origin(), "labels": labels, "entries": entries, "erased": erased})
        })
        .collect();
    Ok(Json(json!({ "logs": logs })))
}

fn proven_label(label: &Labelled) -> Value {
    let proof = URL_SAFE_NO_PAD.encode(label.proof.as_bytes());
    json!({"period": label.period, "slot": label.slot, "proof": proof})
}

/// Whether the certificate's entry is in this log: its label is one of those that were proven just now (proofs are made
/// without randomness, RFC 9381 section 5.4.2.2). Of an erased one only the time is left.
fn stands_in(record: &CertificateRecord, shard: &Shard, labels: &[Labelled], all: &Shards) -> bool {
    let Subject::Person { slot, vrf_proof, .. } = &record.subject else { return false };
    if record.is_erased() {
        let begin = UnixTime::since_unix_epoch(Duration::from_secs(record.not_before));
        return all.took_at(begin).origin() == shard.origin();
    }
    let of_it = labels.iter().find(|label| (label.period, label.slot) == (record.period, *slot));
    of_it.is_some_and(|label| label.proof.as_bytes() == vrf_proof)
}

/// From as far back as a certificate can still be valid, but not before the authority began, to the next one.
fn periods(identifier: &Identifier, now: UnixTime, began: UnixTime) -> (u32, u32) {
    let current = period_of(now);
    let back = periods_back_of(identifier.kind());
    (current.saturating_sub(back).max(period_of(began)).min(current), current.saturating_add(1))
}

/// What opens an entry: index (null as long as the authority does not know it), label, opening and the certificate's
/// signed part; and whether it never became a certificate, so that she need not take it for a device.
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
        "given_up": matches!(certificate.state, CertificateState::Abandoned { .. }),
    }))
}

/// An entry whose opening was erased: where it stands is all that is left.
fn erased(certificate: &CertificateRecord) -> Option<Value> {
    let Subject::Person { slot, .. } = certificate.subject else { return None };
    let place = json!({"index": certificate.index(), "period": certificate.period, "slot": slot});
    certificate.is_erased().then_some(place)
}
