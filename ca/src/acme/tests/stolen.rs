//! A device is in somebody else's hands, with everything on it: its key, its account, and whatever the account has proven.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{chain, device};
use crate::recovery::carried::Carried;
use crate::store::{CertificateState, Fault, Revocation, Select, Serial};
use crate::testing::{Client, Fate, NameServer, Signer, World, csr, serial, until};

const ALICE: &str = "alice@example.org";

async fn revoke(by: &Client, serial: Serial, reason: u8) -> crate::testing::Answer {
    by.post("/revoke-cert", json!({"serial": serial.to_string(), "reason": reason})).await
}

/// An account that has just proven control.
async fn owner(world: &World) -> Client {
    let owner = Client::open(world, Signer::p256()).await;
    owner.ready(world, ALICE).await;
    owner
}

async fn reason(world: &World, serial: Serial) -> Option<u8> {
    world.store().certificate(serial).await.unwrap().unwrap().revoked.map(|revoked| revoked.reason)
}

/// What the newest list says of it.
fn listed(world: &World, serial: Serial) -> Option<Revocation> {
    let listed = Carried::listed(&world.ca.people_crls_der()[0]).unwrap();
    listed.iter().find(|one| one.serial == serial).map(|one| Revocation { at: one.at, reason: one.reason })
}

async fn enrolled(client: &Client, world: &World, address: &str, key: &rcgen::KeyPair) -> Serial {
    serial(&chain(&client.enroll(world, address, key).await)[0])
}

#[tokio::test]
async fn whoever_has_the_device_cannot_revoke_first_and_stay() {
    for first in [0, 4] {
        let world = World::new().await;
        let thief = Client::open(&world, Signer::p256()).await;
        let stolen = device();
        let certificate = enrolled(&thief, &world, ALICE, &stolen).await;
        revoke(&thief, certificate, first).await.ok();
        let then = world.now().as_secs();
        world.advance(Duration::from_secs(60));

        let owner = owner(&world).await;
        revoke(&owner, certificate, 1).await.ok();
        assert_eq!(reason(&world, certificate).await, Some(1));
        // Revoked it was before: only the reason is another.
        assert_eq!(listed(&world, certificate), Some(Revocation { at: then, reason: 1 }));
        assert_eq!(thief.order(ALICE).await.ok().text("status"), "pending", "the code is needed again");
        let order = owner.ready(&world, ALICE).await;
        assert_eq!(owner.finalize(&order, &csr(ALICE, &stolen)).await.problem(), "badCSR");
        for again in [1, 4] {
            assert_eq!(revoke(&owner, certificate, again).await.problem(), "alreadyRevoked");
            assert_eq!(reason(&world, certificate).await, Some(1), "it stays compromised");
        }
    }
}

#[tokio::test]
async fn a_compromised_key_speaks_by_none_of_its_certificates() {
    let world = World::new().await;
    let (one, other) = (Client::open(&world, Signer::p256()).await, Client::open(&world, Signer::p256()).await);
    let stolen = device();
    let first = enrolled(&one, &world, ALICE, &stolen).await;
    let renewed = enrolled(&one, &world, ALICE, &stolen).await;
    revoke(&one, renewed, 4).await.ok();
    let elsewhere = enrolled(&other, &world, "bob@example.org", &stolen).await;
    let hers = enrolled(&one, &world, ALICE, &device()).await;
    revoke(&one, first, 1).await.ok();
    for serial in [first, renewed, elsewhere] {
        assert_eq!(reason(&world, serial).await, Some(1));
        assert_eq!(listed(&world, serial).map(|listed| listed.reason), Some(1));
    }
    assert_eq!(reason(&world, hers).await, None, "another key's");
    assert_eq!(other.order("bob@example.org").await.ok().text("status"), "pending");
}

/// Power fails, or somebody writes in between.
#[tokio::test]
async fn what_was_not_revoked_the_first_time_is_when_she_asks_again() {
    for fault in [Fault::NotPersisted, Fault::Persisted, Fault::Outrun] {
        let world = World::new().await;
        let client = Client::open(&world, Signer::p256()).await;
        let stolen = device();
        let first = enrolled(&client, &world, ALICE, &stolen).await;
        let renewed = enrolled(&client, &world, ALICE, &stolen).await;
        world.store.fail_after(0, fault);
        let answer = revoke(&client, first, 1).await;
        assert_eq!(answer.status.is_success(), fault == Fault::Outrun, "{fault:?}");
        let again = revoke(&client, renewed, 1).await;
        assert!(again.status.is_success() || again.problem() == "alreadyRevoked", "{fault:?}: {again:?}");
        for serial in [first, renewed] {
            assert_eq!(listed(&world, serial).map(|listed| listed.reason), Some(1), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_device_whose_certificate_has_ended_is_shut_out_all_the_same() {
    let world = World::new().await;
    let thief = Client::open(&world, Signer::p256()).await;
    let stolen = device();
    let certificate = enrolled(&thief, &world, ALICE, &stolen).await;
    world.advance(Duration::from_secs(16 * 86_400));
    let owner = owner(&world).await;
    revoke(&owner, certificate, 1).await.ok();
    assert_eq!(thief.order(ALICE).await.ok().text("status"), "pending");
    let order = owner.ready(&world, ALICE).await;
    assert_eq!(owner.finalize(&order, &csr(ALICE, &stolen)).await.problem(), "badCSR");
}

/// Asking about CAA takes its time, in which the device is reported, or the account shut out.
#[tokio::test]
async fn what_is_reported_while_a_certificate_is_asked_for_gets_none() {
    for same_key in [true, false] {
        let server = NameServer::start().await;
        let resolvers = server.resolvers();
        let world = World::with(|config| config.dns = Some(resolvers)).await;
        let thief = Client::open(&world, Signer::p256()).await;
        let stolen = device();
        let certificate = enrolled(&thief, &world, ALICE, &stolen).await;
        let owner = owner(&world).await;
        let order = thief.ready(&world, ALICE).await;
        let other = device();
        let request = csr(ALICE, if same_key { &stolen } else { &other });
        let (held, asked) = (server.answers.lock().await, server.asked().len());
        let meanwhile = async {
            until("the resolver is asked", async || server.asked().len() > asked).await;
            revoke(&owner, certificate, 1).await.ok();
            drop(held);
        };
        let (answer, ()) = tokio::join!(thief.finalize(&order, &request), meanwhile);
        let problem = answer.problem();
        assert!(["badCSR", "orderNotReady"].contains(&problem.as_str()), "{problem}");
        let all = Select::CertificatesOf { identifier: super::alice(), from: 0, to: u32::MAX };
        assert_eq!(world.store().certificates(all).await.unwrap().len(), 1, "same key: {same_key}");
    }
}

/// A certificate on its way while the log is away: of the compromised key, of the same account's other key, and one that has
/// nothing to do with it.
#[tokio::test]
async fn what_is_on_its_way_for_whoever_is_shut_out_is_given_up() {
    for restart in [false, true] {
        let world = World::new().await;
        let (thief, bob) = (Client::open(&world, Signer::p256()).await, Client::open(&world, Signer::p256()).await);
        let stolen = device();
        let certificate = enrolled(&thief, &world, ALICE, &stolen).await;
        let owner = owner(&world).await;
        let orders = [thief.ready(&world, ALICE).await, thief.ready(&world, ALICE).await];
        let another = bob.ready(&world, "bob@example.org").await;
        world.log_shall(Fate::Refused);
        for (order, key) in orders.iter().zip([&stolen, &device()]) {
            thief.finalize(order, &csr(ALICE, key)).await.ok();
        }
        bob.finalize(&another, &csr("bob@example.org", &device())).await.ok();
        revoke(&owner, certificate, 1).await.ok();
        world.log_shall(Fate::Logged);
        let world = if restart { world.restart().await } else { world };
        let [thief, bob] = [thief, bob].map(|client| Client { router: world.ca.router(), ..client });
        for order in &orders {
            let url = order["url"].as_str().unwrap();
            until("it has ended", async || thief.read(url).await.ok().text("status") != "processing").await;
            assert_eq!(thief.read(url).await.ok().text("status"), "invalid");
        }
        bob.download(another["url"].as_str().unwrap()).await;
        let all = Select::CertificatesOf { identifier: super::alice(), from: 0, to: u32::MAX };
        let records = world.store().certificates(all).await.unwrap();
        let issued = records.iter().filter(|c| matches!(c.state, CertificateState::Issued { .. }));
        assert_eq!((records.len(), issued.count()), (3, 1));
    }
}

/// A right that somebody got by one code, read once, is none to revoke what she has made since.
#[tokio::test]
async fn an_old_proof_revokes_nothing_of_another_account() {
    let world = World::new().await;
    let spy = owner(&world).await;
    world.advance(Duration::from_secs(3601));
    let alice = Client::open(&world, Signer::p256()).await;
    let certificate = enrolled(&alice, &world, ALICE, &device()).await;
    for reason in [0, 1] {
        assert_eq!(revoke(&spy, certificate, reason).await.problem(), "unauthorized");
    }
    assert_eq!(reason(&world, certificate).await, None);
    // Her own, by the account that ordered it, whenever.
    world.advance(Duration::from_secs(3601));
    revoke(&alice, certificate, 4).await.ok();
}

fn named(address: &str) -> Value {
    json!({"type": "email", "value": address})
}

/// newAuthz, anew: the address of its challenge, and its status.
async fn fresh(client: &Client) -> (String, String) {
    let proof = client.post("/new-authz", json!({"identifier": named(ALICE), "fresh": true})).await.ok().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&proof["challenges"][0]["url"]), text(&proof["status"]))
}

#[tokio::test]
async fn who_has_just_proven_control_ends_every_other_proof_of_it() {
    let world = World::new().await;
    let spy = owner(&world).await;
    let bob = Client::open(&world, Signer::p256()).await;
    bob.ready(&world, "bob@example.org").await;
    // One more code that was read, and is not typed yet.
    let reserve = Client::open(&world, Signer::p256()).await;
    let (unused, status) = fresh(&reserve).await;
    assert_eq!(status, "pending");
    reserve.post(&unused, json!({})).await.ok();
    let kept = world.code(ALICE);
    let alice = owner(&world).await;
    alice.enroll(&world, ALICE, &device()).await;
    world.advance(Duration::from_secs(3601));

    let end = json!({"identifier": ALICE});
    for client in [&alice, &spy, &bob] {
        assert_eq!(client.post("/end-proofs", end.clone()).await.problem(), "unauthorized");
    }
    let (challenge, status) = fresh(&alice).await;
    assert_eq!(status, "pending", "the one she has is an hour old");
    alice.post(&challenge, json!({})).await.ok();
    assert_eq!(fresh(&alice).await, (challenge.clone(), "pending".into()), "the one that is under way is found again");
    alice.post(&challenge, json!({"code": world.code(ALICE)})).await.ok();
    assert_eq!(fresh(&alice).await.1, "valid");
    let ended = alice.post("/end-proofs", end.clone()).await.ok().json();
    assert_eq!(ended["ended"], 2);
    assert_eq!(alice.post("/end-proofs", end.clone()).await.ok().json()["ended"], 0);

    for path in ["/watch", "/erase"] {
        assert_eq!(spy.post(path, end.clone()).await.problem(), "unauthorized");
        alice.post(path, end.clone()).await.ok();
    }
    assert_eq!(spy.order(ALICE).await.ok().text("status"), "pending");
    assert_eq!(alice.order(ALICE).await.ok().text("status"), "ready");
    assert_eq!(bob.order("bob@example.org").await.ok().text("status"), "ready");
    assert_eq!(reserve.post(&unused, json!({"code": kept})).await.problem(), "malformed");

    // What is found again as fresh is good for a quarter of an hour to come.
    world.advance(Duration::from_secs(2700));
    assert_eq!(fresh(&alice).await.1, "valid");
    world.advance(Duration::from_secs(1));
    assert_eq!(fresh(&alice).await.1, "pending");
    world.advance(Duration::from_secs(899));
    alice.post("/end-proofs", end.clone()).await.ok();
}

#[tokio::test]
async fn what_is_on_its_way_ends_with_the_proof_it_rests_on() {
    // Whoever gives up his proof first leaves none to be ended.
    for gives_it_up in [false, true] {
        let world = World::new().await;
        let spy = owner(&world).await;
        let order = spy.ready(&world, ALICE).await;
        world.log_shall(Fate::Refused);
        spy.finalize(&order, &csr(ALICE, &device())).await.ok();
        if gives_it_up {
            let proof = order["authorizations"][0].as_str().unwrap();
            spy.post(proof, json!({"status": "deactivated"})).await.ok();
        }
        let alice = owner(&world).await;
        let ended = alice.post("/end-proofs", json!({"identifier": ALICE})).await.ok().json();
        assert_eq!(ended["ended"], u64::from(!gives_it_up));
        world.log_shall(Fate::Logged);
        let world = world.restart().await;
        let spy = Client { router: world.ca.router(), ..spy };
        let status = async || spy.read(order["url"].as_str().unwrap()).await.ok().text("status");
        until("it has ended", async || status().await != "processing").await;
        assert_eq!(status().await, "invalid", "gives it up: {gives_it_up}");
    }
}

/// Two certificates on their way in her name, one of which ends with the proof it rests on: only that one is told to be none,
/// and neither is in the way of what is revoked after it.
#[tokio::test]
async fn what_never_became_a_certificate_is_told_from_what_may_become_one() {
    let world = World::new().await;
    let thief = Client::open(&world, Signer::p256()).await;
    let issued = enrolled(&thief, &world, ALICE, &device()).await;
    let alice = owner(&world).await;
    let orders = [thief.ready(&world, ALICE).await, alice.ready(&world, ALICE).await];
    world.log_shall(Fate::Refused);
    for (client, order) in [&thief, &alice].into_iter().zip(&orders) {
        client.finalize(order, &csr(ALICE, &device())).await.ok();
    }
    alice.post("/end-proofs", json!({"identifier": ALICE})).await.ok();
    let watch = alice.post("/watch", json!({"identifier": ALICE})).await.ok().json();
    let entries: Vec<_> =
        watch["logs"].as_array().unwrap().iter().flat_map(|log| log["entries"].as_array().unwrap()).collect();
    let all = Select::CertificatesOf { identifier: super::alice(), from: 0, to: u32::MAX };
    let records = world.store().certificates(all).await.unwrap();
    assert_eq!((entries.len(), records.len()), (3, 3));
    let given_up = records.iter().filter(|one| matches!(one.state, CertificateState::Abandoned { .. })).count();
    let planned = records.iter().filter(|one| matches!(one.state, CertificateState::Planned)).count();
    assert_eq!((given_up, planned), (1, 1));
    for one in &records {
        let tbs = URL_SAFE_NO_PAD.encode(&one.tbs);
        let entry = entries.iter().find(|entry| entry["tbs"] == tbs).unwrap();
        assert_eq!(entry["given_up"], matches!(one.state, CertificateState::Abandoned { .. }));
        let answer = revoke(&alice, one.serial, 1).await;
        match one.state {
            CertificateState::Abandoned { .. } => assert_eq!(answer.status, StatusCode::NOT_FOUND),
            CertificateState::Planned => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                assert!(!answer.header("retry-after").is_empty(), "that is no answer for good");
            }
            _ => assert_eq!((one.serial, answer.status), (issued, StatusCode::OK)),
        }
    }
}

/// Two requests of one account rest on one authorization, and neither is in the other's way.
#[tokio::test]
async fn two_certificates_are_asked_for_at_one_moment() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let orders = [client.ready(&world, ALICE).await, client.ready(&world, ALICE).await];
    let requests = [csr(ALICE, &device()), csr(ALICE, &device())];
    let (one, other) =
        tokio::join!(client.finalize(&orders[0], &requests[0]), client.finalize(&orders[1], &requests[1]));
    one.ok();
    other.ok();
}
