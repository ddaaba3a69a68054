//! An alarm through the programs that machines really have: `notify-send`, systemd's `busctl`, and a `sendmail`; to a mail
//! server and a desktop by other people. The other tests put scripts in the place of the programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};

use super::{SOON, script, search_path};

/// Where notifications and mails go.
struct Receivers {
    _bus: Running,
    _receivers: Running,
    address: String,
    port: String,
    folder: PathBuf,
}

impl Receivers {
    fn start(folder: &Path) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watch");
        let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receivers");
        let python = story::python::environment(&environment, &here.join("receivers.txt")).unwrap();
        let mut bus = guard::guarded(Path::new("dbus-daemon")).unwrap();
        bus.args(["--session", "--nofork", "--print-address"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut bus = Running::start("dbus-daemon", bus).unwrap();
        let address = bus.first_line(SOON).unwrap().trim().to_owned();
        std::fs::create_dir(folder).unwrap();
        let mut receivers = guard::guarded(&python).unwrap();
        receivers.arg("-B").arg(here.join("receivers.py")).arg(folder).env("DBUS_SESSION_BUS_ADDRESS", &address);
        receivers.stdin(Stdio::null()).stdout(Stdio::piped());
        receivers.stderr(process::sink(&folder.with_extension("log")).unwrap());
        let mut receivers = Running::start("receivers", receivers).unwrap();
        let port = receivers.first_line(SOON).unwrap().trim().to_owned();
        let said = || std::fs::read_to_string(folder.with_extension("log")).unwrap_or_default();
        assert!(port.parse::<u16>().is_ok(), "{port:?} {}", said());
        Self { _bus: bus, _receivers: receivers, address, port, folder: folder.to_owned() }
    }

    /// The next of this kind, which is taken away.
    fn next(&self, kind: &str) -> Value {
        let found = || {
            let files = std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
            let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
            files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind))
        };
        let path = process::await_sight(kind, SOON, found).unwrap();
        let value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        value
    }
}

#[test]
#[ignore = "needs a session's bus, notify-send and msmtp; run by ./test --all"]
fn an_alarm_reaches_a_desktop_and_a_mailbox_through_the_programs_of_the_machine() {
    let place = tempfile::tempdir().unwrap();
    let receivers = Receivers::start(&place.path().join("received"));
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    let thief = Person::new(&place.path().join("elsewhere"), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    thief.join(server.ready(), &server.outbox()).unwrap();

    let home = place.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let account = format!("account default\nhost 127.0.0.1\nport {}\nfrom watch@example.org\n", receivers.port);
    std::fs::write(home.join(".msmtprc"), account).unwrap();
    let programs = place.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let look = || {
        let ways = ["--notify", "--mail", "alice@elsewhere.example", "--sendmail", "/usr/bin/msmtp"];
        let arguments = [&["watch", alice.address(), "--once"], &ways[..]].concat();
        let mut watch = alice.command("certtool", &arguments).unwrap();
        watch.env("DBUS_SESSION_BUS_ADDRESS", &receivers.address).env("HOME", &home);
        watch.env("PATH", search_path(&programs)).env_remove("XDG_CONFIG_HOME");
        let alarm = process::run("certtool", watch, SOON).unwrap().expect(3, "a watch").unwrap();
        assert!(!alarm.stderr.contains("failed"), "{}", alarm.text());
        (receivers.next("shown"), receivers.next("mail"))
    };
    let (shown, mail) = look();
    assert_eq!((&shown["application"], &shown["hints"]["urgency"]), (&"In Person".into(), &2.into()), "{shown}");
    assert!(shown["summary"].as_str().unwrap().contains("alice@example.org"), "{shown}");
    assert!(shown["body"].as_str().unwrap().contains("a key you have not confirmed"), "{shown}");
    assert_eq!((&mail["from"], &mail["to"][0]), (&"watch@example.org".into(), &"alice@elsewhere.example".into()));
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Subject: In Person: ALARM") && text.contains("a key you have not confirmed"), "{text}");
    assert!(text.contains("From: ") && text.contains("Date: "), "{text}");

    // Where there is no notify-send that works, systemd's own program says the same.
    script(&programs.join("notify-send"), "exit 1");
    std::fs::remove_file(alice.home().join("watch/told.json")).unwrap();
    let (again, _) = look();
    for part in ["application", "summary", "body"] {
        assert_eq!(again[part], shown[part], "{again}");
    }
    assert_eq!(again["hints"]["urgency"], 2, "{again}");
    server.stop().unwrap();
}
