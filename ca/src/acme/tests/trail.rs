use std::time::Duration;

use serde_json::json;

use super::device;
use crate::testing::{Client, Signer, World};
use crate::trail::{FILE, verify};

#[tokio::test]
async fn every_decision_is_recorded_and_no_address_is() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.order("alice@example.org").await.ok().json();
    let challenge = client.challenge(&order).await["url"].as_str().unwrap().to_owned();
    client.post(&challenge, json!({})).await.ok();
    client.post(&challenge, json!({"code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"})).await;
    client.post(&challenge, json!({"code": world.code("alice@example.org")})).await.ok();
    client.enroll(&world, "alice@example.org", &device()).await;
    let account = client.account.clone().unwrap();
    client.post(&account, json!({"status": "deactivated"})).await.ok();
    let path = world.folder().join("ca").join(FILE);
    // What is not waited for reaches the disk soon, in order: the last is there when all are. A record that is just being
    // written looks torn.
    let read = || verify(&path).map(|found| found.counts).unwrap_or_default();
    let mut counts = read();
    for _ in 0..200 {
        if counts.contains_key("account-closed") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        counts = read();
    }
    for (what, count) in [
        ("account-made", 1),
        ("ordered", 2),
        ("code-made", 1),
        ("wrong-code", 1),
        ("control-proven", 1),
        ("planned", 1),
        ("about-to-sign", 1),
        ("issued", 1),
        ("account-closed", 1),
    ] {
        assert_eq!(counts.get(what), Some(&count), "{what} in {counts:?}");
    }
    assert!(counts["list-signed"] >= 2);
    assert!(!std::fs::read_to_string(&path).unwrap().contains("example.org"));
}
