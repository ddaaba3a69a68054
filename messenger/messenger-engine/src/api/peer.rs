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
    /// What both people compare, not over this connection: the same on both screens, or somebody is in between.
    pub code: String,
}
