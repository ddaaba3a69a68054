//! A server whose log lies in an object store loses its disk. The store has lost nothing, so the log goes on where it lies;
//! only where the store is gone as well must the backup's copy do.

use std::fs;
use std::path::Path;

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};
use story::witness;

use super::{S3, SOON, settings};

fn run(program: &str, arguments: &[&str]) -> Finished {
    process::run_program(program, arguments, SOON).unwrap()
}

fn ca(folder: &Path, arguments: &[&str]) -> Finished {
    run("ca", &[&["--json", "--folder", folder.to_str().unwrap()], arguments].concat())
}

#[test]
fn a_log_in_a_store_outlives_the_servers_disk() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (folder, backup) = (at("server"), at("backup"));
    settings(&folder, &s3.table("home"));
    let (server, witness) = witness::demanded(Homeserver::start(&folder, &[]).unwrap(), place.path()).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|name| Person::new(place.path(), name));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let made = ca(&folder, &["backup", backup.to_str().unwrap()]).expect(0, "backup").unwrap().json().unwrap();
    assert!(made["logs"][0]["size"].as_u64() > Some(0), "{made}");
    for file in ["log/checkpoint", "log-store-keys"] {
        assert!(backup.join(file).exists(), "{file}");
    }
    bob.join(server.ready(), &server.outbox()).unwrap();
    let fingerprint = server.ready().fingerprint.clone();
    server.kill();
    fs::remove_dir_all(&folder).unwrap();

    // The store has what came since; nobody need bring a copy, and nothing of the log lies in the folder.
    let restored = at("restored");
    let caught = ca(&restored, &["restore", backup.to_str().unwrap()]).expect(0, "restore").unwrap().json().unwrap();
    let log = &caught["logs"][0];
    assert!(log["certain"] == true && log["size"].as_u64() > log["backup"].as_u64(), "{caught}");
    assert_eq!(caught["books"]["taken"], 1, "bob's slot: {caught}");
    let server = Homeserver::start(&restored, &[]).unwrap();
    assert_eq!(server.ready().fingerprint, fingerprint);
    let carol = Person::new(place.path(), "carol@example.org");
    carol.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "an audit of one history").unwrap();
    assert!(!restored.join("log").exists() && !restored.join("log.unneeded").exists());
    server.stop().unwrap();

    // The store is gone as well: the backup's copy is what there is, and it knows too little.
    drop(s3);
    let second = at("second");
    let gone = ca(&second, &["restore", backup.to_str().unwrap()]).expect(1, "a restore without the store").unwrap();
    assert!(gone.text().contains("the bucket logs at http://127.0.0.1"), "{}", gone.text());
    assert!(Homeserver::refused(&second, &[]).unwrap().text().contains("not certain yet"));
    let empty = S3::start(false).unwrap();
    let text = fs::read_to_string(second.join("homeserver.toml")).unwrap();
    let text = text.split("[log_store]").next().unwrap().to_owned() + &empty.table("home");
    fs::write(second.join("homeserver.toml"), text).unwrap();
    let behind = ca(&second, &["restore", "--again"]).expect(4, "a copy that is behind").unwrap();
    assert!(behind.text().contains("has cosigned"), "{}", behind.text());
    assert!(second.join("log/checkpoint").exists() && !empty.holds("home/2026/checkpoint"));
    drop(witness);
}
