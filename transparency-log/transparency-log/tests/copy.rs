//! A copy of a log: whole, verified, brought up to date, and never of two histories.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{ORIGIN, clock, entry, submit_all};
use tlog_proof::{Cosigner, Entry, LogPolicy, ObjectKind, VerifierKey};
use transparency_log::client::{StorageSource, folder_source, self_proving_http};
use transparency_log::copy::{CopyError, LogCopy, Said, is_certain};
use transparency_log::storage::{MemoryStorage, Storage as _};
use transparency_log::testing::{MemoryLog, key};
use transparency_log::witness::{RemoteWitness, Witness, Witnessing as _};

async fn log(entries: u64) -> MemoryLog {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..entries).await;
    log
}

#[tokio::test]
async fn a_copy_is_the_log_and_goes_on_as_the_log() {
    let log = log(300).await;
    let object = log.sequencer.put_object(ObjectKind::Crl, b"a list".to_vec()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut copy = LogCopy::open(folder.path(), &log.log_key).unwrap();
    assert_eq!(copy.size(), 0);
    let extended = copy.extend(log.source()).await.unwrap();
    assert_eq!((extended.entries, extended.missing.len(), copy.size()), (301, 0, 301));
    let early = copy.root();
    submit_all(&log, 301..900).await;
    assert_eq!(copy.extend(log.source()).await.unwrap().entries, 599);
    assert_eq!(copy.extend(log.source()).await.unwrap().entries, 0);
    let last = copy.entries(899).await.unwrap();
    assert_eq!(last, [(899, Entry::decode(&entry(899)).unwrap())]);
    assert!(copy.entries(900).await.unwrap().is_empty());
    let Entry::Object { hash, .. } = copy.entries(300).await.unwrap()[0].1.clone() else {
        panic!("index {}", object.index)
    };
    assert_eq!(copy.object(&hash).await.unwrap().unwrap(), b"a list");
    let root = copy.root();
    assert_eq!((copy.root_at(301).await.unwrap(), copy.root_at(900).await.unwrap()), (early, root));
    assert_eq!(copy.root_at(0).await.unwrap(), tlog_proof::empty_root());
    copy.root_at(901).await.unwrap_err();
    drop(copy);

    // Opened again it is the same; and somebody else can copy it from the folder, and the log go on from it.
    let copy = LogCopy::open(folder.path(), &log.log_key).unwrap();
    assert_eq!((copy.size(), copy.root()), (900, root));
    drop(copy);
    let storage = Arc::new(MemoryStorage::new());
    let shared: Arc<dyn transparency_log::storage::Storage> = Arc::<MemoryStorage>::clone(&storage);
    let mut again = LogCopy::open_on(shared, &log.log_key).unwrap();
    again.extend(folder_source(folder.path())).await.unwrap();
    assert_eq!(again.root(), root);
    let paths = |storage: &MemoryStorage| {
        let mut paths = storage.paths();
        paths.retain(|path| path.starts_with("tile") && !path.contains(".p/") || path.starts_with("object"));
        paths.sort();
        paths.into_iter().map(|path| (storage.get(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    assert_eq!(paths(&storage), paths(&log.storage));
    let reopened = MemoryLog::open_on(storage, ORIGIN, clock()).await.unwrap();
    assert_eq!(submit_all(&reopened, 2000..2001).await[0].index, 900);
}

#[tokio::test]
async fn a_copy_can_do_without_the_objects_of_what_is_known() {
    let log = log(5000).await;
    let [known, wanted] = [b"known", b"later"].map(|bytes| bytes.to_vec());
    log.sequencer.put_object(ObjectKind::Crl, known).await.unwrap();
    let first = log.sequencer.put_object(ObjectKind::Crl, wanted).await.unwrap().index;
    let copy = LogCopy::open_on(Arc::new(MemoryStorage::new()), &log.log_key).unwrap();
    let mut copy = copy.with_objects_from(first);
    copy.extend(log.source()).await.unwrap();
    let mut found = Vec::new();
    for (_, entry) in copy.entries(first - 1).await.unwrap() {
        let Entry::Object { hash, .. } = entry else { panic!("{entry:?}") };
        found.push(copy.object(&hash).await.unwrap());
    }
    assert_eq!(found, [None, Some(b"later".to_vec())]);
}

#[tokio::test]
async fn what_does_not_begin_as_the_copy_does_is_refused() {
    let log = log(300).await;
    let folder = tempfile::tempdir().unwrap();
    let mut copy = LogCopy::open(folder.path(), &log.log_key).unwrap();
    copy.extend(log.source()).await.unwrap();
    // Another history under the same key: of the same size, and a longer one.
    let other = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&other, 1..301).await;
    assert!(matches!(copy.extend(other.source()).await, Err(CopyError::Forked { size: 300, .. })));
    submit_all(&other, 301..700).await;
    assert!(matches!(copy.extend(other.source()).await, Err(CopyError::Forked { size: 300, .. })));
    assert_eq!(copy.size(), 300);
    drop(copy);
    let copy = LogCopy::open(folder.path(), &log.log_key).unwrap();
    assert_eq!(copy.size(), 300, "its checkpoint is the old one");
    // A source that was altered, and a log of another key.
    let altered = log.storage.snapshot();
    assert!(altered.tamper("tile/entries/000", |bytes| bytes[20] ^= 1));
    let empty = tempfile::tempdir().unwrap();
    let mut fresh = LogCopy::open(empty.path(), &log.log_key).unwrap();
    assert!(matches!(fresh.extend(StorageSource::new(Arc::new(altered))).await, Err(CopyError::Source(_))));
    assert_eq!(fresh.size(), 0);
    let stranger = MemoryLog::open("other.example/1", clock()).await;
    assert!(matches!(fresh.extend(stranger.source()).await, Err(CopyError::Source(_))));
}

fn witness(name: &str, log: &VerifierKey) -> Witness {
    let cosigner = Cosigner::new(name, key(name, "witness")).unwrap();
    Witness::open_on(Arc::new(MemoryStorage::new()), cosigner, vec![log.clone()], clock())
}

#[tokio::test]
async fn a_witness_says_whether_it_knows_more() {
    let log = log(40).await;
    let copy_of = |log: &MemoryLog| {
        let key = log.log_key.clone();
        let source = log.source();
        async move {
            let mut copy = LogCopy::open_on(Arc::new(MemoryStorage::new()), &key).unwrap();
            copy.extend(source).await.unwrap();
            copy
        }
    };
    let old = copy_of(&log).await;
    let seen_less = witness("w.example", &log.log_key);
    let seen = key_of("w.example");
    assert_eq!(old.compare(&seen, &seen_less, clock()()).await, Said::Here, "it has seen nothing yet");
    assert_eq!(old.compare(&seen, &seen_less, clock()()).await, Said::Here);
    submit_all(&log, 40..300).await;
    let new = copy_of(&log).await;
    assert_eq!(new.compare(&seen, &seen_less, clock()()).await, Said::Here, "it is led from 40 to 300");
    assert_eq!(old.compare(&seen, &seen_less, clock()()).await, Said::Ahead { size: 300 });
    let other = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&other, 1000..1300).await;
    assert!(matches!(copy_of(&other).await.compare(&seen, &seen_less, clock()()).await, Said::Forked(_)));
    let unknowing = witness("v.example", &MemoryLog::open("other.example/1", clock()).await.log_key);
    assert!(matches!(new.compare(&key_of("v.example"), &unknowing, clock()()).await, Said::Nothing(_)));
}

fn key_of(name: &str) -> VerifierKey {
    Cosigner::new(name, key(name, "witness")).unwrap().vkey()
}

/// Whoever sits at a witness's address, and answers 200 with what he likes.
async fn somebody_who_says(answer: String, key: &VerifierKey) -> RemoteWitness {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(move || async move { answer });
    tokio::spawn(async move { axum::serve(listener, router).await });
    RemoteWitness::new(self_proving_http(), key.clone(), &url)
}

#[tokio::test]
async fn only_a_fresh_cosignature_of_the_witness_itself_says_that_it_knows_no_more() {
    let log = log(40).await;
    let mut copy = LogCopy::open_on(Arc::new(MemoryStorage::new()), &log.log_key).unwrap();
    copy.extend(log.source()).await.unwrap();
    let (key, now) = (key_of("w.example"), clock()());
    // What the witness says of the same tree, under its own key, now.
    let text = String::from_utf8(log.storage.get("checkpoint").unwrap().unwrap()).unwrap();
    let proof = Vec::new();
    let genuine = witness("w.example", &log.log_key).add_checkpoint(0, proof.clone(), text.clone()).await.unwrap();
    let stranger = witness("v.example", &log.log_key).add_checkpoint(0, proof, text.clone()).await.unwrap();
    let said = async |answer: &str, now| copy.compare(&key, &somebody_who_says(answer.into(), &key).await, now).await;
    let nothing = |said: &Said| matches!(said, Said::Nothing(why) if why.contains("fresh cosignature"));
    assert_eq!(said(&genuine, now).await, Said::Here);
    assert_eq!(said(&format!("{stranger}{genuine}"), now + 300).await, Said::Here);
    let altered = genuine.replacen("w.example ", "w.example A", 1);
    for answer in ["", "<html><h1>This domain is for sale</h1></html>\n", &stranger, &altered, &text] {
        let said = said(answer, now).await;
        assert!(nothing(&said), "{answer:?}: {said:?}");
    }
    // Everybody can read it, and say it again later.
    assert!(nothing(&said(&genuine, now + 301).await));
    assert!(nothing(&said(&genuine, now - 301).await));
    // Of another tree.
    submit_all(&log, 40..41).await;
    copy.extend(log.source()).await.unwrap();
    let said = copy.compare(&key, &somebody_who_says(genuine, &key).await, now).await;
    assert!(nothing(&said), "{said:?}");
}

#[tokio::test]
async fn certain_is_what_no_quorum_could_have_gone_beyond() {
    let log = log(1).await;
    let keys = ["own", "a", "b", "c"].map(|name| Cosigner::new(name, key(name, "witness")).unwrap().vkey());
    let [own, a, b, c] = &keys;
    let policy = |quorum: &str| {
        let witnesses = format!("witness own {own}\nwitness a {a}\nwitness b {b}\nwitness c {c}\n");
        LogPolicy::parse(&format!("log {}\n{witnesses}{quorum}", log.log_key)).unwrap()
    };
    let here = |keys: &[&VerifierKey]| keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>();
    // The operator's own witness lay on the disk that is lost.
    assert!(!is_certain(&policy("quorum own\n"), &here(&[a, b, c])));
    assert!(!is_certain(&policy("quorum none\n"), &here(&[own, a, b, c])));
    let both = policy("group both all own a\nquorum both\n");
    assert!(is_certain(&both, &here(&[a])) && !is_certain(&both, &here(&[b, c])));
    let two = policy("group two 2 own a b c\nquorum two\n");
    assert!(!is_certain(&two, &here(&[a, b])), "own and c make two");
    assert!(is_certain(&two, &here(&[a, b, c])));
}
