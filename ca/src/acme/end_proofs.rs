//! Ending what others have proven (docs/spec/enrolment.md): who has just proven control of an identifier has every other
//! account forget that it ever did, be it the account of a device that was lost or of somebody who once read a code.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use identity::{Identifier, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Service;
use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::shut_out::Losses;
use crate::config::Limit;
use crate::store::{Authorization, RACES, Select, StoreError};

/// What was proven so long ago was proven just now: time to read which certificates there are, and to say which are meant.
const JUST: Duration = Duration::from_secs(3600);
/// A proof that is found again as a fresh one is younger: what it is needed for takes its time.
const FRESH: Duration = Duration::from_secs(JUST.as_secs() - 900);

#[derive(Deserialize)]
struct EndProofs {
    identifier: String,
}

/// POST end-proofs.
pub(super) async fn end(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Json<Value>, Problem> {
    let asked: EndProofs = by.payload.json()?;
    let unproven = || {
        Problem::new(
            Kind::Unauthorized,
            "expected an account that has proven control of the identifier within the last hour; prove it anew",
        )
    };
    let identifier = Identifier::parse(&asked.identifier).map_err(|_| unproven())?;
    let account = by.account.id;
    if !has_just_proven(&service, &account, &identifier).await? {
        return Err(unproven());
    }
    service.limits.take(Limit::WatchesPerAccount, &[&account], service.now()).await?;

    let (issuer, who) = (Arc::clone(&service.issuer), service.pseudonyms.of(&identifier));
    let end = async move {
        for _ in 0..RACES {
            let mut losses = Losses::default();
            losses.end_proofs(&issuer, &identifier, |of| of != account).await?;
            // His proof may have ended before what rests on it: he gave it up, or its time was over.
            if losses.changes.is_empty() {
                return Ok(0);
            }
            match issuer.store.commit(std::mem::take(&mut losses.changes)).await {
                Err(StoreError::Conflict(_)) => continue,
                committed => committed?,
            };
            tracing::info!(account, who, ended = losses.proofs, "proofs of other accounts ended");
            issuer.trail.note("proofs-ended", json!({"account": account, "who": who, "count": losses.proofs}));
            losses.note(&issuer, &account);
            return Ok(losses.proofs);
        }
        Err(StoreError::Conflict("authorization"))
    };
    let ended = service.issuer.carried_through(end).await??;
    Ok(Json(json!({ "ended": ended })))
}

/// Whether the account has proven control of the identifier within the last hour.
pub(super) async fn has_just_proven(
    service: &Service,
    account: &str,
    identifier: &Identifier,
) -> Result<bool, StoreError> {
    let now = service.now();
    let valid =
        Select::ValidAuthorizations { account: account.into(), identifier: identifier.clone(), at: now.as_secs() };
    Ok(service.store.authorizations(valid).await?.iter().any(|proof| was_made_within(JUST, proof, now)))
}

/// Whether this proof is good for what wants a fresh one, for some time to come.
pub(super) fn is_fresh(proof: &Authorization, now: UnixTime) -> bool {
    was_made_within(FRESH, proof, now)
}

fn was_made_within(time: Duration, proof: &Authorization, now: UnixTime) -> bool {
    proof.validated.is_some_and(|at| at.saturating_add(time.as_secs()) >= now.as_secs())
}
