//! What time it is at a server, by the Date of its answer over HTTPS (RFC 9110 section 6.6.1).

use std::sync::Arc;
use std::time::Duration;

use identity::UnixTime;
use identity::trust::Trust;

use super::{FetchError, https_client};

/// How long it may take to say so.
const DEADLINE: Duration = Duration::from_secs(10);

/// The time at the server at `url`, whose certificate is verified by the pinned policies; nothing if it does not say.
pub async fn server_time(trust: Arc<Trust>, url: &str) -> Result<Option<UnixTime>, FetchError> {
    let asking = https_client(trust).head(url).timeout(DEADLINE).send();
    let answer = asking.await.map_err(|error| FetchError::from_reqwest(url, &error))?;
    let date = answer.headers().get("date").and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
    let seconds = date.and_then(|date| u64::try_from(date.timestamp().as_second()).ok());
    Ok(seconds.map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds))))
}
