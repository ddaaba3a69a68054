//! The server in a process of its own: `bench-held KIND BEGIN`, where KIND is `directory`, or `bare` for a quinn server that echoes on
//! one stream, and BEGIN the second in which the authority began. It says where it listens, and ends when its input does.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bench_held::{Credential, NAME, authority, bare as verifiers, server};
use directory::{Directory, DirectoryConfig, Rate, transport};
use identity::testing::{Authority, private_key};
use identity::tls::provider;
use identity::{Identifier, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_util::sync::CancellationToken;

/// As in the program `directory`.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(kind), Some(begin)) = (arguments.next(), arguments.next().and_then(|begin| begin.parse().ok())) else {
        eprintln!("bench-held: is started by the bench");
        std::process::exit(2);
    };
    let begin = UnixTime::since_unix_epoch(Duration::from_secs(begin));
    let authority = authority(begin);
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
    let who = Identifier::parse("server@example.org").expect("an address");
    let (chain, key) = authority.issue_person(&who, begin);
    let credential = Credential { chain, key: private_key(&key) };
    let mut config = server(&credential, &verifiers(authority));
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
