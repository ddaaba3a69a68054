//! A log whose witness cosigns with a key of each kind: both stand on the checkpoint, and either may be asked for.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, clock, entry};
use tlog_proof::{Cosigner, LogPolicy, NoteSigner, SubtreeCosigner, UnverifiedCheckpoint, leaf_hash};
use transparency_log::storage::{MemoryStorage, Storage};
use transparency_log::testing::key;
use transparency_log::{Pace, Sequencer, Submit as _, Witness, WitnessKeys, Witnessing};

#[tokio::test]
async fn both_cosignatures_stand_on_the_checkpoint() {
    let signer = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap();
    let ed25519 = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let ml_dsa_44 = SubtreeCosigner::new("witness.example", &[5; 32]).unwrap();
    let (log, v1, subtree) = (signer.vkey(), ed25519.vkey(), ml_dsa_44.vkey());
    let under = |quorum: &str| {
        let text = format!("log {log}\nwitness v1 {v1}\nwitness pq {subtree}\n{quorum}\n");
        LogPolicy::parse(&text).unwrap()
    };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let keys = WitnessKeys::both(ed25519, ml_dsa_44);
    let witness = Witness::open_on(Arc::clone(&storage), keys, vec![log.clone()], clock());
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness)];
    let pace = Pace::new(Duration::from_millis(1));
    let sequencer =
        Sequencer::open_on(Arc::clone(&storage), ORIGIN, pace, signer, witnesses, under("quorum v1")).await.unwrap();
    let logged = sequencer.submit(entry(0)).await.unwrap();
    sequencer.stop().await;
    for quorum in ["quorum v1", "quorum pq", "group g all v1 pq\nquorum g"] {
        let verdict = logged.proof.verify(&leaf_hash(&entry(0)), &under(quorum)).unwrap();
        assert_eq!(verdict.cosigned.len(), 2, "{quorum}");
    }
    let published = storage.get("checkpoint").unwrap().unwrap();
    let published = UnverifiedCheckpoint::parse(published).unwrap();
    assert_eq!(published.verify_cosignature(&subtree).unwrap().time, clock()());
}
