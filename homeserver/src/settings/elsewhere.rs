//! A log elsewhere: where it takes entries, and by whose word its proofs are believed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tlog_proof::{LogPolicy, Quorum};

use super::MAX_BYTES;
use crate::error::StartError;
use crate::options::Options;

/// A log run by somebody else, or as a process of its own (`transparency-log serve`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogElsewhere {
    /// The address at which it takes entries.
    pub submission: String,
    /// Its C2SP tlog-policy: one log with its URL, witnesses, quorum.
    pub policy: String,
    /// Key names of those witnesses that this server's operator runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operator_witnesses: Vec<String>,
    /// What it is called here, if another one was given up for it (`ca restore --new-log`): its label key lies in the folder
    /// `shards` under that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Those that were given up, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<GivenUp>,
}

/// A log elsewhere that nothing is submitted to any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// Its origin.
    pub origin: String,
    /// What it was called here; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl LogElsewhere {
    /// What `--log-policy` and `--log-submission` say, if they are given.
    pub(super) fn read(options: &Options) -> Result<Option<Self>, StartError> {
        let Some(path) = &options.log_policy else { return Ok(None) };
        Self::open(path, options.log_submission.as_deref(), &options.log_operator_witnesses).map(Some)
    }

    /// The log whose policy lies in this file, and that takes entries at this address.
    ///
    /// # Errors
    /// The file cannot be read, there is no address, or either is none that will do.
    pub fn open(path: &Path, submission: Option<&str>, witnesses: &[String]) -> Result<Self, StartError> {
        let refused = |reason: String| StartError::LogPolicy { path: path.to_path_buf(), reason };
        let length = std::fs::metadata(path).map_err(|source| StartError::folder(path, source))?.len();
        if length > MAX_BYTES as u64 {
            return Err(refused(format!("expected at most {MAX_BYTES} bytes, found {length}")));
        }
        let policy = std::fs::read_to_string(path).map_err(|source| StartError::folder(path, source))?;
        let submission = submission.map(str::to_owned).ok_or_else(|| {
            refused("expected --log-submission with it, the address at which the log takes entries".to_owned())
        })?;
        let (name, given_up) = (None, Vec::new());
        let log = Self { submission, policy, operator_witnesses: witnesses.to_vec(), name, given_up };
        log.log_policy().map_err(refused)?;
        Ok(log)
    }

    /// Log, witnesses and quorum.
    ///
    /// # Errors
    /// The text is no policy, has not exactly one log with its address, demands no witness, or the address of the
    /// submission is none.
    pub fn log_policy(&self) -> Result<LogPolicy, String> {
        let policy = LogPolicy::parse(&self.policy).map_err(|error| error.to_string())?;
        match policy.logs.as_slice() {
            [log] if log.url.is_some() => {}
            [_] => return Err("expected the log's line to end with its URL, found none".to_owned()),
            logs => return Err(format!("expected one log, found {}", logs.len())),
        }
        if policy.quorum == Quorum::None {
            return Err("expected a quorum of at least one witness, found none".to_owned());
        }
        let submission = self.submission.strip_prefix("https://").unwrap_or_default();
        if submission.is_empty() || submission.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "submission: expected an address such as https://log.example.org:9443, found {:?}",
                self.submission
            ));
        }
        if let Some(name) =
            self.operator_witnesses.iter().find(|name| !policy.witnesses.iter().any(|w| w.vkey.name() == **name))
        {
            return Err(format!("operator_witnesses: expected key names of witnesses in the policy, found {name:?}"));
        }
        Ok(policy)
    }

    /// The one after it, of this name: it itself is given up.
    #[must_use]
    pub fn followed_by(&self, next: Self, name: &str) -> Self {
        let mut given_up = self.given_up.clone();
        given_up.push(GivenUp { origin: self.origin(), name: self.name.clone() });
        Self { name: Some(name.to_owned()), given_up, ..next }
    }

    /// What the log of this origin is called here; none of the first one, and of strange ones.
    #[must_use]
    pub fn name_of(&self, origin: &str) -> Option<&str> {
        if self.origin() == origin {
            return self.name.as_deref();
        }
        self.given_up.iter().find(|log| log.origin == origin)?.name.as_deref()
    }

    /// The log's origin line; empty for a policy that [`LogElsewhere::log_policy`] refuses.
    #[must_use]
    pub fn origin(&self) -> String {
        self.log_policy().ok().and_then(|policy| Some(policy.logs.first()?.vkey.name().to_owned())).unwrap_or_default()
    }

    /// Where the log is read; empty as the origin is.
    #[must_use]
    pub fn url(&self) -> String {
        self.log_policy().ok().and_then(|policy| policy.logs.first()?.url.clone()).unwrap_or_default()
    }
}
