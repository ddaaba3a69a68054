//! The directory's figures, for this machine alone, as the authority's own are: how busy they are concerns the operator.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use ca::https::is_from_here;
use directory::Directory;

/// Makes the text.
type Figures = Arc<dyn Fn() -> String + Send + Sync>;

/// `/directory/metrics`.
pub(crate) fn router(directory: Arc<Directory>) -> Router {
    let figures: Figures = Arc::new(move || directory.figures());
    Router::new().route("/directory/metrics", get(metrics)).with_state(figures)
}

async fn metrics(State(figures): State<Figures>, request: Request) -> Response {
    if !is_from_here(&request) {
        return StatusCode::NOT_FOUND.into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], figures()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use ca::https::PeerAddr;
    use std::net::SocketAddr;

    #[tokio::test]
    async fn figures_are_for_this_machine_alone() {
        let code = async |from: Option<&str>| {
            let mut request = Request::new(Body::empty());
            if let Some(from) = from {
                let from: SocketAddr = from.parse().unwrap();
                request.extensions_mut().insert(ConnectInfo(PeerAddr(from)));
            }
            metrics(State(Arc::new(String::new)), request).await.status().as_u16()
        };
        for here in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(code(Some(here)).await, 200, "{here}");
        }
        for elsewhere in [Some("192.0.2.7:9"), Some("[2001:db8::7]:9"), None] {
            assert_eq!(code(elsewhere).await, 404, "{elsewhere:?}");
        }
    }
}
