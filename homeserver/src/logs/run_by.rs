//! Which version of the trust policy each log runs by: a log keeps the quorum that it was opened with, also when a newer
//! version is published. So after a disaster it is known without whom the log could not have grown.

use crate::error::StartError;
use crate::folder::Folder;

/// On each line the number of a version, a blank and a log's origin.
pub(crate) const FILE: &str = "logs-run-by";

/// The version that the log `origin` runs by, or ran by at last; none if that is not known.
pub(crate) fn version(folder: &Folder, origin: &str) -> Result<Option<u64>, StartError> {
    Ok(all(folder)?.into_iter().find_map(|(number, of)| (of == origin).then_some(number)))
}

/// To be called before the log signs anything by that version.
pub(super) fn remember(folder: &Folder, origin: &str, number: u64) -> Result<(), StartError> {
    let mut known = all(folder)?;
    known.retain(|(_, of)| of != origin);
    known.push((number, origin.to_owned()));
    let text: String = known.iter().map(|(number, of)| format!("{number} {of}\n")).collect();
    folder.write(FILE, text.as_bytes())
}

fn all(folder: &Folder) -> Result<Vec<(u64, String)>, StartError> {
    let text = folder.read(FILE)?.unwrap_or_default();
    let parse = |line: &str| {
        let (number, origin) = line.split_once(' ')?;
        Some((number.parse().ok()?, origin.to_owned()))
    };
    let lines = String::from_utf8_lossy(&text).lines().map(parse).collect::<Option<_>>();
    lines.ok_or_else(|| StartError::Damaged {
        what: folder.join(FILE).display().to_string(),
        reason: "expected lines of a number, a blank and a log's origin, found others".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_log_has_the_version_that_it_was_opened_with_last() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert_eq!(version(&folder, "a.example/log").unwrap(), None);
        remember(&folder, "a.example/log", 1).unwrap();
        remember(&folder, "a.example/log/next", 2).unwrap();
        remember(&folder, "a.example/log", 3).unwrap();
        let versions = ["a.example/log", "a.example/log/next"].map(|origin| version(&folder, origin).unwrap());
        assert_eq!(versions, [Some(3), Some(2)]);
        folder.write(FILE, b"one a.example/log\n").unwrap();
        assert!(version(&folder, "a.example/log").is_err());
    }
}
