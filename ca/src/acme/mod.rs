//! The ACME server (RFC 8555): one file per resource, and what they share.

mod account;
mod authorization;
mod budget;
mod certificate;
mod challenge;
mod chaos;
mod date;
mod delivery;
mod directory;
mod end_proofs;
mod erase;
mod finalize;
mod key_change;
mod nonce;
mod openness;
mod order;
mod orders;
pub(crate) mod problem;
mod receipt;
mod refusal;
mod renewal;
mod request;
pub(crate) mod revoke;
mod shut_out;
mod status;
mod texting;
mod under_way;
mod wanted;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use identity::{IdentifierKind, UnixTime};
use lettre::message::Mailbox;
use serde_json::Value;
use tower_http::timeout::TimeoutLayer;

use crate::audit::Pseudonyms;
use crate::caa::{self, CaaError};
use crate::config::{CaConfig, Clock};
use crate::crl::Crls;
use crate::dns::SharedDns;
use crate::issue::Issuer;
use crate::limit::Limiters;
use crate::mail::{MailError, Post};
use crate::oidc::Issuers;
use crate::store::{ChallengeType, Select, Store};
pub(crate) use budget::{NoMoney, Purpose, charge, day_of, give_back};
pub(crate) use challenge::{keep_refusal, prove_by_reply};
pub use chaos::Chaos;
pub(crate) use chaos::Turns;
pub(crate) use nonce::Nonces;
use problem::{Kind, Problem};
pub(crate) use refusal::Refusals;
pub(crate) use texting::{Texting, listen};
pub(crate) use under_way::UnderWay;

/// Time for a whole request, its body included.
const REQUEST: Duration = Duration::from_secs(30);

/// What the resources share.
pub(crate) struct Service {
    pub(crate) config: CaConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) crls: Arc<Crls>,
    pub(crate) post: Post,
    pub(crate) mail_from: Mailbox,
    /// Who vouches for addresses.
    pub(crate) issuers: Issuers,
    /// Where phone numbers are certified.
    pub(crate) texting: Option<Texting>,
    /// The sender of mails that are to be replied to.
    pub(crate) reply_from: Option<Mailbox>,
    pub(crate) dns: Option<SharedDns>,
    pub(crate) mails_in_flight: Arc<tokio::sync::Semaphore>,
    pub(crate) mails_under_way: Arc<UnderWay>,
    pub(crate) nonces: Nonces,
    pub(crate) turns: Turns,
    pub(crate) limits: Limiters,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) refusals: Refusals,
}

impl Service {
    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    /// The address of a resource.
    fn url(&self, path: &str) -> String {
        match self.config.chaos {
            Some(_) => format!("{}{}", self.config.base_url, chaos::odd(path)),
            None => format!("{}{path}", self.config.base_url),
        }
    }

    /// The address where everything begins: the one that is never odd.
    fn directory(&self) -> String {
        format!("{}/directory", self.config.base_url)
    }

    /// The path of a resource with this address, if it is one of ours.
    fn path<'a>(&self, url: &'a str) -> Option<&'a str> {
        let path = url.strip_prefix(&self.config.base_url)?;
        match self.config.chaos {
            Some(_) => chaos::straight(path).filter(|straight| chaos::odd(straight) == path),
            None => Some(path),
        }
    }

    /// The authority's host, for people to read.
    pub(crate) fn host(&self) -> &str {
        self.config
            .base_url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or(&self.config.base_url)
    }

    /// The authority's domain: the host without its port.
    fn domain(&self) -> &str {
        let host = self.host();
        host.rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(name, _)| name)
    }
}

/// The sender's address, as configured.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|_| MailError::Config {
        what: "the sender of mails",
        expected: "a mail address",
        found: text.into(),
    })
}

/// All resources, relative to the base URL.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let odd = service.config.chaos.is_some();
    let router = Router::new()
        .route("/directory", get(directory::get).post(directory::read))
        .route("/new-nonce", get(directory::new_nonce).head(directory::new_nonce).post(directory::read_nonce))
        .route("/new-account", post(account::new))
        .route("/account/{id}", post(account::update))
        .route("/account/{id}/orders", post(orders::first))
        .route("/account/{id}/orders/{after}", post(orders::next))
        .route("/key-change", post(key_change::change))
        .route("/new-order", post(order::new))
        .route("/new-authz", post(authorization::new))
        .route("/order/{id}", post(order::read))
        .route("/authz/{id}", post(authorization::read))
        .route("/challenge/{id}/{type}", post(challenge::respond))
        .route("/finalize/{id}", post(finalize::finalize))
        .route("/certificate/{serial}", post(certificate::read))
        .route("/certificate/{serial}/with-root", post(certificate::read_with_root))
        .route("/renewal-info/{id}", get(renewal::get))
        .route("/revoke-cert", post(revoke::revoke))
        .route("/watch", post(watch::watch))
        .route("/date-signature", post(date::date))
        .route("/erase", post(erase::erase))
        .route("/end-proofs", post(end_proofs::end))
        .route("/crl/{list}", get(certificate::list))
        .route("/crl/{issuer}/{file}", get(certificate::part_of_list))
        // Before the layer, which must see what a resource does not want.
        .method_not_allowed_fallback(another_method)
        .layer(from_fn(openness::to_every_origin))
        .route("/receipt/{reference}", get(receipt::take).post(receipt::take))
        .route("/status", get(status::page))
        .route("/health", get(status::health))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { Problem::new(Kind::NotFound, "there is no such resource; begin with the directory") })
        .method_not_allowed_fallback(another_method)
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST))
        .layer(from_fn_with_state(Arc::clone(&service), refusal::recorded))
        .layer(from_fn_with_state(Arc::clone(&service), headers))
        .with_state(service);
    if odd { chaos::layered(router) } else { router }
}

/// What is public, signed, and fetched by plain HTTP: whoever checks a certificate for mail may know no other way.
pub(crate) fn plain_router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/crl/{list}", get(certificate::list))
        .route("/crl/{issuer}/{file}", get(certificate::part_of_list))
        .route("/issuer/{file}", get(certificate::issuer))
        .layer(from_fn(openness::to_every_origin))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST))
        .with_state(service)
}

async fn another_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "this resource wants another method (RFC 8555 section 6.3)")
}

/// The headers of every answer: a nonce after every POST, also a failed one (RFC 8555 section 6.5), the way to the
/// directory (section 7.1), and no caching unless a resource says otherwise.
async fn headers(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let is_post = request.method() == Method::POST;
    let mut response = next.run(request).await;
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        // Its body comes in at once, as a rule: it is we who take so long.
        response = Problem::unavailable(&"a request took too long", REQUEST).into_response();
    }
    let headers = response.headers_mut();
    if is_post {
        headers.insert("replay-nonce", ascii(&service.nonces.issue()));
    }
    headers.append(header::LINK, ascii(&format!("<{}>;rel=\"index\"", service.directory())));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A header value of text that is ours.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// RFC 3339, as ACME objects want times.
fn rfc3339(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok())
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

/// The identifier of an ACME object.
fn identifier(identifier: &identity::Identifier) -> Value {
    let kind = match identifier.kind() {
        IdentifierKind::Email => "email",
        IdentifierKind::Phone => "tel",
    };
    serde_json::json!({"type": kind, "value": identifier.as_str()})
}

/// Whether the owner of the identifier's domain permits this authority to certify it (RFC 9495), where resolvers are
/// configured.
async fn check_caa(
    service: &Service,
    identifier: &identity::Identifier,
    account: &str,
    proven_by: Option<ChallengeType>,
) -> Result<(), Problem> {
    let (Some(dns), Some(domain)) = (&service.dns, identifier.domain()) else { return Ok(()) };
    let account = service.url(&format!("/account/{account}"));
    let asked = caa::Asked { account: &account, proven_by: proven_by.map(ChallengeType::name) };
    caa::check(dns, domain, service.domain(), asked).await.map_err(|error| {
        // Whoever asked is told which domain it is; where there is one person in it, it would be a name in the log.
        tracing::info!(who = service.pseudonyms.of(identifier), why = error.kind(), "CAA");
        match error {
            CaaError::Unknown { .. } => Problem::new(Kind::Dns, format!("{error}; try again later")),
            CaaError::Critical { .. } | CaaError::Forbidden { .. } => Problem::new(Kind::Caa, error.to_string()),
        }
    })
}

/// An authorization of this account, or "nothing here".
async fn own_authorization(
    service: &Service,
    account: &str,
    id: String,
) -> Result<crate::store::Authorization, Problem> {
    let found = service.store.authorization(Select::Authorization(id)).await?;
    found.filter(|a| a.account == account).ok_or_else(Problem::not_found)
}

/// An order of this account, or "nothing here".
async fn own_order(service: &Service, account: &str, id: &str) -> Result<crate::store::Order, Problem> {
    service.store.order(id).await?.filter(|o| o.account == account).ok_or_else(Problem::not_found)
}

#[cfg(test)]
mod tests;
