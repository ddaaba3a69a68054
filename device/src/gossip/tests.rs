use identity::evidence::Evidence;
use identity::testing::{Authority, NOON, ORIGIN};
use sha2::{Digest as _, Sha256};
use tlog_proof::{Entry, Hash};

use super::*;

/// The checkpoints of a log with this authority's keys after each of these entries.
fn checkpoints(labels: &[u8]) -> Vec<String> {
    let authority = Authority::new(1, NOON);
    let entry = |label: &u8| Entry::Certificate { label: [*label; 32], commitment: [7; 32] };
    labels.iter().map(|label| authority.log().append(&entry(label), NOON.as_secs()).checkpoint).collect()
}

/// A home that pinned that authority and one more, and has seen this checkpoint.
fn seen(newest: &str) -> (tempfile::TempDir, Home) {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path()).unwrap();
    for seed in [1, 2] {
        let policy = Authority::new(seed, NOON).policy();
        home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
    }
    let path = format!("logs/{}/newest", hex::encode(Sha256::digest(ORIGIN)));
    home.write_text(path, newest).unwrap();
    (place, home)
}

fn of(home: &Home) -> Gossip {
    Gossip::open(home.clone()).unwrap()
}

fn bob() -> Identifier {
    Identifier::parse("bob@example.org").unwrap()
}

fn evidence(home: &Home) -> Vec<PathBuf> {
    crate::files::files(&home.folder().join("evidence")).unwrap()
}

fn told(checkpoint: &str) -> Views {
    Views { checkpoints: vec![checkpoint.to_owned()], ..Views::default() }
}

#[test]
fn others_authorities_are_not_told_of() {
    let newest = checkpoints(b"ab").remove(1);
    let (_place, home) = seen(&newest);
    let gossip = of(&home);
    let views = gossip.views(&["Test authority 1"]);
    assert_eq!((views.checkpoints, views.policies.len()), (vec![newest], 1));
    assert_eq!(views.policies[0].genesis, Authority::new(1, NOON).policy().fingerprint());
    assert_eq!(gossip.views(&["Test authority 1", "Test authority 2"]).policies.len(), 2);
    assert_eq!(gossip.views(&["somebody else"]), Views::default());
}

#[tokio::test]
async fn two_trees_of_one_size_are_evidence_without_asking_the_log() {
    let (honest, fork) = (checkpoints(b"abc"), checkpoints(b"abd"));
    let (_place, home) = seen(&honest[2]);
    let gossip = of(&home);
    assert_eq!(gossip.hear(&bob(), told(&honest[2])).await, []);
    let alarms = gossip.hear(&bob(), told(&fork[2])).await;
    let [Alarm { about, message, evidence: Some(file), .. }] = &*alarms else { panic!("{alarms:?}") };
    assert_eq!(about, ORIGIN);
    assert!(message.contains("bob@example.org"), "{message}");
    let judged = Evidence::parse(&std::fs::read(file).unwrap()).unwrap().judge().unwrap();
    assert!(judged.culprit.is_some());

    // Told again, cosigned by somebody more, it is the same; and it is passed on.
    assert_eq!(gossip.hear(&bob(), told(&format!("{}— somebody AAAAAAAA\n", fork[2]))).await, []);
    assert_eq!(&*evidence(&home), std::slice::from_ref(file));
    assert_eq!(gossip.revision(), 1);
    let views = gossip.views(&["Test authority 1"]);
    let [split] = &*views.contradictions else { panic!("{views:?}") };

    // Whoever sees nothing wrong is convinced by the proof, and by nothing less.
    let (_other, third) = seen(&honest[2]);
    let listener = of(&third);
    let mut forged = split.clone();
    forged.newer = honest[2].clone();
    let claimed = |split| Views { contradictions: vec![split], ..Views::default() };
    assert_eq!(listener.hear(&bob(), claimed(forged)).await, []);
    assert!(evidence(&third).is_empty());
    assert_eq!(listener.hear(&bob(), claimed(split.clone())).await.len(), 1);
    assert_eq!(evidence(&third).len(), 1);
}

#[tokio::test]
async fn nobody_is_believed() {
    let honest = checkpoints(b"abc");
    let (_place, home) = seen(&honest[2]);
    let gossip = of(&home);
    // Signed by a key of the same name that is not the log's, by nobody, too long, no checkpoint at all.
    let stranger = Authority::new(9, NOON);
    let entry = Entry::Certificate { label: [1; 32], commitment: [7; 32] };
    let foreign = stranger.log().append(&entry, NOON.as_secs()).checkpoint;
    let unsigned = format!("{}\n{}\n{}\n\n", ORIGIN, 3, Hash([1; 32]));
    let long = format!("{}{}", honest[2], format!("— {} AAAAAAAA\n", "x".repeat(60)).repeat(80));
    for text in [foreign, unsigned, long, String::new(), "garbage".to_owned()] {
        assert_eq!(gossip.hear(&bob(), told(&text)).await, [], "{text}");
    }
    assert!(evidence(&home).is_empty());
}

#[tokio::test]
async fn another_version_of_a_policy_is_told() {
    let (_place, home) = seen(&checkpoints(b"a")[0]);
    let gossip = of(&home);
    let ours = Authority::new(1, NOON).policy();
    let view = PolicyView { genesis: ours.fingerprint(), number: ours.number, digest: ours.fingerprint() };
    let bob = bob();
    let hear = |view| gossip.hear(&bob, Views { policies: vec![view], ..Views::default() });
    assert_eq!(hear(view).await, []);
    // One that is not known here yet, and a policy that is not pinned here, contradict nothing.
    assert_eq!(hear(PolicyView { number: 2, digest: Fingerprint([1; 32]), ..view }).await, []);
    assert_eq!(hear(PolicyView { genesis: Fingerprint([1; 32]), ..view }).await, []);
    let alarms = hear(PolicyView { digest: Fingerprint([1; 32]), ..view }).await;
    let [Alarm { about, evidence: None, .. }] = &*alarms else { panic!("{alarms:?}") };
    assert_eq!(*about, ours.name);
}

#[tokio::test]
async fn a_peer_who_cries_wolf_is_told_of_once_and_silences_nothing() {
    let (honest, fork) = (checkpoints(b"abc"), checkpoints(b"abd"));
    let (_place, home) = seen(&honest[2]);
    let gossip = of(&home);
    let ours = Authority::new(1, NOON).policy();
    let mut told_of = 0;
    for wrong in 0..2000_u16 {
        let digest = Fingerprint(std::array::from_fn(|at| if at == 0 { 255 } else { wrong.to_be_bytes()[at % 2] }));
        let view = PolicyView { genesis: ours.fingerprint(), number: ours.number, digest };
        told_of += gossip.hear(&bob(), Views { policies: vec![view; MAX_VIEWS], ..Views::default() }).await.len();
    }
    assert_eq!(told_of, 1);
    let alarms = gossip.hear(&bob(), told(&fork[2])).await;
    assert!(matches!(&*alarms, [Alarm { evidence: Some(_), .. }]), "{alarms:?}");
}
