//! A mirror over HTTP (C2SP tlog-mirror).
//!
//! | path | | |
//! |---|---|---|
//! | `add-checkpoint` | POST | as a witness's, but nothing is signed: the answer is empty |
//! | `add-entries` | POST | entries in packages, also gzipped; cosignatures once the mirror holds the whole tree |
//! | `<SHA-256 of an origin in hex>/…` | GET | the copy of that log: checkpoint, tiles, entries |

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt as _;
use tlog_proof::add_checkpoint::{AddCheckpoint, MAX_REQUEST_BYTES};
use tlog_proof::add_entries::{ENTRIES_CONTENT_TYPE, INFO_CONTENT_TYPE, MAX_HEADER_BYTES, MAX_PACKAGE_BYTES};
use tlog_proof::{AddEntries, Package, packages};
use tower_http::decompression::RequestDecompressionLayer;

use super::held::Below;
use super::{Mirror, MirrorError, Upload};
use crate::bounded::{read_body, too_often, words};
use crate::limit::{ClientAddress, Places, RateLimit};
use crate::server;
use crate::witness::{WitnessError, refusal};

/// Uploads at a time, and of one client: each holds one package, and what is saved at once, in memory. Whoever sends
/// slowly must not keep the others out (C2SP tlog-mirror, "Implementation Considerations").
const UPLOADS: usize = 8;
const UPLOADS_OF_ONE: usize = 2;

/// How long the next piece of an upload may take.
const PIECE: Duration = Duration::from_secs(10);

/// How long a whole upload may take. What came until then counts, and the next one brings the rest.
const UPLOAD: Duration = Duration::from_secs(60);

/// Packages, and bytes of them, that are saved at once.
const PACKAGES: usize = 32;
const BYTES: usize = 4 << 20;

#[derive(Clone)]
struct Served {
    mirror: Mirror,
    limit: Arc<RateLimit>,
    uploads: Arc<Places>,
}

/// The routes of a mirror, whose submission and monitoring prefixes are one.
pub fn router(mirror: Mirror, limit: RateLimit) -> Router {
    let copies = mirror.logs().into_iter().fold(Router::new(), |router, (_, digest)| {
        let copy = server::router(Arc::new(Below::new(mirror.storage(), &digest)));
        router.nest(&format!("/{digest}"), copy)
    });
    let entries = post(add_entries).layer(RequestDecompressionLayer::new());
    let served = Served { mirror, limit: Arc::new(limit), uploads: Places::new(UPLOADS, UPLOADS_OF_ONE) };
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/add-entries", entries)
        .with_state(served)
        .merge(copies)
}

async fn add_checkpoint(State(served): State<Served>, request: Request) -> Response {
    if let Err(wait) = served.limit.take(ClientAddress::of(request.extensions()), Instant::now()) {
        return too_often(wait);
    }
    let body = match read_body(request.into_body(), MAX_REQUEST_BYTES).await {
        Ok(body) => body,
        Err(status) => return words(status, "expected an add-checkpoint request of C2SP tlog-witness"),
    };
    let asked = match AddCheckpoint::parse(&body) {
        Ok(asked) => asked,
        Err(malformed) => return refusal(&WitnessError::Malformed(malformed.to_string())),
    };
    let mirror = served.mirror;
    let added =
        tokio::task::spawn_blocking(move || mirror.add_checkpoint_blocking(asked.old, &asked.proof, &asked.checkpoint));
    match added.await {
        Ok(Ok(())) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Ok(Err(error)) => refusal(&error),
        Err(_cut_short) => words(StatusCode::INTERNAL_SERVER_ERROR, "the mirror is stopping"),
    }
}

async fn add_entries(State(served): State<Served>, request: Request) -> Response {
    if let Err(wait) = served.limit.take(ClientAddress::of(request.extensions()), Instant::now()) {
        return too_often(wait);
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != ENTRIES_CONTENT_TYPE) {
        return words(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/octet-stream");
    }
    let Some(_place) = served.uploads.take(ClientAddress::of(request.extensions())) else {
        return too_often(Duration::from_secs(1));
    };
    let mut response = upload(&served.mirror, request).await;
    response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// The body of an upload as it comes in.
struct Pieces {
    stream: BodyDataStream,
    buffer: Vec<u8>,
    /// When the whole of it must be there.
    until: tokio::time::Instant,
}

impl Pieces {
    /// Reads on until `parse` has what it wants; `None` where the body ends, breaks off or stalls before.
    async fn next<T, E>(
        &mut self,
        limit: usize,
        mut parse: impl FnMut(&mut &[u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        loop {
            let mut rest = self.buffer.as_slice();
            if let Some(found) = parse(&mut rest)? {
                let read = self.buffer.len() - rest.len();
                self.buffer.drain(..read);
                return Ok(Some(found));
            }
            if self.buffer.len() > limit {
                return Ok(None);
            }
            let until = self.until.min(tokio::time::Instant::now() + PIECE);
            match tokio::time::timeout_at(until, self.stream.next()).await {
                Ok(Some(Ok(piece))) => self.buffer.extend_from_slice(&piece),
                Ok(Some(Err(_)) | None) | Err(_) => return Ok(None),
            }
        }
    }
}

async fn upload(mirror: &Mirror, request: Request) -> Response {
    let until = tokio::time::Instant::now() + UPLOAD;
    let mut pieces = Pieces { stream: request.into_body().into_data_stream(), buffer: Vec::new(), until };
    let header = match pieces.next(MAX_HEADER_BYTES, AddEntries::parse).await {
        Ok(Some(header)) => header,
        Ok(None) => return words(StatusCode::BAD_REQUEST, "expected the header of an add-entries request, found less"),
        Err(error) => return words(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let upload = match mirror.begin(&header) {
        Ok(upload) => upload,
        Err(error) => return refused(&error),
    };
    let (mut saved, mut complete) = (0, true);
    let mut waiting = Vec::new();
    let mut bytes = 0;
    for range in packages(header.start, header.end) {
        match pieces.next(MAX_PACKAGE_BYTES, |rest| Package::parse(rest, range)).await {
            Ok(Some(package)) => {
                bytes += package.entries.iter().map(Vec::len).sum::<usize>();
                waiting.push((range, package));
            }
            // What is cut off, or is no package: what came before it counts.
            Ok(None) | Err(_) => {
                complete = false;
                break;
            }
        }
        if waiting.len() == PACKAGES || bytes > BYTES {
            saved += waiting.len();
            if let Err(error) = save(mirror, &upload, std::mem::take(&mut waiting)).await {
                return refused(&error);
            }
            bytes = 0;
        }
    }
    saved += waiting.len();
    if let Err(error) = save(mirror, &upload, waiting).await {
        return refused(&error);
    }
    match (complete, saved) {
        (true, _) => finish(mirror, upload).await,
        (false, 0) => {
            words(StatusCode::BAD_REQUEST, "expected packages of entries with their proofs, found less than one")
        }
        (false, _) => match mirror.info(&upload) {
            Ok(info) => account(StatusCode::ACCEPTED, info.to_string()),
            Err(error) => refused(&error),
        },
    }
}

async fn save(
    mirror: &Mirror,
    upload: &Upload,
    packages: Vec<(tlog_proof::PackageRange, Package)>,
) -> Result<(), MirrorError> {
    let (mirror, upload) = (mirror.clone(), upload.clone());
    let saved = tokio::task::spawn_blocking(move || mirror.save(&upload, packages));
    saved.await.unwrap_or_else(|failed| Err(std::io::Error::other(failed).into()))
}

async fn finish(mirror: &Mirror, upload: Upload) -> Response {
    let mirror = mirror.clone();
    let finished = tokio::task::spawn_blocking(move || mirror.finish(&upload)).await;
    match finished.unwrap_or_else(|failed| Err(std::io::Error::other(failed).into())) {
        Ok(lines) => words(StatusCode::OK, lines.trim_end_matches('\n')),
        Err(error) => refused(&error),
    }
}

fn account(status: StatusCode, info: String) -> Response {
    let headers = [(header::CONTENT_TYPE, INFO_CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (status, headers, info).into_response()
}

fn refused(error: &MirrorError) -> Response {
    match error {
        MirrorError::UnknownLog { .. } => words(StatusCode::NOT_FOUND, &error.to_string()),
        MirrorError::Conflict(info) => account(StatusCode::CONFLICT, info.to_string()),
        MirrorError::Package { .. } => {
            tracing::warn!(%error, "entries that do not stand in their log");
            words(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        MirrorError::Storage(error) => {
            // What is wrong with the disk is for the operator alone.
            tracing::error!(%error, "entries cannot be held");
            words(StatusCode::INTERNAL_SERVER_ERROR, "the mirror cannot keep entries just now")
        }
    }
}
