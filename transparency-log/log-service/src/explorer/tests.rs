//! The pages as a browser gets them, for good and for bad requests.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use ed25519_dalek::SigningKey;
use tlog_proof::{Cosigner, Entry};
use tower::ServiceExt as _;
use transparency_log::client::self_proving_http;
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::MemoryLog;
use transparency_log::witness::{RemoteWitness, Witnessing};
use transparency_log::{Submit as _, Witness, server};

use super::*;

async fn open(entries: u8) -> (MemoryLog, Router) {
    let clock: Clock = Arc::new(|| 1_767_225_600);
    let log = MemoryLog::open("log.example/2026", Arc::clone(&clock)).await;
    for n in 0..entries {
        log.sequencer.submit(Entry::Certificate { label: [n; 32], commitment: [7; 32] }.encode()).await.unwrap();
    }
    let storage: Arc<dyn Storage> = log.storage.clone();
    let explorer = Explorer::new(Arc::clone(&storage), log.policy.clone(), "/log", Vec::new(), clock);
    let router = Router::new().nest("/log", server::router(storage).merge(explorer.router()));
    (log, router)
}

async fn ask(router: &Router, method: &str, uri: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(uri).header(header::HOST, "x").body(body.into()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, String::from_utf8_lossy(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).into_owned())
}

#[tokio::test]
async fn shows_the_log_and_proves_an_entry() {
    let (log, router) = open(7).await;
    let (status, page) = ask(&router, "GET", "/log", Body::empty()).await;
    assert_eq!(status, 200);
    let verdict =
        log.policy.check(&tlog_proof::UnverifiedCheckpoint::parse(log.sequencer.checkpoint()).unwrap()).unwrap();
    let root = verdict.checkpoint.root;
    for expected in
        ["log.example/2026", &root.to_string(), "log.example/2026/witness, just now", "<dd class=\"mono\">7</dd>"]
    {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http"), "nothing from elsewhere");
    for index in 0..7 {
        let (status, page) = ask(&router, "GET", &format!("/log/entry?index={index}"), Body::empty()).await;
        assert_eq!(status, 200);
        let steps: Vec<_> = page.split("<br><code>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
        assert_eq!(*steps.last().unwrap(), steps::shown(&root), "the last step is the root");
        assert!(page.contains("✓"), "{page}");
    }
    assert_eq!(ask(&router, "GET", "/log/checkpoint", Body::empty()).await.0, 200, "the log's files are beside it");
}

#[tokio::test]
async fn a_witness_that_does_not_answer_is_shown_and_its_address_is_not() {
    let clock: Clock = Arc::new(|| 1_767_225_600);
    let log = MemoryLog::open("log.example/2026", Arc::clone(&clock)).await;
    let cosigner = |name: &str| Cosigner::new(name, SigningKey::from_bytes(&[7; 32])).unwrap();
    let well = Witness::open_on(
        Arc::new(MemoryStorage::new()),
        cosigner("well.example/w1"),
        vec![log.log_key.clone()],
        Arc::clone(&clock),
    );
    let gone = RemoteWitness::new(self_proving_http(), cosigner("gone.example/w2").vkey(), "http://127.0.0.1:1/secret");
    let asked: [Arc<dyn Witnessing>; 2] = [Arc::new(well), Arc::new(gone)];
    let observed: Vec<_> = asked.into_iter().map(|one| Arc::new(Observed::new(one, Arc::clone(&clock)))).collect();
    let explorer = Explorer::new(log.storage.clone(), log.policy.clone(), "/log", observed.clone(), clock);
    let router = Router::new().nest("/log", explorer.router());
    let (_, page) = ask(&router, "GET", "/log", Body::empty()).await;
    assert_eq!(page.matches("never since the start").count(), 2, "{page}");

    let checkpoint = log.sequencer.checkpoint();
    for witness in &observed {
        let _one_of_them_fails = witness.add_checkpoint(0, Vec::new(), checkpoint.to_string()).await;
    }
    let (_, page) = ask(&router, "GET", "/log", Body::empty()).await;
    let row = |name: &str| page.split("<tr>").find(|row| row.contains(name)).unwrap().to_owned();
    assert!(row("well.example/w1").contains("1 of 1") && row("well.example/w1").contains("just now"), "{page}");
    assert!(row("gone.example/w2").contains("does not cosign just now"), "{page}");
    assert!(row("gone.example/w2").contains("0 of 1"), "{page}");
    assert!(!page.contains("127.0.0.1") && !page.contains("secret"), "{page}");
}

#[tokio::test]
async fn bad_requests_get_a_page_and_nothing_else() {
    let (_log, router) = open(3).await;
    for index in ["3", "-1", "18446744073709551616", "%3Cscript%3E", "1e3", "%00"] {
        let (status, page) = ask(&router, "GET", &format!("/log/entry?index={index}"), Body::empty()).await;
        assert_eq!(status, 404, "{index}");
        assert!(!page.contains("<script"), "{index}");
    }
    assert_eq!(ask(&router, "GET", "/log/entry", Body::empty()).await.0, 200);
    assert_eq!(ask(&router, "GET", "/log/certificate", Body::empty()).await.0, 200);
    for body in [
        "",
        "pem=",
        "pem=%3Cscript%3E",
        "x=y",
        "pem=-----BEGIN+CERTIFICATE-----%0AAAAA%0A-----END+CERTIFICATE-----",
        "%ff%fe=\u{7f}",
    ] {
        let (status, page) = ask(&router, "POST", "/log/certificate", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(!page.contains("<script"), "{body}");
    }
    assert_eq!(ask(&router, "POST", "/log/certificate", "a".repeat(1 << 20)).await.0, 413);
    assert_eq!(ask(&router, "DELETE", "/log/certificate", Body::empty()).await.0, 405);
    assert_eq!(ask(&router, "POST", "/log/entry", Body::empty()).await.0, 405);
}

#[tokio::test]
async fn a_log_that_does_not_verify_is_not_shown_as_if_it_did() {
    let (log, router) = open(3).await;
    log.storage.tamper("tile/0/000.p/3", |bytes| bytes[0] ^= 1);
    let (status, page) = ask(&router, "GET", "/log/entry?index=0", Body::empty()).await;
    assert_eq!(status, 503);
    assert!(page.contains("✗") && !page.contains("✓"), "{page}");
}
