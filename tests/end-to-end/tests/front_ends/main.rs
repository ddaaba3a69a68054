//! Three front ends of one authority on one PostgreSQL database, behind one address, with their log in a process of its own:
//! people enrol through all of them, one is killed in the middle, and nothing is lost or issued twice.
//!
//! Needs PostgreSQL (Debian: postgresql); says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

mod balancer;
mod crash;
// The same server that the store's own tests run on.
#[path = "../../../../ca/src/testing/postgres.rs"]
mod postgres;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use story::crash::{issued, stats};
use story::homeserver::{Homeserver, Ready};
use story::mail::Maildir;
use story::person::Person;
use story::process::{self, Finished, Running};
use story::{guard, ports};

use balancer::Balancer;
use postgres::Postgres;

const SOON: Duration = Duration::from_secs(180);
const FRONTS: usize = 3;
/// How many people enrol, and how many at a time.
const PEOPLE: usize = 18;
const AT_A_TIME: usize = 4;
/// After so many one front end is killed.
const KILLED_AFTER: usize = 3;
/// How often a person tries.
const TRIES: usize = 20;

/// A port of every front end's address, and of the one that people know.
fn port_of_all() -> u16 {
    let held =
        |port: u16| (2..=u8::try_from(FRONTS).unwrap() + 1).all(|n| ports::hold((address(n), port).into()).is_ok());
    std::iter::repeat_with(|| ports::own().unwrap()).find(|port| held(*port)).unwrap()
}

/// Front ends listen behind the first.
fn address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, n)
}

fn run(program: &str, arguments: &[&str]) -> Finished {
    process::run_program(program, arguments, SOON).unwrap()
}

/// The log that they all submit to.
fn log(place: &Path, settings: &str) -> Running {
    let config = place.join("log.toml");
    std::fs::write(&config, settings).unwrap();
    let mut command = guard::command("transparency-log").unwrap();
    command.args(["serve", "--json", "--config"]).arg(&config);
    let words = process::sink(&place.join("log.words")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);
    let mut running = Running::start("log", command).unwrap();
    let line = running.first_line(SOON).unwrap();
    assert!(line.contains("ready"), "{line}: {}", std::fs::read_to_string(place.join("log.words")).unwrap());
    running
}

/// What a further front end is given of the first one's folder.
fn copy(from: &Path, to: &Path, listen: Ipv4Addr) {
    std::fs::create_dir_all(to.join("keys")).unwrap();
    for file in std::fs::read_dir(from.join("keys")).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_str().unwrap().starts_with("witness") {
            std::fs::copy(file.path(), to.join("keys").join(file.file_name())).unwrap();
        }
    }
    std::fs::copy(from.join("policy.json"), to.join("policy.json")).unwrap();
    let settings = std::fs::read_to_string(from.join("homeserver.toml")).unwrap();
    let settings = settings.replace("listen = \"127.0.0.2\"", &format!("listen = \"{listen}\""));
    std::fs::write(to.join("homeserver.toml"), settings).unwrap();
    for private in ["", "keys"] {
        std::fs::set_permissions(to.join(private), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    std::fs::set_permissions(to.join("homeserver.toml"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The first front end's folder, with the log that knows it; nothing runs on it yet.
fn founded(place: &Path, database: &str, port: u16) -> (PathBuf, Running) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (log_port, submission) = (ports::own().unwrap(), ports::own().unwrap());
    let log_settings = format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:{log_port}\"\nfolder = {:?}\n\
         own_witness = \"log.example.org/witness\"\n[port]\nlisten = \"127.0.0.1:{log_port}\"\n\
         requests_per_second = 1000\nburst = 1000\n\n[submission]\nlisten = \"127.0.0.1:{submission}\"\n",
        place.join("log")
    );
    let config = place.join("log.toml");
    std::fs::write(&config, &log_settings).unwrap();
    let policy = run("transparency-log", &["serve", "--config", &text(&config), "--show-policy"]);
    std::fs::write(place.join("log-policy"), policy.expect(0, "policy").unwrap().stdout).unwrap();
    let (folder, port) = (place.join("front-0"), port.to_string());
    let (policy, at) = (text(&place.join("log-policy")), format!("https://127.0.0.1:{submission}"));
    let introduced = run(
        "homeserver",
        &[
            "introduce",
            "--folder",
            &text(&folder),
            "--listen",
            "127.0.0.2",
            "--https-port",
            &port,
            "--directory-port",
            &port,
            "--log-policy",
            &policy,
            "--log-submission",
            &at,
        ],
    );
    let introduced = introduced.expect(0, "introduce").unwrap().stdout;
    let settings = std::fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    let settings = settings.replacen("domain =", &format!("database = {database:?}\ndomain ="), 1);
    let limits = "\n[enrolment.limits]\nmails_per_domain = \"1000/h\"\nmails_per_address = \"50/h\"\n";
    std::fs::write(folder.join("homeserver.toml"), settings + limits).unwrap();
    (folder, log(place, &format!("{log_settings}{introduced}")))
}

/// Enrols, however often a connection breaks: what was begun is gone on with.
fn enrol(person: &Person, ready: &Ready, outbox: &Maildir) -> Result<(), String> {
    let mut said = String::new();
    for _ in 0..TRIES {
        let tried = person.trust(ready).and_then(|_| story::crash::by_code(person, outbox));
        match tried {
            Ok(done) if done.code == 0 => return Ok(()),
            Ok(done) => said = done.text(),
            Err(error) => said = error.to_string(),
        }
    }
    Err(format!("{}: {said}", person.address()))
}

/// Front ends of one authority behind one address, with their log, on a database of their own.
struct Town {
    fronts: Vec<Homeserver>,
    balancer: Balancer,
    log: Running,
    ready: Ready,
    outbox: Maildir,
}

fn town(place: &Path, database: &str, count: usize) -> Town {
    let port = port_of_all();
    let (first, log) = founded(place, database, port);
    // Mails of all of them go through one mail server.
    let outbox = place.join("outbox");
    std::fs::create_dir(&outbox).unwrap();
    std::os::unix::fs::symlink(&outbox, first.join("outbox")).unwrap();
    // An empty database is refused, and left empty, until somebody says that it is to be this authority's.
    for _ in 0..2 {
        let refused = run("homeserver", &["up", "--folder", first.to_str().unwrap()]);
        assert!(refused.code != 0 && refused.text().contains("ca db found"), "{}", refused.text());
    }
    run("ca", &["--folder", first.to_str().unwrap(), "db", "found"]).expect(0, "ca db found").unwrap();
    let mut fronts = vec![Homeserver::start(&first, &[]).unwrap()];
    for n in 1..count {
        let folder = place.join(format!("front-{n}"));
        copy(&first, &folder, address(u8::try_from(n).unwrap() + 2));
        std::os::unix::fs::symlink(&outbox, folder.join("outbox")).unwrap();
        fronts.push(Homeserver::start(&folder, &[]).unwrap());
    }
    let behind = (0..count).map(|n| SocketAddr::from((address(u8::try_from(n).unwrap() + 2), port)));
    let balancer = Balancer::start(SocketAddr::from((address(1), port)), behind.collect());
    let (ready, outbox) = (fronts[0].ready().clone(), fronts[0].outbox());
    Town { fronts, balancer, log, ready, outbox }
}

/// All of them enrol, some at a time, while `meanwhile` sees how many have done so.
fn all_enrol(people: &[Person], ready: &Ready, outbox: &Maildir, meanwhile: impl FnOnce(&AtomicUsize)) {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Vec<String> = std::thread::scope(|scope| {
        let working: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    let mut failed = Vec::new();
                    while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                        failed.extend(enrol(person, ready, outbox).err());
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    failed
                })
            })
            .collect();
        meanwhile(&done);
        working.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn one_front_end_is_killed_under_load_and_nothing_is_lost_or_issued_twice() {
    let Some(server) = Postgres::shared() else { return };
    let place = tempfile::tempdir().unwrap();
    let Town { mut fronts, balancer, log, ready, outbox: maildir } = town(place.path(), &server.database(), FRONTS);
    let first = fronts[0].folder().to_path_buf();
    let people: Vec<_> = (0..PEOPLE).map(|n| Person::new(place.path(), &format!("person-{n}@example.org"))).collect();
    let killed = fronts.remove(1);
    let killed_folder = killed.folder().to_path_buf();
    all_enrol(&people, &ready, &maildir, |done| {
        let under_load = || (done.load(Ordering::Relaxed) >= KILLED_AFTER).then_some(());
        process::await_sight("the first to be enrolled", SOON * 3, under_load).unwrap();
        killed.kill();
    });
    assert!(balancer.used().iter().all(|connections| *connections > 0), "{:?}", balancer.used());

    // Whatever the killed one had begun, the others have finished; and everybody has one certificate.
    process::await_sight("no certificate under way", SOON, || {
        (stats(&first).unwrap()["unfinished"] == 0).then_some(())
    })
    .unwrap();
    let mut found = issued(&first).unwrap();
    found.retain(|name, _| name.contains('@'));
    assert_eq!((found.len(), found.values().sum::<usize>()), (PEOPLE, PEOPLE), "{found:?}");
    for person in [&people[0], &people[PEOPLE - 1]] {
        // Somebody else's certificate in her name would be an alarm.
        person.certtool(&["watch", "--once"]).unwrap().expect(0, "watch").unwrap();
    }
    people[0].certtool(&["audit"]).unwrap().expect(0, "audit: no label stands in the log twice").unwrap();

    // It comes back; each front end's audit trail is a chain of its own.
    // Somebody looks for a fault in it; no line of its log names anybody all the same. (What libraries would tell below INFO is
    // held back by the program, whose own tests hold that.)
    let mut talkative = Homeserver::command(&killed_folder, &[]).unwrap();
    talkative.env("RUST_LOG", "debug,tokio_postgres::query=trace");
    fronts.push(Homeserver::start_with(&killed_folder, talkative).unwrap());
    for person in &people[1..=FRONTS] {
        person.certtool(&["revoke", person.address()]).unwrap().expect(0, "revoke").unwrap();
    }
    let words = fronts[FRONTS - 1].words();
    assert!(words.contains("revoked") && !words.contains("person-"), "{words}");
    let trails = fronts.iter().map(|front| {
        let arguments = ["--json", "--folder", front.folder().to_str().unwrap(), "audit", "verify"];
        let found: Value = serde_json::from_str(&run("ca", &arguments).expect(0, "audit").unwrap().stdout).unwrap();
        found["trail"].as_str().unwrap().to_owned()
    });
    assert_eq!(trails.collect::<BTreeSet<_>>().len(), FRONTS);
    let refused = run("ca", &["--folder", first.to_str().unwrap(), "backup", place.path().join("b").to_str().unwrap()]);
    assert!(refused.code == 1 && refused.text().contains("pg_dump"), "{}", refused.text());
    for front in fronts {
        front.stop().unwrap();
    }
    drop((log, balancer));
}
