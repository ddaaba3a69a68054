//! The challenges `email-code-00` and `sms-code-00` (docs/spec/enrolment.md): a code is sent to the canonical address or
//! number, and comes back signed by the account key.
//!
//! An empty object asks for a message, and for another one as often as the rate limits allow; only the newest code counts.
//! A code typed wrong five times is dead: so is guessing.

use std::sync::Arc;

use identity::IdentifierKind;
use serde::Deserialize;
use serde_json::Value;

use super::super::problem::{Kind, Problem};
use super::super::request::ByAccount;
use super::super::{Service, delivery, rfc3339};
use super::{keep, proven};
use crate::sms::Fate;
use crate::store::{Authorization, ChallengeType, IssuedCode, RACES, Select, StoreError};

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
}

/// Sends a code, or takes one.
pub(super) async fn respond(
    service: &Arc<Service>,
    by: &ByAccount,
    found: Authorization,
    kind: ChallengeType,
) -> Result<Authorization, Problem> {
    let answer: Answer = by.payload.json()?;
    match answer.code {
        None => delivery::send_code(service, &by.account, by.peer, found, kind).await,
        Some(typed) => check(service, found, &typed, kind).await,
    }
}

/// The challenge is "processing" while a code is on its way.
pub(super) fn describe(service: &Service, authorization: &Authorization, out: &mut Value) {
    // One that has lapsed is on its way no more: whoever goes on with an order from before has another one sent.
    let live = |code: &IssuedCode| out["status"] == "pending" && code.expires > service.now().as_secs();
    let Some(code) = authorization.code.filter(live) else { return };
    out["status"] = "processing".into();
    out["codeExpires"] = rfc3339(code.expires).into();
    out["triesLeft"] = code.tries_left.into();
    let limits = &service.config.limits;
    let lifetime = match authorization.identifier.kind() {
        IdentifierKind::Email => limits.code_lifetime,
        IdentifierKind::Phone => limits.text_code_lifetime,
    };
    if let Some(reason) = delivery::failure(service, code.handover, code.hash.0, (code.expires, lifetime)) {
        out["error"] = Problem::new(Kind::ServerInternal, reason).document();
    }
}

/// Compares a typed code. A wrong one is counted durably before the answer leaves: the count cannot be raced, for the
/// store refuses the second of two updates, and whoever lost is judged anew by what the first has left.
async fn check(
    service: &Service,
    mut found: Authorization,
    typed: &str,
    kind: ChallengeType,
) -> Result<Authorization, Problem> {
    for _ in 0..RACES {
        let id = found.id.clone();
        let (changed, wrong) = judge(service, found, typed, kind)?;
        let what = if wrong.is_some() { "wrong-code" } else { "control-proven" };
        match keep(service, changed.clone(), kind, what).await {
            Ok(()) => {
                if let (None, Some(texting)) = (&wrong, &service.texting)
                    && kind == ChallengeType::SmsCode
                {
                    texting.receipts.count(&changed.identifier, Fate::Proven);
                }
                return wrong.map_or(Ok(changed), Err);
            }
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
fn judge(
    service: &Service,
    found: Authorization,
    typed: &str,
    kind: ChallengeType,
) -> Result<(Authorization, Option<Problem>), Problem> {
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
    if !code.hash.matches(typed) {
        let who = service.pseudonyms.of(&found.identifier);
        let left = code.tries_left - 1;
        tracing::info!(authorization = found.id, who, left, "wrong code");
        let changed = Authorization { code: Some(IssuedCode { tries_left: left, ..code }), ..found };
        return Ok((changed, Some(wrong(left))));
    }
    Ok((proven(service, found, kind), None))
}

fn wrong(left: u8) -> Problem {
    if left == 0 {
        return exhausted();
    }
    Problem::new(Kind::CodeWrong, format!("this is not the code of the newest message; {left} tries left"))
        .with("triesLeft", left)
}

fn exhausted() -> Problem {
    Problem::new(Kind::CodeExhausted, "too many wrong codes; a new code has to be sent").with("triesLeft", 0)
}
