//! Keys as they lie: which there are and where, and those in clear put under a passphrase.

use std::path::{Path, PathBuf};

use ca::keys::{KeyLies, ListedKey, list_keys, seal_keys};
use clap::{Args, Subcommand};
use command_line::{Failure, say};
use homeserver::later_logs;
use identity::UnixTime;
use serde_json::json;

use crate::ceremony::{Place, failed, no_passphrase};

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Put the key files that lie in clear under a passphrase
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson keys seal --passphrase file:/etc/inperson/passphrase\n\n\
        The server then needs it at its start: key_passphrase in homeserver.toml.")]
    Seal(Seal),
    /// List the keys, where each lies, and when its certificate ends
    ///
    /// No key is opened, and none is shown. The root's belongs elsewhere.
    #[command(after_help = "Examples:\n  \
        ca --folder /srv/inperson keys list\n  \
        ca keys list --keys /media/vault --json\n\n\
        Exit codes: 0 listed, 1 failed, 2 wrong usage.")]
    List(ListKeys),
}

#[derive(Debug, Args)]
pub(crate) struct Seal {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// The folder of keys [default: keys in the authority's folder, and those of later logs in shards]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(command: &Keys, folder: &Path, json: bool) -> Result<(), Failure> {
    match command {
        Keys::Seal(seal) => run_seal(seal, folder, json),
        Keys::List(list) => run_list(list, folder, json),
    }
}

fn run_list(list: &ListKeys, folder: &Path, json: bool) -> Result<(), Failure> {
    let unlisted = |error: &dyn std::fmt::Display| {
        Failure::new(1, error, "name the authority's folder with --folder DIR, or that of the keys with --keys DIR")
    };
    let keys = list.keys.clone().unwrap_or_else(|| folder.join("keys"));
    let mut listed = list_keys(&keys).map_err(|error| unlisted(&error))?;
    if list.keys.is_none() {
        for shard in later_logs(folder).map_err(|error| unlisted(&error))? {
            let found = list_keys(&folder.join(&shard)).map_err(|error| unlisted(&error))?;
            let named = |key: ListedKey| ListedKey { name: format!("{}/{}", shard.display(), key.name), ..key };
            listed.extend(found.into_iter().map(named));
        }
    }
    if listed.is_empty() && !json {
        say!("There is no key in {}.", keys.display());
    }
    let unclear = listed.iter().filter(|key| key.lies == KeyLies::Unclear).count();
    for key in listed {
        if json {
            say!("{}", json!(key));
            continue;
        }
        let lies = match key.lies {
            KeyLies::InClear => "in clear",
            KeyLies::Unclear => "unclear",
            KeyLies::Sealed => "under a passphrase",
            KeyLies::InAToken => "in a token",
            KeyLies::WithASigner => "with a signer",
            KeyLies::Elsewhere => "elsewhere",
        };
        let ends = key.ends.map(|ends| format!("  certificate until {ends}")).unwrap_or_default();
        // A name may be anybody's: nothing in it moves the cursor.
        say!("{:<20}  {lies:<18}{ends}", key.name.escape_debug().to_string());
        if let Some(digest) = key.key_sha256 {
            say!("{:<20}  key, SHA-256: {digest}", "");
        }
    }
    match unclear {
        0 => Ok(()),
        _ => Err(Failure::new(
            1,
            format!("{unclear} of the files listed as unclear hold no key that can be read"),
            "look at who may read them, and what they are",
        )),
    }
}

fn run_seal(seal: &Seal, folder: &Path, json: bool) -> Result<(), Failure> {
    let source = seal.place.passphrase.as_ref().ok_or_else(|| no_passphrase("expected --passphrase, found none"))?;
    let passphrase = source.read_new("the keys").map_err(no_passphrase)?;
    let keys = seal.place.folder(folder);
    let done = seal_keys(&keys, &passphrase, UnixTime::now()).map_err(failed)?;
    if json {
        say!("{}", json!({"done": "sealed", "files": done}));
    } else {
        done.iter().for_each(|file| say!("sealed {file}"));
        say!("{} files; set key_passphrase in homeserver.toml before the next start.", done.len());
    }
    Ok(())
}
