//! A home server as a service of a machine: systemd's own judgement of its unit, word to the supervisor, messages in JSON,
//! health and figures, and a graceful end.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::process;

const SOON: Duration = Duration::from_secs(60);
/// Each unit, its program, and how exposed it may be in tenths, as `systemd-analyze security` counts: 0 is shut off, 100 is
/// open.
const UNITS: [(&str, &str, &str); 4] = [
    ("homeserver.service", "homeserver", "11"),
    ("ca-vrf-signer.service", "ca", "2"),
    ("directory.service", "directory", "12"),
    ("transparency-log@.service", "transparency-log", "11"),
];

fn analyze(arguments: &[&str]) -> process::Finished {
    let mut command = guard::guarded(Path::new("systemd-analyze")).unwrap();
    command.args(arguments);
    process::run("systemd-analyze", command, SOON).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../homeserver/systemd")
}

#[test]
fn every_unit_has_its_figure_on_the_page() {
    let page = std::fs::read_to_string(folder().join("../../docs/operations/homeserver.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: BTreeSet<_> = rows
        .map(|row| {
            (
                row.split('`').next().unwrap().to_owned(),
                row.trim_end_matches(" |").rsplit(' ').next().unwrap().to_owned(),
            )
        })
        .collect();
    let held = UNITS.map(|(unit, _, tenths)| {
        let tenths: u32 = tenths.parse().unwrap();
        (unit.to_owned(), format!("{}.{}", tenths / 10, tenths % 10))
    });
    assert_eq!(told, BTreeSet::from(held));
    let there: BTreeSet<_> =
        std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, UNITS.map(|(unit, ..)| unit.to_owned()).into(), "none is left out");
}

#[test]
fn systemd_finds_the_units_in_order_and_hardened() {
    for (unit, program, exposure) in UNITS {
        let place = tempfile::tempdir().unwrap();
        let path = folder().join(unit);
        // Where the unit says that the program is, it is not here.
        let built = guard::program(program).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replace(&format!("/usr/local/bin/{program}"), built.to_str().unwrap());
        // Of a template, one that it makes.
        let unit = unit.replace('@', "@witness");
        let copy = place.path().join(&unit);
        std::fs::write(&copy, text).unwrap();
        let copy = copy.to_str().unwrap();
        let verified = analyze(&["verify", "--man=no", copy]).expect(0, "systemd's own check").unwrap();
        assert!(!verified.text().contains(&format!("{unit}:")), "{}", verified.text());
        let threshold = format!("--threshold={exposure}");
        let judged = analyze(&["security", "--offline=true", "--no-pager", &threshold, copy]);
        assert_eq!(judged.code, 0, "{}", judged.text());
        // The figure can fail: the same unit without one of its walls.
        let open = std::fs::read_to_string(copy).unwrap().replace("PrivateDevices=yes", "PrivateDevices=no");
        std::fs::write(copy, open).unwrap();
        assert_ne!(analyze(&["security", "--offline=true", "--no-pager", &threshold, copy]).code, 0);
    }
}

fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn it_tells_its_supervisor_speaks_json_and_ends_when_asked() {
    let place = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(place.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let folder = place.path().join("server");
    let options = ["--https-port", "0", "--directory-port", "0", "--log-format", "json"];
    let mut command = Homeserver::command(&folder, &options).unwrap();
    command.env("NOTIFY_SOCKET", place.path().join("notify")).env_remove("RUST_LOG");
    let server = Homeserver::start_with(&folder, command).unwrap();
    assert_eq!(heard(&socket), "READY=1");

    // Health and figures, as a probe on this machine gets them.
    let base = server.ready().acme.strip_suffix("/directory").unwrap().to_owned();
    let get = |path: &str| {
        let mut curl = guard::guarded(Path::new("curl")).unwrap();
        curl.args(["--silent", "--show-error", "--insecure", "--max-time", "20", &format!("{base}/{path}")]);
        process::run("curl", curl, SOON).unwrap().expect(0, "curl").unwrap().stdout
    };
    let health: Value = serde_json::from_str(&get("health")).unwrap();
    assert_eq!((&health["status"], &health["database"]), (&"ok".into(), &"ok".into()), "{health}");
    let figures = get("metrics");
    assert!(figures.contains("inperson_ca_audit_records ") && figures.contains("# TYPE"), "{figures}");

    let words = folder.with_extension("log");
    server.stop().unwrap();
    assert_eq!(heard(&socket), "STOPPING=1");
    let said = std::fs::read_to_string(words).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let messages: Vec<_> = lines.iter().filter_map(|line| line["fields"]["message"].as_str()).collect();
    assert!(messages.contains(&"ready") && messages.last() == Some(&"stopped"), "{messages:?}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()), "{said}");

    // A start that fails says so in the same form.
    let mut refused = Homeserver::command(&folder, &["--domain", "elsewhere.example", "--log-format", "json"]).unwrap();
    refused.env_remove("RUST_LOG");
    let refused = process::run("homeserver", refused, SOON).unwrap();
    let line: Value = serde_json::from_str(refused.stderr.lines().last().unwrap()).unwrap();
    assert!(refused.code != 0 && line["fields"]["error"].as_str().unwrap().contains("--domain"), "{line}");
}
