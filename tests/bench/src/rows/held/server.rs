//! The server in a process of its own: a directory, or a bare quinn server that echoes on one stream.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, DirectoryConfig, Rate, transport};
use identity::UnixTime;
use identity::testing::{Authority, private_key};
use identity::tls::provider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_util::sync::CancellationToken;

use super::super::handshake;
use super::super::message::person;
use crate::quic::{self, Credential};

/// What its certificate names.
pub(super) const NAME: &str = "localhost";
const SEED: u64 = 6;
/// Everybody is certified at this time of the same day, so that both processes make the same authority.
const DAY_S: u64 = 24 * 60 * 60;

/// When the authority began: today.
pub(super) fn begin() -> UnixTime {
    let now = UnixTime::now().as_secs();
    UnixTime::since_unix_epoch(Duration::from_secs(now - now % DAY_S))
}

/// The other process; it ends with this value.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    bare: bool,
    begin: UnixTime,
}

impl Server {
    /// Starts this program again.
    pub(super) fn start(what: &str) -> Self {
        let begin = begin();
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(["--part", &format!("held:{what}:{}", begin.as_secs()), "--folder", "."]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program can be started");
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
        Authority::new(SEED, self.begin)
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

/// The other process: `what` is the kind and the time at which the authority began. Ends when its input does.
pub(crate) fn part(what: &str) {
    let (kind, begin) = what.split_once(':').expect("a kind and a time");
    let begin = UnixTime::since_unix_epoch(Duration::from_secs(begin.parse().expect("seconds")));
    let authority = Authority::new(SEED, begin);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs only threads");
    let address =
        runtime.block_on(async { if kind == "bare" { bare(&authority, begin) } else { ours(&authority, begin) } });
    println!("{address}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn ours(authority: &Authority, begin: UnixTime) -> SocketAddr {
    let (chain, key) = authority.issue_service(NAME, begin);
    let certified = CertifiedKey::from_der(chain, key, &provider()).expect("the key fits");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = DirectoryConfig::new(listen, Arc::new(SingleCertAndKey::from(certified)), authority.trust());
    // What is measured is what it holds, not how many it may hold.
    (config.limits.connections, config.limits.connections_per_address) = (usize::MAX, usize::MAX);
    config.limits.announcements = Rate::new(1_000_000, Duration::from_nanos(100));
    let directory = Directory::bind(config).expect("loopback has free ports");
    let address = directory.local_addr();
    tokio::spawn(async move { directory.serve(CancellationToken::new()).await });
    address
}

fn bare(authority: &Authority, begin: UnixTime) -> SocketAddr {
    // The bare verifiers know the signatures of people's devices alone.
    let (chain, key) = authority.issue_person(&person("server@example.org"), begin);
    let credential = Credential { chain, key: private_key(&key) };
    let mut config = quic::server(&credential, &handshake::bare(authority));
    config.transport_config(Arc::new(transport()));
    let endpoint = quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0)));
    let endpoint = endpoint.expect("loopback has free ports");
    let address = endpoint.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                let Ok((mut send, mut receive)) = connection.accept_bi().await else { return };
                let mut here = [0; 4];
                if receive.read_exact(&mut here).await.is_ok() && send.write_all(&here).await.is_ok() {
                    connection.closed().await;
                }
            });
        }
    });
    address
}
