//! `certtool key backup`: the keys for mail in one file, under a recovery phrase.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use device::{KeptKey, NewFile, SavedKey};
use key_store::phrase::RecoveryPhrase;
use serde::Serialize;

use super::phrase;
use crate::backup::{Backup, BackupError};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::handed::Leaf;
use crate::output::{Page, Report};
use crate::subject::{for_earlier, for_mail};
use crate::text::{self, quoted};

/// Back up your keys for mail into one file, under a recovery phrase of 24 words.
///
/// The words are made here, shown once on the terminal, and some of them are asked back before the file counts. Without them
/// nobody opens it, you neither: write them down, and keep paper and file apart. In it are the keys for mail with their
/// certificates, also those from before and imported ones, and the keys of the accounts that renew them; it is PKCS#12, which
/// OpenSSL opens as well. The key of a device is not: a second device with it would be taken for the first one, so that a new
/// device makes its own (certtool enroll). Keys in a token are not either, as it gives them to nobody.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool key backup --out keys.p12\n  \
    certtool key backup --out keys.p12 --phrase-to words.txt")]
pub(crate) struct KeyBackup {
    /// The file to write, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// For scripts: write the words into this file, which must not be there yet, and neither show them nor ask them back
    #[arg(long, value_name = "FILE")]
    phrase_to: Option<PathBuf>,
}

impl KeyBackup {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        for path in [Some(&self.out), self.phrase_to.as_ref()].into_iter().flatten() {
            // An older backup has other words; what is there may be wanted.
            if path.symlink_metadata().is_ok() {
                return Err(Failure::failed(
                    format!("{} is there already", path.display()),
                    "Name another file. An older backup is opened by its own words alone.",
                ));
            }
        }
        if self.phrase_to.as_ref().is_some_and(|words| is_same_place(words, &self.out)) {
            return Err(Failure::failed(
                "the words would lie in the file that they open",
                "Name two files, and keep them apart.",
            ));
        }
        let (keys, left_out) = saved(context)?;
        if keys.is_empty() {
            return Err(nothing(&left_out));
        }
        // Before anything is made that has to be shown there.
        let terminal = match self.phrase_to {
            Some(_) => None,
            None => {
                Some(phrase::terminal("Run it in a terminal. A script says where the words go: --phrase-to FILE.")?)
            }
        };
        let names = keys.iter().map(name).collect();
        let backup = Backup::new(keys, &context.home.trust_policies()?, clock::now());
        let phrase = phrase::generate()?;
        let bytes = checked(&backup, &phrase)?;
        let mut file = NewFile::create(&self.out)?;
        file.write_all(&bytes).map_err(|error| {
            Failure::failed(
                format!("{} cannot be written: {error}", self.out.display()),
                "Name another place: --out FILE.",
            )
        })?;
        match (terminal, &self.phrase_to) {
            (Some(mut terminal), _) => phrase::confirmed(&mut terminal, &phrase)?,
            (None, Some(path)) => {
                let mut words = NewFile::create(path)?;
                let passphrase = phrase.passphrase();
                let written = words.write_all(passphrase.as_str().as_bytes()).and_then(|()| words.write_all(b"\n"));
                written.map_err(|error| {
                    Failure::failed(format!("{} cannot be written: {error}", path.display()), "Name another file.")
                })?;
                words.keep_new()?;
            }
            (None, None) => {}
        }
        if let Err(error) = file.keep_new() {
            // Words without a file are nothing.
            self.phrase_to.as_ref().map(std::fs::remove_file);
            return Err(error.into());
        }
        context.output.report(&BackedUp {
            backed_up: true,
            file: self.out,
            phrase: self.phrase_to,
            keys: names,
            left_out,
        });
        Ok(Exit::Ok)
    }
}

/// Whether two files that are not there yet would be one.
fn is_same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        // A bare name lies in the folder where one is.
        let path = Path::new(".").join(path);
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        (folder, path.file_name().map(ToOwned::to_owned))
    };
    place(one) == place(other)
}

/// A file that was read again, with the words that open it.
fn checked(backup: &Backup, phrase: &RecoveryPhrase) -> Result<Vec<u8>, Failure> {
    let failed = |error: BackupError| Failure::failed(error.to_string(), "Nothing was written. Report this.");
    let bytes = backup.write(phrase).map_err(failed)?;
    match Backup::read(&bytes, phrase).map_err(failed)?.keys.len() == backup.keys.len() {
        true => Ok(bytes),
        false => Err(failed(BackupError::Write("what was written does not come back".to_owned()))),
    }
}

/// Every key for mail, opened; and in words what stays out.
fn saved(context: &Context) -> Result<(Vec<SavedKey>, Vec<String>), Failure> {
    let (home, mut keys, mut left_out) = (&context.home, Vec::new(), Vec::new());
    let in_token = |name: &str| format!("{name}: its key lies in a token, which gives it to nobody");
    for mailbox in home.mailboxes()? {
        let mailbox = home.unlock(mailbox)?;
        if mailbox.key.pkcs8().is_none() {
            left_out.push(in_token(&for_mail(&mailbox.identifier)));
            continue;
        }
        let account = Some(mailbox.account).filter(|account| account.to_pem().is_some());
        let (identifier, chain, key) = (mailbox.identifier, mailbox.chain, mailbox.key);
        keys.push(SavedKey { kept: KeptKey { identifier, chain, key, enrolment: Some(mailbox.enrolment) }, account });
    }
    for earlier in home.all_earlier_mailboxes()? {
        let key = home.earlier_mail_key(&earlier)?;
        let enrolment = if earlier.imported { None } else { earlier.enrolment()? };
        let in_memory = key.pkcs8().is_some();
        let kept = KeptKey { identifier: earlier.identifier, chain: earlier.chain, key, enrolment };
        match in_memory {
            true => keys.push(SavedKey { kept, account: None }),
            false => left_out.push(in_token(&name_of_earlier(&kept))),
        }
    }
    for device in home.devices()? {
        left_out.push(format!("{}: the key of this device, as each device has its own", device.identifier));
    }
    Ok((keys, left_out))
}

/// As it is typed: the one that was used, which alone has an account, or an earlier one.
pub(super) fn name(saved: &SavedKey) -> String {
    match saved.account {
        Some(_) => for_mail(&saved.kept.identifier),
        None => name_of_earlier(&saved.kept),
    }
}

pub(super) fn name_of_earlier(kept: &KeptKey) -> String {
    Leaf::of(&kept.chain).map_or_else(|| for_mail(&kept.identifier), |leaf| for_earlier(&kept.identifier, &leaf))
}

fn nothing(left_out: &[String]) -> Failure {
    let what = match left_out {
        [] => "there is no key for mail here, and so nothing to back up".to_owned(),
        out => format!("there is no key here that can be backed up: {}", out.join("; ")),
    };
    Failure::failed(
        what,
        "A device that is lost is replaced: certtool enroll on the new one, and certtool revoke ID --stolen. A key for mail is made by certtool enroll ID --for mail.",
    )
}

#[derive(Debug, Serialize)]
struct BackedUp {
    backed_up: bool,
    file: PathBuf,
    /// Where the words were written, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<PathBuf>,
    keys: Vec<String>,
    left_out: Vec<String>,
}

impl BackedUp {
    fn file(path: &Path) -> String {
        quoted(&path.display().to_string())
    }
}

impl Report for BackedUp {
    fn page(&self, page: &mut Page) {
        let count = text::count(self.keys.len() as u64, "key", "keys");
        page.good(&format!("Backed up: {count} in {}", self.file.display()));
        self.keys.iter().for_each(|key| page.field("key", key));
        self.left_out.iter().for_each(|out| page.line(format!("  not in it: {out}")));
        if let Some(words) = &self.phrase {
            page.warning(&format!("  {} opens it: keep it elsewhere, and not beside the file", words.display()));
        }
        page.line("Next:");
        page.line("  Put the file where it is found when this computer is lost, and the words somewhere else.");
        page.line(format!("  To look whether it opens: certtool key restore {} --list", Self::file(&self.file)));
    }
}
