//! At an authority that one has no certificate of: control is proven for the watch alone.

use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

use super::SOON;

#[test]
fn one_can_watch_without_a_certificate() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let carol = Person::new(place.path(), "carol@example.org");
    // Somebody who reads carol's mail, at a computer of his own.
    let thief = Person::new(&place.path().join("elsewhere"), "carol@example.org");
    carol.trust(server.ready()).unwrap();
    let url = server.ready().policy.trim_end_matches("/policy").to_owned();
    let there = ["watch", carol.address(), "--authority", &url];
    let at = |options: &[&str]| carol.certtool(&[&there[..], options].concat()).unwrap();

    // Nobody types the code: nothing is known yet, and what was begun goes on with the same code.
    let none = at(&["--once"]).expect(1, "no code").unwrap();
    assert!(none.text().contains("code"), "{}", none.text());
    let code = server.outbox().await_mail(carol.address(), 0, SOON).unwrap().code().unwrap();
    let clean = at(&["--once", "--code", &code]).expect(0, "a first watch").unwrap();
    assert!(clean.text().contains("holds no certificate for carol@example.org"), "{}", clean.text());
    assert_eq!(server.outbox().to(carol.address()).len(), 1);
    // From here on no code is needed, nor the name of the authority.
    at(&["--once"]).expect(0, "a second watch").unwrap();
    carol.certtool(&["watch", "--once"]).unwrap().expect(0, "everything watched").unwrap();
    let status = carol.certtool_json(&["status"]).unwrap();
    assert_eq!(status["devices"], serde_json::json!([]), "it made no certificate");

    thief.trust(server.ready()).unwrap();
    thief.enroll(&server.outbox()).unwrap();
    let alarm = carol.certtool(&["--json", "watch", "--once"]).unwrap().expect(3, "the thief's certificate").unwrap();
    let alarm: serde_json::Value = serde_json::from_str(&alarm.stdout).unwrap();
    assert!(alarm["alarms"][0].as_str().unwrap().contains("a key you have not confirmed"), "{alarm}");

    // A device that she confirms by its key is one from then on; another key confirms nothing.
    let device = thief.certtool_json(&["status"]).unwrap()["devices"][0]["device_key"].as_str().unwrap().to_owned();
    let known = |key: &str| at(&["--once", &format!("--known={key}")]);
    known("0123456789abcdef").expect(3, "another key").unwrap();
    known(&device[..16]).expect(0, "the key of the device").unwrap();
    at(&["--once"]).expect(0, "a watch with two devices").unwrap();

    at(&["--stop"]).expect(0, "stop").unwrap();
    carol.certtool(&["watch", "--once"]).unwrap().expect(1, "nothing is watched").unwrap();
    at(&["--stop"]).expect(1, "stopped already").unwrap();
    let nowhere = carol.certtool(&["watch", carol.address(), "--authority", "https://nowhere.example"]).unwrap();
    nowhere.expect(1, "an authority that is not pinned").unwrap();
    server.stop().unwrap();
}

#[test]
fn a_proof_of_control_that_nobody_gave_makes_the_watch_blind() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let carol = Person::new(place.path(), "carol@example.org");
    carol.trust(server.ready()).unwrap();
    let url = server.ready().policy.clone();
    let mut begun = carol.command("certtool", &["watch", carol.address(), "--authority", &url]).unwrap();
    begun.stdin(std::process::Stdio::null());
    process::run("certtool", begun, SOON).unwrap().expect(1, "no code").unwrap();
    let blind = carol.certtool(&["watch", "--once"]).unwrap().expect(5, "a watch without proof").unwrap();
    assert!(blind.text().contains("BLIND") && blind.text().contains("--prove"), "{}", blind.text());
    server.stop().unwrap();
}

#[test]
fn erasing_takes_nothing_that_is_valid_and_nothing_unknown() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    assert_eq!(alice.certtool_json(&["erase", alice.address()]).unwrap()["erased"], 0, "it has not ended");
    alice.certtool(&["watch", "--once"]).unwrap().expect(0, "a watch afterwards").unwrap();

    let thief = Person::new(&place.path().join("elsewhere"), "alice@example.org");
    thief.join(server.ready(), &server.outbox()).unwrap();
    let refused = alice.certtool(&["erase", alice.address()]).unwrap().expect(3, "what may be evidence").unwrap();
    assert!(refused.text().contains("Nothing was erased"), "{}", refused.text());
    server.stop().unwrap();
}
