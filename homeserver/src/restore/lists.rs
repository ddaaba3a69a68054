//! Revocation lists that somebody fetched since the backup, where the log's entries of that time are lost.

use std::path::PathBuf;

use ca::recovery::list_name;
use identity::UnixTime;
use identity::trust::{Trust, TrustPolicy};

use super::{RestoreError, Waiting};
use crate::error::StartError;
use crate::files;

/// Which list it is: its signer and its place.
type Name = Option<(String, Option<String>)>;

/// A list that an issuing certificate of the policy has signed.
struct List {
    file: PathBuf,
    name: Name,
    made: u64,
    der: Vec<u8>,
}

impl List {
    /// However old it is. Each is judged alone, for the order in which they are given says nothing.
    fn read(path: PathBuf, policy: &TrustPolicy, now: UnixTime) -> Result<Self, RestoreError> {
        let der = std::fs::read(&path).map_err(|source| StartError::folder(&path, source))?;
        let trust = Trust::new(vec![policy.clone()]).map_err(|error| StartError::part("trust policy", &error))?;
        match trust.install_kept_crl(&der, now) {
            Ok(list) => Ok(Self { file: path, name: list_name(&der), made: list.this_update.as_secs(), der }),
            Err(error) => Err(RestoreError::List { path, reason: error.to_string() }),
        }
    }
}

/// Those of the given lists that are not here. For each list of the folder one that is at least as new must be given, or
/// it is not known who was revoked since; unless `without` is wished.
pub(super) fn since(
    waiting: &Waiting,
    given: &[PathBuf],
    without: bool,
    now: UnixTime,
) -> Result<Vec<Vec<u8>>, RestoreError> {
    let given: Vec<_> =
        given.iter().map(|path| List::read(path.clone(), &waiting.policy, now)).collect::<Result<_, _>>()?;
    let folder = waiting.folder.join("crl");
    let files = files::below(&folder).map_err(|source| StartError::folder(&folder, source))?;
    // Whatever is no list of this authority's says nothing here either.
    let here = files.iter().filter_map(|file| List::read(folder.join(file), &waiting.policy, now).ok());
    let here: Vec<_> = here.collect();
    let succeeds = |new: &List, old: &List| new.name == old.name && new.made >= old.made;
    let missing = here.iter().filter(|old| !given.iter().any(|new| succeeds(new, old)));
    let missing: Vec<_> = missing.map(|old| old.file.clone()).collect();
    if !missing.is_empty() && !without {
        return Err(RestoreError::ListsUnknown { missing });
    }
    let is_new = |new: &List| match here.iter().find(|old| old.name == new.name) {
        Some(old) => new.made >= old.made && new.der != old.der,
        None => new.made >= waiting.manifest.made_at,
    };
    Ok(given.into_iter().filter(is_new).map(|list| list.der).collect())
}
