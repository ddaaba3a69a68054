//! The challenge `email-reply-00` (RFC 8823): a mail is sent whose subject has one half of a token; the other half stands
//! here. Whoever has both replies with a digest that fits them and the account's key, and her domain signs the reply.
//!
//! An empty object asks for the mail; after it was sent it says, as the RFC has it, that the reply is on its way, and asks
//! for nothing. `{"resend": true}` (ours) asks for another mail; only the newest counts.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::super::delivery::{self, Message, Outgoing};
use super::super::problem::{Kind, Problem};
use super::super::request::ByAccount;
use super::super::{Service, rfc3339};
use super::{keep, proven};
use crate::mail::ReplyLetter;
use crate::random;
use crate::store::{Authorization, ChallengeType, IssuedReply, ReplyState, StoreError};
use crate::token::{DigestHash, TokenPart1};

/// Replies to one mail that are looked at though they prove nothing.
const TRIES: u8 = 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    resend: bool,
}

/// Sends a mail, unless one waits for its reply.
pub(super) async fn respond(
    service: &Arc<Service>,
    by: &ByAccount,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let answer: Answer = by.payload.json()?;
    if waits(service, &found) && !answer.resend {
        return Ok(found);
    }
    send(service, by, found).await
}

/// Whether a mail was sent that can still be replied to.
pub(super) fn waits(service: &Service, found: &Authorization) -> bool {
    let mail = found.reply.as_ref().and_then(|reply| reply.mail.as_ref());
    mail.is_some_and(|mail| {
        mail.expires > service.now().as_secs() && mail.tries_left > 0 && failure(service, mail).is_none()
    })
}

/// Why the mail cannot be on its way.
fn failure(service: &Service, mail: &IssuedReply) -> Option<&'static str> {
    let lapses = (mail.expires, service.config.limits.code_lifetime);
    delivery::failure(service, mail.handover, mail.digest.0, lapses)
}

/// Sends a mail.
pub(super) async fn send(
    service: &Arc<Service>,
    by: &ByAccount,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let outgoing = outgoing(service, by, &found)?;
    delivery::send(service, &by.account, by.peer, found, ChallengeType::EmailReply, outgoing).await
}

fn outgoing(service: &Service, by: &ByAccount, found: &Authorization) -> Result<Outgoing, Problem> {
    let (Some(from), Some(reply)) = (&service.reply_from, &found.reply) else { return Err(Problem::not_found()) };
    let part1 =
        TokenPart1::new(&found.id, random::bytes()).ok_or_else(|| Problem::internal(&"an id of another form"))?;
    let lifetime = service.config.limits.code_lifetime;
    let letter = ReplyLetter {
        from,
        to: &found.identifier,
        token: &part1,
        authority: service.host(),
        account: &by.account.thumbprint,
        peer: by.peer,
        now: service.now(),
        lifetime,
        message_id: random::id(),
    };
    let letter = letter
        .compose()
        .map_err(|e| Problem::new(Kind::RejectedIdentifier, format!("this address cannot be written to: {e}")))?;
    let digest = DigestHash::expected(&part1, &reply.part2, &by.account.thumbprint);
    let (expires, part2) = (service.now().as_secs() + lifetime.as_secs(), reply.part2);
    let issue = move |found: Authorization, handover| {
        let mail = IssuedReply { digest, expires, tries_left: TRIES, handover, refused: None };
        Authorization { reply: Some(ReplyState { part2, mail: Some(mail) }), ..found }
    };
    Ok(Outgoing { message: Message::Mail(letter), mark: digest.0, issue: Box::new(issue) })
}

/// The half of the token and the sender (RFC 8823 section 3), and how far it is.
pub(super) fn describe(service: &Service, authorization: &Authorization, out: &mut Value) {
    let Some(reply) = &authorization.reply else { return };
    out["token"] = URL_SAFE_NO_PAD.encode(reply.part2).into();
    out["from"] = service.config.replies.as_ref().map(|replies| replies.address.clone()).into();
    let Some(mail) = reply.mail.as_ref().filter(|_| out["status"] == "pending") else { return };
    out["status"] = "processing".into();
    out["replyExpires"] = rfc3339(mail.expires).into();
    out["triesLeft"] = mail.tries_left.into();
    if let Some(reason) = failure(service, mail) {
        out["error"] = Problem::new(Kind::ServerInternal, reason).document();
    } else if let Some(reason) = &mail.refused {
        out["error"] = Problem::new(Kind::ReplyRefused, reason).document();
    }
}

/// A reply has proven control.
pub(crate) async fn prove_by_reply(service: &Service, found: Authorization) -> Result<(), StoreError> {
    let kind = ChallengeType::EmailReply;
    keep(service, proven(service, found, kind), kind, "control-proven").await
}

/// A reply has proven nothing; who asked for the challenge shall know why.
pub(crate) async fn keep_refusal(
    service: &Service,
    found: Authorization,
    refused: IssuedReply,
) -> Result<(), StoreError> {
    let reply = found.reply.clone().map(|reply| ReplyState { mail: Some(refused), ..reply });
    keep(service, Authorization { reply, ..found }, ChallengeType::EmailReply, "reply-refused").await
}
