//! A signature made by OpenSSL with a device's key, dated by the authority's log, checked by somebody else.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use story::homeserver::Homeserver;
use story::person::Person;

fn openssl(arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).output().unwrap();
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_signature_is_dated_and_stays_good_after_a_revocation() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&place.path().join(name));
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.trust(server.ready()).unwrap();
    let (key, chain) = (text(&alice.device().join("key.pem")), text(&alice.device().join("chain.pem")));
    let (letter, signature, date) = (at("letter"), at("letter.sig"), at("letter.sig.date"));
    fs::write(&letter, "Yours, Alice").unwrap();
    openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", &letter, "-out", &signature]);

    // Nobody dates it while the authority is away; nothing is left behind, and it is asked again later.
    let folder = server.folder().to_path_buf();
    server.kill();
    let said = alice.certtool(&["date", "request", &signature]).unwrap().expect(4, "a date of nobody").unwrap().text();
    assert!(said.contains("date-signature") || said.contains("directory"), "{said}");
    assert!(!Path::new(&date).exists());
    let server = Homeserver::start(&folder, &[]).unwrap();
    let dated = alice.certtool_json(&["date", "request", &signature]).unwrap();
    assert_eq!((&dated["dated"], &dated["identifier"]), (&true.into(), &"alice@example.org".into()), "{dated}");
    // The key that signed may also be named; what is dated is not dated again.
    let again = ["date", "request", &signature, "--certificate", &chain, "--key", &key];
    assert_eq!(alice.certtool_json(&again).unwrap()["index"], dated["index"]);

    // Bob holds the letter, the signature, its date and Alice's certificate.
    openssl(&["x509", "-in", &chain, "-noout", "-pubkey", "-out", &at("alice.pub")]);
    let verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &at("alice.pub")];
    openssl(&[&verify[..], &["-in", &letter, "-sigfile", &signature]].concat());
    let seen = bob.certtool_json(&["date", "verify", &signature, &chain]).unwrap();
    assert_eq!((&seen["at"], &seen["index"]), (&dated["at"], &dated["index"]), "{seen}");
    bob.certtool(&["audit"]).unwrap().expect(0, "an audit of a log with a signature entry").unwrap();

    // Another signature has no such date, and another certificate was not good for it.
    let mut altered = fs::read(&signature).unwrap();
    altered[0] ^= 1;
    fs::write(at("altered"), altered).unwrap();
    let refused = bob.certtool(&["date", "verify", &at("altered"), &chain, "--date", &date]).unwrap();
    assert!(refused.expect(3, "an altered signature").unwrap().text().contains("DATE-02"));
    fs::write(at("cut"), &fs::read_to_string(&date).unwrap()[..200]).unwrap();
    let refused = bob.certtool(&["date", "verify", &signature, &chain, "--date", &at("cut")]).unwrap();
    assert!(refused.expect(3, "half a date").unwrap().text().contains("DATE-01"));
    fs::write(at("other.sig"), b"another signature").unwrap();
    let refused = alice.certtool(&["date", "request", &at("other.sig"), "--output", &date]).unwrap();
    assert!(refused.expect(1, "the place of another date").unwrap().text().contains("is there already"));

    // After the revocation the old date holds, and a new one is not to be had.
    alice.certtool(&["revoke", alice.address()]).unwrap().expect(0, "certtool revoke").unwrap();
    bob.certtool(&["date", "verify", &signature, &chain]).unwrap().expect(0, "a date before the revocation").unwrap();
    let refused = alice.certtool(&["date", "request", &at("other.sig")]).unwrap();
    let said = refused.expect(1, "a date after the revocation").unwrap().text();
    assert!(said.contains("that is valid") && !Path::new(&at("other.sig.date")).exists(), "{said}");
    server.stop().unwrap();
}
