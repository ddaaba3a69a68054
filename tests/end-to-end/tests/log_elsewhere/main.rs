//! An authority and its log as two processes: enrolment through the log, the log killed, nothing issued without proof.

#![allow(clippy::unwrap_used)]

mod restore;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished, Running};
use story::{guard, ports};
use tlog_proof::{KeyKind, UnverifiedCheckpoint, VerifierKey};

const SOON: Duration = Duration::from_secs(60);

/// A log as a process, with settings of its own.
struct Log {
    settings: PathBuf,
    running: Running,
    ready: Value,
}

/// Settings of a log that knows no authority yet, at these ports; `more` stands among the first.
fn settings(folder: &Path, port: u16, submission: u16, more: &str) -> String {
    format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:{port}\"\nfolder = {folder:?}\n\
         own_witness = \"log.example.org/witness\"\n{more}\n[port]\nlisten = \"127.0.0.1:{port}\"\n\n\
         [submission]\nlisten = \"127.0.0.1:{submission}\"\n"
    )
}

fn transparency_log(arguments: &[&str]) -> Finished {
    let mut command = guard::command("transparency-log").unwrap();
    command.args(arguments);
    process::run("transparency-log", command, SOON).unwrap()
}

impl Log {
    fn start(settings: &Path) -> Self {
        Self::start_as("serve", settings)
    }

    /// Another part of a log: a mirror.
    fn start_as(part: &str, settings: &Path) -> Self {
        let mut command = guard::command("transparency-log").unwrap();
        command.args([part, "--json", "--config"]).arg(settings);
        let words = process::sink(&settings.with_extension("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);
        let mut running = Running::start("log", command).unwrap();
        let line = running.first_line(SOON).unwrap();
        let said = || std::fs::read_to_string(settings.with_extension("log")).unwrap_or_default();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the log has not started: {}", said()));
        Self { settings: settings.to_owned(), running, ready }
    }

    /// SIGKILL.
    fn kill(mut self) -> PathBuf {
        self.running.kill();
        self.settings
    }
}

fn homeserver(arguments: &[&str]) -> Finished {
    process::run_program("homeserver", arguments, SOON).unwrap()
}

fn stats(server: &Homeserver) -> (u64, u64) {
    let mut command = guard::command("ca").unwrap();
    command.arg("--json").arg("--folder").arg(server.folder()).arg("stats");
    let done = process::run("ca", command, SOON).unwrap().expect(0, "ca stats").unwrap();
    let stats: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    (stats["issued"].as_u64().unwrap(), stats["unfinished"].as_u64().unwrap())
}

#[test]
fn certificates_come_through_a_log_elsewhere_and_none_without_it() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (port, submission) = (ports::own().unwrap(), ports::own().unwrap());
    let config = at("serve.toml");
    std::fs::write(&config, settings(&at("log"), port, submission, "")).unwrap();

    // A mirror is asked to copy the log, and everybody will demand its cosignature beside the log's own witness.
    let key = |part: &str, config: &Path| {
        let shown = transparency_log(&[part, "--config", &text(config), "--show-key"]).expect(0, "show-key").unwrap();
        shown.stdout.trim().to_owned()
    };
    let (mirror_config, mirror_port) = (at("mirror.toml"), ports::own().unwrap());
    let mirror_settings = format!(
        "name = \"mirror.example.com/m1\"\nfolder = {:?}\n[port]\nlisten = \"127.0.0.1:{mirror_port}\"\n\
         requests_per_second = 100\nburst = 1000\n[[log]]\nkey = {:?}\n",
        at("mirror"),
        key("serve", &config)
    );
    std::fs::write(&mirror_config, mirror_settings).unwrap();
    let mirror = Log::start_as("mirror", &mirror_config);
    let demand = format!(
        "mirrors = [\"m1\"]\npolicy = \"\"\"\nwitness m1 {} http://127.0.0.1:{mirror_port}\n\
         group both all own m1\nquorum both\n\"\"\"\n",
        key("mirror", &mirror_config)
    );
    std::fs::write(&config, settings(&at("log"), port, submission, &demand)).unwrap();

    // The log's operator says which policy the log keeps; the authority's says who it is; the log learns of it.
    let policy = transparency_log(&["serve", "--config", &text(&config), "--show-policy"]).expect(0, "policy").unwrap();
    assert!(policy.stdout.contains("quorum both"), "{}", policy.stdout);
    std::fs::write(at("log-policy"), &policy.stdout).unwrap();
    let folder = text(&at("ca"));
    let (policy, at_log) = (text(&at("log-policy")), format!("https://127.0.0.1:{submission}"));
    let options = ["--folder", &folder, "--https-port", "0", "--directory-port", "0", "--log-policy", &policy];
    let options = [&options[..], &["--log-submission", &at_log]].concat();
    let introduced = homeserver(&[&["introduce"], &options[..]].concat()).expect(0, "introduce").unwrap();
    let with_authority = format!("{}{}", settings(&at("log"), port, submission, &demand), introduced.stdout);
    std::fs::write(&config, with_authority).unwrap();
    let log = Log::start(&config);
    assert_eq!(log.ready["authority"], "localhost");

    let server = Homeserver::start(&at("ca"), &[]).unwrap();
    assert_eq!(server.ready().log, format!("http://127.0.0.1:{port}"));
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let verified = alice.certtool_json(&["verify", &text(&alice.device().join("chain.pem"))]).unwrap();
    assert_eq!(verified["verified"], true, "{verified}");
    let before = stats(&server);
    assert_eq!(before.1, 0);

    // The log's own witness cosigns with both its keys; the policy that people pin has the one that certificates carry.
    let keys = log.ready["witness"].as_array().unwrap();
    let keys: Vec<_> = keys.iter().map(|key| VerifierKey::parse(key.as_str().unwrap()).unwrap()).collect();
    assert_eq!(keys.iter().map(VerifierKey::kind).collect::<Vec<_>>(), [KeyKind::CosignatureV1, KeyKind::SubtreeV1]);
    let published = std::fs::read_to_string(at("log").join("log/checkpoint")).unwrap();
    let published = UnverifiedCheckpoint::parse(published).unwrap();
    assert!(keys.iter().all(|key| published.verify_cosignature(key).is_ok()), "{published:?}");
    let pinned = log.ready["policy"].as_str().unwrap();
    assert!(pinned.contains(&keys[0].to_string()) && !pinned.contains(&keys[1].to_string()), "{pinned}");

    // The log dies. Bob proves his address; his certificate is planned, and not signed.
    let config = log.kill();
    bob.trust(server.ready()).unwrap();
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    let code = server.outbox().await_mail(bob.address(), 0, SOON).unwrap().code().unwrap();
    enrolment.type_line(&code);
    process::await_sight("a planned certificate", SOON, || (stats(&server).1 == 1).then_some(())).unwrap();
    assert_eq!(stats(&server).0, before.0, "nothing is issued without proof");
    assert!(!bob.device().join("chain.pem").exists());

    // It comes back, and goes on where it was: the waiting certificate is logged once and issued.
    let log = Log::start(&config);
    enrolment.finish(SOON).unwrap().expect(0, "certtool enroll").unwrap();
    process::await_sight("Bob's certificate", SOON, || (stats(&server) == (before.0 + 1, 0)).then_some(())).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "certtool audit").unwrap();

    // Whoever reads the mirror sees the same log, cosigned by the mirror.
    let copy = mirror.ready["logs"][0]["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let copy = std::fs::read_to_string(at("mirror").join("copies").join(copy).join("checkpoint")).unwrap();
    assert!(copy.contains("\n— mirror.example.com/m1 "), "{copy}");
    let size: u64 = copy.lines().nth(1).unwrap().parse().unwrap();
    assert!(size >= stats(&server).0, "{size} entries");

    // Without the mirror the log gathers no quorum, so that nothing is issued; with it everything goes on.
    let mirror_config = mirror.kill();
    let dave = Person::new(place.path(), "dave@example.org");
    dave.trust(server.ready()).unwrap();
    let mut enrolment = dave.begin_enrolment(&[]).unwrap();
    let code = server.outbox().await_mail(dave.address(), 0, SOON).unwrap().code().unwrap();
    enrolment.type_line(&code);
    process::await_sight("a planned certificate", SOON, || (stats(&server).1 == 1).then_some(())).unwrap();
    let mirror = Log::start_as("mirror", &mirror_config);
    enrolment.finish(SOON).unwrap().expect(0, "certtool enroll").unwrap();

    // The authority dies, too, and comes back with the certificate it has.
    server.kill();
    let server = Homeserver::start(&at("ca"), &[]).unwrap();
    let carol = Person::new(place.path(), "carol@example.org");
    carol.join(server.ready(), &server.outbox()).unwrap();
    drop((log, mirror));
}

#[test]
fn a_log_that_does_not_know_the_authority_is_told_of_by_name() {
    let place = tempfile::tempdir().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let config = place.path().join("serve.toml");
    std::fs::write(&config, settings(&place.path().join("log"), 1, 2, "")).unwrap();
    let nobody = transparency_log(&["serve", "--config", &text(&config)]);
    assert_eq!(nobody.code, 2, "{}", nobody.text());
    assert!(nobody.stderr.contains("[[authority]]") && nobody.stderr.contains("introduce"), "{}", nobody.text());

    let own = homeserver(&["introduce", "--folder", &text(&place.path().join("own")), "--https-port", "0"]);
    assert_eq!(own.code, 2, "{}", own.text());
    let policy = place.path().join("policy");
    std::fs::write(&policy, "quorum none\n").unwrap();
    let folder = text(&place.path().join("ca"));
    let refused = homeserver(&["introduce", "--folder", &folder, "--log-policy", &text(&policy)]);
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.stderr.contains("--log-submission"), "{}", refused.text());
}
