//! Logs in an object store, S3 as moto serves it in a process of its own: a home server's, and a log's that runs alone.
#![allow(clippy::unwrap_used, missing_docs)]

mod backup;
mod s3;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use s3::{KEYS, S3, write_keys};

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished, Running};
use story::{guard, ports};

const SOON: Duration = Duration::from_secs(60);

/// Settings of a server in `folder` that has never run.
fn settings(folder: &Path, store: &str) {
    let text = format!(
        "domain = \"localhost\"\nlisten = \"127.0.0.1\"\nhttps_port = 0\ndirectory_port = 0\n\
         mail_from = \"in-person@localhost\"\npermit_domains = [\"*\"]\nlog_year = 2026\n{store}"
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("homeserver.toml"), text).unwrap();
    write_keys(folder, KEYS);
}

fn refused(folder: &Path) -> Finished {
    process::run("homeserver", Homeserver::command(folder, &[]).unwrap(), SOON).unwrap()
}

/// Announces the log `next`, and waits until the running server has opened it.
fn open_next(server: &Homeserver, is_open: impl Fn() -> bool) {
    let mut command = guard::command("homeserver").unwrap();
    command.args(["shard", "prepare", "--name", "next", "--begins", "2100-01-01T00:00:00Z", "--folder"]);
    command.arg(server.folder());
    process::run("homeserver", command, SOON).unwrap().expect(0, "shard prepare").unwrap();
    process::await_sight("the next log", SOON, || is_open().then_some(())).unwrap();
}

#[test]
fn people_are_certified_by_a_log_on_s3_and_so_they_are_by_the_next_one() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    settings(&folder, &s3.table("home"));
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of a log on S3").unwrap();
    assert!(s3.holds("home/2026/checkpoint") && !folder.join("log").exists(), "nothing of the log lies in the folder");
    open_next(&server, || s3.holds("home/next/checkpoint"));
    assert!(!folder.join("shards/next/log").exists());
    // After a crash everything is where it was.
    server.kill();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let bob = Person::new(place.path(), "bob@example.org");
    bob.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["watch", alice.address(), "--once"]).unwrap().expect(0, "a clean watch").unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of logs on S3").unwrap();
    server.stop().unwrap();
    // Without its store the server does not start, and does not begin another log elsewhere.
    drop(s3);
    let said = refused(&folder).expect(1, "a start without the store").unwrap().text();
    assert!(said.contains("the logs cannot lie in the bucket logs") && said.contains("log-store-keys"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert!(!folder.join("log").exists());
    // Nor when somebody takes the table away: its witness remembers.
    let text = fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    fs::write(folder.join("homeserver.toml"), text.split("[log_store]").next().unwrap()).unwrap();
    let said = refused(&folder).expect(1, "a start on an empty folder").unwrap().text();
    assert!(said.contains("the log does not start"), "{said}");
}

#[test]
fn a_log_stays_where_it_began_and_the_next_one_begins_in_the_store() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let text = fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    fs::write(folder.join("homeserver.toml"), format!("{text}{}", s3.table("home"))).unwrap();
    let said = refused(&folder).expect(1, "a start without a key").unwrap().text();
    assert!(said.contains("expected the access key of [log_store]"), "{said}");
    write_keys(&folder, KEYS);
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    open_next(&server, || s3.holds("home/next/checkpoint"));
    let first = text.lines().find_map(|line| line.strip_prefix("log_year = ")).unwrap();
    assert!(folder.join("log/checkpoint").exists() && !s3.holds(&format!("home/{first}/checkpoint")));
    server.stop().unwrap();
}

#[test]
fn a_store_on_which_a_log_could_fork_is_refused() {
    let Some(s3) = S3::start(true) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    settings(&folder, &s3.table("home"));
    let said = refused(&folder).expect(1, "a start on a careless store").unwrap().text();
    assert!(said.contains("could fork, so it is refused") && said.contains("conditional writes"), "{said}");
    assert!(!folder.join("log").exists());
    for (keys, expected) in [("access_key_id = s3cret\n", "secret_access_key"), ("s3cret\n", "line 1")] {
        write_keys(&folder, keys);
        let said = refused(&folder).expect(1, "a start with half a key").unwrap().text();
        assert!(said.contains(expected) && !said.contains("s3cret"), "{said}");
    }
    fs::set_permissions(folder.join("log-store-keys"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(&folder).expect(1, "a start with a key that others can read").unwrap().text();
    assert!(said.contains("chmod 600"), "{said}");

    // A log that runs alone is as careful.
    let alone = place.path().join("alone");
    let serve = |arguments: &[&str]| {
        let mut command = guard::command("transparency-log").unwrap();
        command.args(["serve", "--config"]).arg(place.path().join("serve.toml")).args(arguments);
        process::run("transparency-log", command, SOON).unwrap()
    };
    let text = format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:1\"\nfolder = {alone:?}\n\
         own_witness = \"log.example.org/witness\"\n[port]\nlisten = \"127.0.0.1:0\"\n\
         [submission]\nlisten = \"127.0.0.1:0\"\n{}",
        s3.table("alone")
    );
    fs::write(place.path().join("serve.toml"), &text).unwrap();
    let policy = serve(&["--show-policy"]).expect(0, "serve --show-policy").unwrap().stdout;
    let introduced = introduce(place.path(), &policy);
    fs::write(place.path().join("serve.toml"), format!("{text}{introduced}")).unwrap();
    let said = serve(&[]).expect(1, "a start without a key").unwrap().text();
    assert!(said.contains("log-store-keys") && said.contains("mode 0600"), "{said}");
    write_keys(&alone, KEYS);
    let said = serve(&[]).expect(1, "a start on a careless store").unwrap().text();
    assert!(said.contains("could fork, so it is refused") && said.contains("take another store"), "{said}");
    assert!(!alone.join("log").exists());
}

/// An authority for a log with this policy: what goes into the log's settings.
fn introduce(place: &Path, policy: &str) -> String {
    let file = place.join("log-policy");
    fs::write(&file, policy).unwrap();
    let mut command = guard::command("homeserver").unwrap();
    command.args([
        "introduce",
        "--https-port",
        "0",
        "--directory-port",
        "0",
        "--log-submission",
        "https://127.0.0.1:1",
    ]);
    command.arg("--folder").arg(place.join("authority")).arg("--log-policy").arg(&file);
    process::run("homeserver", command, SOON).unwrap().expect(0, "introduce").unwrap().stdout
}

#[test]
fn a_store_with_an_authority_of_its_own_is_believed_by_that_alone() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    // Nobody whom the system trusts has certified this store.
    settings(&folder, &s3.table_over_tls("home", ""));
    let said = refused(&folder).expect(1, "a start on a store of a stranger").unwrap().text();
    assert!(said.contains("the logs cannot lie in the bucket logs"), "{said}");
    // Nor has the authority of somebody else.
    let text = fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    let text = text.split("[log_store]").next().unwrap().trim_end().to_owned();
    let table = s3.table_over_tls("home", "roots = \"ca.pem\"\n");
    fs::write(folder.join("homeserver.toml"), format!("{text}\n{table}")).unwrap();
    let said = refused(&folder).expect(1, "a start without the file").unwrap().text();
    assert!(said.contains("ca.pem") && said.contains("No such file"), "{said}");
    fs::write(folder.join("ca.pem"), s3.another_authority()).unwrap();
    let said = refused(&folder).expect(1, "a start with another authority").unwrap().text();
    assert!(said.contains("the logs cannot lie in the bucket logs"), "{said}");
    fs::write(folder.join("ca.pem"), s3.authority()).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of a log on S3").unwrap();
    assert!(s3.holds("home/2026/checkpoint"));
    server.stop().unwrap();
}

#[test]
fn a_log_that_runs_alone_takes_entries_into_its_store() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let alone = place.path().join("alone");
    let config = place.path().join("serve.toml");
    let command = |arguments: &[&str]| {
        let mut command = guard::command("transparency-log").unwrap();
        command.args(["serve", "--json", "--config"]).arg(&config).args(arguments);
        command
    };
    let (public, submission) = (ports::own().unwrap(), ports::own().unwrap());
    let text = format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:{public}\"\nfolder = {alone:?}\n\
         own_witness = \"log.example.org/witness\"\n[port]\nlisten = \"127.0.0.1:{public}\"\n\
         [submission]\nlisten = \"127.0.0.1:{submission}\"\n{}",
        s3.table("alone/2026")
    );
    fs::write(&config, &text).unwrap();
    let policy = process::run("transparency-log", command(&["--show-policy"]), SOON).unwrap().stdout;
    let introduced = introduce(place.path(), &policy);
    fs::write(&config, format!("{text}{introduced}")).unwrap();
    write_keys(&alone, KEYS);
    let mut serve = command(&[]);
    serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.path().join("words")).unwrap());
    let mut log = Running::start("transparency-log", serve).unwrap();
    let line = log.first_line(SOON).unwrap();
    assert!(line.contains("\"ready\":true"), "{line}{}", fs::read_to_string(place.path().join("words")).unwrap());
    let at = format!("https://127.0.0.1:{submission}");
    let server = Homeserver::start(&place.path().join("authority"), &["--log-submission", &at]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of a log on S3").unwrap();
    assert!(s3.holds("alone/2026/checkpoint") && !alone.join("log").exists());
    server.stop().unwrap();
    log.kill();
}
