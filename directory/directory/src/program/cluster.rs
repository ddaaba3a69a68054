//! The settings of one node of several.

use super::files::{Failure, damaged, read};
use directory::ClusterTiming;
use directory::cluster::{CarrierConfig, ClusterConfig};
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
        // So that a path that leads nowhere is told now, and not whenever a server is asked.
        read(&authority)?;
        read(&certificate)?;
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
