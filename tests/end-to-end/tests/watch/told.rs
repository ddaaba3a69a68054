//! The timer: units that systemd itself finds in order.

use std::path::Path;

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
}
