//! The kinds of record.

mod certificate;

use identity::Identifier;

pub(crate) use certificate::KEY_COMPROMISE;
pub use certificate::{Authority, CertificateRecord, CertificateState, KeyDigest, Revocation, Serial, Subject};

use crate::code::CodeHash;
use crate::token::{DigestHash, PART2_BYTES};

/// Any record.
#[derive(Clone, Debug)]
pub enum Record {
    /// An ACME account.
    Account(Account),
    /// An ACME order.
    Order(Order),
    /// An ACME authorization with its challenges.
    Authorization(Authorization),
    /// A certificate, from its plan on.
    Certificate(CertificateRecord),
    /// A key that is known to be compromised.
    CompromisedKey(KeyDigest),
    /// What text messages cost on a day.
    Spending(Spending),
}

impl Record {
    pub(crate) fn account(self) -> Option<Account> {
        if let Self::Account(account) = self { Some(account) } else { None }
    }

    pub(crate) fn order(self) -> Option<Order> {
        if let Self::Order(order) = self { Some(order) } else { None }
    }

    pub(crate) fn authorization(self) -> Option<Authorization> {
        if let Self::Authorization(authorization) = self { Some(authorization) } else { None }
    }

    pub(crate) fn spending(self) -> Option<Spending> {
        if let Self::Spending(spending) = self { Some(spending) } else { None }
    }

    pub(crate) fn certificate(self) -> Option<CertificateRecord> {
        if let Self::Certificate(certificate) = self { Some(certificate) } else { None }
    }
}

/// An ACME account (RFC 8555 section 7.1.2): a public key and what it may do.
#[derive(Clone, Debug)]
pub struct Account {
    /// Path segment of its URL.
    pub id: String,
    /// Raised by the store with every update; 0 when new.
    pub revision: u64,
    /// The public key as canonical JWK (RFC 7638).
    pub key: String,
    /// SHA-256 thumbprint of the key, base64url: unique.
    pub thumbprint: String,
    /// Contact URLs as given.
    pub contact: Vec<String>,
    /// Whether it may ask for anything.
    pub status: AccountStatus,
    /// When it was made, seconds since the epoch.
    pub created: u64,
    /// URL of the terms of service that its holder agreed to.
    pub terms: Option<String>,
    /// Name of the account elsewhere that it is bound to (RFC 8555 section 7.3.4): unique.
    pub external: Option<String>,
}

/// An account's status (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// In use.
    Valid,
    /// Closed by its owner.
    Deactivated,
    /// Closed by the operator.
    Revoked,
}

/// An order for one certificate (RFC 8555 section 7.1.3).
#[derive(Clone, Debug)]
pub struct Order {
    /// Path segment of its URL.
    pub id: String,
    /// Raised by the store with every update; 0 when new.
    pub revision: u64,
    /// Whose it is.
    pub account: String,
    /// The authorization that permits it.
    pub authorization: String,
    /// What the certificate is to name.
    pub identifier: Identifier,
    /// The certificate profile's name.
    pub profile: String,
    /// How far it is. "pending" and "ready" of the ACME order are both [`OrderState::Open`]: which of them follows from
    /// the authorization.
    pub state: OrderState,
    /// When it was made, seconds since the epoch.
    pub created: u64,
    /// When it lapses, seconds since the epoch.
    pub expires: u64,
    /// The certificate that is to be replaced (RFC 9773 section 5).
    pub replaces: Option<Serial>,
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Waiting for the authorization or for the request.
    Open,
    /// The certificate is planned and on its way through the log.
    Processing(Serial),
    /// The certificate is there.
    Valid(Serial),
    /// It came to nothing, for this reason.
    Invalid(String),
}

/// Proof of control of one identifier by one account (RFC 8555 section 7.1.4), with what its challenges need.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Path segment of its URL and of its challenges'.
    pub id: String,
    /// Raised by the store with every update; 0 when new.
    pub revision: u64,
    /// Whose it is.
    pub account: String,
    /// What is to be proven.
    pub identifier: Identifier,
    /// Whether it is.
    pub status: AuthorizationStatus,
    /// When it lapses, seconds since the epoch.
    pub expires: u64,
    /// When control was proven, seconds since the epoch.
    pub validated: Option<u64>,
    /// By which challenge it was.
    pub proven_by: Option<ChallengeType>,
    /// The code that was mailed last.
    pub code: Option<IssuedCode>,
    /// What a reply by mail has to fit; none where it cannot be proven so.
    pub reply: Option<ReplyState>,
}

impl Authorization {
    /// In its last state, or its last but one: whatever was under way to prove control is over.
    #[must_use]
    pub(crate) fn ended(self, status: AuthorizationStatus) -> Self {
        let reply = self.reply.map(|reply| ReplyState { mail: None, ..reply });
        Self { status, code: None, reply, ..self }
    }
}

/// What text messages cost on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Days since the epoch (UTC): unique.
    pub day: u64,
    /// Raised by the store with every update; 0 when new.
    pub revision: u64,
    /// In millionths of the currency's unit.
    pub spent: u64,
    /// How many messages.
    pub messages: u64,
}

impl Spending {
    /// When this day is over, seconds since the epoch.
    pub(super) const fn ends(day: u64) -> u64 {
        day.saturating_add(1).saturating_mul(86_400)
    }
}

/// A way to prove control (RFC 8555 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeType {
    /// A mailed code comes back signed by the account key.
    EmailCode,
    /// The same with one in a text message.
    SmsCode,
    /// A mail is replied to (RFC 8823).
    EmailReply,
    /// An issuer of OpenID vouches for the address.
    OpenId,
}

impl ChallengeType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EmailCode, Self::SmsCode, Self::EmailReply, Self::OpenId];

    /// Its name in ACME and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EmailCode => "email-code-00",
            Self::SmsCode => "sms-code-00",
            Self::EmailReply => "email-reply-00",
            Self::OpenId => "oidc-00",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An authorization's status (RFC 8555 section 7.1.6); "expired" follows from the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationStatus {
    /// Not proven yet.
    Pending,
    /// Proven.
    Valid,
    /// Given up by its owner.
    Deactivated,
}

/// A code that was mailed.
#[derive(Clone, Copy, Debug)]
pub struct IssuedCode {
    /// Its hash.
    pub hash: CodeHash,
    /// When it lapses, seconds since the epoch.
    pub expires: u64,
    /// How many wrong codes more are listened to.
    pub tries_left: u8,
    /// What became of its mail.
    pub handover: Handover,
}

/// What RFC 8823 needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyState {
    /// The second half of the token, which goes by HTTPS.
    pub part2: [u8; PART2_BYTES],
    /// The mail that is to be replied to, if one was sent.
    pub mail: Option<IssuedReply>,
}

/// A mail that waits for a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedReply {
    /// Of the digest that the reply has to bring.
    pub digest: DigestHash,
    /// When it lapses, seconds since the epoch.
    pub expires: u64,
    /// How many replies more are looked at that prove nothing.
    pub tries_left: u8,
    /// What became of the mail.
    pub handover: Handover,
    /// Why the last reply proved nothing.
    pub refused: Option<String>,
}

/// What is durably known of a code's mail. A crash may come between the code and its mail: then nobody could ever type
/// the code, and another has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It is being handed to the mail server, or was when the process ended.
    UnderWay,
    /// The mail server has it, or has refused the address for good, which nobody is told.
    Done,
    /// The mail server did not take it.
    Failed,
}
