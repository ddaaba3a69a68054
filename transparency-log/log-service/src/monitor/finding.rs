//! What can be wrong with a log, and what only keeps the monitor from knowing.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use transparency_log::client::{ClientError, SourceError};
use transparency_log::monitor::{AuditError, FollowError};

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Two histories.
    SplitView,
    /// The log shows less than before.
    Truncated,
    /// The entries seen before are others now, and no older checkpoint proves it.
    Rewritten,
    /// Something that must be there is missing.
    Withheld,
    /// A hash or a signature does not match.
    Mismatch,
    /// An entry that no honest authority logs.
    Entry,
    /// One label stands there twice.
    Duplicate,
    /// A cosignature older than one seen before.
    Replayed,
    /// The newest cosignatures are too old: the log could hide what came since.
    Stale,
}

impl Kind {
    /// Its name, as reports and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SplitView => "split-view",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::Withheld => "withheld",
            Self::Mismatch => "mismatch",
            Self::Entry => "entry",
            Self::Duplicate => "duplicate",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
        }
    }
}

/// Something that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: Kind,
    /// Expected and found.
    pub account: String,
    /// The file that proves it to others, where there is something to prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PathBuf>,
}

impl Fault {
    /// A fault that nothing proves to others yet.
    pub fn new(kind: Kind, account: impl fmt::Display) -> Self {
        Self { kind, account: account.to_string(), evidence: None }
    }
}

/// Sorts what went wrong: a fault of the log, or the reason why nothing is known.
pub(super) fn sort(error: &FollowError) -> Result<Fault, String> {
    let fault = |kind| Ok(Fault::new(kind, error));
    match error {
        FollowError::Book(_) => Err(error.to_string()),
        FollowError::Replayed { .. } => fault(Kind::Replayed),
        FollowError::Audit(audit) => match audit {
            AuditError::Client(ClientError::Source(SourceError::Unreachable { .. })) => Err(error.to_string()),
            AuditError::Client(ClientError::Source(SourceError::NotFound { .. })) => fault(Kind::Withheld),
            AuditError::Client(_) | AuditError::Root { .. } => fault(Kind::Mismatch),
            AuditError::OtherLog { .. } => fault(Kind::Mismatch),
            AuditError::Truncated { .. } => fault(Kind::Truncated),
            AuditError::Rewritten { .. } => fault(Kind::Rewritten),
            AuditError::Entry { .. } | AuditError::Uneven { .. } => fault(Kind::Entry),
        },
    }
}
