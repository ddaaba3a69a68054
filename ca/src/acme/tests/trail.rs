use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use super::{URL_SAFE_NO_PAD, chain, device};
use crate::testing::{Client, Signer, World, until};
use crate::trail::{FILE, verify};

/// How often what was recorded. A record that is just being written looks torn: then there is nothing.
fn counts(path: &Path) -> BTreeMap<String, u64> {
    verify(path).map(|found| found.counts).unwrap_or_default()
}

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
    // What is not waited for reaches the disk soon, in order: the last is there when all are.
    until("all is recorded", async || counts(&path).contains_key("account-closed")).await;
    let counts = counts(&path);
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

#[tokio::test]
async fn refusals_that_decide_something_are_recorded_and_misspellings_are_not() {
    let world = World::with(|config| config.permitted_domains = vec!["example.org".into()]).await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let revoke = json!({"certificate": URL_SAFE_NO_PAD.encode(leaf)});
    let other = Client::open(&world, Signer::ed25519(1)).await;
    let about_bob = json!({"identifier": {"type": "email", "value": "bob@example.org"}});
    other.post("/new-authz", about_bob).await.ok();
    assert_eq!(other.post("/revoke-cert", revoke).await.problem(), "unauthorized");
    assert_eq!(other.post("/new-order", json!({})).await.problem(), "malformed");
    assert_eq!(other.order("bob@example.com").await.problem(), "rejectedIdentifier");
    let path = world.folder().join("ca").join(FILE);
    until("all is recorded", async || counts(&path).get("refused") == Some(&2)).await;
    assert_eq!(counts(&path).get("authorization-made"), Some(&1));
    let trail = std::fs::read_to_string(&path).unwrap();
    let of = |kind: &str| {
        let line = trail.lines().find(|line| line.contains("\"refused\"") && line.contains(kind)).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["of"].clone()
    };
    let account = other.account.as_ref().unwrap().rsplit('/').next().unwrap();
    assert_eq!(of("unauthorized"), json!({"at": "revoke-cert", "type": "unauthorized", "by": account, "leftOut": 0}));
    assert_eq!(of("rejectedIdentifier")["at"], "new-order");
    assert!(!trail.contains("example."), "{trail}");
}

#[tokio::test]
async fn a_decision_is_recorded_although_its_client_hangs_up() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let account = client.account.clone().unwrap();
    let order = client.order("bob@example.org").await.ok().json();
    let given_up = order["authorizations"][0].as_str().unwrap();
    let proof = client.challenge(&client.order("carol@example.org").await.ok().json()).await;
    let challenge = proof["url"].as_str().unwrap();
    client.post(challenge, json!({})).await.ok();
    let (wrong, right) =
        (json!({"code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"}), json!({"code": world.code("carol@example.org")}));
    let ordered = json!({"identifiers": [{"type": "email", "value": "dan@example.org"}], "profile": "device"});
    let path = world.folder().join("ca").join(FILE);
    let recorded = |what: &str| counts(&path).get(what).copied();
    let hang_up = async |what: &str, to: &str, payload: Value| {
        until("the trail is whole", async || verify(&path).is_ok()).await;
        let (before, commits) = (recorded(what), world.store.commits());
        world.store.hold_answers(true);
        tokio::select! {
            answer = client.post(to, payload) => panic!("{what}: answered before it was kept: {}", answer.status),
            () = until("the store is asked", async || world.store.commits() > commits) => {}
        }
        world.store.hold_answers(false);
        until(what, async || recorded(what) > before).await;
    };
    hang_up("revoked", "/revoke-cert", json!({"certificate": URL_SAFE_NO_PAD.encode(leaf)})).await;
    hang_up("ordered", "/new-order", ordered).await;
    hang_up("authorization-given-up", given_up, json!({"status": "deactivated"})).await;
    hang_up("wrong-code", challenge, wrong).await;
    hang_up("control-proven", challenge, right).await;
    hang_up("account-changed", &account, json!({"contact": []})).await;
    hang_up("account-closed", &account, json!({"status": "deactivated"})).await;
}
