//! The person's folder: whom it lets in, and what lies there as evidence.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use device::Home;

use super::Finding;

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Folders and keys that others may enter or read.
pub(crate) fn permissions(home: &Home) -> Vec<Finding> {
    let folder = home.folder();
    let mut findings: Vec<_> = open_to_others(folder)
        .map(|mode| {
            let what = format!("others of this computer can look into {} (mode {mode:o})", folder.display());
            Finding::wrong("permissions", what, format!("chmod 700 {}", quoted(folder)))
        })
        .into_iter()
        .collect();
    for key in keys(folder) {
        if let Some(mode) = open_to_others(&key) {
            let what = format!("others can read the key {} (mode {mode:o}), so it is refused", key.display());
            findings.push(Finding::wrong("permissions", what, format!("chmod 600 {}", quoted(&key))));
        }
    }
    findings
}

fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & OTHERS != 0).then_some(mode)
}

/// The files in which keys lie.
fn keys(folder: &Path) -> Vec<PathBuf> {
    let mut inner: Vec<_> = ["devices", "mail"].iter().flat_map(|name| entries(&folder.join(name))).collect();
    let of_several = ["watching", "mail/.earlier"].iter().flat_map(|name| entries(&folder.join(name)));
    inner.extend(of_several.flat_map(|of_one| entries(&of_one)));
    let mut keys: Vec<_> =
        inner.iter().flat_map(|folder| ["key.pem", "account.pem"].map(|name| folder.join(name))).collect();
    keys.retain(|path| path.is_file());
    keys.sort();
    keys
}

/// Files that prove misbehaviour: a log that shows two histories, say.
pub(crate) fn evidence(home: &Home) -> Vec<Finding> {
    let mut files: Vec<_> = entries(&home.folder().join("evidence"));
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    let found = files.iter().map(|file| {
        let what = format!("there is evidence of misbehaviour of a log or an authority in {}", file.display());
        Finding::wrong("log", what, format!("certtool verify --evidence {}", quoted(file)))
    });
    found.collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn whatever_lets_others_in_is_named_with_the_command_that_shuts_it() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home")).unwrap();
        assert_eq!(permissions(&home), []);
        let device = home.folder().join("devices/alice's");
        fs::create_dir_all(&device).unwrap();
        for (name, mode) in [("key.pem", 0o640), ("account.pem", 0o600), ("chain.pem", 0o644)] {
            fs::write(device.join(name), "").unwrap();
            set(&device.join(name), mode);
        }
        let earlier = home.folder().join("mail/.earlier/alice/5f1c/key.pem");
        fs::create_dir_all(earlier.parent().unwrap()).unwrap();
        fs::write(&earlier, "").unwrap();
        set(&earlier, 0o644);
        set(home.folder(), 0o755);
        let found = permissions(&home);
        let mends: Vec<_> = found.iter().map(|finding| finding.mend.clone()).collect();
        let key = device.join("key.pem").display().to_string().replace('\'', r"'\''");
        let (folder, earlier) = (home.folder().display(), earlier.display());
        let expected = [format!("chmod 700 {folder}"), format!("chmod 600 '{key}'"), format!("chmod 600 {earlier}")];
        assert_eq!(mends, expected);
        // The commands are what they say.
        for mend in &mends {
            assert!(std::process::Command::new("sh").args(["-c", mend]).status().unwrap().success(), "{mend}");
        }
        assert_eq!(permissions(&home), []);
    }

    #[test]
    fn evidence_that_lies_there_is_told() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home")).unwrap();
        assert_eq!(evidence(&home), []);
        fs::create_dir(home.folder().join("evidence")).unwrap();
        fs::write(home.folder().join("evidence/1-fork.json"), "{}").unwrap();
        let found = evidence(&home);
        assert!(found.len() == 1 && found[0].wrong && found[0].mend.ends_with("evidence/1-fork.json"), "{found:?}");
    }
}
