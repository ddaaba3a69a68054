//! A server's disk is lost, and an old backup put into an empty folder: nothing is signed before it is certain how far the
//! log got, no slot is used twice, no revocation forgotten, and the log never has two histories.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};
use story::witness::{self, Witness};

const SOON: Duration = Duration::from_secs(60);

fn run(program: &str, arguments: &[&str]) -> Finished {
    process::run_program(program, arguments, SOON).unwrap()
}

fn ca(folder: &Path, arguments: &[&str]) -> Finished {
    run("ca", &[&["--json", "--folder", folder.to_str().unwrap()], arguments].concat())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.is_dir() { copy_folder(&entry, &to) } else { std::fs::copy(&entry, &to).map(drop).unwrap() }
    }
}

/// A server whose log cannot grow without a witness elsewhere.
fn witnessed(place: &Path, folder: &Path) -> (Homeserver, Witness) {
    witness::demanded(Homeserver::start(folder, &[]).unwrap(), place).unwrap()
}

fn serial_of(folder: &Path, address: &str) -> String {
    let listed = ca(folder, &["list", address, "--limit", "1"]).expect(0, "list").unwrap();
    listed.json().unwrap()["serial"].as_str().unwrap().to_owned()
}

#[test]
fn an_old_backup_catches_up_with_the_log_before_anything_is_signed() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (folder, backup, restored) = (at("server"), at("backup"), at("restored"));
    let (server, mut witness) = witnessed(place.path(), &folder);
    let person = |name: &str| Person::new(place.path(), name);
    let [alice, bob, carol] = ["alice@example.org", "bob@example.org", "carol@example.org"].map(person);
    alice.join(server.ready(), &server.outbox()).unwrap();
    // A backup while it runs; it is whole, and goes into an empty folder alone.
    let made = ca(&folder, &["backup", &text(&backup)]).expect(0, "backup").unwrap().json().unwrap();
    assert_eq!(made["logs"].as_array().unwrap().len(), 1, "{made}");
    assert!(made["keys_in_clear"].as_array().unwrap().iter().any(|key| key == "root.key.pem"), "{made}");
    let mut sums = std::process::Command::new("sha256sum");
    sums.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&backup);
    assert!(sums.status().unwrap().success());
    ca(&folder, &["backup", &text(&backup)]).expect(1, "a backup on top of one").unwrap();
    let full = ca(&folder, &["restore", &text(&backup)]).expect(1, "a restore on top of a server").unwrap();
    assert!(full.text().contains("is not empty"), "{}", full.text());

    // Life goes on: bob enrols, alice's certificate and his are revoked, he gets a second; then the machine burns down.
    bob.join(server.ready(), &server.outbox()).unwrap();
    let revoked = serial_of(&folder, alice.address());
    ca(&folder, &["revoke", &revoked, "--reason", "superseded"]).expect(0, "revoke").unwrap();
    let bobs = serial_of(&folder, bob.address());
    ca(&folder, &["revoke", &bobs, "--reason", "superseded"]).expect(0, "revoke").unwrap();
    bob.enroll_anew(&server.outbox()).unwrap().expect(0, "bob's second").unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    let fingerprint = server.ready().fingerprint.clone();
    server.kill();
    let (lost, survived) = (at("lost"), at("survived-log"));
    std::fs::rename(&folder, &lost).unwrap();
    copy_folder(&lost.join("log"), &survived);

    // A backup that was altered is not put anywhere.
    let altered = at("altered");
    copy_folder(&backup, &altered);
    std::fs::write(altered.join("policy.json"), "{}").unwrap();
    let refused = ca(&restored, &["restore", &text(&altered)]).expect(1, "an altered backup").unwrap();
    assert!(refused.text().contains("policy.json") && !restored.exists(), "{}", refused.text());

    // Nobody answers: it is not certain how far the log got, and nothing starts.
    witness.kill();
    let silent = ca(&restored, &["restore", &text(&backup)]).expect(4, "without a witness").unwrap();
    assert!(silent.text().contains("may have had more"), "{}", silent.text());
    let up = Homeserver::refused(&restored, &[]).unwrap();
    assert!(up.code == 1 && up.text().contains("not certain yet"), "{}", up.text());
    // The witness knows of more: still nothing.
    witness.start_again().unwrap();
    let behind = ca(&restored, &["restore", "--again"]).expect(4, "a log that is behind").unwrap();
    assert!(behind.text().contains("has cosigned"), "{}", behind.text());
    assert!(Homeserver::refused(&restored, &[]).unwrap().text().contains("not certain yet"));
    // A copy of the log, up to what the witness has seen: it has caught up.
    let caught = ca(&restored, &["restore", "--again", "--mirror", &text(&survived)])
        .expect(0, "restore")
        .unwrap()
        .json()
        .unwrap();
    let log = &caught["logs"][0];
    assert!(log["certain"] == true && log["size"].as_u64() > log["backup"].as_u64(), "{caught}");
    let books = &caught["books"];
    assert_eq!((books["revoked"].as_u64(), books["carried"].as_u64()), (Some(1), Some(1)), "{caught}");
    assert_eq!(books["taken"].as_u64(), Some(2), "bob's two: {caught}");
    ca(&restored, &["restore", "--again"]).expect(1, "it has caught up already").unwrap();

    // It goes on as the same server: one history, the revocations stand, people renew and enrol.
    let server = Homeserver::start(&restored, &[]).unwrap();
    assert_eq!(server.ready().fingerprint, fingerprint);
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit of one history").unwrap();
    let listed = ca(&restored, &["list", alice.address(), "--limit", "1"]).expect(0, "list").unwrap().json().unwrap();
    assert_eq!((listed["serial"].as_str(), listed["state"].as_str()), (Some(&*revoked), Some("revoked")));
    carol.join(server.ready(), &server.outbox()).unwrap();
    // Bob's account is gone with the disk; he proves his address anew.
    bob.enroll_anew(&server.outbox()).unwrap().expect(0, "bob anew").unwrap();
    bob.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    ca(&restored, &["audit", "verify"]).expect(0, "audit trail").unwrap().json().unwrap();
    server.stop().unwrap();
    drop(witness);
}

#[test]
fn a_log_whose_end_nobody_knows_is_given_up_and_another_begins() {
    let place = tempfile::tempdir().unwrap();
    let (folder, backup, restored) =
        (place.path().join("server"), place.path().join("backup"), place.path().join("restored"));
    let server = Homeserver::start(&folder, &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|name| Person::new(place.path(), name));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let chain = text(&alice.device().join("chain.pem"));
    ca(&folder, &["backup", &text(&backup)]).expect(0, "backup").unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();
    // His certificate is revoked, and somebody fetches the lists.
    let list = folder.join("crl/people.crl");
    let before = std::fs::read(&list).unwrap();
    ca(&folder, &["revoke", &serial_of(&folder, bob.address()), "--reason", "superseded"]).expect(0, "revoke").unwrap();
    process::await_sight("the next list", SOON, || (std::fs::read(&list).ok()? != before).then_some(())).unwrap();
    let fetched = place.path().join("fetched");
    copy_folder(&folder.join("crl"), &fetched);
    let (old, old_log) = (server.ready().fingerprint.clone(), server.ready().log.clone());
    server.kill();
    std::fs::remove_dir_all(&folder).unwrap();

    // Its only witness was on the disk that is lost.
    let alone = ca(&restored, &["restore", &text(&backup)]).expect(4, "nobody else to ask").unwrap();
    assert!(alone.text().contains("nobody else to ask") && alone.text().contains("--new-log"), "{}", alone.text());
    let before = std::fs::read(restored.join("log/checkpoint")).unwrap();
    // Nor is it known whom it would show as revoked.
    let blind = ca(&restored, &["restore", "--again", "--new-log", "again"]).expect(4, "without lists").unwrap();
    assert!(blind.text().contains("the newest revocation list"), "{}", blind.text());
    let lists = std::fs::read_dir(&fetched).unwrap().map(|file| text(&file.unwrap().path())).collect::<Vec<_>>();
    let lists = lists.iter().filter(|path| path.ends_with(".crl")).flat_map(|path| ["--crl", path]);
    let arguments: Vec<_> = ["restore", "--again", "--new-log", "again"].into_iter().chain(lists).collect();
    let begun = ca(&restored, &arguments).expect(0, "a new log").unwrap().json().unwrap();
    assert_eq!(begun["books"]["carried"], 1, "bob's: {begun}");
    let fingerprint = begun["fingerprint"].as_str().unwrap().to_owned();
    assert!(fingerprint != old && begun["given_up"].as_array().unwrap().len() == 1, "{begun}");

    let server = Homeserver::start(&restored, &[]).unwrap();
    let pinned = alice.certtool(&["trust", "add", &server.ready().policy, "--fingerprint", &fingerprint]).unwrap();
    pinned.expect(0, "the new fingerprint").unwrap();
    alice.certtool(&["trust", "remove", &old]).unwrap().expect(0, "the old fingerprint").unwrap();
    // What was certified before verifies, and the address is certified anew, in the new log.
    alice.certtool(&["verify", &chain]).unwrap().expect(0, "a certificate of the old log").unwrap();
    alice.enroll_anew(&server.outbox()).unwrap().expect(0, "alice anew").unwrap();
    let inspected = alice.certtool(&["inspect", &chain]).unwrap().expect(0, "inspect").unwrap();
    assert!(inspected.text().contains("/log/again"), "{}", inspected.text());
    server.stop().unwrap();
    // The old log was neither signed nor shown.
    assert_eq!(std::fs::read(restored.join("log/checkpoint")).unwrap(), before);
    assert!(restored.join("shards/again/log/checkpoint").exists(), "{old_log}");
}
