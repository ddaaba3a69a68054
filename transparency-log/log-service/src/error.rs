//! Why a program does not start or has failed: what happened, and what to try.

use std::fmt;
use std::path::Path;

/// What happened, and what to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    remedy: String,
    usage: bool,
}

impl Failure {
    /// Something that the world is to blame for.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), usage: false }
    }

    /// Something wrong in the command line or the settings.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what, remedy) }
    }

    /// A file or folder that cannot be used.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; relative ones count from the settings' folder",
            std::io::ErrorKind::PermissionDenied => "give the account that runs this program access to it",
            std::io::ErrorKind::StorageFull => "make room on the disk and start again",
            _ => "look at the disk; nothing has been changed",
        };
        Self::new(format!("{}: {error}", path.display()), remedy)
    }

    /// What to try.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Whether the command line or the settings are wrong, as opposed to the world.
    pub fn is_usage(&self) -> bool {
        self.usage
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}
