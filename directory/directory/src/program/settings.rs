//! The settings file of a directory.

use super::cluster::ClusterSettings;
use super::failure::{Failure, damaged, read};
use super::foreign::Foreign;
use directory::Observation;
use directory::cluster::{CarrierConfig, ClusterConfig};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The settings file. Unknown fields are refused: they would be silently without effect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The UDP address to listen on.
    pub(super) listen: SocketAddr,
    /// The second UDP port; 0 for none.
    observation_port: Option<u16>,
    /// The TCP address, of this machine alone, that says over HTTP how the directory is.
    pub(super) operator: Option<SocketAddr>,
    pub(super) trust_policy: PathBuf,
    pub(super) certificate: PathBuf,
    #[serde(default)]
    pub(super) revocation_lists: Vec<PathBuf>,
    /// Whose people may use it as well.
    #[serde(default)]
    pub(super) foreign: Vec<Foreign>,
    /// The other nodes, if this is one of several.
    cluster: Option<ClusterSettings>,
    /// Where the file lies.
    #[serde(skip)]
    folder: PathBuf,
}

impl Settings {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged(path, "expected UTF-8"))?;
        let settings: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            damaged(path, format!("line {line}: {}", error.message()))
        })?;
        if let Some(found) = settings.operator.filter(|address| !address.ip().to_canonical().is_loopback()) {
            return Err(Failure::NotHere { found });
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            trust_policy: folder.join(&settings.trust_policy),
            certificate: folder.join(&settings.certificate),
            revocation_lists: settings.revocation_lists.iter().map(|list| folder.join(list)).collect(),
            foreign: settings.foreign.iter().cloned().map(|foreign| foreign.below(folder)).collect(),
            folder: folder.to_owned(),
            ..settings
        })
    }

    /// What it has to do with other nodes, if there are any.
    pub(super) fn cluster(&self) -> Result<Option<(ClusterConfig, CarrierConfig)>, Failure> {
        self.cluster.as_ref().map(|cluster| cluster.open(&self.folder)).transpose()
    }

    pub(super) fn observation(&self) -> Observation {
        match self.observation_port {
            None => Observation::Beside,
            Some(0) => Observation::Off,
            Some(port) => Observation::At(port),
        }
    }
}

#[cfg(test)]
mod tests;
