//! Texts that are nowhere but here, kept over an end that the person did not ask for: a signal, a terminal that is gone,
//! a fault of the program. Nothing is on the disk while the program runs, and nothing after it was left with Ctrl-Q.
//!
//! They lie [sealed](seal) in `messenger/drafts/` of her folder (0600). The next start as the same device gives them back
//! and removes the files.

mod seal;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use device::{Home, HomeError};
use identity::Identifier;
use identity::tls::{DeviceSigner, DeviceSignerError};
use messenger_engine::RoomId;
use serde::{Deserialize, Serialize};

use seal::{SALT_BYTES, Seal};

const FOLDER: &str = "messenger/drafts";

/// Most bytes of JSON in one file, unless one text alone has more: sealed and encoded it stays below the folder's limit of 1 MiB.
const MAX_JSON_IN_FILE: usize = 512 * 1024;

/// Most files that a start looks at.
const MAX_FILES: usize = 1_000;

/// To whom a text is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Addressee {
    Person(Identifier),
    /// A room that is no more when this is read: rooms end with the program.
    Room {
        room: RoomId,
        name: String,
        host: Identifier,
    },
}

/// How far it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fate {
    /// It was being written.
    Written,
    /// It was not delivered, and why.
    NotDelivered(String),
    /// It left, or was about to, and no answer came before the program ended.
    Unknown,
}

/// A text that is nowhere but here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unsent {
    pub(crate) to: Addressee,
    pub(crate) text: String,
    pub(crate) fate: Fate,
}

/// Why texts could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftsError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Signer(#[from] DeviceSignerError),
    #[error("{path} cannot be removed: {source}")]
    Remove { path: String, source: std::io::Error },
}

/// The file as it is. Whose it is stands in clear, so that another device of the same folder leaves it alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    device: String,
    salt: String,
    sealed: String,
}

/// What was kept: the texts, the files that held them, and what is wrong with files that are ours and hold nothing.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) unsent: Vec<Unsent>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) problems: Vec<String>,
}

/// Where texts of one run are kept if it ends badly.
#[derive(Clone)]
pub(crate) struct Safe {
    home: Home,
    signer: Arc<dyn DeviceSigner>,
    own: Arc<Seal>,
}

impl fmt::Debug for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Safe({})", self.home.folder().display())
    }
}

impl Safe {
    /// Opens one. The key is had now: a token may be out, or the terminal gone, when it is needed.
    ///
    /// # Errors
    /// The device's key did not sign.
    pub(crate) fn open(home: Home, signer: Arc<dyn DeviceSigner>) -> Result<Self, DraftsError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).expect("the system gives random bytes");
        let own = Arc::new(Seal::new(&*signer, salt)?);
        Ok(Self { home, signer, own })
    }

    /// Keeps these texts, and what this run kept before no more; on disk when this returns.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(crate) fn keep(&self, unsent: &[Unsent]) -> Result<(), DraftsError> {
        let parts = parts(unsent);
        for (n, part) in parts.iter().enumerate() {
            let json = zeroize::Zeroizing::new(serde_json::to_vec(part).expect("texts and names always serialise"));
            let file = Sealed {
                device: self.device(),
                salt: BASE64_STANDARD.encode(self.own.salt()),
                sealed: BASE64_STANDARD.encode(self.own.seal(&json)),
            };
            self.home.messenger_folder()?;
            let text = serde_json::to_string(&file).expect("strings always serialise");
            self.home.write_text(self.name(n), &text)?;
        }
        let more = (parts.len()..).map(|n| self.home.folder().join(self.name(n))).take_while(|path| path.exists());
        self.remove(&more.collect::<Vec<_>>())
    }

    /// Whether what this run kept is still there.
    pub(crate) fn keeps(&self) -> bool {
        self.home.folder().join(self.name(0)).exists()
    }

    /// What was kept for this device. Files that are not its own are left alone.
    pub(crate) fn find(&self) -> Found {
        let mut found = Found::default();
        let Ok(files) = std::fs::read_dir(self.home.folder().join(FOLDER)) else { return found };
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        for path in files.into_iter().take(MAX_FILES) {
            match self.read(&path) {
                Ok(Some(unsent)) => {
                    found.unsent.extend(unsent);
                    found.files.push(path);
                }
                Ok(None) => {}
                Err(problem) => found.problems.push(format!("{} {problem}", path.display())),
            }
        }
        found
    }

    /// Removes files whose texts were given back.
    ///
    /// # Errors
    /// The first that could not be removed.
    pub(crate) fn remove(&self, files: &[PathBuf]) -> Result<(), DraftsError> {
        for path in files {
            std::fs::remove_file(path)
                .map_err(|source| DraftsError::Remove { path: path.display().to_string(), source })?;
        }
        Ok(())
    }

    /// The texts in a file; nothing if it is another device's.
    fn read(&self, path: &PathBuf) -> Result<Option<Vec<Unsent>>, String> {
        let text = self.home.read_text(path).map_err(|error| format!("cannot be read: {error}"))?.unwrap_or_default();
        let damaged = || "is damaged, and is left there".to_owned();
        let file: Sealed = serde_json::from_str(&text).map_err(|_| damaged())?;
        if file.device != self.device() {
            return Ok(None);
        }
        let bytes = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| damaged());
        let salt = bytes(&file.salt)?.try_into().map_err(|_| damaged())?;
        let seal = Seal::new(&*self.signer, salt).map_err(|error| format!("cannot be opened: {error}"))?;
        let json = zeroize::Zeroizing::new(seal.open(&bytes(&file.sealed)?).ok_or_else(damaged)?);
        serde_json::from_slice(&json).map(Some).map_err(|_| damaged())
    }

    fn name(&self, n: usize) -> String {
        let run: String = self.own.salt()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{FOLDER}/{run}-{n:04}.json")
    }

    /// The device's public key.
    fn device(&self) -> String {
        BASE64_STANDARD.encode(self.signer.public_key())
    }
}

/// As many texts as go into one file, and so on.
fn parts(unsent: &[Unsent]) -> Vec<&[Unsent]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, one) in unsent.iter().enumerate() {
        let takes = serde_json::to_vec(one).map_or(0, |json| zeroize::Zeroizing::new(json).len());
        if bytes + takes > MAX_JSON_IN_FILE && at > start {
            parts.push(&unsent[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += takes;
    }
    if start < unsent.len() {
        parts.push(&unsent[start..]);
    }
    parts
}

#[cfg(test)]
mod tests;
