use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::testing::{BASE, Client, Signer, World};

#[tokio::test]
async fn the_directory_says_where_everything_is() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::p256());
    let answer = client.get("/directory").await.ok();
    let directory = answer.json();
    for (name, path) in [
        ("newNonce", "new-nonce"),
        ("newAccount", "new-account"),
        ("newOrder", "new-order"),
        ("newAuthz", "new-authz"),
        ("keyChange", "key-change"),
        ("revokeCert", "revoke-cert"),
        ("inpersonWatch", "watch"),
        ("inpersonErase", "erase"),
        ("inpersonEndProofs", "end-proofs"),
        ("inpersonDate", "date-signature"),
    ] {
        assert_eq!(directory[name], format!("{BASE}/{path}"));
    }
    let meta = &directory["meta"];
    assert!(meta["profiles"]["device"].is_string());
    assert_eq!((&meta["caaIdentities"], &meta["externalAccountRequired"]), (&json!(["localhost"]), &json!(false)));
    assert!(meta.get("termsOfService").is_none());
}

#[tokio::test]
async fn nonces_come_by_head_and_get_and_are_not_cached() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::p256());
    for (method, status) in [(Method::HEAD, StatusCode::OK), (Method::GET, StatusCode::NO_CONTENT)] {
        let answer =
            client.request(Request::builder().method(method).uri("/new-nonce").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status);
        assert!(!answer.header("replay-nonce").is_empty());
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("link"), format!("<{BASE}/directory>;rel=\"index\""));
    }
}

#[tokio::test]
async fn the_directory_and_nonces_come_by_post_as_get_too() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let read = client.read("/directory").await.ok();
    assert_eq!(read.json(), client.get("/directory").await.json());
    let nonce = client.read("/new-nonce").await;
    assert_eq!(nonce.status, StatusCode::NO_CONTENT);
    assert!(!nonce.header("replay-nonce").is_empty());
    assert_eq!(client.post("/directory", json!({})).await.problem(), "malformed");
}

#[tokio::test]
async fn every_answer_to_a_post_brings_a_nonce_and_a_used_one_can_be_replaced_by_it() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::p256());
    let protected = client.protected("/new-account").await;
    let body = client.key.sign(&protected, b"{}").to_string();
    client.send("/new-account", body.clone()).await.ok();
    let again = client.send("/new-account", body).await;
    assert_eq!((again.problem().as_str(), again.status), ("badNonce", StatusCode::BAD_REQUEST));
    let mut protected = protected;
    protected["nonce"] = again.header("replay-nonce").into();
    client.send("/new-account", client.key.sign(&protected, b"{}").to_string()).await.ok();
}

#[tokio::test]
async fn what_a_request_must_be() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let signed = |protected: serde_json::Value| client.key.sign(&protected, b"{}").to_string();

    let plain = Request::post("/new-order").header("content-type", "application/json").body(Body::from("{}")).unwrap();
    let answer = client.request(plain).await;
    assert_eq!((answer.problem().as_str(), answer.status), ("malformed", StatusCode::UNSUPPORTED_MEDIA_TYPE));
    assert!(!answer.header("replay-nonce").is_empty());

    let elsewhere = client.protected("/new-account").await;
    let answer = client.send("/new-order", signed(elsewhere)).await;
    assert_eq!((answer.problem().as_str(), answer.status), ("unauthorized", StatusCode::FORBIDDEN));

    let mut unknown = client.protected("/new-order").await;
    unknown["kid"] = format!("{BASE}/account/nobody").into();
    assert_eq!(client.send("/new-order", signed(unknown)).await.problem(), "accountDoesNotExist");

    let mut symmetric = client.protected("/new-order").await;
    symmetric["alg"] = "HS256".into();
    let answer = client.send("/new-order", signed(symmetric)).await;
    assert_eq!(answer.problem(), "badSignatureAlgorithm");
    assert_eq!(answer.json()["algorithms"], json!(["ES256", "EdDSA", "RS256"]));

    let foreign = Client { key: Signer::p256(), account: client.account.clone(), router: client.router.clone() };
    assert_eq!(foreign.post("/new-order", json!({})).await.problem(), "malformed");

    let mut by_key = client.protected("/new-order").await;
    by_key.as_object_mut().unwrap().remove("kid");
    by_key["jwk"] = client.key.jwk();
    assert_eq!(client.send("/new-order", signed(by_key)).await.problem(), "malformed");

    let mut odd = client.protected("/new-order").await;
    odd["nonce"] = "no nonce!".into();
    assert_eq!(client.send("/new-order", signed(odd)).await.problem(), "malformed");

    // A key in the request that cannot have signed by the algorithm it names.
    let newcomer = Client::new(&world, Signer::ed25519(1));
    let mut unfit = newcomer.protected("/new-account").await;
    unfit["alg"] = "ES256".into();
    let unfit = newcomer.send("/new-account", newcomer.key.sign(&unfit, b"{}").to_string()).await;
    assert_eq!((unfit.problem().as_str(), unfit.status), ("badPublicKey", StatusCode::BAD_REQUEST));

    assert_eq!(client.get("/new-order").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.get("/nothing").await.problem(), "malformed");
}

#[tokio::test]
async fn a_mebibyte_of_garbage_does_no_harm() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let noise: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for path in [
        "/new-account",
        "/new-order",
        "/finalize/x",
        "/challenge/x",
        "/watch",
        "/revoke-cert",
        "/directory",
        "/nothing",
    ] {
        let answer = client.send(path, noise.clone()).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        let answer = client.send(path, vec![b'['; 1 << 16]).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    assert_eq!(client.send("/new-order", noise).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    client.order("alice@example.org").await.ok();
}

#[tokio::test]
async fn an_order_names_one_mail_address_that_may_enrol_here() {
    let world = World::with(|config| config.permitted_domains = vec!["example.org".into()]).await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = async |payload: serde_json::Value| client.post("/new-order", payload).await;
    let email = |value: &str| json!({"type": "email", "value": value});
    for (payload, problem) in [
        (json!({"identifiers": []}), "rejectedIdentifier"),
        (json!({"identifiers": [email("a@example.org"), email("b@example.org")]}), "rejectedIdentifier"),
        (json!({"identifiers": [email("no address")]}), "rejectedIdentifier"),
        (json!({"identifiers": [email("+14155550123")]}), "rejectedIdentifier"),
        (json!({"identifiers": [email("a@example.com")]}), "rejectedIdentifier"),
        (json!({"identifiers": [{"type": "dns", "value": "example.org"}]}), "unsupportedIdentifier"),
        (json!({"identifiers": [email("a@example.org")], "profile": "service"}), "invalidProfile"),
        (json!({"identifiers": [email("a@example.org")], "profile": "x"}), "invalidProfile"),
        (json!({"identifiers": [email("a@example.org")], "notAfter": "2030-01-01T00:00:00Z"}), "malformed"),
        (json!({}), "malformed"),
    ] {
        assert_eq!(order(payload.clone()).await.problem(), problem, "{payload}");
    }
    let answer = order(json!({"identifiers": [email("Alice@EXAMPLE.org")]})).await.ok();
    assert_eq!(answer.json()["identifiers"], json!([email("alice@example.org")]));
}
