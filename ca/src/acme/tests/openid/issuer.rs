//! An issuer for tests, and what it says in its tokens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::OpenIdIssuer;
use crate::testing::{Client, Signer, World};

/// An issuer that serves the keys it is told to.
pub(in crate::acme::tests) struct Issuer {
    pub(in crate::acme::tests) url: String,
    pub(in crate::acme::tests) keys: Arc<Mutex<Vec<Value>>>,
    pub(in crate::acme::tests) asked: Arc<Mutex<usize>>,
    pub(in crate::acme::tests) away: Arc<AtomicBool>,
    /// Whoever holds this keeps it from answering.
    pub(in crate::acme::tests) answers: Arc<tokio::sync::Mutex<()>>,
}

impl Issuer {
    pub(in crate::acme::tests) async fn start(key: &Signer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(vec![named(key, "one")]));
        let asked = Arc::new(Mutex::new(0));
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let away = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(tokio::sync::Mutex::new(()));
        let (served, counted, is_away) = (Arc::clone(&keys), Arc::clone(&asked), Arc::clone(&away));
        let answering = Arc::clone(&answers);
        let jwks = async move || {
            *counted.lock().unwrap() += 1;
            let _answering = answering.lock().await;
            if is_away.load(Ordering::SeqCst) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            Ok(Json(json!({"keys": served.lock().unwrap().clone()})))
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(discovery)))
            .route("/jwks", get(jwks));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, keys, asked, away, answers }
    }

    pub(in crate::acme::tests) async fn world(&self) -> World {
        World::with(|config| config.openid = vec![self.vouches()]).await
    }

    /// For one domain.
    pub(in crate::acme::tests) fn vouches(&self) -> OpenIdIssuer {
        OpenIdIssuer {
            issuer: self.url.clone(),
            client_id: "devices".into(),
            domains: vec!["example.org".into()],
            roots: None,
        }
    }
}

/// A key as a set has it.
pub(in crate::acme::tests) fn named(key: &Signer, id: &str) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = id.into();
    jwk["use"] = "sig".into();
    jwk
}

/// An order's `oidc-00`.
pub(in crate::acme::tests) async fn begun(client: &Client, address: &str) -> (String, Value) {
    let order = client.order(address).await.ok();
    let authorization = client.read(order.json()["authorizations"][0].as_str().unwrap()).await.ok().json();
    let challenges = authorization["challenges"].as_array().unwrap().clone();
    let openid = challenges.into_iter().find(|challenge| challenge["type"] == "oidc-00").unwrap_or_default();
    (order.header("location"), openid)
}

/// What an honest issuer says of Alice.
pub(in crate::acme::tests) fn claims(issuer: &Issuer, world: &World, client: &Client, challenge: &Value) -> Value {
    let token = challenge["token"].as_str().unwrap();
    let now = world.now().as_secs();
    json!({
        "iss": issuer.url, "sub": "7", "aud": "devices", "iat": now, "exp": now + 300,
        "nonce": nonce(token, client), "email": "Alice@Example.org", "email_verified": true,
    })
}

pub(in crate::acme::tests) fn nonce(token: &str, client: &Client) -> String {
    let thumbprint = crate::jws::PublicKey::from_jwk(&client.key.jwk()).unwrap().thumbprint();
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{token}.{thumbprint}")))
}

pub(in crate::acme::tests) fn signed(key: &Signer, id: &str, claims: &Value) -> String {
    with_header(key, &json!({"alg": key.algorithm(), "kid": id}), claims)
}

pub(in crate::acme::tests) fn with_header(key: &Signer, header: &Value, claims: &Value) -> String {
    let jws = key.sign(header, claims.to_string().as_bytes());
    let part = |name: &str| jws[name].as_str().unwrap().to_owned();
    format!("{}.{}.{}", part("protected"), part("payload"), part("signature"))
}

pub(in crate::acme::tests) async fn hand_in(client: &Client, challenge: &Value, token: &str) -> crate::testing::Answer {
    client.post(challenge["url"].as_str().unwrap(), json!({"idToken": token})).await
}
