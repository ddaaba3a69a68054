//! The log's own pages: made on the server, without script and without anything from elsewhere.
//!
//! What they show was verified first, from the same public files that anybody can read; and every proof is stated step
//! by step, so that it can be recomputed by hand.
//!
//! | path below the log's prefix | |
//! |---|---|
//! | the prefix itself | size, growth, the latest checkpoints with who cosigned when, the witnesses' health |
//! | `entry?index=N` | one entry, and the proof that it stands in the log |
//! | `certificate` | a form: paste a certificate, see its proof explained |

mod certificate;
mod entry;
mod overview;
mod siblings;
mod steps;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use tlog_proof::{Cosigned, LogPolicy, PolicyVerdict};
use tokio_util::sync::CancellationToken;
use transparency_log::Clock;
use transparency_log::client::{ClientError, LogClient, StorageSource};
use transparency_log::page::Page;
use transparency_log::storage::Storage;
use transparency_log::witness::Observed;

/// Checkpoints that are remembered.
const REMEMBERED: usize = 50;

/// Pause between looks for a new checkpoint.
const LOOK: Duration = Duration::from_secs(2);

pub use siblings::Siblings;

type Client = LogClient<StorageSource<dyn Storage>>;

/// What the pages are made from. Cheap to clone: all see the same.
#[derive(Clone)]
pub struct Explorer(Arc<Inner>);

struct Inner {
    client: Client,
    policy: LogPolicy,
    prefix: String,
    witnesses: Vec<Arc<Observed>>,
    clock: Clock,
    seen: Mutex<VecDeque<Seen>>,
    siblings: Siblings,
}

/// A checkpoint as it was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    size: u64,
    root: String,
    at: u64,
    cosigned: Vec<Cosigned>,
}

impl Explorer {
    /// Pages of the log in `storage`, served below `prefix` (such as `/log`, or nothing).
    pub fn new(
        storage: Arc<dyn Storage>,
        policy: LogPolicy,
        prefix: &str,
        witnesses: Vec<Arc<Observed>>,
        clock: Clock,
    ) -> Self {
        let client = LogClient::new(StorageSource::new(storage), policy.clone());
        let (prefix, seen, siblings) = (prefix.to_owned(), Mutex::default(), Siblings::default());
        Self(Arc::new(Inner { client, policy, prefix, witnesses, clock, seen, siblings }))
    }

    /// Links to the other logs of the same authority on every page. To be called before anything is served.
    #[must_use]
    pub fn with_siblings(self, siblings: Siblings) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner { siblings, ..inner })),
            Err(shared) => Self(shared),
        }
    }

    /// The routes, to be merged with those of the log itself.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(overview::page))
            .route("/entry", get(entry::page))
            .route("/certificate", get(certificate::form).post(certificate::page))
            .with_state(self.clone())
    }

    /// Remembers each new checkpoint until `stop` is cancelled.
    pub async fn remember(self, stop: CancellationToken) {
        loop {
            let _told_on_the_page = self.newest().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// The newest checkpoint, verified, and remembered.
    async fn newest(&self) -> Result<PolicyVerdict, ClientError> {
        let verdict = self.0.client.checkpoint().await?;
        let (size, root) = (verdict.checkpoint.size, verdict.checkpoint.root.to_string());
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.front().is_some_and(|last| last.size == size && last.cosigned == verdict.cosigned);
        if !known {
            seen.push_front(Seen { size, root, at: (self.0.clock)(), cosigned: verdict.cosigned.clone() });
            seen.truncate(REMEMBERED);
        }
        Ok(verdict)
    }

    fn page(&self, title: &str) -> Page {
        let at = |path: &str| format!("{}/{path}", self.0.prefix);
        let home = if self.0.prefix.is_empty() { "/".to_owned() } else { self.0.prefix.clone() };
        let (entry, certificate, checkpoint) = (at("entry"), at("certificate"), at("checkpoint"));
        let others = self.0.siblings.others(&self.0.prefix);
        let mut links = vec![
            (home.as_str(), "The log"),
            (entry.as_str(), "An entry"),
            (certificate.as_str(), "A certificate"),
            (checkpoint.as_str(), "Newest checkpoint (raw)"),
        ];
        links.extend(others.iter().map(|(prefix, words)| (prefix.as_str(), words.as_str())));
        Page::new(title).with_navigation(&links)
    }

    /// What is shown when the log's own files do not verify.
    fn broken(&self, error: &ClientError) -> Response {
        tracing::error!(%error, "the log's own files cannot be shown");
        let mut page = self.page("The log").with_status(StatusCode::SERVICE_UNAVAILABLE);
        page.bad(&format!("The log cannot be read just now: {error}"));
        page.respond()
    }
}

#[cfg(test)]
mod tests;
