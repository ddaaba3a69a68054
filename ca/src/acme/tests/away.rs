//! What the authority needs is away: whoever asks is told when to come back (RFC 9110 section 10.2.3), and nothing is lost.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{chain, device};
use crate::testing::{Answer, Client, Fate, Signer, World, csr};

const ALICE: &str = "alice@example.org";

/// Status, problem, and when to come back.
fn later(answer: &Answer) -> (u16, String, String) {
    (answer.status.as_u16(), answer.problem(), answer.header("retry-after"))
}

fn in_seconds(seconds: &str) -> (u16, String, String) {
    (503, "serverInternal".into(), seconds.into())
}

async fn challenge(client: &Client, address: &str) -> String {
    let order = client.order(address).await.ok().json();
    client.challenge(&order).await["url"].as_str().unwrap().to_owned()
}

/// Everything that is written for somebody who asks, but for what stands in the tests of each way to prove control.
#[tokio::test]
async fn a_store_that_is_away_asks_to_come_back_and_all_goes_on_when_it_is_there() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, ALICE, &device()).await).remove(0);
    let bob = challenge(&client, "bob@example.org").await;
    let asked = challenge(&client, "carol@example.org").await;
    client.post(&asked, json!({})).await.ok();
    let given_up = client.order("dave@example.org").await.ok().json()["authorizations"][0].as_str().unwrap().to_owned();
    let ready = client.order(ALICE).await.ok();
    let code = world.code("carol@example.org");
    let identifier = json!({"type": "email", "value": "erin@example.org"});
    let requests: Vec<(String, Value)> = vec![
        ("/new-order".into(), json!({"identifiers": [identifier], "profile": "device"})),
        ("/new-authz".into(), json!({"identifier": identifier})),
        (bob, json!({})),
        (asked, json!({"code": code})),
        (given_up, json!({"status": "deactivated"})),
        (ready.json()["finalize"].as_str().unwrap().into(), {
            json!({"csr": URL_SAFE_NO_PAD.encode(csr(ALICE, &device()))})
        }),
        ("/erase".into(), json!({"identifier": ALICE})),
        ("/revoke-cert".into(), json!({"certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 4})),
    ];
    world.store.die_after(0);
    for (url, payload) in &requests {
        let answer = client.post(url, payload.clone()).await;
        assert_eq!(later(&answer), in_seconds("5"), "{url}");
        // RFC 8555 section 6.5: with a nonce for the next attempt.
        assert!(!answer.header("replay-nonce").is_empty(), "{url}");
    }
    let stranger = Client::new(&world, Signer::ed25519(3));
    assert_eq!(later(&stranger.post("/new-account", json!({})).await), in_seconds("5"));
    world.store.revive();
    stranger.post("/new-account", json!({})).await.ok();
    for (url, payload) in requests {
        client.post(&url, payload).await.ok();
    }
    client.download(&ready.header("location")).await;
}

#[tokio::test]
async fn a_log_that_is_away_asks_to_come_back_for_dates_and_for_lists() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&client.enroll(&world, ALICE, &device()).await).remove(0);
    let revoke = json!({"certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 4});
    world.log_shall_with_objects(Fate::Refused);
    let answer = client.post("/revoke-cert", revoke.clone()).await;
    assert_eq!(later(&answer), in_seconds("10"));
    assert!(answer.text("detail").starts_with("the certificate is revoked, but the list"), "{}", answer.text("detail"));
    world.log_shall_with_objects(Fate::Logged);
    assert_eq!(client.post("/revoke-cert", revoke).await.problem(), "alreadyRevoked", "and on its list");
}

#[tokio::test]
async fn mails_that_do_not_leave_are_asked_for_again_later() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let url = challenge(&client, ALICE).await;
    let new = world.folder().join("outbox/new");
    let away = world.folder().join("outbox/away");
    std::fs::rename(&new, &away).unwrap();
    for answer in [client.post(&url, json!({})).await, client.read(&url).await] {
        let error = answer.json()["error"]["detail"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains("could not be handed over"), "{error}");
        // RFC 8555 section 8.2.
        assert_eq!((answer.status.as_u16(), answer.header("retry-after").as_str()), (200, "60"));
    }
    std::fs::rename(&away, &new).unwrap();
    let sent = client.post(&url, json!({})).await.ok();
    assert_eq!((sent.text("status").as_str(), sent.header("retry-after").as_str()), ("processing", ""));
    assert_eq!(client.post(&url, json!({"code": world.code(ALICE)})).await.ok().text("status"), "valid");
}

#[tokio::test]
async fn too_many_messages_at_once_are_for_later() {
    let world = World::with(|config| config.limits.mails_in_flight = 0).await;
    let client = Client::open(&world, Signer::p256()).await;
    let url = challenge(&client, ALICE).await;
    tokio::time::pause();
    let answer = client.post(&url, json!({})).await;
    tokio::time::resume();
    assert_eq!(later(&answer), in_seconds("10"));
}

/// Whatever takes longer than a request may is for later, too.
#[tokio::test]
async fn a_request_that_takes_too_long_is_for_later() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    world.store.hold_answers(true);
    tokio::time::pause();
    let answer = client.order(ALICE).await;
    tokio::time::resume();
    world.store.hold_answers(false);
    assert_eq!(later(&answer), in_seconds(&Duration::from_secs(30).as_secs().to_string()));
}
