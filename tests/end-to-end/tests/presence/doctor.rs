//! `certtool doctor` and `messenger doctor` with a real home server: what they find, and what they say when it is gone.

use std::time::Duration;

use serde_json::Value;
use story::guard;
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

    // What proves that a log shows two histories.
    let evidence = alice.home().join("evidence/1-fork.json");
    std::fs::create_dir_all(evidence.parent().unwrap()).unwrap();
    std::fs::write(&evidence, "{}").unwrap();
    let misbehaved = doctor(&alice, 3);
    assert_eq!(mends(&misbehaved, "log"), [format!("certtool verify --evidence {}", evidence.display())]);
    std::fs::remove_file(&evidence).unwrap();

    // Another program of that name comes first.
    let theirs = folder.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("certtool"), "").unwrap();
    let mut clashing = alice.command("certtool", &["--json", "doctor"]).unwrap();
    clashing.env("PATH", format!("{}:{}", theirs.display(), std::env::var("PATH").unwrap()));
    let clashing = process::run("certtool", clashing, SOON).unwrap().expect(0, "a note").unwrap();
    let mend = mends(&read(&clashing.stdout), "name").remove(0);
    assert!(mend.starts_with("export PATH="), "{mend}");

    // Without a messenger the rest is told all the same.
    let alone = theirs.join("alone");
    std::fs::copy(guard::program("certtool").unwrap(), &alone).unwrap();
    let mut alone = guard::guarded(&alone).unwrap();
    alone.args(["--json", "doctor"]).env("INPERSON_HOME", alice.home()).env("PATH", "/usr/bin:/bin");
    let alone = process::run("certtool", alone, SOON).unwrap().expect(1, "no messenger").unwrap();
    let told = read(&alone.stdout);
    assert!(told["error"]["what"].as_str().unwrap().contains("the program messenger"), "{told}");
    assert!(!mends(&told, "watch").is_empty(), "{told}");

    // Nobody has looked for days, so that no list says any more that it counts; and then it has ended.
    for (ahead, state, mend) in [
        ("+12d", "refused by REV-02", "certtool watch alice@example.org --once"),
        ("+15d", "refused by CHAIN-07", "certtool renew alice@example.org"),
    ] {
        let late = alice.under(&["faketime", "-f", ahead]).certtool(&["--json", "doctor"]).unwrap();
        let late = read(&late.stdout);
        let certificate = late["findings"].as_array().unwrap().iter().find(|finding| finding["about"] == "certificate");
        let certificate = certificate.unwrap();
        assert!(certificate["what"].as_str().unwrap().contains(state) && certificate["wrong"] == true, "{late}");
        assert!(mends(&late, "certificate")[0].contains(mend), "{late}");
        assert!(mends(&late, "watch").contains(&"certtool watch alice@example.org --once".to_owned()), "{late}");
    }

    homeserver.stop().unwrap();
    let gone = doctor(&alice, 4);
    assert_eq!(gone["error"]["exit"], 4, "{gone}");
    assert_eq!(mends(&gone, "authority").len(), 1, "{gone}");
    // A proxy is to blame where nobody answers through it.
    let mut through = alice.command("certtool", &["--json", "doctor"]).unwrap();
    through.env("https_proxy", "http://alice:secret@192.0.2.1:1").env("no_proxy", "");
    let through = process::run("certtool", through, SOON).unwrap();
    assert!(!through.text().contains("secret"), "{}", through.text());
    let mend = mends(&read(&through.stdout), "proxy").remove(0);
    assert!(mend.starts_with("unset https_proxy"), "{mend}");
}

fn doctor(person: &Person, exit: i32) -> Value {
    let done = person.certtool(&["--json", "doctor"]).unwrap().expect(exit, "certtool doctor").unwrap();
    read(&done.stdout)
}

fn read(found: &str) -> Value {
    serde_json::from_str(found).unwrap_or_else(|error| panic!("{error}: {found}"))
}

/// What mends whatever is about this.
fn mends(found: &Value, about: &str) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap().iter().filter(|finding| finding["about"] == about);
    findings.map(|finding| finding["mend"].as_str().unwrap().to_owned()).collect()
}
