//! One enrolled device: whose it is, its key, its certificate, and what is needed to renew it.

use identity::Identifier;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::keys::{AccountKey, DeviceKey};

/// A device that holds a certificate for a person. Read by [`Home::device`](crate::Home::device).
///
/// The chain is what was stored after verification; it may have expired since, or its authority may no longer be
/// trusted. Whoever relies on it verifies it again.
#[derive(Debug, Clone)]
pub struct Device {
    /// Whom the certificate names.
    pub identifier: Identifier,
    /// Leaf first, then the issuing certificate. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key in the leaf.
    pub key: DeviceKey,
    /// The key of the ACME account that proved control of the identifier.
    pub account: AccountKey,
    /// Where and how it was enrolled.
    pub enrolment: Enrolment,
}

/// The record `enrolment.toml`: everything about an enrolment that is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Whom it is for.
    pub identifier: Identifier,
    /// Name of the authority in the trust policy.
    pub authority: String,
    /// URL of the authority's ACME directory object (RFC 8555 section 7.1.1).
    pub acme: String,
    /// Fingerprint of the genesis trust policy that lists the authority, 64 hex digits.
    pub policy: String,
    /// Account URL, once the account exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// An order that is under way: running the enrolment again goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_order: Option<String>,
}
