//! Backups, and what they are for.

use std::path::{Path, PathBuf};

use clap::Args;
use command_line::{Failure, say};
use homeserver::backup::backup as make;
use homeserver::restore::{self, Restored, Wishes, new_log};
use homeserver::settings::LogElsewhere;
use identity::UnixTime;
use serde_json::json;

pub(crate) const RESTORE: &str = "Examples:
  ca --folder /srv/inperson restore /media/backup/2026-11-26
  ca --folder /srv/inperson restore --again --mirror https://mirror.example.com
  ca --folder /srv/inperson restore --again --new-log 2026-2 --crl people.crl --crl services.crl

Exit codes: 0 caught up, 1 failed, 2 wrong usage, 4 the folder waits, and nothing starts in it.";

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "DIR", required_unless_present = "again", conflicts_with = "again")]
    backup: Option<PathBuf>,
    /// Go on in a folder that was restored and waits
    #[arg(long)]
    again: bool,
    /// Where a copy of the log is: the address of a mirror, or a folder; repeatable
    #[arg(long = "mirror", value_name = "URL|DIR")]
    mirrors: Vec<String>,
    /// A revocation list that was published since the backup, as it was served; repeatable
    #[arg(long = "crl", value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// A version of the trust policy that was published since the backup, as /policy/N served it; repeatable
    #[arg(long = "policy-update", value_name = "FILE")]
    updates: Vec<PathBuf>,
    /// Go on although revocations since the backup are lost: revoke again what you know of
    #[arg(long)]
    without_lists: bool,
    /// Give the old log up, and begin another of this name: people pin a new fingerprint
    #[arg(long, value_name = "NAME")]
    new_log: Option<String>,
    /// With --new-log, where the log is elsewhere: the C2SP tlog-policy of another log elsewhere, to begin in its place
    #[arg(long, value_name = "FILE", requires = "new_log", requires = "log_submission")]
    log_policy: Option<PathBuf>,
    /// The https address at which that log takes entries
    #[arg(long, value_name = "URL", requires = "log_policy")]
    log_submission: Option<String>,
    /// The key name of a witness in that policy that you run yourself, repeatable
    #[arg(long = "log-operator-witness", value_name = "NAME", requires = "log_policy")]
    log_operator_witnesses: Vec<String>,
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(1, error, "try again"))
}

/// Makes a backup.
pub(crate) fn backup(folder: &Path, to: &Path, json: bool) -> Result<(), Failure> {
    let made = runtime()?.block_on(make(folder, to, UnixTime::now()))?;
    if json {
        say!("{}", json!(made));
        return Ok(());
    }
    say!("Backup: {} ({} files, {} bytes)", made.folder.display(), made.files, made.bytes);
    for log in &made.manifest.logs {
        say!("  log {} with {} entries", log.origin, log.size);
    }
    if !made.keys_in_clear.is_empty() {
        say!("  in clear, so keep it safe: {}", made.keys_in_clear.join(", "));
    }
    Ok(())
}

/// Restores one.
pub(crate) fn restore(asked: &Restore, folder: &Path, json: bool) -> Result<(), Failure> {
    let now = UnixTime::now();
    if let Some(backup) = &asked.backup {
        restore::unpack(backup, folder, now)?;
        if !json {
            say!("Unpacked into {}; asking how far the log got.", folder.display());
        }
    }
    let open =
        |path: &PathBuf| LogElsewhere::open(path, asked.log_submission.as_deref(), &asked.log_operator_witnesses);
    let elsewhere = asked.log_policy.as_ref().map(open);
    let wishes = Wishes {
        mirrors: asked.mirrors.clone(),
        lists: asked.lists.clone(),
        updates: asked.updates.clone(),
        without_lists: asked.without_lists,
        log: elsewhere.transpose()?,
    };
    match &asked.new_log {
        None => {
            let done = runtime()?.block_on(restore::catch_up(folder, &wishes, now))?;
            if json { say!("{}", json!(done)) } else { tell(&done) }
        }
        Some(name) => {
            let begun = runtime()?.block_on(new_log::begin(folder, name, &wishes, now))?;
            if json {
                say!("{}", json!(begun));
                return Ok(());
            }
            say!(
                "Given up: {}. Never signed again, and not served: its last state is not known here.",
                begun.given_up.join(", ")
            );
            begun.struck.iter().for_each(|log| say!("Served on: {log}"));
            say!("Begun: {}", begun.origin);
            say!("People pin the new fingerprint, which nothing proves but your word:\n  {}", begun.fingerprint);
            books(&begun.books);
            cosigned(&begun.cosigned_no_more);
        }
    }
    Ok(())
}

fn tell(done: &Restored) {
    say!("Caught up: {}", done.folder.display());
    for log in &done.logs {
        say!("  {log}");
    }
    books(&done.books);
    cosigned(&done.cosigned_no_more);
    say!("Next: homeserver up --folder {}", done.folder.display());
}

fn books(books: &ca::recovery::Recovered) {
    say!("  {} certificates on their way came to nothing; {} slots were used since", books.abandoned, books.taken);
    say!("  {} proofs of control count no more: each device asks for a code once", books.proofs_ended);
    say!("  {} revoked since, {} of them carried on by number alone", books.revoked + books.carried, books.carried);
    say!("  {} records of the audit trail are not here", books.audit_records_lost);
    if books.lists_missing > 0 {
        say!("  {} revocation lists are not here: revoke again what was revoked since", books.lists_missing);
    }
    for issuer in &books.issuers_unknown {
        say!("  the key of the issuing certificate {issuer} is not here: withdraw it (homeserver policy sign)");
    }
}

fn cosigned(logs: &[String]) {
    for log in logs {
        say!("  this server's witness cosigns {log} no more; homeserver witness add has it begin anew");
    }
}
