//! The directory (RFC 8555 section 7.1.1) and fresh nonces (section 7.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::profile::Profile;
use serde_json::{Value, json};

use super::{Service, ascii};

/// What is where. `meta.profiles` names the profiles an order may ask for (draft-ietf-acme-profiles); `inpersonWatch`
/// is ours.
pub(super) async fn get(State(service): State<Arc<Service>>) -> Json<Value> {
    let days = Profile::device().lifetime().as_secs() / 86_400;
    Json(json!({
        "newNonce": service.url("/new-nonce"),
        "newAccount": service.url("/new-account"),
        "newOrder": service.url("/new-order"),
        "revokeCert": service.url("/revoke-cert"),
        "keyChange": service.url("/key-change"),
        "inpersonWatch": service.url("/watch"),
        "meta": {
            "externalAccountRequired": false,
            "profiles": {"device": format!("one of a person's devices, by her mail address: Ed25519, {days} days")},
        },
    }))
}

pub(super) async fn new_nonce(State(service): State<Arc<Service>>, method: Method) -> Response {
    let status = if method == Method::HEAD { StatusCode::OK } else { StatusCode::NO_CONTENT };
    let mut response = status.into_response();
    response.headers_mut().insert("replay-nonce", ascii(&service.nonces.issue()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
