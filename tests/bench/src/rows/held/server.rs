//! The server in a process of its own, with the allocator of the program `directory`: `tests/bench/held`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

pub(super) use bench_held::{NAME, begin};
use identity::UnixTime;
use identity::testing::Authority;

/// The other process; it ends with this value.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    bare: bool,
    begin: UnixTime,
}

impl Server {
    /// Starts it: it lies beside this program.
    pub(super) fn start(what: &str) -> Self {
        let begin = begin();
        let program = std::env::current_exe().expect("this program has a path").with_file_name("bench-held");
        let mut command = Command::new(&program);
        command.args([what, &begin.as_secs().to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{} cannot be started ({error}); ./bench builds it", program.display());
        });
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().parse().expect("an address");
        Self { child, address, bare: what == "bare", begin }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    /// The authority whose people it takes.
    pub(super) fn authority(&self) -> Authority {
        bench_held::authority(self.begin)
    }

    /// What it has resident now, in bytes, from the kernel's own account.
    pub(super) fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN);
        kib * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone without a word, as in a crash.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
