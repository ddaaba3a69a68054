//! The routes of logs that come while the server runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tower::ServiceExt as _;

/// Where everything of the logs is served.
const PREFIX: &str = "/log";

/// By the logs' names; the first log has none. Cheap to clone: all see the same.
#[derive(Clone, Default)]
pub(super) struct Routes(Arc<RwLock<BTreeMap<String, Router>>>);

impl Routes {
    /// Serves a log at this prefix from now on.
    pub(super) fn add(&self, prefix: &str, router: Router) {
        let name = name(prefix).to_owned();
        let router = Router::new().nest(prefix, router);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, router);
    }

    pub(super) fn router(&self) -> Router {
        let (root, below) = (format!("{PREFIX}/"), format!("{PREFIX}/{{*path}}"));
        Router::new()
            .route(PREFIX, any(serve))
            .route(&root, any(serve))
            .route(&below, any(serve))
            .with_state(self.clone())
    }

    /// The routes of the log whose name the path begins with; else those of the first log.
    fn of(&self, path: &str) -> Option<Router> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name(path)).or_else(|| all.get("")).cloned()
    }
}

/// What stands after the prefix, up to the next slash.
fn name(path: &str) -> &str {
    let below = path.strip_prefix(PREFIX).unwrap_or_default().trim_start_matches('/');
    below.split('/').next().unwrap_or_default()
}

async fn serve(State(routes): State<Routes>, request: Request) -> Response {
    match routes.of(request.uri().path()) {
        Some(router) => router.oneshot(request).await.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
