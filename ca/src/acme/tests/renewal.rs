use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::Certificate;
use serde_json::{Value, json};

use super::{chain, device};
use crate::testing::{BASE, Client, Signer, World, csr};

/// RFC 9773 section 4.1.
fn certificate_id(leaf: &[u8]) -> String {
    let certificate = Certificate::parse(leaf).unwrap();
    let tbs = certificate.tbs();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}", encode(&tbs.authority_key_id().unwrap()), encode(tbs.serial()))
}

async fn replacing(client: &Client, address: &str, id: &str) -> crate::testing::Answer {
    let identifiers = json!([{"type": "email", "value": address}]);
    client.post("/new-order", json!({"identifiers": identifiers, "replaces": id})).await
}

fn window(answer: &Value) -> (String, String) {
    let member = |name: &str| answer["suggestedWindow"][name].as_str().unwrap().to_owned();
    (member("start"), member("end"))
}

#[tokio::test]
async fn the_window_lies_about_half_way_and_in_the_past_once_revoked() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let directory = client.get("/directory").await.json();
    assert_eq!(directory["renewalInfo"], format!("{BASE}/renewal-info"));
    let path = format!("/renewal-info/{}", certificate_id(&leaf));
    let answer = client.get(&path).await.ok();
    assert_eq!(answer.header("retry-after"), "21600");
    let at = |seconds: u64| jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().to_string();
    let (begin, life) = (world.now().as_secs(), 14 * 86_400 - 1);
    assert_eq!(window(&answer.json()), (at(begin + life * 2 / 5), at(begin + life * 3 / 5)));

    world.advance(Duration::from_secs(3600));
    client.post("/revoke-cert", json!({"certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 1})).await.ok();
    let (start, end) = window(&client.get(&path).await.ok().json());
    assert!(start < end && end < at(world.now().as_secs()), "{start} {end}");
}

#[tokio::test]
async fn renewal_information_is_there_for_issued_certificates_alone() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let id = certificate_id(&leaf);
    let (key_id, serial) = id.split_once('.').unwrap();
    for (id, status) in [
        ("nothing".to_owned(), StatusCode::BAD_REQUEST),
        ("!.!".into(), StatusCode::BAD_REQUEST),
        (format!("{serial}.{serial}"), StatusCode::NOT_FOUND),
        (format!("{key_id}.AAAA"), StatusCode::NOT_FOUND),
        (format!("{key_id}.{}", "A".repeat(22)), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(client.get(&format!("/renewal-info/{id}")).await.status, status, "{id}");
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_once_by_its_own_account_for_its_own_identifier() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let key = device();
    let leaf = chain(&client.enroll(&world, "alice@example.org", &key).await).remove(0);
    let id = certificate_id(&leaf);
    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(replacing(&mallory, "alice@example.org", &id).await.problem(), "malformed");
    assert_eq!(replacing(&client, "bob@example.org", &id).await.problem(), "malformed");
    assert_eq!(replacing(&client, "alice@example.org", "A.B").await.problem(), "malformed");

    // One that lapses frees it; one that is finalized does not.
    let lapsing = replacing(&client, "alice@example.org", &id).await.ok();
    assert_eq!(lapsing.text("replaces"), id);
    let again = replacing(&client, "alice@example.org", &id).await;
    assert_eq!((again.problem().as_str(), again.status), ("alreadyReplaced", StatusCode::CONFLICT));
    world.advance(Duration::from_secs(7 * 86_400));
    let order = replacing(&client, "alice@example.org", &id).await.ok();
    let url = order.header("location");
    client.finalize(&order.json(), &csr("alice@example.org", &key)).await.ok();
    client.download(&url).await;
    assert_eq!(client.read(&url).await.ok().text("replaces"), id);
    assert_eq!(replacing(&client, "alice@example.org", &id).await.problem(), "alreadyReplaced");
}

#[tokio::test]
async fn of_two_orders_at_one_moment_one_replaces() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let id = certificate_id(&leaf);
    let (one, other) =
        tokio::join!(replacing(&client, "alice@example.org", &id), replacing(&client, "alice@example.org", &id));
    let statuses = [one.status, other.status];
    assert!(statuses.contains(&StatusCode::CREATED) && statuses.contains(&StatusCode::CONFLICT), "{statuses:?}");
}
