//! The label key in a process of its own: the server never has it, people enrol and watch. While the signer is away the
//! server starts and serves what needs no label, says why nobody is certified, and goes on by itself.
#![allow(clippy::unwrap_used, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};
use story::{guard, ports};

const SOON: Duration = Duration::from_secs(60);
/// What a person is told.
const NO_LABEL_KEY: &str = "does not reach its log's label key";

fn signer(place: &Path, log: &str) -> (Running, Value) {
    let mut command = guard::command("ca").unwrap();
    command.args(["--json", "vrf-signer", "--log", log, "--key"]).arg(place.join("vault/vrf.key.pem"));
    command.arg("--socket").arg(place.join("run/socket"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.join("signer.log")).unwrap());
    let mut running = Running::start("vrf-signer", command).unwrap();
    let line = running.first_line(SOON).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
    (running, ready)
}

#[test]
fn people_enrol_at_a_server_that_has_no_label_key() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let port = ports::own().unwrap().to_string();
    let year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year();
    let log = format!("localhost:{port}/log/{year}");
    let (mut running, ready) = signer(place.path(), &log);
    assert_eq!((&ready["ready"], &ready["log"]), (&Value::from(true), &Value::from(log.as_str())));
    let mode = |path: &str| place.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("run/socket"), mode("vault/vrf.key.pem")), (0o600, 0o600));

    std::fs::create_dir_all(folder.join("keys")).unwrap();
    std::fs::write(folder.join("keys/vrf.signer"), format!("{}\n", place.path().join("run/socket").display())).unwrap();
    let command = Homeserver::command(&folder, &["--https-port", &port, "--directory-port", "0"]).unwrap();
    let server = Homeserver::start_with(&folder, command).unwrap();
    let person = |name: &str| Person::new(place.path(), name);
    let (alice, bob) = (person("alice@example.org"), person("bob@example.org"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    alice.certtool(&["watch", "--once"]).unwrap().expect(0, "a watch, by proofs of the signer").unwrap();
    assert!(!folder.join("keys/vrf.key.pem").exists());

    // It dies: nobody is certified. It comes back: they are, without a restart of the server.
    running.kill();
    bob.trust(server.ready()).unwrap();
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    let mail = server.outbox().await_mail(bob.address(), 0, SOON).unwrap();
    enrolment.type_line(&mail.code().unwrap());
    let refused = enrolment.finish(SOON).unwrap();
    assert!(refused.code != 0 && !bob.device().join("chain.pem").exists(), "{}", refused.text());
    assert!(refused.text().contains(NO_LABEL_KEY), "{}", refused.text());

    // The server starts without it, and serves what needs no label.
    server.stop().unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    // Which certificates there are of the same key from before is not to be had without it: that is said, and what is known is
    // revoked.
    let revoked = alice.certtool(&["revoke", alice.address()]).unwrap();
    assert!(revoked.code == 1 && revoked.text().contains("the certificate is revoked"), "{}", revoked.text());
    let refused = bob.begin_enrolment(&[]).unwrap().finish(SOON).unwrap();
    assert!(refused.code != 0 && refused.text().contains(NO_LABEL_KEY), "{}", refused.text());
    let (mut running, again) = signer(place.path(), &log);
    assert_eq!(again["public"], ready["public"]);
    alice.certtool(&["revoke", alice.address()]).unwrap().expect(0, "revoke what is left").unwrap();
    let enrolled = bob.begin_enrolment(&[]).unwrap().finish(SOON).unwrap();
    enrolled.expect(0, "bob, who has proven his address already").unwrap();
    // Another log's labels are not to be had from it.
    server.stop().unwrap();
    running.kill();
    let (running_other, _) = signer(place.path(), "localhost:1/log/2026");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let refused = bob.certtool(&["renew", bob.address(), "--force"]).unwrap();
    assert!(refused.code != 0 && refused.text().contains(NO_LABEL_KEY), "{}", refused.text());
    server.stop().unwrap();

    // A first start has to name the key, so it needs the signer once; it says so.
    drop(running_other);
    let first = place.path().join("first");
    std::fs::create_dir_all(first.join("keys")).unwrap();
    std::fs::copy(folder.join("keys/vrf.signer"), first.join("keys/vrf.signer")).unwrap();
    let command = Homeserver::command(&first, &["--https-port", "0", "--directory-port", "0"]).unwrap();
    let refused = process::run("a first start", command, SOON).unwrap();
    assert!(refused.code == 1 && refused.text().contains("start the signer first"), "{}", refused.text());
}
