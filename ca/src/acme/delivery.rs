//! How a code gets to its reader, and what is known of it afterwards.
//!
//! No crash may leave a code that nobody can type while everybody believes it was sent. A mail for the outbox lies there
//! before its code counts. A mail server or a gateway may take its time, and that time would tell whether it knows the
//! address, so nobody waits for it: its code is stored as [`Handover::UnderWay`] until the other side has the message.
//! Found so by a process that is not sending it, the message may be lost, and the challenge says so.
//!
//! A text message costs money: it is charged in the commit that stores its code, before it leaves.

mod handing_over;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::handing_over::{QUEUE, hand_over, in_line, line_is_full, note, place};
use super::budget::Purpose;
use super::problem::{Kind, Problem};
use super::texting::{self, Texting};
use super::under_way::Mark;
use super::{Service, budget};
use crate::code::Code;
use crate::config::Limit;
use crate::mail::{CodeLetter, DELIVERY, IN_LINE, Letter, Turn};
use crate::random;
use crate::sms::Text;
use crate::store::{
    Account, Authorization, AuthorizationStatus, ChallengeType, Change, Handover, IssuedCode, RACES, Record, Select,
    StoreError,
};

/// When to ask for another message where one could not be handed over.
pub(super) const AGAIN: Duration = Duration::from_secs(60);
/// A message is with the next server after that time, or not at all.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(300);
const _: () = assert!(IN_LINE.as_secs() + QUEUE.as_secs() + DELIVERY.as_secs() < HANDED_OVER_WITHIN.as_secs());

/// A message with a secret.
pub(super) enum Message {
    Mail(Letter),
    Text(Text),
}

/// A message that is ready to go.
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) mark: Mark,
    /// Makes its secret the newest of the authorization.
    pub(super) issue: Box<dyn Fn(Authorization, Handover) -> Authorization + Send + Sync>,
}

/// Why a message cannot be on its way, in words for who waits for it. `ends` is when its secret lapses, and `lifetime` how
/// long that lasts.
pub(super) fn failure(
    service: &Service,
    handover: Handover,
    mark: Mark,
    (ends, lifetime): (u64, Duration),
) -> Option<&'static str> {
    // Another front end may be sending it; not for ever.
    let made = ends.saturating_sub(lifetime.as_secs());
    let elsewhere = service.issuer.shared.is_some() && service.now().as_secs() < made + HANDED_OVER_WITHIN.as_secs();
    match handover {
        Handover::UnderWay if elsewhere => None,
        Handover::Failed => Some("the message could not be handed over; ask for another one later"),
        Handover::UnderWay if !service.mails_under_way.contains(mark) => {
            Some("the authority was interrupted before the message was on its way for certain; ask for another one")
        }
        Handover::UnderWay | Handover::Done => None,
    }
}

/// Makes a new code, remembers its hash, and sends it.
pub(super) async fn send_code(
    service: &Arc<Service>,
    account: &Account,
    peer: Option<IpAddr>,
    found: Authorization,
    kind: ChallengeType,
) -> Result<Authorization, Problem> {
    let limits = &service.config.limits;
    let texting = texting::of(service, &found)?;
    let code = if texting.is_some() { Code::short(random::bytes()) } else { Code::new(random::bytes()) };
    let message = match texting {
        Some(_) => Message::Text(Text::code(&found.identifier, &code, service.domain())),
        None => Message::Mail(compose(service, account, peer, &found, &code)?),
    };
    let lifetime = if texting.is_some() { limits.text_code_lifetime } else { limits.code_lifetime };
    let (hash, tries_left) = (code.hash(), limits.code_tries);
    let expires = service.now().as_secs() + lifetime.as_secs();
    let issue = move |found: Authorization, handover| Authorization {
        code: Some(IssuedCode { hash, expires, tries_left, handover }),
        ..found
    };
    send(service, account, peer, found, kind, Outgoing { message, mark: hash.0, issue: Box::new(issue) }).await
}

/// Sends a message, and makes what stands in it the newest secret of its authorization.
pub(super) async fn send(
    service: &Arc<Service>,
    account: &Account,
    peer: Option<IpAddr>,
    found: Authorization,
    kind: ChallengeType,
    outgoing: Outgoing,
) -> Result<Authorization, Problem> {
    let texting = texting::of(service, &found)?;
    // Before the limits, of which a mail that is not made takes nothing.
    let turn = match &outgoing.message {
        Message::Mail(letter) => service.post.turn(letter, peer).await.map_err(|full| line_is_full(&found, full))?,
        Message::Text(_) => Turn::AT_ONCE,
    };
    permitted(service, account, peer, &found, texting).await?;
    // Whoever stands in her domain's line takes no place of all.
    let turn = match turn.now() {
        Ok(leave) => {
            let place = place(service).await;
            Ok((leave, place.ok_or_else(|| Problem::unavailable(&"too many messages are under way", QUEUE))?))
        }
        Err(later) => Err(later),
    };
    // The address' own limit is kept silently: see Limits::mails_per_address.
    let own = if texting.is_some() { Limit::TextsPerNumber } else { Limit::MailsPerAddress };
    let quiet = service.limits.take_for(own, found.identifier.as_str(), peer, service.now()).await.is_err();
    let Outgoing { message, mark, issue } = outgoing;
    let who = service.pseudonyms.of(&found.identifier);
    tracing::info!(authorization = found.id, account = account.id, who, quiet, challenge = kind.name(), "code made");
    let of = json!({
        "authorization": found.id, "account": account.id, "who": who, "sent": !quiet, "challenge": kind.name(),
    });
    service.issuer.trail.note("code-made", of);
    if quiet {
        return Ok(remember(service, found, |found| issue(found, Handover::Done), None).await?.0);
    }
    // An outbox knows nobody: its time tells nothing.
    if let (Ok((leave, _)), None, true) = (&turn, texting, service.post.is_local()) {
        let handover = hand_over(service, &found.id, message, leave, None).await;
        return Ok(remember(service, found, |found| issue(found, handover), None).await?.0);
    }
    let mut handing = service.mails_under_way.begin(mark);
    let (changed, day) = remember(service, found, |found| issue(found, Handover::UnderWay), texting).await?;
    if changed.status != AuthorizationStatus::Pending {
        return Ok(changed);
    }
    let handing_over = tokio::spawn({
        let (service, id) = (Arc::clone(service), changed.id.clone());
        async move {
            let (handover, place) = match turn {
                Ok((leave, place)) => (hand_over(&service, &id, message, &leave, day).await, Some((leave, place))),
                Err(later) => in_line(&service, &id, mark, message, later).await,
            };
            match note(&service, id, mark, handover).await {
                Ok(()) => handing.noted = Some(service.now().as_secs()),
                Err(error) => tracing::warn!(%error, "could not note what became of a message"),
            }
            drop((handing, place));
        }
    });
    // A message lies in an outbox when the answer leaves, as a mail does.
    if texting.is_some_and(|texting| texting.sms.is_local()) {
        let _ = handing_over.await;
        let newer = service.store.authorization(Select::Authorization(changed.id)).await?;
        return newer.ok_or_else(Problem::not_found);
    }
    Ok(changed)
}

/// Whether this account may have another code sent to this address now.
async fn permitted(
    service: &Service,
    account: &Account,
    peer: Option<IpAddr>,
    found: &Authorization,
    texting: Option<&Texting>,
) -> Result<(), Problem> {
    let (now, limits, to) = (service.now(), &service.limits, &found.identifier);
    match texting {
        None => {
            limits.take(Limit::MailsPerAccount, &[&account.id, to.as_str()], now).await?;
            limits.take_from(Limit::MailsPerIp, peer, now).await?;
            limits.take(Limit::MailsPerDomain, &[to.domain().unwrap_or_default()], now).await?;
        }
        Some(texting) => {
            texting.phones.check(to).map_err(|e| Problem::new(Kind::RejectedIdentifier, e.to_string()))?;
            limits.take(Limit::TextsPerAccount, &[&account.id], now).await?;
            limits.take_from(Limit::TextsPerIp, peer, now).await?;
            let number = to.as_str();
            limits.take(Limit::TextsPerPrefix, &[&number[..number.len().saturating_sub(4)]], now).await?;
            let country = to.numbering().map(|numbering| format!("+{}", numbering.country_code)).unwrap_or_default();
            limits.take(Limit::TextsPerCountry, &[&country], now).await?;
            // Also where nothing will be sent for the number's own limit: else the refusal would tell of that.
            budget::charge(service, &texting.phones, to, Purpose::Code).await?;
        }
    }
    Ok(())
}

fn compose(
    service: &Service,
    account: &Account,
    peer: Option<IpAddr>,
    found: &Authorization,
    code: &Code,
) -> Result<Letter, Problem> {
    let limits = &service.config.limits;
    let letter = CodeLetter {
        from: &service.mail_from,
        to: &found.identifier,
        code,
        authority: service.host(),
        account: &account.thumbprint,
        peer,
        now: service.now(),
        lifetime: limits.code_lifetime,
        tries: limits.code_tries,
        message_id: random::id(),
    };
    letter
        .compose()
        .map_err(|e| Problem::new(Kind::RejectedIdentifier, format!("this address cannot be written to: {e}")))
}

/// Stores a secret as the newest of its authorization, and charges its message if it is one that costs. An authorization
/// that has meanwhile come to an end is given back as it is. Tells also on which day the message was charged.
async fn remember(
    service: &Service,
    mut found: Authorization,
    issue: impl Fn(Authorization) -> Authorization,
    charged: Option<&Texting>,
) -> Result<(Authorization, Option<u64>), Problem> {
    let mut raced = "authorization";
    for _ in 0..RACES {
        let changed = issue(found.clone());
        let mut changes = vec![Change::Update(Record::Authorization(changed.clone()))];
        if let Some(texting) = charged {
            changes.push(budget::charge(service, &texting.phones, &changed.identifier, Purpose::Code).await?);
        }
        let day = changes.last().and_then(budget::day_of);
        match service.store.commit(changes).await {
            Ok(_) => return Ok((Authorization { revision: changed.revision + 1, ..changed }, day)),
            Err(error) if charged.is_some() && budget::raced(&error) => raced = "spending",
            Err(StoreError::Conflict(of)) => {
                raced = of;
                let newer = service.store.authorization(Select::Authorization(found.id)).await?;
                found = newer.ok_or_else(Problem::not_found)?;
                if found.status != AuthorizationStatus::Pending {
                    return Ok((found, None));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(raced).into())
}
