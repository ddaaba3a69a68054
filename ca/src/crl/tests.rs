//! Two front ends that make lists at the same time, as when one has lost its turn to the other.

use crate::config::CaConfig;
use crate::store::PostgresStore;
use crate::testing::{Postgres, World};

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
        other.renew(Authority::People, &[name]).await.unwrap();
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
