//! Erasing openings on request (docs/spec/privacy.md): who has proven control of an identifier has the authority forget
//! what opens its entries, once their certificates have ended. Erasing never hides: an entry that nobody opens is an alarm
//! to every watch that has not seen it open.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use identity::Identifier;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Service;
use super::problem::{Kind, Problem};
use super::request::ByAccount;
use crate::config::Limit;
use crate::proven::Proven;
use crate::store::{Change, Select, StoreError};

#[derive(Deserialize)]
struct Erase {
    identifier: String,
}

/// POST erase.
pub(super) async fn erase(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Json<Value>, Problem> {
    let asked: Erase = by.payload.json()?;
    let now = service.now();
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
    authorization.as_ref().and_then(|a| Proven::by(a, now)).ok_or_else(unproven)?;
    service.limits.take(Limit::WatchesPerAccount, &[&by.account.id], now).await?;

    let (issuer, account, who) = (Arc::clone(&service.issuer), by.account.id, service.pseudonyms.of(&identifier));
    let erase = async move {
        let erase = Change::Erase { ended_before: now.as_secs(), of: Some(identifier) };
        let erased = issuer.store.commit(vec![erase]).await?;
        if erased > 0 {
            tracing::info!(account, who, erased, "openings erased on request");
            issuer.trail.note("erased", json!({"account": account, "who": who, "count": erased}));
        }
        Ok::<_, StoreError>(erased)
    };
    let erased = service.issuer.carried_through(erase).await??;
    Ok(Json(json!({ "erased": erased })))
}
