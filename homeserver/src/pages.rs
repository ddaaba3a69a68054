//! What the server answers beside enrolment and log: a few words at `/`, the trust policy at `/policy`, the versions that
//! follow it at `/policy/2`, `/policy/3` and so on, the newest at `/policy/latest`.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

use crate::policies::Published;
use crate::ready::Ready;

/// `/` and `/policy`. The policy's bytes are what the fingerprint is the SHA-256 of; the later versions come with the
/// signature and the proof that they are the next ones.
pub fn router(policy: Vec<u8>, published: Published, ready: &Ready) -> Router {
    let words = format!(
        "This is an In Person home server.\n\n\
         Trust policy: {}\nFingerprint:  {}\n\
         (Compare the fingerprint with the one its operator gave you over another channel.)\n\n\
         certtool trust add {} --fingerprint {}\ncerttool enroll you@example.org\nmessenger\n\nMore: /acme/status\n",
        ready.policy, ready.fingerprint, ready.policy, ready.fingerprint
    );
    let text = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    let json = || [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    Router::new()
        .route("/", get(move || std::future::ready((text, words.clone()))))
        .route("/policy", get(move || std::future::ready((json(), policy.clone()))))
        .route(
            "/policy/{number}",
            get(move |Path(number): Path<String>| {
                let found = if number == "latest" {
                    Some(published.latest())
                } else {
                    number.parse().ok().and_then(|number| published.update(number))
                };
                std::future::ready(found.map(|bytes| (json(), bytes)).ok_or(StatusCode::NOT_FOUND))
            }),
        )
}
