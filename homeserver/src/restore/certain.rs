//! How far a log got, by those who have seen it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use identity::UnixTime;
use serde::Serialize;
use tlog_proof::{LogPolicy, VerifierKey};
use transparency_log::client::{folder_source, self_proving_http};
use transparency_log::copy::{CopyError, LogCopy, Said, is_certain};
use transparency_log::monitor::OtherSource;
use transparency_log::witness::{RemoteWitness, Witnessing};

use super::{RestoreError, Waiting, Wishes};
use crate::backup::LogEdge;
use crate::error::StartError;
use crate::keys;
use crate::neighbours::Neighbours;

/// What somebody said of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Who: a witness's name, a mirror's address or folder.
    pub who: String,
    /// What, in words.
    pub said: String,
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
    edge: &LogEdge,
    copy: &mut LogCopy,
    wishes: &Wishes,
    now: UnixTime,
) -> Result<Standing, RestoreError> {
    let wrong = |source| RestoreError::Log { origin: edge.origin.clone(), source };
    let window = waiting.window_of(&edge.origin)?;
    let policy = waiting.policy.log_policy_of(&edge.origin, window.judged_at(now));
    let policy = policy.map_err(|error| StartError::part("trust policy", &error))?;
    let mut answers = Vec::new();
    for mirror in &wishes.mirrors {
        let said = match take_from(mirror, &edge.origin, &policy, copy).await {
            Ok(entries) => format!("gave {entries} entries"),
            Err(error @ CopyError::Forked { .. }) => return Err(wrong(error)),
            Err(error) => error.to_string(),
        };
        answers.push(Answer { who: mirror.clone(), said });
    }
    let mut here = Vec::new();
    for (key, witness) in witnesses(waiting, &policy)? {
        let said = match copy.compare(&*witness).await {
            Said::Here => {
                here.push(key);
                "knows no more".to_owned()
            }
            Said::Ahead { size } => format!("has cosigned {size} entries"),
            Said::Forked(account) => format!("has cosigned another history: {account}"),
            Said::Nothing(account) => account,
        };
        answers.push(Answer { who: witness.name().to_owned(), said });
    }
    // A log that was closed when the backup was made has not grown since; nor has one that had not begun, and has not now.
    let closed = window.closes.is_some_and(|closes| closes < waiting.manifest.made_at);
    let certain = closed || !window.has_begun(now) || is_certain(&policy, &here);
    Ok(Standing { origin: edge.origin.clone(), backup: edge.size, size: copy.size(), certain, answers })
}

/// From a folder, or from an address at which the log is shown.
async fn take_from(mirror: &str, origin: &str, policy: &LogPolicy, copy: &mut LogCopy) -> Result<u64, CopyError> {
    if !mirror.starts_with("http://") && !mirror.starts_with("https://") {
        return Ok(copy.extend(folder_source(Path::new(mirror))).await?.entries);
    }
    let other = OtherSource::new(self_proving_http(), mirror);
    let (source, _) = other.of_log(policy, origin).await?;
    Ok(copy.extend(source).await?.entries)
}

/// A witness by its key.
type Asked = (VerifierKey, Arc<dyn Witnessing>);

/// Everybody else who cosigns this log: neighbours, and the witnesses that the policy has an address of. The witness in
/// this folder is as old as the backup, and has nothing to say.
fn witnesses(waiting: &Waiting, policy: &LogPolicy) -> Result<Vec<Asked>, RestoreError> {
    let own = tlog_proof::Cosigner::new(&waiting.settings.witness(), keys::open(&waiting.folder, keys::WITNESS)?);
    let own = own.map_err(|error| StartError::part("witness's name", &error))?.vkey();
    let neighbours = Neighbours::read(waiting.folder.path())?;
    let known = neighbours.known_to(policy.clone());
    let http = self_proving_http();
    let others = known.witnesses.iter().filter(|witness| witness.vkey != own);
    let ask = others.filter_map(|witness| {
        let client = RemoteWitness::new(http.clone(), witness.vkey.clone(), witness.url.as_deref()?);
        Some((witness.vkey.clone(), Arc::new(client) as Arc<dyn Witnessing>))
    });
    Ok(ask.collect())
}
