//! The trust policy document: canonical JSON (RFC 8785).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use tlog_proof::{LogPolicy, PolicyTextError, Quorum};

use super::{Fingerprint, TrustedAuthority, Window, services, windows::Windows};
use crate::{
    certificate::CertificateError,
    identifier::{IdentifierKind, canonical_dns_name},
    transparency::VrfError,
};

/// A policy larger than this is refused before it is parsed (bytes).
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;

/// The largest integer that JSON carries without loss (RFC 8785 section 3.2.2.3): 2^53 − 1.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What a person pins by its fingerprint: authorities with their roots, the log and its witnesses, directories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPolicy {
    /// The format: 1.
    pub version: u32,
    /// Counts up with every policy that replaces this one; the first is 1.
    pub number: u64,
    /// The fingerprint of the version that this one replaces: in every version but the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Fingerprint>,
    /// What people call it.
    pub name: String,
    /// Who may certify whom. The first of them publishes the policy: its root signs the next version.
    pub authorities: Vec<Authority>,
    /// Where people are found.
    pub directories: Vec<DirectoryEntry>,
    /// Logs, witnesses and quorum, as C2SP tlog-policy text.
    pub tlog_policy: String,
    /// The key names of those witnesses that the authorities' own operators run.
    pub operator_witnesses: Vec<String>,
    /// Since when and until when keys in `tlog_policy` count; keys that are not listed count always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Where updates are: version n is at this URL, a slash, and n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<String>,
}

/// One authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// What people call it.
    pub name: String,
    /// Its ACME directory (RFC 8555 section 7.1.1), a URL.
    pub acme: String,
    /// Its root certificate.
    pub root: Base64Bytes,
    /// Its issuing certificates.
    pub issuers: Vec<Base64Bytes>,
    /// Issuing keys that no longer count, whoever sends a certificate for them: SHA-256 of their SubjectPublicKeyInfo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Fingerprint>,
    /// The kinds of identifier it may certify.
    pub kinds: Vec<IdentifierKind>,
    /// The mail domains it may certify: `*` for all, or a domain, which does not include its subdomains.
    pub domains: Vec<String>,
    /// The phone numbers it may certify: `*` for all, or a prefix like `+49`.
    pub phone_prefixes: Vec<String>,
    /// The key of its labels, 32 bytes.
    pub vrf_key: Base64Bytes,
    /// The origin of the log that holds its certificates.
    pub log: String,
    /// Logs that held its certificates before, and may still be named by certificates that have not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_logs: Vec<EarlierLog>,
}

/// A log that an authority has filled and left for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierLog {
    /// Its origin.
    pub log: String,
    /// The key of the authority's labels in it, 32 bytes: each log has one of its own.
    pub vrf_key: Base64Bytes,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryEntry {
    /// The DNS name that its certificate carries.
    pub name: String,
    /// Where it listens: `host:port`, UDP.
    pub address: String,
}

impl DirectoryEntry {
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        if canonical_dns_name(&self.name).as_ref() != Ok(&self.name) {
            return Err(PolicyError::value("directories", "a DNS name in lower-case ASCII form", &self.name));
        }
        let port = self.address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        match port {
            Some((host, 1..)) if !host.is_empty() => Ok(()),
            _ => Err(PolicyError::value("directories", "an address like directory.example.org:8444", &self.address)),
        }
    }
}

/// Bytes that stand in JSON as standard base64 with padding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Base64Bytes(pub Vec<u8>);

impl From<Vec<u8>> for Base64Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Base64Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Bytes({} bytes)", self.0.len())
    }
}

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Larger than [`MAX_POLICY_BYTES`].
    #[error("expected at most {MAX_POLICY_BYTES} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not JSON, a field missing, or one too many.
    #[error("expected a trust policy in JSON, found: {0}")]
    Json(#[from] serde_json::Error),
    /// Another spelling of the same document: its fingerprint would differ.
    #[error("expected canonical JSON (RFC 8785), found another spelling of the same policy")]
    NotCanonical,
    /// The log policy in it.
    #[error("tlog_policy: {0}")]
    Log(#[from] PolicyTextError),
    /// A certificate in it.
    #[error("{what} of authority {authority:?}: {source}")]
    Certificate {
        /// Whose.
        authority: String,
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The VRF key in it.
    #[error("vrf_key of authority {authority:?}: {source}")]
    Vrf {
        /// Whose.
        authority: String,
        /// What is wrong with it.
        source: VrfError,
    },
    /// A value that contradicts the rest.
    #[error("{field}: expected {expected}, found {found}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What was found.
        found: String,
    },
}

impl PolicyError {
    pub(super) fn value(field: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Value { field, expected: expected.into(), found: found.to_string() }
    }
}

impl TrustPolicy {
    /// Reads a policy and checks everything in it. Only its canonical bytes are accepted, so that a fingerprint stands
    /// for one text.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { found: bytes.len() });
        }
        let policy: Self = serde_json::from_slice(bytes)?;
        if policy.canonical() != bytes {
            return Err(PolicyError::NotCanonical);
        }
        policy.trusted_authorities()?;
        Ok(policy)
    }

    /// The canonical bytes (RFC 8785).
    pub fn canonical(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("strings, lists and integers are JSON")
    }

    /// SHA-256 of the canonical bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.canonical()).into())
    }

    /// The log policy, parsed.
    pub fn log_policy(&self) -> Result<LogPolicy, PolicyError> {
        Ok(LogPolicy::parse(&self.tlog_policy)?)
    }

    pub(super) fn trusted_authorities(&self) -> Result<Vec<TrustedAuthority>, PolicyError> {
        if self.version != 1 {
            return Err(PolicyError::value("version", "1", self.version));
        }
        if self.number == 0 || self.number > MAX_NUMBER {
            return Err(PolicyError::value("number", "1 to 2^53 − 1", self.number));
        }
        if (self.number == 1) != self.previous.is_none() {
            let found = if self.previous.is_none() { "none" } else { "one" };
            let expected = if self.number == 1 { "none in number 1" } else { "a fingerprint from number 2 on" };
            return Err(PolicyError::value("previous", expected, found));
        }
        if let Some(url) = self.updates.as_ref().filter(|url| !url.starts_with("https://") || url.ends_with('/')) {
            return Err(PolicyError::value("updates", "an https URL without a slash at its end", url));
        }
        let log = self.log_policy()?;
        let windows = Windows::new(&self.windows, &log)?;
        // A log that nobody watches could show everybody another tree.
        if log.quorum == Quorum::None {
            return Err(PolicyError::value("tlog_policy", "a quorum of at least one witness", "quorum none"));
        }
        for name in &self.operator_witnesses {
            if !log.witnesses.iter().any(|w| w.vkey.name() == name) {
                return Err(PolicyError::value("operator_witnesses", "key names of witnesses in tlog_policy", name));
            }
        }
        if self.authorities.is_empty() || self.authorities.len() > 64 {
            return Err(PolicyError::value("authorities", "1 to 64", self.authorities.len()));
        }
        self.directories.iter().try_for_each(DirectoryEntry::check)?;
        let fingerprint = self.fingerprint();
        let trusted = |authority: &Authority| {
            let services = services::of(authority, &self.directories, &log);
            TrustedAuthority::new(authority, &log, &windows, &self.operator_witnesses, services, fingerprint)
        };
        self.authorities.iter().map(trusted).collect()
    }
}
