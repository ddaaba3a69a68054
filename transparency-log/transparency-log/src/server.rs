//! Serving a log over HTTP, as C2SP tlog-tiles demands: static files under strict paths.
//!
//! | path | content | caching |
//! |---|---|---|
//! | `/checkpoint` | the newest cosigned checkpoint | seconds |
//! | `/tile/<level>/<index>[.p/<width>]` | subtree hashes | immutable |
//! | `/tile/entries/<index>[.p/<width>]` | entries | immutable |
//! | `/object/<SHA-256 in hex>` | what an object entry names | immutable |
//!
//! Every path has one spelling; anything else is 404. No request body is read, and nothing is computed for
//! a request but the gzip form of an entry bundle, for who asks for it.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tlog_proof::{BundlePath, TilePath};
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, Predicate};

use crate::storage::Storage;

/// Longest path we look at, in bytes.
const MAX_PATH_BYTES: usize = 128;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const BRIEF: &str = "public, max-age=1, must-revalidate";

/// The routes of a log, to be served at its prefix (`Router::nest`). Reads what the sequencer published.
pub fn router(storage: Arc<dyn Storage>) -> Router {
    Router::new()
        .route("/checkpoint", get(serve))
        .route("/tile/{*place}", get(serve))
        .route("/object/{hash}", get(serve))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(Bundles))
        .with_state(storage)
}

/// Which answers are compressed: entry bundles alone (C2SP tlog-tiles, "Log entries"). Hashes do not
/// become smaller, and a checkpoint is small.
#[derive(Debug, Clone, Copy)]
struct Bundles;

impl Predicate for Bundles {
    fn should_compress<B>(&self, response: &axum::http::Response<B>) -> bool {
        response.extensions().get() == Some(&Resource::Bundle)
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Checkpoint,
    Tile,
    Bundle,
    Object,
}

impl Resource {
    /// Reads a path below the prefix, without its leading slash; one spelling for each resource.
    fn parse(path: &str) -> Option<Self> {
        if path.len() > MAX_PATH_BYTES {
            return None;
        }
        if path == "checkpoint" {
            return Some(Self::Checkpoint);
        }
        if let Some(hash) = path.strip_prefix("object/") {
            let lower_hex = hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            return (hash.len() == 64 && lower_hex).then_some(Self::Object);
        }
        if path.parse::<BundlePath>().is_ok() {
            return Some(Self::Bundle);
        }
        path.parse::<TilePath>().is_ok().then_some(Self::Tile)
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Checkpoint => "text/plain; charset=utf-8",
            Self::Tile | Self::Bundle | Self::Object => "application/octet-stream",
        }
    }

    fn caching(self) -> &'static str {
        if self == Self::Checkpoint { BRIEF } else { IMMUTABLE }
    }
}

async fn serve(State(storage): State<Arc<dyn Storage>>, uri: Uri) -> Response {
    // The raw path: a percent-encoded spelling names nothing.
    let path = uri.path().trim_start_matches('/').to_owned();
    let Some(resource) = Resource::parse(&path).filter(|_| uri.path() == format!("/{path}")) else {
        return refusal(StatusCode::NOT_FOUND);
    };
    match tokio::task::spawn_blocking(move || storage.get(&path)).await {
        Ok(Ok(Some(bytes))) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(resource.content_type())),
                (header::CACHE_CONTROL, HeaderValue::from_static(resource.caching())),
                (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                // Everything here is public, and pages may check it for themselves.
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            ];
            (Extension(resource), headers, bytes).into_response()
        }
        Ok(Ok(None)) => refusal(StatusCode::NOT_FOUND),
        Ok(Err(error)) => {
            tracing::error!(%error, "a file of the log could not be read");
            refusal(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(error) => {
            tracing::error!(%error, "reading a file of the log was cut short");
            refusal(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// What is missing now may be there in a moment, so that it must not be cached.
fn refusal(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::storage::MemoryStorage;

    fn served() -> Router {
        let storage = MemoryStorage::new();
        storage.put("checkpoint", b"a checkpoint".to_vec()).unwrap();
        storage.put("tile/0/000.p/5", vec![0; 160]).unwrap();
        storage.put("tile/entries/x001/234", vec![1]).unwrap();
        storage.put("stage", b"secret until published".to_vec()).unwrap();
        storage.put(&format!("object/{}", "ab".repeat(32)), b"an object".to_vec()).unwrap();
        Router::new().nest("/log", router(Arc::new(storage)))
    }

    #[tokio::test]
    async fn entry_bundles_are_compressed_for_who_asks_and_nothing_else_is() {
        let ask = async |path: &str, accept: &str| {
            let request = Request::builder().uri(path).header(header::ACCEPT_ENCODING, accept);
            let response = served().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let kind = response.headers()[header::CONTENT_TYPE].clone();
            assert!(kind == "application/octet-stream" || path.ends_with("checkpoint"));
            let encoding = response.headers().get(header::CONTENT_ENCODING).cloned();
            (encoding, to_bytes(response.into_body(), 1 << 20).await.unwrap())
        };
        let gzip = Some(HeaderValue::from_static("gzip"));
        let (encoding, body) = ask("/log/tile/entries/x001/234", "gzip, identity").await;
        assert_eq!((encoding, &body[..2]), (gzip, [0x1f, 0x8b].as_slice()), "the magic number of RFC 1952");
        assert_eq!(ask("/log/tile/entries/x001/234", "identity").await, (None, vec![1].into()));
        for path in ["/log/checkpoint", "/log/tile/0/000.p/5", &format!("/log/object/{}", "ab".repeat(32))] {
            assert_eq!(ask(path, "gzip").await.0, None, "{path}");
        }
    }

    async fn ask(method: &str, path: &str) -> (StatusCode, String, String, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = served().oneshot(request).await.unwrap();
        let text = |name| {
            response.headers().get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (kind, caching) = (text(header::CONTENT_TYPE), text(header::CACHE_CONTROL));
        (response.status(), kind, caching, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn serves_with_the_headers_of_tlog_tiles() {
        let (status, kind, caching, body) = ask("GET", "/log/checkpoint").await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/plain; charset=utf-8"));
        assert_eq!((caching.as_str(), body.as_slice()), (BRIEF, b"a checkpoint".as_slice()));
        for path in ["/log/tile/0/000.p/5", "/log/tile/entries/x001/234", &format!("/log/object/{}", "ab".repeat(32))] {
            let (status, kind, caching, _) = ask("GET", path).await;
            assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/octet-stream"), "{path}");
            assert_eq!(caching, IMMUTABLE, "{path}");
        }
        let (status, _, caching, _) = ask("GET", "/log/tile/0/000.p/6").await;
        assert_eq!((status, caching.as_str()), (StatusCode::NOT_FOUND, "no-store"));
    }

    #[tokio::test]
    async fn knows_one_spelling_of_each_path_and_reads_only() {
        let long = format!("/log/tile/0/{}000", "x001/".repeat(1000));
        let paths = [
            "/log/stage",
            "/log/lock",
            "/log//checkpoint",
            "/log/checkpoint/",
            "/log/tile/0/../../stage",
            "/log/tile/0/%2e%2e/%2e%2e/stage",
            "/log/tile/0/%3000.p/5",
            "/log/tile/0/000.p/05",
            "/log/tile/00/000.p/5",
            "/log/tile/0/000.p/5.new",
            "/log/tile/entries/x001/234/",
            "/log/tile//entries/x001/234",
            "/log/object/AB",
            "/log/object/..",
            &long,
        ];
        for path in paths {
            assert_eq!(ask("GET", path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(ask(method, "/log/checkpoint").await.0, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
    }
}
