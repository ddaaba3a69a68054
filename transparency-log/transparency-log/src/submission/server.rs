//! The log's end: entries in, proofs out.
//!
//! | path | | |
//! |---|---|---|
//! | `entries` | POST | a [`Batch`]; answered with an [`Answer`] once every entry is durable, integrated and cosigned |
//! | `object/<kind>` | POST | an object of that kind, two hexadecimal digits; answered likewise |
//!
//! Either all entries of a request are taken or none. What waits is bounded; beyond that the answer is 429, and where
//! the log cannot give a proof in time 503, both with the time to wait. The identical request may always be repeated.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tlog_proof::submission::{Answer, Batch, CONTENT_TYPE, MAX_BATCH_BYTES};
use tlog_proof::{Entry, ObjectKind};
use tokio::sync::Semaphore;

use crate::bounded::{read_body, words};
use crate::sequencer::{Logged, MAX_OBJECT_BYTES, Sequencer, SubmitError};

/// Who may submit what: looks at what came with the request, and says why not.
pub type Gate = Arc<dyn Fn(&Extensions, &[Entry]) -> Result<(), String> + Send + Sync>;

/// How long to wait before asking again, in seconds: when there is no room, when witnesses or storage fail, and when
/// somebody must look after the log.
const WAIT_FOR_ROOM: u64 = 1;
const WAIT_FOR_PROOF: u64 = 5;
const WAIT_FOR_OPERATOR: u64 = 30;

#[derive(Clone)]
struct Served {
    log: Sequencer,
    gate: Gate,
    /// One permit for each entry that may wait.
    room: Arc<Semaphore>,
}

/// The routes of a log's submission prefix. `waiting` is how many entries may wait for their proofs at a time.
pub fn router(log: Sequencer, gate: Gate, waiting: NonZeroU32) -> Router {
    let room = Arc::new(Semaphore::new(waiting.get() as usize));
    Router::new().route("/entries", post(entries)).route("/object/{kind}", post(object)).with_state(Served {
        log,
        gate,
        room,
    })
}

async fn entries(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read_body(body, MAX_BATCH_BYTES).await {
        Ok(body) => body,
        Err(status) => return words(status, "expected 1 to 256 entries of at most 128 bytes, each led by its length"),
    };
    let batch = match Batch::decode(&body) {
        Ok(batch) => batch,
        Err(error) => return words(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let decoded: Result<Vec<_>, _> = batch.0.iter().map(|entry| Entry::decode(entry)).collect();
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return refusal(&error.into()),
    };
    // An object's hash must not stand in the log before the object is there.
    if decoded.iter().any(|entry| matches!(entry, Entry::Object { .. })) {
        return words(StatusCode::BAD_REQUEST, "expected no entry of an object, found one: submit the object itself");
    }
    if let Err(reason) = (served.gate)(&parts.extensions, &decoded) {
        return words(StatusCode::FORBIDDEN, &reason);
    }
    let Ok(_places) = Arc::clone(&served.room).try_acquire_many_owned(batch.0.len() as u32) else {
        return refusal(&SubmitError::Busy);
    };
    answer(served.log.submit_all(batch.0).await)
}

async fn object(State(served): State<Served>, Path(kind): Path<String>, request: Request) -> Response {
    let Some(kind) = ObjectKind::ALL.into_iter().find(|known| format!("{:02x}", known.byte()) == kind) else {
        return words(StatusCode::NOT_FOUND, "expected a kind of object: 10, 11, 12 or 13");
    };
    // Who may not submit is told so before anything large is read.
    if let Err(reason) = (served.gate)(request.extensions(), &[Entry::Object { kind, hash: [0; 32] }]) {
        return words(StatusCode::FORBIDDEN, &reason);
    }
    let Ok(_place) = Arc::clone(&served.room).try_acquire_owned() else { return refusal(&SubmitError::Busy) };
    let body = match read_body(request.into_body(), MAX_OBJECT_BYTES).await {
        Ok(body) => body,
        Err(status) => return words(status, "expected an object of at most 4 MiB"),
    };
    answer(served.log.put_object(kind, body).await.map(|logged| vec![logged]))
}

fn answer(logged: Result<Vec<Logged>, SubmitError>) -> Response {
    match logged {
        Ok(logged) => {
            let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
            let proofs = logged.into_iter().map(|logged| logged.proof).collect();
            (headers, Answer(proofs).encode()).into_response()
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &SubmitError) -> Response {
    let (status, wait) = match error {
        SubmitError::Entry(_) | SubmitError::TooLarge { .. } | SubmitError::Refused { .. } => {
            (StatusCode::BAD_REQUEST, None)
        }
        SubmitError::Busy => (StatusCode::TOO_MANY_REQUESTS, Some(WAIT_FOR_ROOM)),
        SubmitError::Delayed { .. } | SubmitError::Proof(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(WAIT_FOR_PROOF)),
        SubmitError::Stopped | SubmitError::Halted { .. } | SubmitError::Object(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(WAIT_FOR_OPERATOR))
        }
    };
    if status.is_server_error() {
        tracing::warn!(%error, "a submission was not answered with a proof");
    }
    let mut response = words(status, &error.to_string());
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
