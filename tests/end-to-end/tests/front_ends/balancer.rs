//! What stands before several front ends: each connection goes to the next that answers.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A connection on which nobody says anything for so long ends.
const IDLE: Duration = Duration::from_secs(120);

pub(crate) struct Balancer {
    used: Arc<Vec<AtomicUsize>>,
}

impl Balancer {
    /// Listens at `address` until the process ends.
    pub(crate) fn start(address: SocketAddr, behind: Vec<SocketAddr>) -> Self {
        let used: Arc<Vec<_>> = Arc::new(behind.iter().map(|_| AtomicUsize::new(0)).collect());
        let listener = TcpListener::bind(address).unwrap();
        let counted = Arc::clone(&used);
        std::thread::spawn(move || {
            for (n, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let (behind, counted) = (behind.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    let order = (0..behind.len()).map(|step| (n + step) % behind.len());
                    for at in order {
                        if let Ok(server) = TcpStream::connect(behind[at]) {
                            counted[at].fetch_add(1, Ordering::Relaxed);
                            let _ = join(client, server);
                            return;
                        }
                    }
                });
            }
        });
        Self { used }
    }

    /// How many connections each has had.
    pub(crate) fn used(&self) -> Vec<usize> {
        self.used.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

/// Both directions, until both ends are silent.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    let back = std::thread::spawn(move || pass(from_server, to_client));
    pass(from_client, to_server);
    let _ = back.join();
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    let _ = from.set_read_timeout(Some(IDLE));
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
