//! Revocation lists in parts.

use identity::certificate::Certificate;
use identity::trust::{Revocation, Trust};
use identity::verify::{VerifiedPerson, verify_person};
use serde_json::json;

use super::{chain, device};
use crate::store::Fault;
use crate::testing::{BASE, Client, Fate, Signer, World};

fn list_url(leaf: &[u8]) -> String {
    Certificate::parse(leaf).unwrap().tbs().crl_urls().remove(0)
}

/// A verified person, and what the list that her certificate names says of her.
struct Met {
    person: VerifiedPerson,
    leaf: Vec<u8>,
    trust: Trust,
}

impl Met {
    async fn enroll(world: &World, client: &Client, address: &str) -> Self {
        let chain = chain(&client.enroll(world, address, &device()).await);
        let trust = world.trust();
        Self { person: verify_person(&chain, &trust, world.now()).unwrap(), leaf: chain[0].to_vec(), trust }
    }

    async fn revocation(&self, world: &World, client: &Client) -> Revocation {
        let url = list_url(&self.leaf);
        let der = client.get(url.strip_prefix(BASE).unwrap()).await.ok().body;
        self.trust.install_crl_of(&url, &der, world.now()).unwrap();
        self.trust.revocation(&self.person, world.now())
    }
}

async fn enroll_all(world: &World, client: &Client, names: std::ops::Range<u32>) -> Vec<Met> {
    let mut all = Vec::new();
    for n in names {
        all.push(Met::enroll(world, client, &format!("p{n}@example.org")).await);
    }
    all
}

fn revoke(leaf: &[u8]) -> serde_json::Value {
    json!({"serial": Certificate::parse(leaf).unwrap().tbs().serial_hex(), "reason": 0})
}

#[tokio::test]
async fn each_certificate_names_its_part_and_those_from_before_keep_their_list() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let before = enroll_all(&world, &client, 0..2).await;
    assert!(before.iter().all(|met| list_url(&met.leaf) == format!("{BASE}/crl/people.crl")));
    for (met, good) in before.iter().zip([true, false]) {
        if !good {
            client.post("/revoke-cert", revoke(&met.leaf)).await.ok();
        }
        assert_eq!(met.revocation(&world, &client).await == Revocation::Revoked, !good);
    }

    let world = world.restart_with(|config| config.crl_shards = 4).await;
    let client = Client { router: world.ca.router(), ..client };
    assert_eq!(world.ca.people_crls_der().len(), 5);
    let after = enroll_all(&world, &client, 2..10).await;
    let places: std::collections::BTreeSet<_> = after.iter().map(|met| list_url(&met.leaf)).collect();
    assert!(places.len() > 1 && places.iter().all(|url| url.starts_with(&format!("{BASE}/crl/people/"))), "{places:?}");
    let lists = world.ca.people_crls_der();
    let [revoked, good @ ..] = after.as_slice() else { panic!("nobody") };
    client.post("/revoke-cert", revoke(&revoked.leaf)).await.ok();
    let changed = world.ca.people_crls_der().iter().zip(&lists).filter(|(new, old)| new != old).count();
    assert_eq!(changed, 1, "the others are not made anew");
    assert_eq!(revoked.revocation(&world, &client).await, Revocation::Revoked);
    for met in good {
        assert!(matches!(met.revocation(&world, &client).await, Revocation::Good { .. }));
    }
    // The list from before speaks for its own certificates alone, also to those who meet it for the first time.
    for (met, good) in before.into_iter().zip([true, false]) {
        let met = Met { trust: world.trust(), ..met };
        assert_eq!(met.revocation(&world, &client).await == Revocation::Revoked, !good);
    }
    let whole = client.get("/crl/people.crl").await.ok().body;
    assert_eq!(world.trust().install_crl(&whole, world.now()).unwrap().revoked, 1);
    assert_eq!(client.get("/crl/people/4.crl").await.problem(), "malformed");
    assert_eq!(client.get("/crl/people/x.crl").await.problem(), "malformed");
    assert!(String::from_utf8(client.get("/status").await.ok().body).unwrap().contains("and 4 parts"));

    // Fewer parts later: those that certificates name go on, also where an earlier version named their files.
    let folder = world.folder().join("ca/crl");
    for part in 0..4 {
        std::fs::rename(folder.join(format!("people.{part}.crl")), folder.join(format!("people-{part}.crl"))).unwrap();
    }
    let world = world.restart_with(|config| config.crl_shards = 1).await;
    assert!((0..4).all(|part| folder.join(format!("people.{part}.crl")).exists()));
    let client = Client { router: world.ca.router(), ..client };
    assert_eq!(revoked.revocation(&world, &client).await, Revocation::Revoked);
    assert_eq!(
        list_url(&Met::enroll(&world, &client, "late@example.org").await.leaf),
        format!("{BASE}/crl/people.crl")
    );
}

#[tokio::test]
async fn parts_are_made_anew_each_hour_and_logged_before_they_are_shown() {
    let world = World::with(|config| config.crl_shards = 3).await;
    let client = Client::open(&world, Signer::p256()).await;
    let met = Met::enroll(&world, &client, "alice@example.org").await;
    world.log_shall_with_objects(Fate::Refused);
    assert_eq!(client.post("/revoke-cert", revoke(&met.leaf)).await.problem(), "serverInternal");
    assert!(matches!(met.revocation(&world, &client).await, Revocation::Good { .. }));
    world.log_shall_with_objects(Fate::Logged);
    let before = world.ca.people_crls_der();
    world.advance(std::time::Duration::from_secs(3600));
    let world = world.restart_with(|config| config.crl_shards = 3).await;
    let client = Client { router: world.ca.router(), ..client };
    assert!(world.ca.people_crls_der().iter().zip(&before).all(|(new, old)| new != old));
    assert_eq!(met.revocation(&world, &client).await, Revocation::Revoked);
}

/// The write of a revocation fails, or the log does not take the part, or its answer is lost: whoever asks again sees it
/// revoked on its part, and the parts of others are untouched.
#[tokio::test]
async fn a_fault_on_the_way_to_a_part_is_made_good() {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        for object in [Fate::Logged, Fate::Refused, Fate::AnswerLost] {
            let world = World::with(|config| config.crl_shards = 4).await;
            let client = Client::open(&world, Signer::p256()).await;
            let all = enroll_all(&world, &client, 0..2).await;
            world.store.fail_after(0, fault);
            world.log_shall_with_objects(object);
            assert_eq!(client.post("/revoke-cert", revoke(&all[0].leaf)).await.problem(), "serverInternal");
            let second = client.post("/revoke-cert", revoke(&all[0].leaf)).await;
            if object == Fate::Logged {
                assert!(second.status.is_success() || second.problem() == "alreadyRevoked", "{second:?}");
            }
            world.log_shall_with_objects(Fate::Logged);
            // Once more: a list that could not be renewed is renewed now.
            client.post("/revoke-cert", revoke(&all[0].leaf)).await;
            assert_eq!(all[0].revocation(&world, &client).await, Revocation::Revoked, "{fault:?}, {object:?}");
            assert!(matches!(all[1].revocation(&world, &client).await, Revocation::Good { .. }));
            let world = world.restart_with(|config| config.crl_shards = 4).await;
            let client = Client { router: world.ca.router(), ..client };
            let met = Met { trust: world.trust(), ..all.into_iter().next().unwrap() };
            assert_eq!(met.revocation(&world, &client).await, Revocation::Revoked);
        }
    }
}
