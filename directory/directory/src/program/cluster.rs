//! The settings of one node of several.

use super::failure::{Failure, damaged, read};
use super::files::certified;
use async_nats::ServerAddr;
use directory::ClusterTiming;
use directory::cluster::{CarrierConfig, ClusterConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `[cluster]` in the settings file; paths are relative to its folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterSettings {
    /// One of `nodes`.
    name: String,
    /// All nodes, the same everywhere.
    nodes: Vec<String>,
    /// A file of 64 hexadecimal digits, which all nodes share.
    key: PathBuf,
    /// NATS servers.
    nats: Vec<String>,
    /// Whose certificates those have.
    nats_authority: PathBuf,
    /// This node's private key and chain, for NATS alone.
    nats_certificate: PathBuf,
}

impl ClusterSettings {
    pub(super) fn open(&self, folder: &Path) -> Result<(ClusterConfig, CarrierConfig), Failure> {
        let (authority, certificate) = (folder.join(&self.nats_authority), folder.join(&self.nats_certificate));
        // So that what can never work is told now, and not whenever a server is asked.
        if self.nats.is_empty() || !self.nats.iter().all(|server| is_server(server)) {
            return Err(Failure::Cluster {
                setting: "nats",
                expected: "one server or more, each as tls://HOST:PORT; a name or a password is none of them, for the \
                           certificate proves who this node is",
            });
        }
        let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&authority)?).collect();
        if authorities.map_err(|error| damaged(&authority, error))?.is_empty() {
            return Err(damaged(&authority, "expected certificates in PEM"));
        }
        certified(&certificate, &read(&certificate)?)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| Failure::Ended(error.to_string()))?;
        let node = ClusterConfig {
            name: self.name.clone(),
            nodes: self.nodes.clone(),
            key: key(&folder.join(&self.key))?,
            incarnation: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            salt,
            timing: ClusterTiming::DEFAULT,
        };
        Ok((node, CarrierConfig { servers: self.nats.clone(), authority, certificate }))
    }
}

/// Where TLS is spoken. Libraries would show a name and a password that stand in such an address.
fn is_server(text: &str) -> bool {
    let is_named = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    text.strip_prefix("tls://").is_some_and(is_named)
        && text.parse::<ServerAddr>().is_ok_and(|server| !server.has_user_pass())
}

fn key(path: &Path) -> Result<[u8; 32], Failure> {
    let text = read(path)?;
    let refused = || damaged(path, "expected 64 hexadecimal digits, as `openssl rand -hex 32` writes them");
    let digits = text.trim_ascii();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(refused());
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| refused())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_tls_and_without_a_password() {
        for good in ["tls://nats.example.org:4222", "tls://nats.example.org", "tls://[::1]:4222"] {
            assert!(is_server(good), "{good}");
        }
        for bad in [
            "",
            "nats.example.org",
            "nats://nats.example.org",
            "tls://",
            "tls://a b",
            "tls://ca:s3cret@nats",
            "tls://ca@nats",
        ] {
            assert!(!is_server(bad), "{bad}");
        }
    }
}
