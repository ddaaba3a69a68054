//! The request for a date, signed by a certificate's key: no account is needed for it, and none is named.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::client::{AcmeError, NONCE_TRIES, fetch_nonce, parse, send};
use super::jws::{self, Payload, RequestKey, Sender};
use super::messages::Directory;
use crate::https;

/// An entry for a signature, and its proof.
#[derive(Debug, Clone, Deserialize)]
pub struct DateAnswer {
    /// 32 bytes, base64url.
    pub label: String,
    /// A C2SP tlog-proof.
    pub proof: String,
}

/// Has a blinded digest logged in the name of this certificate (DER).
///
/// # Errors
/// The authority was not reached or refused, or does not offer it.
pub async fn date(
    http: &reqwest::Client,
    directory_url: &str,
    key: &dyn RequestKey,
    certificate: &[u8],
    digest: &[u8; 32],
) -> Result<DateAnswer, AcmeError> {
    let body = https::body(directory_url, https::get(http, directory_url).await?).await?;
    let directory: Directory = parse(directory_url, "a directory object", &body)?;
    let url = directory.inperson_date.as_deref().ok_or_else(|| AcmeError::Protocol {
        url: directory_url.to_owned(),
        expected: "a directory object with inpersonDate",
        found: "none".to_owned(),
    })?;
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let payload = json!({"certificate": b64(certificate), "digest": b64(digest)});
    let mut nonce = fetch_nonce(http, &directory.new_nonce).await?;
    for _ in 1..NONCE_TRIES {
        let body = jws::sign(key, Sender::Key, &nonce, url, Payload::Json(&payload))?;
        let (next, answer) = send(http, url, body).await?;
        match (answer, next) {
            (Err(error), Some(next)) if error.problem().is_some_and(|problem| problem.is("badNonce")) => nonce = next,
            (answer, _) => return answer?.json("an entry for a signature"),
        }
    }
    let body = jws::sign(key, Sender::Key, &nonce, url, Payload::Json(&payload))?;
    send(http, url, body).await?.1?.json("an entry for a signature")
}
