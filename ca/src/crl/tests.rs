//! What stands on a list, and how many lists are made for it; two front ends that make lists at the same time, as when one
//! has lost its turn to the other.

use futures_util::future::join_all;

use crate::config::CaConfig;
use crate::store::{CertificateState, Change, PostgresStore, Record, Revocation, Serial, Subject};
use crate::testing::{Postgres, World};

use super::revoked::PAGE;
use super::*;

fn shown(crls: &Crls, name: ListName) -> (u64, u64) {
    let file = Newest::read(&crls.folder.join(name.file())).unwrap().number;
    (crls.list(name).unwrap().newest().unwrap().number, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_late_replaces_no_newer_one() {
    let Some(server) = Postgres::shared() else { return };
    let (world, address) = (World::new().await, server.database());
    let mut fronts = Vec::new();
    for name in ["late", "other"] {
        let store = Arc::new(PostgresStore::found(&address, "ours").await.unwrap());
        fronts.push(world.front_end(store, name, |_: &mut CaConfig| {}).await);
    }
    let [late, other] = [0, 1].map(|n| &fronts[n].service.crls);
    let name = ListName::whole(IssuerName::first(Authority::People));
    let list = late.list(name).unwrap();
    // The other one's list is seen before the late one is there, or only then.
    for seen in [true, false] {
        let now = world.now();
        let number = late.number(name, now.as_secs()).await.unwrap();
        other.renew(Authority::People, &[name], || false).await.unwrap();
        let newer = shown(other, name).0;
        assert!(newer > number);
        if seen {
            late.refresh().await.unwrap();
        }
        late.make(name, &list, number, now, Vec::new()).await.unwrap();
        for crls in [late, other] {
            assert_eq!(shown(crls, name), (newer, newer), "seen: {seen}");
        }
        let kept = late.issuer.shared.as_ref().unwrap().list(&name.file()).await.unwrap().unwrap();
        assert_eq!(Newest::parse(kept).unwrap().number, newer);
    }
    for front in fronts {
        front.stop().await;
    }
}

/// A revoked certificate, with as much in it as a list needs.
fn revoked(serial: u16) -> CertificateRecord {
    let mut bytes = [1; 16];
    bytes[14..].copy_from_slice(&serial.to_be_bytes());
    CertificateRecord {
        serial: Serial(bytes),
        revision: 0,
        authority: Authority::People,
        profile: "device".into(),
        account: None,
        order: None,
        subject: Subject::Service { name: "host.example".into() },
        period: 0,
        opening: [0; 32],
        tbs: Vec::new(),
        not_before: 0,
        not_after: u64::from(u32::MAX),
        state: CertificateState::Abandoned { index: None },
        revoked: Some(Revocation { at: 1, reason: 4 }),
        announce: false,
    }
}

async fn keep(world: &World, revoked: impl IntoIterator<Item = CertificateRecord>) {
    let changes = revoked.into_iter().map(|one| Change::Insert(Record::Certificate(one))).collect();
    world.store().commit(changes).await.unwrap();
}

#[tokio::test]
async fn a_list_shows_more_than_the_store_tells_at_once() {
    let (world, count) = (World::new().await, 2 * PAGE as usize + 1);
    keep(&world, (0..).map(revoked).take(count)).await;
    let (crls, name) = (&world.ca.service.crls, ListName::whole(IssuerName::first(Authority::People)));
    crls.renew_if_old(Authority::People).await.unwrap();
    assert_eq!(Newest::parse(crls.der(name).unwrap().to_vec()).unwrap().listed.len(), count);
}

#[tokio::test]
async fn revocations_of_one_moment_share_a_list() {
    let world = World::new().await;
    let (crls, name) = (&world.ca.service.crls, ListName::whole(IssuerName::first(Authority::People)));
    let before = shown(crls, name).0;
    let all: Vec<_> = (0..9).map(revoked).collect();
    keep(&world, all.clone()).await;
    for done in join_all(all.iter().map(|one| crls.show(one))).await {
        done.unwrap();
    }
    let newest = crls.list(name).unwrap().newest().unwrap();
    assert!(all.iter().all(|one| newest.listed.contains_key(&one.serial)));
    let made = newest.number - before;
    assert!(made <= 3, "one for the first, one for all who came while it was made, one by the hour: made {made}");
}
