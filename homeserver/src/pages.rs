//! What the server answers beside enrolment and log: a few words at `/`, the trust policy at `/policy`.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

use crate::server::Ready;

/// `/` and `/policy`. The policy's bytes are what the fingerprint is the SHA-256 of.
pub fn router(policy: Vec<u8>, ready: &Ready) -> Router {
    let words = format!(
        "This is an In Person home server.\n\n\
         Trust policy: {}\nFingerprint:  {}\n\
         (Compare the fingerprint with the one its operator gave you over another channel.)\n\n\
         certtool trust add {} --fingerprint {}\ncerttool enroll you@example.org\nmessenger\n",
        ready.policy, ready.fingerprint, ready.policy, ready.fingerprint
    );
    let text = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    let json = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    Router::new()
        .route("/", get(move || std::future::ready((text, words.clone()))))
        .route("/policy", get(move || std::future::ready((json, policy.clone()))))
}
