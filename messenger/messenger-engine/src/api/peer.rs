//! Who is at the other end of a conversation.

use identity::Identifier;
use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

/// What the certificate of the device at the other end, just verified, says and proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Who.
    pub who: Identifier,
    /// SHA-256 of the SubjectPublicKeyInfo of her device's key.
    pub device: Fingerprint,
    /// Who certified her, by its name in the trust policy.
    pub authority: String,
    /// The certificate's serial number, hexadecimal.
    pub serial: String,
    /// Since when it counts, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// The log in which it stands.
    pub log: String,
    /// Where in it.
    pub index: u64,
    /// Who has witnessed that.
    pub witnesses: Vec<String>,
    /// Whether all of these are run by whoever certified it.
    pub witnessed_only_by_operator: bool,
    /// Which other devices of hers endorse this one, by valid certificates of the same person: SHA-256 of the
    /// SubjectPublicKeyInfo of their keys. Whether one of them is known is for whoever remembers devices to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endorsed_by: Vec<Fingerprint>,
    /// What both people compare, not over this connection: the same on both screens, or somebody is in between.
    pub code: String,
}
