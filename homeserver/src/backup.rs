//! Backups: a folder that holds everything an authority cannot do without, made while it runs.
//!
//! ```text
//! backup.json    when it was made, and how far each log reached before and after
//! SHA256SUMS     of every other file: sha256sum -c SHA256SUMS
//! ca.sqlite      the database as of one moment (SQLite's online backup)
//! keys/ …        everything else under its own name; keys that are sealed stay sealed
//! log/ …         each log, its entries verified while they were copied, from wherever it lies
//! ```
//!
//! The order is what makes it whole: the sizes of the logs first, then the database, then the rest, the logs last. So every
//! certificate that the database knows stands in the logs; and every entry that stood in a log before the database was
//! copied is known to it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::UnixTime;
use identity::trust::{Shard, TrustPolicy};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog_proof::{UnverifiedCheckpoint, VerifierKey};
use transparency_log::client::StorageSource;
use transparency_log::copy::LogCopy;
use transparency_log::storage::{S3_KEYS_FILE, Storage};

use crate::error::StartError;
use crate::files;
use crate::folder::Folder;
use crate::log_store::{self, CHECKPOINT, LogStore};
use crate::logs::{FIRST, SHARDS, later_logs};
use crate::policies;
use crate::settings::{self, Settings};

/// What says how far the logs reached.
pub(crate) const MANIFEST: &str = "backup.json";
/// What says that every file is whole.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The database.
pub(crate) const DATABASE: &str = "ca.sqlite";

/// Files of the folder, besides the database. Whatever is not there is left out. What the logs run by comes before the
/// policies, so that the version it names is among them.
const FILES: [&str; 15] = [
    settings::FILE,
    crate::neighbours::FILE,
    crate::genesis::FILE,
    "external-accounts",
    "phone-secrets",
    S3_KEYS_FILE,
    "blocked-keys",
    "log-holds-policy",
    "taken-labels",
    "carried-revocations.json",
    "frozen-logs",
    crate::restore::LOST,
    crate::logs::RUN_BY,
    "audit.jsonl",
    ca::POLICIES_FILE,
];
/// Folders, with all that is in them. The witness's state is a lower bound, and nothing more, where it is restored.
const FOLDERS: [&str; 9] =
    ["keys", "policies", policies::STRUCK, "crl", "objects", "services", "witness", "wishes", crate::foreign::FOLDER];

/// What stands in a later log's folder in place of its label key, where a signer has that.
const SIGNER: &str = "vrf.signer";

/// One log in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEdge {
    /// Its origin.
    pub origin: String,
    /// Where it lies in the folder.
    pub folder: String,
    /// How many entries it had before the database was copied: those the database knows.
    pub before: u64,
    /// How many are in the backup.
    pub size: u64,
    /// The root over them, base64.
    pub root: String,
}

/// `backup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of the form of backups: 1.
    pub version: u32,
    /// When it was begun, seconds since the epoch.
    pub made_at: u64,
    /// Whose it is.
    pub domain: String,
    /// Its logs, those that were struck before the others, the oldest first; none where the log is elsewhere.
    pub logs: Vec<LogEdge>,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says of itself.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// How many files.
    pub files: usize,
    /// How many bytes.
    pub bytes: u64,
    /// Keys that lie in it in clear.
    pub keys_in_clear: Vec<String>,
}

/// Makes a backup of `folder` in the new folder `to`, also while the server runs. It appears there when it is whole.
///
/// # Errors
/// `to` is there already, something cannot be read or written, or a log is damaged.
pub async fn backup(folder: &Path, to: &Path, now: UnixTime) -> Result<Made, StartError> {
    let place = Folder::beside(folder)?;
    // It would look like the backup of a server that has caught up.
    crate::restore::check(&place)?;
    if to.exists() {
        return Err(StartError::folder(to, std::io::ErrorKind::AlreadyExists.into()));
    }
    let parse = |bytes: Vec<u8>| {
        Settings::parse(&bytes).map_err(|reason| StartError::Settings { path: place.join(settings::FILE), reason })
    };
    let settings = parse(settings::read(&place.join(settings::FILE))?)?;
    if settings.database.is_none() && !place.join(DATABASE).exists() {
        let reason = format!("expected {DATABASE} in the folder, found none: start the server once, which makes it");
        return Err(StartError::Part { part: "backup", reason });
    }
    if settings.database.is_some() {
        let reason = "expected the database in the folder, found `database` in the settings: copy that with pg_dump, \
                      and keys, policies and settings as files";
        return Err(StartError::Part { part: "backup", reason: reason.to_owned() });
    }
    let store = LogStore::open_to_read(&place, &settings)?;
    let draft = to.with_added_extension("partial");
    let emptied = files::private_folder(&draft).and_then(|()| empty(&draft));
    emptied.map_err(|source| StartError::folder(&draft, source))?;
    let versions = policies::history(place.path())?;
    let mut logs = Vec::new();
    for OwnLog { shard, key, folder, name, is_struck, .. } in own_logs(&settings, &versions)? {
        let (takes_from, origin) = (shard.window.takes_from(), shard.origin);
        let files = store.reader(&place.join(&folder), &name)?;
        match size(&files, &key).await? {
            Some(before) => logs.push((key, files, LogEdge { origin, folder, before, size: 0, root: String::new() })),
            // One that is announced may not be there yet.
            None if !is_struck && takes_from > now => {}
            // A restore has said so.
            None if is_struck && crate::restore::is_lost(&place, &origin)? => {}
            None => {
                let reason =
                    format!("expected the log {origin} in {folder}, found no checkpoint of it: bring it back there");
                return Err(StartError::Part { part: "backup", reason });
            }
        }
    }
    let (from, copy) = (place.join(DATABASE), draft.join(DATABASE));
    let copied = tokio::task::spawn_blocking(move || ca::store::snapshot(&from, &copy)).await;
    let copied = copied.map_err(|error| StartError::part("backup", &error))?;
    copied.map_err(|error| StartError::part("database", &error))?;
    copy_rest(&place, &draft, &settings)?;
    for (key, files, log) in &mut logs {
        (log.size, log.root) = copy_log(files, &draft.join(&log.folder), key).await?;
    }
    let logs = logs.into_iter().map(|(_, _, log)| log).collect();
    let manifest = Manifest { version: 1, made_at: now.as_secs(), domain: settings.domain.clone(), logs };
    let text = serde_json::to_vec_pretty(&manifest).expect("texts and numbers are JSON");
    let written = files::write(&draft.join(MANIFEST), &text);
    written.map_err(|source| StartError::folder(&draft, source))?;
    let (files, bytes) = seal(&draft)?;
    let keys_in_clear = keys_in_clear(&draft);
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let moved = std::fs::rename(&draft, to).and_then(|()| std::fs::File::open(parent)?.sync_all());
    moved.map_err(|source| StartError::folder(to, source))?;
    Ok(Made { folder: to.to_path_buf(), manifest, files, bytes, keys_in_clear })
}

/// A log in this process.
pub(crate) struct OwnLog {
    /// As the last version of the policy has it that names it.
    pub(crate) shard: Shard,
    pub(crate) key: VerifierKey,
    /// Where it lies in the folder, and in every backup.
    pub(crate) folder: String,
    /// Where it lies below the prefix of an object store.
    pub(crate) name: String,
    /// That version.
    pub(crate) policy: TrustPolicy,
    /// Whether the newest version names it no longer.
    pub(crate) is_struck: bool,
}

/// Each log in this process, by all versions of the policy. One that was struck is not signed any more, but it is the
/// evidence of what was certified; such come before the others.
pub(crate) fn own_logs(settings: &Settings, versions: &[TrustPolicy]) -> Result<Vec<OwnLog>, StartError> {
    let mut found: Vec<OwnLog> = Vec::new();
    for (age, version) in versions.iter().rev().enumerate() {
        let mut named = named_by(settings, version)?;
        named.retain(|log| found.iter().all(|newer| newer.shard.origin != log.shard.origin));
        named.iter_mut().for_each(|log| log.is_struck = age > 0);
        found.splice(..0, named);
    }
    Ok(found)
}

fn named_by(settings: &Settings, policy: &TrustPolicy) -> Result<Vec<OwnLog>, StartError> {
    if settings.log_elsewhere.is_some() {
        return Ok(Vec::new());
    }
    let wrong = |error: &dyn std::error::Error| StartError::part("trust policy", error);
    let keys = policy.log_policy().map_err(|error| wrong(&error))?;
    let Some(authority) = policy.authorities.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for shard in policy.shards(authority).map_err(|error| wrong(&error))? {
        let (folder, name) = match settings.shard_name(&shard.origin) {
            _ if shard.origin == settings.origin() => (FIRST.to_owned(), settings.log_year.to_string()),
            Some(name) => (format!("{SHARDS}/{name}/{FIRST}"), name.to_owned()),
            None => continue,
        };
        let key = keys.logs.iter().find(|log| log.vkey.name() == shard.origin).map(|log| log.vkey.clone());
        found.extend(key.map(|key| OwnLog { shard, key, folder, name, policy: policy.clone(), is_struck: false }));
    }
    Ok(found)
}

/// How many entries a log has published; none if there is no log.
async fn size(files: &Arc<dyn Storage>, key: &VerifierKey) -> Result<Option<u64>, StartError> {
    let text = log_store::read(Arc::clone(files), CHECKPOINT).await;
    let Some(text) = text.map_err(|error| StartError::part("log", &error))? else { return Ok(None) };
    let checkpoint = UnverifiedCheckpoint::parse(text).and_then(|checkpoint| checkpoint.verify_log(key));
    checkpoint.map(|checkpoint| Some(checkpoint.size)).map_err(|error| StartError::part("log", &error))
}

async fn copy_log(from: &Arc<dyn Storage>, to: &Path, key: &VerifierKey) -> Result<(u64, String), StartError> {
    let mut copy = LogCopy::open(to, key).map_err(|error| StartError::part("copy of the log", &error))?;
    let extended = copy.extend(StorageSource::new(Arc::clone(from))).await;
    extended.map_err(|error| StartError::part("copy of the log", &error))?;
    Ok((copy.size(), copy.root().to_string()))
}

fn copy_rest(place: &Folder, draft: &Path, settings: &Settings) -> Result<(), StartError> {
    for file in FILES {
        copy(&place.join(file), &draft.join(file), file == "audit.jsonl")?;
    }
    for named in named_files(settings) {
        copy(&place.path().join(named), &draft.join(named), false)?;
    }
    let later = later_logs(place.path()).map_err(|source| StartError::folder(&place.join(SHARDS), source))?;
    for shard in later {
        for key in [crate::shards::LOG_KEY, ca::keys::LABEL_KEY, SIGNER] {
            let key = shard.join(key);
            copy(&place.path().join(&key), &draft.join(&key), false)?;
        }
    }
    for folder in FOLDERS {
        for file in
            files::below(&place.join(folder)).map_err(|source| StartError::folder(&place.join(folder), source))?
        {
            copy(&place.join(folder).join(&file), &draft.join(folder).join(&file), false)?;
        }
    }
    Ok(())
}

/// Certificates, keys and policies of others that the settings name, as far as they lie in the folder.
fn named_files(settings: &Settings) -> impl Iterator<Item = &Path> {
    let named = settings.openid.iter().filter_map(|issuer| issuer.roots.as_deref());
    let named = named.chain(settings.phone.roots.as_deref()).chain(settings.smtp_roots.as_deref());
    let named = named.chain(settings.log_store.as_ref().and_then(|store| store.roots.as_deref()));
    let direct = settings.enrolment.direct.iter();
    let named = named.chain(direct.flat_map(|direct| [&direct.roots, &direct.anchors]).filter_map(Option::as_deref));
    let named = named.chain(settings.foreign.iter().map(|foreign| foreign.policy.as_path()));
    named.filter(|path| path.components().all(|part| matches!(part, std::path::Component::Normal(_))))
}

/// What an interrupted attempt has left, but for the logs: a key that was destroyed since does not get into this backup.
fn empty(draft: &Path) -> std::io::Result<()> {
    remove_all_but(draft, &[FIRST, SHARDS])?;
    let later = match std::fs::read_dir(draft.join(SHARDS)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    later.into_iter().try_for_each(|shard| remove_all_but(&shard?.path(), &[FIRST]))
}

fn remove_all_but(folder: &Path, kept: &[&str]) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if kept.iter().all(|kept| *kept != entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

/// Copies a file (mode 0600), if it is still there; of the audit trail whole lines alone.
fn copy(from: &Path, to: &Path, lines: bool) -> Result<(), StartError> {
    let mut bytes = match std::fs::read(from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => zeroize::Zeroizing::new(other.map_err(|source| StartError::folder(from, source))?),
    };
    if lines {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
    }
    let written = files::private_folder(to.parent().unwrap_or(to)).and_then(|()| files::write(to, &bytes));
    written.map_err(|source| StartError::folder(to, source))
}

/// Writes the sums of all files: how many files there are, and how many bytes.
fn seal(draft: &Path) -> Result<(usize, u64), StartError> {
    let unreadable = |source| StartError::folder(draft, source);
    let (mut sums, mut count, mut bytes) = (String::new(), 0, 0);
    for file in files::below(draft).map_err(unreadable)? {
        if file != Path::new(SUMS) {
            let (digest, length) = sum(&draft.join(&file)).map_err(unreadable)?;
            sums.push_str(&format!("{digest}  {}\n", file.display()));
            (count, bytes) = (count + 1, bytes + length);
        }
    }
    files::write(&draft.join(SUMS), sums.as_bytes()).map_err(unreadable)?;
    Ok((count, bytes))
}

/// SHA-256 of a file, and its length.
fn sum(path: &Path) -> std::io::Result<(String, u64)> {
    let (mut file, mut sha256) = (std::fs::File::open(path)?, Sha256::new());
    let (mut buffer, mut length) = (vec![0; 64 * 1024], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hex::encode(sha256.finalize()), length)),
            read => {
                sha256.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

/// The files of a backup by its sums.
pub(crate) struct Verified {
    /// All of them.
    pub(crate) files: Vec<PathBuf>,
    /// Those that are not what they were, and what was expected and found.
    pub(crate) damaged: BTreeMap<PathBuf, String>,
}

/// Reads the sums of a backup and holds every file against its own.
pub(crate) fn verified(backup: &Path) -> Result<Verified, String> {
    let sums = std::fs::read_to_string(backup.join(SUMS)).map_err(|error| format!("{SUMS}: {error}"))?;
    let mut files = BTreeMap::new();
    for line in sums.lines() {
        let (digest, path) =
            line.split_once("  ").ok_or_else(|| format!("{SUMS}: expected a sum and a path, found {line:?}"))?;
        let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        if !Path::new(path).components().all(plain) {
            return Err(format!("{SUMS}: expected a path below the backup, found {path:?}"));
        }
        files.insert(PathBuf::from(path), digest.to_owned());
    }
    let mut damaged = BTreeMap::new();
    for (path, expected) in &files {
        let account = match sum(&backup.join(path)) {
            Ok((found, _)) if found == *expected => continue,
            Ok((found, _)) => format!("{}: expected the SHA-256 {expected}, found {found}", path.display()),
            Err(error) => format!("{}: {error}", path.display()),
        };
        damaged.insert(path.clone(), account);
    }
    Ok(Verified { files: files.into_keys().collect(), damaged })
}

/// Private keys that are not sealed.
fn keys_in_clear(draft: &Path) -> Vec<String> {
    let is_clear = |file: &PathBuf| {
        let text =
            std::fs::read_to_string(draft.join("keys").join(file)).map(zeroize::Zeroizing::new).unwrap_or_default();
        text.contains("BEGIN PRIVATE KEY") || text.contains("BEGIN IN PERSON SECRET")
    };
    let keys = files::below(&draft.join("keys")).unwrap_or_default();
    keys.into_iter().filter(is_clear).map(|file| file.display().to_string()).collect()
}
