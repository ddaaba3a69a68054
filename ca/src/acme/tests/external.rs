use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::config::ExternalAccounts;
use crate::testing::{BASE, Client, Signer, World};

const KEY: [u8; 32] = [7; 32];

async fn world(required: bool) -> World {
    let known = format!("member-7 {}\n", URL_SAFE_NO_PAD.encode(KEY));
    World::with(|config| config.external = ExternalAccounts::parse(&known, required).unwrap()).await
}

/// A binding as the holder of `key` makes it, with members of its protected header changed.
fn binding(key: &[u8], changes: &Value, payload: &Value) -> Value {
    let mut protected = json!({"alg": "HS256", "kid": "member-7", "url": format!("{BASE}/new-account")});
    for (member, value) in changes.as_object().unwrap() {
        protected[member] = value.clone();
    }
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (protected, payload) = (encode(protected.to_string().as_bytes()), encode(payload.to_string().as_bytes()));
    let algorithm = match changes["alg"].as_str() {
        Some("HS512") => aws_lc_rs::hmac::HMAC_SHA512,
        _ => aws_lc_rs::hmac::HMAC_SHA256,
    };
    let key = aws_lc_rs::hmac::Key::new(algorithm, key);
    let mac = aws_lc_rs::hmac::sign(&key, format!("{protected}.{payload}").as_bytes());
    json!({"protected": protected, "payload": payload, "signature": encode(mac.as_ref())})
}

#[tokio::test]
async fn who_has_an_account_elsewhere_may_have_one_here_and_only_one() {
    let world = world(true).await;
    let client = Client::new(&world, Signer::p256());
    assert_eq!(client.get("/directory").await.json()["meta"]["externalAccountRequired"], true);
    let without = client.post("/new-account", json!({})).await;
    assert_eq!((without.problem().as_str(), without.status), ("externalAccountRequired", StatusCode::FORBIDDEN));
    let bound = |signer: &Signer| json!({"externalAccountBinding": binding(&KEY, &json!({}), &signer.jwk())});
    let asked = bound(&client.key);
    let made = client.post("/new-account", asked.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["externalAccountBinding"], asked["externalAccountBinding"]);
    // The same key again is the same account; another key is refused.
    assert_eq!(client.post("/new-account", bound(&client.key)).await.status, StatusCode::OK);
    let other = Client::new(&world, Signer::ed25519(3));
    assert_eq!(other.post("/new-account", bound(&other.key)).await.problem(), "unauthorized");
}

#[tokio::test]
async fn a_binding_that_is_not_right_is_refused() {
    let world = world(false).await;
    let client = Client::new(&world, Signer::p256());
    let jwk = client.key.jwk();
    let refused = [
        (binding(&[8; 32], &json!({}), &jwk), "unauthorized"),
        (binding(&KEY, &json!({"kid": "member-8"}), &jwk), "unauthorized"),
        (binding(&KEY, &json!({"url": "https://elsewhere/new-account"}), &jwk), "malformed"),
        (binding(&KEY, &json!({"nonce": "AAAA"}), &jwk), "malformed"),
        (binding(&KEY, &json!({"alg": "none"}), &jwk), "malformed"),
        (binding(&KEY, &json!({"alg": "ES256"}), &jwk), "malformed"),
        (binding(&KEY, &json!({}), &Signer::ed25519(9).jwk()), "malformed"),
        (json!("text"), "malformed"),
        (json!({"protected": "!", "payload": "", "signature": ""}), "malformed"),
    ];
    for (binding, problem) in refused {
        let answer = client.post("/new-account", json!({"externalAccountBinding": binding})).await;
        assert_eq!(answer.problem(), problem, "{binding}");
    }
    let longer = binding(&KEY, &json!({"alg": "HS512"}), &jwk);
    client.post("/new-account", json!({"externalAccountBinding": longer})).await.ok();
    // Where none is required, none is needed.
    Client::open(&world, Signer::ed25519(1)).await;
}

#[tokio::test]
async fn the_terms_are_agreed_to_before_there_is_an_account() {
    let terms = "https://ca.example.org/terms/1";
    let world = World::with(|config| config.terms = Some(terms.into())).await;
    let client = Client::new(&world, Signer::p256());
    assert_eq!(client.get("/directory").await.json()["meta"]["termsOfService"], terms);
    for payload in [json!({}), json!({"termsOfServiceAgreed": false})] {
        let answer = client.post("/new-account", payload).await;
        assert_eq!((answer.problem().as_str(), answer.status), ("userActionRequired", StatusCode::FORBIDDEN));
        assert_eq!(answer.json()["instance"], terms);
        let links: Vec<_> = answer.headers.get_all("link").iter().map(|l| l.to_str().unwrap()).collect();
        assert!(links.contains(&format!("<{terms}>;rel=\"terms-of-service\"").as_str()), "{links:?}");
    }
    let client = Client::open(&world, Signer::p256()).await;
    let id = client.account.unwrap().rsplit('/').next().unwrap().to_owned();
    let kept = world.store().account(crate::store::Select::Account(id)).await.unwrap().unwrap();
    assert_eq!(kept.terms.as_deref(), Some(terms));
}
