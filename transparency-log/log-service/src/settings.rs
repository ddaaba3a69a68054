//! The settings files, in TOML, one for each command. Unknown keys are refused: a slip of the pen must not pass
//! silently. Relative paths count from the folder of the settings file.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tlog_proof::VerifierKey;

use crate::error::Failure;

/// Largest settings file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A settings file that was read, and the folder its paths count from.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// What it says.
    pub settings: T,
    base: PathBuf,
}

impl<T: DeserializeOwned> Read<T> {
    /// Reads a settings file.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or has a key that is missing, unknown or of the wrong kind.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let length = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?.len();
        if length > MAX_BYTES {
            return Err(refused(path, &format!("expected at most {MAX_BYTES} bytes, found {length}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
        let settings = toml::from_str(&text).map_err(|error| refused(path, error.to_string().trim_end()))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { settings, base })
    }

    /// Where a path of the settings leads.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

fn refused(path: &Path, reason: &str) -> Failure {
    Failure::usage(
        format!("{} cannot be understood: {reason}", path.display()),
        "begin with the sample that --help names, and mend the line",
    )
}

/// A port that people and programs reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether a proxy stands before it, whose last `X-Forwarded-For` element is the client's address.
    #[serde(default)]
    pub behind_proxy: bool,
    /// TLS certificate chain, leaf first, in PEM. Without one the port speaks plain HTTP.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM (PKCS#8).
    pub key: Option<PathBuf>,
    /// Requests a second that one client may make on average, where it matters.
    #[serde(default = "five")]
    pub requests_per_second: NonZeroU32,
    /// Requests that it may make at once.
    #[serde(default = "fifty")]
    pub burst: NonZeroU32,
}

const fn five() -> NonZeroU32 {
    NonZeroU32::new(5).expect("not zero")
}

const fn fifty() -> NonZeroU32 {
    NonZeroU32::new(50).expect("not zero")
}

/// `transparency-log witness`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// The name of its key: a schema-less URL.
    pub name: String,
    /// Where its key and its state are.
    pub folder: PathBuf,
    /// Where it is reached.
    pub port: Port,
    /// The logs it cosigns.
    #[serde(default, rename = "log")]
    pub logs: Vec<KnownLog>,
}

/// A log that a witness or mirror knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownLog {
    /// Its verifier key.
    #[serde(deserialize_with = "vkey")]
    pub key: VerifierKey,
}

/// Reads a verifier key.
pub(crate) fn vkey<'de, D: serde::Deserializer<'de>>(from: D) -> Result<VerifierKey, D::Error> {
    let text = String::deserialize(from)?;
    VerifierKey::parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        Read::open(&path).map(|read| read.settings).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_samples_are_understood_and_unknown_keys_are_not() {
        let sample = include_str!("../samples/witness.toml");
        let settings: WitnessSettings = read(sample).unwrap();
        assert_eq!((settings.logs.len(), settings.port.requests_per_second), (2, five()));
        for (found, text) in
            [("unknown", format!("naem = \"x\"\n{sample}")), ("port", sample.replace("listen", "lisetn"))]
        {
            let refused = read::<WitnessSettings>(&text).unwrap_err();
            assert!(refused.contains("unknown field") || refused.contains("line"), "{found}: {refused}");
        }
    }

    #[test]
    fn paths_count_from_the_settings() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("witness.toml");
        std::fs::write(&path, include_str!("../samples/witness.toml")).unwrap();
        let read = Read::<WitnessSettings>::open(&path).unwrap();
        assert_eq!(read.resolve(Path::new("state")), place.path().join("state"));
        assert_eq!(read.resolve(Path::new("/var/lib/w")), Path::new("/var/lib/w"));
        assert!(
            Read::<WitnessSettings>::open(&place.path().join("none.toml"))
                .unwrap_err()
                .to_string()
                .contains("none.toml")
        );
    }
}
