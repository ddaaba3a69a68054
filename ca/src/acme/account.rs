//! Accounts (RFC 8555 section 7.3).

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
use crate::config::Limit;
use crate::external::BindingError;
use crate::jws::PublicKey;
use crate::random;
use crate::store::{Account, AccountStatus, Change, KeyDigest, Record, Select, StoreError};
use crate::weak::WeakKey;

/// Contacts of one account.
const MAX_CONTACTS: usize = 4;
/// Length of one contact URL.
const MAX_CONTACT_BYTES: usize = 320;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    only_return_existing: bool,
    #[serde(default)]
    terms_of_service_agreed: bool,
    external_account_binding: Option<Value>,
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
    check_key(&service, &by.key).await?;
    check_terms(&service, &asked)?;
    let external = external(&service, &by.key, asked.external_account_binding.as_ref())?;
    service.limits.take_from(Limit::AccountsPerIp, by.peer, service.now()).await?;
    let account = Account {
        id: random::id(),
        revision: 0,
        key: by.key.to_jwk(),
        thumbprint: thumbprint.clone(),
        contact: asked.contact,
        status: AccountStatus::Valid,
        created: service.now().as_secs(),
        terms: service.config.terms.clone(),
        external,
    };
    let changes = vec![Change::Insert(Record::Account(account.clone()))];
    // Not to which: an operator may have named it by an address.
    let of = json!({"account": account.id, "key": account.thumbprint, "bound": account.external.is_some()});
    match service.issuer.decide(changes, "account-made", of).await {
        Ok(()) => {
            tracing::info!(account = account.id, "account made");
            Ok(made(&service, &account, asked.external_account_binding))
        }
        // The same key at the same moment, or the same account elsewhere.
        Err(StoreError::Taken(_)) => match service.store.account(Select::AccountByThumbprint(thumbprint)).await? {
            Some(known) => existing(&service, &known),
            None => Err(Problem::new(Kind::Unauthorized, "another account here is bound to this account elsewhere")),
        },
        Err(error) => Err(error.into()),
    }
}

/// A key that others know, or can find out, makes no account.
pub(super) async fn check_key(service: &Service, key: &PublicKey) -> Result<(), Problem> {
    let spki = key.to_spki();
    let refused = |error: WeakKey| Problem::new(Kind::BadPublicKey, error.to_string());
    service.config.blocked_keys.check(&spki).map_err(refused)?;
    match service.store.is_compromised(KeyDigest::of(&spki)).await? {
        true => Err(refused(WeakKey::Blocked)),
        false => Ok(()),
    }
}

/// RFC 8555 section 7.3: who has not agreed to the terms gets no account.
fn check_terms(service: &Service, asked: &NewAccount) -> Result<(), Problem> {
    match &service.config.terms {
        Some(url) if !asked.terms_of_service_agreed => {
            let detail = "expected termsOfServiceAgreed, after its holder has read the terms of service";
            Err(Problem::new(Kind::UserActionRequired, detail)
                .with("instance", url.as_str())
                .link(url, "terms-of-service"))
        }
        _ => Ok(()),
    }
}

/// RFC 8555 section 7.3.4 wants a new account shown with the binding that was sent. It is not kept: what is, is the name
/// of the account elsewhere.
fn made(service: &Service, account: &Account, binding: Option<Value>) -> Response {
    let mut object = object(service, account);
    if let Some(binding) = binding {
        object["externalAccountBinding"] = binding;
    }
    shown(service, StatusCode::CREATED, account, object)
}

/// The account elsewhere that a new one is bound to.
fn external(service: &Service, key: &PublicKey, binding: Option<&Value>) -> Result<Option<String>, Problem> {
    let known = &service.config.external;
    let Some(binding) = binding else {
        if known.required {
            let detail = "expected externalAccountBinding: only who has an account elsewhere may have one here";
            return Err(Problem::new(Kind::ExternalAccountRequired, detail));
        }
        return Ok(None);
    };
    known.bound(binding, key, &service.url("/new-account")).map(Some).map_err(|error| match error {
        BindingError::Malformed(_) => Problem::malformed(error.to_string()),
        BindingError::Refused => Problem::new(Kind::Unauthorized, error.to_string()),
    })
}

fn existing(service: &Service, account: &Account) -> Result<Response, Problem> {
    if account.status != AccountStatus::Valid {
        return Err(Problem::closed());
    }
    Ok(respond(service, StatusCode::OK, account))
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<Value>,
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
    // Section 7.3.2: any other status is ignored.
    if update.status.is_some_and(|status| status == "deactivated") {
        account.status = AccountStatus::Deactivated;
    }
    if let Some(contact) = update.contact {
        check_contact(&contact)?;
        account.contact = contact;
    }
    let what = if account.status == AccountStatus::Valid { "account-changed" } else { "account-closed" };
    let changes = vec![Change::Update(Record::Account(account.clone()))];
    service.issuer.decide(changes, what, json!({"account": account.id})).await?;
    Ok(respond(&service, StatusCode::OK, &account))
}

pub(super) fn respond(service: &Service, status: StatusCode, account: &Account) -> Response {
    shown(service, status, account, object(service, account))
}

fn shown(service: &Service, status: StatusCode, account: &Account, object: Value) -> Response {
    let url = service.url(&format!("/account/{}", account.id));
    (status, [(header::LOCATION, ascii(&url))], Json(object)).into_response()
}

fn object(service: &Service, account: &Account) -> Value {
    let state = match account.status {
        AccountStatus::Valid => "valid",
        AccountStatus::Deactivated => "deactivated",
        AccountStatus::Revoked => "revoked",
    };
    let orders = service.url(&format!("/account/{}/orders", account.id));
    json!({"status": state, "contact": account.contact, "orders": orders})
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
