//! The hand-over from one log to the next, with the clock advanced.

use std::time::Duration;

use identity::certificate::Certificate;
use identity::transparency::SLOTS;
use serde_json::{Value, json};
use transparency_log::testing::MemoryLog;

use super::*;
use crate::store::{CertificateState, Select};
use crate::testing::{Client, Fate, Signer, World, csr, until};
use crate::trail;

const NEXT: &str = "localhost/log/2027";
const DAY: Duration = Duration::from_secs(86_400);
const ALICE: &str = "alice@example.org";

fn device() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

/// The log that a certificate names.
fn log_of(pem: &str) -> String {
    let der = crate::pem::decode("CERTIFICATE", pem.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap());
    let leaf = Certificate::parse(&der.unwrap()).unwrap();
    leaf.tbs().transparency().unwrap().unwrap().origin
}

/// A second log that takes certificates in ten days, announced; and the first one's end.
async fn announced(world: &World) -> MemoryLog {
    let clock = Arc::clone(&world.clock);
    let log = MemoryLog::open(NEXT, Arc::new(move || clock().as_secs())).await;
    let begins = world.now().as_secs() + 10 * DAY.as_secs();
    let key = LabelKey::open_or_make(&world.folder().join("keys/vrf-2027.key.pem")).unwrap();
    let window = LogWindow { opens: Some(begins - 300), closes: None };
    let labels = key.public().clone();
    let sequencer = Arc::new(log.sequencer.clone());
    let shard = Shard::new(NEXT, log.policy.clone(), sequencer, window, labels, Some(key));
    world.ca.shards().add(shard).unwrap();
    let first = world.ca.shards().all()[0].origin().to_owned();
    world.ca.shards().set_window(&first, LogWindow { opens: None, closes: Some(begins + 90_000) });
    log
}

async fn watched(client: &Client) -> Vec<(String, usize, usize)> {
    let answer = client.post("/watch", json!({"identifier": ALICE})).await.ok().json();
    let count = |log: &Value, what: &str| log[what].as_array().unwrap().len();
    let logs = answer["logs"].as_array().unwrap().iter();
    logs.map(|log| (log["origin"].as_str().unwrap().to_owned(), count(log, "labels"), count(log, "entries"))).collect()
}

#[tokio::test]
async fn certificates_go_into_the_log_whose_time_it_is_and_a_closed_logs_label_key_is_destroyed() {
    let world = World::new().await;
    let first = world.ca.shards().all()[0].origin().to_owned();
    let file = label_file(&world);
    let next = announced(&world).await;
    let client = Client::open(&world, Signer::p256()).await;
    assert_eq!(log_of(&client.enroll(&world, ALICE, &device()).await), first, "announced is not begun");
    // One more is planned, and cannot be logged before the hand-over.
    world.advance(DAY * 10 - Duration::from_secs(1));
    let order = client.ready(&world, ALICE).await;
    world.log_shall(Fate::Refused);
    client.finalize(&order, &csr(ALICE, &device())).await.ok();
    world.advance(Duration::from_secs(1));
    assert_eq!(log_of(&client.enroll(&world, ALICE, &device()).await), NEXT);
    world.log_shall(Fate::Logged);
    let late = client.download(order["url"].as_str().unwrap()).await;
    assert_eq!(log_of(&late), first, "what was planned for a log stays with it");

    let both = watched(&client).await;
    let [(old, old_labels, 2), (new, new_labels, 1)] = &both[..] else { panic!("{both:?}") };
    assert_eq!((old.as_str(), new.as_str()), (first.as_str(), NEXT));
    assert!(*old_labels >= usize::from(SLOTS) && *new_labels >= usize::from(SLOTS), "{both:?}");

    // A newer list of revoked certificates stands in the newer log.
    let before = next.sequencer.checkpoint();
    world.advance(Duration::from_secs(2 * 3600));
    world.ca.service.crls.renew_if_old(crate::store::Authority::People).await.unwrap();
    assert_ne!(next.sequencer.checkpoint(), before);

    let retires = world.ca.shards().all()[0].window().retires().unwrap();
    world.advance(Duration::from_secs(retires.as_secs() - world.now().as_secs() - 1));
    let issuer = &world.ca.service.issuer;
    assert_eq!((retire::retire(issuer).await.unwrap(), file.exists()), (0, true), "a second before its time");
    world.advance(Duration::from_secs(1));
    // An attempt that failed after the new name was on disk is taken up.
    let leftover = file.with_added_extension("destroyed");
    std::fs::rename(&file, &leftover).unwrap();
    assert_eq!((retire::retire(issuer).await.unwrap(), file.exists(), leftover.exists()), (1, false, false));
    assert_eq!(retire::retire(issuer).await.unwrap(), 0, "once");
    assert!(world.ca.shards().all()[0].is_retired() && !world.ca.shards().all()[1].is_retired());
    assert!(watched(&client).await.iter().all(|(origin, ..)| origin == NEXT), "nobody needs the old labels");

    let trail_file = world.folder().join("ca").join(trail::FILE);
    trail::verify(&trail_file).unwrap();
    let text = std::fs::read_to_string(&trail_file).unwrap();
    let told: Vec<_> = text.lines().filter(|line| line.contains("label-key-")).collect();
    assert!(told.len() == 2 && told[0].contains("label-key-to-be-destroyed"), "{told:?}");
    assert!(told[1].contains("label-key-destroyed") && told[1].contains(&first), "{told:?}");
    // Without the key the authority opens again, and certifies.
    let world = world.restart().await;
    assert!(world.ca.shards().all()[0].is_retired());
}

fn label_file(world: &World) -> std::path::PathBuf {
    world.folder().join("keys").join(crate::keys::LABEL_KEY)
}

#[tokio::test]
async fn a_log_that_does_not_come_after_the_last_is_refused() {
    let world = World::new().await;
    let log = announced(&world).await;
    let key = || LabelKey::open_or_make(&world.folder().join("keys/another.pem")).unwrap();
    let add = |origin: &str, opens| {
        let window = LogWindow { opens: Some(opens), closes: None };
        let sequencer = Arc::new(log.sequencer.clone());
        let labels = key().public().clone();
        world.ca.shards().add(Shard::new(origin, log.policy.clone(), sequencer, window, labels, Some(key())))
    };
    assert!(add(NEXT, u64::MAX / 2).is_err(), "there already");
    assert!(add("localhost/log/2028", world.now().as_secs()).is_err(), "before the last");
    add("localhost/log/2028", world.now().as_secs() + 400 * DAY.as_secs()).unwrap();
}

#[tokio::test]
async fn a_log_that_was_struck_takes_nothing_at_any_time() {
    let world = World::new().await;
    let _next = announced(&world).await;
    let shards = world.ca.shards();
    let (first, begins) = (shards.all()[0].origin().to_owned(), world.now().as_secs() + 10 * DAY.as_secs());
    let begins = UnixTime::since_unix_epoch(Duration::from_secs(begins));
    let taking = |time| shards.at(time).origin().to_owned();
    assert_eq!((taking(world.now()), taking(begins)), (first.clone(), NEXT.to_owned()));
    shards.all()[1].strike();
    assert_eq!(taking(begins), first, "one that was announced and struck does not begin");
    shards.all()[0].strike();
    assert_eq!(taking(world.now()), first, "there is no other");
}

#[tokio::test]
async fn what_stands_in_a_log_that_was_struck_since_is_not_signed() {
    let world = World::new().await;
    let _next = announced(&world).await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, ALICE).await;
    // Planned and logged; the third write would be the certificate.
    world.store.die_after(2);
    client.finalize(&order, &csr(ALICE, &device())).await.ok();
    let open = || world.store().certificates(Select::Unfinished { limit: 9 });
    let [record] = open().await.unwrap().try_into().unwrap();
    assert!(matches!(record.state, CertificateState::Logged { .. }), "{:?}", record.state);
    world.advance(DAY * 10);
    world.ca.shards().all()[0].strike();
    world.store.revive();
    until("it is given up", async || open().await.unwrap().is_empty()).await;
    let order = client.read(order["url"].as_str().unwrap()).await.ok().json();
    assert_eq!(order["status"], "invalid");
    assert!(order["error"]["detail"].as_str().unwrap().contains("new order"), "{order}");
    assert_eq!(log_of(&client.enroll(&world, ALICE, &device()).await), NEXT);
}

#[test]
fn a_label_key_is_made_once_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shards/2027/vrf.key.pem");
    assert!(LabelKey::open(&file).unwrap().is_none());
    let made = LabelKey::open_or_make(&file).unwrap();
    assert_eq!(LabelKey::open(&file).unwrap().unwrap().public(), made.public());
    assert_eq!(LabelKey::open_or_make(&file).unwrap().public(), made.public());
    assert!(!format!("{made:?}").contains("SECRET"));
    std::fs::write(&file, "-----BEGIN IN PERSON SECRET-----\nAAAA\n-----END IN PERSON SECRET-----\n").unwrap();
    assert!(matches!(LabelKey::open(&file), Err(LabelKeyError::Content { .. })));
}

#[test]
fn a_label_key_whose_end_a_crash_interrupted_is_none_and_its_leftover_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vrf.key.pem");
    let leftover = folder.path().join("vrf.key.pem.destroyed");
    LabelKey::open_or_make(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    // Renamed; then overwritten, too.
    for content in [whole.clone(), vec![0; whole.len()]] {
        std::fs::rename(&file, &leftover).or_else(|_| std::fs::write(&leftover, &content)).unwrap();
        assert!(LabelKey::open(&file).unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
