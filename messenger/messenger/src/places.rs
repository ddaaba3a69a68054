//! Where files are on this device: the person's own folder, and the one into which programs put what comes.

use std::path::{Component, Path, PathBuf};

/// The most that is read of where the desktop has its folders.
const MAX_BYTES: usize = 64 * 1024;

/// The most entries of a folder that are looked at to go on with a path.
const MAX_LISTED: usize = 10_000;

/// What `~` means, and where received files go if nothing else was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) home: PathBuf,
    pub(crate) downloads: PathBuf,
}

impl Places {
    /// As this device has them: XDG's folder for downloads, else `Downloads` in the person's folder.
    pub(crate) fn found() -> Self {
        let home = std::env::home_dir().filter(|home| home.is_absolute()).unwrap_or_else(|| PathBuf::from("/"));
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let file = config.unwrap_or_else(|| home.join(".config")).join("user-dirs.dirs");
        let listed = read(&file).and_then(|text| download_folder(&text, &home));
        let downloads = listed.unwrap_or_else(|| home.join("Downloads"));
        Self { home, downloads }
    }

    /// A path as somebody types it: `~` is her own folder.
    pub(crate) fn expand(&self, typed: &str) -> PathBuf {
        match typed.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(typed),
        }
    }

    /// The contrary, to be shown.
    pub(crate) fn shorten(&self, path: &Path) -> String {
        match path.strip_prefix(&self.home) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            // Where `/` is her folder, nothing would be shorter.
            Ok(rest) if self.home.components().any(|one| matches!(one, Component::Normal(_))) => {
                format!("~/{}", rest.display())
            }
            _ => path.display().to_string(),
        }
    }
}

impl Places {
    /// What a path that is begun may go on to be, sorted, as it is typed; folders end in `/`. Hidden ones are meant by whoever
    /// types their dot, and names that cannot be typed by nobody.
    pub(crate) fn completions(&self, begun: &str) -> Vec<String> {
        if begun == "~" {
            return vec!["~/".to_owned()];
        }
        let (folder, name) =
            begun.rsplit_once('/').map_or(("", begun), |(folder, name)| (&begun[..=folder.len()], name));
        let place = if folder.is_empty() { PathBuf::from(".") } else { self.expand(folder) };
        let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
        let fits = |entry: std::fs::DirEntry| {
            let found = entry.file_name().into_string().ok()?;
            let meant = found.starts_with(name) && (name.starts_with('.') || !found.starts_with('.'));
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (meant && crate::text::harmless_line(&found) == found).then(|| format!("{folder}{found}{slash}"))
        };
        let mut found: Vec<_> = entries.take(MAX_LISTED).flatten().filter_map(fits).collect();
        found.sort();
        found
    }
}

fn read(file: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(file).ok()?;
    file.take(MAX_BYTES as u64).read_to_string(&mut text).ok()?;
    Some(text)
}

/// `XDG_DOWNLOAD_DIR="$HOME/yyy"` or `="/yyy"` (xdg-user-dirs); nothing if it is not there, or is the person's folder itself,
/// which means that there is none.
fn download_folder(text: &str, home: &Path) -> Option<PathBuf> {
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    let folder = match value.strip_prefix("$HOME") {
        Some(rest) => home.join(rest.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    (folder.is_absolute() && folder != home).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_says_where_downloads_go() {
        let home = Path::new("/home/ada");
        for (text, folder) in [
            ("# x\nXDG_DOWNLOAD_DIR=\"$HOME/Herunter geladen\"\n", Some("/home/ada/Herunter geladen")),
            ("XDG_DOWNLOAD_DIR=\"/data/in\"", Some("/data/in")),
            ("XDG_DOWNLOAD_DIR=\"$HOME/\"", None),
            ("XDG_DOWNLOAD_DIR=\"in\"", None),
            ("XDG_DOWNLOAD_DIR=$HOME/in", None),
            ("XDG_DOCUMENTS_DIR=\"$HOME/Papers\"", None),
        ] {
            assert_eq!(download_folder(text, home), folder.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn a_path_goes_on_as_far_as_the_folder_knows() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tea.txt", "tea time.txt", ".tea", "te\x1ba"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("teapots")).unwrap();
        let places = Places { home: folder.path().to_owned(), ..Places::default() };
        assert_eq!(places.completions("~/te"), ["~/tea time.txt", "~/tea.txt", "~/teapots/"]);
        assert_eq!(places.completions("~/.t"), ["~/.tea"]);
        assert_eq!(places.completions("~"), ["~/"]);
        assert_eq!(places.completions("~/none/x"), [""; 0]);
    }

    #[test]
    fn a_tilde_is_ones_own_folder_and_nobody_elses() {
        let places = Places { home: "/home/ada".into(), downloads: "/home/ada/Downloads".into() };
        for (typed, path) in [("~", "/home/ada"), ("~/a b", "/home/ada/a b"), ("~bob/a", "~bob/a"), ("a/~", "a/~")] {
            assert_eq!(places.expand(typed), Path::new(path), "{typed}");
        }
        assert_eq!(places.shorten(Path::new("/home/ada/Downloads")), "~/Downloads");
        assert_eq!(places.shorten(Path::new("/home/adam")), "/home/adam");
        assert_eq!(Places { home: "/".into(), ..Places::default() }.shorten(Path::new("/srv")), "/srv");
    }
}
