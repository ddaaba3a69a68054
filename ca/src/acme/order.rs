//! Orders (RFC 8555 sections 7.1.3 and 7.4): one certificate for one identifier.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::profile::Profile;
use identity::{Identifier, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::request::ByAccount;
use super::wanted::{self, Named};
use super::{Service, ascii, check_caa, identifier, own_order, renewal, rfc3339};
use crate::config::Limit;
use crate::random;
use crate::store::{
    Account, Authorization, AuthorizationStatus, Change, Order, OrderState, RACES, Record, ReplyState, Select,
    StoreError,
};

/// A client that asks whether its certificate is there yet is told to come back in so many seconds: about a batch of
/// the log.
const POLL_SECONDS: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrder {
    identifiers: Vec<Named>,
    profile: Option<String>,
    replaces: Option<String>,
    not_before: Option<Value>,
    not_after: Option<Value>,
}

/// POST newOrder. It is ready at once if this account has proven control of the identifier already: so a renewal is an
/// order and a request. What comes back does not depend on whether anybody enrolled the address before.
pub(super) async fn new(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Response, Problem> {
    let asked: NewOrder = by.payload.json()?;
    if asked.not_before.is_some() || asked.not_after.is_some() {
        return Err(Problem::malformed(
            "expected no notBefore and notAfter, found one: certificates begin when they are made",
        ));
    }
    let identifier = wanted::one(&service, &asked.identifiers)?;
    let profile = profile(&service, asked.profile.as_deref(), &identifier)?;
    let now = service.now();
    service.limits.take(Limit::OrdersPerAccount, &[&by.account.id], now).await?;
    service.limits.take_from(Limit::OrdersPerIp, by.peer, now).await?;
    // Nobody shall go through a proof for a certificate that cannot be made. What counts is the look before it is made.
    check_caa(&service, &identifier, &by.account.id, None).await?;
    let (order, authorization) = place(&service, &by.account, identifier, profile, asked.replaces.as_deref()).await?;
    let mut response = respond(&service, &order, Some(&authorization)).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Stores a new order, and what it rests on.
async fn place(
    service: &Service,
    account: &Account,
    identifier: Identifier,
    profile: &Profile,
    replaces: Option<&str>,
) -> Result<(Order, Authorization), Problem> {
    let now = service.now().as_secs();
    let expires = now + service.config.limits.order_lifetime.as_secs();
    for _ in 0..RACES {
        let replaced = match replaces {
            Some(id) => Some(renewal::replaced(service, account, &identifier, id).await?),
            None => None,
        };
        let ask = Select::ValidAuthorizations { account: account.id.clone(), identifier: identifier.clone(), at: now };
        let mut changes = Vec::new();
        let again = service.turns.reuses_authorization(service.config.chaos);
        let permits = |one: &Authorization| again && permits(service, profile.name(), one);
        let authorization = match service.store.authorization(ask).await?.filter(permits) {
            Some(proven) => proven,
            None => {
                let new = pending(service, &account.id, identifier.clone(), expires);
                changes.push(Change::Insert(Record::Authorization(new.clone())));
                new
            }
        };
        let order = Order {
            id: random::id(),
            revision: 0,
            account: account.id.clone(),
            authorization: authorization.id.clone(),
            identifier: identifier.clone(),
            profile: profile.name().into(),
            state: OrderState::Open,
            created: now,
            expires,
            replaces: replaced.as_ref().map(|replaced| replaced.serial),
        };
        changes.push(Change::Insert(Record::Order(order.clone())));
        // Of two orders that would replace it, the second finds it changed, and then the first.
        changes.extend(replaced.map(|replaced| Change::Update(Record::Certificate(replaced))));
        let who = service.pseudonyms.of(&order.identifier);
        let of = json!({"order": order.id, "account": order.account, "who": who, "profile": order.profile});
        match service.issuer.decide(changes, "ordered", of).await {
            Err(StoreError::Conflict(_)) => continue,
            decided => decided?,
        }
        tracing::info!(order = order.id, account = order.account, who, profile = order.profile, "ordered");
        return Ok((order, authorization));
    }
    Err(StoreError::Conflict("certificate").into())
}

/// Whether a proof of control is young enough for a certificate of this profile. (What of other profiles is too old has
/// lapsed.)
pub(super) fn permits(service: &Service, profile: &str, authorization: &Authorization) -> bool {
    let lifetime = service.config.limits.mail_authorization_lifetime.as_secs();
    let young = |validated: u64| service.now().as_secs() < validated.saturating_add(lifetime);
    profile != Profile::mail().name() || authorization.validated.is_none_or(young)
}

fn profile(service: &Service, name: Option<&str>, identifier: &Identifier) -> Result<&'static Profile, Problem> {
    let fits = |profile: &&Profile| {
        profile.subject().identifier_kind() == Some(identifier.kind()) && service.issuer.makes(profile)
    };
    let mut offered = Profile::offered().into_iter().filter(fits);
    let profile = match name {
        Some(name) => offered.find(|profile| profile.name() == name),
        None => offered.next(),
    };
    profile.ok_or_else(|| {
        Problem::new(
            Kind::InvalidProfile,
            "expected one of the profiles that the directory names in meta.profiles, of the identifier's kind",
        )
    })
}

pub(super) fn pending(service: &Service, account: &str, identifier: Identifier, expires: u64) -> Authorization {
    let reply = service.config.replies.as_ref().filter(|_| identifier.domain().is_some());
    Authorization {
        id: random::id(),
        revision: 0,
        account: account.into(),
        identifier,
        status: AuthorizationStatus::Pending,
        expires,
        validated: None,
        proven_by: None,
        code: None,
        reply: reply.map(|_| ReplyState { part2: random::bytes(), mail: None }),
    }
}

/// POST-as-GET of an order.
pub(super) async fn read(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    by.payload.none()?;
    let order = own_order(&service, &by.account.id, &id).await?;
    answer(&service, &order).await
}

/// The order as an answer, with its authorization looked up where its status depends on it.
pub(super) async fn answer(service: &Service, order: &Order) -> Result<Response, Problem> {
    let authorization = match order.state {
        OrderState::Open => service.store.authorization(Select::Authorization(order.authorization.clone())).await?,
        _ => None,
    };
    respond(service, order, authorization.as_ref()).await
}

async fn respond(service: &Service, order: &Order, authorization: Option<&Authorization>) -> Result<Response, Problem> {
    let status = status(service, order, authorization);
    let mut body = json!({
        "status": status,
        "expires": rfc3339(order.expires),
        "identifiers": [identifier(&order.identifier)],
        "profile": order.profile,
        "authorizations": [service.url(&format!("/authz/{}", order.authorization))],
        "finalize": service.url(&format!("/finalize/{}", order.id)),
    });
    if let Some(serial) = order.replaces
        && let Some(id) = renewal::id(service, serial).await?
    {
        body["replaces"] = id.into();
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, ascii(&service.url(&format!("/order/{}", order.id))));
    match &order.state {
        OrderState::Valid(serial) => body["certificate"] = service.url(&format!("/certificate/{serial}")).into(),
        OrderState::Processing(_) => _ = headers.insert(header::RETRY_AFTER, POLL_SECONDS.into()),
        OrderState::Invalid(reason) => body["error"] = Problem::new(Kind::ServerInternal, reason).document(),
        OrderState::Open if status == "invalid" => {
            body["error"] = Problem::malformed(over(order, service.now())).document();
        }
        OrderState::Open => {}
    }
    Ok((headers, Json(body)).into_response())
}

/// Why an order came to nothing before it was finalized.
fn over(order: &Order, now: UnixTime) -> &'static str {
    if has_lapsed(order, now) {
        "the order has expired before it was finalized; make a new one"
    } else {
        "the order's authorization has expired or was deactivated; make a new order"
    }
}

/// Whether nobody finalized it in time.
pub(super) fn has_lapsed(order: &Order, now: UnixTime) -> bool {
    matches!(order.state, OrderState::Open) && order.expires <= now.as_secs()
}

/// The order's status (RFC 8555 section 7.1.6). An authorization that is over takes the orders that rest on it along: it
/// cannot be proven any more, and an order's authorizations never change.
pub(super) fn status(service: &Service, order: &Order, authorization: Option<&Authorization>) -> &'static str {
    let now = service.now();
    let serves = |a: &&Authorization| a.expires > now.as_secs() && permits(service, &order.profile, a);
    let alive = authorization.filter(serves).map(|a| a.status);
    match &order.state {
        OrderState::Open if has_lapsed(order, now) => "invalid",
        OrderState::Open => match alive {
            Some(AuthorizationStatus::Valid) => "ready",
            Some(AuthorizationStatus::Pending) => "pending",
            Some(AuthorizationStatus::Deactivated) | None => "invalid",
        },
        OrderState::Processing(_) => "processing",
        OrderState::Valid(_) => "valid",
        OrderState::Invalid(_) => "invalid",
    }
}
