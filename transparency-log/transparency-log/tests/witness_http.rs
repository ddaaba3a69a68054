//! A witness over a real socket: every answer of C2SP tlog-witness, bad input, and logs that ask several of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use common::{ORIGIN, clock, entry};
use reqwest::{Client, StatusCode};
use tlog_proof::{Checkpoint, Cosigner, Frontier, Hash, LogPolicy, NoteSigner, UnverifiedCheckpoint, sign_checkpoint};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transparency_log::client::self_proving_http;
use transparency_log::limit::RateLimit;
use transparency_log::storage::{MemoryStorage, Storage};
use transparency_log::testing::key;
use transparency_log::witness::{Observed, RemoteWitness, Witness, WitnessError, Witnessing, router};
use transparency_log::{Pace, Sequencer, Submit as _};

fn often() -> RateLimit {
    let many = NonZeroU32::new(100_000).unwrap();
    RateLimit::new(many, many)
}

fn log_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

fn witness(name: &str, storage: Arc<MemoryStorage>) -> Witness {
    let cosigner = Cosigner::new(name, key(ORIGIN, name)).unwrap();
    Witness::open_on(storage, cosigner, vec![log_signer().vkey()], clock())
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A tree of leaves that begin with `first`.
fn tree(size: u64, first: u8) -> Frontier {
    let mut tree = Frontier::new();
    (0..size).for_each(|n| tree.push(tlog_proof::leaf_hash(&[first, n as u8])));
    tree
}

fn signed(size: u64, first: u8) -> String {
    sign_checkpoint(&Checkpoint { origin: ORIGIN.into(), size, root: tree(size, first).root() }, &log_signer())
}

fn body(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let proof: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {old}\n{proof}\n{checkpoint}")
}

async fn post(http: &Client, address: SocketAddr, body: impl Into<reqwest::Body>) -> (StatusCode, String, String) {
    let response = http.post(format!("http://{address}/add-checkpoint")).body(body).send().await.unwrap();
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (status, kind, response.text().await.unwrap())
}

#[tokio::test]
async fn answers_as_the_specification_says() {
    let storage = Arc::new(MemoryStorage::new());
    let vkey = witness("w.example/1", Arc::clone(&storage)).vkey();
    let address = serve(router(witness("w.example/1", Arc::clone(&storage)), often())).await;
    let http = self_proving_http();
    let asked = |text: String| post(&http, address, text);

    let (status, _, lines) = asked(body(0, &[], &signed(2, 0))).await;
    assert_eq!(status, 200);
    let cosigned = UnverifiedCheckpoint::parse(format!("{}{lines}", signed(2, 0))).unwrap();
    assert_eq!(cosigned.verify_cosignature(&vkey).unwrap().time, clock()());
    // From two leaves to three, the proof is the third leaf.
    let third = tlog_proof::leaf_hash(&[0, 2]);
    let (status, kind, size) = asked(body(0, &[], &signed(3, 0))).await;
    assert_eq!((status.as_u16(), kind.as_str(), size.as_str()), (409, "text/x.tlog.size", "2\n"));
    assert_eq!(asked(body(4, &[], &signed(3, 0))).await.0, 400, "old above the checkpoint's size");
    assert_eq!(asked(body(2, &[], &signed(3, 0))).await.0, 422, "no proof");
    assert_eq!(asked(body(2, &[third], &signed(3, 9))).await.0, 422, "another tree's proof");
    let (status, kind, _) = asked(body(2, &[], &signed(2, 9))).await;
    assert_eq!(status, 409, "another root of the same size");
    assert_ne!(kind, "text/x.tlog.size");
    assert_eq!(asked(body(2, &[third], &signed(3, 0))).await.0, 200);
    assert_eq!(asked(body(3, &[], &signed(3, 0))).await.0, 200, "the same again renews the cosignature");

    let stranger = NoteSigner::new(ORIGIN, key(ORIGIN, "stranger")).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 3, root: tree(3, 0).root() };
    assert_eq!(asked(body(3, &[], &sign_checkpoint(&checkpoint, &stranger))).await.0, 403);
    let other = NoteSigner::new("other.example", key(ORIGIN, "log")).unwrap();
    let foreign = Checkpoint { origin: "other.example".into(), ..checkpoint };
    assert_eq!(asked(body(3, &[], &sign_checkpoint(&foreign, &other))).await.0, 404);
    for malformed in ["", "garbage", "old 3\n\n", "old 03\n\nx", "old 3\nAAAA\n\nx\n"] {
        assert_eq!(asked(malformed.to_owned()).await.0, 400, "{malformed:?}");
    }
    assert_eq!(post(&http, address, vec![0xff; 10]).await.0, 400);
    assert_eq!(asked(body(3, &vec![third; 64], &signed(3, 0))).await.0, 400, "64 hashes");
    assert_eq!(asked("x".repeat(200_000)).await.0, 413);

    let status: serde_json::Value = serde_json::from_str(
        &http.get(format!("http://{address}/status.json")).send().await.unwrap().text().await.unwrap(),
    )
    .unwrap();
    assert_eq!(status["logs"][0]["size"], 3);
    assert_eq!(status["logs"][0]["cosigned_at"], clock()());
    let page = http.get(format!("http://{address}/")).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = page.text().await.unwrap();
    assert!(page.contains(ORIGIN) && page.contains(&tree(3, 0).root().to_string()), "{page}");
}

#[tokio::test]
async fn wrong_methods_paths_and_too_many_requests_are_turned_away() {
    let few = RateLimit::new(NonZeroU32::MIN, NonZeroU32::new(3).unwrap());
    let address = serve(router(witness("w.example/1", Arc::new(MemoryStorage::new())), few)).await;
    let http = self_proving_http();
    let get = |path: &str| http.get(format!("http://{address}/{path}")).send();
    assert_eq!(get("add-checkpoint").await.unwrap().status(), 405);
    for path in ["../status.json/../../etc/passwd", "%2e%2e/lock", "witness/00", "status.json/", "ADD-CHECKPOINT"] {
        assert_eq!(get(path).await.unwrap().status(), 404, "{path}");
    }
    for expected in [200, 409, 409, 429] {
        let (status, ..) = post(&http, address, body(0, &[], &signed(2, 0))).await;
        assert_eq!(status, expected);
    }
    let refused = http.post(format!("http://{address}/add-checkpoint")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
}

/// Somebody who sends half a request keeps nobody else waiting.
#[tokio::test]
async fn a_silent_client_keeps_nobody_waiting() {
    let address = serve(router(witness("w.example/1", Arc::new(MemoryStorage::new())), often())).await;
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    silent.write_all(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nold 0\n").await.unwrap();
    let (status, ..) = post(&self_proving_http(), address, body(0, &[], &signed(2, 0))).await;
    assert_eq!(status, 200);
    let mut byte = [0];
    let nothing = tokio::time::timeout(Duration::from_millis(50), silent.read(&mut byte)).await;
    assert!(nothing.is_err(), "its own answer has to wait");
}

/// Of many at a time that prove from the same size, each size is cosigned with one root.
#[tokio::test(flavor = "multi_thread")]
async fn checks_and_persists_as_one_step() {
    let storage = Arc::new(MemoryStorage::new());
    let address = serve(router(witness("w.example/1", Arc::clone(&storage)), often())).await;
    let asked: Vec<_> = (0..40u8)
        .map(|first| {
            tokio::spawn(async move { post(&self_proving_http(), address, body(0, &[], &signed(2, first))).await })
        })
        .collect();
    let mut cosigned = 0;
    for answer in asked {
        match answer.await.unwrap().0.as_u16() {
            200 => cosigned += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert_eq!(cosigned, 1, "two histories of one size");
}

/// A log with a witness of its own and three elsewhere, of which one is dead: two of the four must cosign.
#[tokio::test]
async fn a_log_collects_from_witnesses_elsewhere() {
    let names = ["w.example/1", "w.example/2", "w.example/dead"];
    let own = witness("own", Arc::new(MemoryStorage::new()));
    let mut text = format!("log {}\nwitness own {}\n", log_signer().vkey(), own.vkey());
    let mut observed = vec![Arc::new(Observed::new(Arc::new(own), clock()))];
    for name in names {
        let remote = witness(name, Arc::new(MemoryStorage::new()));
        let vkey = remote.vkey();
        let address = match name {
            "w.example/dead" => "127.0.0.1:9".parse().unwrap(),
            _ => serve(Router::new().nest("/witness", router(remote, often()))).await,
        };
        let url = format!("http://{address}/witness/");
        text += &format!("witness {name} {vkey} {url}\n");
        let remote = RemoteWitness::new(self_proving_http(), vkey, &url);
        observed.push(Arc::new(Observed::new(Arc::new(remote), clock())));
    }
    text += "group elsewhere 2 w.example/1 w.example/2 w.example/dead\ngroup all 2 own elsewhere\nquorum all\n";
    let policy = LogPolicy::parse(&text).unwrap();
    let storage = Arc::new(MemoryStorage::new());
    let shared: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(&storage);
    let witnesses: Vec<Arc<dyn Witnessing>> = observed.iter().map(|o| Arc::<Observed>::clone(o) as _).collect();
    let pace = Pace::new(Duration::from_millis(1));
    let sequencer = Sequencer::open_on(shared, ORIGIN, pace, log_signer(), witnesses, policy.clone()).await.unwrap();
    for number in 0..5 {
        let logged = sequencer.submit(entry(number)).await.unwrap();
        logged.proof.verify(&tlog_proof::leaf_hash(&entry(number)), &policy).unwrap();
    }
    let verdict = policy.check(&UnverifiedCheckpoint::parse(sequencer.checkpoint()).unwrap()).unwrap();
    let by: Vec<_> = verdict.cosigned.iter().map(|cosigned| cosigned.name.as_str()).collect();
    assert_eq!(by, ["own", "w.example/1", "w.example/2"]);
    let health = observed.iter().map(|observed| observed.health()).collect::<Vec<_>>();
    assert!(health[..3].iter().all(|health| health.cosigned > 0 && health.trouble.is_none()), "{health:?}");
    assert!(health[3].failed > 0 && health[3].trouble.as_ref().unwrap().contains("127.0.0.1:9"), "{health:?}");
}

/// What a foreign witness answers is bounded, and never taken for what it is not.
#[tokio::test]
async fn a_lying_witness_is_understood() {
    use axum::routing::post;
    let size = |body: &'static str| {
        post(move || async move { (StatusCode::CONFLICT, [("content-type", "text/x.tlog.size")], body) })
    };
    let fork = || async { (StatusCode::CONFLICT, "size 2 was cosigned with another root\u{1b}[31m") };
    let router = Router::new()
        .route("/sized/add-checkpoint", size("7\n"))
        .route("/missized/add-checkpoint", size("seven"))
        .route("/forked/add-checkpoint", post(fork))
        .route("/endless/add-checkpoint", post(|| async { vec![b'a'; 1 << 20] }))
        .route("/binary/add-checkpoint", post(|| async { vec![0xff; 100] }))
        .route("/failing/add-checkpoint", post(|| async { StatusCode::BAD_GATEWAY }));
    let address = serve(router).await;
    let vkey = witness("w.example/1", Arc::new(MemoryStorage::new())).vkey();
    let ask = |path: &str| {
        let remote = RemoteWitness::new(self_proving_http(), vkey.clone(), &format!("http://{address}/{path}"));
        async move { remote.add_checkpoint(0, vec![], signed(2, 0)).await.unwrap_err() }
    };
    assert!(matches!(ask("sized").await, WitnessError::Conflict { size: 7 }));
    assert!(matches!(ask("missized").await, WitnessError::Unreachable(_)));
    let forked = ask("forked").await;
    assert!(matches!(forked, WitnessError::Refused { status: 409, .. }) && !forked.to_string().contains('\u{1b}'));
    assert!(matches!(ask("endless").await, WitnessError::Unreachable(reason) if reason.contains("at most")));
    assert!(matches!(ask("binary").await, WitnessError::Unreachable(_)));
    assert!(matches!(ask("failing").await, WitnessError::Unreachable(_)));
    assert!(matches!(ask("absent").await, WitnessError::Refused { status: 404, .. }));
}
