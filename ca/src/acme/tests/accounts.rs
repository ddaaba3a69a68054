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
    for other in [json!("revoked"), json!("valid"), json!(7)] {
        let changed = client.post(&url, json!({"status": other, "contact": ["mailto:a@example.org"]})).await.ok();
        assert_eq!(
            (changed.text("status").as_str(), &changed.json()["contact"][0]),
            ("valid", &json!("mailto:a@example.org"))
        );
        client.post(&url, json!({"contact": []})).await.ok();
    }
    assert_eq!(client.post(&url, json!({"status": "deactivated"})).await.ok().text("status"), "deactivated");
    let again = Client::new(&world, Signer::ed25519(1));
    for answer in [client.order("alice@example.org").await, again.post("/new-account", json!({})).await] {
        assert_eq!((answer.problem().as_str(), answer.status), ("unauthorized", StatusCode::UNAUTHORIZED));
    }
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

#[tokio::test]
async fn orders_are_listed_in_pages_without_the_invalid_ones() {
    let world = World::with(|config| config.limits.orders_per_account = crate::config::Rate::per_hour(1000)).await;
    let client = Client::open(&world, Signer::ed25519(1)).await;
    let account = client.account.clone().unwrap();
    let lapsed = client.order("alice@example.org").await.ok().header("location");
    world.advance(std::time::Duration::from_secs(7 * 86_400));
    let mut made = Vec::new();
    for _ in 0..150 {
        made.push(client.order("alice@example.org").await.ok().header("location"));
    }
    let mut listed = Vec::new();
    let mut page = Some(format!("{account}/orders"));
    let mut pages = 0;
    while let Some(url) = page {
        let answer = client.read(&url).await.ok();
        listed.extend(answer.json()["orders"].as_array().unwrap().iter().map(|u| u.as_str().unwrap().to_owned()));
        let mut links = answer.headers.get_all("link").iter().map(|l| l.to_str().unwrap().to_owned());
        page = links.find_map(|l| Some(l.strip_suffix(">;rel=\"next\"")?.trim_start_matches('<').to_owned()));
        pages += 1;
    }
    assert_eq!(pages, 2);
    assert!(!listed.contains(&lapsed));
    listed.sort();
    made.sort();
    assert_eq!(listed, made);
    assert_eq!(client.read(&format!("{account}/orders/nonsense")).await.status, StatusCode::NOT_FOUND);
    let bob = Client::open(&world, Signer::ed25519(2)).await;
    assert_eq!(bob.read(&format!("{account}/orders/1.x")).await.problem(), "unauthorized");
}

#[tokio::test]
async fn a_key_that_others_know_makes_no_account_and_gets_no_certificate() {
    use base64::Engine as _;
    let leaked = super::device();
    let account = Signer::p256();
    let digests: Vec<_> = [
        rcgen::PublicKeyData::subject_public_key_info(&leaked),
        crate::jws::PublicKey::from_jwk(&account.jwk()).unwrap().to_spki(),
    ]
    .map(|spki| hex::encode(crate::store::KeyDigest::of(&spki).0))
    .into();
    let list = crate::BlockedKeys::parse(&digests.join("\n")).unwrap();
    let world = World::with(|config| config.blocked_keys = list).await;
    let refused = Client::new(&world, account).post("/new-account", json!({})).await;
    assert_eq!((refused.problem().as_str(), refused.status), ("badPublicKey", StatusCode::BAD_REQUEST));
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    let csr = crate::testing::csr("alice@example.org", &leaked);
    assert_eq!(client.finalize(&order, &csr).await.problem(), "badCSR");

    // A key that was revoked as compromised is no account's key either.
    let second = super::device();
    let chain = super::chain(&client.enroll(&world, "alice@example.org", &second).await);
    let leaf = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&chain[0]);
    client.post("/revoke-cert", json!({"certificate": leaf, "reason": 1})).await.ok();
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&second.serialize_der()).unwrap();
    let thief = Client::new(&world, Signer::Ed25519(pair));
    assert_eq!(thief.post("/new-account", json!({})).await.problem(), "badPublicKey");
}
