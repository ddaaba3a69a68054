//! Every handler of requests to a log, its pages, a witness, a mirror and a submission port: whatever is asked, an answer
//! comes, is bounded, and is not a fault of the server.
//!
//! The input is a byte that names whom is asked, one for the method, one for the form of the body, a path, a line's end, and the body.
#![no_main]

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use ed25519_dalek::SigningKey;
use libfuzzer_sys::fuzz_target;
use log_service::explorer::Explorer;
use tlog_proof::{Cosigner, Entry, SubtreeCosigner};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use transparency_log::limit::RateLimit;
use transparency_log::mirror::{self, Mirror};
use transparency_log::storage::{MemoryStorage, Storage};
use transparency_log::testing::MemoryLog;
use transparency_log::{Clock, Submit as _, Witness, WitnessKeys, server, submission, witness};

const ORIGIN: &str = "log.example/2026";
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::DELETE];
/// More than the largest file of so small a log, page or proof.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads"));
/// The log goes on as long as the process.
static ROUTERS: LazyLock<(MemoryLog, [Router; 4])> = LazyLock::new(|| RUNTIME.block_on(routers()));

fn limit() -> RateLimit {
    RateLimit::new(NonZeroU32::MAX, NonZeroU32::MAX)
}

fn cosigner(name: &str, seed: u8) -> Cosigner {
    Cosigner::new(name, SigningKey::from_bytes(&[seed; 32])).expect("a name")
}

async fn routers() -> (MemoryLog, [Router; 4]) {
    let clock: Clock = Arc::new(|| 1_795_435_200);
    let log = MemoryLog::open(ORIGIN, Arc::clone(&clock)).await;
    for n in 0..7 {
        let entry = Entry::Certificate { label: [n; 32], commitment: [7; 32] }.encode();
        log.sequencer.submit(entry).await.expect("a log in memory");
    }
    let files: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(&log.storage);
    let pages = Explorer::new(Arc::clone(&files), log.policy.clone(), "", Vec::new(), Arc::clone(&clock)).router();
    let keys = WitnessKeys::both(cosigner("w.example", 1), SubtreeCosigner::new("w.example", &[2; 32]).expect("a name"));
    let witness = Witness::open_on(Arc::new(MemoryStorage::new()), keys, vec![log.log_key.clone()], Arc::clone(&clock));
    let copies = Arc::new(MemoryStorage::new());
    let mirror = Mirror::open_on(copies, cosigner("m.example", 3), vec![log.log_key.clone()], clock).expect("empty");
    // Whatever could be logged is refused at last: the log stays as small as it is.
    let gate: submission::Gate = Arc::new(|_, _| Err("nobody may".to_owned()));
    let entries = submission::router(log.sequencer.clone(), gate, NonZeroU32::new(1000).expect("not zero"));
    let log_and_pages = server::router(files).merge(pages);
    (log, [log_and_pages, witness::router(witness, limit()), mirror::router(mirror, limit()), entries])
}

fn request(bytes: &[u8]) -> Option<(usize, Request<Body>)> {
    let [who, method, form, rest @ ..] = bytes else { return None };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let path = std::str::from_utf8(&rest[..end]).ok()?;
    let body = rest.get(end + 1..).unwrap_or_default().to_vec();
    let mut request = Request::builder().method(METHODS[usize::from(*method) % METHODS.len()].clone()).uri(format!("/{path}"));
    if form & 1 != 0 {
        request = request.header("content-type", "application/octet-stream");
    }
    if form & 2 != 0 {
        request = request.header("content-encoding", "gzip").header("accept-encoding", "gzip");
    }
    Some((usize::from(*who) % ROUTERS.1.len(), request.body(Body::from(body)).ok()?))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((who, request)) = request(bytes) else { return };
    RUNTIME.block_on(async {
        let Ok(response) = ROUTERS.1[who].clone().oneshot(request).await;
        assert!(response.status() < StatusCode::INTERNAL_SERVER_ERROR, "{}", response.status());
        to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.expect("a bounded answer");
    });
});
