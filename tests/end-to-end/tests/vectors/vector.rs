//! The file of one case.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::files::InFile;

/// What a verifier is given, and what it must say. See `tests/vectors/certificate/README.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    /// The file's name without `.json`: the rule and the fault.
    pub(crate) name: String,
    /// `ok`, or the rule that must be named.
    pub(crate) rule: String,
    pub(crate) description: String,
    /// Seconds since the epoch.
    pub(crate) now: u64,
    pub(crate) kind: Kind,
    /// The name that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) service: Option<String>,
    /// The trust policy: canonical JSON.
    pub(crate) policy: String,
    /// DER in base64, leaf first.
    pub(crate) chain: Vec<String>,
    /// To which authority people were bound before: by identifier, as `certtool` keeps it. Empty where nobody is.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty", default)]
    pub(crate) bindings: serde_json::Map<String, serde_json::Value>,
    /// Revocation lists that came in before, in this order: DER in base64.
    pub(crate) crls: Vec<String>,
    /// What a good one says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) says: Option<Says>,
    /// The leaf, field by field, or the last revocation list, where that is what is at fault. Of most, the lines
    /// alone that the good one of its kind does not have.
    pub(crate) annotated: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// For live conversation.
    Person,
    /// For mail.
    Mail,
    Service,
    Component,
}

impl Kind {
    /// Whether it names a person, whose label is hidden, and not a machine.
    pub(crate) fn is_of_people(self) -> bool {
        matches!(self, Self::Person | Self::Mail)
    }
}

/// What verification found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Says {
    pub(crate) identifier: String,
    pub(crate) authority: String,
    pub(crate) origin: String,
    pub(crate) index: u64,
    /// The names of the witnesses whose cosignatures count, in their order in the certificate; of a person.
    pub(crate) witnesses: Vec<String>,
    /// `good` or `unknown`; of a person.
    pub(crate) revocation: String,
}

impl Vector {
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|der| BASE64.decode(der.as_bytes()).unwrap()).collect()
    }

    pub(crate) fn crls(&self) -> Vec<Vec<u8>> {
        self.crls.iter().map(|der| BASE64.decode(der.as_bytes()).unwrap()).collect()
    }
}

impl InFile for Vector {
    const FOLDER: &'static str = "certificate";

    fn name(&self) -> &str {
        &self.name
    }

    fn rule(&self) -> &str {
        &self.rule
    }
}
