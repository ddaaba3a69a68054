//! `certtool doctor` and `messenger doctor` with a real home server: what they find, and what they say when it is gone.

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;

#[test]
fn the_doctor_tells_by_both_programs_what_stands_between() {
    let folder = tempfile::tempdir().unwrap();
    let homeserver = Homeserver::start(&folder.path().join("server"), &[]).unwrap();
    let alice = Person::new(folder.path(), "alice@example.org");
    let before = alice.certtool(&["--json", "doctor"]).unwrap().expect(1, "nobody is enrolled yet").unwrap();
    let before: Value = serde_json::from_str(&before.stdout).unwrap();
    assert!(before["error"]["try"].as_str().unwrap().contains("certtool trust add"), "{before}");

    alice.join(homeserver.ready(), &homeserver.outbox()).unwrap();
    let found = alice.certtool_json(&["doctor"]).unwrap();
    assert_eq!(found["identifier"], "alice@example.org");
    assert!(found["directory"]["round_trip_ms"].as_f64().unwrap() > 0.0, "{found}");
    assert!(found["directory"]["mtu_bytes"].as_u64().unwrap() >= 1_200, "{found}");
    assert!(found["clock_ahead_s"].as_i64().unwrap().abs() <= 3, "{found}");
    assert!(!found["candidates"].as_array().unwrap().is_empty(), "{found}");
    let text = alice.certtool(&["doctor", "alice@example.org"]).unwrap().expect(0, "certtool doctor").unwrap().stdout;
    for row in ["you ", "directory ", "clock ", "IPv6 ", "IPv4 ", "offered ", "so "] {
        assert!(text.lines().any(|line| line.starts_with(row)), "{row}: {text}");
    }

    homeserver.stop().unwrap();
    let gone = alice.certtool(&["--json", "doctor"]).unwrap().expect(4, "the directory is gone").unwrap();
    let gone: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!(gone["error"]["exit"], 4, "{gone}");
}
