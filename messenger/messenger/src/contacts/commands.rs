//! `messenger contacts`: the list on the command line, without going online.

use std::path::PathBuf;

use clap::Subcommand;
use command_line::say;
use device::Home;
use serde_json::{Value, json};

use super::about::About;
use super::{ContactBook, ContactsError};
use crate::failure::Failure;

const LIST: &str = "\
Example:
  messenger contacts list --json | jq -r '.contacts[].address'

Exit codes: 0 ok, 1 failed, 2 usage.";

const EXPORT: &str = "\
Example:
  messenger contacts export contacts.toml

Exit codes: 0 ok, 1 failed, 2 usage.";

const IMPORT: &str = "\
Example:
  messenger --home ~/other contacts import contacts.toml

Exit codes: 0 ok, 1 failed, 2 usage.";

/// What to do with the list.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Do {
    /// Show whom it holds, and what you keep about them
    #[command(after_help = LIST)]
    List {
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Write it into a new file, or to standard output: addresses, names, groups, alerts
    #[command(after_help = EXPORT)]
    Export {
        /// The file; it must not be there yet
        file: Option<PathBuf>,
    },
    /// Add the contacts of such a file; what you keep about those you have stays
    #[command(after_help = IMPORT)]
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Does it.
pub(crate) fn run(home: Home, asked: &Do) -> Result<(), Failure> {
    let book = ContactBook::new(home);
    match asked {
        Do::List { json: true } => {
            let contacts: Vec<_> = book.load().map_err(failed)?.iter().map(|(who, about)| object(who, about)).collect();
            say!("{}", json!({ "contacts": contacts }));
        }
        Do::List { json: false } => {
            for (who, about) in book.load().map_err(failed)? {
                say!("{who}{}", words(&about));
            }
        }
        Do::Export { file: None } => say!("{}", book.exported().map_err(failed)?.trim_end()),
        Do::Export { file: Some(file) } => book.export(file).map_err(failed)?,
        Do::Import { file } => {
            let new = book.import(file).map_err(failed)?;
            say!("{} new", new.len());
            for who in new {
                say!("{who}");
            }
        }
    }
    Ok(())
}

fn object(who: &identity::Identifier, about: &About) -> Value {
    let mut object = serde_json::to_value(about).unwrap_or_default();
    object["address"] = json!(who);
    object
}

fn words(about: &About) -> String {
    let named = about.name.iter().map(|name| format!("  {name}"));
    let group = about.group.iter().map(|group| format!("  in {group}"));
    let seen = about.seen.iter().map(|seen| format!("  last seen {}", seen.words()));
    named.chain(group).chain(seen).collect()
}

/// What is said of a list that cannot be read, changed or taken elsewhere.
fn failed(error: ContactsError) -> Failure {
    let remedy = match &error {
        ContactsError::Damaged { .. } => "mend the file, or move it away to begin a new list",
        ContactsError::Exchange { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            "another name, or move that file away"
        }
        _ => "look whether the file can be read and written",
    };
    Failure::new(error, remedy)
}
