//! The settings files, in TOML, one for each command. Unknown keys are refused: a slip of the pen must not pass
//! silently. Relative paths count from the folder of the settings file.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use identity::trust::TrustPolicy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tlog_proof::submission::MAX_BATCH;
use tlog_proof::{LogPolicy, VerifierKey};
use transparency_log::storage::S3Place;

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
        // Only message and place: the quoted line that the error's Display carries may hold a secret.
        let settings = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            refused(path, &format!("line {line}: {}", error.message()))
        })?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { settings, base })
    }

    /// The folder that its paths count from.
    pub fn base(&self) -> &Path {
        &self.base
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

/// `transparency-log serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// The log's identity.
    pub origin: String,
    /// Where everybody reads it, as others see it.
    pub url: Option<String>,
    /// Where keys and log are.
    pub folder: PathBuf,
    /// The name of a witness in the same process.
    pub own_witness: Option<String>,
    /// Witnesses and quorum: a C2SP tlog-policy without the log.
    pub policy: Option<String>,
    /// Names in the policy of those who are mirrors: they are brought the entries.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// How many entries may wait for their proofs; the largest request at least.
    #[serde(default = "bundles", deserialize_with = "a_batch_at_least")]
    pub waiting_entries: NonZeroU32,
    /// Where everybody reads.
    pub port: Port,
    /// Where the authority submits.
    pub submission: Port,
    /// An object store for the log; without one it lies in the folder.
    pub log_store: Option<S3Place>,
    /// Whom it takes entries from: one, for it to start; none yet, for it to say its policy.
    #[serde(default, rename = "authority")]
    pub authorities: Vec<KnownAuthority>,
}

const fn bundles() -> NonZeroU32 {
    NonZeroU32::new(64 * 256).expect("not zero")
}

/// Reads how many entries may wait. With room for fewer than one request may have, that one could never be taken.
fn a_batch_at_least<'de, D: serde::Deserializer<'de>>(from: D) -> Result<NonZeroU32, D::Error> {
    let found = u32::deserialize(from)?;
    let enough = NonZeroU32::new(found).filter(|_| found as usize >= MAX_BATCH);
    enough.ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "expected at least {MAX_BATCH}, the entries of one request, found {found}"
        ))
    })
}

/// An authority that a log takes entries from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownAuthority {
    /// The DNS name of its component.
    pub name: String,
    /// Its trust policy, by which the component's certificate is verified.
    pub trust_policy: PathBuf,
    /// SHA-256 of the SubjectPublicKeyInfo of the component's first key, in hexadecimal.
    pub key: Option<String>,
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

/// `transparency-log mirror`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorSettings {
    /// The name of its key: a schema-less URL.
    pub name: String,
    /// Where its key and its copies are.
    pub folder: PathBuf,
    /// Where it is reached.
    pub port: Port,
    /// The logs it copies.
    #[serde(default, rename = "log")]
    pub logs: Vec<KnownLog>,
}

/// `transparency-log monitor`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorSettings {
    /// Where its memory and the evidence are.
    pub folder: PathBuf,
    /// Which logs, and who must have cosigned them: a C2SP tlog-policy.
    policy: Option<String>,
    /// A trust policy that holds such a text.
    trust_policy: Option<PathBuf>,
    /// Pause between rounds.
    #[serde(default = "minute")]
    pub every_seconds: NonZeroU32,
    /// How old a log's newest cosignature may be.
    #[serde(default = "hour")]
    pub max_age_seconds: NonZeroU32,
    /// A command that is run when something is wrong.
    pub alarm_command: Option<Vec<String>>,
    /// Where a Prometheus server reads.
    pub metrics: Option<Port>,
    /// Who else shows the logs.
    #[serde(default, rename = "source")]
    pub sources: Vec<OtherSource>,
}

/// Somebody else who shows a log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherSource {
    /// Its name, for reports.
    pub name: String,
    /// The address below which `checkpoint` lies.
    pub url: String,
    /// The log's origin, where several are watched.
    pub log: Option<String>,
}

impl MonitorSettings {
    /// The logs and the quorum.
    ///
    /// # Errors
    /// There is neither a policy nor a trust policy, there are both, or it is none.
    pub fn policy(&self, read: &Read<Self>) -> Result<LogPolicy, Failure> {
        let remedy = "see the sample that --help names";
        let refused = |what: String| Failure::usage(what, remedy);
        match (&self.policy, self.trust_document(read)?) {
            (Some(text), None) => {
                LogPolicy::parse(text.trim_start()).map_err(|error| refused(format!("policy: {error}")))
            }
            (None, Some(document)) => {
                let policy = TrustPolicy::parse(document.as_bytes()).and_then(|policy| policy.log_policy());
                policy.map_err(|error| refused(format!("trust_policy: {error}")))
            }
            _ => Err(refused("expected either policy or trust_policy, found both or neither".to_owned())),
        }
    }

    /// The text of the trust policy, if one is given.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn trust_document(&self, read: &Read<Self>) -> Result<Option<String>, Failure> {
        let Some(path) = self.trust_policy.as_deref().map(|path| read.resolve(path)) else { return Ok(None) };
        std::fs::read_to_string(&path).map(Some).map_err(|error| Failure::file(&path, &error))
    }
}

const fn minute() -> NonZeroU32 {
    NonZeroU32::new(60).expect("not zero")
}

const fn hour() -> NonZeroU32 {
    NonZeroU32::new(3600).expect("not zero")
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
    fn the_samples_of_a_log_and_a_mirror_are_understood() {
        let settings: ServeSettings = read(include_str!("../samples/serve.toml")).unwrap();
        assert_eq!((settings.authorities.len(), settings.waiting_entries), (1, bundles()));
        assert_eq!(settings.log_store, None);
        let (before, store) = include_str!("../samples/serve.toml").split_once("# [log_store]").unwrap();
        let (store, after) = store.split_once("\n\n").unwrap();
        let text = format!("{before}[log_store]{}\n\n{after}", store.replace("\n# ", "\n"));
        let place = read::<ServeSettings>(&text).unwrap().log_store.unwrap();
        assert_eq!((place.check(), place.prefix.as_str()), (Ok(()), "log.example.org/2026"));
        let settings: MirrorSettings = read(include_str!("../samples/mirror.toml")).unwrap();
        assert_eq!(settings.logs.len(), 1);
    }

    #[test]
    fn the_largest_request_must_have_room() {
        let sample = include_str!("../samples/serve.toml");
        let waiting =
            |entries: &str| sample.replace("waiting_entries = 16384", &format!("waiting_entries = {entries}"));
        let settings: ServeSettings = read(&waiting("256")).unwrap();
        assert_eq!(settings.waiting_entries.get(), 256);
        for few in ["0", "255"] {
            let refused = read::<ServeSettings>(&waiting(few)).unwrap_err();
            assert!(
                refused.contains(&format!("expected at least 256, the entries of one request, found {few}")),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_monitor_needs_one_policy() {
        let sample = include_str!("../samples/monitor.toml");
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("monitor.toml");
        let policy = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let read = Read::<MonitorSettings>::open(&path)?;
            read.settings.policy(&read)
        };
        assert_eq!(policy(sample).unwrap().witnesses.len(), 2);
        std::fs::write(place.path().join("policy.json"), "{}").unwrap();
        let both = sample.replace("# trust_policy", "trust_policy");
        assert!(policy(&both).unwrap_err().to_string().contains("both or neither"));
        assert!(policy("folder = \"x\"\n").unwrap_err().to_string().contains("both or neither"));
        assert!(
            policy("folder = \"x\"\ntrust_policy = \"policy.json\"\n")
                .unwrap_err()
                .to_string()
                .contains("trust_policy")
        );
        assert!(policy(&sample.replace("quorum most", "quorum more")).unwrap_err().is_usage());
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
