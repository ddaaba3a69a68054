//! The directory (RFC 8555 section 7.1.1) and fresh nonces (section 7.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::profile::Profile;
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::ByAccount;
use super::{Service, ascii};

/// POST-as-GET of the directory (section 6.3).
pub(super) async fn read(service: State<Arc<Service>>, by: ByAccount) -> Result<Json<Value>, Problem> {
    by.payload.none()?;
    Ok(get(service).await)
}

/// POST-as-GET of newNonce (section 6.3): the nonce is the one that every answer to a POST has.
pub(super) async fn read_nonce(by: ByAccount) -> Result<StatusCode, Problem> {
    by.payload.none()?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is where. `meta.profiles` names the profiles an order may ask for (draft-ietf-acme-profiles), `renewalInfo` is of
/// RFC 9773; `inpersonWatch`, `inpersonErase`, `inpersonEndProofs` and `inpersonDate` are ours.
pub(super) async fn get(State(service): State<Arc<Service>>) -> Json<Value> {
    let days = |profile: &Profile| profile.lifetime().as_secs() / 86_400;
    let config = &service.config;
    let device = format!("one of a person's devices, by her mail address: Ed25519, {} days", days(Profile::device()));
    let mut meta = json!({
        "externalAccountRequired": config.external.required,
        "profiles": {"device": device},
        "caaIdentities": [service.domain()],
    });
    if config.phones.is_some() {
        let phone = Profile::phone_device();
        meta["profiles"][phone.name()] =
            format!("one of a person's devices, by her phone number: Ed25519, {} days", days(phone)).into();
    }
    let mail = Profile::mail();
    if service.issuer.makes(mail) {
        meta["profiles"][mail.name()] =
            format!("S/MIME and log-ins, by a mail address: P-256 or RSA of 3072 bits or more, {} days", days(mail))
                .into();
    }
    for (member, url) in [("termsOfService", &config.terms), ("website", &config.website)] {
        if let Some(url) = url {
            meta[member] = url.as_str().into();
        }
    }
    Json(json!({
        "newNonce": service.url("/new-nonce"),
        "newAccount": service.url("/new-account"),
        "newOrder": service.url("/new-order"),
        "newAuthz": service.url("/new-authz"),
        "revokeCert": service.url("/revoke-cert"),
        "keyChange": service.url("/key-change"),
        "renewalInfo": service.url("/renewal-info"),
        "inpersonWatch": service.url("/watch"),
        "inpersonErase": service.url("/erase"),
        "inpersonEndProofs": service.url("/end-proofs"),
        "inpersonDate": service.url("/date-signature"),
        "meta": meta,
    }))
}

pub(super) async fn new_nonce(State(service): State<Arc<Service>>, method: Method) -> Response {
    let status = if method == Method::HEAD { StatusCode::OK } else { StatusCode::NO_CONTENT };
    let mut response = status.into_response();
    response.headers_mut().insert("replay-nonce", ascii(&service.nonces.issue()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
