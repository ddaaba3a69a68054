//! An old backup, brought up to the log of a busy authority.

use std::collections::HashSet;

use identity::transparency::SLOTS;
use serde_json::json;
use transparency_log::copy::LogCopy;
use transparency_log::storage::MemoryStorage;

use super::*;
use crate::pem;
use crate::store::Serial;
use crate::testing::{Client, Fate, ORIGIN, Signer, World, csr, serial, until};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

fn device() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

fn leaf(pem: &str) -> Vec<u8> {
    let first = pem.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    pem::decode("CERTIFICATE", first).unwrap().to_vec()
}

/// The log from `first` on. Objects that `lost` names are not found.
async fn since(world: &World, first: u64, lost: impl Fn(&[u8]) -> bool) -> LoggedSince {
    let memory = &world.log.memory;
    let mut copy = LogCopy::open_on(Arc::new(MemoryStorage::new()), &memory.log_key).unwrap();
    copy.extend(memory.source()).await.unwrap();
    let entries = copy.entries(first).await.unwrap();
    let mut objects = HashMap::new();
    for (_, entry) in &entries {
        if let Entry::Object { hash, .. } = entry
            && let Some(bytes) = copy.object(hash).await.unwrap().filter(|bytes| !lost(bytes))
        {
            objects.insert(*hash, bytes);
        }
    }
    let labels = world.trust().policies()[0].authorities[0].vrf_key.0.clone();
    let labels = VrfPublicKey::from_bytes(labels.as_slice().try_into().unwrap()).unwrap();
    LoggedSince { origin: ORIGIN.into(), labels, entries, objects, lists: Vec::new() }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.is_dir() { copy_folder(&entry, &to) } else { std::fs::copy(&entry, &to).map(drop).unwrap() }
    }
}

/// What the newest lists of people show.
fn listed(world: &World) -> HashSet<Serial> {
    world.ca.people_crls_der().iter().flat_map(|der| Carried::listed(der).unwrap()).map(|one| one.serial).collect()
}

#[tokio::test]
async fn an_old_backup_uses_no_slot_twice_signs_nothing_twice_and_forgets_no_revocation() {
    let mut world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let first = leaf(&client.enroll(&world, ALICE, &device()).await);
    let revoke = async |client: &Client, der: &[u8], reason: u8| {
        use base64::Engine as _;
        let certificate = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(der);
        client.post("/revoke-cert", json!({"certificate": certificate, "reason": reason})).await.ok();
    };
    // That its key is compromised turns out after the backup.
    revoke(&client, &first, 4).await;
    // The backup catches one on its way.
    let order = client.ready(&world, ALICE).await;
    world.log_shall(Fate::Refused);
    client.finalize(&order, &csr(ALICE, &device())).await.ok();
    let before = since(&world, 0, |_| false).await.entries.len() as u64;
    let (backup, made_at) = (world.store.copy(), world.now().as_secs());
    let (folder, kept) = (world.folder().join("ca"), tempfile::tempdir().unwrap());
    copy_folder(&folder, kept.path());

    // Life goes on: it is issued, others enrol, two certificates are revoked, days pass.
    world.log_shall(Fate::Logged);
    let second = leaf(&client.download(order["url"].as_str().unwrap()).await);
    let bob = Client::open(&world, Signer::p256()).await;
    let unknown = leaf(&bob.enroll(&world, BOB, &device()).await);
    for _ in 0..SLOTS - 4 {
        client.enroll(&world, ALICE, &device()).await;
    }
    world.advance(std::time::Duration::from_secs(2 * 3600));
    revoke(&client, &first, 1).await;
    revoke(&bob, &unknown, 4).await;
    assert_eq!(listed(&world), HashSet::from([serial(&first), serial(&unknown)]));

    // The disk is lost, and the backup put in its place. Nobody runs.
    let logged = [since(&world, before, |_| false).await];
    let now = world.now();
    world.store = Arc::new(backup);
    let world = world
        .restart_after(async |store| {
            std::fs::remove_dir_all(&folder).unwrap();
            copy_folder(kept.path(), &folder);
            // Where the keys of a server lie.
            copy_folder(&folder.parent().unwrap().join("keys"), &folder.join("keys"));
            let done = recover_on(store, &folder, &logged, made_at, now).await.unwrap();
            let dynamic: &dyn Store = store;
            let none = dynamic.authorizations(Select::AllValid { after: String::new(), limit: 9 }).await.unwrap();
            assert!(done.proofs_ended > 0 && none.is_empty(), "{done:?}, {none:?}");
            assert_eq!((done.abandoned, done.revoked, done.carried, done.lists_missing), (1, 1, 1, 0), "{done:?}");
            assert_eq!(done.taken, 1 + 1 + u64::from(SLOTS - 4));
            assert_eq!((done.issuers_unknown.len(), lists_missing(&folder, &logged)), (0, 0));
            // Once more is no harm.
            let again = recover_on(store, &folder, &logged, made_at, now).await.unwrap();
            assert_eq!((again.abandoned, again.revoked, again.taken, again.proofs_ended), (0, 0, done.taken, 0));
        })
        .await;

    // What was signed since is not signed again, and the slots of then are used.
    let record = world.store().certificate(serial(&second)).await.unwrap().unwrap();
    assert!(matches!(record.state, CertificateState::Abandoned { index: Some(_) }), "{:?}", record.state);
    let client = Client { router: world.ca.router(), ..client };
    assert_eq!(client.read(order["url"].as_str().unwrap()).await.ok().text("status"), "invalid");
    for _ in 0..2 {
        client.enroll(&world, ALICE, &device()).await;
    }
    let full = client.ready(&world, ALICE).await;
    assert_eq!(client.finalize(&full, &csr(ALICE, &device())).await.problem(), "slotsExhausted");
    let entries = since(&world, 0, |_| false).await.entries;
    let labels: Vec<_> = entries
        .iter()
        .filter_map(|(_, e)| if let Entry::Certificate { label, .. } = e { Some(label) } else { None })
        .collect();
    assert_eq!(labels.iter().collect::<HashSet<_>>().len(), labels.len(), "no label stands in the log twice");

    // Revocations: known again, or carried on; also on lists to come.
    assert_eq!(listed(&world), HashSet::from([serial(&first), serial(&unknown)]));
    let revoked = world.store().certificate(serial(&first)).await.unwrap().unwrap().revoked.unwrap();
    assert_eq!(revoked.reason, 1);
    let key = KeyDigest::of_key(Certificate::parse(&first).unwrap().tbs()).unwrap();
    assert!(world.store().is_compromised(key).await.unwrap());
    world.advance(std::time::Duration::from_secs(2 * 3600));
    world.ca.service.crls.renew_if_old(crate::store::Authority::People).await.unwrap();
    until("the next list", async || listed(&world).contains(&serial(&unknown))).await;

    let trail = trail::verify(&folder.join(trail::FILE)).unwrap();
    assert_eq!(trail.counts["restored-from-backup"], 2, "{:?}", trail.counts);
    // A week later the slots are those of another period.
    world.advance(identity::transparency::PERIOD);
    let world = world.restart().await;
    let client = Client { router: world.ca.router(), ..client };
    client.enroll(&world, ALICE, &device()).await;
}

/// The books are those of a day before these certificates: each is learnt when it is presented, and revoked by whoever could
/// have before.
#[tokio::test]
async fn a_certificate_that_the_books_have_forgotten_is_revoked_when_it_is_presented() {
    use base64::Engine as _;
    let mut world = World::new().await;
    let backup = world.store.copy();
    let client = Client::open(&world, Signer::p256()).await;
    let keys = [device(), device()];
    let mut leaves = Vec::new();
    for key in &keys {
        leaves.push(leaf(&client.enroll(&world, BOB, key).await));
    }
    let foreign = World::new().await;
    let stranger = Client::open(&foreign, Signer::p256()).await;
    let foreign = leaf(&stranger.enroll(&foreign, BOB, &device()).await);
    world.store = Arc::new(backup);
    let world = world.restart_after(async |_| {}).await;
    let asked = |der: &[u8]| {
        let certificate = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(der);
        json!({"certificate": certificate, "reason": 4})
    };
    let known = async |der: &[u8]| world.store().certificate(serial(der)).await.unwrap();

    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(mallory.post("/revoke-cert", asked(&leaves[0])).await.problem(), "unauthorized");
    assert!(known(&leaves[0]).await.is_none(), "nothing is written for who may not revoke");
    let mut altered = leaves[0].clone();
    *altered.last_mut().unwrap() ^= 1;
    for none_of_ours in [&foreign, &altered] {
        assert_eq!(mallory.post("/revoke-cert", asked(none_of_ours)).await.status.as_u16(), 404);
    }
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&keys[0].serialize_der()).unwrap();
    let by_key = Client::new(&world, Signer::Ed25519(pair));
    by_key.post("/revoke-cert", asked(&leaves[0])).await.ok();
    let by_address = Client::open(&world, Signer::p256()).await;
    by_address.ready(&world, BOB).await;
    by_address.post("/revoke-cert", asked(&leaves[1])).await.ok();
    assert_eq!(listed(&world), leaves.iter().map(|der| serial(der)).collect());
    // Learnt for good: the watch opens it, and its slot is used.
    let opened = by_address.post("/watch", json!({"identifier": BOB})).await.ok().json();
    assert_eq!(opened["logs"][0]["entries"].as_array().unwrap().len(), 2);
    assert_ne!(known(&leaves[0]).await.unwrap().index(), known(&leaves[1]).await.unwrap().index());
    assert_eq!(by_address.post("/revoke-cert", asked(&leaves[1])).await.problem(), "alreadyRevoked");
}

#[tokio::test]
async fn the_newest_of_each_list_must_be_there() {
    let world = World::new().await;
    let folder = world.folder().join("ca");
    let kept = tempfile::tempdir().unwrap();
    copy_folder(&folder, kept.path());
    let before = since(&world, 0, |_| false).await.entries.len() as u64;
    for _ in 0..3 {
        world.advance(std::time::Duration::from_secs(2 * 3600));
        for authority in [crate::store::Authority::People, crate::store::Authority::Services] {
            world.ca.service.crls.renew_if_old(authority).await.unwrap();
        }
    }
    let all = since(&world, before, |_| false).await;
    let lists: Vec<_> =
        objects(std::slice::from_ref(&all), ObjectKind::Crl).map(|(_, der)| der.unwrap().clone()).collect();
    assert!(lists.len() >= 6, "{}", lists.len());
    let count = async |lost: &[Vec<u8>]| {
        let some = since(&world, before, |bytes| lost.iter().any(|lost| lost == bytes)).await;
        lists_missing(kept.path(), &[some])
    };
    assert_eq!(count(&[]).await, 0);
    assert_eq!(count(&lists[..lists.len() - 2]).await, 0, "the newest of both are there");
    assert_eq!(count(&lists[lists.len() - 1..]).await, 1);
    assert!(count(&lists[..lists.len() - 1]).await > 0, "one of the two is not");
    assert_eq!(count(&lists).await, lists.len() as u64);
    // Those that were brought without their entries.
    let brought = |lists: &[Vec<u8>]| LoggedSince { objects: HashMap::new(), lists: lists.to_vec(), ..all };
    assert_eq!(lists_missing(kept.path(), &[brought(&lists[lists.len() - 2..])]), 0);
}

#[test]
fn taken_labels_are_read_back_until_their_period_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |seconds: u64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let week = identity::transparency::PERIOD.as_secs();
    assert!(!TakenLabels::read(folder.path(), at(0)).unwrap().matter(at(0)));
    assert_eq!(TakenLabels::add(folder.path(), [[1; 32]].into_iter(), at(week + 5)).unwrap(), 1);
    assert_eq!(TakenLabels::add(folder.path(), [[1; 32], [2; 32]].into_iter(), at(week + 6)).unwrap(), 2);
    let taken = TakenLabels::read(folder.path(), at(week + 7)).unwrap();
    assert!(taken.matter(at(week + 7)) && taken.contain(&[2; 32]) && !taken.contain(&[3; 32]));
    assert!(!taken.matter(at(2 * week)));
    assert!(!TakenLabels::read(folder.path(), at(2 * week)).unwrap().contain(&[1; 32]));
    std::fs::write(folder.path().join("taken-labels"), "inperson-taken-labels-v1 99999999999\nzz\n").unwrap();
    assert!(TakenLabels::read(folder.path(), at(week)).is_err(), "damaged");
}
