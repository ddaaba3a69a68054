//! Handing a message over, now or when its turn comes in the line of a slow domain; and noting what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::super::problem::{Kind, Problem};
use super::super::under_way::Mark;
use super::super::{Service, budget};
use super::Message;
use crate::mail::{Full, IN_LINE, Leave, MailError, Turn};
use crate::sms::SmsError;
use crate::store::{
    Authorization, AuthorizationStatus, Change, Handover, IssuedCode, IssuedReply, RACES, Record, ReplyState, Select,
    StoreError,
};

/// How long a request waits while too many messages are under way.
pub(super) const QUEUE: Duration = Duration::from_secs(10);

/// A place among the messages under way.
pub(super) async fn place(service: &Service) -> Option<OwnedSemaphorePermit> {
    tokio::time::timeout(QUEUE, Arc::clone(&service.mails_in_flight).acquire_owned()).await.ok()?.ok()
}

/// The same answer whether the mailbox exists or not: it is the domain's.
pub(super) fn line_is_full(found: &Authorization, full: Full) -> Problem {
    let domain = found.identifier.domain().unwrap_or_default();
    let (limit, whose) = match full {
        Full::Line => ("mails_waiting", ""),
        Full::Share => ("mails_waiting_per_network", " that were asked for from your network"),
    };
    let detail = format!(
        "{domain} is slow to take mail, and as many mails{whose} wait for it as may; nothing is lost, try again later"
    );
    Problem::new(Kind::RateLimited, detail).with("limit", limit).retry_after(IN_LINE)
}

/// A mail that has to wait for others to its domain. Nobody is sent what she has given up, or replaced, meanwhile.
pub(super) async fn in_line(
    service: &Service,
    id: &str,
    mark: Mark,
    message: Message,
    turn: Turn,
) -> (Handover, Option<(Leave, OwnedSemaphorePermit)>) {
    let Some(leave) = turn.come().await else {
        tracing::warn!(authorization = id, "a mail did not leave: its domain has not taken those before it");
        return (Handover::Failed, None);
    };
    let Some(place) = place(service).await else { return (Handover::Failed, None) };
    let found = service.store.authorization(Select::Authorization(id.to_owned())).await.ok().flatten();
    let is_awaited = |found: Authorization| {
        found.status == AuthorizationStatus::Pending && noted(found, mark, Handover::UnderWay).is_some()
    };
    let handover = match found.is_some_and(is_awaited) {
        true => hand_over(service, id, message, &leave, None).await,
        false => Handover::Failed,
    };
    (handover, Some((leave, place)))
}

/// Hands the message over. That it could not be is remembered for who asks for the challenge; that the mailbox or the
/// number does not exist is not. A text message was charged on `day`.
pub(super) async fn hand_over(
    service: &Service,
    id: &str,
    message: Message,
    leave: &Leave,
    day: Option<u64>,
) -> Handover {
    let (error, refused) = match (message, &service.texting) {
        (Message::Mail(letter), _) => match service.post.send(letter, leave).await {
            Ok(()) => return Handover::Done,
            Err(error) => (error.to_string(), matches!(error, MailError::Refused)),
        },
        (Message::Text(text), Some(texting)) => match texting.send(service, &text).await {
            Ok(()) => return Handover::Done,
            Err(error) => {
                if error.is_unsent() {
                    budget::give_back(service, &texting.phones, &text.to, day).await;
                }
                (error.to_string(), matches!(error, SmsError::Refused))
            }
        },
        (Message::Text(_), None) => ("no text messages are sent here".to_owned(), false),
    };
    tracing::warn!(authorization = id, error, "a message did not leave");
    if refused { Handover::Done } else { Handover::Failed }
}

/// Notes what became of a message, unless another one is the newest by now.
pub(super) async fn note(service: &Service, id: String, mark: Mark, handover: Handover) -> Result<(), StoreError> {
    for _ in 0..RACES {
        let found = service.store.authorization(Select::Authorization(id.clone())).await?;
        let Some(changed) = found.and_then(|found| noted(found, mark, handover)) else { return Ok(()) };
        match service.store.commit(vec![Change::Update(Record::Authorization(changed))]).await {
            Err(StoreError::Conflict(_)) => {}
            other => return other.map(|_| ()),
        }
    }
    Err(StoreError::Conflict("authorization"))
}

fn noted(found: Authorization, mark: Mark, handover: Handover) -> Option<Authorization> {
    if let Some(code) = found.code.filter(|code| code.hash.0 == mark) {
        return Some(Authorization { code: Some(IssuedCode { handover, ..code }), ..found });
    }
    let reply = found.reply.clone()?;
    let mail = reply.mail.filter(|mail| mail.digest.0 == mark)?;
    Some(Authorization { reply: Some(ReplyState { mail: Some(IssuedReply { handover, ..mail }), ..reply }), ..found })
}
