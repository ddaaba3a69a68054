use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::testing::{Client, Signer, World};

/// The question that a browser asks before a script's signed request.
fn may_it(path: &str) -> Request<Body> {
    let request = Request::builder().method(Method::OPTIONS).uri(path);
    request
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_script_on_any_page_may_be_a_client_and_may_not_read_the_operators_figures() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let asked = client.request(may_it("/new-order")).await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    assert_eq!(asked.header("access-control-allow-headers"), "content-type");
    let refused = client.post("/new-order", json!({})).await;
    for answer in [asked, refused, client.get("/directory").await, client.get("/crl/people.crl").await] {
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.header("access-control-expose-headers").contains("replay-nonce"));
    }
    for path in ["/status", "/health", "/metrics"] {
        assert_eq!(client.get(path).await.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(client.request(may_it(path)).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}
