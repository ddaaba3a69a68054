//! The file of one case.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::files::InFile;
use crate::vector::Kind;

/// What a verifier is given, and what it must say. See `tests/vectors/dated-signature/README.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DateVector {
    /// The file's name without `.json`: the rule and the fault.
    pub(crate) name: String,
    /// `ok`, or the rule that must be named.
    pub(crate) rule: String,
    pub(crate) description: String,
    /// `mail`, or `person` for a device's.
    pub(crate) kind: Kind,
    /// The trust policy: canonical JSON.
    pub(crate) policy: String,
    /// DER in base64, leaf first.
    pub(crate) chain: Vec<String>,
    /// Revocation lists that came in before: DER in base64.
    pub(crate) crls: Vec<String>,
    /// When they came in, in seconds since the epoch.
    pub(crate) crls_at: u64,
    /// The octets of the signature, in base64.
    pub(crate) signature: String,
    /// What dates it: a tlog-proof.
    pub(crate) proof: String,
    /// What a good one says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) says: Option<Says>,
    /// What the log holds, byte by byte.
    pub(crate) annotated: Vec<String>,
}

/// What verification found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Says {
    pub(crate) identifier: String,
    pub(crate) authority: String,
    /// `good` or `unknown`, at the date.
    pub(crate) revocation: String,
    /// When it was revoked, if that was after the date; in seconds since the epoch.
    pub(crate) revoked_later: Option<u64>,
    /// The signature existed then, in seconds since the epoch.
    pub(crate) date: u64,
    /// The log that dated it, and where the entry stands there.
    pub(crate) origin: String,
    pub(crate) index: u64,
    /// The names of the witnesses that cosigned the date.
    pub(crate) witnesses: Vec<String>,
}

impl DateVector {
    pub(crate) fn signature(&self) -> Vec<u8> {
        BASE64.decode(self.signature.as_bytes()).unwrap()
    }
}

impl InFile for DateVector {
    const FOLDER: &'static str = "dated-signature";

    fn name(&self) -> &str {
        &self.name
    }

    fn rule(&self) -> &str {
        &self.rule
    }
}
