use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::testing::{BASE, Client, Signer, World};

#[tokio::test]
async fn a_key_has_one_account() {
    let world = World::new().await;
    let mut client = Client::new(&world, Signer::ed25519(1));
    let none = client.post("/new-account", json!({"onlyReturnExisting": true})).await;
    assert_eq!(none.problem(), "accountDoesNotExist");
    let made = client.post("/new-account", json!({"contact": ["mailto:a@example.org"]})).await;
    assert_eq!((made.status, made.text("status").as_str()), (StatusCode::CREATED, "valid"));
    let again = client.post("/new-account", json!({"onlyReturnExisting": true})).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::OK, made.header("location")));
    client.account = Some(made.header("location"));
    let url = made.header("location");
    assert_eq!(client.read(&url).await.ok().json()["contact"], json!(["mailto:a@example.org"]));
    let changed = client.post(&url, json!({"contact": []})).await.ok();
    assert_eq!(changed.json()["contact"], json!([]));
}

#[tokio::test]
async fn contacts_are_checked() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::ed25519(1));
    for (contact, problem) in [
        (json!(["tel:+1"]), "unsupportedContact"),
        (json!(["mailto:nobody"]), "invalidContact"),
        (json!(["mailto:a@example.org?subject=x"]), "invalidContact"),
        (json!(vec!["mailto:a@example.org"; 5]), "invalidContact"),
    ] {
        assert_eq!(client.post("/new-account", json!({"contact": contact})).await.problem(), problem);
    }
}

#[tokio::test]
async fn a_closed_account_can_do_nothing_more() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::ed25519(1)).await;
    let url = client.account.clone().unwrap();
    assert_eq!(client.post(&url, json!({"status": "revoked"})).await.problem(), "malformed");
    assert_eq!(client.post(&url, json!({"status": "deactivated"})).await.ok().text("status"), "deactivated");
    assert_eq!(client.order("alice@example.org").await.problem(), "unauthorized");
    let again = Client::new(&world, Signer::ed25519(1));
    assert_eq!(again.post("/new-account", json!({})).await.problem(), "unauthorized");
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let world = World::new().await;
    let alice = Client::open(&world, Signer::ed25519(1)).await;
    let order = alice.order("alice@example.org").await.ok();
    let urls = alice.read(&format!("{}/orders", alice.account.clone().unwrap())).await.ok();
    assert_eq!(urls.json()["orders"], json!([order.header("location")]));
    let bob = Client::open(&world, Signer::ed25519(2)).await;
    let authorization = order.json()["authorizations"][0].as_str().unwrap().to_owned();
    for url in [order.header("location"), authorization, order.text("finalize").replace("finalize", "challenge")] {
        assert_eq!(bob.read(&url).await.status, StatusCode::NOT_FOUND, "{url}");
    }
    assert_eq!(bob.read(&alice.account.unwrap()).await.problem(), "unauthorized");
}

#[tokio::test]
async fn a_key_is_changed_by_both_keys_together() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::ed25519(1)).await;
    let url = client.account.clone().unwrap();
    let target = format!("{BASE}/key-change");
    let inner = |new: &Signer, url: &str, account: &str, old: Value| {
        let protected = json!({"alg": new.algorithm(), "jwk": new.jwk(), "url": url});
        new.sign(&protected, json!({"account": account, "oldKey": old}).to_string().as_bytes())
    };
    let (new, old) = (Signer::p256(), Signer::ed25519(1).jwk());
    for bad in [
        inner(&new, "https://elsewhere/key-change", &url, old.clone()),
        inner(&new, &target, "https://elsewhere/account/1", old.clone()),
        inner(&new, &target, &url, new.jwk()),
        json!({"account": url, "oldKey": old}),
    ] {
        assert_eq!(client.post("/key-change", bad).await.problem(), "malformed");
    }
    let other = Client::open(&world, Signer::ed25519(2)).await;
    let taken = client.post("/key-change", inner(&Signer::ed25519(2), &target, &url, old.clone())).await;
    assert_eq!((taken.status, taken.header("location")), (StatusCode::CONFLICT, other.account.unwrap()));

    client.post("/key-change", inner(&new, &target, &url, old)).await.ok();
    assert_eq!(client.read(&url).await.problem(), "malformed");
    let client = Client { key: new, ..client };
    client.read(&url).await.ok();
}
