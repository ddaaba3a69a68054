//! A log served over a real socket and audited from there.
#![allow(clippy::unwrap_used)]

mod common;

use common::{ORIGIN, audit_from, clock, submit_all};
use transparency_log::client::{HttpSource, LogClient, Source as _, SourceError};
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
    let url = serve(axum::Router::new().route("/log/checkpoint", axum::routing::get(endless))).await;
    let source = HttpSource::new(client(), &url);
    assert!(matches!(source.get("checkpoint").await, Err(SourceError::TooLarge { expected: 131072, .. })));
    let dead = HttpSource::new(client(), "http://127.0.0.1:9");
    assert!(matches!(dead.get("checkpoint").await, Err(SourceError::Unreachable { .. })));
}
