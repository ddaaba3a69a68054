//! `ca`: what the operator of an authority asks and wishes, also while the authority runs.
//!
//! It looks into the authority's folder, checks the audit trail, writes down wishes there, and makes the key that signs
//! mails. The database of an authority that runs it never changes; that of a stopped one it migrates ([`database`]) and
//! restores ([`copies`]). The one key it signs with is the root's ([`ceremony`]). A new authority it makes whole ([`config`]).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod book;
mod ceremony;
mod config;
mod copies;
mod database;
mod keys;
mod signer;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use book::{failed, open};
use ca::operator::{OPERATOR_REASONS, wish_revocation};
use ca::store::{CertificateRecord, CertificateState, Serial, Subject};
use ca::trail::{self, TrailError};
use clap::{Args, Parser, Subcommand};
use command_line::{Failure, say};
use identity::{Identifier, UnixTime};
use serde_json::{Value, json};

/// How long a running authority is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks whether it has taken a wish up.
const GLANCE: Duration = Duration::from_millis(100);

/// Make a certificate authority, look into it and ask it to revoke, also while it runs.
#[derive(Debug, Parser)]
#[command(
    name = "ca",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        ca --folder /srv/inperson stats\n  \
        ca --folder /srv/inperson list alice@example.org\n  \
        ca --folder /srv/inperson revoke 5f2e0c… --reason key-compromise\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 there is no such certificate, the audit trail is broken, \
        or something would be lost, 4 a restored folder waits."
)]
struct Arguments {
    /// The authority's folder, with homeserver.toml in it
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "INPERSON_SERVER",
        hide_env_values = true,
        default_value = "inperson-server"
    )]
    folder: PathBuf,
    /// Print one line of JSON for each thing instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new authority in the folder, without starting it
    ///
    /// Folder, keys and trust policy, as the first homeserver up would make them with the same options.
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson init --domain ca.example.org --permit-domain example.org --listen 0.0.0.0\n\n\
        Then edit homeserver.toml, and: ca --folder /srv/inperson config check")]
    Init(Box<homeserver::Options>),
    /// Check the settings, or show a sample of them
    #[command(subcommand, after_help = "Example:\n  ca config sample\n  ca --folder /srv/inperson config check")]
    Config(config::Config),
    /// Look after the database
    #[command(subcommand, after_help = "Example:\n  ca --folder /srv/inperson db stats")]
    Db(database::Db),
    /// Make a backup of everything, also while the authority runs
    ///
    /// Database, keys, policies, revocation lists, the audit trail, and the logs, into a new folder that appears when it is
    /// whole. Sealed keys stay sealed; those in clear are named, so keep the backup as safe as the folder.
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson backup /media/backup/$(date +%F)\n\n\
        sha256sum -c SHA256SUMS in it checks it at any time.")]
    Backup {
        /// The new folder
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Put a backup into an empty folder, and catch up with what was logged since
    ///
    /// Nothing is signed before it is certain how far the log got. Witnesses elsewhere are asked, what is missing comes
    /// from mirrors. Where that cannot be had, --new-log gives the old log up.
    #[command(after_help = copies::RESTORE)]
    Restore(copies::Restore),
    /// List certificates, the newest first
    #[command(after_help = "Examples:\n  \
        ca --folder /srv/inperson list alice@example.org\n  \
        ca --folder /srv/inperson list --limit 1000 --json")]
    List(List),
    /// Revoke a certificate
    ///
    /// The running authority takes it up within a second, and shows it on its revocation list at once; one that is
    /// stopped does so when it starts.
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson revoke 5f2e0c71a94b3d8806e1f7c2b5a3904d --reason key-compromise\n\n\
        The serial number is what ca list and certtool inspect show.")]
    Revoke(Revoke),
    /// Count what the database holds
    #[command(after_help = "Example:\n  ca --folder /srv/inperson stats --json")]
    Stats,
    /// Check the audit trail
    #[command(subcommand, after_help = "Example:\n  ca --folder /srv/inperson audit verify")]
    Audit(Audit),
    /// Make the key that signs mails (DKIM), if there is none, and show the record to publish
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson dkim --selector 2026 --domain example.org\n\n\
        Then publish the record, and write the selector into [enrolment.dkim] of homeserver.toml.")]
    Dkim(Dkim),
    /// Hold the label key of a log in a process of its own, which the authority asks over a socket
    ///
    /// Runs until Ctrl-C or SIGTERM, or until the log is over and its key is destroyed. The authority finds it by the file
    /// keys/vrf.signer, which holds the socket's path, in place of keys/vrf.key.pem.
    #[command(after_help = "Example:\n  \
        ca vrf-signer --key /srv/vrf/vrf.key.pem --socket /run/inperson-vrf/socket --log ca.example.org:8443/log/2026\n\n\
        Exit codes: 0 stopped as asked, or the key is destroyed; 1 failed, 2 wrong usage.")]
    VrfSigner(signer::VrfSigner),
    /// Make the root, on a machine of its own
    #[command(
        subcommand,
        after_help = "Example:\n  ca root init --keys /media/vault --name \"Example\" --passphrase ask"
    )]
    Root(ceremony::Root),
    /// Request, sign and install issuing certificates
    #[command(
        subcommand,
        after_help = "Example, the second on the root's machine:\n  \
        ca --folder /srv/inperson issuing request people\n  \
        ca issuing sign people-2.requested.csr.pem --keys /media/vault --out people-2.chain.pem\n  \
        ca --folder /srv/inperson issuing install people-2.chain.pem"
    )]
    Issuing(ceremony::Issuing),
    /// List keys, and put them under a passphrase
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        ca --folder /srv/inperson keys list\n  \
        ca --folder /srv/inperson keys seal --passphrase file:/etc/inperson/passphrase"
    )]
    Keys(keys::Keys),
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Check that every record is chained to the one before
    ///
    /// And that the heads which were put into the transparency log are those of the records before them. Compare the
    /// newest with the log: certtool audit, then the object of kind 0x13 at the index told here.
    #[command(after_help = "Example:\n  ca --folder /srv/inperson audit verify --json")]
    Verify,
}

#[derive(Debug, Args)]
struct Dkim {
    /// The name of the key in the domain name system: letters, digits and hyphens, a new one for each key
    #[arg(long, value_name = "NAME", value_parser = selector)]
    selector: String,
    /// The domain of the sender of mails: what stands after the @ of --mail-from
    #[arg(long, value_name = "DOMAIN")]
    domain: String,
}

fn selector(text: &str) -> Result<String, String> {
    ca::config::check_selector(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
struct List {
    /// Whose: an address in any spelling, or the beginning of a serial number; without it, everybody's
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Its serial number, 32 hexadecimal digits
    #[arg(value_name = "SERIAL")]
    serial: Serial,
    /// Why: unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: u8,
}

fn reason(text: &str) -> Result<u8, String> {
    let known = OPERATOR_REASONS.iter().find(|(_, name)| *name == text).map(|(code, _)| *code);
    known.ok_or_else(|| format!("expected one of {}", OPERATOR_REASONS.map(|(_, name)| name).join(", ")))
}

fn main() -> ExitCode {
    let arguments: Arguments = command_line::arguments();
    let (folder, json) = (&arguments.folder, arguments.json);
    let done = match &arguments.command {
        Command::Init(options) => config::init(options, folder, json),
        Command::Config(what) => config::run(what, folder, json),
        Command::Db(what) => database::run(what, folder, json),
        Command::Backup { to } => copies::backup(folder, to, json),
        Command::Restore(what) => copies::restore(what, folder, json),
        Command::List(list) => run_list(folder, list, json),
        Command::Revoke(revoke) => run_revoke(folder, revoke, json),
        Command::Stats => run_stats(folder, json),
        Command::Audit(Audit::Verify) => run_audit(folder, json),
        Command::Dkim(dkim) => run_dkim(folder, dkim, json),
        Command::VrfSigner(signer) => signer::run(signer, json),
        Command::Root(root) => ceremony::root(root, folder, json),
        Command::Issuing(issuing) => ceremony::issuing(issuing, folder, json),
        Command::Keys(command) => keys::run(command, folder, json),
    };
    let exit = match done {
        Ok(()) => 0,
        Err(failure) => {
            match &arguments.command {
                Command::VrfSigner(_) => failure.tell_of_server("ca", json),
                _ => failure.tell("ca", json),
            }
            failure.exit
        }
    };
    command_line::ended("ca", exit)
}

fn run_list(folder: &Path, list: &List, json: bool) -> Result<(), Failure> {
    let book = open(folder)?;
    let found = match list.what.as_deref() {
        None => book.newest(list.limit),
        Some(what) => match Identifier::parse(what) {
            Ok(identifier) => book.of(&identifier, list.limit),
            Err(_) if is_hexadecimal(what) => book.beginning_with(what, list.limit),
            Err(error) => {
                let what = format!("{what:?} is neither an address ({error}) nor the beginning of a serial number");
                return Err(Failure::new(2, what, "ca list alice@example.org, or ca list 5f2e"));
            }
        },
    };
    let (now, found) = (UnixTime::now().as_secs(), found.map_err(failed)?);
    if let (Some(what), true) = (&list.what, found.is_empty()) {
        return Err(Failure::new(3, format!("there is no certificate of {what} here"), "ca list shows the newest"));
    }
    for record in found {
        let shown = shown(&record, now);
        if json {
            say!("{shown}");
        } else {
            let text = |member: &str| shown[member].as_str().unwrap_or_default().to_owned();
            say!(
                "{}  {:9}  {}  {:7}  {}",
                text("serial"),
                text("state"),
                text("not_after"),
                text("profile"),
                text("name")
            );
        }
    }
    Ok(())
}

fn is_hexadecimal(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn shown(record: &CertificateRecord, now: u64) -> Value {
    let name = match &record.subject {
        Subject::Person { identifier, .. } => identifier.as_str(),
        Subject::Service { name } => name,
    };
    json!({
        "serial": record.serial.to_string(),
        "name": name,
        "profile": record.profile,
        "state": state(record, now),
        "not_before": time(record.not_before),
        "not_after": time(record.not_after),
        "index": record.index(),
        "account": record.account,
        "revoked": record.revoked.map(|revoked| json!({"at": time(revoked.at), "reason": reason_name(revoked.reason)})),
    })
}

fn state(record: &CertificateRecord, now: u64) -> &'static str {
    match record.state {
        _ if record.revoked.is_some() => "revoked",
        CertificateState::Issued { .. } if record.not_after < now => "expired",
        CertificateState::Issued { .. } => "valid",
        CertificateState::Planned | CertificateState::Logged { .. } => "under way",
        CertificateState::Abandoned { .. } => "abandoned",
        CertificateState::Erased { .. } => "expired",
    }
}

fn reason_name(code: u8) -> &'static str {
    OPERATOR_REASONS.iter().find(|(known, _)| *known == code).map_or("unknown", |(_, name)| name)
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn run_revoke(folder: &Path, revoke: &Revoke, json: bool) -> Result<(), Failure> {
    let book = open(folder)?;
    let found = book.certificate(revoke.serial).map_err(failed)?;
    let Some(issued) = found.filter(|record| matches!(record.state, CertificateState::Issued { .. })) else {
        let what = format!("no certificate with the serial number {} was issued here", revoke.serial);
        return Err(Failure::new(3, what, "ca list shows the numbers"));
    };
    if let Some(before) = issued.revoked
        && !before.may_become(revoke.reason)
    {
        let what = format!("it was revoked before, for the reason {}", reason_name(before.reason));
        return Err(Failure::new(1, what, "that a key is compromised is the one reason that it can be given later"));
    }
    let wish = wish_revocation(folder, revoke.serial, revoke.reason)
        .map_err(|error| Failure::new(1, error, "run this as the account that runs the authority"))?;
    let until = Instant::now() + PATIENCE;
    while !wish.is_taken() && Instant::now() < until {
        std::thread::sleep(GLANCE);
    }
    if wish.is_refused() {
        return Err(Failure::new(1, "the authority could not revoke it", "the authority's log says why"));
    }
    let (done, words) = match wish.is_taken() {
        true => ("revoked", "Revoked; the authority's list says so now."),
        false => ("wished", "Written down: no authority runs in this folder; it is revoked when one starts."),
    };
    if json {
        say!("{}", json!({"done": done, "serial": revoke.serial.to_string(), "reason": reason_name(revoke.reason)}));
    } else {
        say!("{words}");
    }
    Ok(())
}

fn run_stats(folder: &Path, json: bool) -> Result<(), Failure> {
    let stats = open(folder)?.stats(UnixTime::now().as_secs()).map_err(failed)?;
    if json {
        say!("{}", json!(stats));
        return Ok(());
    }
    say!("accounts        {}", stats.accounts);
    say!("orders          {} not forgotten yet", stats.orders);
    say!("authorizations  {} not forgotten yet", stats.authorizations);
    say!("certificates    {} issued, {} of them count now", stats.issued, stats.current);
    say!(
        "                {} revoked, {} under way, {} abandoned, {} erased",
        stats.revoked,
        stats.unfinished,
        stats.abandoned,
        stats.erased
    );
    say!("database        {} bytes", stats.bytes);
    Ok(())
}

fn run_dkim(folder: &Path, dkim: &Dkim, json: bool) -> Result<(), Failure> {
    let record = ca::new_dkim_key(folder)
        .map_err(|error| Failure::new(1, error, "run this as the account that runs the authority"))?;
    let name = format!("{}._domainkey.{}.", dkim.selector, dkim.domain.trim_end_matches('.'));
    let done = if record.new { "made" } else { "there already" };
    if json {
        say!("{}", json!({"done": done, "name": name, "type": "TXT", "value": record.value}));
        return Ok(());
    }
    say!("The key: {done} ({}).", folder.join("keys/dkim.key.pem").display());
    say!("Publish this record:\n");
    // A string of a TXT record has at most 255 bytes (RFC 1035 section 3.3.14); several are joined.
    let strings: Vec<_> = record.value.as_bytes().chunks(250).map(|part| String::from_utf8_lossy(part)).collect();
    say!("{name} 3600 IN TXT ( \"{}\" )", strings.join("\"\n    \""));
    Ok(())
}

fn run_audit(folder: &Path, json: bool) -> Result<(), Failure> {
    let path = folder.join(trail::FILE);
    let found = trail::verify(&path).map_err(|error| match &error {
        TrailError::Io { .. } => Failure::new(1, error, "name the authority's folder with --folder DIR"),
        TrailError::Broken { .. } => Failure::new(
            3,
            error,
            "somebody changed it, or the disk did: keep the file as it is and compare it with a backup or a shipped copy",
        ),
    })?;
    if json {
        say!("{}", json!(found));
        return Ok(());
    }
    say!("The chain holds: {} records.", found.records);
    if let Some((begin, end)) = found.span {
        say!("from   {}\nto     {}", time(begin), time(end));
    }
    say!("trail  {}\nhead   {}", found.trail, found.head);
    match found.logged.last() {
        Some((count, index)) => {
            say!("logged the head after record {count}, as entry {index} of the transparency log");
        }
        None => say!("logged no head yet"),
    }
    for (what, count) in &found.counts {
        say!("{count:8} {what}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<super::Arguments>(), Vec::<String>::new());
    }
}
