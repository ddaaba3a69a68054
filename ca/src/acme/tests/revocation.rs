use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::verify::verify_person;
use serde_json::{Value, json};

use super::{chain, device};
use crate::store::{Fault, Select};
use crate::testing::{Client, Fate, Signer, World, csr, until};

fn revoke(leaf: &[u8], reason: u8) -> Value {
    json!({"certificate": URL_SAFE_NO_PAD.encode(leaf), "reason": reason})
}

#[tokio::test]
async fn an_owner_revokes_and_the_list_says_so_at_once() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let chain = chain(&client.enroll(&world, "alice@example.org", &device()).await);
    let trust = world.trust();
    let person = verify_person(&chain, &trust, world.now()).unwrap();
    trust.install_crl(&client.get("/crl/people.crl").await.ok().body, world.now()).unwrap();
    assert!(format!("{:?}", trust.revocation(&person, world.now())).starts_with("Good"));

    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(mallory.post("/revoke-cert", revoke(&chain[0], 1)).await.problem(), "unauthorized");
    assert_eq!(client.post("/revoke-cert", revoke(&chain[0], 2)).await.problem(), "badRevocationReason");
    client.post("/revoke-cert", revoke(&chain[0], 1)).await.ok();
    assert_eq!(client.post("/revoke-cert", revoke(&chain[0], 1)).await.problem(), "alreadyRevoked");
    trust.install_crl(&client.get("/crl/people.crl").await.ok().body, world.now()).unwrap();
    assert!(format!("{:?}", trust.revocation(&person, world.now())).starts_with("Revoked"));
}

#[tokio::test]
async fn a_revocation_is_not_refused_because_the_certificate_was_just_noted_as_announced() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    for reason in [0, 1] {
        let chain = chain(&client.enroll(&world, "alice@example.org", &device()).await);
        // Of the second device she is told by mail.
        let left = async || !world.store().certificates(Select::Unannounced { limit: 9 }).await.unwrap().is_empty();
        until("she is told", async || !left().await).await;
        let commits = world.store.commits();
        world.store.fail_after(0, Fault::Outrun);
        client.post("/revoke-cert", revoke(&chain[0], reason)).await.ok();
        assert_eq!(world.store.commits(), commits + 2, "at the second attempt");
        assert_eq!(client.post("/revoke-cert", revoke(&chain[0], reason)).await.problem(), "alreadyRevoked");
    }
}

#[tokio::test]
async fn the_certificates_own_key_revokes_and_so_does_who_controls_the_address() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    for by_key in [true, false] {
        let device = device();
        let chain = chain(&client.enroll(&world, "alice@example.org", &device).await);
        let revoker = if by_key {
            let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&device.serialize_der()).unwrap();
            Client::new(&world, Signer::Ed25519(pair))
        } else {
            // A stolen device: a new account, the mailed code suffices.
            let other = Client::open(&world, Signer::p256()).await;
            other.ready(&world, "alice@example.org").await;
            other
        };
        revoker.post("/revoke-cert", revoke(&chain[0], 0)).await.ok();
    }
}

#[tokio::test]
async fn after_a_key_compromise_neither_the_key_nor_the_account_beside_it_gets_a_certificate() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let stolen = device();
    let first = chain(&client.enroll(&world, "alice@example.org", &stolen).await);
    let before = client.ready(&world, "alice@example.org").await;
    let other = Client::open(&world, Signer::p256()).await;
    other.ready(&world, "alice@example.org").await;
    other.post("/revoke-cert", revoke(&first[0], 1)).await.ok();

    // The thief has the account key and the device key: the code must be read from the mailbox again.
    assert_eq!(client.order("alice@example.org").await.ok().text("status"), "pending");
    let asked = csr("alice@example.org", &stolen);
    assert_eq!(client.finalize(&before, &asked).await.problem(), "orderNotReady");
    let watch = client.post("/watch", json!({"identifier": "alice@example.org"})).await;
    assert_eq!(watch.problem(), "unauthorized");
    // The account that revoked keeps what it has proven, yet not even there the key is taken again.
    for account in [&other, &client] {
        let order = account.ready(&world, "alice@example.org").await;
        assert_eq!(account.finalize(&order, &asked).await.problem(), "badCSR");
        account.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    }
}

#[tokio::test]
async fn any_other_reason_leaves_the_authorization_and_the_key() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let device = device();
    let first = chain(&client.enroll(&world, "alice@example.org", &device).await);
    client.post("/revoke-cert", revoke(&first[0], 4)).await.ok();
    client.enroll(&world, "alice@example.org", &device).await;
    // She may be told of the key that came back, at a moment of its own; a code was sent once.
    let codes = world.mails().iter().filter(|mail| mail.contains("your code for")).count();
    assert_eq!(codes, 1);
}

#[tokio::test]
async fn both_lists_are_there_from_the_beginning() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::p256());
    for (path, der) in [
        ("/crl/people.crl", world.ca.people_crls_der()[0].to_vec()),
        ("/crl/services.crl", world.ca.services_crl_der()),
    ] {
        let answer = client.get(path).await.ok();
        assert_eq!((answer.header("content-type").as_str(), &answer.body), ("application/pkix-crl", &der));
        world.trust().install_crl(&der, world.now()).unwrap();
    }
}

#[tokio::test]
async fn who_lost_the_device_revokes_by_the_serial_number_that_the_watch_tells() {
    let world = World::new().await;
    let stolen = Client::open(&world, Signer::p256()).await;
    let leaf = chain(&stolen.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let owner = Client::open(&world, Signer::p256()).await;
    let serial = identity::certificate::Certificate::parse(&leaf).unwrap().tbs().serial_hex();
    let by_serial = |serial: &str| json!({"serial": serial, "reason": 1});
    assert_eq!(owner.post("/revoke-cert", by_serial(&serial)).await.problem(), "unauthorized");
    let asked = json!({"identifier": {"type": "email", "value": "alice@example.org"}});
    let proof = owner.post("/new-authz", asked).await.ok().json();
    let challenge = proof["challenges"][0]["url"].as_str().unwrap().to_owned();
    owner.post(&challenge, json!({})).await.ok();
    owner.post(&challenge, json!({"code": world.code("alice@example.org")})).await.ok();
    let seen = owner.post("/watch", json!({"identifier": "alice@example.org"})).await.ok().json();
    let tbs = URL_SAFE_NO_PAD.decode(seen["logs"][0]["entries"][0]["tbs"].as_str().unwrap()).unwrap();
    assert_eq!(identity::certificate::Tbs::decode(&tbs).unwrap().serial_hex(), serial);
    for (wrong, problem) in [
        (json!({}), "malformed"),
        (json!({"serial": "xyz"}), "malformed"),
        (json!({"serial": serial, "certificate": URL_SAFE_NO_PAD.encode(&leaf)}), "malformed"),
        (by_serial(&"40".repeat(16)), "malformed"),
    ] {
        assert_eq!(owner.post("/revoke-cert", wrong).await.problem(), problem);
    }
    owner.post("/revoke-cert", by_serial(&serial)).await.ok();
    assert_eq!(owner.post("/revoke-cert", by_serial(&serial)).await.problem(), "alreadyRevoked");
    assert_eq!(stolen.order("alice@example.org").await.ok().text("status"), "pending");
}

#[tokio::test]
async fn a_revocation_whose_list_could_not_be_made_is_not_done_until_it_is_shown() {
    for restart in [false, true] {
        let world = World::new().await;
        let client = Client::open(&world, Signer::p256()).await;
        let chain = chain(&client.enroll(&world, "alice@example.org", &device()).await);
        let person = verify_person(&chain, &world.trust(), world.now()).unwrap();
        let revoked = |world: &World| {
            let trust = world.trust();
            trust.install_crl(&world.ca.people_crls_der()[0], world.now()).unwrap();
            format!("{:?}", trust.revocation(&person, world.now())).starts_with("Revoked")
        };
        world.log_shall_with_objects(Fate::Refused);
        for _ in 0..2 {
            assert_eq!(client.post("/revoke-cert", revoke(&chain[0], 1)).await.problem(), "serverInternal");
        }
        assert!(!revoked(&world));
        world.log_shall_with_objects(Fate::Logged);
        let world = if restart {
            drop(client);
            world.restart().await
        } else {
            assert_eq!(client.post("/revoke-cert", revoke(&chain[0], 1)).await.problem(), "alreadyRevoked");
            world
        };
        assert!(revoked(&world), "restart: {restart}");
    }
}
