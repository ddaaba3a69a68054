//! What of limbo-schema.json (version 1) we read, and what we write. Members that we do not know are passed over: they
//! describe a case, they do not change it.

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(super) struct Limbo {
    pub(super) version: u64,
    pub(super) testcases: Vec<Testcase>,
}

#[derive(Deserialize)]
pub(super) struct Testcase {
    pub(super) id: String,
    pub(super) validation_kind: ValidationKind,
    /// PEM, as all certificates and lists.
    pub(super) trusted_certs: Vec<String>,
    pub(super) untrusted_intermediates: Vec<String>,
    pub(super) peer_certificate: String,
    /// RFC 3339; now, if absent.
    pub(super) validation_time: Option<String>,
    #[serde(default)]
    pub(super) signature_algorithms: Vec<String>,
    #[serde(default)]
    pub(super) key_usage: Vec<String>,
    #[serde(default)]
    pub(super) extended_key_usage: Vec<String>,
    pub(super) expected_peer_name: Option<PeerName>,
    #[serde(default)]
    pub(super) expected_peer_names: Vec<PeerName>,
    /// Certificates between leaf and root.
    pub(super) max_chain_depth: Option<usize>,
    #[serde(default)]
    pub(super) crls: Vec<String>,
}

/// Whose certificate is validated.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ValidationKind {
    Client,
    Server,
}

#[derive(Deserialize)]
pub(super) struct PeerName {
    pub(super) kind: PeerKind,
    pub(super) value: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum PeerKind {
    Rfc822,
    Dns,
    Ip,
}

#[derive(Serialize)]
pub(super) struct LimboResult {
    pub(super) version: u64,
    pub(super) harness: &'static str,
    pub(super) results: Vec<TestcaseResult>,
}

#[derive(Serialize)]
pub(super) struct TestcaseResult {
    pub(super) id: String,
    pub(super) actual_result: ActualResult,
    /// The rule that was broken, or why the case was skipped.
    pub(super) context: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ActualResult {
    Success,
    Failure,
    Skipped,
}
