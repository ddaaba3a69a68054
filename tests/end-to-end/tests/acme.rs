//! certbot's `acme` library (`tests/acme`) drives our authority through everything a client meets, and Debian's pebble
//! as a reference: what it finds right there it must find right here.
//!
//! It runs in a virtual environment of its own below the build directory. Where that or pebble cannot be had, the test
//! says so and passes.

#![allow(clippy::unwrap_used)]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;
use story::homeserver::Homeserver;
use story::process::{self, Running};
use story::{Failure, guard, ports, python};

/// All steps of the script together; a quiet machine takes some twenty seconds.
const DEADLINE: Duration = Duration::from_secs(240);
/// Until pebble answers.
const START: Duration = Duration::from_secs(30);
/// The key of the external account `member-7`, base64url: 48 bytes.
const KEY: &str = "c29tZSBmb3J0eS1laWdodCBieXRlcyBmb3IgYSBrZXkgdGhhdCBub2JvZHkgZWxzZSBo";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../acme").canonicalize().unwrap()
}

/// The library's Python; a word of it where there is none. Made once, however many tests ask for it at a time.
fn judge() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = || {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("acme");
        let made = python::environment(&place, &folder().join("requirements.txt"));
        made.map_err(|reason| story::skipped(format_args!("certbot's acme library did not run: {reason}"))).ok()
    };
    PYTHON.get_or_init(made).clone()
}

/// Runs the script, and shows what it said.
fn drive(python: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = guard::guarded(python).unwrap();
    // No bytecode beside the sources.
    command.arg("-B").arg(folder().join("drive.py")).args(arguments);
    let done = process::run("drive.py", command, DEADLINE).unwrap();
    let done = done.expect(0, "certbot's acme library").unwrap();
    eprint!("{}", done.stdout);
    done.stdout.lines().map(str::to_owned).collect()
}

fn drive_ours(python: &Path, server: &Homeserver, more: &[&str]) -> Vec<String> {
    let root = server.folder().join("keys/root.pem");
    let outbox = server.folder().join("outbox");
    let mut arguments = vec!["--directory", &server.ready().acme, "--kind", "email"];
    arguments.extend(["--ca-file", root.to_str().unwrap(), "--outbox", outbox.to_str().unwrap()]);
    arguments.extend_from_slice(more);
    drive(python, &arguments)
}

#[test]
fn certbots_library_is_content_with_our_authority() {
    let Some(python) = judge() else { return };
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let said = drive_ours(&python, &server, &[]);
    let skipped: Vec<_> = said.iter().filter(|line| line.starts_with("skip")).collect();
    assert!(said.len() >= 16 && skipped.is_empty(), "expected every step to be taken, found {skipped:?}");
}

#[test]
fn certbots_library_is_content_with_a_server_in_its_test_mode() {
    let Some(python) = judge() else { return };
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &["--acme-chaos"]).unwrap();
    drive_ours(&python, &server, &[]);
}

#[test]
fn certbots_library_binds_an_account_elsewhere() {
    let Some(python) = judge() else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let settings = std::fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    let required = "\n[enrolment]\nrequire_external_account = true\n";
    std::fs::write(folder.join("homeserver.toml"), settings + required).unwrap();
    let refused = Homeserver::refused(&folder, &[]).unwrap();
    assert!(refused.code == 1 && refused.text().contains("nobody could enrol"), "{}", refused.text());
    std::fs::write(folder.join("external-accounts"), format!("member-7 {KEY}\n")).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    assert!(drive_ours(&python, &server, &["--eab", &format!("member-7:{KEY}")])[0].starts_with("ok"));
}

#[test]
fn the_reference_passes_the_same_steps() {
    let Some(python) = judge() else { return };
    for external in [false, true] {
        let Some(pebble) = Pebble::start(external) else { return };
        let root = pebble.root.to_str().unwrap();
        let mut arguments = vec!["--directory", &pebble.directory, "--ca-file", root, "--kind", "dns"];
        let account = format!("member-7:{KEY}");
        if external {
            arguments.extend(["--eab", &account]);
        }
        let said = drive(&python, &arguments);
        assert!(said.iter().any(|line| line.starts_with("ok")), "{said:?}");
    }
}

/// A running pebble. It refuses no nonces: the library tries again only once, and two refusals in a row would fail a run
/// now and then.
struct Pebble {
    _running: Running,
    _folder: tempfile::TempDir,
    directory: String,
    root: PathBuf,
}

impl Pebble {
    /// `None`, and a word of it, where it is not installed.
    fn start(external: bool) -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&folders).map(|folder| folder.join("pebble")).find(|path| path.is_file());
        let Some(program) = program else {
            story::skipped("pebble is not installed (Debian package pebble)");
            return None;
        };
        Some(Self::start_program(&program, external).unwrap())
    }

    fn start_program(program: &Path, external: bool) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.pem");
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&root, own.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        // It cannot be told to take a free port and to say which.
        let port = ports::own()?;
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": "",
            "certificate": root,
            "privateKey": folder.path().join("key.pem"),
            "httpPort": 5002,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": external,
            "externalAccountMACKeys": {"member-7": KEY},
        }});
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let mut command: Command = guard::guarded(program)?;
        command.arg("-config").arg(folder.path().join("config.json"));
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_VA_ALWAYS_VALID", "1");
        command.env("PEBBLE_WFE_NONCEREJECT", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running::start("pebble", command)?;
        let until = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until || running.ended()?.is_some() {
                return Err(Failure::new("expected pebble to answer, found none"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let directory = format!("https://localhost:{port}/dir");
        Ok(Self { _running: running, _folder: folder, directory, root })
    }
}
