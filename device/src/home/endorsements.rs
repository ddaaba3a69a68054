//! Where endorsements lie: one file for each device that endorses, beside the certificate of the one that is endorsed.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use identity::endorsement::Endorsement;
use identity::trust::Fingerprint;
use identity::{Identifier, UnixTime};

use super::keys::corrupt;
use super::{Home, HomeError};
use crate::files;

const FOLDER: &str = "endorsements";

/// The most that are kept: the newest, and those that hold for the longest.
const MAX_KEPT: usize = 2;

/// Endorsements.
impl Home {
    /// What other devices say of the one that is enrolled for `identifier`, as far as it holds; what holds for the longest
    /// comes first.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn endorsements(&self, identifier: &Identifier, now: UnixTime) -> Result<Vec<Endorsement>, HomeError> {
        let kept = read(&self.device_folder(identifier).join(FOLDER))?.into_iter().map(|(_, one)| one);
        Ok(kept.filter(|one| holds(one, now)).take(MAX_KEPT).collect())
    }

    /// Keeps what the device `by` says, in place of what it said before, unless that holds for longer. What has ended goes.
    pub(crate) fn keep_endorsement(
        &self,
        identifier: &Identifier,
        by: Fingerprint,
        endorsement: &Endorsement,
        now: UnixTime,
    ) -> Result<(), HomeError> {
        let folder = self.device_folder(identifier).join(FOLDER);
        let _lock = self.lock()?;
        let own = folder.join(format!("{by}.pem"));
        let kept = read(&folder)?;
        let longer = |(path, one): &(PathBuf, Endorsement)| *path == own && one.until() > endorsement.until();
        if !kept.iter().any(longer) {
            files::write_atomic(&own, endorsement.to_pem().as_bytes())?;
        }
        let others = kept.into_iter().filter(|(path, _)| *path != own).enumerate();
        // What was just taken is one of them.
        for (_, (path, _)) in others.filter(|(place, (_, one))| *place >= MAX_KEPT - 1 || !holds(one, now)) {
            std::fs::remove_file(&path).map_err(|source| HomeError::Write { path, source })?;
        }
        Ok(())
    }
}

fn holds(endorsement: &Endorsement, now: UnixTime) -> bool {
    endorsement.until() >= now.as_secs()
}

/// What holds for the longest first.
fn read(folder: &Path) -> Result<Vec<(PathBuf, Endorsement)>, HomeError> {
    let mut kept = Vec::new();
    for path in files::files(folder)? {
        let text = files::read(&path)?.unwrap_or_default();
        let endorsement = Endorsement::from_pem(&text)
            .map_err(|error| corrupt(&path, "what another device says of this one", error.to_string()))?;
        kept.push((path, endorsement));
    }
    kept.sort_by_key(|(_, one)| Reverse(one.until()));
    Ok(kept)
}
