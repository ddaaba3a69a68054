//! What following a log costs on the wire, so that the figures in docs/spec/log.md stay true.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use common::{ORIGIN, audit_from, clock};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use sha2::{Digest as _, Sha256};
use tlog_proof::{BundlePath, Entry};
use tower::ServiceExt as _;
use transparency_log::Submit as _;
use transparency_log::client::{Source, SourceError};
use transparency_log::server::router;
use transparency_log::testing::MemoryLog;

/// Forty bundles and a part of one.
const ENTRIES: u32 = 40 * 256 + 200;

/// A source that counts what it gives.
#[derive(Clone)]
struct Counted<S>(S, Arc<AtomicUsize>);

impl<S: Source> Source for Counted<S> {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        let got = self.0.get(path);
        async move {
            let bytes = got.await?;
            self.1.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes)
        }
        .boxed()
    }
}

/// Certificates' entries, whose labels and commitments look random.
async fn log() -> MemoryLog {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let random = |what: &str, number: u32| Sha256::digest(format!("{what} {number}")).into();
    let entry =
        |number| Entry::Certificate { label: random("label", number), commitment: random("commitment", number) };
    try_join_all((0..ENTRIES).map(|number| log.sequencer.submit(entry(number).encode()))).await.unwrap();
    log
}

#[tokio::test]
async fn an_entry_costs_a_hundred_bytes() {
    let log = log().await;
    let count = Arc::new(AtomicUsize::new(0));
    let report = audit_from(Counted(log.source(), Arc::clone(&count)), &log, None).await.unwrap();
    assert_eq!(report.size, u64::from(ENTRIES));
    let everything = count.load(Ordering::Relaxed);

    // Nothing new costs the checkpoint and the right edge: a partial tile of each level.
    count.store(0, Ordering::Relaxed);
    audit_from(Counted(log.source(), Arc::clone(&count)), &log, Some(report.cursor)).await.unwrap();
    let nothing = count.load(Ordering::Relaxed);
    assert!((7_000..9_000).contains(&nothing), "{nothing} bytes for nothing new");
    // A bundle has 68 bytes for each entry, its tile of leaf hashes 32, and the tiles above a part of one.
    let each = (everything - nothing) as f64 / f64::from(ENTRIES);
    assert!((99.9..100.5).contains(&each), "{each} bytes for each entry");

    // What looks random hardly becomes smaller.
    let path = BundlePath { index: 7, width: 256 };
    let request = Request::builder().uri(format!("/{path}")).header("accept-encoding", "gzip");
    let answer = router(log.storage.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let packed = to_bytes(answer.into_body(), 1 << 20).await.unwrap().len() as f64 / 256.0;
    assert!((64.0..67.0).contains(&packed), "{packed} bytes for each entry of a gzipped bundle");
    println!("{each:.1} bytes for each entry, {packed:.1} of a gzipped bundle's, {nothing} for nothing new");
}
