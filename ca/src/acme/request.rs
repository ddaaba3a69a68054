//! The door: what every signed request must satisfy before a resource sees it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::header;
use axum::http::uri::PathAndQuery;
use serde::de::DeserializeOwned;

use super::Service;
use super::chaos::Signed;
use super::problem::{Kind, Problem};
use super::refusal::Asker;
use crate::https::PeerAddr;
use crate::jws::{JwsError, KeyName, PublicKey, UnverifiedJws};
use crate::store::{Account, AccountStatus, Select};

/// A request body is at most this long.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// A request signed by the key of a valid account.
pub(crate) struct ByAccount {
    pub(crate) account: Account,
    pub(crate) payload: Payload,
    pub(crate) peer: Option<IpAddr>,
}

/// A request signed by the key it carries.
pub(crate) struct ByKey {
    pub(crate) key: PublicKey,
    pub(crate) payload: Payload,
    pub(crate) peer: Option<IpAddr>,
}

/// A request signed by either.
pub(crate) enum ByAny {
    Account(ByAccount),
    Key(ByKey),
}

/// The verified content of a request.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// "POST-as-GET" (RFC 8555 section 6.3): the payload must be empty.
    pub(crate) fn none(&self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::malformed("expected an empty payload (POST-as-GET), found one with content"))
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// A JSON object; members we do not know are ignored (RFC 8555 section 7.1 lets clients and servers grow).
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.0)
            .map_err(|e| Problem::malformed(format!("the payload does not say what it should: {e}")))
    }
}

impl FromRequest<Arc<Service>> for ByAny {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        let peer = request.extensions().get::<ConnectInfo<PeerAddr>>().map(|c| c.0.0.ip().to_canonical());
        let path = request.extensions().get::<Signed>().map(|signed| signed.0.clone());
        let path = path.unwrap_or_else(|| request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned());
        let url = format!("{}{path}", service.config.base_url);
        let asker = request.extensions().get::<Asker>().cloned().unwrap_or_default();
        let body = read(request).await?;
        let jws = UnverifiedJws::parse(&body)?;
        // Cheap checks first; a nonce is spent even if the signature turns out to be wrong.
        if jws.url != url {
            return Err(Problem::new(
                Kind::Unauthorized,
                format!("the request is signed for {}, and was sent to {url}", brief(&jws.url)),
            ));
        }
        let nonce = jws
            .nonce
            .as_deref()
            .ok_or_else(|| Problem::new(Kind::BadNonce, "expected a nonce in the protected header, found none"))?;
        // Section 6.5.2 tells what is no nonce at all from one that is not good any more.
        if !nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(Problem::malformed("expected a nonce in base64url, found other characters"));
        }
        let good = service.nonces.redeem(nonce).await?;
        if !good || service.turns.refuses_nonce(service.config.chaos) {
            return Err(Problem::new(
                Kind::BadNonce,
                "the nonce is unknown, used or too old; use the one that comes with this answer",
            ));
        }
        match jws.key() {
            KeyName::Itself(key) => {
                let key = key.clone();
                let payload = Payload(jws.verify(&key).map_err(of_its_own_key)?);
                asker.is(key.thumbprint());
                Ok(Self::Key(ByKey { key, payload, peer }))
            }
            KeyName::Account(url) => {
                let account = account(service, url).await?;
                let key = key_of(&account)?;
                let payload = Payload(jws.verify(&key)?);
                asker.is(account.id.clone());
                // Only who holds the key learns that the account is closed.
                if account.status != AccountStatus::Valid {
                    return Err(Problem::closed());
                }
                Ok(Self::Account(ByAccount { account, payload, peer }))
            }
        }
    }
}

impl FromRequest<Arc<Service>> for ByAccount {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        match ByAny::from_request(request, service).await? {
            ByAny::Account(by) => Ok(by),
            ByAny::Key(_) => {
                Err(Problem::malformed("expected the account's URL (kid) in the protected header, found a key (jwk)"))
            }
        }
    }
}

impl FromRequest<Arc<Service>> for ByKey {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        match ByAny::from_request(request, service).await? {
            ByAny::Key(by) => Ok(by),
            ByAny::Account(_) => {
                Err(Problem::malformed("expected a key (jwk) in the protected header, found an account's URL (kid)"))
            }
        }
    }
}

/// Section 6.2: a key in the request that does not fit its algorithm is a bad key.
fn of_its_own_key(error: JwsError) -> Problem {
    match error {
        JwsError::WrongAlgorithm { .. } => Problem::new(Kind::BadPublicKey, error.to_string()),
        other => other.into(),
    }
}

/// The body of a request with the right content type (RFC 8555 section 6.2), within [`MAX_BODY_BYTES`].
async fn read(request: Request) -> Result<Bytes, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/jose+json") {
        let detail = format!("expected the content type application/jose+json, found {:?}", brief(content_type));
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    to_bytes(request.into_body(), MAX_BODY_BYTES)
        .await
        .map_err(|_| Problem::new(Kind::TooLarge, format!("expected a whole body of at most {MAX_BODY_BYTES} bytes")))
}

async fn account(service: &Service, url: &str) -> Result<Account, Problem> {
    let unknown = || Problem::new(Kind::AccountDoesNotExist, "there is no account of this URL; make one at newAccount");
    let id = service.path(url).and_then(|path| path.strip_prefix("/account/")).ok_or_else(unknown)?;
    service.store.account(Select::Account(id.into())).await?.ok_or_else(unknown)
}

/// The key of a stored account.
pub(crate) fn key_of(account: &Account) -> Result<PublicKey, Problem> {
    let jwk = serde_json::from_str(&account.key).map_err(|e| Problem::internal(&e))?;
    PublicKey::from_jwk(&jwk).map_err(|e| Problem::internal(&e))
}

/// The beginning of a text from outside, for an error that shows it.
fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}
