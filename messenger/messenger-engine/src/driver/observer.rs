//! Being told where one is seen from. Asks the directory's ports in both address families, from the socket that meets peers
//! (docs/spec/directory.md, section 9), and again before a router forgets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::addresses::source_toward;
use super::gate::Gate;

/// How often: routers keep the mapping of UDP for 30 s at the shortest that is common (RFC 4787 section 4.3 wants 2 min).
const EVERY: Duration = Duration::from_secs(20);
/// How long each of a few questions is waited for.
const WAITS: [Duration; 4] =
    [Duration::from_millis(150), Duration::from_millis(300), Duration::from_millis(600), Duration::from_secs(1)];

/// Asks for as long as it is not dropped; `looked` is told when the first round is over.
pub(super) async fn observe(gate: Arc<Gate>, ports: Vec<SocketAddr>, looked: watch::Sender<bool>) {
    // What was said on an earlier network says nothing about this one.
    gate.forget_sights();
    loop {
        round(&gate, &ports).await;
        looked.send_replace(true);
        tokio::time::sleep(EVERY).await;
    }
}

/// Asks each of them once, and again where it does not answer.
pub(super) async fn round(gate: &Gate, ports: &[SocketAddr]) {
    // A family without a way there answers nothing, and a call must not wait for it.
    let (there, nowhere): (Vec<SocketAddr>, Vec<_>) = ports.iter().partition(|port| source_toward(**port).is_some());
    nowhere.into_iter().for_each(|port| gate.forget_sight(port));
    let mut open: Vec<(SocketAddr, _)> = there.into_iter().map(|port| (port, rand::random())).collect();
    for wait in WAITS {
        open.iter().for_each(|(port, transaction)| gate.ask(*port, *transaction));
        let answered = async {
            loop {
                open.retain(|(port, transaction)| !gate.has_answered(*port, *transaction));
                if open.is_empty() {
                    return;
                }
                gate.observed().await;
            }
        };
        if tokio::time::timeout(wait, answered).await.is_ok() {
            return;
        }
    }
    // Whoever does not answer any more says nothing about now.
    open.iter().for_each(|(port, _)| gate.forget_sight(*port));
}
