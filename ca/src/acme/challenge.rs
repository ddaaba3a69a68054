//! The challenge `email-code-00` (docs/spec/enrolment.md): a code is mailed to the canonical address, and comes back
//! signed by the account key.
//!
//! An empty object asks for a mail, and for another one as often as the rate limits allow; only the newest code counts.
//! A code typed wrong five times is dead: so is guessing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorization;
use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::{Service, ascii, own_authorization, rfc3339};
use crate::code::Code;
use crate::mail::{CodeLetter, Letter, MailError};
use crate::random;
use crate::store::{Account, Authorization, AuthorizationStatus, Change, IssuedCode, Record, Select};

/// How long a request waits while too many mails are under way.
const QUEUE: Duration = Duration::from_secs(10);

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
            None => send(&service, &by.account, by.peer, found).await?,
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
    if let Some(reason) = &authorization.mail_error {
        out["error"] = Problem::new(Kind::ServerInternal, reason).document();
    }
    out
}

/// Makes a new code, remembers its hash, and sends it.
async fn send(
    service: &Arc<Service>,
    account: &Account,
    peer: Option<IpAddr>,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let (now, limits) = (service.now(), &service.config.limits);
    let address = found.identifier.as_str().to_owned();
    let limited = service.limits.mails_per_account.take(&[&account.id, &address], now);
    limited.map_err(|wait| {
        Problem::new(Kind::RateLimited, "so many codes were sent to this address already; use the newest, or wait")
            .retry_after(wait)
    })?;
    let place = tokio::time::timeout(QUEUE, Arc::clone(&service.mails_in_flight).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(Problem::internal(&"too many mails are under way")) };
    // The address' own limit is kept silently: see Limits::mails_per_address.
    let quiet = service.limits.mails_per_address.take(&[&address], now).is_err();

    let code = Code::new(random::bytes());
    let expires = now.as_secs() + limits.code_lifetime.as_secs();
    let letter = CodeLetter {
        from: &service.mail_from,
        to: &found.identifier,
        code: &code,
        authority: service.host(),
        account: &account.thumbprint,
        peer,
        now,
        lifetime: limits.code_lifetime,
        tries: limits.code_tries,
        message_id: random::id(),
    };
    let letter = letter
        .compose()
        .map_err(|e| Problem::new(Kind::RejectedIdentifier, format!("this address cannot be written to: {e}")))?;
    let issued = IssuedCode { hash: code.hash(), expires, tries_left: limits.code_tries };
    let changed = Authorization { code: Some(issued), mail_error: None, ..found };
    service.store.commit(vec![Change::Update(Record::Authorization(changed.clone()))]).await?;
    let changed = Authorization { revision: changed.revision + 1, ..changed };
    let who = service.pseudonyms.of(&changed.identifier);
    tracing::info!(authorization = changed.id, account = account.id, who, quiet, "code made");
    if quiet {
        return Ok(changed);
    }
    let delivery = tokio::spawn({
        let (service, id) = (Arc::clone(service), changed.id.clone());
        async move {
            deliver(&service, id, letter).await;
            drop(place);
        }
    });
    // A mail server's time to answer says whether it knows the address, so nobody waits for it. An outbox knows nobody.
    if service.post.is_local() {
        let _ = delivery.await;
        let id = changed.id.clone();
        return service.store.authorization(Select::Authorization(id)).await?.ok_or_else(Problem::not_found);
    }
    Ok(changed)
}

/// Hands the mail over. That it could not be is remembered for who asks for the challenge; that the mailbox does not
/// exist is not.
async fn deliver(service: &Service, id: String, letter: Letter) {
    let error = match service.post.send(letter).await {
        Ok(()) => return,
        Err(error) => error,
    };
    tracing::warn!(authorization = id, %error, "a mail did not leave");
    if matches!(error, MailError::Refused) {
        return;
    }
    let noted = async {
        if let Some(mut authorization) = service.store.authorization(Select::Authorization(id)).await? {
            authorization.mail_error =
                Some("the mail could not be handed to the mail server; ask for another one later".into());
            service.store.commit(vec![Change::Update(Record::Authorization(authorization))]).await?;
        }
        Ok::<(), crate::store::StoreError>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "could not note that a mail did not leave");
    }
}

/// Compares a typed code. A wrong one is counted durably before the answer leaves: the count cannot be raced, for the
/// store refuses the second of two updates.
async fn check(service: &Service, found: Authorization, typed: &str) -> Result<Authorization, Problem> {
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
        let changed = Authorization { code: Some(IssuedCode { tries_left: left, ..code }), ..found };
        tracing::info!(authorization = changed.id, who, left, "wrong code");
        service.store.commit(vec![Change::Update(Record::Authorization(changed))]).await?;
        return Err(match left {
            0 => exhausted(),
            _ => Problem::new(Kind::CodeWrong, format!("this is not the code of the newest mail; {left} tries left"))
                .with("triesLeft", left),
        });
    }
    let expires = now + service.config.limits.authorization_lifetime.as_secs();
    let changed = Authorization {
        status: AuthorizationStatus::Valid,
        code: None,
        mail_error: None,
        validated: Some(now),
        expires,
        ..found
    };
    service.store.commit(vec![Change::Update(Record::Authorization(changed.clone()))]).await?;
    tracing::info!(authorization = changed.id, account = changed.account, who, "control proven");
    Ok(changed)
}

fn exhausted() -> Problem {
    Problem::new(Kind::CodeExhausted, "too many wrong codes; a new code has to be sent").with("triesLeft", 0)
}
