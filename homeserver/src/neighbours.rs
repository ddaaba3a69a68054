//! Home servers that witness one another.
//!
//! Each neighbour's witness cosigns this server's log, and this server's witness cosigns the neighbour's. What is
//! needed for it are three public things: the neighbour's witness key, the address of its witness, and its log's key.
//! All of them follow from its trust policy, whose fingerprint its operator can read out over the telephone.
//!
//! A neighbour's cosignature is gathered as soon as it is known here. People *demand* it when a version of the trust
//! policy says so: `homeserver policy draft` and `sign`.
//!
//! A mirror (C2SP tlog-mirror) is remembered here, too: each log brings it its entries by itself.

pub(crate) mod fetch;
pub(crate) mod follow;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};
use tlog_proof::policy::{LogPolicy, WitnessKey};
use tlog_proof::vkey::{KeyKind, VerifierKey};
use transparency_log::client::self_proving_http;
use transparency_log::mirror::RemoteMirror;
use transparency_log::storage::Storage;
use transparency_log::witness::{RemoteWitness, Witnessing};

use crate::error::StartError;
use crate::settings::Settings;

pub use fetch::{Found, by_fingerprint};

/// The name of the file in the folder.
pub const FILE: &str = "witnesses.toml";

/// Largest file that is read (bytes).
const MAX_BYTES: u64 = 256 * 1024;

/// No log asks more witnesses than a note has room for (C2SP signed-note), its own included.
const MAX_NEIGHBOURS: usize = 14;

const HEAD: &str = "\
# Witnesses and mirrors elsewhere that cosign this server's log, and the logs that its own witness cosigns in return. Written by
# `homeserver witness add` and `remove`; read when the server starts. Unknown keys are refused.
";

/// The neighbours of one home server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbours {
    #[serde(default, rename = "witness")]
    witnesses: Vec<Neighbour>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Its witness's verifier key, as C2SP signed-note writes it.
    pub key: String,
    /// Its witness's submission prefix (C2SP tlog-witness).
    pub url: String,
    /// Whether it is a mirror: it is brought the entries, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
    /// Its own log's verifier key, if it has a log: this server's witness cosigns that in return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Its server's address, below which its trust policy lies: by that its further logs are learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The fingerprint of that policy's first version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Neighbour {
    /// A witness alone, such as one run with `transparency-log witness`.
    ///
    /// # Errors
    /// [`StartError::Witness`] when key or address are none.
    pub fn witness_only(url: &str, key: &str) -> Result<Self, StartError> {
        Self::alone(url, key, false)
    }

    /// A mirror, such as one run with `transparency-log mirror`.
    ///
    /// # Errors
    /// As [`Self::witness_only`].
    pub fn mirror_only(url: &str, key: &str) -> Result<Self, StartError> {
        Self::alone(url, key, true)
    }

    fn alone(url: &str, key: &str, mirror: bool) -> Result<Self, StartError> {
        let (key, url) = (key.to_owned(), url.trim_end_matches('/').to_owned());
        let neighbour = Self { key, url, mirror, log: None, server: None, fingerprint: None };
        neighbour.check().map_err(|reason| StartError::Witness { reason })?;
        Ok(neighbour)
    }

    /// The name of its witness's key.
    pub fn name(&self) -> &str {
        self.key.split_once('+').map_or(&self.key, |(name, _)| name)
    }

    /// Where its trust policy lies, and what its first version's fingerprint is.
    fn policy(&self) -> Option<(&str, Fingerprint)> {
        Some((self.server.as_deref()?, self.fingerprint.as_deref()?.parse().ok()?))
    }

    fn witness_key(&self) -> Result<VerifierKey, String> {
        let key = VerifierKey::parse(&self.key).map_err(|error| format!("key: {error}"))?;
        match key.kind() {
            KeyKind::Ed25519 => Err(format!("key: expected the key of a witness, found {key}, which is that of a log")),
            _ => Ok(key),
        }
    }

    fn log_key(&self) -> Result<Option<VerifierKey>, String> {
        self.log.as_deref().map(|key| VerifierKey::parse(key).map_err(|error| format!("log: {error}"))).transpose()
    }

    fn check(&self) -> Result<(), String> {
        is_address(&self.url)
            .then_some(())
            .ok_or_else(|| format!("url: expected an address such as https://witness.example, found {:?}", self.url))?;
        if let Some(server) = self.server.as_deref().filter(|server| !is_address(server)) {
            return Err(format!("server: expected an address such as https://chat.example.net, found {server:?}"));
        }
        if let Some(fingerprint) = &self.fingerprint {
            fingerprint.parse::<Fingerprint>().map_err(|error| format!("fingerprint: {error}"))?;
        }
        self.witness_key()?;
        self.log_key()?;
        Ok(())
    }
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control()))
}

impl Neighbours {
    /// The neighbours that the folder remembers; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read or understood; the message names what is wrong.
    pub fn read(folder: &Path) -> Result<Self, StartError> {
        let path = folder.join(FILE);
        let unreadable = |source| StartError::folder(&path, source);
        let text = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
            Ok(found) if found.len() > MAX_BYTES => return Err(unreadable(std::io::ErrorKind::FileTooLarge.into())),
            Ok(_) => std::fs::read_to_string(&path).map_err(unreadable)?,
        };
        Self::parse(&text).map_err(|reason| StartError::Settings { path, reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let neighbours: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for neighbour in &neighbours.witnesses {
            neighbour.check().map_err(|reason| format!("{}: {reason}", neighbour.name()))?;
        }
        if neighbours.witnesses.len() > MAX_NEIGHBOURS {
            return Err(format!("expected at most {MAX_NEIGHBOURS} witnesses, found {}", neighbours.witnesses.len()));
        }
        Ok(neighbours)
    }

    /// All of them, in the order in which they were added.
    pub fn all(&self) -> &[Neighbour] {
        &self.witnesses
    }

    /// Adds one, or replaces the one of the same name.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, neighbour: Neighbour) -> Result<(), StartError> {
        self.witnesses.retain(|known| known.name() != neighbour.name());
        if self.witnesses.len() == MAX_NEIGHBOURS {
            let reason = format!("expected at most {MAX_NEIGHBOURS} witnesses, found one more");
            return Err(StartError::Witness { reason });
        }
        self.witnesses.push(neighbour);
        Ok(())
    }

    /// Forgets the one of this name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.witnesses.len();
        self.witnesses.retain(|known| known.name() != name);
        self.witnesses.len() < before
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), StartError> {
        let path = folder.join(FILE);
        let body = toml::to_string(self).expect("lists of strings can be written as TOML");
        let written = || -> std::io::Result<()> {
            let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            new.write_all(HEAD.as_bytes())?;
            new.write_all(body.as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(&path).map_err(|error| error.error)?;
            std::fs::File::open(folder)?.sync_all()
        };
        written().map_err(|source| StartError::folder(&path, source))
    }

    /// The logs that this server's witness cosigns in return: their first ones, and `further` ones that were learnt. No
    /// neighbour speaks for a log of this server's, nor for one that another was first to name.
    pub(crate) fn logs(&self, further: Vec<VerifierKey>, settings: &Settings) -> Vec<VerifierKey> {
        let first = self.witnesses.iter().filter_map(|neighbour| neighbour.log_key().ok().flatten());
        let mut known: Vec<VerifierKey> = Vec::new();
        for key in first.chain(further) {
            if settings.is_own_log(key.name()) || known.iter().any(|one| one.name() == key.name() && *one != key) {
                tracing::warn!(log = key.name(), "a neighbour names a log that is not its own; it is not cosigned");
            } else if !known.contains(&key) {
                known.push(key);
            }
        }
        known
    }

    /// Clients of the mirrors, which are brought the entries of the log whose files these are.
    pub fn mirrors(&self, files: &Arc<dyn Storage>) -> Vec<Arc<dyn Witnessing>> {
        let http = self_proving_http();
        let client = |mirror: &Neighbour| {
            let key = mirror.witness_key().ok()?;
            let client = RemoteMirror::new(http.clone(), key, &mirror.url, Arc::clone(files));
            Some(Arc::new(client) as Arc<dyn Witnessing>)
        };
        self.witnesses.iter().filter(|neighbour| neighbour.mirror).filter_map(client).collect()
    }

    /// Clients of their witnesses.
    pub fn witnesses(&self) -> Vec<Arc<dyn Witnessing>> {
        let http = self_proving_http();
        let client = |neighbour: &Neighbour| {
            let key = neighbour.witness_key().ok()?;
            Some(Arc::new(RemoteWitness::new(http.clone(), key, &neighbour.url)) as Arc<dyn Witnessing>)
        };
        self.witnesses.iter().filter(|neighbour| !neighbour.mirror).filter_map(client).collect()
    }

    /// A log's policy that knows these witnesses too, so that their cosignatures are kept. The quorum stays as it is.
    #[must_use]
    pub fn known_to(&self, mut policy: LogPolicy) -> LogPolicy {
        for neighbour in &self.witnesses {
            let Ok(vkey) = neighbour.witness_key() else { continue };
            // Names of a policy are its own: two servers on one machine may both be called localhost.
            let id = u32::from_be_bytes(vkey.id());
            for name in [vkey.name().to_owned(), format!("{}/{id:08x}", vkey.name())] {
                let mut extended = policy.clone();
                let url = Some(neighbour.url.clone());
                extended.witnesses.push(WitnessKey { name, vkey: vkey.clone(), url });
                // Its key may stand there already: then it counts as that.
                if LogPolicy::parse(&extended.to_string()).is_ok() {
                    policy = extended;
                    break;
                }
            }
        }
        policy
    }

    /// Where the witness with this key is asked, if it is a neighbour's.
    pub(crate) fn address_of(&self, key: &VerifierKey) -> Option<&str> {
        let neighbour = self.witnesses.iter().find(|one| one.witness_key().is_ok_and(|own| own == *key))?;
        Some(&neighbour.url)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use tlog_proof::{Cosigner, NoteSigner};

    use super::*;

    fn witness(name: &str) -> String {
        let mut seed = [7; 32];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        Cosigner::new(name, SigningKey::from_bytes(&seed)).unwrap().vkey().to_string()
    }

    fn log() -> VerifierKey {
        NoteSigner::new("b.example:8443/log/2026", SigningKey::from_bytes(&[8; 32])).unwrap().vkey()
    }

    #[test]
    fn what_is_written_is_read_back_and_each_name_stands_once() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Neighbours::read(place.path()).unwrap(), Neighbours::default());
        let mut neighbours = Neighbours::default();
        let one = Neighbour::witness_only("https://b.example:8443/witness/", &witness("b.example/witness")).unwrap();
        neighbours.add(one.clone()).unwrap();
        neighbours.add(Neighbour { log: Some(log().to_string()), ..one }).unwrap();
        neighbours.add(Neighbour::witness_only("https://w.example", &witness("w.example")).unwrap()).unwrap();
        neighbours.write(place.path()).unwrap();
        let mut read = Neighbours::read(place.path()).unwrap();
        assert_eq!(read, neighbours);
        assert_eq!(read.all().iter().map(Neighbour::name).collect::<Vec<_>>(), ["b.example/witness", "w.example"]);
        let here = Settings::first(&crate::Options::default(), 2026).unwrap();
        assert_eq!((read.logs(Vec::new(), &here), read.witnesses().len()), (vec![log()], 2));
        let mirror = Neighbour::mirror_only("https://m.example", &witness("m.example")).unwrap();
        read.add(mirror).unwrap();
        read.write(place.path()).unwrap();
        assert_eq!(Neighbours::read(place.path()).unwrap(), read);
        let files: Arc<dyn Storage> = Arc::new(transparency_log::storage::MemoryStorage::new());
        assert_eq!((read.witnesses().len(), read.mirrors(&files).len()), (2, 1));
        assert!(read.remove("w.example") && !read.remove("w.example"));
    }

    #[test]
    fn what_is_no_witness_is_refused() {
        let good = "https://w.example";
        for (url, key) in [
            ("w.example", witness("w.example")),
            ("https://", witness("w.example")),
            ("https://w.example/a b", witness("w.example")),
            (good, log().to_string()),
            (good, "garbage".to_owned()),
        ] {
            assert!(Neighbour::witness_only(url, &key).is_err(), "{url} {key}");
        }
        let text = format!("[[witness]]\nkey = {:?}\nurl = {good:?}\n", witness("w.example"));
        assert_eq!(Neighbours::parse(&text).unwrap().all().len(), 1);
        assert!(Neighbours::parse(&format!("{text}weight = 2\n")).unwrap_err().contains("unknown field"));
        let many: String =
            (0..=MAX_NEIGHBOURS).map(|n| text.replace(&witness("w.example"), &witness(&format!("w{n}")))).collect();
        assert!(Neighbours::parse(&many).unwrap_err().contains("at most"));
    }

    #[test]
    fn a_policy_learns_of_them_and_keeps_its_quorum() {
        let own = format!("log {}\nwitness own {}\nquorum own\n", log(), witness("own"));
        let policy = LogPolicy::parse(&own).unwrap();
        let mut neighbours = Neighbours::default();
        neighbours.add(Neighbour::witness_only("https://w.example", &witness("w.example")).unwrap()).unwrap();
        neighbours.add(Neighbour::witness_only("https://own.example", &witness("own")).unwrap()).unwrap();
        let extended = neighbours.known_to(policy.clone());
        assert_eq!(extended.witnesses.len(), 2, "one whose key is there already is that one");
        assert_eq!(extended.quorum, policy.quorum);
        assert_eq!(LogPolicy::parse(&extended.to_string()).unwrap(), extended);
    }
}
