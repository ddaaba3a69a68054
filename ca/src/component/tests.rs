//! The key and what is shown with it, beside an authority in memory.

use super::*;
use crate::testing::{Fate, ORIGIN, World};

const DAY: Duration = Duration::from_secs(86_400);

/// A component beside an authority; nobody listens at the address of its log, for the authority's own is in memory.
async fn connected(world: &World, folder: &Path, name: &str) -> Connected {
    let policy = world.log.memory.policy.clone();
    let component = Component::open(folder, name).unwrap();
    component.connect("https://127.0.0.1:1", ORIGIN, policy, world.now()).unwrap()
}

#[test]
fn a_key_is_made_once_and_shown_nowhere() {
    let place = tempfile::tempdir().unwrap();
    let made = Component::open(place.path(), "ca.example.org").unwrap();
    let again = Component::open(place.path(), "ca.example.org").unwrap();
    assert_eq!((made.key_digest(), made.key_digest().len()), (again.key_digest(), 64));
    let shown = format!("{made:?}");
    assert!(shown.contains(&made.key_digest()) && !shown.contains("pkcs8"), "{shown}");
    assert!(made.kept(UnixTime::now()).unwrap().is_none());
    made.certified(vec![made.self_signed().unwrap()]).unwrap();
    std::fs::write(place.path().join(KEY), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let refused = Component::open(place.path(), "ca.example.org").unwrap_err();
    assert!(matches!(refused, ComponentError::Content { .. }), "{refused}");
}

#[tokio::test]
async fn one_whose_certificate_ended_meanwhile_shows_its_key_again() {
    let (world, place) = (World::new().await, tempfile::tempdir().unwrap());
    let issuer = &world.ca.service.issuer;
    let one = connected(&world, place.path(), "ca.example.org").await;
    assert_eq!(one.shown().len(), 1, "the first one is logged by the key alone");
    one.begin(issuer).await.unwrap();
    let first = one.shown();
    identity::verify::verify_component(&first, "ca.example.org", &world.trust(), world.now()).unwrap();
    one.begin(issuer).await.unwrap();
    assert_eq!(one.shown(), first, "not due");

    // Due, and the log is away: the one that is still good is shown.
    world.log_shall(Fate::Refused);
    world.advance(20 * DAY);
    one.begin(issuer).await.unwrap_err();
    assert_eq!(one.shown(), first);
    // It ends, and the log is still away.
    world.advance(20 * DAY);
    one.begin(issuer).await.unwrap_err();
    let alone = one.shown();
    assert_eq!(alone.len(), 1);
    assert_eq!(Certificate::parse(&first[0]).unwrap().tbs().spki_der(), one.component.spki_der);
    assert_ne!(alone[0], first[0]);

    world.log_shall(Fate::Logged);
    one.begin(issuer).await.unwrap();
    identity::verify::verify_component(&one.shown(), "ca.example.org", &world.trust(), world.now()).unwrap();
    let again = connected(&world, place.path(), "ca.example.org").await;
    assert_eq!(again.shown(), one.shown(), "it is kept");
}

#[tokio::test]
async fn a_chain_of_another_key_or_name_is_not_shown() {
    let (world, place) = (World::new().await, tempfile::tempdir().unwrap());
    let issuer = &world.ca.service.issuer;
    connected(&world, place.path(), "ca.example.org").await.begin(issuer).await.unwrap();
    assert_eq!(connected(&world, place.path(), "ca.example.org").await.shown().len(), 2);

    let renamed = connected(&world, place.path(), "ca.example.net").await;
    assert_eq!(renamed.shown().len(), 1);
    std::fs::remove_file(place.path().join(KEY)).unwrap();
    let another_key = connected(&world, place.path(), "ca.example.org").await;
    assert_eq!(another_key.shown().len(), 1);
    another_key.begin(issuer).await.unwrap();
    let shown = another_key.shown();
    assert_eq!(Certificate::parse(&shown[0]).unwrap().tbs().spki_der(), another_key.component.spki_der);
    assert_eq!(connected(&world, place.path(), "ca.example.org").await.shown(), shown);
}
