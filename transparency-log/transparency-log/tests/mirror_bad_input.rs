//! What strangers send to a mirror, and how: other paths and methods, half an upload, an endless one, too many at a time.
#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use axum::routing::get;
use common::by_hand::{ByHand, signer};
use common::{ORIGIN, clock};
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use tlog_proof::{AddEntries, Cosigner};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;
use transparency_log::limit::RateLimit;
use transparency_log::mirror::{Mirror, router};
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::key;

/// A mirror that expects 300 entries, and holds ten.
async fn expecting() -> (Router, ByHand) {
    let (log, many) = (ByHand::new(300), NonZeroU32::new(100_000).unwrap());
    let cosigner = Cosigner::new("m.example", key(ORIGIN, "mirror")).unwrap();
    let mirror = Mirror::open_on(Arc::new(MemoryStorage::new()), cosigner, vec![signer().vkey()], clock()).unwrap();
    let router = router(mirror, RateLimit::new(many, many));
    for (old, new) in [(0, 10), (10, 300)] {
        assert_eq!(ask(&router, Method::POST, "/add-checkpoint", log.add_checkpoint(old, new)).await.0, 200);
        if new == 10 {
            assert_eq!(ask(&router, Method::POST, "/add-entries", log.upload(0, 10, |_| {})).await.0, 200);
        }
    }
    (router, log)
}

async fn ask(router: &Router, method: Method, path: &str, body: impl Into<Body>) -> (u16, Vec<u8>) {
    send(router, Request::builder().method(method).uri(path), body).await
}

async fn send(router: &Router, request: axum::http::request::Builder, body: impl Into<Body>) -> (u16, Vec<u8>) {
    let request = request.header(header::CONTENT_TYPE, "application/octet-stream").body(body.into()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
}

/// The first bytes of an upload of everything.
fn header_bytes() -> Vec<u8> {
    AddEntries { origin: ORIGIN.into(), start: 10, end: 300, ticket: vec![] }.encode().unwrap()
}

/// A body that begins so, and goes on with a byte every so many seconds.
fn dripping(begins: Vec<u8>, seconds: u64) -> Body {
    Body::from_stream(stream::unfold(Some(begins), move |first| async move {
        let piece = match first {
            Some(first) => first,
            None => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                vec![0]
            }
        };
        Some((Ok::<_, std::io::Error>(piece), None))
    }))
}

#[tokio::test]
async fn other_paths_and_methods_lead_nowhere() {
    let (mirror, log) = expecting().await;
    let digest = hex::encode(Sha256::digest(ORIGIN));
    assert_eq!(ask(&mirror, Method::GET, &format!("/{digest}/checkpoint"), "").await.0, 200);
    let paths = [
        format!("/{digest}/held"),
        format!("/{digest}/../pending/{digest}"),
        format!("/{digest}/tile/0/../../held"),
        format!("/{digest}/tile/0/%2e%2e/%2e%2e/held"),
        format!("/{digest}/"),
        format!("/{}/checkpoint", digest.to_uppercase()),
        format!("/{}/checkpoint", "0".repeat(64)),
        format!("/pending/{digest}"),
        "/lock".to_owned(),
        "/../lock".to_owned(),
        "/checkpoint".to_owned(),
        "/sign-subtree".to_owned(),
    ];
    for path in paths {
        assert_eq!(ask(&mirror, Method::GET, &path, "").await.0, 404, "{path}");
    }
    for (method, path) in [
        (Method::GET, "/add-entries".to_owned()),
        (Method::PUT, "/add-checkpoint".to_owned()),
        (Method::DELETE, format!("/{digest}/checkpoint")),
        (Method::POST, format!("/{digest}/tile/0/000.p/10")),
    ] {
        assert_eq!(ask(&mirror, method, &path, "").await.0, 405, "{path}");
    }
    assert_eq!(ask(&mirror, Method::POST, "/add-entries", log.upload(10, 300, |_| {})).await.0, 200, "and goes on");
}

/// Half an upload, and a byte now and then: who is slow is cut off, and what was whole before counts.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_cut_off() {
    let (mirror, log) = expecting().await;
    for (pause, at_most) in [(3600, 10), (9, 60)] {
        let began = Instant::now();
        let (status, said) = ask(&mirror, Method::POST, "/add-entries", dripping(header_bytes(), pause)).await;
        assert_eq!(status, 400, "{}", String::from_utf8_lossy(&said));
        assert!(began.elapsed() <= Duration::from_secs(at_most), "{:?}", began.elapsed());
    }
    let mut most = log.upload(10, 300, |_| {});
    most.pop();
    let (status, info) = ask(&mirror, Method::POST, "/add-entries", dripping(most, 3600)).await;
    assert_eq!((status, String::from_utf8_lossy(&info).as_ref()), (202, "300\n256\n\n"));
}

#[tokio::test(start_paused = true)]
async fn one_client_does_not_take_all_places() {
    let (mirror, _) = expecting().await;
    let slow: Vec<_> = (0..2)
        .map(|_| {
            let mirror = mirror.clone();
            tokio::spawn(async move { ask(&mirror, Method::POST, "/add-entries", dripping(header_bytes(), 9)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&mirror, Method::POST, "/add-entries", header_bytes()).await.0, 429);
    for one in slow {
        assert_eq!(one.await.unwrap().0, 400);
    }
    assert_eq!(ask(&mirror, Method::POST, "/add-entries", header_bytes()).await.0, 400, "their places are free again");
}

/// A few kilobytes that become many megabytes: no more is unpacked than a package may have.
#[tokio::test]
async fn what_is_packed_too_well_is_not_unpacked_to_its_end() {
    let (mirror, _) = expecting().await;
    let plain = [header_bytes(), vec![0xff; 64 << 20]].concat();
    let packing = Router::new().route("/", get(|| async { plain })).layer(CompressionLayer::new());
    let request = Request::builder().uri("/").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let packed = to_bytes(packing.oneshot(request).await.unwrap().into_body(), 1 << 20).await.unwrap();
    assert!(packed.len() < 100_000, "{} bytes", packed.len());
    let request = Request::builder().method(Method::POST).uri("/add-entries").header(header::CONTENT_ENCODING, "gzip");
    assert_eq!(send(&mirror, request, packed).await.0, 400);
}
