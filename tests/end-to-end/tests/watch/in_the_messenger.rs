//! The watch that runs in the messenger: what stands in the log and is not known on this device is told aloud, until its owner
//! says that it is hers.

use serde_json::json;
use story::homeserver::Homeserver;
use story::person::Person;

#[test]
fn a_certificate_of_another_device_is_told_until_it_is_known() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    // Somebody who reads her mail; she herself, on another device, looks no different.
    let elsewhere = Person::new(&place.path().join("elsewhere"), "alice@example.org");
    elsewhere.join(server.ready(), &server.outbox()).unwrap();

    let mut messenger = alice.messenger().unwrap();
    let told = messenger.expect(&json!({ "event": "watch", "verdict": "alarm" })).unwrap();
    let found = told["found"].as_array().unwrap();
    assert!(found.len() == 1 && found[0].as_str().unwrap().contains("a key you have not confirmed"), "{told}");
    let remedy = told["remedy"].as_str().unwrap();
    assert!(remedy.contains("certtool watch alice@example.org --once --known"), "{told}");

    // The remedy is what helps, and the messenger notices by itself.
    alice.certtool(&["watch", "alice@example.org", "--once", "--known"]).unwrap().expect(0, "known").unwrap();
    messenger.expect(&json!({ "event": "watch", "verdict": "clean" })).unwrap();
    let alarms = messenger.heard().iter().filter(|event| event["verdict"] == "alarm").count();
    assert_eq!(alarms, 1, "told once");
    messenger.quit().unwrap();
    server.stop().unwrap();
}
