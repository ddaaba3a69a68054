//! `certtool key restore`: what a backup holds comes back.

use std::path::PathBuf;

use clap::Args;
use device::watch::know_key;
use device::{MAX_FILE_BYTES, Restored};
use key_store::PassphraseSource;
use serde::Serialize;

use super::backup::{name, name_of_earlier};
use super::phrase;
use crate::backup::{Backup, BackupError, Pinned};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::handed::{Leaf, Told};
use crate::output::{Page, Report};
use crate::subject::read_up_to;
use crate::text;

/// Bring the keys of a backup back, with the words that open it.
///
/// Asks for the 24 words, in any case, with or without numbers, each whole or by its first four letters, and shows what is in
/// the file. Everything comes back, or nothing. No key is written over another one: where a certificate for mail is used
/// already, the one of the backup is kept to read old mails, and what is here stays. A second time changes nothing. Keys that
/// come back lie as the others here do (certtool key list). OpenSSL opens the file as well, with the words in small letters and
/// one space between two: openssl pkcs12 -in FILE.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool key restore keys.p12\n  \
    certtool key restore keys.p12 --list\n  \
    certtool key restore keys.p12 --phrase file:words.txt")]
pub(crate) struct KeyRestore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only show what is in it
    #[arg(long)]
    list: bool,
    /// Where the words come from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd); in one line
    #[arg(long, value_name = "SOURCE", default_value = "ask")]
    phrase: PassphraseSource,
}

impl KeyRestore {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let file = read_up_to(&self.file, MAX_FILE_BYTES, "backup")?;
        // Nobody types 24 words for a file that is none.
        Backup::is_one(&file).map_err(|error| self.failed(&error))?;
        let phrase = phrase::read(&self.phrase)?;
        let backup = Backup::read(&file, &phrase).map_err(|error| self.failed(&error))?;
        let became = match self.list {
            true => None,
            false => {
                let became = context.home.restore_mail_keys(&backup.keys)?;
                // The watch here is not to take her own certificates for somebody's: what came from elsewhere is no key of hers.
                for kept in backup.keys.iter().map(|saved| &saved.kept).filter(|kept| kept.enrolment.is_some()) {
                    know_key(&context.home, &kept.identifier, &kept.key.public_bits(), clock::now())?;
                }
                Some(became)
            }
        };
        context.output.report(&Found::of(context, &backup, became)?);
        Ok(Exit::Ok)
    }

    fn failed(&self, error: &BackupError) -> Failure {
        let remedy = match error {
            BackupError::Foreign(_) => {
                "Is it the file that certtool key backup wrote, and whole? A key with its certificate from another program is taken by certtool import."
            }
            BackupError::Phrase => "Each backup has words of its own: are these written beside another one?",
            BackupError::Damaged(_) => {
                "Is there another copy of it? openssl pkcs12 -in FILE, with the words as passphrase, may still open it."
            }
            BackupError::Newer(_) => "Take a newer certtool.",
            BackupError::Write(_) => "Try again.",
        };
        Failure::failed(format!("{}: {error}", self.file.display()), remedy)
    }
}

#[derive(Debug, Serialize)]
struct Found {
    restored: bool,
    /// Whether anything is here that was not before.
    changed: bool,
    made: String,
    keys: Vec<Key>,
    /// What was pinned when the backup was made, and is not here.
    policies: Vec<Pinned>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Key {
    #[serde(flatten)]
    told: Told,
    imported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    became: Option<&'static str>,
}

impl Found {
    fn of(context: &Context, backup: &Backup, became: Option<Vec<Restored>>) -> Result<Self, Failure> {
        let mut keys = Vec::new();
        for (saved, at) in backup.keys.iter().zip(0..) {
            let kept = &saved.kept;
            let became = became.as_ref().and_then(|all| all.get(at)).copied();
            let leaf = Leaf::of(&kept.chain).ok_or_else(|| {
                Failure::failed("a certificate in the backup cannot be read", "Take a newer certtool.")
            })?;
            let name = match became {
                Some(Restored::Earlier) => name_of_earlier(kept),
                _ => name(saved),
            };
            let told = Told::of(name, &kept.identifier, &leaf);
            keys.push(Key { told, imported: kept.enrolment.is_none(), became: became.map(word) });
        }
        let pinned: Vec<_> =
            context.home.trust_policies()?.iter().map(|policy| policy.fingerprint().to_string()).collect();
        let mut policies = backup.policies.clone();
        policies.retain(|policy| !pinned.contains(&policy.fingerprint));
        let used = became.iter().flatten().any(|one| *one == Restored::Used);
        let mut next: Vec<_> = policies
            .iter()
            .map(|policy| format!("certtool trust add URL --fingerprint {} ({})", policy.fingerprint, policy.name))
            .collect();
        if became.is_some() {
            next.extend(used.then(|| "certtool renew --all".to_owned()));
            next.push("certtool install --for thunderbird".to_owned());
            next.push("certtool enroll ID makes a key for this device, which is in no backup.".to_owned());
        }
        let changed = became.iter().flatten().any(|one| *one != Restored::WasThere);
        Ok(Self { restored: became.is_some(), changed, made: backup.made.clone(), keys, policies, next })
    }
}

fn word(restored: Restored) -> &'static str {
    match restored {
        Restored::Used => "used",
        Restored::Earlier => "earlier",
        Restored::WasThere => "was there",
    }
}

impl Report for Found {
    fn page(&self, page: &mut Page) {
        let count = text::count(self.keys.len() as u64, "key", "keys");
        match (self.restored, self.changed) {
            (false, _) => page.good(&format!("It opens: {count}, as of {}", self.made)),
            (true, true) => page.good(&format!("Restored from the backup of {}", self.made)),
            (true, false) => page.good(&format!("Nothing to do: all of the backup of {} is here", self.made)),
        };
        for key in &self.keys {
            let imported = if key.imported { ", imported" } else { "" };
            let became = match key.became {
                Some("used") => ": used again",
                Some("earlier") => ": kept to read old mails",
                Some(_) => ": was here",
                None => "",
            };
            let Told { name, algorithm, until, .. } = &key.told;
            page.field("key", format!("{name}, {algorithm}, until {until}{imported}{became}"));
        }
        if !self.next.is_empty() {
            page.line("Next:");
        }
        for line in &self.next {
            page.line(format!("  {line}"));
        }
    }
}
