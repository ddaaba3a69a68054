//! Authorizations (RFC 8555 sections 7.1.4 and 7.5): an account's proof of control of an identifier.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::UnixTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::end_proofs::is_fresh;
use super::problem::Problem;
use super::request::ByAccount;
use super::wanted::{self, Named};
use super::{Service, ascii, challenge, identifier, order, own_authorization, rfc3339};
use crate::config::Limit;
use crate::store::{Authorization, AuthorizationStatus, Change, RACES, Record, Select, StoreError};

#[derive(Deserialize)]
struct NewAuthorization {
    identifier: Named,
    /// Ours: a proof that was made just now, and no older one.
    #[serde(default)]
    fresh: bool,
}

/// POST newAuthz (section 7.4.1): to prove control without ordering anything, for the watch or for a revocation. An
/// authorization is found again that is valid, or for which a message was sent that can still make it so.
pub(super) async fn new(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Response, Problem> {
    let asked: NewAuthorization = by.payload.json()?;
    let identifier = wanted::one(&service, &[asked.identifier])?;
    let now = service.now();
    service.limits.take(Limit::OrdersPerAccount, &[&by.account.id], now).await?;
    service.limits.take_from(Limit::OrdersPerIp, by.peer, now).await?;
    let account = by.account.id;
    let standing = Select::Standing { identifier: identifier.clone(), at: now.as_secs() };
    let mut standing = service.store.authorizations(standing).await?;
    standing
        .retain(|one| one.account == account && (can_be_met(one, now.as_secs()) || is_proof(one, asked.fresh, now)));
    // The one that lasts longest, and of all a valid one first.
    let found = standing.into_iter().max_by_key(|one| (one.status == AuthorizationStatus::Valid, one.expires));
    let authorization = match found {
        Some(found) => found,
        None => {
            let expires = now.as_secs() + service.config.limits.order_lifetime.as_secs();
            let new = order::pending(&service, &account, identifier, expires);
            let who = service.pseudonyms.of(&new.identifier);
            let of = json!({"authorization": new.id, "account": account, "who": who});
            let changes = vec![Change::Insert(Record::Authorization(new.clone()))];
            service.issuer.decide(changes, "authorization-made", of).await?;
            new
        }
    };
    let url = ascii(&service.url(&format!("/authz/{}", authorization.id)));
    Ok((StatusCode::CREATED, [(header::LOCATION, url)], Json(object(&service, &authorization))).into_response())
}

fn is_proof(authorization: &Authorization, fresh: bool, now: UnixTime) -> bool {
    authorization.status == AuthorizationStatus::Valid && (!fresh || is_fresh(authorization, now))
}

/// Whether there is a message out for it that can still be answered.
fn can_be_met(authorization: &Authorization, now: u64) -> bool {
    let code = authorization.code.is_some_and(|code| code.tries_left > 0 && code.expires > now);
    let mail = authorization.reply.as_ref().and_then(|reply| reply.mail.as_ref());
    let reply = mail.is_some_and(|mail| mail.tries_left > 0 && mail.expires > now);
    authorization.status == AuthorizationStatus::Pending && (code || reply)
}

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
        authorization = give_up(&service, authorization).await?;
    } else {
        authorization = challenge::begin(&service, &by, authorization).await?;
    }
    Ok(Json(object(&service, &authorization)))
}

/// Ends it, whatever becomes of a message that is under way for it.
async fn give_up(service: &Service, mut found: Authorization) -> Result<Authorization, Problem> {
    for _ in 0..RACES {
        let id = found.id.clone();
        let ended = found.ended(AuthorizationStatus::Deactivated);
        let changes = vec![Change::Update(Record::Authorization(ended.clone()))];
        match service.issuer.decide(changes, "authorization-given-up", json!({"authorization": id})).await {
            Err(StoreError::Conflict(_)) => {}
            decided => return decided.map(|()| ended).map_err(Problem::from),
        }
        let newer = service.store.authorization(Select::Authorization(id)).await?;
        found = newer.ok_or_else(Problem::not_found)?;
    }
    Err(StoreError::Conflict("authorization").into())
}

fn object(service: &Service, authorization: &Authorization) -> Value {
    json!({
        "status": status(authorization, service.now().as_secs()),
        "expires": rfc3339(authorization.expires),
        "identifier": identifier(&authorization.identifier),
        "challenges": challenge::objects(service, authorization),
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
