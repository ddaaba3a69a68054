//! Dating signatures: by certificate key, blinded, limited; the same answer whatever is wrong.

use base64::Engine as _;
use identity::CertificateDer;
use identity::transparency::{Opening, signature_commitment};
use identity::verify::{SignerKind, UnverifiedDate, verify_dated};
use serde_json::{Value, json};
use tlog_proof::Proof;

use super::{URL_SAFE_NO_PAD, chain, device};
use crate::config::Rate;
use crate::testing::{Client, Fate, Signer, World};

const SHA256: [u8; 32] = [5; 32];
const OPENING: [u8; 32] = [6; 32];

fn asked(certificate: &[u8], digest: &[u8]) -> Value {
    json!({"certificate": URL_SAFE_NO_PAD.encode(certificate), "digest": URL_SAFE_NO_PAD.encode(digest)})
}

/// Whoever holds this device's key.
fn holder(world: &World, device: &rcgen::KeyPair) -> Client {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&device.serialize_der()).unwrap();
    Client::new(world, Signer::Ed25519(pair))
}

fn date(answer: &Value) -> UnverifiedDate {
    let label = URL_SAFE_NO_PAD.decode(answer["label"].as_str().unwrap()).unwrap();
    let proof = Proof::parse(answer["proof"].as_str().unwrap()).unwrap();
    UnverifiedDate::new(label.try_into().unwrap(), Opening::new(OPENING), proof)
}

#[tokio::test]
async fn a_signature_is_dated_for_who_holds_a_valid_certificate_and_the_log_says_nothing_of_it() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let device = device();
    let chain: Vec<CertificateDer> = chain(&client.enroll(&world, "alice@example.org", &device).await);
    let holder = holder(&world, &device);
    let blinded = signature_commitment(&Opening::new(OPENING), &SHA256);
    let answers = [
        holder.post("/date-signature", asked(&chain[0], &blinded)).await.ok().json(),
        holder.post("/date-signature", asked(&chain[0], &blinded)).await.ok().json(),
    ];
    assert_ne!(answers[0]["label"], answers[1]["label"], "drawn anew each time");
    for answer in &answers {
        let date = date(answer);
        let signed = verify_dated(&chain, SignerKind::Device, &SHA256, &date, &world.trust()).unwrap();
        assert_eq!(signed.signer.identifier().as_str(), "alice@example.org");
        assert_eq!(signed.date.time, world.now());
        let entry = date.entry(&SHA256).encode();
        assert_eq!((entry.len(), &entry[..2]), (66, [1, 2].as_slice()));
        assert!(!entry.windows(32).any(|window| window == SHA256), "blinded");
    }
}

#[tokio::test]
async fn nobody_else_gets_a_date_and_all_are_told_the_same() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (mine, hers) = (device(), device());
    let own = chain(&client.enroll(&world, "alice@example.org", &mine).await);
    let other = chain(&client.enroll(&world, "bob@example.org", &hers).await);
    let alice = holder(&world, &mine);
    let mut altered = own[0].to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let service = world.ca.issue_service("localhost").await.unwrap().0;
    let mut words = std::collections::HashSet::new();
    for (client, certificate) in [
        (&alice, other[0].as_ref()),
        (&alice, altered.as_slice()),
        (&alice, own[1].as_ref()),
        (&alice, service[0].as_ref()),
        (&alice, b"garbage".as_slice()),
        (&client, own[0].as_ref()),
        (&Client::new(&world, Signer::p256()), own[0].as_ref()),
    ] {
        let answer = client.post("/date-signature", asked(certificate, &[0; 32])).await;
        assert_eq!(answer.problem(), "unauthorized");
        words.insert(answer.body.clone());
    }
    assert_eq!(words.len(), 1, "whether a certificate exists is not told");
    for digest in [&[0; 31][..], &[0; 33], b""] {
        assert_eq!(alice.post("/date-signature", asked(&own[0], digest)).await.problem(), "malformed");
    }
    alice.post("/date-signature", asked(&own[0], &[0; 32])).await.ok();
    client.post("/revoke-cert", json!({"certificate": URL_SAFE_NO_PAD.encode(&own[0]), "reason": 4})).await.ok();
    assert_eq!(alice.post("/date-signature", asked(&own[0], &[0; 32])).await.problem(), "unauthorized", "revoked");
    let bob = holder(&world, &hers);
    world.advance(std::time::Duration::from_secs(15 * 86_400));
    assert_eq!(bob.post("/date-signature", asked(&other[0], &[0; 32])).await.problem(), "unauthorized", "ended");
}

#[tokio::test]
async fn dates_are_limited_by_address_and_a_log_that_is_down_is_told() {
    let world = World::with(|config| config.limits.dates_per_address = Rate::per_hour(2)).await;
    let client = Client::open(&world, Signer::p256()).await;
    let devices = [device(), device()];
    let mut chains = Vec::new();
    for device in &devices {
        chains.push(chain(&client.enroll(&world, "alice@example.org", device).await));
    }
    world.log_shall(Fate::Refused);
    let ask =
        async |n: usize| holder(&world, &devices[n]).post("/date-signature", asked(&chains[n][0], &[0; 32])).await;
    let down = ask(0).await;
    assert_eq!(
        (down.problem().as_str(), down.status.as_u16(), down.header("retry-after").as_str()),
        ("serverInternal", 503, "5")
    );
    world.log_shall(Fate::Logged);
    ask(0).await.ok();
    let refused = ask(1).await;
    assert_eq!((refused.problem().as_str(), refused.text("limit").as_str()), ("rateLimited", "dates_per_address"));
}
