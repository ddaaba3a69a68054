//! Problem documents (RFC 9457) of the kinds that RFC 8555 section 6.7 lists, and the few of ours.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::jws::{JwsError, UnusableKey};
use crate::limit::Limited;
use crate::shards::LabelKeyError;
use crate::store::StoreError;

/// When to come back to an authority whose label key is away. Somebody has to start its signer: a person is told so at once,
/// for clients wait a minute at most.
const LABEL_KEY_BACK: Duration = Duration::from_secs(120);
/// When to come back where the store is away or busy: a lock, a restart of the database, a disk that somebody clears.
const STORE_BACK: Duration = Duration::from_secs(5);

const ACME: &str = "urn:ietf:params:acme:error:";
const OURS: &str = "urn:inperson:acme:error:";

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    AccountDoesNotExist,
    AlreadyReplaced,
    AlreadyRevoked,
    BadCsr,
    BadNonce,
    BadPublicKey,
    BadRevocationReason,
    BadSignatureAlgorithm,
    /// The domain's CAA records permit it not (RFC 8555 section 6.7).
    Caa,
    /// The domain name system did not answer.
    Dns,
    ExternalAccountRequired,
    InvalidContact,
    InvalidProfile,
    Malformed,
    MethodNotAllowed,
    NotFound,
    OrderNotReady,
    RateLimited,
    RejectedIdentifier,
    ServerInternal,
    TooLarge,
    Unauthorized,
    UnsupportedContact,
    UnsupportedIdentifier,
    UnsupportedMediaType,
    UserActionRequired,
    /// The code typed is not the one that was mailed last; `triesLeft` says how often one may try again.
    CodeWrong,
    /// The code was right or wrong, but too old.
    CodeExpired,
    /// Too many wrong codes: a new one must be asked for.
    CodeExhausted,
    /// No code was asked for yet.
    CodeMissing,
    /// A reply by mail came that proves nothing.
    ReplyRefused,
    /// The ID token does not prove what is asked.
    TokenRefused,
    /// The identifier's certificates of this period are used up.
    SlotsExhausted,
}

impl Kind {
    pub(crate) fn name(self) -> String {
        let (prefix, name) = match self {
            Self::AccountDoesNotExist => (ACME, "accountDoesNotExist"),
            Self::AlreadyReplaced => (ACME, "alreadyReplaced"),
            Self::AlreadyRevoked => (ACME, "alreadyRevoked"),
            Self::BadCsr => (ACME, "badCSR"),
            Self::BadNonce => (ACME, "badNonce"),
            Self::BadPublicKey => (ACME, "badPublicKey"),
            Self::BadRevocationReason => (ACME, "badRevocationReason"),
            Self::BadSignatureAlgorithm => (ACME, "badSignatureAlgorithm"),
            Self::Caa => (ACME, "caa"),
            Self::Dns => (ACME, "dns"),
            Self::ExternalAccountRequired => (ACME, "externalAccountRequired"),
            Self::InvalidContact => (ACME, "invalidContact"),
            Self::InvalidProfile => (ACME, "invalidProfile"),
            Self::Malformed | Self::MethodNotAllowed | Self::NotFound | Self::TooLarge | Self::UnsupportedMediaType => {
                (ACME, "malformed")
            }
            Self::OrderNotReady => (ACME, "orderNotReady"),
            Self::RateLimited => (ACME, "rateLimited"),
            Self::RejectedIdentifier => (ACME, "rejectedIdentifier"),
            Self::ServerInternal => (ACME, "serverInternal"),
            Self::Unauthorized => (ACME, "unauthorized"),
            Self::UnsupportedContact => (ACME, "unsupportedContact"),
            Self::UnsupportedIdentifier => (ACME, "unsupportedIdentifier"),
            Self::UserActionRequired => (ACME, "userActionRequired"),
            Self::CodeWrong => (OURS, "codeWrong"),
            Self::CodeExpired => (OURS, "codeExpired"),
            Self::CodeExhausted => (OURS, "codeExhausted"),
            Self::CodeMissing => (OURS, "codeMissing"),
            Self::ReplyRefused => (OURS, "replyRefused"),
            Self::TokenRefused => (OURS, "tokenRefused"),
            Self::SlotsExhausted => (OURS, "slotsExhausted"),
        };
        format!("{prefix}{name}")
    }

    /// The name without its prefix.
    pub(super) fn word(self) -> String {
        self.name().rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// Whether a refusal of this kind decides something: not what is misspelt or comes too often, nor what a person is
    /// told while she proves control, which is recorded where it is judged.
    pub(super) const fn is_decision(self) -> bool {
        matches!(
            self,
            Self::AlreadyReplaced
                | Self::BadCsr
                | Self::BadPublicKey
                | Self::Caa
                | Self::Dns
                | Self::ExternalAccountRequired
                | Self::RejectedIdentifier
                | Self::SlotsExhausted
                | Self::Unauthorized
                | Self::UserActionRequired
        )
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyReplaced => StatusCode::CONFLICT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited | Self::SlotsExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::ServerInternal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorized
            | Self::Caa
            | Self::ReplyRefused
            | Self::ExternalAccountRequired
            | Self::UserActionRequired
            | Self::OrderNotReady
            | Self::RejectedIdentifier
            | Self::CodeWrong
            | Self::CodeExpired
            | Self::CodeExhausted
            | Self::CodeMissing
            | Self::TokenRefused => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// An answer that says what went wrong, what was expected and what was found.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
    status: Option<StatusCode>,
    subproblems: Vec<Subproblem>,
    link: Option<String>,
}

/// What is wrong with one of several identifiers (RFC 8555 section 6.7.1).
#[derive(Clone, Debug)]
pub(crate) struct Subproblem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    /// As it was sent.
    pub(crate) identifier: Value,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            members: Map::new(),
            retry_after: None,
            status: None,
            subproblems: vec![],
            link: None,
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, detail)
    }

    /// There is nothing of this name that the asker may see: the same answer whether it does not exist or is somebody
    /// else's.
    pub(crate) fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing here for this account")
    }

    /// The account was closed: 401, as RFC 8555 section 7.3.6 has it.
    pub(crate) fn closed() -> Self {
        Self::new(Kind::Unauthorized, "the account of this key is closed").status(StatusCode::UNAUTHORIZED)
    }

    /// Something on our side; the reason goes to our log, not to the client.
    pub(crate) fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "a request failed on our side");
        Self::new(Kind::ServerInternal, "the authority cannot answer at the moment; nothing is lost, try again")
    }

    /// Something that this authority needs is away, or there is no room for more, and that passes (RFC 9110 section 15.6.4);
    /// the reason goes to our log, not to the client.
    pub(crate) fn unavailable(reason: &dyn std::fmt::Display, wait: Duration) -> Self {
        tracing::error!(%reason, "a request must come back later");
        let detail = "the authority cannot answer at the moment; nothing is lost, try again";
        Self::later(detail, wait)
    }

    /// The same, in words for who asked.
    pub(crate) fn later(detail: impl Into<String>, wait: Duration) -> Self {
        Self::new(Kind::ServerInternal, detail).status(StatusCode::SERVICE_UNAVAILABLE).retry_after(wait)
    }

    /// The label key lies elsewhere and is not to be had: everything that needs none goes on, and this does when it is back.
    pub(crate) fn no_label_key(reason: &LabelKeyError) -> Self {
        tracing::error!(%reason, "no label can be computed");
        let detail = "the authority does not reach its log's label key just now, and certifies and opens nothing without \
                      it; nothing is lost, try again in a few minutes";
        Self::later(detail, LABEL_KEY_BACK)
    }

    /// A further member of the document (RFC 9457 section 3.2).
    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.into(), value.into());
        self
    }

    /// What is wrong with each of several identifiers.
    pub(crate) fn subproblems(mut self, subproblems: Vec<Subproblem>) -> Self {
        self.subproblems = subproblems;
        self
    }

    /// A header field `Link`.
    pub(crate) fn link(mut self, url: &str, relation: &str) -> Self {
        self.link = Some(format!("<{url}>;rel=\"{relation}\""));
        self
    }

    /// When to come back.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let status = self.status.unwrap_or_else(|| self.kind.status());
        let mut out = json!({"type": self.kind.name(), "detail": self.detail, "status": status.as_u16()});
        if let Value::Object(members) = &mut out {
            members.extend(self.members.clone());
            if !self.subproblems.is_empty() {
                members.insert("subproblems".into(), self.subproblems.iter().map(Subproblem::document).collect());
            }
        }
        out
    }
}

impl Subproblem {
    fn document(&self) -> Value {
        json!({"type": self.kind.name(), "detail": self.detail, "identifier": self.identifier})
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status.unwrap_or_else(|| self.kind.status());
        let body = self.document().to_string();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.extensions_mut().insert(self.kind);
        if let Some(wait) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if let Some(link) = self.link.as_deref().and_then(|link| HeaderValue::from_str(link).ok()) {
            response.headers_mut().append(header::LINK, link);
        }
        response
    }
}

impl From<Limited> for Problem {
    /// Which limit, and when it frees.
    fn from(limited: Limited) -> Self {
        let Limited { limit, rate, wait } = limited;
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = format!("too many {}: expected at most {rate}; the next is free in {seconds} s", limit.what());
        Self::new(Kind::RateLimited, detail)
            .with("limit", limit.name())
            .with("rate", rate.to_string())
            .retry_after(wait)
    }
}

impl From<JwsError> for Problem {
    fn from(error: JwsError) -> Self {
        let kind = match &error {
            JwsError::Malformed(_) | JwsError::Header { .. } => Kind::Malformed,
            JwsError::Algorithm { .. } => Kind::BadSignatureAlgorithm,
            JwsError::WrongAlgorithm { .. } | JwsError::Signature => Kind::Malformed,
            JwsError::Key(_) => Kind::BadPublicKey,
        };
        let problem = Self::new(kind, error.to_string());
        match error {
            // RFC 8555 section 6.2 wants the accepted ones named.
            JwsError::Algorithm { .. } => problem.with("algorithms", json!(["ES256", "EdDSA", "RS256"])),
            _ => problem,
        }
    }
}

impl From<UnusableKey> for Problem {
    fn from(error: UnusableKey) -> Self {
        Self::new(Kind::BadPublicKey, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => {
                Self::new(Kind::ServerInternal, "two requests changed the same thing at once; try again")
                    .status(StatusCode::CONFLICT)
            }
            StoreError::Unavailable(_) | StoreError::Locked { .. } => Self::unavailable(&error, STORE_BACK),
            other => Self::internal(&other),
        }
    }
}
