//! The sequencer as its callers see it.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, check, clean, clock, entry, submit_all};
use tlog_proof::{Cosigner, Entry, LogPolicy, NoteSigner, ObjectKind};
use transparency_log::client::LogClient;
use transparency_log::testing::{MemoryLog, key};
use transparency_log::{
    LogConfig, OpenError, Sequencer, Submit as _, SubmitError, Witness, Witnessing, client, system_clock,
};

#[tokio::test]
async fn every_entry_gets_its_place_and_a_proof() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    assert_eq!(clean(&log).await.size, 0, "an empty log is audited like any other");
    let first = submit_all(&log, 0..1).await;
    assert_eq!(first[0].index, 0);
    let many = submit_all(&log, 1..700).await;
    assert!(many.iter().zip(1..).all(|(logged, index)| logged.index == index), "in the order of arrival");
    let report = clean(&log).await;
    assert_eq!((report.size, report.counts.certificates), (700, 700));
    assert_eq!(report.cosigned_by[0].time, clock()());
    // Partial tiles go when the full one is there.
    let paths = log.storage.paths();
    assert!(paths.iter().all(|path| !path.starts_with("tile/0/000.p") && !path.starts_with("tile/entries/001.p")));
    assert!(paths.contains(&"tile/entries/002.p/188".to_owned()));
}

#[tokio::test]
async fn the_identical_entry_keeps_its_index() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let logged = submit_all(&log, [7, 8, 7, 9, 8]).await;
    assert_eq!(logged.iter().map(|logged| logged.index).collect::<Vec<_>>(), [0, 1, 0, 2, 1]);
    submit_all(&log, 100..900).await;
    let log = log.restart().await.unwrap();
    let again = submit_all(&log, [8, 899, 7, 1000]).await;
    assert_eq!(again.iter().map(|logged| logged.index).collect::<Vec<_>>(), [1, 802, 0, 803]);
    assert_eq!(clean(&log).await.size, 804);
}

#[tokio::test]
async fn refuses_what_is_no_entry() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    assert!(matches!(log.sequencer.submit(vec![]).await, Err(SubmitError::Entry(_))));
    assert!(log.sequencer.submit(vec![1; 66]).await.is_ok(), "version 1, kind 1");
    assert!(matches!(log.sequencer.submit(vec![2; 66]).await, Err(SubmitError::Entry(_))));
    let large = log.sequencer.submit(vec![1; 129]).await;
    assert!(matches!(large, Err(SubmitError::TooLarge { expected: 128, found: 129 })));
    let object = log.sequencer.put_object(ObjectKind::Crl, vec![0; 4 * 1024 * 1024 + 1]).await;
    assert!(matches!(object, Err(SubmitError::TooLarge { .. })));
}

#[tokio::test]
async fn objects_are_stored_and_logged_by_hash() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let bytes = b"a revocation list".to_vec();
    let logged = log.sequencer.put_object(ObjectKind::Crl, bytes.clone()).await.unwrap();
    let client = LogClient::new(log.source(), log.policy.clone());
    let verdict = client.checkpoint().await.unwrap();
    let entries = client.entries(&verdict, 0..1).await.unwrap();
    let entries: Vec<_> = futures_util::TryStreamExt::try_collect(entries).await.unwrap();
    check(&log, &entries[0].1, &logged);
    let Entry::Object { kind: ObjectKind::Crl, hash } = Entry::decode(&entries[0].1).unwrap() else {
        panic!("expected a CRL")
    };
    assert_eq!(client.object(&hash).await.unwrap(), bytes);
    log.storage.tamper(&format!("object/{}", hex::encode(hash)), |bytes| bytes[0] ^= 1);
    assert!(matches!(client.object(&hash).await, Err(client::ClientError::Object { .. })));
    // An unchanged object may be logged again and again: it keeps its place.
    assert_eq!(log.sequencer.put_object(ObjectKind::Crl, bytes).await.unwrap().index, logged.index);
}

#[tokio::test]
async fn a_stopped_log_takes_nothing() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let other = log.sequencer.clone();
    let waiting = tokio::spawn({
        let sequencer = log.sequencer.clone();
        async move { sequencer.submit(entry(1)).await }
    });
    tokio::task::yield_now().await;
    log.sequencer.clone().stop().await;
    check(&log, &entry(1), &waiting.await.unwrap().unwrap());
    assert!(matches!(other.submit(entry(2)).await, Err(SubmitError::Stopped)));
}

/// Cosignatures are an in-process witness's, so that the clock shows in them.
#[tokio::test]
async fn a_restart_renews_the_cosignatures() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..3).await;
    let before = clean(&log).await;
    log.sequencer.clone().stop().await;
    let later = MemoryLog::open_on(Arc::clone(&log.storage), ORIGIN, Arc::new(|| 1_767_225_999)).await.unwrap();
    let after = clean(&later).await;
    assert_eq!((after.size, after.root), (before.size, before.root));
    assert_eq!(after.cosigned_by[0].time, 1_767_225_999);
}

fn parts() -> (NoteSigner, Cosigner, LogPolicy) {
    let signer = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap();
    let cosigner = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let text = format!("log {}\nwitness w {}\nquorum w\n", signer.vkey(), cosigner.vkey());
    (signer, cosigner, LogPolicy::parse(&text).unwrap())
}

#[tokio::test]
async fn a_folder_has_one_writer_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = |origin: &str| LogConfig {
        folder: folder.path().join("log"),
        origin: origin.to_owned(),
        batch_interval: Duration::from_millis(5),
    };
    let (signer, cosigner, policy) = parts();
    let witness = Witness::open(&folder.path().join("witness"), cosigner, vec![signer.vkey()], system_clock()).unwrap();
    let witnesses = || -> Vec<Arc<dyn Witnessing>> { vec![Arc::new(witness.clone())] };
    let log = Sequencer::open(config(ORIGIN), signer, witnesses(), policy.clone()).await.unwrap();
    let logged = log.submit(entry(1)).await.unwrap();

    let second = Sequencer::open(config(ORIGIN), parts().0, witnesses(), policy.clone()).await;
    assert!(matches!(second, Err(OpenError::Folder(_))), "{second:?}");

    log.stop().await;
    let log = Sequencer::open(config(ORIGIN), parts().0, witnesses(), policy.clone()).await.unwrap();
    assert_eq!(log.submit(entry(1)).await.unwrap().index, logged.index);
    let source = client::folder_source(&folder.path().join("log"));
    assert_eq!(LogClient::new(source, policy.clone()).checkpoint().await.unwrap().checkpoint.size, 1);
    assert!(log.trouble().is_none());
    log.stop().await;

    let other = Sequencer::open(config("other.example"), parts().0, witnesses(), policy).await;
    assert!(matches!(other, Err(OpenError::Configuration { .. })), "{other:?}");
}

#[tokio::test]
async fn a_new_log_needs_its_quorum() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        LogConfig { folder: folder.path().to_owned(), origin: ORIGIN.into(), batch_interval: Duration::from_millis(5) };
    let (signer, _, policy) = parts();
    let opened = Sequencer::open(config, signer, Vec::new(), policy).await;
    assert!(matches!(opened, Err(OpenError::Unwitnessed { .. })), "{opened:?}");
}
