//! Who lost a device revokes its certificate from a computer that has nothing of hers, by a code that is sent to her address
//! or number; and the device that was lost learns it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::mail::Maildir;
use story::person::Person;
use story::process::{self, Finished};

const ADDRESS: &str = "vera@example.org";
const NUMBER: &str = "+4915112345678";
const SOON: Duration = Duration::from_secs(60);

/// The codes that were sent so far; messages about another device have none, and come at times of their own.
fn codes(outbox: &Maildir, to: &str) -> Vec<String> {
    outbox.to(to).iter().filter_map(|message| message.code().ok()).collect()
}

/// Runs a command that has a code sent, and again with the code.
fn with_a_code(person: &Person, outbox: &Maildir, arguments: &[&str]) -> Value {
    let before = codes(outbox, person.address()).len();
    let asked = certtool(person, arguments, 1);
    assert!(asked.text().contains("no code from the newest message was given"), "{}", asked.text());
    let sent = || codes(outbox, person.address()).into_iter().nth(before);
    let code = process::await_sight("a code", SOON, sent).unwrap();
    person.certtool_json(&[arguments, &["--code", &code]].concat()).unwrap()
}

fn certtool(person: &Person, arguments: &[&str], expected: i32) -> Finished {
    person.certtool(arguments).unwrap().expect(expected, &arguments.join(" ")).unwrap()
}

fn serial(enrolled: &Value) -> &str {
    enrolled["serial"].as_str().unwrap()
}

/// The serial numbers, and whether each was revoked only now.
fn revoked(done: &Value) -> Vec<(&str, bool)> {
    let all = done["certificates"].as_array().unwrap();
    all.iter().map(|one| (serial(one), one["now"].as_bool().unwrap())).collect()
}

#[test]
fn a_mailed_or_texted_code_is_enough_to_revoke_what_was_stolen() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &["--permit-phone", "+49"]).unwrap();
    let outbox = server.outbox();
    for address in [ADDRESS, NUMBER] {
        let [laptop, elsewhere] = ["laptop", "elsewhere"].map(|home| Person::new(&place.path().join(home), address));
        for person in [&laptop, &elsewhere] {
            person.trust(server.ready()).unwrap();
        }
        let stolen = with_a_code(&laptop, &outbox, &["enroll", address]);
        let done = with_a_code(&elsewhere, &outbox, &["revoke", address, "--stolen"]);
        assert_eq!(revoked(&done), [(serial(&stolen), true)]);
        let again = elsewhere.certtool_json(&["revoke", address, "--stolen"]).unwrap();
        assert_eq!(revoked(&again), [(serial(&stolen), false)]);

        // The device that was lost asks for no code, and says what to do.
        let sent = codes(&outbox, address).len();
        let renewal = certtool(&laptop, &["renew", address], 1).text();
        assert!(renewal.contains("is revoked") && renewal.contains("certtool enroll"), "{renewal}");
        let status = certtool(&laptop, &["status"], 0).text();
        assert!(status.contains("revoked") && status.contains("certtool enroll"), "{status}");
        let refused = certtool(&laptop, &["verify", address], 3).text();
        assert!(refused.contains("REV-01") && refused.contains("certtool enroll"), "{refused}");
        assert_eq!(codes(&outbox, address).len(), sent);
        let anew = certtool(&laptop, &["enroll", address], 1).text();
        assert!(anew.contains("revoked; making a new key"), "{anew}");
    }
    server.stop().unwrap();
}

#[test]
fn of_several_devices_those_are_revoked_that_she_names() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let outbox = server.outbox();
    let homes = ["laptop", "phone", "tablet", "elsewhere"];
    let [laptop, phone, tablet, elsewhere] = homes.map(|home| Person::new(&place.path().join(home), ADDRESS));
    elsewhere.trust(server.ready()).unwrap();
    let [first, second, third] = [laptop, phone, tablet].map(|device| {
        device.trust(server.ready()).unwrap();
        serial(&with_a_code(&device, &outbox, &["enroll", ADDRESS])).to_owned()
    });
    let before = codes(&outbox, ADDRESS).len();
    certtool(&elsewhere, &["revoke", ADDRESS, "--stolen"], 1);
    let sent = || codes(&outbox, ADDRESS).into_iter().nth(before);
    let code = process::await_sight("a code", SOON, sent).unwrap();
    // Nothing is revoked as long as she does not say which.
    let several = certtool(&elsewhere, &["revoke", ADDRESS, "--stolen", "--code", &code], 1).text();
    assert!([&first, &second, &third].iter().all(|one| several.contains(*one)), "{several}");
    let unknown = certtool(&elsewhere, &["revoke", ADDRESS, "--stolen", "--serial", "ab"], 1).text();
    assert!(unknown.contains(&first), "{unknown}");
    let one = elsewhere.certtool_json(&["revoke", ADDRESS, "--stolen", "--serial", &second]).unwrap();
    assert_eq!(revoked(&one), [(second.as_str(), true)]);
    let all = elsewhere.certtool_json(&["revoke", ADDRESS, "--stolen", "--all"]).unwrap();
    let mut found = revoked(&all);
    found.sort_unstable();
    let mut expected = [(first.as_str(), true), (second.as_str(), false), (third.as_str(), true)];
    expected.sort_unstable();
    assert_eq!(found, expected);
    server.stop().unwrap();
}

#[test]
fn whoever_took_the_laptop_revokes_first_and_comes_back_by_nothing() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let outbox = server.outbox();
    let [laptop, phone] = ["laptop", "phone"].map(|home| Person::new(&place.path().join(home), ADDRESS));
    let [first, _] = [&laptop, &phone].map(|device| {
        device.trust(server.ready()).unwrap();
        serial(&with_a_code(device, &outbox, &["enroll", ADDRESS])).to_owned()
    });
    phone.certtool_json(&["watch", ADDRESS, "--once", "--known"]).unwrap();
    let second = serial(&laptop.certtool_json(&["renew", ADDRESS, "--force"]).unwrap()).to_owned();
    let own = laptop.certtool_json(&["revoke", ADDRESS, "--reason", "superseded"]).unwrap();
    assert_eq!(revoked(&own), [(second.as_str(), true)]);
    // Whoever revoked it here does not get it back by a timer; that the device keeps to that is no wall to a thief.
    let refused = certtool(&laptop, &["renew", ADDRESS], 1).text();
    assert!(refused.contains("is revoked") && refused.contains("certtool enroll"), "{refused}");
    let passed_over = laptop.certtool_json(&["renew", "--all", "--force"]).unwrap();
    assert_eq!((&passed_over["done"], &passed_over["revoked"]), (&"nothing".into(), &true.into()), "{passed_over}");
    let record = laptop.device().join("enrolment.toml");
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains("revoked = true\n"), "{text}");
    std::fs::write(&record, text.replace("revoked = true\n", "")).unwrap();

    // She has proven control within the hour: just now, when she enrolled.
    let done = phone.certtool_json(&["revoke", ADDRESS, "--stolen"]).unwrap();
    assert_eq!(done["proofs_ended"], 1);
    assert_eq!(revoked(&done), [(first.as_str(), true), (second.as_str(), true)]);
    let sent = codes(&outbox, ADDRESS).len();
    let renewal = certtool(&laptop, &["renew", ADDRESS, "--force"], 1).text();
    assert!(renewal.contains("is revoked"), "{renewal}");
    // Whoever reported it goes on as before, and her watch has nothing to say.
    phone.certtool_json(&["renew", ADDRESS, "--force"]).unwrap();
    certtool(&phone, &["watch", ADDRESS, "--once"], 0);
    assert_eq!(codes(&outbox, ADDRESS).len(), sent);
    // It is known to be compromised, and nothing else can be said of it any more.
    let again = phone.certtool_json(&["revoke", ADDRESS, "--stolen"]).unwrap();
    assert_eq!(again["proofs_ended"], 0);
    assert_eq!(revoked(&again), [(first.as_str(), false), (second.as_str(), false)]);
    server.stop().unwrap();
}
