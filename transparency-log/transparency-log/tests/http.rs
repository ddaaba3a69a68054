//! A log served over a real socket and audited from there.
#![allow(clippy::unwrap_used)]

mod common;

use axum::routing::get;
use common::{ORIGIN, audit_from, clock, submit_all};
use sha2::{Digest as _, Sha256};
use tlog_proof::{CheckpointError, LogPolicy, PolicyError};
use transparency_log::client::{ClientError, HttpSource, LogClient, Source as _, SourceError};
use transparency_log::monitor::OtherSource;
use transparency_log::server::router;
use transparency_log::testing::MemoryLog;

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/log/")
}

fn client() -> reqwest::Client {
    let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn audited_over_http_while_it_grows() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let url = serve(axum::Router::new().nest("/log", router(log.storage.clone()))).await;
    let source = HttpSource::new(client(), &url);
    let mut cursor = None;
    for step in 0..4 {
        submit_all(&log, step * 333..(step + 1) * 333).await;
        let report = audit_from(source.clone(), &log, cursor).await.unwrap();
        assert_eq!(report.size, (step + 1) * 333);
        cursor = Some(report.cursor);
    }
    let reader = LogClient::new(source.clone(), log.policy.clone());
    let verdict = reader.checkpoint().await.unwrap();
    let range = reader.entries(&verdict, 250..600).await.unwrap();
    let entries: Vec<_> = futures_util::TryStreamExt::try_collect(range).await.unwrap();
    assert!(entries.iter().map(|(index, _)| *index).eq(250..600));
    assert!(entries.iter().all(|(index, bytes)| *bytes == common::entry(*index)));
    assert!(reader.entries(&verdict, 0..5000).await.is_err(), "beyond the checkpoint");
    assert!(matches!(source.get("tile/0/999").await, Err(SourceError::NotFound { .. })));
}

#[tokio::test]
async fn an_endless_answer_and_a_dead_address_are_bounded() {
    let endless = || async { axum::body::Body::from(vec![b'a'; 10 * 1024 * 1024]) };
    let url = serve(axum::Router::new().route("/log/checkpoint", get(endless))).await;
    let source = HttpSource::new(client(), &url);
    assert!(matches!(source.get("checkpoint").await, Err(SourceError::TooLarge { expected: 131072, .. })));
    let dead = HttpSource::new(client(), "http://127.0.0.1:9");
    assert!(matches!(dead.get("checkpoint").await, Err(SourceError::Unreachable { .. })));
}

/// A mirror's or witness's prefix, where something else is called `checkpoint`.
#[tokio::test]
async fn another_source_is_found_below_whatever_lies_at_its_address() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let other = MemoryLog::open("other.example/2026", clock()).await;
    let both = format!("log {}\nlog {}\nquorum none\n", log.log_key, other.log_key);
    let [one, both] = [format!("log {}\nquorum none\n", log.log_key), both].map(|t| LogPolicy::parse(&t).unwrap());
    let digest = hex::encode(Sha256::digest(ORIGIN));
    let showing = async |at: Option<String>, below: bool| {
        let mut shown = axum::Router::new();
        if let Some(text) = at {
            shown = shown.route("/log/checkpoint", get(async move || text));
        }
        if below {
            shown = shown.nest(&format!("/log/{digest}"), router(log.storage.clone()));
        }
        OtherSource::new(client(), &serve(shown).await)
    };

    let anothers = other.sequencer.checkpoint();
    for (policy, at) in
        [(&one, None), (&one, Some("<html>\n")), (&one, Some(anothers.as_str())), (&both, Some(anothers.as_str()))]
    {
        let source = showing(at.map(str::to_owned), true).await;
        let (found, seen) = source.of_log(policy, ORIGIN).await.unwrap();
        assert_eq!((seen.text(), found.get("checkpoint").await.is_ok()), (log.sequencer.checkpoint().as_str(), true));
    }

    // Where nothing lies below, it is told what lies there.
    let alone = async |policy, at: &str| showing(Some(at.to_owned()), false).await.of_log(policy, ORIGIN).await;
    let error = alone(&one, &anothers).await.unwrap_err();
    assert!(matches!(error, ClientError::Policy(PolicyError::UnknownLog { .. })), "{error}");
    let error = alone(&both, &anothers).await.unwrap_err();
    assert!(matches!(error, ClientError::Checkpoint(CheckpointError::WrongOrigin { .. })), "{error}");
    let error = alone(&one, "<html>\n").await.unwrap_err();
    assert!(matches!(error, ClientError::Checkpoint(_)), "{error}");

    // What names the log and is not signed by it is not passed over.
    let forged = anothers.replacen("other.example/2026", ORIGIN, 1);
    let error = showing(Some(forged), true).await.of_log(&one, ORIGIN).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Policy(error) if !matches!(error, PolicyError::UnknownLog { .. })),
        "{error}"
    );
}
