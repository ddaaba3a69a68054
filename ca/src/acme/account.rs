//! Accounts (RFC 8555 section 7.3).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::request::{ByAccount, ByKey};
use super::{Service, ascii};
use crate::random;
use crate::store::{Account, AccountStatus, Change, Record, Select, StoreError};

/// Contacts of one account.
const MAX_CONTACTS: usize = 4;
/// Length of one contact URL.
const MAX_CONTACT_BYTES: usize = 320;
/// Orders in a list.
const MAX_LISTED: u32 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    only_return_existing: bool,
}

/// POST newAccount: the account of this key, made if need be.
pub(super) async fn new(State(service): State<Arc<Service>>, by: ByKey) -> Result<Response, Problem> {
    let asked: NewAccount = by.payload.json()?;
    let thumbprint = by.key.thumbprint();
    if let Some(known) = service.store.account(Select::AccountByThumbprint(thumbprint.clone())).await? {
        return existing(&service, &known);
    }
    if asked.only_return_existing {
        return Err(Problem::new(Kind::AccountDoesNotExist, "there is no account with this key"));
    }
    check_contact(&asked.contact)?;
    // A proxy or a person on this machine: its address says nothing about who asks.
    if let Some(peer) = by.peer.filter(|peer| !peer.is_loopback()) {
        let limited = service.limits.accounts_per_ip.take(&[&network(peer)], service.now());
        limited.map_err(|wait| {
            Problem::new(Kind::RateLimited, "too many new accounts from this network").retry_after(wait)
        })?;
    }
    let account = Account {
        id: random::id(),
        revision: 0,
        key: by.key.to_jwk(),
        thumbprint: thumbprint.clone(),
        contact: asked.contact,
        status: AccountStatus::Valid,
        created: service.now().as_secs(),
    };
    match service.store.commit(vec![Change::Insert(Record::Account(account.clone()))]).await {
        Ok(()) => {
            tracing::info!(account = account.id, "account made");
            Ok(respond(&service, StatusCode::CREATED, &account))
        }
        // The same key, at the same moment.
        Err(StoreError::Taken(_)) => {
            let known = service.store.account(Select::AccountByThumbprint(thumbprint)).await?;
            existing(&service, &known.ok_or_else(Problem::not_found)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn existing(service: &Service, account: &Account) -> Result<Response, Problem> {
    if account.status != AccountStatus::Valid {
        return Err(Problem::new(Kind::Unauthorized, "the account of this key is closed"));
    }
    Ok(respond(service, StatusCode::OK, account))
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<String>,
}

/// POST to an account: reads it, changes its contacts, or closes it (sections 7.3.2 and 7.3.6).
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    if by.account.id != id {
        return Err(Problem::new(Kind::Unauthorized, "this is another account's"));
    }
    let mut account = by.account;
    if by.payload.is_none() {
        return Ok(respond(&service, StatusCode::OK, &account));
    }
    let update: Update = by.payload.json()?;
    match update.status.as_deref() {
        None | Some("valid") => {}
        Some("deactivated") => account.status = AccountStatus::Deactivated,
        Some(other) => return Err(Problem::malformed(format!("expected the status deactivated, found {other:?}"))),
    }
    if let Some(contact) = update.contact {
        check_contact(&contact)?;
        account.contact = contact;
    }
    service.store.commit(vec![Change::Update(Record::Account(account.clone()))]).await?;
    Ok(respond(&service, StatusCode::OK, &account))
}

/// POST-as-GET of an account's orders (section 7.1.2.1): the newest hundred.
pub(super) async fn orders(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    by: ByAccount,
) -> Result<Json<Value>, Problem> {
    by.payload.none()?;
    if by.account.id != id {
        return Err(Problem::new(Kind::Unauthorized, "this is another account's"));
    }
    let found = service.store.read(Select::OrdersOf { account: id, limit: MAX_LISTED }).await?;
    let urls: Vec<_> =
        found.into_iter().filter_map(Record::order).map(|o| service.url(&format!("/order/{}", o.id))).collect();
    Ok(Json(json!({"orders": urls})))
}

pub(super) fn respond(service: &Service, status: StatusCode, account: &Account) -> Response {
    let url = service.url(&format!("/account/{}", account.id));
    let state = match account.status {
        AccountStatus::Valid => "valid",
        AccountStatus::Deactivated => "deactivated",
        AccountStatus::Revoked => "revoked",
    };
    let body = json!({"status": state, "contact": account.contact, "orders": format!("{url}/orders")});
    (status, [(header::LOCATION, ascii(&url))], Json(body)).into_response()
}

fn check_contact(contact: &[String]) -> Result<(), Problem> {
    if contact.len() > MAX_CONTACTS {
        return Err(Problem::new(
            Kind::InvalidContact,
            format!("expected at most {MAX_CONTACTS} contacts, found {}", contact.len()),
        ));
    }
    for url in contact {
        let Some(address) = url.strip_prefix("mailto:") else {
            return Err(Problem::new(Kind::UnsupportedContact, "expected contacts of the form mailto:name@domain"));
        };
        if url.len() > MAX_CONTACT_BYTES || identity::Identifier::parse(address).is_err() {
            return Err(Problem::new(
                Kind::InvalidContact,
                "expected one mail address after mailto:, without header fields",
            ));
        }
    }
    Ok(())
}

/// What counts as one network: an IPv4 address, or an IPv6 /64.
fn network(peer: IpAddr) -> String {
    match peer {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments()[..4].iter().map(|s| format!("{s:x}:")).collect(),
    }
}
