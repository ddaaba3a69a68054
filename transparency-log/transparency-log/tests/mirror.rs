//! A mirror over a real socket: it gets a log's entries, holds and serves them, and says no to what is not the log's.
#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use common::by_hand::{ByHand, signer};
use common::{ORIGIN, clock, entry};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};
use tlog_proof::{AddEntries, Cosigner, LogPolicy, MirrorInfo, Package, UnverifiedCheckpoint};
use transparency_log::client::{HttpSource, LogClient, self_proving_http};
use transparency_log::limit::RateLimit;
use transparency_log::mirror::{Mirror, RemoteMirror, router};
use transparency_log::storage::{MemoryStorage, Storage};
use transparency_log::testing::key;
use transparency_log::{Pace, Sequencer, Submit as _, Witness, Witnessing};

fn mirror(storage: &Arc<MemoryStorage>) -> Mirror {
    let cosigner = Cosigner::new("mirror.example/m1", key(ORIGIN, "mirror")).unwrap();
    let storage: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(storage);
    Mirror::open_on(storage, cosigner, vec![signer().vkey()], clock()).unwrap()
}

async fn serve(mirror: Mirror) -> String {
    let many = NonZeroU32::new(100_000).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let prefix = format!("http://{}", listener.local_addr().unwrap());
    let router = router(mirror, RateLimit::new(many, many));
    tokio::spawn(async move { axum::serve(listener, router).await });
    prefix
}

/// The log on this storage with a witness of its own; with a mirror, which the quorum then demands.
async fn log(storage: &Arc<MemoryStorage>, mirror: Option<(&str, &Mirror)>) -> (Sequencer, LogPolicy) {
    let storage: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(storage);
    let cosigner = Cosigner::new("w.example", key(ORIGIN, "witness")).unwrap();
    let mut text = format!("log {}\nwitness w {}\n", signer().vkey(), cosigner.vkey());
    let witness = Witness::open_on(Arc::clone(&storage), cosigner, vec![signer().vkey()], clock());
    let mut witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness)];
    match mirror {
        None => text.push_str("quorum w\n"),
        Some((prefix, mirror)) => {
            text.push_str(&format!("witness m {}\ngroup both all w m\nquorum both\n", mirror.vkey()));
            let remote = RemoteMirror::new(self_proving_http(), mirror.vkey(), prefix, Arc::clone(&storage));
            witnesses.push(Arc::new(remote));
        }
    }
    let policy = LogPolicy::parse(&text).unwrap();
    let pace = Pace::new(Duration::from_millis(1));
    let log = Sequencer::open_on(storage, ORIGIN, pace, signer(), witnesses, policy.clone()).await.unwrap();
    (log, policy)
}

async fn submit(log: &Sequencer, numbers: std::ops::Range<u64>) {
    for answer in join_all(numbers.map(|number| log.submit(entry(number)))).await {
        answer.unwrap();
    }
}

/// Everything that the mirror serves, verified under a policy that demands its cosignature.
async fn served(prefix: &str, policy: &LogPolicy) -> u64 {
    let url = format!("{prefix}/{}", hex::encode(Sha256::digest(ORIGIN)));
    // A mirror's copy is cosigned by the mirror; the witness's cosignature is on the log's own.
    let policy = LogPolicy::parse(&policy.to_string().replace("quorum both", "quorum m")).unwrap_or_else(|_| {
        let text = policy.to_string().replace("group both all w m\nquorum both", "quorum m");
        LogPolicy::parse(&text).unwrap()
    });
    let client = LogClient::new(HttpSource::new(self_proving_http(), &url), policy);
    let verdict = client.checkpoint().await.unwrap();
    let size = verdict.checkpoint.size;
    let entries: Vec<_> = client.entries(&verdict, 0..size).await.unwrap().try_collect().await.unwrap();
    assert_eq!(entries.len() as u64, size);
    size
}

#[tokio::test]
async fn a_log_that_demands_a_mirror_answers_once_the_mirror_holds_everything() {
    let (files, copies) = (Arc::new(MemoryStorage::new()), Arc::new(MemoryStorage::new()));
    let first = mirror(&copies);
    let prefix = serve(first.clone()).await;
    let (log_, policy) = log(&files, Some((&prefix, &first))).await;
    let logged = log_.submit(entry(0)).await.unwrap();
    let checkpoint = UnverifiedCheckpoint::parse(&logged.proof.checkpoint).unwrap();
    checkpoint.verify_cosignature(&first.vkey()).unwrap();
    submit(&log_, 1..700).await;
    assert_eq!(served(&prefix, &policy).await, 700);
    log_.stop().await;

    // Another process takes the same copy up.
    let second = mirror(&copies);
    let prefix = serve(second.clone()).await;
    let (log_, policy) = log(&files, Some((&prefix, &second))).await;
    submit(&log_, 700..1100).await;
    assert_eq!(served(&prefix, &policy).await, 1100);
    log_.stop().await;
}

#[tokio::test]
async fn a_mirror_that_comes_late_is_brought_everything_in_pieces() {
    let (files, copies) = (Arc::new(MemoryStorage::new()), Arc::new(MemoryStorage::new()));
    let (alone, _) = log(&files, None).await;
    submit(&alone, 0..9000).await;
    alone.stop().await;
    let late = mirror(&copies);
    let prefix = serve(late.clone()).await;
    let (log_, policy) = log(&files, Some((&prefix, &late))).await;
    submit(&log_, 9000..9001).await;
    assert_eq!(served(&prefix, &policy).await, 9001, "36 packages and no more than 32 in a request");
    log_.stop().await;
}

async fn post(http: &Client, url: String, body: impl Into<reqwest::Body>) -> (StatusCode, String) {
    let request = http.post(url).header("content-type", "application/octet-stream").body(body);
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn answers_as_the_specification_says() {
    let copies = Arc::new(MemoryStorage::new());
    let prefix = serve(mirror(&copies)).await;
    let (http, log) = (self_proving_http(), ByHand::new(600));
    let checkpoint = |text: String| post(&http, format!("{prefix}/add-checkpoint"), text);
    let entries = |body: Vec<u8>| post(&http, format!("{prefix}/add-entries"), body);
    let info = |next, size| MirrorInfo { size, next, ticket: vec![] }.to_string();
    let whole = |_: &mut Package| {};

    let unknown = AddEntries { origin: "other.example".into(), start: 0, end: 0, ticket: vec![] };
    assert_eq!(entries(unknown.encode().unwrap()).await.0, StatusCode::NOT_FOUND);
    let asked = entries(log.upload(0, 0, whole)).await;
    assert_eq!(asked, (StatusCode::CONFLICT, info(0, 0)), "who knows nothing asks so");
    assert_eq!(checkpoint(log.add_checkpoint(0, 300)).await, (StatusCode::OK, String::new()), "nothing is signed");
    assert_eq!(checkpoint(log.add_checkpoint(0, 300)).await, (StatusCode::CONFLICT, "300\n".to_owned()));
    assert_eq!(entries(log.upload(0, 200, whole)).await, (StatusCode::CONFLICT, info(0, 300)));
    assert_eq!(entries(log.upload(256, 300, whole)).await, (StatusCode::CONFLICT, info(0, 300)));

    let altered = |package: &mut Package| package.entries[7][40] ^= 1;
    assert_eq!(entries(log.upload(0, 300, altered)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(entries(log.upload(0, 0, whole)).await.1, info(0, 300), "nothing of it is held");
    let body = log.upload(0, 300, whole);
    for end in [0, 9, 40, 5000] {
        assert_eq!(entries(body[..end].to_vec()).await.0, StatusCode::BAD_REQUEST, "{end} bytes");
    }
    let cut = body.len() - 1;
    assert_eq!(entries(body[..cut].to_vec()).await, (StatusCode::ACCEPTED, info(256, 300)), "the first package counts");

    // While that upload waits, the log goes on; the older checkpoint still counts, until a newer one is mirrored.
    assert_eq!(checkpoint(log.add_checkpoint(300, 600)).await.0, StatusCode::OK);
    let (status, lines) = entries(log.upload(256, 300, whole)).await;
    assert_eq!(status, StatusCode::OK);
    let vkey = mirror(&Arc::new(MemoryStorage::new())).vkey();
    let cosigned = UnverifiedCheckpoint::parse(format!("{}{lines}", log.signed(300))).unwrap();
    assert_eq!(cosigned.verify_cosignature(&vkey).unwrap().time, clock()());
    // Entries that it has already are taken, and skipped.
    assert_eq!(entries(log.upload(200, 600, whole)).await.0, StatusCode::OK);
    assert_eq!(
        entries(log.upload(256, 300, whole)).await,
        (StatusCode::CONFLICT, info(600, 600)),
        "it never goes back"
    );
    let text = format!("log {}\nwitness m {vkey}\nquorum m\n", signer().vkey());
    assert_eq!(served(&prefix, &LogPolicy::parse(&text).unwrap()).await, 600);
    let kind = http.post(format!("{prefix}/add-entries")).body("x").send().await.unwrap();
    assert_eq!(kind.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_copy_that_was_damaged_is_refused_at_the_start() {
    let copies = Arc::new(MemoryStorage::new());
    let prefix = serve(mirror(&copies)).await;
    let (http, log) = (self_proving_http(), ByHand::new(300));
    post(&http, format!("{prefix}/add-checkpoint"), log.add_checkpoint(0, 300)).await;
    post(&http, format!("{prefix}/add-entries"), log.upload(0, 300, |_| {})).await;
    let digest = hex::encode(Sha256::digest(ORIGIN));
    let path = format!("{digest}/tile/0/001.p/44");
    let mut tile = copies.get(&path).unwrap().unwrap();
    mirror(&copies);
    tile[5] ^= 1;
    copies.put(&path, tile).unwrap();
    let cosigner = Cosigner::new("mirror.example/m1", key(ORIGIN, "mirror")).unwrap();
    let storage: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(&copies);
    let refused = Mirror::open_on(storage, cosigner, vec![signer().vkey()], clock()).map(drop).unwrap_err();
    assert!(refused.to_string().contains("root"), "{refused}");
}
