//! Faults at every write and every answer: no certificate without a log entry, nothing logged twice, every order
//! resumed or abandoned.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tlog_proof::Proof;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::StartError;
use crate::store::{CertificateState, Change, Fault, KeyDigest, Record, Select};
use crate::testing::{Client, Fate, ORIGIN, Signer, World, csr, until};

fn device() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

async fn unfinished(world: &World) -> usize {
    world.store().certificates(Select::Unfinished { limit: 100 }).await.unwrap().len()
}

fn distinct_entries(world: &World) -> usize {
    world.submitted().into_iter().collect::<HashSet<_>>().len()
}

/// The writes of a finalization: the plan, the proof, the certificate. Each fails once, before or after it was
/// persisted.
#[tokio::test]
async fn a_fault_at_any_write_costs_nothing_but_time() {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        for write in 0..3 {
            let world = World::new().await;
            let client = Client::open(&world, Signer::p256()).await;
            let order = client.ready(&world, "alice@example.org").await;
            let csr = csr("alice@example.org", &device());
            world.store.fail_after(write, fault);
            let answer = client.finalize(&order, &csr).await;
            let world = if write == 0 {
                assert_eq!(answer.problem(), "serverInternal");
                // If the plan was persisted nobody drives it: a restart does.
                world.restart().await
            } else {
                world
            };
            let client = Client { router: world.ca.router(), ..client };
            if write == 0 && fault == Fault::NotPersisted {
                client.finalize(&order, &csr).await.ok();
            }
            client.download(order["url"].as_str().unwrap()).await;
            assert_eq!((unfinished(&world).await, distinct_entries(&world)), (0, 1), "write {write}, {fault:?}");
        }
    }
}

/// The process dies with the certificate in the store's states "planned" and "logged".
#[tokio::test]
async fn a_crash_between_any_two_steps_is_resumed_with_the_identical_entry() {
    for fate in [Fate::Refused, Fate::AnswerLost] {
        let world = World::new().await;
        let client = Client::open(&world, Signer::p256()).await;
        let order = client.ready(&world, "alice@example.org").await;
        world.log_shall(fate);
        let answer = client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
        assert_eq!(answer.text("status"), "processing");
        assert_eq!(answer.header("retry-after"), "1");
        world.log_shall(Fate::Logged);
        let world = world.restart().await;
        let client = Client { router: world.ca.router(), ..client };
        client.download(order["url"].as_str().unwrap()).await;
        assert_eq!(distinct_entries(&world), 1, "{fate:?}");
        assert!(world.submitted().len() > 1);
    }
}

#[tokio::test]
async fn the_proof_that_was_persisted_is_the_one_that_is_signed() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    // The third write would be the certificate.
    world.store.die_after(2);
    client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    let [record] = world.store().certificates(Select::Unfinished { limit: 9 }).await.unwrap().try_into().unwrap();
    let CertificateState::Logged { proof, .. } = &record.state else { panic!("not logged: {:?}", record.state) };
    let checkpoint = Proof::parse(proof).unwrap().checkpoint;
    // The log grows before the next start.
    world.store.revive();
    let other = Client::open(&world, Signer::p256()).await;
    other.enroll(&world, "bob@example.org", &device()).await;
    let world = world.restart().await;
    let client = Client { router: world.ca.router(), ..client };
    client.download(order["url"].as_str().unwrap()).await;
    let done = world.store().certificate(record.serial).await.unwrap().unwrap();
    let CertificateState::Issued { certificate, .. } = &done.state else { panic!("not issued") };
    let extension =
        identity::certificate::Certificate::parse(certificate).unwrap().tbs().transparency().unwrap().unwrap();
    assert_eq!(checkpoint.lines().nth(1).unwrap(), extension.tree_size.to_string());
}

#[tokio::test]
async fn what_is_not_logged_within_a_day_is_abandoned_and_can_be_opened() {
    for fate in [Fate::Refused, Fate::AnswerLost] {
        let world = World::new().await;
        let client = Client::open(&world, Signer::p256()).await;
        let order = client.ready(&world, "alice@example.org").await;
        world.log_shall(fate);
        client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
        world.advance(Duration::from_secs(86_401));
        world.log_shall(Fate::Logged);
        let world = world.restart().await;
        let client = Client { router: world.ca.router(), ..client };
        until("it is abandoned", async || unfinished(&world).await == 0).await;
        let answer = client.read(order["url"].as_str().unwrap()).await.ok().json();
        assert_eq!(answer["status"], "invalid");
        assert!(answer["error"]["detail"].as_str().unwrap().contains("new order"));
        let opened = client.post("/watch", serde_json::json!({"identifier": "alice@example.org"})).await.ok().json();
        assert_eq!(opened["logs"][0]["entries"].as_array().unwrap().len(), 1);
        // A new order goes through, in another slot.
        client.enroll(&world, "alice@example.org", &device()).await;
    }
}

/// Its key is reported at the very moment of the plan, so that nobody finds the plan to give it up.
#[tokio::test]
async fn nothing_is_signed_for_a_key_that_is_compromised_by_then() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    world.log_shall(Fate::Refused);
    client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    let [planned] = world.store().certificates(Select::Unfinished { limit: 9 }).await.unwrap().try_into().unwrap();
    let reported = Change::Insert(Record::CompromisedKey(planned.key().unwrap()));
    world.store().commit(vec![reported]).await.unwrap();
    world.log_shall(Fate::Logged);
    until("it is given up", async || unfinished(&world).await == 0).await;
    let given_up = world.store().certificate(planned.serial).await.unwrap().unwrap();
    assert!(matches!(given_up.state, CertificateState::Abandoned { index: Some(_) }), "{:?}", given_up.state);
    assert_eq!(client.read(order["url"].as_str().unwrap()).await.ok().text("status"), "invalid");
}

#[tokio::test]
async fn a_service_whose_key_is_compromised_is_refused_before_anything_is_logged() {
    let world = World::new().await;
    let key = device();
    let spki_der = rcgen::PublicKeyData::subject_public_key_info(&key);
    let plan = async || {
        let profile = identity::profile::Profile::component();
        world.ca.service.issuer.plan_service("localhost", profile, &spki_der).await.map(drop)
    };
    let before = unfinished(&world).await;
    let reported = Change::Insert(Record::CompromisedKey(KeyDigest::of(&spki_der)));
    world.store().commit(vec![reported]).await.unwrap();
    let refused = plan().await.unwrap_err();
    assert!(matches!(refused, StartError::Compromised), "{refused}");
    assert_eq!(unfinished(&world).await, before, "nothing is planned, so nothing gets into the log");
}

#[tokio::test]
async fn a_service_gets_a_certificate_that_verifies_and_keeps_it() {
    let world = World::new().await;
    let (chain, _) = world.ca.issue_service("localhost").await.unwrap();
    identity::verify::verify_service(&chain, "localhost", &world.trust(), world.now()).unwrap();
    assert!(world.ca.issue_service("Not A Name").await.is_err());
    world.ca.service_resolver("localhost").await.unwrap();
    let entries = world.submitted().len();
    let world = world.restart().await;
    world.ca.service_resolver("localhost").await.unwrap();
    assert_eq!(world.submitted().len(), entries);
    world.advance(Duration::from_secs(15 * 86_400));
    world.ca.service_resolver("localhost").await.unwrap();
    assert_eq!(world.submitted().len(), entries + 1);
}

#[tokio::test]
async fn a_log_that_is_away_keeps_no_server_from_starting_and_no_key_is_lost_over_it() {
    let world = World::new().await;
    world.ca.service_resolver("localhost").await.unwrap();
    let (kept, entries) = (world.folder().join("ca/services/localhost.pem"), world.submitted().len());
    let before = std::fs::read(&kept).unwrap();
    world.log_shall(Fate::Refused);
    let world = world.restart().await;
    // More than half of its 30 days are over; it has not ended.
    world.advance(Duration::from_secs(20 * 86_400));
    tokio::time::pause();
    world.ca.service_resolver("localhost").await.unwrap();
    tokio::time::resume();
    assert_eq!(std::fs::read(&kept).unwrap(), before);
    world.log_shall(Fate::Logged);
    until("it is renewed", async || std::fs::read(&kept).unwrap() != before).await;
    let submitted = world.submitted();
    assert!(submitted.len() > entries + 2, "it was tried again and again");
    assert!(submitted[entries..].iter().all(|entry| *entry == submitted[entries]), "with one key and one plan");
    // One that has ended serves nobody: then the log is needed.
    world.log_shall(Fate::Refused);
    world.advance(Duration::from_secs(31 * 86_400));
    assert!(world.ca.service_resolver("localhost").await.is_err());
}

/// Stands before a signer, and lets what it is asked to prove wait until there is a permit for it.
async fn slow_signer(
    at: std::path::PathBuf,
    signer: std::path::PathBuf,
    permits: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
) {
    const PROVE: u8 = 1;
    let listener = UnixListener::bind(at).unwrap();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = UnixStream::connect(&signer).await.unwrap();
        let (permits, asked) = (Arc::clone(&permits), Arc::clone(&asked));
        tokio::spawn(async move {
            // Of either side: two bytes of length, and as many as they say.
            while let Ok(length) = near.read_u16().await {
                let mut frame = vec![0; length.into()];
                near.read_exact(&mut frame).await.unwrap();
                if frame[0] == PROVE {
                    asked.fetch_add(1, Ordering::SeqCst);
                    permits.acquire().await.unwrap().forget();
                }
                far.write_u16(length).await.unwrap();
                far.write_all(&frame).await.unwrap();
                let length = far.read_u16().await.unwrap();
                let mut frame = vec![0; length.into()];
                far.read_exact(&mut frame).await.unwrap();
                near.write_u16(length).await.unwrap();
                near.write_all(&frame).await.unwrap();
            }
        });
    }
}

/// Two front ends; the label key of one lies in a signer that takes its time, in which the other certifies another device.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_is_told_of_a_device_that_came_second_while_a_signer_took_its_time() {
    let world = World::new().await;
    let (keys, vault) = (world.folder().join("keys"), world.folder().join("vault"));
    std::fs::create_dir(&vault).unwrap();
    std::fs::rename(keys.join("vrf.key.pem"), vault.join("vrf.key.pem")).unwrap();
    let (quick, slow) = (vault.join("quick"), vault.join("slow"));
    std::fs::write(keys.join("vrf.signer"), format!("{}\n", slow.display())).unwrap();
    let key = crate::LabelKey::open(&vault.join("vrf.key.pem")).unwrap().unwrap();
    let listener = crate::shards::signer::bind(&quick, false).unwrap();
    let _signer = tokio::spawn(crate::shards::signer::serve(listener, key, ORIGIN, Default::default()));
    let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let _proxy = tokio::spawn(slow_signer(slow.clone(), quick, Arc::clone(&permits), Arc::clone(&asked)));
    until("somebody listens", async || slow.exists()).await;
    let other = world.front_end(Arc::<crate::store::MemoryStore>::clone(&world.store), "other", |_| {}).await;

    let client = Client::open(&world, Signer::ed25519(7)).await;
    let orders = [client.ready(&world, "alice@example.org").await, client.ready(&world, "alice@example.org").await];
    let there = Client { router: other.router(), key: Signer::ed25519(7), account: client.account.clone() };
    let (first, second) = (csr("alice@example.org", &device()), csr("alice@example.org", &device()));
    let meanwhile = async {
        until("the signer is asked", async || asked.load(Ordering::SeqCst) > 0).await;
        client.finalize(&orders[0], &first).await.ok();
        client.download(orders[0]["url"].as_str().unwrap()).await;
        permits.add_permits(Semaphore::MAX_PERMITS);
    };
    let (finalized, ()) = tokio::join!(there.finalize(&orders[1], &second), meanwhile);
    finalized.ok();
    client.download(orders[1]["url"].as_str().unwrap()).await;
    let told = || world.mails().iter().filter(|mail| mail.contains("another device speaks for")).count();
    until("she is told", async || told() == 1).await;
    other.stop().await;
}
