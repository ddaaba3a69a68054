//! A witness over HTTP: add-checkpoint and sign-subtree (C2SP tlog-witness), and a page that says what it watches.
//!
//! | path | | |
//! |---|---|---|
//! | `add-checkpoint` | POST | the answers of the specification; 429 to who asks too often |
//! | `sign-subtree` | POST | the same, where the witness has a key for it; 404 otherwise |
//! | the prefix itself | GET | a page for people: the witness's key, each log's size, when it was last cosigned |
//! | `status.json` | GET | the same for programs |
//! | `<SHA-256 of an origin in hex>/checkpoint` | GET | the checkpoint cosigned last for that log, for monitors to compare |

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tlog_proof::SignSubtree;
use tlog_proof::add_checkpoint::{AddCheckpoint, MAX_REQUEST_BYTES, SIZE_CONTENT_TYPE, format_size};

use super::{LogStatus, SubtreeError, Witness, WitnessError, Witnessing as _};
use crate::bounded::{read_body, too_often, words};
use crate::limit::{ClientAddress, RateLimit};
use crate::page::{Page, moment};

#[derive(Clone)]
struct Served {
    witness: Witness,
    limit: Arc<RateLimit>,
}

/// The routes of a witness, to be served at its submission prefix (`Router::nest`).
pub fn router(witness: Witness, limit: RateLimit) -> Router {
    let routes = Router::new()
        .route("/", get(page))
        .route("/status.json", get(status))
        .route("/{origin}/checkpoint", get(checkpoint))
        .route("/add-checkpoint", post(add_checkpoint));
    // It is optional, and without the key no request could ever be answered.
    let routes = if witness.signs_subtrees() { routes.route("/sign-subtree", post(sign_subtree)) } else { routes };
    routes.with_state(Served { witness, limit: Arc::new(limit) })
}

async fn add_checkpoint(State(served): State<Served>, request: Request) -> Response {
    if let Err(wait) = served.limit.take(ClientAddress::of(request.extensions()), Instant::now()) {
        return too_often(wait);
    }
    let body = match read_body(request.into_body(), MAX_REQUEST_BYTES).await {
        Ok(body) => body,
        Err(status) => return words(status, "expected an add-checkpoint request of C2SP tlog-witness"),
    };
    let answer = match AddCheckpoint::parse(&body) {
        Ok(asked) => served.witness.add_checkpoint(asked.old, asked.proof, asked.checkpoint).await,
        Err(malformed) => Err(WitnessError::Malformed(malformed.to_string())),
    };
    match answer {
        Ok(lines) => words(StatusCode::OK, lines.trim_end_matches('\n')),
        Err(error) => refusal(&error),
    }
}

async fn sign_subtree(State(served): State<Served>, request: Request) -> Response {
    if let Err(wait) = served.limit.take(ClientAddress::of(request.extensions()), Instant::now()) {
        return too_often(wait);
    }
    let body = match read_body(request.into_body(), MAX_REQUEST_BYTES).await {
        Ok(body) => body,
        Err(status) => return words(status, "expected a sign-subtree request of C2SP tlog-witness"),
    };
    let asked = match SignSubtree::parse(&body) {
        Ok(asked) => asked,
        Err(malformed) => return words(StatusCode::BAD_REQUEST, &malformed.to_string()),
    };
    let witness = served.witness;
    match tokio::task::spawn_blocking(move || witness.sign_subtree_blocking(&asked)).await {
        Ok(Ok(line)) => words(StatusCode::OK, line.trim_end_matches('\n')),
        Ok(Err(error)) => subtree_refusal(&error),
        Err(_cut_short) => words(StatusCode::INTERNAL_SERVER_ERROR, "the witness is stopping"),
    }
}

fn subtree_refusal(error: &SubtreeError) -> Response {
    let status = match error {
        SubtreeError::Malformed(_) | SubtreeError::Beyond { .. } => StatusCode::BAD_REQUEST,
        SubtreeError::Cosignature(_) | SubtreeError::NoKey => StatusCode::FORBIDDEN,
        SubtreeError::UnknownLog { .. } => StatusCode::NOT_FOUND,
        SubtreeError::UnknownCheckpoint { known } => {
            // A checkpoint and nothing else, which ends in one newline.
            return words(StatusCode::CONFLICT, known.trim_end_matches('\n'));
        }
        SubtreeError::Proof(_) => StatusCode::UNPROCESSABLE_ENTITY,
        SubtreeError::Storage(error) => {
            tracing::error!(%error, "the witness's state cannot be read");
            return words(StatusCode::INTERNAL_SERVER_ERROR, "the witness's state cannot be read");
        }
    };
    words(status, &error.to_string())
}

/// The status that the specification demands for each refusal.
pub(crate) fn refusal(error: &WitnessError) -> Response {
    let status = match error {
        WitnessError::Conflict { size } => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(SIZE_CONTENT_TYPE))];
            return (StatusCode::CONFLICT, kind, format_size(*size)).into_response();
        }
        WitnessError::Malformed(_) | WitnessError::OldSize { .. } => StatusCode::BAD_REQUEST,
        WitnessError::UnknownLog { .. } => StatusCode::NOT_FOUND,
        WitnessError::Unsigned(_) => StatusCode::FORBIDDEN,
        WitnessError::Forked { .. } => {
            tracing::error!(%error, "a log shows two histories");
            StatusCode::CONFLICT
        }
        WitnessError::Proof(_) => {
            tracing::warn!(%error, "a log's signed checkpoint does not extend what was cosigned");
            StatusCode::UNPROCESSABLE_ENTITY
        }
        WitnessError::Storage(_) | WitnessError::Refused { .. } | WitnessError::Unreachable(_) => {
            // What is wrong with the disk is for the operator alone.
            tracing::error!(%error, "nothing can be cosigned");
            return words(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot persist its state just now");
        }
    };
    words(status, &error.to_string())
}

/// What `status.json` says.
#[derive(Debug, Serialize)]
struct Status {
    witness: String,
    /// Every key it cosigns with, the first of which is `witness`.
    keys: Vec<String>,
    logs: Vec<LogStatus>,
}

async fn look(witness: Witness) -> Result<Status, Response> {
    let vkey = witness.vkey().to_string();
    let keys = witness.vkeys().iter().map(ToString::to_string).collect();
    match tokio::task::spawn_blocking(move || witness.status()).await {
        Ok(Ok(logs)) => Ok(Status { witness: vkey, keys, logs }),
        Ok(Err(error)) => {
            tracing::error!(%error, "the witness's state cannot be read");
            Err(words(StatusCode::INTERNAL_SERVER_ERROR, "the witness's state cannot be read"))
        }
        Err(_cut_short) => Err(words(StatusCode::INTERNAL_SERVER_ERROR, "the witness is stopping")),
    }
}

async fn status(State(served): State<Served>) -> Response {
    match look(served.witness).await {
        Ok(status) => ([(header::CACHE_CONTROL, "no-store")], axum::Json(status)).into_response(),
        Err(response) => response,
    }
}

async fn checkpoint(State(served): State<Served>, Path(digest): Path<String>) -> Response {
    let witness = served.witness;
    match tokio::task::spawn_blocking(move || witness.checkpoint(&digest)).await {
        Ok(Ok(Some(text))) => words(StatusCode::OK, text.trim_end_matches('\n')),
        Ok(Ok(None)) => words(StatusCode::NOT_FOUND, "no checkpoint was cosigned for such a log"),
        Ok(Err(_)) | Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "the witness's state cannot be read"),
    }
}

async fn page(State(served): State<Served>) -> Response {
    let clock = served.witness.clock();
    let status = match look(served.witness).await {
        Ok(status) => status,
        Err(response) => return response,
    };
    let mut page = Page::new(&format!("Witness {}", name(&status.witness)));
    page.paragraph(
        "This witness cosigns the checkpoints of the logs below: each one only after proof that it extends the last. \
         A log that shows two people two histories cannot get a cosignature on both.",
    );
    page.facts(&[("Key", &status.witness)]);
    for key in status.keys.iter().filter(|key| **key != status.witness) {
        page.folded("Key against quantum computers (ML-DSA-44)", key);
    }
    page.heading("Logs");
    let rows = status.logs.iter().map(|log| {
        let cosigned = log.cosigned_at.map_or_else(|| "not since this start".to_owned(), |at| moment(at, clock()));
        vec![log.origin.clone(), log.size.to_string(), log.root.clone(), cosigned]
    });
    page.table(&["Log", "Entries", "Root", "Last cosigned"], rows.collect());
    page.respond()
}

/// The name in a verifier key's text.
fn name(vkey: &str) -> &str {
    vkey.split_once('+').map_or(vkey, |(name, _)| name)
}
