//! What an operator decides about mail beyond where it goes: resolvers, the key that signs it, and replies.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The port of a resolver that is named without one.
const DNS_PORT: u16 = 53;

/// The resolvers that are asked, and how many of them have to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolvers {
    /// Where they listen.
    pub servers: Vec<SocketAddr>,
    /// How many must give the same answer; more than half if it is not said.
    pub agree: Option<usize>,
}

impl Resolvers {
    /// How many must give the same answer.
    #[must_use]
    pub fn agree(&self) -> usize {
        self.agree.unwrap_or(self.servers.len() / 2 + 1)
    }
}

/// The table `[enrolment.dns]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsTable {
    /// Addresses, with a port or without. The entry `system` stands for those of `/etc/resolv.conf`.
    pub resolvers: Vec<String>,
    /// How many must give the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree: Option<usize>,
}

/// Why a table about mail cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum MailTableError {
    /// A resolver that is no address.
    #[error("resolvers: expected addresses such as 192.0.2.53, [2001:db8::53]:5353 or system, found {found:?}")]
    Resolver {
        /// What stands there.
        found: String,
    },
    /// The system's resolvers cannot be found out.
    #[error("resolvers: the system's cannot be found out: {0}")]
    System(String),
    /// More than there are would have to agree, or so few that two answers could both win.
    #[error("agree: expected a number from {least} to {most}, more than half of the resolvers, found {found}")]
    Agree {
        /// More than half.
        least: usize,
        /// How many resolvers there are.
        most: usize,
        /// What stands there.
        found: usize,
    },
    /// Where mail comes in.
    #[error("lmtp: expected an address such as 127.0.0.1:2424 or unix:/run/inperson/lmtp.sock, found {found:?}")]
    Lmtp {
        /// What stands there.
        found: String,
    },
    /// The address that replies go to.
    #[error("address: expected a mail address, found {found:?}")]
    Address {
        /// What stands there.
        found: String,
    },
    /// The selector of the key.
    #[error("selector: expected letters, digits, hyphens and dots, found {found:?}")]
    Selector {
        /// What stands there.
        found: String,
    },
    /// Something is missing without which replies cannot be verified, or mails not be signed.
    #[error("replies by mail need [enrolment.{0}] as well")]
    Missing(&'static str),
}

impl DnsTable {
    /// The resolvers it names.
    pub(crate) fn resolvers(&self) -> Result<Resolvers, MailTableError> {
        let mut servers = Vec::new();
        for text in &self.resolvers {
            if text == "system" {
                servers.extend(system()?);
            } else {
                servers.push(resolver(text).ok_or_else(|| MailTableError::Resolver { found: brief(text) })?);
            }
        }
        // Whoever is named twice has one voice.
        let mut known = HashSet::new();
        servers.retain(|server| known.insert(*server));
        let resolvers = Resolvers { servers, agree: self.agree };
        let (most, found) = (resolvers.servers.len(), resolvers.agree());
        let least = most / 2 + 1;
        if !(least..=most).contains(&found) {
            return Err(MailTableError::Agree { least, most, found });
        }
        Ok(resolvers)
    }
}

fn resolver(text: &str) -> Option<SocketAddr> {
    let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse().ok().or_else(alone)
}

fn system() -> Result<Vec<SocketAddr>, MailTableError> {
    let (config, _) =
        hickory_resolver::system_conf::read_system_conf().map_err(|error| MailTableError::System(error.to_string()))?;
    let servers = config.name_servers().iter().map(|server| {
        let port = server.connections.first().map_or(DNS_PORT, |connection| connection.port);
        SocketAddr::new(server.ip, port)
    });
    Ok(servers.collect())
}

/// The key that signs mails, and its name in the domain name system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimKey {
    /// `<selector>._domainkey.<domain of the sender>` is where the public key stands.
    pub selector: String,
    /// The file of the private key, PKCS#8 in PEM.
    pub file: PathBuf,
}

/// The table `[enrolment.dkim]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimTable {
    /// The selector.
    pub selector: String,
}

impl DkimTable {
    pub(crate) fn key(&self, folder: &std::path::Path) -> Result<DkimKey, MailTableError> {
        check_selector(&self.selector)?;
        Ok(DkimKey { selector: self.selector.clone(), file: folder.join("keys").join(crate::mail::DKIM_FILE) })
    }
}

/// A selector is one or more labels (RFC 6376 section 3.1).
///
/// # Errors
/// It is none.
pub fn check_selector(selector: &str) -> Result<(), MailTableError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if selector.len() <= 120 && selector.split('.').all(label) {
        return Ok(());
    }
    Err(MailTableError::Selector { found: brief(selector) })
}

/// Replies by mail (RFC 8823).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// Whom the challenges are from, and replies go to.
    pub address: String,
    /// Where a mail server hands replies over.
    pub lmtp: LmtpAddress,
    /// Whether it is the only proof of control of a mail address.
    pub only: bool,
}

/// Where an LMTP server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LmtpAddress {
    /// A port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for LmtpAddress {
    type Err = MailTableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            _ => text.parse().map(Self::Tcp).map_err(|_| MailTableError::Lmtp { found: brief(text) }),
        }
    }
}

/// The table `[enrolment.replies]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepliesTable {
    /// Whom the challenges are from, and replies go to.
    pub address: String,
    /// Where a mail server hands replies over: `127.0.0.1:2424`, or `unix:/run/inperson/lmtp.sock`.
    pub lmtp: String,
    /// Whether it is the only proof of control of a mail address: no codes are mailed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
}

impl RepliesTable {
    pub(crate) fn replies(&self) -> Result<Replies, MailTableError> {
        let plain = identity::Identifier::parse(&self.address).is_ok_and(|found| found.domain().is_some());
        if !plain || crate::acme::mailbox(&self.address).is_err() {
            return Err(MailTableError::Address { found: brief(&self.address) });
        }
        Ok(Replies { address: self.address.clone(), lmtp: self.lmtp.parse()?, only: self.only })
    }
}

fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_addresses_of_which_most_agree() {
        let table = |resolvers: &[&str], agree| DnsTable {
            resolvers: resolvers.iter().map(|text| (*text).to_owned()).collect(),
            agree,
        };
        let three = table(&["192.0.2.53", "[2001:db8::53]:5353", "2001:db8::1"], None).resolvers().unwrap();
        assert_eq!(three.servers[0], "192.0.2.53:53".parse().unwrap());
        assert_eq!((three.servers[1].port(), three.servers[2].port(), three.agree()), (5353, 53, 2));
        assert_eq!(table(&["192.0.2.53"], None).resolvers().unwrap().agree(), 1);
        assert_eq!(table(&[], None).resolvers(), Err(MailTableError::Agree { least: 1, most: 0, found: 1 }));
        assert_eq!(
            table(&["192.0.2.53"], Some(2)).resolvers(),
            Err(MailTableError::Agree { least: 1, most: 1, found: 2 })
        );
        assert_eq!(
            table(&["192.0.2.53"], Some(0)).resolvers(),
            Err(MailTableError::Agree { least: 1, most: 1, found: 0 })
        );
        let twice = table(&["192.0.2.53", "192.0.2.54", "192.0.2.53:53"], None).resolvers().unwrap();
        assert_eq!((twice.servers.len(), twice.agree()), (2, 2));
        let lone_liar = table(&["192.0.2.1", "192.0.2.2", "192.0.2.3"], Some(1)).resolvers();
        assert_eq!(lone_liar, Err(MailTableError::Agree { least: 2, most: 3, found: 1 }));
        assert!(matches!(table(&["dns.example"], None).resolvers(), Err(MailTableError::Resolver { .. })));
    }

    #[test]
    fn listeners_selectors_and_addresses_have_one_form() {
        assert_eq!("127.0.0.1:24".parse(), Ok(LmtpAddress::Tcp("127.0.0.1:24".parse().unwrap())));
        assert_eq!("unix:/run/x".parse(), Ok(LmtpAddress::Unix("/run/x".into())));
        for bad in ["", "24", "unix:x", "localhost:24"] {
            assert!(bad.parse::<LmtpAddress>().is_err(), "{bad}");
        }
        assert!(check_selector("2026.in-person").is_ok());
        for bad in ["", ".", "a b", "a;b", &"a".repeat(64)] {
            assert!(check_selector(bad).is_err(), "{bad}");
        }
        let table = |address: &str| RepliesTable { address: address.into(), lmtp: "127.0.0.1:24".into(), only: false };
        assert!(table("acme@example.org").replies().is_ok());
        for bad in ["", "acme", "Acme <acme@example.org>", "+14155550123"] {
            assert!(table(bad).replies().is_err(), "{bad}");
        }
    }
}
