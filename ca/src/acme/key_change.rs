//! Account key roll-over (RFC 8555 section 7.3.5): a request by the old key, around one by the new key.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Kind, Problem};
use super::request::{ByAccount, key_of};
use super::{Service, account, ascii};
use crate::jws::{KeyName, PublicKey, UnverifiedJws};
use crate::store::{Account, Change, Record, Select, StoreError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyChange {
    account: String,
    old_key: Value,
}

/// POST keyChange.
pub(super) async fn change(State(service): State<Arc<Service>>, by: ByAccount) -> Result<Response, Problem> {
    let inner = UnverifiedJws::parse(by.payload.bytes())?;
    if inner.url != service.url("/key-change") {
        return Err(Problem::malformed("expected the inner request to name the same URL as the outer one"));
    }
    if inner.nonce.is_some() {
        return Err(Problem::malformed("expected an inner request without a nonce"));
    }
    let KeyName::Itself(new) = inner.key() else {
        return Err(Problem::malformed(
            "expected the new key (jwk) in the inner request, found an account's URL (kid)",
        ));
    };
    let new = new.clone();
    let asked: KeyChange = serde_json::from_slice(&inner.verify(&new)?)
        .map_err(|e| Problem::malformed(format!("the inner request does not say what it should: {e}")))?;
    if asked.account != service.url(&format!("/account/{}", by.account.id)) {
        return Err(Problem::malformed("expected the inner request to name the account that signs the outer one"));
    }
    if PublicKey::from_jwk(&asked.old_key)? != key_of(&by.account)? {
        return Err(Problem::malformed("expected the account's present key as oldKey, found another"));
    }
    account::check_key(&service, &new).await?;
    let changed = Account { key: new.to_jwk(), thumbprint: new.thumbprint(), ..by.account };
    let changes = vec![Change::Update(Record::Account(changed.clone()))];
    let of = json!({"account": changed.id, "key": changed.thumbprint});
    match service.issuer.decide(changes, "account-key-changed", of).await {
        Ok(()) => {
            tracing::info!(account = changed.id, "account key changed");
            Ok(account::respond(&service, StatusCode::OK, &changed))
        }
        Err(error @ StoreError::Conflict(_)) => match other(&service, &changed).await? {
            Some(other) => Ok(taken(&service, &other)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Another account that has the new key.
async fn other(service: &Service, changed: &Account) -> Result<Option<Account>, Problem> {
    let found = service.store.account(Select::AccountByThumbprint(changed.thumbprint.clone())).await?;
    Ok(found.filter(|other| other.id != changed.id))
}

/// RFC 8555 section 7.3.5 wants status 409 and the other account's URL.
fn taken(service: &Service, other: &Account) -> Response {
    let problem = Problem::new(Kind::Malformed, "the new key is another account's").status(StatusCode::CONFLICT);
    let url = ascii(&service.url(&format!("/account/{}", other.id)));
    ([(header::LOCATION, url)], problem).into_response()
}
