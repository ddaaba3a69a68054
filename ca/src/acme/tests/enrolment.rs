use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::transparency::{LabelInput, Opening, SLOTS, VrfProof, commitment};
use identity::verify::verify_person;
use identity::{Identifier, transparency::period_of};
use serde_json::{Value, json};
use tlog_proof::Entry;

use super::{chain, device};
use crate::testing::{Client, Signer, World, csr};

#[tokio::test]
async fn a_person_enrols_and_the_certificate_verifies_offline() {
    let world = World::new().await;
    for (key, address) in [
        (Signer::p256(), "Alice@Example.ORG"),
        (Signer::ed25519(7), "bob@example.org"),
        (Signer::rsa(), "carol@example.org"),
    ] {
        let client = Client::open(&world, key).await;
        let device = device();
        let chain = chain(&client.enroll(&world, address, &device).await);
        let person = verify_person(&chain, &world.trust(), world.now()).unwrap();
        assert_eq!(*person.identifier(), Identifier::parse(address).unwrap());
        assert_eq!(person.device_key().as_slice(), device.public_key_raw());
        assert_eq!(person.profile(), "device");
        let leaf_alone = verify_person(&chain[..1], &world.trust(), world.now()).unwrap();
        assert_eq!(leaf_alone.index(), person.index());
    }
}

#[tokio::test]
async fn renewal_is_an_order_and_a_request_without_a_new_code() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let device = device();
    let first = chain(&client.enroll(&world, "alice@example.org", &device).await);
    // Also after the certificate has expired.
    world.advance(Duration::from_secs(20 * 86_400));
    assert!(verify_person(&first, &world.trust(), world.now()).is_err());
    let second = chain(&client.enroll(&world, "alice@example.org", &device).await);
    verify_person(&second, &world.trust(), world.now()).unwrap();
    assert_eq!(world.mails().len(), 1);
    // Control is proven anew after 180 days.
    world.advance(Duration::from_secs(180 * 86_400));
    assert_eq!(client.order("alice@example.org").await.ok().text("status"), "pending");
}

#[tokio::test]
async fn the_watch_hands_out_label_proofs_and_opens_every_entry() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let alice = Identifier::parse("alice@example.org").unwrap();
    assert_eq!(client.post("/watch", json!({"identifier": alice.as_str()})).await.problem(), "unauthorized");
    for _ in 0..2 {
        client.enroll(&world, alice.as_str(), &device()).await;
    }
    let answer = client.post("/watch", json!({"identifier": alice.as_str()})).await.ok().json();
    let [answer] = &answer["logs"].as_array().unwrap()[..] else { panic!("{answer}") };
    let labels = answer["labels"].as_array().unwrap();
    // The authority began in this period: this one and the next.
    assert_eq!(labels.len(), 2 * usize::from(SLOTS));
    let period = period_of(world.now());
    let origin = answer["origin"].as_str().unwrap();
    let vrf = world.trust().policies()[0].authorities[0].vrf_key.clone();
    let vrf = identity::transparency::VrfPublicKey::from_bytes(vrf.0.as_slice().try_into().unwrap()).unwrap();
    let decode = |v: &Value| URL_SAFE_NO_PAD.decode(v.as_str().unwrap()).unwrap();
    let entries = answer["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let label = labels.iter().find(|l| l["period"] == entry["period"] && l["slot"] == entry["slot"]).unwrap();
        let slot = u8::try_from(entry["slot"].as_u64().unwrap()).unwrap();
        let proof = VrfProof::from_bytes(decode(&label["proof"]).try_into().unwrap());
        let label = vrf.verify(&LabelInput { origin, identifier: &alice, period, slot }, &proof).unwrap();
        let opening = Opening::new(decode(&entry["opening"]).try_into().unwrap());
        let expected = Entry::Certificate { label, commitment: commitment(&opening, &decode(&entry["tbs"])) };
        assert!(world.submitted().contains(&expected.encode()));
        assert!(entry["index"].is_u64());
    }
    // Somebody else's account earns nothing by alice's proof.
    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(mallory.post("/watch", json!({"identifier": alice.as_str()})).await.problem(), "unauthorized");
    assert_eq!(mallory.post("/watch", json!({"identifier": "nobody@example.org"})).await.problem(), "unauthorized");
}

#[tokio::test]
async fn every_slot_of_a_period_is_used_once_and_then_there_is_none() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    for _ in 0..SLOTS {
        client.enroll(&world, "alice@example.org", &device()).await;
    }
    let order = client.ready(&world, "alice@example.org").await;
    let answer = client.finalize(&order, &csr("alice@example.org", &device())).await;
    assert_eq!((answer.problem().as_str(), answer.status.as_u16()), ("slotsExhausted", 429));
    let wait = answer.header("retry-after").parse().unwrap();
    world.advance(Duration::from_secs(wait));
    client.enroll(&world, "alice@example.org", &device()).await;
}

#[tokio::test]
async fn what_the_request_asks_for_must_be_the_orders_identifier() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.order("alice@example.org").await.ok().json();
    let early = client.finalize(&order, &csr("alice@example.org", &device())).await;
    assert_eq!((early.problem().as_str(), early.status.as_u16()), ("orderNotReady", 403));
    let order = client.ready(&world, "alice@example.org").await;
    assert_eq!(client.finalize(&order, &csr("mallory@example.org", &device())).await.problem(), "badCSR");
    assert_eq!(client.finalize(&order, b"garbage").await.problem(), "badCSR");
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(client.finalize(&order, &csr("alice@example.org", &elliptic)).await.problem(), "badCSR");
    client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    let again = client.finalize(&order, &csr("alice@example.org", &device())).await;
    assert_eq!(again.problem(), "orderNotReady");
}

#[tokio::test]
async fn two_requests_at_once_make_one_certificate() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    let csr = csr("alice@example.org", &device());
    let (a, b) = tokio::join!(client.finalize(&order, &csr), client.finalize(&order, &csr));
    assert!(a.status.is_success() || b.status.is_success());
    client.download(order["url"].as_str().unwrap()).await;
    let distinct: std::collections::HashSet<_> = world.submitted().into_iter().collect();
    assert_eq!(distinct.len(), 1);
}

#[tokio::test]
async fn a_request_made_for_another_order_gets_no_certificate() {
    let world = World::with(|config| config.require_possession = true).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (first, second, device) =
        (client.ready(&world, "alice@example.org").await, client.ready(&world, "alice@example.org").await, device());
    let url = |order: &Value| order["url"].as_str().unwrap().to_owned();
    assert_ne!(url(&first), url(&second));
    let request = |order: Option<&str>| crate::testing::csr_for("alice@example.org", &device, order);
    // Whoever came by an old request has no certificate of it.
    assert_eq!(client.finalize(&second, &request(Some(&url(&first)))).await.problem(), "badCSR");
    assert_eq!(client.finalize(&second, &request(None)).await.problem(), "badCSR");
    client.finalize(&second, &request(Some(&url(&second)))).await.ok();
    client.download(&url(&second)).await;
}
