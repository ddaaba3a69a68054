use std::time::{Duration, SystemTime};

use base64::Engine as _;
use identity::Identifier;
use serde_json::{Value, json};

use super::{URL_SAFE_NO_PAD, chain, device};
use crate::store::{CertificateRecord, Change, Fault, MemoryStore, Record, Select, Store};
use crate::testing::{Client, Signer, World, csr, until};

/// The mails about another device.
fn told(world: &World) -> Vec<String> {
    let mut mails = world.mails();
    mails.retain(|mail| mail.contains("another device speaks for"));
    mails
}

/// Waits until nobody is to be told of anything any more: then every mail that was due has left.
async fn all_told(world: &World) {
    let left = async || world.store().certificates(Select::Unannounced { limit: 9 }).await.unwrap().len();
    until("all are told", async || left().await == 0).await;
}

/// Alice has a device, and an order for another one that is ready; and how many commits there have been.
async fn about_to_have_another(world: &World) -> (Client, Value, u64) {
    let client = Client::open(world, Signer::p256()).await;
    client.enroll(world, "alice@example.org", &device()).await;
    all_told(world).await;
    let order = client.ready(world, "alice@example.org").await;
    (client, order, world.store.commits())
}

#[tokio::test]
async fn an_owner_is_told_of_another_device_and_of_nothing_else() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (laptop, phone) = (device(), device());
    client.enroll(&world, "alice@example.org", &laptop).await;
    client.enroll(&world, "alice@example.org", &laptop).await;
    client.enroll(&world, "bob@example.org", &device()).await;
    all_told(&world).await;
    assert_eq!(told(&world), [""; 0]);
    client.enroll(&world, "alice@example.org", &phone).await;
    all_told(&world).await;
    let mails = told(&world);
    assert_eq!(mails.len(), 1, "{mails:?}");
    let key = hex::encode(rcgen::PublicKeyData::der_bytes(&phone));
    for words in ["To: alice@example.org", &key, "certtool revoke alice@example.org --stolen --serial"] {
        assert!(mails[0].contains(words), "no {words:?} in\n{}", mails[0]);
    }
    // Both are known now.
    client.enroll(&world, "alice@example.org", &phone).await;
    client.enroll(&world, "alice@example.org", &laptop).await;
    all_told(&world).await;
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test]
async fn an_announcement_survives_a_crash() {
    let world = World::new().await;
    let (client, order, commits) = about_to_have_another(&world).await;
    // Planned, logged, issued; then the power fails before it is noted that she was told.
    world.store.die_after(3);
    let finalized = client.finalize(&order, &csr("alice@example.org", &device())).await;
    drop((client, finalized));
    until("it could not be noted", async || world.store.commits() > commits + 3).await;
    assert_eq!(told(&world).len(), 1);
    world.store.revive();
    let world = world.restart().await;
    all_told(&world).await;
    assert_eq!(told(&world).len(), 2, "once more, for nobody knew");
}

#[tokio::test]
async fn an_owner_who_acts_while_she_is_told_is_not_told_again() {
    let world = World::new().await;
    let (client, order, commits) = about_to_have_another(&world).await;
    // Planned, logged, issued; then the certificate is changed before it is noted that she was told.
    world.store.fail_after(3, Fault::Outrun);
    client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    all_told(&world).await;
    assert_eq!((told(&world).len(), world.store.commits()), (1, commits + 5), "noted at the second attempt");
}

#[tokio::test]
async fn an_announcement_waits_until_mails_can_leave() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    client.enroll(&world, "alice@example.org", &device()).await;
    let outbox = world.folder().join("outbox");
    let (new, away) = (outbox.join("new"), outbox.join("away"));
    let drafts = outbox.join("tmp");
    let changed = || drafts.metadata().unwrap().modified().unwrap();
    let before = SystemTime::UNIX_EPOCH;
    std::fs::File::open(&drafts).unwrap().set_modified(before).unwrap();
    std::fs::rename(&new, &away).unwrap();
    client.enroll(&world, "alice@example.org", &device()).await;
    // A draft came and went.
    until("it was tried", async || changed() > before && drafts.read_dir().unwrap().next().is_none()).await;
    drop(client);
    std::fs::rename(&away, &new).unwrap();
    let world = world.restart().await;
    all_told(&world).await;
    assert_eq!(told(&world).len(), 1);
}

/// More than are under way at once to one domain.
#[tokio::test]
async fn a_busy_domain_costs_an_announcement_no_attempt() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let person = |n| Identifier::parse(&format!("p{n}@example.org")).unwrap();
    for one in (0..20).map(person) {
        client.enroll(&world, one.as_str(), &device()).await;
    }
    all_told(&world).await;
    // All at the same time, as after a failure that has passed.
    let world = world.restart_after(async |store: &MemoryStore| {
        let store: &dyn Store = store;
        for identifier in (0..20).map(person) {
            let of = Select::CertificatesOf { identifier, from: 0, to: u32::MAX };
            let record = store.certificates(of).await.unwrap().remove(0);
            let due = Change::Update(Record::Certificate(CertificateRecord { announce: true, ..record }));
            store.commit(vec![due]).await.unwrap();
        }
    });
    let world = world.await;
    // Whoever had failed would wait for this world's clock, which stands still.
    all_told(&world).await;
    assert_eq!(told(&world).len(), 20);
}

#[tokio::test]
async fn an_erasure_keeps_nobody_from_being_told() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (laptop, phone) = (device(), device());
    client.enroll(&world, "alice@example.org", &laptop).await;
    world.advance(Duration::from_secs(15 * 86_400));
    client.enroll(&world, "alice@example.org", &phone).await;
    all_told(&world).await;
    let before = told(&world).len();
    let erased = client.post("/erase", json!({"identifier": "alice@example.org"})).await.ok().json();
    assert_eq!(erased["erased"], 1);
    // Neither of a stranger's key, nor of one that is forgotten.
    for (number, key) in [(1, &device()), (2, &laptop)] {
        client.enroll(&world, "alice@example.org", key).await;
        all_told(&world).await;
        assert_eq!(told(&world).len(), before + number);
    }
}

#[tokio::test]
async fn a_thief_who_revokes_first_is_announced_all_the_same() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let laptop = device();
    let leaf = chain(&client.enroll(&world, "alice@example.org", &laptop).await).remove(0);
    client.post("/revoke-cert", json!({"certificate": URL_SAFE_NO_PAD.encode(leaf)})).await.ok();
    // Whoever revoked it: that the same key is there again she is to know; and once more is nothing new.
    for key in [&laptop, &laptop] {
        client.enroll(&world, "alice@example.org", key).await;
        all_told(&world).await;
        assert_eq!(told(&world).len(), 1);
    }
    client.enroll(&world, "alice@example.org", &device()).await;
    all_told(&world).await;
    assert_eq!(told(&world).len(), 2);
}

#[tokio::test]
async fn whoever_was_away_until_her_certificates_had_ended_is_told_all_the_same() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    client.enroll(&world, "alice@example.org", &device()).await;
    world.advance(Duration::from_secs(15 * 86_400));
    client.enroll(&world, "alice@example.org", &device()).await;
    all_told(&world).await;
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test]
async fn whoever_was_away_for_months_is_told_by_mail_and_her_own_key_is_known_still() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let laptop = device();
    client.enroll(&world, "alice@example.org", &laptop).await;
    world.advance(Duration::from_secs(60 * 86_400));
    client.enroll(&world, "alice@example.org", &laptop).await;
    all_told(&world).await;
    assert_eq!(told(&world), [""; 0], "her own");
    // Longer than keys are remembered.
    for (number, away) in [(1, 60), (2, 400)] {
        world.advance(Duration::from_secs(away * 86_400));
        client.enroll(&world, "alice@example.org", &device()).await;
        all_told(&world).await;
        assert_eq!(told(&world).len(), number, "after {away} days");
    }
}
