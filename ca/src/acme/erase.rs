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
use crate::store::{CertificateState, Change, Select};

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
    service.limits.take(Limit::WatchesPerAccount, &[&by.account.id], now)?;

    let all = Select::CertificatesOf { identifier: identifier.clone(), from: 0, to: u32::MAX };
    let ended = now.as_secs();
    let due = service.store.certificates(all).await?.into_iter().filter(|certificate| {
        let erasable =
            matches!(certificate.state, CertificateState::Issued { .. } | CertificateState::Abandoned { .. });
        erasable && certificate.not_after < ended
    });
    let erased = due.count();
    let who = service.pseudonyms.of(&identifier);
    service.store.commit(vec![Change::Erase { ended_before: ended, of: Some(identifier) }]).await?;
    tracing::info!(account = by.account.id, who, erased, "openings erased on request");
    Ok(Json(json!({ "erased": erased })))
}
