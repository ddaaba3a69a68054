//! Finalization (RFC 8555 section 7.4): the request comes in, the certificate goes on its way.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::profile::Profile;
use identity::transparency::PERIOD;
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::{Service, order, own_order, rfc3339};
use crate::csr;
use crate::issue::{PersonRequest, StartError};
use crate::proven::Proven;
use crate::spent::Work;
use crate::store::{Authorization, KeyDigest, Order, RACES, Select, StoreError};

/// How long an answer is held back for the certificate: most are there after one batch of the log. Else the client
/// polls.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

/// POST finalize.
pub(super) async fn finalize(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let asked: Finalize = by.payload.json()?;
    let (found, authorization, proven) = ready(&service, &by, &id).await?;
    let der = URL_SAFE_NO_PAD.decode(&asked.csr).map_err(|e| bad_csr(&format!("expected base64url, found {e}")))?;
    let profile =
        Profile::by_name(&found.profile).ok_or_else(|| Problem::internal(&"an order of an unknown profile"))?;
    let url = service.url(&format!("/order/{}", found.id));
    let possession = csr::Possession { order: &url, required: service.config.require_possession };
    let request = Work::Requests.time(|| csr::verify(&der, &found.identifier, profile, possession));
    let request = request.map_err(|e| bad_csr(&e))?;
    service.config.blocked_keys.check(request.spki_der()).map_err(|e| bad_csr(&e))?;

    super::check_caa(&service, &found.identifier, &by.account.id, authorization.proven_by).await?;
    // After the resolvers, which take their time.
    if service.store.is_compromised(KeyDigest::of(request.spki_der())).await? {
        return Err(bad_csr(&"expected a new key: a certificate for this one was revoked because it is compromised"));
    }
    check_own(&service, &request, profile).await?;
    let issuing = start(&service, &by, PersonRequest { order: found, authorization, proven, request, profile }).await?;
    // The work goes on whether or not the client waits.
    let _ = tokio::time::timeout(PATIENCE, issuing).await;
    let current = own_order(&service, &by.account.id, &id).await?;
    order::answer(&service, &current).await
}

/// Keys for mail are other ones than devices': what signs a document or a log-in is never to speak in a conversation.
async fn check_own(service: &Service, request: &csr::VerifiedRequest, profile: &Profile) -> Result<(), Problem> {
    let (key, at) = (KeyDigest::of(request.spki_der()), service.now().as_secs());
    let found = service.store.certificates(Select::SpeakingBy { key, at, limit: 1 }).await?;
    // Each that came before was looked at like this, so one stands for all.
    let other =
        found.iter().find_map(|one| Profile::by_name(&one.profile).filter(|of| of.is_live() != profile.is_live()));
    match other {
        None => Ok(()),
        Some(other) => Err(bad_csr(&format!(
            "expected a key that no other profile's certificate is for, found one of the profile {}",
            other.name()
        ))),
    }
}

/// The caller's order, if it is ready, with what it rests on.
async fn ready(service: &Service, by: &ByAccount, id: &str) -> Result<(Order, Authorization, Proven), Problem> {
    let found = own_order(service, &by.account.id, id).await?;
    let authorization = service.store.authorization(Select::Authorization(found.authorization.clone())).await?;
    let now = service.now();
    let status = order::status(service, &found, authorization.as_ref());
    let proven = authorization.as_ref().and_then(|a| Proven::by(a, now)).filter(|_| status == "ready");
    proven.zip(authorization).map(|(proven, authorization)| (found, authorization, proven)).ok_or_else(|| {
        Problem::new(Kind::OrderNotReady, format!("expected an order that is ready, found one that is {status}"))
    })
}

/// Plans the certificate. Where order or proof were changed since they were read, by another request of the same account or
/// by whoever ended the proof, what they are now decides.
async fn start(service: &Service, by: &ByAccount, mut asked: PersonRequest) -> Result<JoinHandle<()>, Problem> {
    for _ in 0..RACES {
        match service.issuer.start_person(&asked).await {
            Err(StartError::Store(StoreError::Conflict(_))) => {}
            started => return started.map_err(|e| refused(&e, service.now().as_secs())),
        }
        let (order, authorization, proven) = ready(service, by, &asked.order.id).await?;
        asked = PersonRequest { order, authorization, proven, ..asked };
    }
    Err(StoreError::Conflict("authorization").into())
}

fn bad_csr(detail: &dyn std::fmt::Display) -> Problem {
    Problem::new(Kind::BadCsr, detail.to_string())
}

fn refused(error: &StartError, now: u64) -> Problem {
    match error {
        StartError::NoSlot => {
            let period = PERIOD.as_secs();
            let wait = period - now % period;
            let detail = format!(
                "as many certificates as one identifier can have in one period of seven days were made already; the next \
                 period begins {}",
                rfc3339(now + wait)
            );
            Problem::new(Kind::SlotsExhausted, detail).retry_after(Duration::from_secs(wait))
        }
        StartError::Plan(error) => bad_csr(error),
        StartError::Store(error) => error.clone().into(),
        StartError::LabelKey(error) => Problem::no_label_key(error),
        StartError::Compromised | StartError::Lint(_) | StartError::NoLabelKey(_) => Problem::internal(error),
    }
}
