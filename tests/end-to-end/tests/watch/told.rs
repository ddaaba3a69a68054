//! The timer: units that systemd itself finds in order.

use std::path::Path;

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};

use super::{SOON, script, search_path};

fn certtool(person: &Person, programs: &Path, config: &Path, arguments: &[&str]) -> Finished {
    let mut command = person.command("certtool", arguments).unwrap();
    command.env("PATH", search_path(programs)).env("XDG_CONFIG_HOME", config);
    process::run("certtool", command, SOON).unwrap()
}

#[test]
fn the_timer_is_installed_and_taken_away() {
    let place = tempfile::tempdir().unwrap();
    // Spaces, percent and dollar signs must reach certtool as they are.
    let root = place.path().join("a 100% \"odd\" $HOME");
    std::fs::create_dir(&root).unwrap();
    let alice = Person::new(&root, "alice@example.org");
    let (programs, config) = (place.path().join("programs"), place.path().join("config"));
    std::fs::create_dir(&programs).unwrap();
    let asked = place.path().join("asked");
    script(&programs.join("systemctl"), &format!("echo \"$@\" >> {}", asked.display()));
    let run = |arguments: &[&str]| certtool(&alice, &programs, &config, arguments);

    let hook = "logger -t watch \"$(cat)\"";
    run(&["watch", "--install-timer", "--hook", hook, "--mirror", "https://mirror.example"])
        .expect(0, "install")
        .unwrap();
    let asked_for = std::fs::read_to_string(&asked).unwrap();
    assert_eq!(asked_for, "--user daemon-reload\n--user enable --now inperson-watch.timer\n");
    let units = ["inperson-watch.service", "inperson-watch.timer"].map(|name| config.join("systemd/user").join(name));
    let service = std::fs::read_to_string(&units[0]).unwrap();
    assert!(service.contains(r#""--hook" "logger -t watch \"$$(cat)\"""#), "{service}");
    assert!(service.contains(r#"a 100%% \"odd\" $$HOME/alice""#), "{service}");
    assert!(!service.contains("--notify"), "another way was chosen: {service}");

    let mut verify = story::guard::guarded(Path::new("systemd-analyze")).unwrap();
    verify.args(["verify", "--user", "--man=no"]).args(&units).env("XDG_RUNTIME_DIR", place.path());
    let verified = process::run("systemd-analyze", verify, SOON).unwrap().expect(0, "systemd's own check").unwrap();
    // It tells of units of the machine as well; of ours it has nothing to say.
    assert!(!verified.text().contains("inperson-watch"), "{}", verified.text());

    run(&["watch", "--remove-timer"]).expect(0, "remove").unwrap();
    assert!(units.iter().all(|unit| !unit.exists()));
    run(&["watch", "--remove-timer"]).expect(1, "there is none").unwrap();

    run(&["watch", "--install-timer"]).expect(0, "install").unwrap();
    assert!(std::fs::read_to_string(&units[0]).unwrap().contains("--notify"), "without a way, by notification");
    script(&programs.join("systemctl"), "echo 'Failed to connect to bus' >&2; exit 1");
    let failed = run(&["watch", "--install-timer"]).expect(1, "no systemd of hers").unwrap();
    assert!(failed.text().contains("Failed to connect to bus"), "{}", failed.text());
    assert!(units.iter().all(|unit| unit.exists()), "the one from before may run");

    // Where none was, none is left that nobody starts.
    run(&["watch", "--remove-timer"]).expect(1, "no systemd of hers").unwrap();
    run(&["watch", "--install-timer"]).expect(1, "no systemd of hers").unwrap();
    assert!(units.iter().all(|unit| !unit.exists()));
}

#[test]
fn renewals_have_a_timer_and_a_command_that_runs_after_each() {
    let place = tempfile::tempdir().unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    let (programs, config) = (place.path().join("programs"), place.path().join("config"));
    std::fs::create_dir(&programs).unwrap();
    script(&programs.join("systemctl"), "exit 0");
    let run = |arguments: &[&str]| certtool(&alice, &programs, &config, arguments);

    run(&["renew", "--install-timer", "--hook", "logger 100%"]).expect(0, "install").unwrap();
    let units = ["inperson-renew.service", "inperson-renew.timer"].map(|name| config.join("systemd/user").join(name));
    let service = std::fs::read_to_string(&units[0]).unwrap();
    assert!(service.contains(r#""renew" "--all" "--hook" "logger 100%%""#), "{service}");
    let status: serde_json::Value = serde_json::from_str(&run(&["--json", "status"]).stdout).unwrap();
    assert_eq!((&status["timers"]["renew"], &status["timers"]["watch"]), (&true.into(), &false.into()));
    let mut verify = story::guard::guarded(Path::new("systemd-analyze")).unwrap();
    verify.args(["verify", "--user", "--man=no"]).args(&units).env("XDG_RUNTIME_DIR", place.path());
    let verified = process::run("systemd-analyze", verify, SOON).unwrap().expect(0, "systemd's own check").unwrap();
    assert!(!verified.text().contains("inperson-renew"), "{}", verified.text());
    run(&["renew", "--remove-timer"]).expect(0, "remove").unwrap();
    assert!(units.iter().all(|unit| !unit.exists()));

    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    alice.join(server.ready(), &server.outbox()).unwrap();
    let told = place.path().join("told");
    let hook = format!(
        "cat > '{0}'; test -f \"$INPERSON_CERTIFICATE\" && echo \"$INPERSON_IDENTIFIER\" >> '{0}'",
        told.display()
    );
    alice.certtool(&["renew", "--all", "--hook", &hook]).unwrap().expect(0, "not due").unwrap();
    assert!(!told.exists(), "nothing was renewed");
    alice.certtool(&["renew", "--all", "--force", "--hook", &hook]).unwrap().expect(0, "renewed").unwrap();
    let told = std::fs::read_to_string(&told).unwrap();
    assert!(told.contains(r#""done":"renewed""#) && told.ends_with("alice@example.org\n"), "{told}");
    let failed = alice.certtool(&["renew", "--force", "--hook", "exit 7"]).unwrap().expect(1, "the hook").unwrap();
    assert!(failed.stderr.contains("it was renewed") && failed.stdout.contains("Renewed"), "{}", failed.text());
    server.stop().unwrap();
}
