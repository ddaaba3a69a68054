//! What an operator decides about mails that go straight to the recipients' servers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The port of mail servers (RFC 5321 section 4.5.4.2).
const SMTP_PORT: u16 = 25;
/// The port at which policies are served (RFC 8461 section 3.3).
const POLICY_PORT: u16 = 443;

/// How mails go straight to the recipients' servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectDelivery {
    /// By which name this server greets others.
    pub hello: String,
    /// Whether a server of whom nothing is known may be spoken to in plain text, if it offers no encryption.
    pub plain: bool,
    /// Whether servers may lie in networks behind the internet.
    pub local_networks: bool,
    /// The port of the servers.
    pub port: u16,
    /// The port of policies.
    pub policy_port: u16,
    /// Authorities beside the web's.
    pub roots: Option<PathBuf>,
    /// Where the proofs of the domain name system begin, instead of its root's keys.
    pub anchors: Option<PathBuf>,
}

/// The table `[enrolment.direct]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectTable {
    /// By which name this server greets others; its own if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<String>,
    /// Plain text to servers that offer no encryption and of whom nothing else is known.
    #[serde(default)]
    pub plain: bool,
    /// Servers in networks behind the internet, too.
    #[serde(default)]
    pub local_networks: bool,
    /// Another port than 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Another port of policies than 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_port: Option<u16>,
    /// A file of certificates in PEM, trusted beside the web's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
    /// A file of DNSKEY records, instead of the root's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchors: Option<PathBuf>,
}

impl DirectTable {
    /// `host` is this server's own name; files lie beside `folder`'s.
    pub(crate) fn delivery(&self, host: &str, folder: &Path) -> DirectDelivery {
        DirectDelivery {
            hello: self.hello.clone().unwrap_or_else(|| host.to_owned()),
            plain: self.plain,
            local_networks: self.local_networks,
            port: self.port.unwrap_or(SMTP_PORT),
            policy_port: self.policy_port.unwrap_or(POLICY_PORT),
            roots: self.roots.as_ref().map(|path| folder.join(path)),
            anchors: self.anchors.as_ref().map(|path| folder.join(path)),
        }
    }
}
