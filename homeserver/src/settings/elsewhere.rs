//! A log elsewhere: where it takes entries, and by whose word its proofs are believed.

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
}

impl LogElsewhere {
    /// What `--log-policy` and `--log-submission` say, if they are given.
    pub(super) fn read(options: &Options) -> Result<Option<Self>, StartError> {
        let Some(path) = &options.log_policy else { return Ok(None) };
        let refused = |reason: String| StartError::LogPolicy { path: path.clone(), reason };
        let length = std::fs::metadata(path).map_err(|source| StartError::folder(path, source))?.len();
        if length > MAX_BYTES as u64 {
            return Err(refused(format!("expected at most {MAX_BYTES} bytes, found {length}")));
        }
        let policy = std::fs::read_to_string(path).map_err(|source| StartError::folder(path, source))?;
        let submission = options.log_submission.clone().ok_or_else(|| {
            refused("expected --log-submission with it, the address at which the log takes entries".to_owned())
        })?;
        let log = Self { submission, policy, operator_witnesses: options.log_operator_witnesses.clone() };
        log.log_policy().map_err(refused)?;
        Ok(Some(log))
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
