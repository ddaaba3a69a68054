//! The database: what it holds, and whether it stays as small as it should.

use std::path::Path;

use ca::store::{DownError, SqliteStore, StoreError, migrate_down};
use clap::Subcommand;
use command_line::{Failure, say};
use homeserver::database;
use identity::UnixTime;
use serde_json::{Value, json};

use crate::book::{failed, only_in_the_folder, open};

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Show what takes how much room, until when it is kept, and what should be gone by now
    ///
    /// Reads every page of the database, so it takes a while for a large one; the authority may run meanwhile. Nonces take no
    /// room: they are computed, and the used ones are bits in the memory of the process (of several front ends, rows for
    /// 70 minutes).
    #[command(after_help = "Example:\n  ca --folder /srv/inperson db stats --json")]
    Stats,
    /// Make the tables of a database that front ends are to share, before the first of them starts
    ///
    /// The database is this authority's from then on: a front end refuses another authority's, and an empty one. For a
    /// further front end it is not done again.
    #[command(after_help = "Example:\n  ca --folder /srv/inperson db found")]
    Found,
    /// Bring the database of a stopped authority to another version
    ///
    /// Without --to, to the newest, as starting does. To an older one only if that can hold everything: else nothing is
    /// changed, and what would be lost is shown.
    #[command(after_help = "Examples:\n  \
        ca --folder /srv/inperson db migrate\n  \
        ca --folder /srv/inperson db migrate --to 8\n\n\
        Exit codes: 0 done, 1 failed, 3 something would be lost.")]
    Migrate {
        /// The version; an older program names the one it expects
        #[arg(long, value_name = "N")]
        to: Option<i64>,
        /// Lose what that version cannot hold
        #[arg(long, requires = "to")]
        forget: bool,
    },
}

/// Runs it.
pub(crate) fn run(db: &Db, folder: &Path, json: bool) -> Result<(), Failure> {
    if let Db::Migrate { to, forget } = db {
        return migrate(folder, *to, *forget, json);
    }
    if matches!(db, Db::Found) {
        return found(folder, json);
    }
    let growth = open(folder)?.growth(UnixTime::now().as_secs()).map_err(failed)?;
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    let (journal, trail) = (size("ca.sqlite-wal"), size(ca::trail::FILE));
    if json {
        let mut shown = json!(growth);
        shown["journal_bytes"] = Value::from(journal);
        shown["audit_trail_bytes"] = Value::from(trail);
        say!("{shown}");
        return Ok(());
    }
    say!("{:15} {:>10} {:>14} {:>8}  kept", "what", "how many", "bytes", "overdue");
    for kept in &growth.kept {
        let overdue = kept.overdue.map_or_else(|| "-".to_owned(), |count| count.to_string());
        say!("{:15} {:>10} {:>14} {overdue:>8}  {}", kept.table, kept.rows, kept.bytes, kept.until);
    }
    say!("database of version {}: {} bytes, {} of them free", growth.version, growth.bytes, growth.free_bytes);
    say!("journal: {journal} bytes; audit trail: {trail} bytes, kept for good");
    if growth.overdue() > 0 {
        say!("{} overdue: a running authority forgets them within the hour", growth.overdue());
    }
    Ok(())
}

fn found(folder: &Path, json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(1, error, "end other programs, and try again"))?;
    runtime.block_on(database::found(folder))?;
    if json {
        say!("{}", json!({"founded": true}));
    } else {
        say!("The database is this authority's. Start its front ends.");
    }
    Ok(())
}

fn migrate(folder: &Path, to: Option<i64>, forget: bool, json: bool) -> Result<(), Failure> {
    only_in_the_folder(folder)?;
    let path = folder.join("ca.sqlite");
    if !path.is_file() {
        open(folder)?;
    }
    let Some(to) = to else {
        SqliteStore::open(&path).map_err(stopped_first)?;
        let version = open(folder)?.growth(UnixTime::now().as_secs()).map_err(failed)?.version;
        return tell(version, &json!([]), json);
    };
    match migrate_down(&path, to, UnixTime::now().as_secs(), forget) {
        Ok(lost) => tell(to, &json!(lost), json),
        Err(DownError::Store(error)) => Err(stopped_first(error)),
        Err(error @ DownError::NoWay { .. }) => Err(Failure::new(2, error, "ca db stats shows the version")),
        Err(error @ DownError::Loses { .. }) => {
            let can = matches!(&error, DownError::Loses { losses, .. } if losses.iter().all(|loss| loss.forgettable));
            let remedy =
                if can { "keep the newer program; or say --forget, after ca backup" } else { "keep the newer program" };
            Err(Failure::new(3, error, remedy))
        }
    }
}

fn stopped_first(error: StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => Failure::new(1, error, "stop the authority first"),
        error => failed(error),
    }
}

fn tell(version: i64, lost: &Value, json: bool) -> Result<(), Failure> {
    if json {
        say!("{}", json!({"version": version, "lost": lost}));
    } else {
        say!("The database is of version {version} now.");
        for loss in lost.as_array().into_iter().flatten() {
            say!("  lost: {} {}", loss["count"], loss["what"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}
