//! `certtool doctor` and `messenger doctor` with a real home server: what they find, and what they say when it is gone.

use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

const SOON: Duration = Duration::from_secs(180);

#[test]
fn the_doctor_tells_by_both_programs_what_stands_between() {
    let folder = tempfile::tempdir().unwrap();
    let homeserver = Homeserver::start(&folder.path().join("server"), &[]).unwrap();
    let alice = Person::new(folder.path(), "alice@example.org");
    let before = doctor(&alice, 3);
    assert!(mends(&before, "trust")[0].starts_with("certtool trust add"), "{before}");

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

    // Nothing is wrong, but nobody looks or renews by herself.
    let notes = found["findings"].as_array().unwrap();
    assert!(notes.iter().all(|finding| finding["wrong"] == false), "{found}");
    for (about, mend) in
        [("watch", "certtool watch --install-timer"), ("certificate", "certtool renew --install-timer")]
    {
        assert!(mends(&found, about).contains(&mend.to_owned()), "{found}");
    }

    alice.certtool(&["watch", "--once"]).unwrap().expect(0, "certtool watch").unwrap();
    let status = alice.certtool_json(&["status"]).unwrap();
    assert_eq!((&status["watched"][0]["verdict"], &status["timers"]["watch"]), (&"clean".into(), &false.into()));
    let status = alice.certtool(&["status"]).unwrap().expect(0, "certtool status").unwrap().stdout;
    for words in ["valid, ends", "clean, ", "looks not by itself", "certtool watch --install-timer"] {
        assert!(status.contains(words), "{words}: {status}");
    }

    let an_hour_ahead = doctor(&alice.under(&["faketime", "-f", "+1h"]), 3);
    assert_eq!(mends(&an_hour_ahead, "clock"), ["sudo timedatectl set-ntp true"], "{an_hour_ahead}");

    let key = alice.home().join("devices/alice@example.org/key.pem");
    let permit = |mode| std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    permit(0o644);
    let readable = doctor(&alice, 3);
    assert_eq!(mends(&readable, "permissions"), [format!("chmod 600 {}", key.display())], "{readable}");
    permit(0o600);

    homeserver.stop().unwrap();
    let gone = doctor(&alice, 4);
    assert_eq!(gone["error"]["exit"], 4, "{gone}");
    assert_eq!(mends(&gone, "authority").len(), 1, "{gone}");
    // A proxy is to blame where nobody answers through it.
    let mut through = alice.command("certtool", &["--json", "doctor"]).unwrap();
    through.env("https_proxy", "http://alice:secret@192.0.2.1:1").env("no_proxy", "");
    let through = process::run("certtool", through, SOON).unwrap().text();
    assert!(!through.contains("secret"), "{through}");
}

fn doctor(person: &Person, exit: i32) -> Value {
    let done = person.certtool(&["--json", "doctor"]).unwrap().expect(exit, "certtool doctor").unwrap();
    serde_json::from_str(&done.stdout).unwrap()
}

/// What mends whatever is about this.
fn mends(found: &Value, about: &str) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap().iter().filter(|finding| finding["about"] == about);
    findings.map(|finding| finding["mend"].as_str().unwrap().to_owned()).collect()
}
