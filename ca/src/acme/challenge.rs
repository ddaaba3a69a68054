//! The challenge `email-code-00` (docs/spec/enrolment.md): a code is mailed to the canonical address, and comes back
//! signed by the account key.
//!
//! An empty object asks for a mail, and for another one as often as the rate limits allow; only the newest code counts.
//! A code typed wrong five times is dead: so is guessing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::{Service, ascii, authorization, delivery, own_authorization, rfc3339};
use crate::store::{Authorization, AuthorizationStatus, Change, IssuedCode, Record, Select, StoreError};

/// How often a typed code is judged anew because the authorization changed meanwhile.
const RACES: usize = 8;

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
}

/// POST to the challenge.
pub(super) async fn respond(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let found = own_authorization(&service, &by.account.id, id).await?;
    let answered = if by.payload.is_none() || found.status == AuthorizationStatus::Valid {
        found
    } else {
        let answer: Answer = by.payload.json()?;
        if authorization::status(&found, service.now().as_secs()) != "pending" {
            return Err(Problem::malformed("the authorization is no longer pending; make a new order"));
        }
        match answer.code {
            None => delivery::send(&service, &by.account, by.peer, found).await?,
            Some(typed) => check(&service, found, &typed).await?,
        }
    };
    let up = ascii(&format!("<{}>;rel=\"up\"", service.url(&format!("/authz/{}", answered.id))));
    Ok(([(header::LINK, up)], Json(object(&service, &answered))).into_response())
}

/// The challenge as part of its authorization (RFC 8555 section 7.1.5). It is "processing" while a code is on its way.
pub(super) fn object(service: &Service, authorization: &Authorization) -> Value {
    let status = match (authorization.status, authorization::status(authorization, service.now().as_secs())) {
        (AuthorizationStatus::Valid, _) => "valid",
        (AuthorizationStatus::Pending, "pending") if authorization.code.is_some() => "processing",
        (AuthorizationStatus::Pending, "pending") => "pending",
        _ => "invalid",
    };
    let mut out = json!({
        "type": "email-code-00",
        "url": service.url(&format!("/challenge/{}", authorization.id)),
        "status": status,
    });
    if let Some(at) = authorization.validated {
        out["validated"] = rfc3339(at).into();
    }
    if let Some(code) = authorization.code.filter(|_| status == "processing") {
        out["codeExpires"] = rfc3339(code.expires).into();
        out["triesLeft"] = code.tries_left.into();
    }
    if let Some(reason) = authorization.code.and_then(|code| delivery::failure(service, &code)) {
        out["error"] = Problem::new(Kind::ServerInternal, reason).document();
    }
    out
}

/// Compares a typed code. A wrong one is counted durably before the answer leaves: the count cannot be raced, for the
/// store refuses the second of two updates, and whoever lost is judged anew by what the first has left.
async fn check(service: &Service, mut found: Authorization, typed: &str) -> Result<Authorization, Problem> {
    for _ in 0..RACES {
        let id = found.id.clone();
        let (changed, wrong) = judge(service, found, typed)?;
        let who = service.pseudonyms.of(&changed.identifier);
        let of = json!({"authorization": changed.id, "account": changed.account, "who": who});
        let changes = vec![Change::Update(Record::Authorization(changed.clone()))];
        let what = if wrong.is_some() { "wrong-code" } else { "control-proven" };
        match service.issuer.decide(changes, what, of).await {
            Ok(()) => return wrong.map_or(Ok(changed), Err),
            Err(StoreError::Conflict(_)) => {
                let newer = service.store.authorization(Select::Authorization(id)).await?;
                found = newer.ok_or_else(Problem::not_found)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict("authorization").into())
}

/// What a typed code makes of an authorization, to be stored before the answer leaves; with the problem of a wrong one.
/// An error changes nothing.
fn judge(service: &Service, found: Authorization, typed: &str) -> Result<(Authorization, Option<Problem>), Problem> {
    let now = service.now().as_secs();
    let Some(code) = found.code else {
        return Err(Problem::new(Kind::CodeMissing, "no code was sent yet; an empty object asks for one"));
    };
    if code.expires <= now {
        return Err(Problem::new(
            Kind::CodeExpired,
            format!("the code was good until {}; ask for a new one", rfc3339(code.expires)),
        ));
    }
    if code.tries_left == 0 {
        return Err(exhausted());
    }
    let who = service.pseudonyms.of(&found.identifier);
    if !code.hash.matches(typed) {
        let left = code.tries_left - 1;
        tracing::info!(authorization = found.id, who, left, "wrong code");
        let changed = Authorization { code: Some(IssuedCode { tries_left: left, ..code }), ..found };
        return Ok((changed, Some(wrong(left))));
    }
    tracing::info!(authorization = found.id, account = found.account, who, "control proven");
    let expires = now + service.config.limits.authorization_lifetime.as_secs();
    let status = AuthorizationStatus::Valid;
    Ok((Authorization { status, code: None, validated: Some(now), expires, ..found }, None))
}

fn wrong(left: u8) -> Problem {
    if left == 0 {
        return exhausted();
    }
    Problem::new(Kind::CodeWrong, format!("this is not the code of the newest mail; {left} tries left"))
        .with("triesLeft", left)
}

fn exhausted() -> Problem {
    Problem::new(Kind::CodeExhausted, "too many wrong codes; a new code has to be sent").with("triesLeft", 0)
}
