//! Where the files of a folder are put: under harmless names, each at a place of its own also on a disk that knows no
//! capitals, and nowhere but in that folder.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use crate::SafeName;

/// What was given to earlier paths. The same paths in the same order always get the same places.
#[derive(Default)]
pub(crate) struct Paths {
    /// Folders as offered, and where they are put.
    folders: HashMap<String, PathBuf>,
    /// Every place that is taken, as a disk without capitals knows it, and the number to try next for another one of the name.
    taken: HashMap<String, u32>,
}

impl Paths {
    /// The place of a file, relative to the folder.
    pub(crate) fn place(&mut self, offered: &str) -> PathBuf {
        let mut parts: Vec<&str> = offered.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
        let name = parts.pop().unwrap_or_default();
        let (mut folder, mut so_far) = (PathBuf::new(), String::new());
        for part in parts {
            so_far.push_str(part);
            so_far.push('/');
            folder = match self.folders.get(&so_far) {
                Some(known) => known.clone(),
                None => {
                    let made = self.free(&folder, part);
                    self.folders.insert(so_far.clone(), made.clone());
                    made
                }
            };
        }
        self.free(&folder, name)
    }

    /// How many folders were given a place.
    pub(crate) fn count(&self) -> usize {
        self.folders.len()
    }

    /// Folders that were given a place, those above before those below.
    pub(crate) fn folders(&self) -> Vec<&PathBuf> {
        let mut folders: Vec<_> = self.folders.values().collect();
        folders.sort();
        folders
    }

    fn free(&mut self, folder: &Path, name: &str) -> PathBuf {
        let (safe, folded) = (SafeName::from_offered(name), |place: &Path| SafeName::folded(&place.to_string_lossy()));
        let wanted = folder.join(safe.as_str());
        let Some(mut number) = self.taken.insert(folded(&wanted), 2) else { return wanted };
        loop {
            let place = folder.join(safe.numbered(number));
            number += 1;
            if let Entry::Vacant(free) = self.taken.entry(folded(&place)) {
                free.insert(2);
                self.taken.insert(folded(&wanted), number);
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn nothing_leaves_the_folder_and_no_two_files_share_a_place() {
        let mut paths = Paths::default();
        for (offered, expected) in [
            ("a/b.txt", "a/b.txt"),
            ("a/B.txt", "a/B (2).txt"),
            ("A/b.txt", "A (2)/b.txt"),
            ("a/b.txt", "a/b (3).txt"),
            ("a", "a (3)"),
            ("../../x", "x"),
            ("/etc/passwd", "etc/passwd"),
            ("a/../../y", "a/y"),
            ("", "file"),
            ("c\\d/e", "d/e"),
            ("cafe\u{301}", "café"),
            ("caf\u{e9}", "café (2)"),
        ] {
            assert_eq!(paths.place(offered), Path::new(expected), "{offered}");
        }
        assert_eq!(paths.folders(), [Path::new("A (2)"), Path::new("a"), Path::new("d"), Path::new("etc")]);
    }

    #[test]
    fn ten_thousand_of_one_name_take_no_quadratic_time() {
        let mut paths = Paths::default();
        for _ in 0..10_000 {
            paths.place("a");
        }
        assert_eq!(paths.place("a"), Path::new("a (10001)"));
    }
}
