//! How far a log got, by those who have seen it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::UnixTime;
use serde::Serialize;
use tlog_proof::{LogPolicy, VerifiedCheckpoint, VerifierKey};
use transparency_log::client::{folder_source, self_proving_http};
use transparency_log::copy::{CopyError, LogCopy, Said, is_certain};
use transparency_log::monitor::OtherSource;
use transparency_log::witness::{RemoteWitness, Witnessing};

use super::elsewhere;
use super::logs::Held;
use super::{RestoreError, Waiting, Wishes, is_frozen};
use crate::backup::LogEdge;
use crate::error::StartError;
use crate::keys;
use crate::logs::run_by;
use crate::neighbours::Neighbours;
use crate::policies;

/// What somebody said of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Who: a witness's name, a mirror's address or folder.
    pub who: String,
    /// What, in words.
    pub said: String,
}

impl Answer {
    /// What the copy in the folder says for itself.
    pub(super) fn of_the_copy(said: impl fmt::Display) -> Self {
        Self { who: "the copy".to_owned(), said: said.to_string() }
    }
}

/// How far a log got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The log.
    pub origin: String,
    /// How many entries it had in the backup.
    pub backup: u64,
    /// How many it has now.
    pub size: u64,
    /// Whether it is certain that nobody was shown more.
    pub certain: bool,
    /// Who said what.
    pub answers: Vec<Answer>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, backup, size, .. } = self;
        write!(f, "the log {origin} had {backup} entries in the backup, has {size} now")?;
        if !self.certain {
            write!(
                f,
                ", and may have had more: too few of those without whom it could not grow say that they know no more"
            )?;
        }
        for answer in &self.answers {
            write!(f, " ({}: {})", answer.who, answer.said)?;
        }
        if self.answers.is_empty() {
            write!(f, " (there is nobody else to ask)")?;
        }
        Ok(())
    }
}

/// Takes what mirrors have beyond the copy, and asks the witnesses.
pub(super) async fn find_out(
    waiting: &Waiting,
    held: &mut Held,
    wishes: &Wishes,
    now: UnixTime,
) -> Result<Standing, RestoreError> {
    if held.log.is_struck && !is_given_up(waiting, &held.edge.origin)? {
        return of_struck(waiting, held, wishes, now).await;
    }
    let Held { edge, log, copy, elsewhere, .. } = held;
    let wrong = |source| RestoreError::Log { origin: edge.origin.clone(), source };
    if is_given_up(waiting, &edge.origin)? {
        let (origin, size, answers) = (edge.origin.clone(), copy.size(), Vec::new());
        return Ok(Standing { origin, backup: edge.size, size, certain: true, answers });
    }
    let window = log.shard.window;
    let policy = waiting.policy.log_policy_of(&edge.origin, window.judged_at(now));
    let policy = policy.map_err(|error| StartError::part("trust policy", &error))?;
    let (mut answers, mut seen) = (Vec::new(), Vec::new());
    for mirror in elsewhere.iter().chain(&wishes.mirrors) {
        let said = match take_from(mirror, &edge.origin, &policy, copy).await {
            Ok(Taken { entries, shown }) => {
                seen.extend(shown);
                format!("gave {entries} entries")
            }
            Err(error @ CopyError::Forked { .. }) => return Err(wrong(error)),
            Err(error) => error.to_string(),
        };
        answers.push(Answer { who: mirror.clone(), said });
    }
    let quorums = quorums(waiting, &edge.origin, now)?;
    let (mut here, mut led) = (Vec::new(), true);
    for (key, witness) in witnesses(waiting, &quorums)? {
        let said = copy.compare(&key, &*witness, waiting.later(now)).await;
        here.extend((said == Said::Here).then_some(key));
        answers.push(Answer { who: witness.name().to_owned(), said: words(said) });
    }
    if elsewhere.is_some() {
        let others = elsewhere::cosigners_since(waiting, copy, &seen, &quorums, now);
        answers.extend(others.iter().map(|key| {
            let said = "has cosigned this many since the backup was unpacked";
            Answer { who: key.name().to_owned(), said: said.to_owned() }
        }));
        here.extend(others);
        // It counts for nothing, but must not be behind what is certain.
        led = match waiting.lead_own_witness(copy, now).await? {
            Said::Here => copy.size() >= edge.size,
            other => {
                answers.push(Answer { who: waiting.settings.witness(), said: format!("here: {}", words(other)) });
                false
            }
        };
    }
    // A log that was closed when the backup was made has not grown since; nor has one that had not begun, and has not now.
    let closed = window.closes.is_some_and(|closes| closes < waiting.manifest.made_at);
    let certain = led && (closed || !window.has_begun(now) || is_certain_by_all(&quorums, &here));
    Ok(Standing { origin: edge.origin.clone(), backup: edge.size, size: copy.size(), certain, answers })
}

fn words(said: Said) -> String {
    match said {
        Said::Here => "knows no more".to_owned(),
        Said::Ahead { size } => format!("has cosigned {size} entries"),
        Said::Forked(account) => format!("has cosigned another history: {account}"),
        Said::Nothing(account) => account,
    }
}

/// Nobody here signs it any more, and what others put into it counts for nobody: what there is of it is the evidence. So
/// nothing that is wrong with it, or with what mirrors show of it, holds anything up; it is told.
async fn of_struck(
    waiting: &Waiting,
    held: &mut Held,
    wishes: &Wishes,
    now: UnixTime,
) -> Result<Standing, RestoreError> {
    let Held { edge, log, copy, damage, .. } = held;
    let mut answers = vec![Answer { who: "the trust policy".to_owned(), said: "has struck it".to_owned() }];
    answers.extend(damage.as_ref().map(Answer::of_the_copy));
    // As its own people verified it, before it was struck.
    let policy = log.policy.log_policy_of(&edge.origin, log.shard.window.judged_at(now));
    let policy = policy.map_err(|error| StartError::part("trust policy", &error))?;
    for mirror in &wishes.mirrors {
        let before = copy.size();
        let mut said = match take_from(mirror, &edge.origin, &policy, copy).await {
            Ok(Taken { entries, .. }) => format!("gave {entries} entries"),
            Err(error) => error.to_string(),
        };
        // Where nothing is left of the copy that a fork would be told by: whoever has the key may have signed another, and
        // one that is shorter than the backup can be compared with nothing.
        let comparable = copy.size() >= edge.size || before == 0 && copy.size() > 0;
        if damage.is_some() && comparable && !begins_as_the_backup(copy, edge).await {
            said = match copy.size() < edge.size {
                true => format!("shows {} entries, fewer than the {} of the backup", copy.size(), edge.size),
                false => {
                    format!("shows another history than the backup, whose {} entries lead to {}", edge.size, edge.root)
                }
            };
            *copy = waiting.anew(edge, &log.key)?;
        }
        answers.push(Answer { who: mirror.clone(), said });
    }
    let (origin, size) = (edge.origin.clone(), copy.size());
    Ok(Standing { origin, backup: edge.size, size, certain: true, answers })
}

async fn begins_as_the_backup(copy: &LogCopy, edge: &LogEdge) -> bool {
    edge.size == 0 || copy.root_at(edge.size).await.is_ok_and(|root| root.to_string() == edge.root)
}

/// From a folder, or from an address at which the log is shown.
async fn take_from(mirror: &str, origin: &str, policy: &LogPolicy, copy: &mut LogCopy) -> Result<Taken, CopyError> {
    if !mirror.starts_with("http://") && !mirror.starts_with("https://") {
        let entries = copy.extend(folder_source(Path::new(mirror))).await?.entries;
        return Ok(Taken { entries, shown: None });
    }
    let other = OtherSource::new(self_proving_http(), mirror);
    let (source, shown) = other.of_log(policy, origin).await?;
    let entries = copy.extend(source).await?.entries;
    Ok(Taken { entries, shown: Some(shown) })
}

/// What a mirror gave.
struct Taken {
    entries: u64,
    /// The newest checkpoint, of one at an address.
    shown: Option<VerifiedCheckpoint>,
}

/// Whether it was given up, and another took its place, before the backup was made: it has not grown since.
pub(super) fn is_given_up(waiting: &Waiting, origin: &str) -> Result<bool, StartError> {
    let is_the_newest = waiting.policy.authorities.first().is_some_and(|own| own.log == origin);
    Ok(!is_the_newest && is_frozen(&waiting.folder, origin)?)
}

/// The quorums that the log may have grown by since the backup: it keeps the one that it was opened with, and may have been
/// opened again with that of any version since. Where it is not known which, all versions count. Witnesses are those of
/// the backup's time, and those of today.
pub(super) fn quorums(waiting: &Waiting, origin: &str, now: UnixTime) -> Result<Vec<LogPolicy>, StartError> {
    let wrong = |error: &dyn std::error::Error| StartError::part("trust policy", error);
    let first = run_by::version(&waiting.folder, origin)?.unwrap_or_default();
    let made_at = UnixTime::since_unix_epoch(Duration::from_secs(waiting.manifest.made_at));
    let mut found = Vec::new();
    for version in policies::versions(waiting.folder.path())?.iter().filter(|version| version.number >= first) {
        let Some(own) = version.authorities.first() else { continue };
        let shards = version.shards(own).map_err(|error| wrong(&error))?;
        let Some(shard) = shards.into_iter().find(|shard| shard.origin == origin) else { continue };
        for time in [made_at, now] {
            let quorum = version.log_policy_of(origin, shard.window.judged_at(time));
            found.push(quorum.map_err(|error| wrong(&error))?);
        }
    }
    Ok(found)
}

pub(super) fn is_certain_by_all(quorums: &[LogPolicy], here: &[VerifierKey]) -> bool {
    !quorums.is_empty() && quorums.iter().all(|quorum| is_certain(quorum, here))
}

/// A witness by its key.
pub(super) type Asked = (VerifierKey, Arc<dyn Witnessing>);

/// Everybody else who cosigns this log: neighbours, and the witnesses that a policy has an address of. The witness in
/// this folder is as old as the backup, and has nothing to say.
pub(super) fn witnesses(waiting: &Waiting, quorums: &[LogPolicy]) -> Result<Vec<Asked>, RestoreError> {
    let own = tlog_proof::Cosigner::new(&waiting.settings.witness(), keys::open(&waiting.folder, keys::WITNESS)?);
    let own = own.map_err(|error| StartError::part("witness's name", &error))?.vkey();
    let neighbours = Neighbours::read(waiting.folder.path())?;
    let http = self_proving_http();
    let mut asked: Vec<Asked> = Vec::new();
    // The newest version's addresses first.
    for witness in quorums.iter().rev().flat_map(|policy| neighbours.known_to(policy.clone()).witnesses) {
        if witness.vkey == own || asked.iter().any(|(key, _)| *key == witness.vkey) {
            continue;
        }
        // What the operator wrote down beside this server: a policy may name a witness without its address.
        let Some(url) = neighbours.address_of(&witness.vkey).or(witness.url.as_deref()) else { continue };
        let client = RemoteWitness::new(http.clone(), witness.vkey.clone(), url);
        asked.push((witness.vkey, Arc::new(client)));
    }
    Ok(asked)
}
