//! A home server and a mirror that somebody else runs: brought every entry, killed in between, and then demanded.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished, Running};
use story::{guard, ports};

const SOON: Duration = Duration::from_secs(60);

struct Mirror {
    running: Running,
    checkpoint: PathBuf,
}

impl Mirror {
    fn start(place: &Path) -> Self {
        let mut command = guard::command("transparency-log").unwrap();
        command.args(["mirror", "--json", "--config"]).arg(place.join("mirror.toml"));
        let words = process::sink(&place.join("mirror.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);
        let mut running = Running::start("mirror", command).unwrap();
        let ready: Value = serde_json::from_str(&running.first_line(SOON).unwrap()).unwrap();
        let copy = ready["logs"][0]["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
        Self { running, checkpoint: place.join("mirror/copies").join(copy).join("checkpoint") }
    }

    /// How many entries it holds and has cosigned.
    fn holds(&self) -> u64 {
        let Ok(text) = fs::read_to_string(&self.checkpoint) else { return 0 };
        assert!(text.contains("\n— mirror.example.com/m1 "), "{text}");
        text.lines().nth(1).unwrap().parse().unwrap()
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.running.kill();
    }
}

fn program(name: &str, arguments: &[&str]) -> Finished {
    process::run_program(name, arguments, SOON).unwrap()
}

/// How many entries the log shows with the mirror's cosignature.
fn cosigned(server: &Homeserver) -> u64 {
    let text = fs::read_to_string(server.folder().join("log/checkpoint")).unwrap();
    let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
    if text.contains("\n— mirror.example.com/m1 ") { size } else { 0 }
}

/// How many certificates wait for the log.
fn unfinished(server: &Homeserver) -> u64 {
    let folder = server.folder().to_str().unwrap().to_owned();
    let stats = program("ca", &["--json", "--folder", &folder, "stats"]).expect(0, "ca stats").unwrap();
    serde_json::from_str::<Value>(stats.stdout.trim()).unwrap()["unfinished"].as_u64().unwrap()
}

fn size(server: &Homeserver) -> u64 {
    let text = fs::read_to_string(server.folder().join("log/checkpoint")).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_mirror_is_brought_every_entry_and_can_be_demanded() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let folder = text(&at("server"));
    let server = Homeserver::start(&at("server"), &[]).unwrap();
    let [alice, bob, carol] =
        ["alice", "bob", "carol"].map(|name| Person::new(place.path(), &format!("{name}@example.org")));
    alice.join(server.ready(), &server.outbox()).unwrap();

    // The mirror's operator is told the log's key; the server's, the mirror's.
    let policy: Value = serde_json::from_slice(&fs::read(at("server/policy.json")).unwrap()).unwrap();
    let log = policy["tlog_policy"].as_str().unwrap().lines().find_map(|line| line.strip_prefix("log ")).unwrap();
    let log = log.split(' ').next().unwrap();
    let port = ports::own().unwrap();
    let settings = format!(
        "name = \"mirror.example.com/m1\"\nfolder = {:?}\n[port]\nlisten = \"127.0.0.1:{port}\"\n\
         requests_per_second = 100\nburst = 1000\n[[log]]\nkey = {log:?}\n",
        at("mirror")
    );
    fs::write(at("mirror.toml"), settings).unwrap();
    let key = program("transparency-log", &["mirror", "--config", &text(&at("mirror.toml")), "--show-key"]);
    let key = key.expect(0, "mirror --show-key").unwrap().stdout.trim().to_owned();
    let url = format!("http://127.0.0.1:{port}");
    let added = program("homeserver", &["witness", "add", &url, "--key", &key, "--mirror", "--folder", &folder]);
    assert!(added.expect(0, "witness add").unwrap().stdout.contains("bring it its entries"));
    let mirror = Mirror::start(place.path());
    server.stop().unwrap();
    let server = Homeserver::start(&at("server"), &[]).unwrap();
    let brought = |mirror: &Mirror, server: &Homeserver| (mirror.holds() == size(server)).then_some(());
    process::await_sight("a mirror with everything", SOON, || brought(&mirror, &server)).unwrap();
    process::await_sight("its cosignature", SOON, || (cosigned(&server) == size(&server)).then_some(())).unwrap();

    // It dies, and the log goes on: nobody demands it. Then it is brought what it lacks.
    mirror.kill();
    let before = size(&server);
    bob.join(server.ready(), &server.outbox()).unwrap();
    assert!(size(&server) > before);
    let mirror = Mirror::start(place.path());
    assert_eq!(mirror.holds(), before);
    carol.join(server.ready(), &server.outbox()).unwrap();
    process::await_sight("a mirror with everything", SOON, || brought(&mirror, &server)).unwrap();

    // From the next version of the trust policy on its cosignature is demanded.
    let drafted = program("homeserver", &["policy", "draft", "--folder", &folder]).expect(0, "policy draft").unwrap();
    let mut next: Value = serde_json::from_str(&drafted.stdout).unwrap();
    let (rest, quorum) = next["tlog_policy"].as_str().unwrap().trim_end().rsplit_once("quorum ").unwrap();
    let demanded = format!("{rest}witness m1 {key} {url}\ngroup both all {quorum} m1\nquorum both\n");
    next["tlog_policy"] = demanded.into();
    fs::write(at("next.json"), next.to_string()).unwrap();
    program("homeserver", &["policy", "sign", &text(&at("next.json")), "--folder", &folder]).expect(0, "sign").unwrap();
    process::await_sight("version 2", SOON, || at("server/policies/2.json").exists().then_some(())).unwrap();
    server.stop().unwrap();
    let server = Homeserver::start(&at("server"), &[]).unwrap();
    mirror.kill();
    // Nothing is certified without it, and what waits is certified once it is there.
    let dave = Person::new(place.path(), "dave@example.org");
    dave.trust(server.ready()).unwrap();
    let mut enrolment = dave.begin_enrolment(&[]).unwrap();
    let code = server.outbox().await_mail(dave.address(), 0, SOON).unwrap().code().unwrap();
    let before = size(&server);
    enrolment.type_line(&code);
    process::await_sight("a planned certificate", SOON, || (unfinished(&server) == 1).then_some(())).unwrap();
    assert_eq!(size(&server), before, "without the mirror's cosignature nothing is published");
    assert!(!dave.device().join("chain.pem").exists());
    let mirror = Mirror::start(place.path());
    enrolment.finish(SOON).unwrap().expect(0, "certtool enroll").unwrap();
    dave.certtool(&["audit"]).unwrap().expect(0, "certtool audit").unwrap();
    assert!(mirror.holds() > before);
    server.stop().unwrap();
    mirror.kill();
}
