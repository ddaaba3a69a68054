//! The disk of an authority whose log is elsewhere is lost: an old backup goes on once it is certain how far the log got, which
//! has lost nothing; no slot is used twice, and no revocation forgotten.

use std::path::{Path, PathBuf};

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};
use story::{guard, ports};

use super::{Log, SOON, homeserver, settings, transparency_log};

fn ca(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = guard::command("ca").unwrap();
    command.arg("--json").arg("--folder").arg(folder).args(arguments);
    process::run("ca", command, SOON).unwrap()
}

/// The newest certificate of this address, revoked.
fn revoke(folder: &Path, address: &str) -> String {
    let listed = ca(folder, &["list", address, "--limit", "1"]).expect(0, "list").unwrap().json().unwrap();
    let serial = listed["serial"].as_str().unwrap().to_owned();
    ca(folder, &["revoke", &serial, "--reason", "superseded"]).expect(0, "revoke").unwrap();
    serial
}

/// A log elsewhere, which has shown its policy.
struct Elsewhere {
    config: PathBuf,
    settings: String,
    policy: String,
    submission: String,
}

impl Elsewhere {
    fn made(place: &Path, domain: &str) -> Self {
        let (port, submission) = (ports::own().unwrap(), ports::own().unwrap());
        let config = place.join(domain).with_added_extension("toml");
        let settings =
            settings(&place.join(domain), port, submission, "").replace("log.example.org/", &format!("{domain}/"));
        std::fs::write(&config, &settings).unwrap();
        let shown =
            transparency_log(&["serve", "--config", &text(&config), "--show-policy"]).expect(0, "policy").unwrap();
        let policy = place.join(domain).with_added_extension("policy");
        std::fs::write(&policy, &shown.stdout).unwrap();
        Self { config, settings, policy: text(&policy), submission: format!("https://127.0.0.1:{submission}") }
    }

    /// What an authority that begins with it is started with.
    fn options<'a>(&'a self, command: &'a str, folder: &'a Path) -> Vec<&'a str> {
        let folder = folder.to_str().unwrap();
        let begin = [command, "--folder", folder, "--https-port", "0", "--directory-port", "0"];
        [&begin[..], &["--log-policy", &self.policy, "--log-submission", &self.submission]].concat()
    }

    /// Its operator adds what the authority's has sent.
    fn takes_entries_of(&self, introduced: &str) -> PathBuf {
        std::fs::write(&self.config, format!("{}{introduced}", self.settings)).unwrap();
        self.config.clone()
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_old_backup_catches_up_with_a_log_that_is_elsewhere() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (folder, backup) = (at("ca"), at("backup"));
    let elsewhere = Elsewhere::made(place.path(), "log.example.org");
    let introduced = homeserver(&elsewhere.options("introduce", &folder)).expect(0, "introduce").unwrap();
    let config = elsewhere.takes_entries_of(&introduced.stdout);
    let log = Log::start(&config);

    // A backup; then life goes on, and the machine of the authority burns down.
    let server = Homeserver::start(&folder, &[]).unwrap();
    let person = |name: &str| Person::new(place.path(), name);
    let [alice, bob, carol] = ["alice@example.org", "bob@example.org", "carol@example.org"].map(person);
    alice.join(server.ready(), &server.outbox()).unwrap();
    ca(&folder, &["backup", &text(&backup)]).expect(0, "backup").unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();
    let [revoked, _] = [alice.address(), bob.address()].map(|address| revoke(&folder, address));
    bob.enroll_anew(&server.outbox()).unwrap().expect(0, "bob's second").unwrap();
    let fingerprint = server.ready().fingerprint.clone();
    server.kill();
    std::fs::rename(&folder, at("lost")).unwrap();

    // As long as the log does not answer, nothing starts.
    log.kill();
    let silent = ca(&folder, &["restore", &text(&backup)]).expect(4, "without the log").unwrap();
    assert!(silent.text().contains("may have had more"), "{}", silent.text());
    let up = Homeserver::refused(&folder, &[]).unwrap();
    assert!(up.code == 1 && up.text().contains("not certain yet"), "{}", up.text());
    // It does again, and has its tree cosigned anew: nobody knows more.
    let mut log = Log::start(&config);
    let caught = process::await_sight("the log's word that there is no more", SOON, || {
        let again = ca(&folder, &["restore", "--again"]);
        if again.code == 0 {
            return Some(again.json().unwrap());
        }
        assert_eq!(again.code, 4, "{}", again.text());
        log.running.kill();
        log = Log::start(&config);
        None
    });
    let caught = caught.unwrap();
    let (standing, books) = (&caught["logs"][0], &caught["books"]);
    assert!(standing["certain"] == true && standing["size"].as_u64() > standing["backup"].as_u64(), "{caught}");
    assert_eq!((books["revoked"].as_u64(), books["carried"].as_u64()), (Some(1), Some(1)), "{caught}");
    assert_eq!(books["taken"].as_u64(), Some(2), "bob's two: {caught}");
    assert!(!folder.join("log-elsewhere").exists());

    // The same server goes on, in the same log: one history, in which no label stands twice.
    let server = Homeserver::start(&folder, &[]).unwrap();
    assert_eq!(server.ready().fingerprint, fingerprint);
    let listed = ca(&folder, &["list", alice.address(), "--limit", "1"]).expect(0, "list").unwrap().json().unwrap();
    assert_eq!((listed["serial"].as_str(), listed["state"].as_str()), (Some(&*revoked), Some("revoked")));
    carol.join(server.ready(), &server.outbox()).unwrap();
    bob.enroll_anew(&server.outbox()).unwrap().expect(0, "bob anew").unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit of one history").unwrap();
    ca(&folder, &["audit", "verify"]).expect(0, "audit trail").unwrap();
    server.stop().unwrap();
    drop(log);
}

/// The log is gone with its operator. Another one begins, which somebody else runs, and people pin anew.
#[test]
fn a_log_elsewhere_that_is_gone_is_given_up_for_another_one() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (folder, backup) = (at("ca"), at("backup"));
    let first = Elsewhere::made(place.path(), "log.example.org");
    let introduced = homeserver(&first.options("introduce", &folder)).expect(0, "introduce").unwrap();
    let log = Log::start(&first.takes_entries_of(&introduced.stdout));
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    ca(&folder, &["backup", &text(&backup)]).expect(0, "backup").unwrap();
    let old = server.ready().fingerprint.clone();
    server.kill();
    log.kill();
    std::fs::rename(&folder, at("lost")).unwrap();
    ca(&folder, &["restore", &text(&backup)]).expect(4, "without the log").unwrap();

    // In this server there is none to begin, nor is the same one another.
    let new = ["restore", "--again", "--new-log", "again", "--without-lists"];
    let alone = ca(&folder, &new).expect(1, "no log").unwrap();
    assert!(alone.text().contains("--log-policy"), "{}", alone.text());
    let with = |log: &Elsewhere| {
        let more = ["--log-policy", &log.policy, "--log-submission", &log.submission];
        ca(&folder, &[&new[..], &more].concat())
    };
    let same = with(&first).expect(1, "the same log").unwrap();
    assert!(same.text().contains("another log"), "{}", same.text());
    let second = Elsewhere::made(place.path(), "log.example.net");
    let begun = with(&second).expect(0, "another log").unwrap().json().unwrap();
    assert_eq!(begun["origin"], "log.example.net/2026", "{begun}");
    assert_eq!(begun["given_up"], serde_json::json!(["log.example.org/2026"]));
    let fingerprint = begun["fingerprint"].as_str().unwrap();

    // The new log's operator is told of the authority, as at first; then it goes on.
    let introduced = homeserver(&["introduce", "--folder", &text(&folder)]).expect(0, "introduce").unwrap();
    let log = Log::start(&second.takes_entries_of(&introduced.stdout));
    let server = Homeserver::start(&folder, &[]).unwrap();
    assert_eq!(server.ready().fingerprint, fingerprint);
    let pinned = alice.certtool(&["trust", "add", &server.ready().policy, "--fingerprint", fingerprint]).unwrap();
    pinned.expect(0, "the new fingerprint").unwrap();
    alice.certtool(&["trust", "remove", &old]).unwrap().expect(0, "the old fingerprint").unwrap();
    alice.enroll_anew(&server.outbox()).unwrap().expect(0, "alice anew").unwrap();
    let chain = text(&alice.device().join("chain.pem"));
    alice.certtool(&["verify", &chain]).unwrap().expect(0, "in the new log").unwrap();
    let inspected = alice.certtool(&["inspect", &chain]).unwrap().text();
    assert!(inspected.contains("log.example.net/2026"), "{inspected}");
    server.stop().unwrap();

    // A backup of it is one like any other, of the log that it has by now.
    ca(&folder, &["backup", &text(&at("second-backup"))]).expect(0, "backup").unwrap();
    assert!(at("second-backup/shards/again/vrf.key.pem").exists());
    let server = Homeserver::start(&folder, &[]).unwrap();
    server.stop().unwrap();
    drop(log);
}
