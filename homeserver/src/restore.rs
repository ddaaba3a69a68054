//! A backup put into an empty folder, and nothing signed until it has caught up with the world.
//!
//! A backup is old. Since it was made the log has grown, and witnesses have cosigned more than the backup holds: a log that
//! goes on from there would have two histories. So the folder is marked until it is *certain* how far the log got: as many
//! witnesses elsewhere say that they know no more as no quorum could have been without. What is missing comes from a mirror.
//! Only then are the books brought up to the log ([`ca::recovery`]), and the mark is taken away.
//!
//! Where that cannot be had the old log is given up ([`new_log`]): it is never signed again, and another one begins.

mod certain;
mod elsewhere;
mod lists;
mod logs;
pub mod new_log;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ca::recovery::{LoggedSince, Recovered, RecoveryError};
use command_line::Failure;
use identity::UnixTime;
use identity::trust::{PolicyUpdate, TrustPolicy};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::{Entry, ObjectKind};
use transparency_log::copy::CopyError;

use crate::backup::Manifest;
use crate::error::StartError;
use crate::folder::Folder;
use crate::policies;
use crate::settings::{self, LogElsewhere, Settings};

pub use certain::{Answer, Standing};
use logs::Held;

/// What keeps a server from starting in a folder that has not caught up. It holds the backup's manifest.
pub(crate) const MARK: &str = "not-caught-up";
/// What lies beside it until every file of the backup is there. A folder that holds a part of one is good for nothing.
const PARTIAL: &str = "not-unpacked";
/// The origins of logs that were given up, a line each.
const FROZEN: &str = "frozen-logs";
/// The origins of struck logs of which no copy was left, a line each.
pub(crate) const LOST: &str = "lost-logs";

/// What helps a backup to catch up.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Copies of the logs: addresses of mirrors or monitors, or folders.
    pub mirrors: Vec<String>,
    /// Revocation lists since the backup (DER), where no mirror holds them.
    pub lists: Vec<PathBuf>,
    /// Versions of the trust policy since the backup, as `/policy/<n>` served them.
    pub updates: Vec<PathBuf>,
    /// Go on although revocations since the backup are lost.
    pub without_lists: bool,
    /// For a server whose log is elsewhere: another one elsewhere, which begins in its place.
    pub log: Option<LogElsewhere>,
}

/// A folder that has caught up.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// Where.
    pub folder: PathBuf,
    /// How far each log got.
    pub logs: Vec<Standing>,
    /// What was done to the books.
    pub books: Recovered,
    /// Logs elsewhere that this server's witness cosigned: it does not any more, for it may have forgotten what it has seen.
    pub cosigned_no_more: Vec<String>,
}

/// Why a folder has not caught up.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The folder, settings, keys or policies.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is something in the folder already.
    #[error("{} is not empty", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The backup is not whole.
    #[error("the backup {}: {reason}", backup.display())]
    Backup {
        /// Where it lies.
        backup: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// Unpacking was interrupted.
    #[error("{} holds a part of a backup: it was interrupted while it was unpacked", folder.display())]
    Partial {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder was not restored, or has caught up already.
    #[error("{} does not wait to catch up", folder.display())]
    NotMarked {
        /// The folder.
        folder: PathBuf,
    },
    /// A log's copy and what is shown elsewhere do not fit.
    #[error("the log {origin}: {source}")]
    Log {
        /// Which.
        origin: String,
        /// Why.
        source: CopyError,
    },
    /// It is not certain how far a log got.
    #[error("{}", words(logs))]
    NotCertain {
        /// All logs.
        logs: Vec<Standing>,
    },
    /// A version of the trust policy stands in the log that is not here.
    #[error("{count} versions of the trust policy were published since the backup, and are not here")]
    Policies {
        /// How many.
        count: usize,
    },
    /// Revocations may be lost.
    #[error("{count} revocation lists were published since the backup, and the newest of each is not here")]
    Lists {
        /// How many.
        count: u64,
    },
    /// A given list is not this authority's.
    #[error("the revocation list {}: {reason}", path.display())]
    List {
        /// Where it lies.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// The log's end is not known, so its newest revocation lists must be brought.
    #[error(
        "the end of the log is not known: expected for each of {} the newest revocation list in its place, found none",
        paths(missing)
    )]
    ListsUnknown {
        /// The files of the folder.
        missing: Vec<PathBuf>,
    },
    /// The books.
    #[error("the books: {0}")]
    Books(#[from] RecoveryError),
}

fn paths(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn words(logs: &[Standing]) -> String {
    let open = logs.iter().filter(|log| !log.certain);
    open.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RestoreError {
    /// What to try.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Start(error) => error.remedy(),
            Self::NotEmpty { .. } => "name a folder that is empty, or does not exist yet".into(),
            Self::Backup { .. } => "take another backup; in this one sha256sum -c SHA256SUMS shows what is wrong".into(),
            Self::Partial { .. } => "empty the folder, and restore the backup into it again".into(),
            Self::NotMarked { .. } => "homeserver up starts it; another backup goes into another folder".into(),
            Self::Log { source: CopyError::Forked { .. }, .. } => {
                "do not start this server: keep both copies, and begin another log with ca restore --new-log".into()
            }
            Self::Log { .. } => "name another mirror".into(),
            Self::NotCertain { .. } => {
                "have the witnesses answer, name a mirror with --mirror, and run ca restore --again; or give this log up with --new-log. Nothing was signed"
                    .into()
            }
            Self::Policies { .. } => {
                "get them from whoever has taken them, and run ca restore --again --policy-update FILE. Nothing was signed".into()
            }
            Self::Lists { .. } | Self::ListsUnknown { .. } => {
                "get the newest lists (people.crl, services.crl, every part) from whoever fetched them, and run ca restore --again --crl FILE; or --without-lists, and revoke again what was revoked since. Nothing was signed"
                    .into()
            }
            Self::List { .. } => "name lists of this authority, as they were served. Nothing was signed".into(),
            Self::Books(_) => "look at the disk, and run ca restore --again".into(),
        }
    }

    /// Whether it is only a question of evidence.
    #[must_use]
    pub fn waits(&self) -> bool {
        let evidence = matches!(self, Self::NotCertain { .. } | Self::Policies { .. });
        evidence || matches!(self, Self::Lists { .. } | Self::ListsUnknown { .. })
    }
}

/// Exit code 4 if the folder waits, 1 if it is anything else.
impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        Self::new(if error.waits() { 4 } else { 1 }, &error, error.remedy())
    }
}

/// A server does not start in a folder that has not caught up.
///
/// # Errors
/// [`StartError::NotCaughtUp`].
pub(crate) fn check(folder: &Folder) -> Result<(), StartError> {
    if folder.join(MARK).exists() || folder.join(PARTIAL).exists() {
        return Err(StartError::NotCaughtUp { folder: folder.path().to_path_buf() });
    }
    Ok(())
}

/// Whether a log was given up: it is never signed again.
pub(crate) fn is_frozen(folder: &Folder, origin: &str) -> Result<bool, StartError> {
    stands_in(folder, FROZEN, origin)
}

/// Whether it is a struck log of which a restore found no copy.
pub(crate) fn is_lost(folder: &Folder, origin: &str) -> Result<bool, StartError> {
    stands_in(folder, LOST, origin)
}

fn stands_in(folder: &Folder, file: &str, origin: &str) -> Result<bool, StartError> {
    let origins = folder.read(file)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&origins).lines().any(|line| line == origin))
}

/// Puts a backup into an empty folder, marked. Nothing in it runs before [`catch_up`] or [`new_log::begin`].
///
/// # Errors
/// See [`RestoreError`]; the folder is then as it was, or marked.
pub fn unpack(backup: &Path, folder: &Path, now: UnixTime) -> Result<Manifest, RestoreError> {
    unpack::unpack(backup, folder, now)
}

/// What a restored folder knows of itself.
struct Waiting {
    folder: Folder,
    manifest: Manifest,
    settings: Settings,
    policy: TrustPolicy,
    begun: Instant,
}

impl Waiting {
    fn open(path: &Path) -> Result<Self, RestoreError> {
        let folder = Folder::open(path)?;
        if folder.join(PARTIAL).exists() {
            return Err(RestoreError::Partial { folder: path.to_path_buf() });
        }
        let mark = folder.read(MARK)?.ok_or_else(|| RestoreError::NotMarked { folder: path.to_path_buf() })?;
        let wrong = |reason: String| RestoreError::Backup { backup: folder.join(MARK), reason };
        let manifest: Manifest = serde_json::from_slice(&mark).map_err(|error| wrong(error.to_string()))?;
        let settings = settings::read(&folder.join(settings::FILE))?;
        let settings = Settings::parse(&settings)
            .map_err(|reason| StartError::Settings { path: folder.join(settings::FILE), reason })?;
        let policy = policies::newest(folder.path())?;
        Ok(Self { folder, manifest, settings, policy, begun: Instant::now() })
    }

    /// The time by now: copying a log takes its own.
    fn later(&self, now: UnixTime) -> u64 {
        now.as_secs() + self.begun.elapsed().as_secs()
    }

    /// Backups do without these logs from now on.
    fn remember_lost(&self, origins: &[String]) -> Result<(), StartError> {
        let before = self.folder.read(LOST)?.unwrap_or_default();
        let before = String::from_utf8_lossy(&before);
        let all: std::collections::BTreeSet<_> = before.lines().chain(origins.iter().map(String::as_str)).collect();
        if all.is_empty() {
            return Ok(());
        }
        let lines: String = all.iter().map(|origin| format!("{origin}\n")).collect();
        self.folder.write(LOST, lines.as_bytes())
    }
}

/// Brings a restored folder up to the world, and takes the mark away if nothing is left open. It can be tried again.
///
/// # Errors
/// See [`RestoreError`].
pub async fn catch_up(folder: &Path, wishes: &Wishes, now: UnixTime) -> Result<Restored, RestoreError> {
    let mut waiting = Waiting::open(folder)?;
    take_updates(&mut waiting, &wishes.updates)?;
    let (mut standings, mut since) = (Vec::new(), Vec::new());
    let mut lost = Vec::new();
    for mut log in waiting.logs(None).await? {
        let mut standing = certain::find_out(&waiting, &mut log, wishes, now).await?;
        let mut logged = logged_since(&log, wishes, &mut standing).await?;
        if log.elsewhere.is_some() {
            waiting.leave_out_others(&mut logged, now)?;
        }
        since.push(logged);
        lost.extend(log.is_lost().then(|| standing.origin.clone()));
        standings.push(standing);
    }
    if standings.iter().any(|log| !log.certain) {
        return Err(RestoreError::NotCertain { logs: standings });
    }
    let unknown = unknown_policies(&waiting, &since)?;
    if unknown > 0 {
        return Err(RestoreError::Policies { count: unknown });
    }
    waiting.remember_lost(&lost)?;
    finish(waiting, standings, since, wishes, now).await
}

/// Takes the versions of the policy that follow the newest here, in whatever order they are given.
fn take_updates(waiting: &mut Waiting, files: &[PathBuf]) -> Result<(), RestoreError> {
    let mut updates = Vec::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|source| StartError::folder(path, source))?;
        let wrong =
            |error: &dyn std::fmt::Display| StartError::Policy { path: path.clone(), reason: error.to_string() };
        let update = PolicyUpdate::parse(&bytes).map_err(|error| wrong(&error))?;
        let number = TrustPolicy::parse(update.policy.as_bytes()).map_err(|error| wrong(&error))?.number;
        updates.push((number, path, update));
    }
    updates.sort_by_key(|(number, ..)| *number);
    for (number, path, update) in updates {
        if number <= waiting.policy.number {
            continue;
        }
        let verified = update.verify(&waiting.policy);
        let verified =
            verified.map_err(|error| StartError::Policy { path: path.clone(), reason: error.to_string() })?;
        policies::keep(waiting.folder.path(), number, &update)?;
        waiting.policy = verified.take_confirmed();
    }
    Ok(())
}

/// What the log got since the database was copied, with as many of its objects as there are. What cannot be read of a struck
/// one is told in its standing.
async fn logged_since(
    Held { edge, copy, log, .. }: &Held,
    wishes: &Wishes,
    standing: &mut Standing,
) -> Result<LoggedSince, RestoreError> {
    let wrong = |source| RestoreError::Log { origin: edge.origin.clone(), source };
    let mut entries = match copy.entries(edge.before).await {
        Err(error) if log.is_struck => {
            standing.answers.push(Answer::of_the_copy(error));
            Vec::new()
        }
        read => read.map_err(wrong)?,
    };
    if log.is_struck {
        // All versions up to the one that struck it are here. Others that stand in it nobody of this server has signed.
        entries.retain(|(_, entry)| !matches!(entry, Entry::Object { kind: ObjectKind::TrustPolicy, .. }));
    }
    let mut given = HashMap::new();
    for path in &wishes.lists {
        let bytes = std::fs::read(path).map_err(|source| StartError::folder(path, source))?;
        given.insert(<[u8; 32]>::from(Sha256::digest(&bytes)), bytes);
    }
    let mut objects = HashMap::new();
    for (_, entry) in &entries {
        let Entry::Object { hash, .. } = entry else { continue };
        let found = match copy.object(hash).await {
            Err(_) if log.is_struck => None,
            read => read.map_err(|error| wrong(error.into()))?,
        };
        if let Some(bytes) = found.or_else(|| given.get(hash).cloned()) {
            objects.insert(*hash, bytes);
        }
    }
    let labels = log.shard.vrf_key.clone();
    let (origin, lists) = (edge.origin.clone(), Vec::new());
    Ok(LoggedSince { origin, labels, entries, objects, lists })
}

/// Versions of the policy in the log that are neither here nor before the newest here.
fn unknown_policies(waiting: &Waiting, since: &[LoggedSince]) -> Result<usize, RestoreError> {
    let known = policies::fingerprints(waiting.folder.path())?;
    let logged = since.iter().flat_map(|log| &log.entries).filter_map(|(_, entry)| match entry {
        Entry::Object { kind: ObjectKind::TrustPolicy, hash } => Some(hash),
        _ => None,
    });
    Ok(logged.filter(|hash| !known.contains(*hash)).count())
}

/// The books, the witness, and then the mark.
async fn finish(
    waiting: Waiting,
    logs: Vec<Standing>,
    since: Vec<LoggedSince>,
    wishes: &Wishes,
    now: UnixTime,
) -> Result<Restored, RestoreError> {
    let folder = waiting.folder.path().to_path_buf();
    let missing = ca::recovery::lists_missing(&folder, &since);
    if missing > 0 && !wishes.without_lists {
        return Err(RestoreError::Lists { count: missing });
    }
    let books = ca::recovery::recover(&folder, &since, waiting.manifest.made_at, now).await?;
    let cosigned_no_more = unpack::stop_cosigning(&folder)?;
    elsewhere::let_go_of_copy(&folder)?;
    let mark = folder.join(MARK);
    let unmarked = std::fs::remove_file(&mark).and_then(|()| std::fs::File::open(&folder)?.sync_all());
    unmarked.map_err(|source| StartError::folder(&mark, source))?;
    Ok(Restored { folder, logs, books, cosigned_no_more })
}
