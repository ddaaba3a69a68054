//! The challenge `oidc-00` (docs/spec/enrolment.md): an ID token of an issuer that vouches for the address' domain.
//!
//! The token's nonce is the digest of the challenge's key authorization (RFC 8555 section 8.1), so that a token that was
//! issued to anybody else, for any other account or authorization, proves nothing here.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::problem::{Kind, Problem};
use super::super::request::ByAccount;
use super::super::{Service, authorization};
use super::{keep, proven};
use crate::oidc::VouchError;
use crate::store::{Authorization, AuthorizationStatus, ChallengeType, RACES, Select, StoreError};

/// When to come back if the issuer cannot be asked.
const LATER: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id_token: Option<String>,
}

/// Takes a token.
pub(super) async fn respond(
    service: &Arc<Service>,
    by: &ByAccount,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let answer: Answer = by.payload.json()?;
    let token = answer.id_token.ok_or_else(|| Problem::malformed("expected the member idToken, found none"))?;
    let nonce = nonce(&found, &by.account.thumbprint);
    let checked = service.issuers.check(&token, &found.identifier, &nonce, service.now()).await;
    let who = service.pseudonyms.of(&found.identifier);
    match checked {
        Ok(()) => {}
        Err(VouchError::Unreachable(reason)) => {
            tracing::warn!(authorization = found.id, who, reason, "a token could not be checked");
            let detail = "the issuer's keys cannot be had at the moment; try again in a minute";
            return Err(Problem::later(detail, LATER));
        }
        Err(VouchError::Token(error)) => {
            tracing::info!(authorization = found.id, who, "a token proves nothing");
            let of = json!({"authorization": found.id, "account": found.account, "who": who});
            service.issuer.trail.note("token-refused", of);
            return Err(Problem::new(Kind::TokenRefused, error.to_string()));
        }
    }
    complete(service, found).await
}

/// Stores that the token has proven control. The authorization may have changed since it was read: the issuer took its
/// time, or what became of a mail that was asked for as well was noted.
async fn complete(service: &Arc<Service>, mut found: Authorization) -> Result<Authorization, Problem> {
    let id = found.id.clone();
    for _ in 0..RACES {
        let changed = proven(service, found, ChallengeType::OpenId);
        match keep(service, changed.clone(), ChallengeType::OpenId, "control-proven").await {
            Err(StoreError::Conflict(_)) => {}
            kept => return kept.map(|()| changed).map_err(Problem::from),
        }
        let newer = service.store.authorization(Select::Authorization(id.clone())).await?;
        found = newer.ok_or_else(Problem::not_found)?;
        if found.status == AuthorizationStatus::Valid {
            return Ok(found);
        }
        if authorization::status(&found, service.now().as_secs()) != "pending" {
            return Err(Problem::malformed("the authorization is no longer pending; make a new order"));
        }
    }
    Err(StoreError::Conflict("authorization").into())
}

/// What a client needs: the token that its key authorization begins with, and where a person of this domain logs in.
pub(super) fn describe(service: &Service, authorization: &Authorization, out: &mut Value) {
    out["token"] = authorization.id.as_str().into();
    let issuers = service.issuers.of(&authorization.identifier);
    out["issuers"] =
        issuers.map(|issuer| json!({"issuer": issuer.issuer, "clientId": issuer.client_id})).collect::<Vec<_>>().into();
}

fn nonce(authorization: &Authorization, thumbprint: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{}.{thumbprint}", authorization.id)))
}
