//! Labels that stand in the log and not in the books. Whose they are cannot be told from them; so before a slot is used,
//! its label is held against them. They matter only as long as their period lasts.
//!
//! ```text
//! taken-labels    inperson-taken-labels-v1 <until, in seconds since the epoch>
//!                 <label, hexadecimal>, a line each
//! ```

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use identity::UnixTime;
use identity::transparency::{PERIOD, period_of};

use crate::files;

const FILE: &str = "taken-labels";
const MAGIC: &str = "inperson-taken-labels-v1";

/// The labels of a period in which a backup was restored.
#[derive(Debug, Default)]
pub(crate) struct TakenLabels {
    until: u64,
    labels: HashSet<[u8; 32]>,
}

impl TakenLabels {
    /// Those of the folder; none if there is no file, or its time is over.
    pub(crate) fn read(folder: &Path, now: UnixTime) -> io::Result<Self> {
        let text = match std::fs::read_to_string(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is damaged"));
        let mut lines = text.lines();
        let until = lines.next().and_then(|head| head.strip_prefix(MAGIC)).ok_or_else(damaged)?;
        let until = until.trim().parse().map_err(|_| damaged())?;
        if until <= now.as_secs() {
            return Ok(Self::default());
        }
        let label = |line: &str| hex::decode(line).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged);
        Ok(Self { until, labels: lines.map(label).collect::<io::Result<_>>()? })
    }

    /// Adds to those of the folder: how many there are then.
    pub(super) fn add(
        folder: &Path,
        labels: impl Iterator<Item = [u8; 32]>,
        now: UnixTime,
    ) -> Result<u64, (PathBuf, io::Error)> {
        let path = folder.join(FILE);
        let write = || {
            let mut taken = Self::read(folder, now)?;
            taken.labels.extend(labels);
            // The period of now: what is planned later has another.
            taken.until = (u64::from(period_of(now)) + 1) * PERIOD.as_secs();
            let mut text = format!("{MAGIC} {}\n", taken.until);
            for label in &taken.labels {
                text.push_str(&hex::encode(label));
                text.push('\n');
            }
            files::write(&path, text.as_bytes()).map(|()| taken.labels.len() as u64)
        };
        write().map_err(|source| (path.clone(), source))
    }

    /// Whether a slot's label must be looked for at all.
    pub(crate) fn matter(&self, now: UnixTime) -> bool {
        self.until > now.as_secs() && !self.labels.is_empty()
    }

    pub(crate) fn contain(&self, label: &[u8; 32]) -> bool {
        self.labels.contains(label)
    }
}
