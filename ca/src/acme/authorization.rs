//! Authorizations (RFC 8555 sections 7.1.4 and 7.5): an account's proof of control of an identifier.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::ByAccount;
use super::{Service, challenge, identifier, own_authorization, rfc3339};
use crate::store::{Authorization, AuthorizationStatus, Change, Record};

#[derive(Deserialize)]
struct Update {
    status: String,
}

/// POST to an authorization: reads it, or gives it up (section 7.5.2).
pub(super) async fn read(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Json<Value>, Problem> {
    let mut authorization = own_authorization(&service, &by.account.id, id).await?;
    if !by.payload.is_none() {
        let update: Update = by.payload.json()?;
        if update.status != "deactivated" {
            return Err(Problem::malformed(format!("expected the status deactivated, found {:?}", update.status)));
        }
        authorization.status = AuthorizationStatus::Deactivated;
        authorization.code = None;
        service.store.commit(vec![Change::Update(Record::Authorization(authorization.clone()))]).await?;
    }
    Ok(Json(object(&service, &authorization)))
}

fn object(service: &Service, authorization: &Authorization) -> Value {
    json!({
        "status": status(authorization, service.now().as_secs()),
        "expires": rfc3339(authorization.expires),
        "identifier": identifier(&authorization.identifier),
        "challenges": [challenge::object(service, authorization)],
    })
}

/// The authorization's status (section 7.1.6). One that nobody completed in time is invalid, one that was valid has
/// expired.
pub(super) fn status(authorization: &Authorization, now: u64) -> &'static str {
    let lapsed = authorization.expires <= now;
    match authorization.status {
        AuthorizationStatus::Pending if lapsed => "invalid",
        AuthorizationStatus::Pending => "pending",
        AuthorizationStatus::Valid if lapsed => "expired",
        AuthorizationStatus::Valid => "valid",
        AuthorizationStatus::Deactivated => "deactivated",
    }
}
