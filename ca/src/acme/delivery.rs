//! How a code gets to its reader, and what is known of it afterwards.
//!
//! No crash may leave a code that nobody can type while everybody believes it was sent. A mail for the outbox lies there
//! before its code counts. A mail server may take its time, and that time would tell whether it knows the address, so
//! nobody waits for it: its code is stored as [`Handover::UnderWay`] until the mail server has the mail. Found so by a
//! process that is not sending it, the mail may be lost, and the challenge says so.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Service;
use super::problem::{Kind, Problem};
use crate::code::{Code, CodeHash};
use crate::config::Limit;
use crate::mail::{CodeLetter, Letter, MailError};
use crate::random;
use crate::store::{Account, Authorization, Change, Handover, IssuedCode, Record, Select, StoreError};

/// How long a request waits while too many mails are under way.
const QUEUE: Duration = Duration::from_secs(10);
/// How often it is tried to note what became of a mail while the authorization changes.
const RACES: usize = 8;

/// The codes whose mails this process is handing over.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashSet<CodeHash>>);

impl UnderWay {
    fn begin(self: &Arc<Self>, hash: CodeHash) -> Handing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
        Handing { under_way: Arc::clone(self), hash }
    }

    fn contains(&self, hash: CodeHash) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }
}

/// One mail being handed over; ends with this value.
struct Handing {
    under_way: Arc<UnderWay>,
    hash: CodeHash,
}

impl Drop for Handing {
    fn drop(&mut self) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

/// Why the newest code cannot be on its way, in words for who waits for it.
pub(super) fn failure(service: &Service, code: &IssuedCode) -> Option<&'static str> {
    match code.handover {
        Handover::Failed => Some("the mail could not be handed to the mail server; ask for another one later"),
        Handover::UnderWay if !service.mails_under_way.contains(code.hash) => {
            Some("the authority was interrupted before the mail was on its way for certain; ask for another one")
        }
        Handover::UnderWay | Handover::Done => None,
    }
}

/// Makes a new code, remembers its hash, and sends it.
pub(super) async fn send(
    service: &Arc<Service>,
    account: &Account,
    peer: Option<IpAddr>,
    found: Authorization,
) -> Result<Authorization, Problem> {
    let place = permitted(service, account, peer, &found).await?;
    // The address' own limit is kept silently: see Limits::mails_per_address.
    let quiet = service.limits.take(Limit::MailsPerAddress, &[found.identifier.as_str()], service.now()).is_err();
    let code = Code::new(random::bytes());
    let letter = compose(service, account, peer, &found, &code)?;
    let who = service.pseudonyms.of(&found.identifier);
    tracing::info!(authorization = found.id, account = account.id, who, quiet, "code made");
    let of = json!({"authorization": found.id, "account": account.id, "who": who, "sent": !quiet});
    service.issuer.trail.note("code-made", of);
    if quiet {
        return remember(service, found, &code, Handover::Done).await;
    }
    // An outbox knows nobody: its time tells nothing.
    if service.post.is_local() {
        let handover = hand_over(service, &found.id, letter).await;
        return remember(service, found, &code, handover).await;
    }
    let handing = service.mails_under_way.begin(code.hash());
    let changed = remember(service, found, &code, Handover::UnderWay).await?;
    tokio::spawn({
        let (service, id) = (Arc::clone(service), changed.id.clone());
        async move {
            let handover = hand_over(&service, &id, letter).await;
            if let Err(error) = note(&service, id, handing.hash, handover).await {
                tracing::warn!(%error, "could not note what became of a mail");
            }
            drop((handing, place));
        }
    });
    Ok(changed)
}

/// Whether this account may have another code sent to this address now, and a place among the mails under way.
async fn permitted(
    service: &Service,
    account: &Account,
    peer: Option<IpAddr>,
    found: &Authorization,
) -> Result<OwnedSemaphorePermit, Problem> {
    let now = service.now();
    service.limits.take(Limit::MailsPerAccount, &[&account.id, found.identifier.as_str()], now)?;
    service.limits.take_from(Limit::MailsPerIp, peer, now)?;
    service.limits.take(Limit::MailsPerDomain, &[found.identifier.domain().unwrap_or_default()], now)?;
    let place = tokio::time::timeout(QUEUE, Arc::clone(&service.mails_in_flight).acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or_else(|| Problem::internal(&"too many mails are under way"))
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

/// Stores the code as the newest of its authorization.
async fn remember(
    service: &Service,
    found: Authorization,
    code: &Code,
    handover: Handover,
) -> Result<Authorization, Problem> {
    let limits = &service.config.limits;
    let expires = service.now().as_secs() + limits.code_lifetime.as_secs();
    let issued = IssuedCode { hash: code.hash(), expires, tries_left: limits.code_tries, handover };
    let changed = Authorization { code: Some(issued), ..found };
    service.store.commit(vec![Change::Update(Record::Authorization(changed.clone()))]).await?;
    Ok(Authorization { revision: changed.revision + 1, ..changed })
}

/// Hands the mail over. That it could not be is remembered for who asks for the challenge; that the mailbox does not
/// exist is not.
async fn hand_over(service: &Service, id: &str, letter: Letter) -> Handover {
    match service.post.send(letter).await {
        Ok(()) => Handover::Done,
        Err(error) => {
            tracing::warn!(authorization = id, %error, "a mail did not leave");
            if matches!(error, MailError::Refused) { Handover::Done } else { Handover::Failed }
        }
    }
}

/// Notes what became of the mail with this code, unless another code is the newest by now.
async fn note(service: &Service, id: String, hash: CodeHash, handover: Handover) -> Result<(), StoreError> {
    for _ in 0..RACES {
        let found = service.store.authorization(Select::Authorization(id.clone())).await?;
        let Some((code, found)) = found.and_then(|found| Some((found.code.filter(|code| code.hash == hash)?, found)))
        else {
            return Ok(());
        };
        let changed = Authorization { code: Some(IssuedCode { handover, ..code }), ..found };
        match service.store.commit(vec![Change::Update(Record::Authorization(changed))]).await {
            Err(StoreError::Conflict(_)) => {}
            other => return other.map(|_| ()),
        }
    }
    Err(StoreError::Conflict("authorization"))
}
