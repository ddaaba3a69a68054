//! Logs in an object store, S3 as moto serves it in a process of its own: a home server's, and a log's that runs alone.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished, Running};

/// moto, in the environment that the log's own tests of object stores use as well.
const MOTO: &str = "moto[server]==5.2.5";

const SOON: Duration = Duration::from_secs(60);

struct S3 {
    _server: Running,
    address: String,
}

impl S3 {
    /// With one empty bucket, `logs`. A careless one does not look at what writes are conditional on.
    fn start(careless: bool) -> Option<Self> {
        /// The tests of this file run side by side, and share the environment.
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let requirements = folder.join("moto.txt");
        fs::write(&requirements, MOTO).unwrap();
        let python = match story::python::environment(&folder.join("moto"), &requirements) {
            Ok(python) => python,
            Err(reason) => {
                eprintln!("SKIPPED: no S3 server: {reason}");
                return None;
            }
        };
        drop(turn);
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../transparency-log/transparency-log/tests/object_store/serve_s3.py"
        );
        let mut command = guard::guarded(&python).unwrap();
        command.args(["-B", script]).args(careless.then_some("--careless"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Running::start("moto", command).unwrap();
        let port = server.first_line(SOON).unwrap();
        Some(Self { _server: server, address: format!("127.0.0.1:{}", port.trim()) })
    }

    /// Whether there is such an object in the bucket.
    fn holds(&self, name: &str) -> bool {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = format!(
            "HEAD /logs/{name} HTTP/1.0\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().to_owned();
        assert!(status == "200" || status == "404", "{answer}");
        status == "200"
    }

    /// The table of the settings.
    fn table(&self, prefix: &str) -> String {
        format!("\n[log_store]\nbucket = \"logs\"\nprefix = \"{prefix}\"\nendpoint = \"http://{}\"\n", self.address)
    }
}

fn write_keys(folder: &Path, text: &str) {
    let path = folder.join("log-store-keys");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

const KEYS: &str = "access_key_id = test\nsecret_access_key = s3cret\n";

/// Settings of a server in `folder` that has never run.
fn settings(folder: &Path, store: &str) {
    let text = format!(
        "domain = \"localhost\"\nlisten = \"127.0.0.1\"\nhttps_port = 0\ndirectory_port = 0\n\
         mail_from = \"in-person@localhost\"\npermit_domains = [\"*\"]\nlog_year = 2026\n{store}"
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("homeserver.toml"), text).unwrap();
    write_keys(folder, KEYS);
}

fn refused(folder: &Path) -> Finished {
    process::run("homeserver", Homeserver::command(folder, &[]).unwrap(), SOON).unwrap()
}

/// Announces the log `next`, and waits until the running server has opened it.
fn open_next(server: &Homeserver, is_open: impl Fn() -> bool) {
    let mut command = guard::guarded(&guard::program("homeserver").unwrap()).unwrap();
    command.args(["shard", "prepare", "--name", "next", "--begins", "2100-01-01T00:00:00Z", "--folder"]);
    command.arg(server.folder());
    process::run("homeserver", command, SOON).unwrap().expect(0, "shard prepare").unwrap();
    process::await_sight("the next log", SOON, || is_open().then_some(())).unwrap();
}

#[test]
fn people_are_certified_by_a_log_on_s3_and_so_they_are_by_the_next_one() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    settings(&folder, &s3.table("home"));
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of a log on S3").unwrap();
    assert!(s3.holds("home/2026/checkpoint") && !folder.join("log").exists(), "nothing of the log lies in the folder");
    open_next(&server, || s3.holds("home/next/checkpoint"));
    assert!(!folder.join("shards/next/log").exists());
    // After a crash everything is where it was.
    server.kill();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let bob = Person::new(place.path(), "bob@example.org");
    bob.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["watch", alice.address(), "--once"]).unwrap().expect(0, "a clean watch").unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of logs on S3").unwrap();
    server.stop().unwrap();
    // A backup without the log would seem whole.
    let mut backup = guard::guarded(&guard::program("ca").unwrap()).unwrap();
    backup.arg("--folder").arg(&folder).arg("backup").arg(place.path().join("backup"));
    let said = process::run("ca", backup, SOON).unwrap().expect(1, "a backup without the log").unwrap().text();
    assert!(said.contains("[log_store]") && !place.path().join("backup.partial").exists(), "{said}");

    // Without its store the server does not start, and does not begin another log elsewhere.
    drop(s3);
    let said = refused(&folder).expect(1, "a start without the store").unwrap().text();
    assert!(said.contains("the logs cannot lie in the bucket logs") && said.contains("log-store-keys"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert!(!folder.join("log").exists());
    // Nor when somebody takes the table away: its witness remembers.
    let text = fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    fs::write(folder.join("homeserver.toml"), text.split("[log_store]").next().unwrap()).unwrap();
    let said = refused(&folder).expect(1, "a start on an empty folder").unwrap().text();
    assert!(said.contains("the log does not start"), "{said}");
}

#[test]
fn a_log_stays_where_it_began_and_the_next_one_begins_in_the_store() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let text = fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    fs::write(folder.join("homeserver.toml"), format!("{text}{}", s3.table("home"))).unwrap();
    let said = refused(&folder).expect(1, "a start without a key").unwrap().text();
    assert!(said.contains("expected the access key of [log_store]"), "{said}");
    write_keys(&folder, KEYS);
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    open_next(&server, || s3.holds("home/next/checkpoint"));
    let first = text.lines().find_map(|line| line.strip_prefix("log_year = ")).unwrap();
    assert!(folder.join("log/checkpoint").exists() && !s3.holds(&format!("home/{first}/checkpoint")));
    server.stop().unwrap();
}

#[test]
fn a_store_on_which_a_log_could_fork_is_refused() {
    let Some(s3) = S3::start(true) else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    settings(&folder, &s3.table("home"));
    let said = refused(&folder).expect(1, "a start on a careless store").unwrap().text();
    assert!(said.contains("could fork, so it is refused") && said.contains("conditional writes"), "{said}");
    assert!(!folder.join("log").exists());
    for (keys, expected) in [("access_key_id = s3cret\n", "secret_access_key"), ("s3cret\n", "line 1")] {
        write_keys(&folder, keys);
        let said = refused(&folder).expect(1, "a start with half a key").unwrap().text();
        assert!(said.contains(expected) && !said.contains("s3cret"), "{said}");
    }
    fs::set_permissions(folder.join("log-store-keys"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(&folder).expect(1, "a start with a key that others can read").unwrap().text();
    assert!(said.contains("chmod 600"), "{said}");

    // A log that runs alone is as careful.
    let alone = place.path().join("alone");
    let serve = |arguments: &[&str]| {
        let mut command: Command = guard::guarded(&guard::program("transparency-log").unwrap()).unwrap();
        command.args(["serve", "--config"]).arg(place.path().join("serve.toml")).args(arguments);
        process::run("transparency-log", command, SOON).unwrap()
    };
    let text = format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:1\"\nfolder = {alone:?}\n\
         own_witness = \"log.example.org/witness\"\n[port]\nlisten = \"127.0.0.1:0\"\n\
         [submission]\nlisten = \"127.0.0.1:0\"\n{}",
        s3.table("alone")
    );
    fs::write(place.path().join("serve.toml"), &text).unwrap();
    let policy = serve(&["--show-policy"]).expect(0, "serve --show-policy").unwrap().stdout;
    let introduced = introduce(place.path(), &policy);
    fs::write(place.path().join("serve.toml"), format!("{text}{introduced}")).unwrap();
    let said = serve(&[]).expect(1, "a start without a key").unwrap().text();
    assert!(said.contains("log-store-keys") && said.contains("mode 0600"), "{said}");
    write_keys(&alone, KEYS);
    let said = serve(&[]).expect(1, "a start on a careless store").unwrap().text();
    assert!(said.contains("could fork, so it is refused") && said.contains("take another store"), "{said}");
    assert!(!alone.join("log").exists());
}

/// An authority for a log with this policy: what goes into the log's settings.
fn introduce(place: &Path, policy: &str) -> String {
    let file = place.join("log-policy");
    fs::write(&file, policy).unwrap();
    let mut command = guard::guarded(&guard::program("homeserver").unwrap()).unwrap();
    command.args([
        "introduce",
        "--https-port",
        "0",
        "--directory-port",
        "0",
        "--log-submission",
        "https://127.0.0.1:1",
    ]);
    command.arg("--folder").arg(place.join("authority")).arg("--log-policy").arg(&file);
    process::run("homeserver", command, SOON).unwrap().expect(0, "introduce").unwrap().stdout
}

#[test]
fn a_log_that_runs_alone_takes_entries_into_its_store() {
    let Some(s3) = S3::start(false) else { return };
    let place = tempfile::tempdir().unwrap();
    let alone = place.path().join("alone");
    let config = place.path().join("serve.toml");
    let command = |arguments: &[&str]| {
        let mut command: Command = guard::guarded(&guard::program("transparency-log").unwrap()).unwrap();
        command.args(["serve", "--json", "--config"]).arg(&config).args(arguments);
        command
    };
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (public, submission) = (port(), port());
    let text = format!(
        "origin = \"log.example.org/2026\"\nurl = \"http://127.0.0.1:{public}\"\nfolder = {alone:?}\n\
         own_witness = \"log.example.org/witness\"\n[port]\nlisten = \"127.0.0.1:{public}\"\n\
         [submission]\nlisten = \"127.0.0.1:{submission}\"\n{}",
        s3.table("alone/2026")
    );
    fs::write(&config, &text).unwrap();
    let policy = process::run("transparency-log", command(&["--show-policy"]), SOON).unwrap().stdout;
    let introduced = introduce(place.path(), &policy);
    fs::write(&config, format!("{text}{introduced}")).unwrap();
    write_keys(&alone, KEYS);
    let mut serve = command(&[]);
    serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.path().join("words")).unwrap());
    let mut log = Running::start("transparency-log", serve).unwrap();
    let line = log.first_line(SOON).unwrap();
    assert!(line.contains("\"ready\":true"), "{line}{}", fs::read_to_string(place.path().join("words")).unwrap());
    let at = format!("https://127.0.0.1:{submission}");
    let server = Homeserver::start(&place.path().join("authority"), &["--log-submission", &at]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "an audit of a log on S3").unwrap();
    assert!(s3.holds("alone/2026/checkpoint") && !alone.join("log").exists());
    server.stop().unwrap();
    log.kill();
}
