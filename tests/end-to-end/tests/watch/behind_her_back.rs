//! An authority issues behind alice's back. How soon she learns it: with the first look after the log has the entry, so
//! at the latest after the time between two looks. How she learns it: by exit code, on her desktop, by mail, by a command
//! of hers, and with a file that proves it to others.

use std::time::Instant;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

use super::{SOON, rogue, script, search_path};

#[test]
fn a_certificate_behind_her_back_is_told_at_the_next_look() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let (alice, bob) = (Person::new(place.path(), "alice@example.org"), Person::new(place.path(), "bob@example.org"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.trust(server.ready()).unwrap();

    // Her watch runs, and goes on running while the server does not.
    let programs = place.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let (mail, shown, hooked) = (programs.join("mail"), programs.join("shown"), place.path().join("hooked.json"));
    let sendmail = script(&programs.join("sendmail"), &format!("echo \"$@\" > {0}\ncat >> {0}", mail.display()));
    script(&programs.join("notify-send"), &format!("printf '%s\\n' \"$@\" > {}", shown.display()));
    let hook = format!("cat > '{}'; test \"$INPERSON_VERDICT\" = alarm", hooked.display());
    let ways = ["--notify", "--mail", "alice@elsewhere.example", "--sendmail", sendmail.to_str().unwrap()];
    let watch = [&["--json", "watch", alice.address(), "--every", "1s", "--hook", &hook], &ways[..]].concat();
    let mut watch = alice.command("certtool", &watch).unwrap();
    watch.env("PATH", search_path(&programs));
    let watch = process::collect("certtool watch", watch).unwrap();
    let told = alice.home().join("watch/told.json");
    process::await_sight("a first look", SOON, || told.exists().then_some(())).unwrap();

    server.stop().unwrap();
    let rogue = rogue::issue(&folder, alice.address());
    let server = Homeserver::start(&folder, &[]).unwrap();
    let began = Instant::now();

    // It is as good as any: bob would talk to whoever has that key.
    let file = place.path().join("rogue.pem");
    std::fs::write(&file, &rogue.pem).unwrap();
    bob.certtool(&["verify", file.to_str().unwrap()]).unwrap().expect(0, "what everybody accepts").unwrap();

    let alarm = watch.finish(SOON).unwrap().expect(3, "the watch").unwrap();
    println!("told {:?} after the log showed it, looking every second", began.elapsed());
    let last: Value = serde_json::from_str(alarm.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["verdict"], &last["identifier"]), (&"alarm".into(), &alice.address().into()));
    let [said] = last["alarms"].as_array().unwrap().as_slice() else { panic!("{last}") };
    assert!(said.as_str().unwrap().starts_with(&format!("entry {}: ", rogue.index)), "{said}");
    // Every look before was clean or, while there was no server, none.
    for line in alarm.stdout.lines().rev().skip(1) {
        let before: Value = serde_json::from_str(line).unwrap();
        assert!(before["verdict"] == "clean" || before["error"]["exit"] == 4, "{before}");
    }

    let hooked: Value = serde_json::from_str(&std::fs::read_to_string(&hooked).unwrap()).unwrap();
    assert_eq!(hooked, last, "the command gets what --json prints");
    let mail = std::fs::read_to_string(&mail).unwrap();
    assert!(mail.starts_with("-oi -t\nTo: alice@elsewhere.example\nSubject: In Person: ALARM"), "{mail}");
    assert!(mail.contains("ALARM: the log holds something in the name of alice@example.org"), "{mail}");
    let shown = std::fs::read_to_string(&shown).unwrap();
    assert!(shown.contains("--urgency=critical") && shown.contains("in the name of alice@example.org"), "{shown}");

    // What others can check, without her.
    let evidence = last["evidence"][0].as_str().unwrap();
    let judgement = bob.certtool_json(&["verify", "--evidence", evidence]).unwrap();
    assert!(judgement["proven"].to_string().contains(alice.address()), "{judgement}");

    // She cannot take it for a device of hers by mistake: nothing is open that she could confirm.
    let known = alice.certtool(&["watch", alice.address(), "--once", "--known"]).unwrap();
    let known = known.expect(3, "a watch that is told to take everything").unwrap();
    assert!(!known.text().contains(&hex::encode(rogue.key)[..16]), "{}", known.text());
    // And the one who was not told again, though it was found again: the same is told once a day.
    let again = [&["watch", alice.address(), "--once", "--hook", "exit 1"], &ways[..0]].concat();
    let again = alice.certtool(&again).unwrap().expect(3, "again").unwrap();
    assert!(!again.stderr.contains("--hook failed"), "{}", again.text());
    server.stop().unwrap();
}
