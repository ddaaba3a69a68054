//! Where Firefox, Thunderbird and Chromium have their databases: installed by the distribution, as a snap or as a flatpak.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::commands::export::program::Program;
use crate::failure::Failure;
use crate::subject::read_up_to;

/// A file of profiles is larger by mistake alone.
const MAX_BYTES: usize = 1 << 20;

/// Where Firefox has its profiles, below the person's home: by itself, since 147 by the XDG folders, snap, flatpak.
const FIREFOX: &[&str] = &[
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/config/mozilla/firefox",
];
const THUNDERBIRD: &[&str] = &[
    ".thunderbird",
    "snap/thunderbird/common/.thunderbird",
    ".var/app/org.mozilla.Thunderbird/.thunderbird",
    ".var/app/org.mozilla.thunderbird/.thunderbird",
    ".var/app/net.thunderbird.Thunderbird/.thunderbird",
];
/// Chromium's database is one for all of its profiles; where it is installed otherwise, there is a home in the home.
const CHROMIUM: &[&str] = &["snap/chromium/current", ".var/app/org.chromium.Chromium", ".var/app/com.google.Chrome"];

/// A database, and what its owner calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    name: String,
    pub(super) folder: PathBuf,
}

impl Place {
    /// By its name, its folder, or the folder's own name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.folder == Path::new(name) || self.folder.file_name().is_some_and(|own| own == name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.folder.display())
    }
}

/// Every place of a program that there is; of Chromium one at least.
pub(super) fn of(program: Program) -> Result<Vec<Place>, Failure> {
    let home = home()?;
    match program {
        Program::Firefox => profiles_below(&home, FIREFOX),
        Program::Thunderbird => profiles_below(&home, THUNDERBIRD),
        _ => Ok(of_chromium(&home)),
    }
}

fn home() -> Result<PathBuf, Failure> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(PathBuf::from).ok_or_else(|| {
        Failure::failed(
            "HOME is not set, below which programs have their profiles",
            "Set it, or name the folder: --database DIR.",
        )
    })
}

fn profiles_below(home: &Path, folders: &[&str]) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for folder in folders {
        let (base, list) = (home.join(folder), home.join(folder).join("profiles.ini"));
        if list.is_file() {
            let text = read_up_to(&list, MAX_BYTES, "list of profiles")?;
            places.extend(profiles(&String::from_utf8_lossy(&text), &base));
        }
    }
    places.retain(|place| place.folder.is_dir());
    Ok(places)
}

/// The profiles that a profiles.ini lists: a section `[Profile0]` for each, with its name and its path.
fn profiles(text: &str, base: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    let sections = text.split("\n[").map(|section| section.trim_start_matches('['));
    for section in sections.filter(|section| section.starts_with("Profile")) {
        let value = |key: &str| {
            let lines = section.lines().filter_map(|line| line.split_once('='));
            lines.filter(|(found, _)| found.trim() == key).map(|(_, value)| value.trim()).next()
        };
        let Some(path) = value("Path").filter(|path| !path.is_empty()) else { continue };
        // A path that is not relative stays as it is when it is joined; the key says so for other systems' sake.
        let folder = base.join(path);
        let name = value("Name").filter(|name| !name.is_empty()).unwrap_or(path).to_owned();
        places.push(Place { name, folder });
    }
    places
}

fn of_chromium(home: &Path) -> Vec<Place> {
    let own = home.join(".pki/nssdb");
    let data = env::var_os("XDG_DATA_HOME").filter(|data| !data.is_empty());
    let data = data.map_or_else(|| home.join(".local/share"), PathBuf::from).join("pki/nssdb");
    // Newer ones keep it there, but for whoever has had the other one.
    let own = if !own.is_dir() && data.is_dir() { data } else { own };
    let mut places = Vec::new();
    for below in CHROMIUM {
        let folder = home.join(below).join(".pki/nssdb");
        if folder.is_dir() {
            places.push(Place { name: (*below).to_owned(), folder });
        }
    }
    // Where there is none at all it is made.
    if own.is_dir() || places.is_empty() {
        places.insert(0, Place { name: "chromium".to_owned(), folder: own });
    }
    places
}

/// Whether Chromium or Chrome runs: the link names the computer and the process.
pub(super) fn chromium_runs() -> bool {
    let Ok(home) = home() else { return false };
    let config = env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    ["chromium", "google-chrome"].iter().any(|name| {
        let link = std::fs::read_link(config.join(name).join("SingletonLock")).unwrap_or_default();
        let link = link.to_string_lossy();
        let process = link.rsplit_once('-').and_then(|(_, process)| process.parse::<u32>().ok());
        process.is_some_and(|process| Path::new(&format!("/proc/{process}")).is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_those_of_the_list() {
        let text = "[Install4F96D1932A9F858E]\nDefault=abc.default-release\nLocked=1\n\n\
            [Profile1]\nName=default\nIsRelative=1\nPath=xyz.default\nDefault=1\n\n\
            [Profile0]\r\nName=default-release\r\nIsRelative=1\r\nPath=abc.default-release\r\n\n\
            [Profile2]\nName=elsewhere\nIsRelative=0\nPath=/srv/profile\n\n\
            [Profile3]\nName=nowhere\n\n[General]\nStartWithLastProfile=1\nPath=none\n";
        let place = |name: &str, folder: &str| Place { name: name.to_owned(), folder: folder.into() };
        let found = profiles(text, Path::new("/base"));
        let expected = [
            place("default", "/base/xyz.default"),
            place("default-release", "/base/abc.default-release"),
            place("elsewhere", "/srv/profile"),
        ];
        assert_eq!(found, expected);
        assert!(
            found[0].is_called("default") && found[0].is_called("xyz.default") && found[2].is_called("/srv/profile")
        );
        assert!(!found[0].is_called("default-release"));
    }

    #[test]
    fn what_is_no_list_has_no_profiles() {
        for text in ["", "[", "[Profile", "Path=x", "[Profile0]\n=\nPath=\n", "\n[\n[Profile0]Path=x", "\u{0}\u{fffd}"]
        {
            assert_eq!(profiles(text, Path::new("/base")), [], "{text:?}");
        }
    }
}
