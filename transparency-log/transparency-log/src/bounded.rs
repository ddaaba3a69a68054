//! Reading what strangers send: no more than expected, and not for ever.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;

/// How long a body may take; slow clients are cut off, so that they keep nobody waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request's body of at most `limit` bytes.
///
/// # Errors
/// 413 when it is larger, 408 when it does not come in time, 400 when it breaks off.
pub async fn read_body(body: Body, limit: usize) -> Result<Vec<u8>, StatusCode> {
    tokio::time::timeout(PATIENCE, gather(body, limit)).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn gather(body: Body, limit: usize) -> Result<Vec<u8>, StatusCode> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_broken_off| StatusCode::BAD_REQUEST)?;
        if bytes.len() + chunk.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A few words for a client, not to be kept: the next answer may be another.
pub fn words(status: StatusCode, text: &str) -> Response {
    (status, plain(), format!("{text}\n")).into_response()
}

/// 429 with the time to wait, in whole seconds.
pub fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let mut response =
        words(StatusCode::TOO_MANY_REQUESTS, &format!("too many requests: ask again in {seconds} seconds"));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn plain() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::time::Instant;

    use super::*;

    /// A body of these pieces, each so many seconds after the one before.
    fn pieces(count: usize, seconds: u64, piece: &'static [u8]) -> Body {
        Body::from_stream(stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            (sent < count).then_some((Ok::<_, std::io::Error>(piece), sent + 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_whole_up_to_its_limit() {
        assert_eq!(read_body(pieces(3, 1, b"ab"), 6).await, Ok(b"ababab".to_vec()));
        assert_eq!(read_body(Body::empty(), 0).await, Ok(Vec::new()));
        assert_eq!(read_body(pieces(3, 1, b"ab"), 5).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        let broken = stream::iter([Ok("ab"), Err(std::io::Error::other("gone"))]);
        assert_eq!(read_body(Body::from_stream(broken), 6).await, Err(StatusCode::BAD_REQUEST));
    }

    /// One byte at a time, for ever: the client is cut off, however small a body it promises.
    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_cut_off() {
        let began = Instant::now();
        assert_eq!(read_body(pieces(usize::MAX, 5, b"a"), 1000).await, Err(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(began.elapsed(), PATIENCE);
    }

    /// An endless one is not read to its end.
    #[tokio::test(start_paused = true)]
    async fn an_endless_body_is_refused_at_its_limit() {
        let began = Instant::now();
        assert_eq!(read_body(pieces(usize::MAX, 0, &[0; 4096]), 1 << 20).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert!(began.elapsed() < PATIENCE);
    }
}
