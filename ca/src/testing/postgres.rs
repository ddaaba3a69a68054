//! A PostgreSQL server for tests: started by the first that wants one, ended with the last.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long it may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Debian's package keeps the programs out of the path.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// The running server, with a folder for its socket and data.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    process: Child,
    databases: AtomicU32,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server of this process; none where PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        // A start that failed leaves the next test its own attempt.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let Some(programs) = programs() else {
            // Past the test program, which hides what a test prints unless it fails.
            let _ = writeln!(std::io::stderr(), "SKIPPED: PostgreSQL is not installed (Debian: postgresql)");
            return None;
        };
        let server = Arc::new(Self::start(programs));
        *running = Arc::downgrade(&server);
        Some(server)
    }

    fn start(programs: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let options = ["--no-sync", "--auth=trust", "--username=ca", "--encoding=UTF8", "--locale=C.UTF-8"];
        run(unprivileged(&programs.join("initdb")).arg("-D").arg(&data).args(options));
        let mut command = unprivileged(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // It ends with the thread that started it, and tests are threads: so one that never ends starts it.
        let (send, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            send.send(command.spawn()).unwrap();
            loop {
                std::thread::park();
            }
        });
        let process = started.recv().unwrap().unwrap();
        let server = Self { folder, programs, process, databases: AtomicU32::new(0) };
        server.await_ready();
        server
    }

    fn await_ready(&self) {
        let begun = Instant::now();
        let mut asked = self.client("pg_isready");
        while !asked.stdout(Stdio::null()).status().unwrap().success() {
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("ca{}", self.databases.fetch_add(1, Ordering::Relaxed));
        run(self.client("createdb").arg(&name));
        format!("postgres:///{name}?host={}&user=ca", self.folder.path().display())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(self.folder.path()).args(["-U", "ca"]);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown: whoever is connected is told.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?.flatten().map(|version| version.path().join("bin"));
    versions.filter(|bin| bin.join("initdb").is_file()).max()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// PostgreSQL does not run as root; and it does not outlive whoever started it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

fn run(command: &mut Command) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        let _ = stderr.read_to_string(&mut said);
        said
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{command:?}: {}", said.join().unwrap());
}
