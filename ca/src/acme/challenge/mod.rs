//! The challenges (RFC 8555 section 7.1.5): the ways to prove control of an identifier. An authorization offers those that
//! fit its identifier; whichever is met first proves it.
//!
//! A new kind is a [`ChallengeType`], a file here, and a line in each `match` below: the compiler asks for them.

mod code;
mod openid;
mod reply;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use identity::IdentifierKind;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::{Service, ascii, authorization, delivery, own_authorization, rfc3339};
use crate::store::{Authorization, AuthorizationStatus, ChallengeType, Change, Record, StoreError};
pub(crate) use reply::{keep_refusal, prove_by_reply};

/// The challenges that an authorization offers, the one that most people want first. Of one that is proven it is the one by
/// which it was (RFC 8555 section 7.1.4).
fn offered(service: &Service, authorization: &Authorization) -> Vec<ChallengeType> {
    match (authorization.proven_by, authorization.identifier.kind()) {
        (Some(by), _) => vec![by],
        (None, IdentifierKind::Phone) => vec![ChallengeType::SmsCode],
        (None, IdentifierKind::Email) => {
            let replies = service.config.replies.as_ref().filter(|_| authorization.reply.is_some());
            let code = (!replies.is_some_and(|replies| replies.only)).then_some(ChallengeType::EmailCode);
            let vouched = service.issuers.of(&authorization.identifier).next().map(|_| ChallengeType::OpenId);
            code.into_iter().chain(replies.map(|_| ChallengeType::EmailReply)).chain(vouched).collect()
        }
    }
}

/// Where a reply by mail is the only way, the mail goes out once the challenge was read (RFC 8823 section 3, step 3): a
/// client has nothing to choose. Elsewhere it is sent to who asks for it.
pub(super) async fn begin(
    service: &Arc<Service>,
    by: &ByAccount,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let pending = authorization::status(&found, service.now().as_secs()) == "pending";
    let untouched = found.reply.as_ref().is_some_and(|reply| reply.mail.is_none());
    if pending && untouched && offered(service, &found) == [ChallengeType::EmailReply] {
        return reply::send(service, by, found).await;
    }
    Ok(found)
}

/// POST to a challenge: an empty payload reads it, any other is an answer to it.
pub(super) async fn respond(
    State(service): State<Arc<Service>>,
    Path((id, kind)): Path<(String, String)>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let found = own_authorization(&service, &by.account.id, id).await?;
    let kind = ChallengeType::by_name(&kind).filter(|kind| offered(&service, &found).contains(kind));
    let kind = kind.ok_or_else(Problem::not_found)?;
    let answered = if by.payload.is_none() || found.status == AuthorizationStatus::Valid {
        found
    } else {
        if authorization::status(&found, service.now().as_secs()) != "pending" {
            return Err(Problem::malformed("the authorization is no longer pending; make a new order"));
        }
        match kind {
            ChallengeType::EmailCode | ChallengeType::SmsCode => code::respond(&service, &by, found, kind).await?,
            ChallengeType::EmailReply => reply::respond(&service, &by, found).await?,
            ChallengeType::OpenId => openid::respond(&service, &by, found).await?,
        }
    };
    let up = ascii(&format!("<{}>;rel=\"up\"", service.url(&format!("/authz/{}", answered.id))));
    let object = object(&service, &answered, kind);
    let mut response = ([(header::LINK, up)], Json(&object)).into_response();
    // RFC 8555 section 8.2: with the error, when to ask for another message.
    if object["error"]["type"] == Kind::ServerInternal.name() {
        response.headers_mut().insert(header::RETRY_AFTER, delivery::AGAIN.as_secs().into());
    }
    Ok(response)
}

/// All challenges of an authorization.
pub(super) fn objects(service: &Service, authorization: &Authorization) -> Vec<Value> {
    offered(service, authorization).into_iter().map(|kind| object(service, authorization, kind)).collect()
}

fn object(service: &Service, authorization: &Authorization, kind: ChallengeType) -> Value {
    let pending = authorization::status(authorization, service.now().as_secs()) == "pending";
    let mut out = json!({
        "type": kind.name(),
        "url": service.url(&format!("/challenge/{}/{}", authorization.id, kind.name())),
        "status": match authorization.status {
            AuthorizationStatus::Valid => "valid",
            AuthorizationStatus::Pending if pending => "pending",
            AuthorizationStatus::Pending | AuthorizationStatus::Deactivated => "invalid",
        },
    });
    if let Some(at) = authorization.validated {
        out["validated"] = rfc3339(at).into();
    }
    if out["status"] == "invalid" {
        out["error"] = Problem::malformed(over(authorization)).document();
    }
    match kind {
        ChallengeType::EmailCode | ChallengeType::SmsCode => code::describe(service, authorization, &mut out),
        ChallengeType::EmailReply => reply::describe(service, authorization, &mut out),
        ChallengeType::OpenId => openid::describe(service, authorization, &mut out),
    }
    out
}

/// Why a challenge cannot be met any more (RFC 8555 section 8).
fn over(authorization: &Authorization) -> &'static str {
    match authorization.status {
        AuthorizationStatus::Deactivated => "the authorization was deactivated; make a new order",
        _ => "control was not proven in time; make a new order",
    }
}

/// An authorization whose control was just proven: what else was under way for it is over. To be stored by [`keep`].
fn proven(service: &Service, found: Authorization, by: ChallengeType) -> Authorization {
    let now = service.now().as_secs();
    let who = service.pseudonyms.of(&found.identifier);
    let lifetime = match found.identifier.kind() {
        IdentifierKind::Email => service.config.limits.authorization_lifetime,
        IdentifierKind::Phone => service.config.limits.phone_authorization_lifetime,
    };
    tracing::info!(authorization = found.id, account = found.account, who, by = by.name(), "control proven");
    Authorization {
        expires: now + lifetime.as_secs(),
        validated: Some(now),
        proven_by: Some(by),
        ..found.ended(AuthorizationStatus::Valid)
    }
}

/// Stores and records what an answer has made of an authorization.
async fn keep(
    service: &Service,
    changed: Authorization,
    by: ChallengeType,
    what: &'static str,
) -> Result<(), StoreError> {
    let who = service.pseudonyms.of(&changed.identifier);
    let of = json!({"authorization": changed.id, "account": changed.account, "who": who, "challenge": by.name()});
    service.issuer.decide(vec![Change::Update(Record::Authorization(changed))], what, of).await
}
