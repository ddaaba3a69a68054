use serde_json::json;

use crate::config::Rate;
use crate::testing::{Client, Signer, World};

#[tokio::test]
async fn orders_and_watches_are_limited_per_account() {
    let world = World::with(|config| {
        config.limits.orders_per_account = Rate::per_hour(2);
        config.limits.watches_per_account = Rate::per_hour(1);
    })
    .await;
    let client = Client::open(&world, Signer::p256()).await;
    client.ready(&world, "alice@example.org").await;
    client.post("/watch", json!({"identifier": "alice@example.org"})).await.ok();
    assert_eq!(client.post("/watch", json!({"identifier": "alice@example.org"})).await.problem(), "rateLimited");
    client.order("alice@example.org").await.ok();
    let refused = client.order("alice@example.org").await;
    assert_eq!((refused.problem().as_str(), refused.header("retry-after").as_str()), ("rateLimited", "1800"));
    Client::open(&world, Signer::p256()).await.order("alice@example.org").await.ok();
}
