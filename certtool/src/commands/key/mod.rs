//! `certtool key`: where the keys of this device lie, and under which passphrase; and their backup.

mod backup;
mod phrase;
mod restore;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use device::KeyForm;
use key_store::PassphraseSource;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure, PASSPHRASE};
use crate::handed::Leaf;
use crate::output::{Page, Report};
use crate::subject::for_earlier;
use crate::text;

/// Show where your keys lie; put those in files under a passphrase; back them up, and bring them back.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  certtool key list\n  certtool key seal\n  certtool key backup --out keys.p12")]
pub(crate) enum Key {
    List(List),
    Seal(Seal),
    Unseal(Unseal),
    Backup(backup::KeyBackup),
    Restore(restore::KeyRestore),
}

/// Show where each key lies.
///
/// No key is opened for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool key list\n  certtool key list --json")]
pub(crate) struct List {}

/// Put every key that lies in a file under a passphrase, or under another one.
///
/// The files are in the form of OpenSSL (PKCS#8 with PBES2, scrypt and AES-256). All of them change, or none. Keys that are
/// made later are sealed with the same passphrase.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool key seal\n  \
    certtool key seal --new-passphrase file:/run/secrets/new\n  \
    certtool key seal --passphrase file:old --new-passphrase fd:3 3< new")]
pub(crate) struct Seal {
    /// Where the new passphrase comes from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    #[arg(long, value_name = "SOURCE", default_value = "ask")]
    new_passphrase: PassphraseSource,
}

/// Take the passphrase away: every key lies in clear in a file that you alone can read.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool key unseal")]
pub(crate) struct Unseal {}

impl Key {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(_) => list(context),
            Self::Seal(seal) => {
                let sealed = context.home.key_forms()?.iter().any(|(_, form)| *form == KeyForm::Sealed);
                let what = if sealed { "your keys from now on" } else { "your keys" };
                let passphrase = seal.new_passphrase.read_new(what);
                let passphrase = passphrase.map_err(|error| Failure::failed(error.to_string(), PASSPHRASE))?;
                let files = context.home.reseal(Some(&passphrase))?;
                context.output.report(&Done { done: "sealed", files });
                Ok(Exit::Ok)
            }
            Self::Backup(backup) => backup.run(context),
            Self::Restore(restore) => restore.run(context),
            Self::Unseal(_) => {
                let files = context.home.reseal(None)?;
                context.output.report(&Done { done: "unsealed", files });
                Ok(Exit::Ok)
            }
        }
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let home = context.home.folder();
    let earlier = context.home.all_earlier_mailboxes()?;
    let earlier = |path: &Path| earlier.iter().find(|one| path.starts_with(one.folder()));
    let keys = context.home.key_forms()?.into_iter().map(|(path, form)| Listed {
        imported: earlier(&path).is_some_and(|one| one.imported),
        name: earlier(&path).and_then(|one| Leaf::of(&one.chain).map(|leaf| for_earlier(&one.identifier, &leaf))),
        file: path.strip_prefix(home).unwrap_or(&path).to_owned(),
        kept: match form {
            KeyForm::Clear => "clear",
            KeyForm::Sealed => "sealed",
            KeyForm::Keyring => "keyring",
            KeyForm::Token => "token",
        },
        in_words: form.to_string(),
    });
    context.output.report(&Keys { keys: keys.collect() });
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct Keys {
    keys: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    file: PathBuf,
    kept: &'static str,
    /// As it is typed, of a key that is kept to read old mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether it comes from elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    #[serde(skip)]
    in_words: String,
}

impl Report for Keys {
    fn page(&self, page: &mut Page) {
        for key in &self.keys {
            let imported = if key.imported { ", imported" } else { "" };
            let name = key.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            page.line(format!("{}: {}{imported}{name}", key.file.display(), key.in_words));
        }
        if self.keys.is_empty() {
            page.line("There are no keys here yet: certtool enroll makes them.");
        }
    }
}

#[derive(Debug, Serialize)]
struct Done {
    done: &'static str,
    files: Vec<PathBuf>,
}

impl Report for Done {
    fn page(&self, page: &mut Page) {
        let count = text::count(self.files.len() as u64, "key", "keys");
        match self.done {
            _ if self.files.is_empty() => page.line("No key lies in a file here; nothing was done."),
            "sealed" => page.good(&format!("{count} sealed with the new passphrase")),
            _ => page.good(&format!("{count} left in clear, in files that you alone can read")),
        };
    }
}
