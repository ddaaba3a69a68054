//! A new authority, made and not yet started: folder, keys, trust policy. What `ca init` does.

use std::fmt;
use std::path::PathBuf;

use identity::UnixTime;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::StartError;
use crate::folder::Folder;
use crate::founding::{self, Founded};
use crate::genesis;
use crate::options::Options;

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct Initialized {
    /// Where.
    pub folder: PathBuf,
    /// SHA-256 of the genesis trust policy: what people pin.
    pub fingerprint: String,
    /// SHA-256 of the root's certificate.
    pub root: String,
    /// Where the policy will be served.
    pub policy: String,
}

impl fmt::Display for Initialized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        writeln!(f, "Made: an authority in {folder}")?;
        writeln!(f, "  fingerprint  {}", self.fingerprint)?;
        writeln!(f, "  root         {}", self.root)?;
        writeln!(f, "  policy       {}", self.policy)?;
        writeln!(f, "Next:")?;
        writeln!(f, "  edit {folder}/homeserver.toml (ca config sample explains every key), then ca config check")?;
        writeln!(f, "  ca keys seal, and move keys/root.key.pem off this machine")?;
        writeln!(f, "  homeserver up --folder {folder}")
    }
}

/// Makes folder, keys and trust policy as the first start would. With keys that a ceremony has put there already, those are
/// taken.
///
/// # Errors
/// There is an authority already, or an option or the folder cannot be used.
pub fn init(options: &Options) -> Result<Initialized, StartError> {
    options.check()?;
    let folder = Folder::open(&options.folder)?;
    if folder.join(genesis::FILE).exists() {
        return Err(StartError::Founded { folder: folder.path().to_path_buf() });
    }
    let now = UnixTime::now();
    let settled = founding::settle(&folder, options, now)?.for_many();
    let Founded { authority, policy, .. } = settled.found(&folder, now)?;
    Ok(Initialized {
        folder: folder.path().to_path_buf(),
        fingerprint: policy.fingerprint().to_string(),
        root: hex::encode(Sha256::digest(authority.root_der())),
        policy: format!("{}/policy", settled.settings.base_url()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_made_is_what_starts_and_is_never_made_twice() {
        let place = tempfile::tempdir().unwrap();
        let options = Options {
            folder: place.path().join("server"),
            https_port: Some(0),
            directory_port: Some(0),
            ..Options::default()
        };
        let made = init(&options).unwrap();
        assert!(matches!(init(&options), Err(StartError::Founded { .. })));
        let settings = std::fs::read_to_string(options.folder.join(crate::settings::FILE)).unwrap();
        assert!(settings.contains("crl_shards = 16\n"), "{settings}");
        let again = Options { folder: options.folder.clone(), ..Options::default() };
        let started = crate::Homeserver::start(&again).await.unwrap();
        assert_eq!((&started.ready().fingerprint, &started.ready().policy), (&made.fingerprint, &made.policy));
        started.stop().await;
    }
}
