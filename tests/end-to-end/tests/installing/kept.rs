//! What an earlier release wrote, today's programs open: `releases/VERSION.tar.gz` beside this file holds the folders of a home
//! server, and of alice, who enrolled there and has bob in her list, as the programs of that release left them; in
//! `0.1.0-belongings`, and in those of later releases, with all that a messenger and a `certtool` keep for her ([`belongings`]).
//!
//! For a new release: `KEEP_RELEASE=VERSION cargo test -p end-to-end --test installing kept` writes its archive, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

use super::belongings;

const SOON: Duration = Duration::from_secs(120);
/// Below those that systems give away, and nobody else's here. They are part of the trust policy in the archive.
const PORTS: [&str; 4] = ["--https-port", "18443", "--directory-port", "18444"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/installing/releases")
}

fn tar(arguments: &[&str], place: &Path, archive: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(place).args(["--file", archive.to_str().unwrap()]).args(arguments);
    assert!(tar.status().unwrap().success(), "{tar:?}");
}

/// Writes the archive of the programs that are here.
fn keep(archive: &Path) {
    assert!(!archive.exists(), "{} is what that release wrote, and stays", archive.display());
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::command(&place.path().join("server"), &PORTS).unwrap();
    let server = Homeserver::start_with(&place.path().join("server"), server).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|who| Person::new(place.path(), who));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();
    belongings::gather(place.path(), &server, [&alice, &bob]);
    for looks in [&["audit"][..], &["watch", "--once"]] {
        alice.certtool(looks).unwrap().expect(0, looks[0]).unwrap();
    }
    ca(place.path(), &["revoke", serial(place.path(), "bob@example.org").as_str(), "--reason", "superseded"]);
    process::await_sight("the list with it", SOON, || {
        (serial_state(place.path(), "bob@example.org").1 == "revoked").then_some(())
    })
    .unwrap();
    server.stop().unwrap();
    std::fs::create_dir_all(folder()).unwrap();
    tar(
        &[
            "--create",
            "--gzip",
            "--owner=0",
            "--group=0",
            "--exclude=outbox",
            "--exclude=*.messenger.log",
            "server",
            "alice",
            "phone",
        ],
        place.path(),
        archive,
    );
}

fn ca_said(place: &Path, arguments: &[&str]) -> String {
    let mut command = guard::guarded(&guard::program("ca").unwrap()).unwrap();
    command.args(["--json", "--folder", place.join("server").to_str().unwrap()]).args(arguments);
    process::run("ca", command, SOON).unwrap().expect(0, arguments[0]).unwrap().stdout
}

fn ca(place: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(ca_said(place, arguments).trim()).unwrap_or_default()
}

fn serial_state(place: &Path, address: &str) -> (String, String) {
    let listed = ca(place, &["list", address, "--limit", "1"]);
    let field = |name: &str| listed[name].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned();
    (field("serial"), field("state"))
}

fn serial(place: &Path, address: &str) -> String {
    serial_state(place, address).0
}

fn contacts(who: &Person) -> String {
    let command = who.command("messenger", &["contacts", "list", "--json"]).unwrap();
    process::run("messenger", command, SOON).unwrap().expect(0, "messenger contacts").unwrap().stdout
}

#[test]
fn what_every_release_wrote_is_opened_and_goes_on() {
    if let Ok(name) = std::env::var("KEEP_RELEASE") {
        keep(&folder().join(format!("{name}.tar.gz")));
    }
    let archives = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let archives: Vec<_> = archives.filter(|path| path.to_string_lossy().ends_with(".tar.gz")).collect();
    for first in ["0.1.0.tar.gz", "0.1.0-belongings.tar.gz"] {
        assert!(archives.contains(&folder().join(first)), "what the first release kept is among them: {first}");
    }
    for archive in archives {
        opened(&archive);
    }
}

fn opened(archive: &Path) {
    let place = tempfile::tempdir().unwrap();
    tar(&["--extract", "--gzip"], place.path(), archive);
    // It was off for long; the server's own certificate has ended since, and is made anew.
    let folder = place.path().join("server");
    let server = Homeserver::start_with(&folder, Homeserver::command(&folder, &["--clock-is-right"]).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    let [alice, carol] = ["alice@example.org", "carol@example.org"].map(|who| Person::new(place.path(), who));
    // The same authority: whoever pinned it has it still, and the books are as they were.
    let pinned = alice.certtool(&["trust", "list"]).unwrap().expect(0, "trust list").unwrap().text().replace(' ', "");
    assert!(pinned.contains(&server.ready().fingerprint), "{pinned}");
    assert_eq!(serial_state(place.path(), "bob@example.org").1, "revoked");
    ca(place.path(), &["audit", "verify"]);
    belongings::found(place.path(), &server, &alice);
    // Hers: her list of contacts, her certificate, how far she has audited the log, which goes on in one history.
    assert!(contacts(&alice).contains("bob@example.org"));
    let chain = alice.device().join("chain.pem");
    // It may have ended since, which is said (3).
    let inspected = alice.certtool(&["inspect", chain.to_str().unwrap()]).unwrap();
    assert!([0, 3].contains(&inspected.code), "{}", inspected.text());
    let inspected = inspected.text();
    let serial = inspected.lines().find_map(|line| line.trim().strip_prefix("serial ")).expect(&inspected).trim();
    assert!(ca_said(place.path(), &["list", alice.address()]).contains(serial), "{inspected}");
    alice.certtool(&["audit"]).unwrap().expect(0, "audit from where she stopped").unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit from the start").unwrap();
    // Life goes on: another certificate for her key's owner, and for somebody new; they talk.
    alice.enroll_anew(&server.outbox()).unwrap().expect(0, "alice anew").unwrap();
    carol.join(server.ready(), &server.outbox()).unwrap();
    let (mut of_alice, mut of_carol) = (alice.messenger().unwrap(), carol.messenger().unwrap());
    for (messenger, other) in [(&mut of_alice, &carol), (&mut of_carol, &alice)] {
        messenger.expect(&json!({ "event": "online" })).unwrap();
        messenger.tell(&json!({ "do": "add_contact", "who": other.address() })).unwrap();
    }
    of_carol.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();
    of_carol.tell(&json!({ "do": "send", "to": alice.address(), "text": "after all that time" })).unwrap();
    of_alice.expect(&json!({ "event": "message", "text": "after all that time" })).unwrap();
    of_alice.quit().unwrap();
    of_carol.quit().unwrap();
    server.stop().unwrap();
}
