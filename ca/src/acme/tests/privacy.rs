//! What somebody learns who has proven nothing: that nobody is told apart from anybody (docs/spec/privacy.md).

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use identity::transparency::SLOTS;
use serde_json::json;

use super::{chain, device};
use crate::testing::{Answer, Client, Signer, World, csr, until};

/// The whole answer in text, but for what must differ: nonces, random names in URLs, and the address itself.
fn shape(answer: &Answer, address: &str) -> String {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "replay-nonce")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let text = format!("{}\n{}\n{body}", answer.status, headers.join("\n")).replace(address, "ADDRESS");
    let random = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let masked = text.split_inclusive(|c| !random(c)).map(|word| {
        let name = word.trim_end_matches(|c| !random(c));
        if name.len() == 22 { word.replace(name, "NAME") } else { word.to_owned() }
    });
    masked.collect()
}

/// Everything a stranger can ask about an address, and what comes back.
async fn interrogate(stranger: &Client, address: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut note = |answer: Answer| -> serde_json::Value {
        heard.push(shape(&answer, address));
        let mut body = answer.json();
        body["location"] = answer.header("location").into();
        body
    };
    // Two spellings, and once more: is there an order already?
    note(stranger.order(&address.to_uppercase()).await);
    let order = note(stranger.order(address).await);
    let url = |member: &str| order[member].as_str().unwrap().to_owned();
    note(stranger.read(&url("location")).await);
    let authorization = order["authorizations"][0].as_str().unwrap();
    let authorization = note(stranger.read(authorization).await);
    let challenge = authorization["challenges"][0]["url"].as_str().unwrap();
    note(stranger.read(challenge).await);
    note(stranger.post(challenge, json!({"code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"})).await);
    // One mail with five wrong codes and one more, then mails beyond the limit.
    for _ in 0..2 {
        note(stranger.post(challenge, json!({})).await);
        for _ in 0..6 {
            note(stranger.post(challenge, json!({"code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"})).await);
        }
    }
    for _ in 0..5 {
        note(stranger.post(challenge, json!({})).await);
    }
    // Whatever only its owner may do.
    let device = rcgen::KeyPair::from_pem(KEY).unwrap();
    note(stranger.finalize(&order, &csr(address, &device)).await);
    note(stranger.post("/watch", json!({"identifier": address})).await);
    note(stranger.post("/erase", json!({"identifier": address})).await);
    note(stranger.post("/end-proofs", json!({"identifier": address})).await);
    note(stranger.read(challenge).await);
    note(stranger.read(&url("location")).await);
    for path in ["/watch", "/new-order", "/certificate/0", "/order/0", "/authz/0", "/challenge/0"] {
        note(stranger.get(&format!("{path}?identifier={address}")).await);
    }
    heard
}

/// One key for all questions: what a request itself says must not differ.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH
-----END PRIVATE KEY-----
";

#[tokio::test]
async fn a_stranger_cannot_tell_who_is_here() {
    let world = World::new().await;
    // Addresses of one length, so that answers which repeat them are.
    let absent = "none@example.org";
    // Enrolled once; every slot of the period used; asked for mails until the address' own limit was reached; revoked;
    // proven for the watch alone.
    let (once, full, mailed, revoked, watched) =
        ("once@example.org", "full@example.org", "mail@example.org", "revo@example.org", "only@example.org");
    let owner = Client::open(&world, Signer::p256()).await;
    owner.enroll(&world, once, &device()).await;
    for _ in 0..SLOTS {
        owner.enroll(&world, full, &device()).await;
    }
    let order = owner.ready(&world, full).await;
    assert_eq!(owner.finalize(&order, &csr(full, &device())).await.problem(), "slotsExhausted", "its owner is told");
    for _ in 0..2 {
        let other = Client::open(&world, Signer::p256()).await;
        let challenge = other.challenge(&other.order(mailed).await.ok().json()).await;
        for _ in 0..5 {
            other.post(challenge["url"].as_str().unwrap(), json!({})).await.ok();
        }
    }
    let pem = owner.enroll(&world, revoked, &device()).await;
    let der = super::URL_SAFE_NO_PAD.encode(&chain(&pem)[0]);
    owner.post("/revoke-cert", json!({"certificate": der, "reason": 1})).await.ok();
    owner.ready(&world, watched).await;

    let expected = interrogate(&Client::open(&world, Signer::p256()).await, absent).await;
    assert!(expected.len() > 25 && expected.iter().any(|answer| answer.contains("rateLimited")), "{expected:#?}");
    for present in [once, full, mailed, revoked, watched] {
        let heard = interrogate(&Client::open(&world, Signer::p256()).await, present).await;
        assert_eq!(heard.len(), expected.len());
        for (number, (heard, expected)) in heard.iter().zip(&expected).enumerate() {
            assert_eq!(heard, expected, "answer {number}: {present} is told apart from {absent}");
        }
    }
    // The comparison is one that can fail: who has proven control hears something else.
    assert_ne!(interrogate(&owner, once).await, expected);
}

#[tokio::test]
async fn an_owner_has_openings_erased_once_her_certificates_have_ended() {
    let world = World::new().await;
    let owner = Client::open(&world, Signer::p256()).await;
    let ask = json!({"identifier": "alice@example.org"});
    owner.enroll(&world, "alice@example.org", &device()).await;
    assert_eq!(owner.post("/erase", ask.clone()).await.ok().json()["erased"], 0, "it has not ended");
    assert_eq!(owner.post("/watch", ask.clone()).await.ok().json()["logs"][0]["entries"].as_array().unwrap().len(), 1);

    world.advance(Duration::from_secs(15 * 86_400));
    let stranger = Client::open(&world, Signer::p256()).await;
    assert_eq!(stranger.post("/erase", ask.clone()).await.problem(), "unauthorized");
    assert_eq!(owner.post("/erase", ask.clone()).await.ok().json()["erased"], 1);
    assert_eq!(owner.post("/erase", ask.clone()).await.ok().json()["erased"], 0, "once");
    let answer = owner.post("/watch", ask).await.ok().json()["logs"][0].clone();
    assert_eq!(answer["entries"], json!([]));
    let [place] = answer["erased"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert!(place["index"].is_u64() && place["period"].is_u64() && place["slot"].is_u64(), "{place}");
    let erased = recorded(&world, "erased", 1).await;
    assert_eq!(
        (&erased[0]["account"], &erased[0]["count"]),
        (&json!(owner.account.as_ref().unwrap().rsplit('/').next().unwrap()), &json!(1))
    );
    assert!(erased[0]["who"].as_str().is_some_and(|who| !who.contains("alice")), "{erased:?}");
}

#[tokio::test]
async fn what_is_erased_unasked_is_recorded_and_only_if_there_was_anything() {
    let world = World::new().await;
    let owner = Client::open(&world, Signer::p256()).await;
    owner.enroll(&world, "alice@example.org", &device()).await;
    drop(owner);
    world.advance(Duration::from_secs(104 * 86_400));
    // Each start cleans up; the second finds nothing.
    let mut world = world;
    for _ in 0..2 {
        let commits = world.store.commits();
        world = world.restart().await;
        until("it cleaned up", async || world.store.commits() > commits).await;
        let erased = recorded(&world, "erased", 1).await;
        assert_eq!((erased.len(), &erased[0]["count"]), (1, &json!(1)), "{erased:?}");
    }
}

/// What was recorded of this kind, once it is so often.
async fn recorded(world: &World, what: &str, times: usize) -> Vec<serde_json::Value> {
    let read = || {
        let trail = std::fs::read_to_string(world.folder().join("ca").join(crate::trail::FILE)).unwrap();
        let whole = trail.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let records = whole.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records.filter(|record| record["what"] == what).map(|record| record["of"].clone()).collect::<Vec<_>>()
    };
    until(what, async || read().len() >= times).await;
    read()
}

#[tokio::test]
async fn slots_are_drawn_at_random_and_each_once() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let mut drawn = Vec::new();
    for _ in 0..SLOTS {
        let pem = client.enroll(&world, "alice@example.org", &device()).await;
        let leaf = identity::certificate::Certificate::parse(&chain(&pem)[0]).unwrap();
        drawn.push(leaf.tbs().transparency().unwrap().unwrap().slot);
    }
    assert_eq!(drawn.iter().copied().collect::<BTreeSet<_>>(), (0..SLOTS).collect(), "each once");
    // An order that somebody could guess: rising, falling, or each the neighbour of the one before. By chance once in
    // 32! / 2^32 runs at most.
    let neighbours = drawn.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
    assert!(neighbours < 20 && !drawn.is_sorted(), "{drawn:?}");
}

#[test]
fn every_slot_is_as_likely_as_every_other() {
    const DRAWS: u32 = 64_000;
    let slots: Vec<u8> = (0..SLOTS).collect();
    let mut counts = vec![0u32; slots.len()];
    for _ in 0..DRAWS {
        counts[usize::from(crate::random::one_of(&slots).unwrap())] += 1;
    }
    // Pearson's test: for 31 degrees of freedom an even draw exceeds 100 once in 10^9 runs.
    let expected = f64::from(DRAWS) / f64::from(SLOTS);
    let squares: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    assert!(squares < 100.0, "{counts:?}");
}
