//! The person's settings: profiles, each with a folder of its own, for several identities and several authorities.
//!
//! The file is optional. What is unknown in it is refused with its line: a misspelt key that is passed over would leave somebody
//! in the wrong folder.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use identity::Identifier;
use key_store::PassphraseSource;
use serde::{Deserialize, Deserializer};

use crate::dating::Dated;
use crate::failure::Failure;

/// A file of settings is larger by mistake alone.
const MAX_BYTES: u64 = 64 * 1024;

/// What holds for one profile. What is missing is as without settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The folder for keys, certificates and trust; `~/` is one's own.
    #[serde(default)]
    pub(crate) home: Option<PathBuf>,
    /// Where the passphrase of keys comes from.
    #[serde(default, deserialize_with = "source")]
    pub(crate) passphrase: Option<PassphraseSource>,
    /// Whose certificate is meant where nobody is named and there are several.
    #[serde(default, deserialize_with = "address")]
    pub(crate) identity: Option<Identifier>,
    /// Whether what is signed is dated at once.
    #[serde(default)]
    pub(crate) dated: Option<Dated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The profile that holds where none is named.
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// What was written may be the passphrase itself, also as a number: no error shows it.
fn source<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PassphraseSource>, D::Error> {
    let value = toml::Value::deserialize(from)?;
    let source = value.as_str().and_then(|text| text.parse().ok());
    source.map(Some).ok_or_else(|| serde::de::Error::custom("expected file:PATH, fd:NUMBER, credential:NAME or ask"))
}

/// In any spelling, as on the command line.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Identifier>, D::Error> {
    Identifier::parse(&String::deserialize(from)?).map(Some).map_err(serde::de::Error::custom)
}

/// The profile of that name, else the one that the file names; else nothing is set.
pub(crate) fn profile(named: Option<&str>) -> Result<Profile, Failure> {
    let Some(path) = path() else {
        return match named {
            None => Ok(Profile::default()),
            Some(name) => Err(Failure::failed(
                format!("there is no profile {name}: neither XDG_CONFIG_HOME nor HOME says where settings are"),
                "Set HOME, or say where with INPERSON_CONFIG.",
            )),
        };
    };
    let mut profile = choose(&path, read(&path)?.as_deref(), named)?;
    profile.home = profile.home.map(own).transpose()?;
    Ok(profile)
}

/// `$INPERSON_CONFIG`, else `$XDG_CONFIG_HOME/inperson/certtool.toml`, else `~/.config/inperson/certtool.toml`.
fn path() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("INPERSON_CONFIG").or_else(|| {
        set("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| set("HOME").map(|home| home.join(".config")))
            .map(|config| config.join("inperson/certtool.toml"))
    })
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    let cannot = |reason: String| {
        let remedy = "Check the path and its permissions; INPERSON_CONFIG names another file.";
        Err(Failure::failed(format!("the settings {} cannot be read: {reason}", path.display()), remedy))
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return cannot(error.to_string()),
    };
    let mut text = String::new();
    match file.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Err(error) => cannot(error.to_string()),
        Ok(_) if text.len() as u64 > MAX_BYTES => cannot(format!("expected at most {} KiB", MAX_BYTES >> 10)),
        Ok(_) => Ok(Some(text)),
    }
}

fn choose(path: &Path, text: Option<&str>, named: Option<&str>) -> Result<Profile, Failure> {
    let settings: Settings = match text {
        None => Settings::default(),
        Some(text) => toml::from_str(text).map_err(|error| wrong(path, text, &error))?,
    };
    let Some(name) = named.or(settings.profile.as_deref()) else { return Ok(Profile::default()) };
    settings.profiles.get(name).cloned().ok_or_else(|| {
        let known: Vec<_> = settings.profiles.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::failed(
            format!("there is no profile {name} in {}; found: {known}", path.display()),
            format!("Add it: a line [profiles.{name}], and below it home = \"/FOLDER\"."),
        )
    })
}

/// What is wrong, and in which line. No line of the file is shown: there may be a passphrase where its source was to be named.
fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let place = line.map_or_else(|| path.display().to_string(), |line| format!("{}, line {line}", path.display()));
    Failure::failed(
        format!("{place}: {}", error.message().lines().next().unwrap_or_default()),
        "A profile has home, passphrase, identity and dated; docs/certtool.md shows a whole file.",
    )
}

/// A path from the top, or one in which `~/` is one's own folder: any other would be another folder wherever it is used.
fn own(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.is_absolute() {
        return Ok(path);
    }
    let Ok(rest) = path.strip_prefix("~") else {
        return Err(Failure::failed(
            format!("a profile's folder is {:?}, which begins neither with / nor with ~/", path.display().to_string()),
            "Write the whole path: home = \"/FOLDER\".",
        ));
    };
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let home =
        home.ok_or_else(|| Failure::failed("a profile's folder begins with ~, and HOME is not set", "Set HOME."));
    home.map(|home| PathBuf::from(home).join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "profile = \"private\"\n\n[profiles.private]\nhome = \"~/.local/share/inperson\"\n\n\
        [profiles.work]\nhome = \"/srv/work\"\npassphrase = \"file:/run/secret\"\nidentity = \"Alice@Work.example\"\n\
        dated = \"required\"\n";

    fn chosen(text: &str, named: Option<&str>) -> Result<Profile, Failure> {
        choose(Path::new("certtool.toml"), Some(text), named)
    }

    #[test]
    fn the_profile_that_is_named_holds_else_the_one_that_the_file_names() {
        let work = chosen(WHOLE, Some("work")).unwrap();
        assert_eq!(work.home.unwrap(), Path::new("/srv/work"));
        assert_eq!(work.identity.unwrap().as_str(), "alice@work.example");
        assert_eq!(work.dated, Some(Dated::Required));
        assert_eq!(work.passphrase.unwrap().to_string(), "file:/run/secret");
        assert_eq!(chosen(WHOLE, None).unwrap().home.unwrap(), Path::new("~/.local/share/inperson"));
        assert_eq!(chosen("", None).unwrap(), Profile::default());
        assert_eq!(choose(Path::new("x"), None, None).unwrap(), Profile::default());
        let none = chosen(WHOLE, Some("club")).unwrap_err();
        assert!(none.what.ends_with("found: private, work"), "{none:?}");
    }

    #[test]
    fn a_folder_is_the_same_wherever_it_is_used() {
        assert_eq!(own("/srv/work".into()).unwrap(), Path::new("/srv/work"));
        for elsewhere in ["", "work", "./work", "~bob/work"] {
            let refused = own(elsewhere.into()).unwrap_err();
            assert!(refused.what.contains("neither with / nor with ~/"), "{refused:?}");
        }
    }

    #[test]
    fn what_is_unknown_or_wrong_is_told_with_its_line_and_nothing_that_may_be_secret() {
        for (text, line, says) in [
            ("profile = \"a\"\nprofil = \"b\"\n", 2, "unknown field `profil`"),
            ("[profiles.a]\nhome = \"/x\"\nfolder = \"/y\"\n", 3, "unknown field `folder`"),
            ("[profiles.a]\npassphrase = \"correct horse\"\n", 2, "expected file:PATH"),
            ("[profiles.a]\npassphrase = 47110815\n", 2, "expected file:PATH"),
            ("[profiles.a]\nidentity = \"alice\"\n", 2, "expected an e-mail address"),
            ("[profiles.a]\ndated = \"maybe\"\n", 2, "expected one of `required`"),
            ("\n\n[profiles.a\n", 3, ""),
        ] {
            let failure = chosen(text, Some("a")).unwrap_err();
            let told = format!("{} {}", failure.what, failure.remedy);
            assert!(told.contains(&format!("line {line}:")) && told.contains(says), "{text:?}: {told}");
            assert!(!told.contains("horse") && !told.contains("4711"), "{told}");
        }
    }
}
