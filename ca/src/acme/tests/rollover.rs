//! An issuing key follows another, while people enrol.

use std::path::Path;

use identity::CertificateDer;
use identity::certificate::Certificate;
use identity::trust::Revocation;
use identity::verify::verify_person;
use serde_json::json;

use super::{chain, device};
use crate::config::Rate;
use crate::keys::{IssuingRequest, NewKeyPlace, install_issuing, request_issuing, sign_issuing};
use crate::operator::wish_take_up;
use crate::store::Authority;
use crate::testing::{BASE, Client, Fate, Signer, World, csr, until};

/// The whole ceremony, with the root beside: the authority takes the new key up.
async fn follow(world: &World, place: &NewKeyPlace) {
    let keys = world.folder().join("keys");
    let asked = request_issuing(&keys, Authority::People, place, world.now()).unwrap();
    let request = IssuingRequest::read(&std::fs::read_to_string(&asked.path).unwrap()).unwrap();
    let signed = sign_issuing(&keys, &request, None, world.now()).unwrap();
    install_issuing(&keys, &signed.chain, None, world.now()).unwrap();
    let wish = wish_take_up(&world.folder().join("ca")).unwrap();
    until("the new key is taken up", async || wish.is_taken()).await;
    assert!(!wish.is_refused());
}

async fn enroll(world: &World, client: &Client, name: &str) -> Vec<CertificateDer> {
    chain(&client.enroll(world, name, &device()).await)
}

fn issuer_of(chain: &[CertificateDer]) -> String {
    Certificate::parse(&chain[0]).unwrap().tbs().issuer().to_string()
}

fn list_url(leaf: &[u8]) -> String {
    Certificate::parse(leaf).unwrap().tbs().crl_urls().remove(0)
}

#[tokio::test]
async fn a_new_issuing_key_takes_over_without_a_break() {
    let world = World::with(|config| config.limits.orders_per_account = Rate::per_hour(10_000)).await;
    let client = Client::open(&world, Signer::p256()).await;
    let trust_before = world.trust();
    let first = enroll(&world, &client, "first@example.org").await;
    // This one is planned for the old key, and the log takes it only after the new one has taken over.
    let stuck = client.ready(&world, "stuck@example.org").await;
    world.log_shall(Fate::Refused);
    let answer = client.finalize(&stuck, &csr("stuck@example.org", &device())).await.ok();
    assert_eq!(answer.text("status"), "processing");
    world.log_shall(Fate::Logged);

    let enrolling = async {
        let mut chains = Vec::new();
        while chains.last().is_none_or(|last: &Vec<CertificateDer>| !issuer_of(last).contains("CA 2")) {
            assert!(chains.len() < 500, "the new key never took over");
            chains.push(enroll(&world, &client, &format!("p{}@example.org", chains.len())).await);
            tokio::task::yield_now().await;
        }
        chains
    };
    let (chains, ()) = tokio::join!(enrolling, follow(&world, &NewKeyPlace::File(None)));
    let stuck = chain(&client.download(stuck["url"].as_str().unwrap()).await);
    assert!(!issuer_of(&stuck).contains("CA 2"), "signed by the key it was planned for");
    for chain in chains.iter().chain([&first, &stuck]) {
        verify_person(chain, &world.trust(), world.now()).unwrap();
        // Whoever has the policy from before takes the new issuing certificate from the chain.
        verify_person(chain, &trust_before, world.now()).unwrap();
    }
    let last = chains.last().unwrap();
    assert_eq!(list_url(&last[0]), format!("{BASE}/crl/people-2.crl"));

    // Each key's list speaks for its own, before a restart and after it.
    let serial = |chain: &[CertificateDer]| Certificate::parse(&chain[0]).unwrap().tbs().serial_hex();
    let mut world = world;
    for revoked in [&first, last] {
        let client = Client { router: world.ca.router(), ..Client::open(&world, Signer::p256()).await };
        let owner = if std::ptr::eq(revoked, &first) { "first@example.org" } else { "p0@example.org" };
        client.ready(&world, owner).await;
        let name = verify_person(revoked, &world.trust(), world.now()).unwrap().identifier().to_string();
        client.ready(&world, &name).await;
        client.post("/revoke-cert", json!({"serial": serial(revoked), "reason": 0})).await.ok();
        let trust = world.trust();
        let url = list_url(&revoked[0]);
        let list = client.get(url.strip_prefix(BASE).unwrap()).await.ok().body;
        let person = verify_person(revoked, &trust, world.now()).unwrap();
        assert_eq!(trust.install_crl_of(&url, &list, world.now()).unwrap().revoked, 1);
        assert_eq!(trust.revocation(&person, world.now()), Revocation::Revoked);
        drop(client);
        world = world.restart().await;
    }
    let client = Client::open(&world, Signer::p256()).await;
    assert!(issuer_of(&enroll(&world, &client, "late@example.org").await).contains("CA 2"));
    assert_eq!(world.ca.people_crls_der().len(), 2);
    // What was issued before is still handed out under the key that issued it.
    let trail = std::fs::read_to_string(world.folder().join("ca").join(crate::trail::FILE)).unwrap();
    assert!(trail.contains("issuing-key-taken-up"));
    // The page leads to the lists of both keys, the newer one's first.
    let page = String::from_utf8(client.get("/status").await.ok().body).unwrap();
    let place = |list: &str| page.find(&format!("href=\"{BASE}/crl/{list}.crl\"")).unwrap_or_else(|| panic!("{page}"));
    assert!(place("people-2") < place("people") && place("people") < place("services"));
    assert_eq!(page.matches("by a key from before").count(), 1, "{page}");
}

#[tokio::test]
async fn an_issuing_key_in_a_token_issues() {
    let folder = tempfile::tempdir().unwrap();
    let name = "acme::tests::rollover::an_issuing_key_in_a_token_issues";
    if !key_store::testing::with_token(folder.path(), name, &[("people-2", "EC:prime256v1")]) {
        return;
    }
    let pin = key_store::testing::pin_file(folder.path(), key_store::testing::PIN);
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    follow(&world, &NewKeyPlace::Token(key_store::testing::uri("people-2", &pin))).await;
    let chain = enroll(&world, &client, "alice@example.org").await;
    assert!(issuer_of(&chain).contains("CA 2"));
    verify_person(&chain, &world.trust(), world.now()).unwrap();
    assert!(key_lies_in_the_token(&world.folder().join("keys")));
    let world = world.restart().await;
    let client = Client { router: world.ca.router(), ..client };
    enroll(&world, &client, "bob@example.org").await;
}

fn key_lies_in_the_token(keys: &Path) -> bool {
    keys.join("people-2.key.uri").exists() && !keys.join("people-2.key.pem").exists()
}

/// The log is away, or its answers are lost, while a new key is to be taken up; then the process dies: it is taken up once,
/// and until then the old one issues.
#[tokio::test]
async fn a_roll_over_that_the_log_holds_up_is_finished_later() {
    for object in [Fate::Refused, Fate::AnswerLost] {
        let world = World::new().await;
        let client = Client::open(&world, Signer::p256()).await;
        let keys = world.folder().join("keys");
        world.log_shall_with_objects(object);
        let asked = request_issuing(&keys, Authority::People, &NewKeyPlace::File(None), world.now()).unwrap();
        let request = IssuingRequest::read(&std::fs::read_to_string(&asked.path).unwrap()).unwrap();
        let signed = sign_issuing(&keys, &request, None, world.now()).unwrap();
        install_issuing(&keys, &signed.chain, None, world.now()).unwrap();
        let wish = wish_take_up(&world.folder().join("ca")).unwrap();
        let before = enroll(&world, &client, "before@example.org").await;
        assert!(!issuer_of(&before).contains("CA 2") && !wish.is_taken() && !wish.is_refused(), "{object:?}");
        world.log_shall_with_objects(Fate::Logged);
        let world = world.restart().await;
        let client = Client { router: world.ca.router(), ..client };
        until("the new key is taken up", async || wish.is_taken()).await;
        assert!(!wish.is_refused());
        let after = enroll(&world, &client, "after@example.org").await;
        assert!(issuer_of(&after).contains("CA 2"), "{object:?}");
        for chain in [&before, &after] {
            verify_person(chain, &world.trust(), world.now()).unwrap();
        }
        assert_eq!(list_url(&after[0]), format!("{BASE}/crl/people-2.crl"));
        client.get("/crl/people-2.crl").await.ok();
    }
}
