//! What surrounds this program: another one of its name, and proxies.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::Finding;
use super::files::quoted;

const NAME: &str = "certtool";

/// Another program of this name (GnuTLS has one) that a shell would take instead of this one.
pub(crate) fn name_clash() -> Option<Finding> {
    clash(&env::var_os("PATH")?, &env::current_exe().ok()?)
}

fn clash(search: &OsStr, own: &Path) -> Option<Finding> {
    let first = env::split_paths(search).map(|folder| folder.join(NAME)).find(|path| path.is_file())?;
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if whole(&first) == whole(own) {
        return None;
    }
    let what = format!(
        "a shell takes {} for certtool, and not this program, {}; GnuTLS has one of that name",
        first.display(),
        own.display()
    );
    // Under another name of ours there would be nothing to put first.
    let folder = own.parent().filter(|_| own.file_name().is_some_and(|name| name == NAME));
    let mend = match folder {
        Some(folder) => format!("export PATH={}:\"$PATH\"", quoted(folder)),
        None => "docs/certtool.md shows how to live with both.".to_owned(),
    };
    Some(Finding::note("name", what, mend))
}

/// The variable that leads connections to others through a proxy, if there is one. Its value may hold a password and is
/// never shown.
pub(crate) fn proxy() -> Option<&'static str> {
    proxy_by(|name| env::var(name).ok())
}

/// In the order in which the client looks.
fn proxy_by(variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    names.into_iter().find(|name| variable(name).is_some_and(|value| !value.is_empty()))
}

/// That there is one, for whom everything works.
pub(crate) fn note_of(proxy: &'static str) -> Finding {
    let what =
        format!("connections to the authority go through the proxy that {proxy} names; it sees when you connect");
    Finding::note("proxy", what, format!("unset {proxy}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn program(folder: &Path) -> PathBuf {
        let path = folder.join(NAME);
        fs::create_dir_all(folder).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn another_program_of_this_name_counts_where_it_comes_first() {
        let place = tempfile::tempdir().unwrap();
        let (ours, theirs) = (place.path().join("our own"), place.path().join("theirs"));
        let (own, _) = (program(&ours), program(&theirs));
        let search = |folders: &[&Path]| env::join_paths(folders).unwrap();
        assert_eq!(clash(&search(&[&ours, &theirs]), &own), None);
        assert_eq!(clash(&search(&[place.path()]), &own), None, "none at all");
        let found = clash(&search(&[place.path(), &theirs, &ours]), &own).unwrap();
        assert!(!found.wrong && found.what.contains("theirs/certtool"), "{found:?}");
        // After the command that mends it, ours comes first.
        let then =
            format!("PATH={}; {}; command -v certtool", theirs.display(), found.mend.trim_start_matches("export "));
        fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let said = std::process::Command::new("/bin/sh").args(["-c", &then]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), own.display().to_string());
        let linked = place.path().join("links");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(&own, linked.join(NAME)).unwrap();
        assert_eq!(clash(&search(&[&linked]), &own), None, "the same under another path");
    }

    #[test]
    fn a_proxy_is_named_by_its_variable_and_never_by_its_value() {
        let set = |name: &str| (name == "HTTPS_PROXY").then(|| "http://alice:secret@proxy:3128".to_owned());
        let found = proxy_by(set).unwrap();
        assert_eq!(found, "HTTPS_PROXY");
        assert!(!format!("{:?}", note_of(found)).contains("secret"));
        assert_eq!(proxy_by(|_| Some(String::new())), None);
    }
}
