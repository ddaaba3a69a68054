use axum::http::StatusCode;
use serde_json::json;

use super::{chain, device};
use crate::store::Fault;
use crate::testing::{Client, Signer, World, csr};

#[tokio::test]
async fn several_identifiers_are_refused_and_each_is_told_what_is_wrong_with_it() {
    let world = World::with(|config| config.permitted_domains = vec!["example.org".into()]).await;
    let client = Client::open(&world, Signer::p256()).await;
    let identifiers = json!([
        {"type": "email", "value": "alice@example.org"},
        {"type": "dns", "value": "example.org"},
        {"type": "email", "value": "alice@elsewhere.example"},
        {"type": "email", "value": "not an address"},
    ]);
    let answer = client.post("/new-order", json!({"identifiers": identifiers})).await;
    assert_eq!((answer.problem().as_str(), answer.status), ("rejectedIdentifier", StatusCode::FORBIDDEN));
    let told = answer.json()["subproblems"].as_array().unwrap().clone();
    assert_eq!(told.iter().map(|p| p["identifier"].clone()).collect::<Vec<_>>(), *identifiers.as_array().unwrap());
    let kinds: Vec<_> = told.iter().map(|p| p["type"].as_str().unwrap().rsplit(':').next().unwrap()).collect();
    assert_eq!(kinds, ["rejectedIdentifier", "unsupportedIdentifier", "rejectedIdentifier", "rejectedIdentifier"]);
    assert!(told[0]["detail"].as_str().unwrap().contains("order for it alone"));

    let none = client.post("/new-order", json!({"identifiers": []})).await;
    assert_eq!(none.problem(), "rejectedIdentifier");
    assert!(none.json().get("subproblems").is_none());
    let many = json!(vec![json!({"type": "email", "value": "a@example.org"}); 300]);
    let answer = client.post("/new-order", json!({"identifiers": many})).await;
    assert_eq!(answer.json()["subproblems"].as_array().unwrap().len(), 16);
}

#[tokio::test]
async fn control_is_proven_without_an_order_and_then_serves_orders_until_it_is_given_up() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let ask = json!({"identifier": {"type": "email", "value": "Alice@example.org"}});
    let made = client.post("/new-authz", ask.clone()).await;
    assert_eq!((made.status, made.text("status").as_str()), (StatusCode::CREATED, "pending"));
    assert_eq!(made.json()["identifier"]["value"], "alice@example.org");
    let challenge = made.json()["challenges"][0]["url"].as_str().unwrap().to_owned();
    client.post(&challenge, json!({})).await.ok();
    client.post(&challenge, json!({"code": world.code("alice@example.org")})).await.ok();
    client.post("/watch", json!({"identifier": "alice@example.org"})).await.ok();
    let again = client.post("/new-authz", ask.clone()).await.ok();
    assert_eq!((again.header("location"), again.text("status").as_str()), (made.header("location"), "valid"));
    let order = client.order("alice@example.org").await.ok();
    assert_eq!(order.text("status"), "ready");

    let authorization = made.header("location");
    assert_eq!(client.post(&authorization, json!({"status": "valid"})).await.problem(), "malformed");
    // Also if what became of a mail is noted at the same moment.
    world.store.fail_after(0, Fault::Outrun);
    let ended = client.post(&authorization, json!({"status": "deactivated"})).await.ok();
    assert_eq!(
        (ended.text("status").as_str(), ended.json()["challenges"][0]["status"].as_str()),
        ("deactivated", Some("invalid"))
    );
    assert!(ended.json()["challenges"][0]["error"]["detail"].as_str().unwrap().contains("deactivated"));
    // What rests on it can never be finalized: it says so, and its maker orders again.
    let over = client.read(&order.header("location")).await.ok().json();
    assert_eq!((&over["status"], &over["error"]["status"]), (&json!("invalid"), &json!(400)));
    let late = client.finalize(&order.json(), &csr("alice@example.org", &device())).await;
    assert_eq!(late.problem(), "orderNotReady");
    assert_eq!(client.order("alice@example.org").await.ok().text("status"), "pending");
    assert_eq!(client.post("/watch", json!({"identifier": "alice@example.org"})).await.problem(), "unauthorized");
    let other = client.post("/new-authz", json!({"identifier": {"type": "dns", "value": "example.org"}})).await;
    assert_eq!(other.problem(), "unsupportedIdentifier");
}

#[tokio::test]
async fn a_chain_has_an_alternate_that_ends_with_the_root() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    let finalized = client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    assert_eq!(finalized.header("location"), order["url"].as_str().unwrap());
    let url = order["url"].as_str().unwrap();
    let short = chain(&client.download(url).await);
    let answer = client.read(client.read(url).await.ok().json()["certificate"].as_str().unwrap()).await.ok();
    let links: Vec<_> = answer.headers.get_all("link").iter().map(|l| l.to_str().unwrap().to_owned()).collect();
    let alternate = links.iter().find_map(|l| l.strip_suffix(">;rel=\"alternate\"")).unwrap().trim_start_matches('<');
    let answer = client.read(alternate).await.ok();
    assert_eq!(answer.header("content-type"), "application/pem-certificate-chain");
    let long = chain(&String::from_utf8(answer.body).unwrap());
    assert_eq!((long.len(), &long[..2]), (3, &short[..]));
    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(mallory.read(alternate).await.status, StatusCode::NOT_FOUND);
}
