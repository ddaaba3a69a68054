//! What brings packets to other nodes: core NATS, over mutual TLS. At most once, nothing is stored; what is lost is sent again
//! by `link`. Subjects name a place in the list of nodes under a number that the cluster key gives, and nobody. Each node has one
//! subject, for beats as for all else: where one gets through, so does the other.

use super::NodeId;
use super::shards::derive;
use async_nats::connection::State;
use futures_util::StreamExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often a server is asked whether it is there. After three of these it is taken to be gone, and the next one is tried:
/// well within the time after which a node lets its people go.
const PING: Duration = Duration::from_millis(300);

/// How long a server may take to answer before the next one is tried.
const CONNECT: Duration = Duration::from_millis(800);

/// Pause between attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// Packets that may wait to be taken up. More are lost, and sent again.
const PACKETS: usize = 4_096;

/// How long the last packets may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Where NATS is, and how both sides prove who they are. The files are read at every connection: they may be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarrierConfig {
    /// `tls://host:port`, each.
    pub servers: Vec<String>,
    /// Whose certificates the servers have (PEM).
    pub authority: PathBuf,
    /// Private key and chain of this node, in one file (PEM).
    pub certificate: PathBuf,
}

/// A packet that leaves, and for which node.
pub(crate) type Departing = (NodeId, Vec<u8>);

/// Carries packets both ways until `stop`; then what still waits, and returns.
pub(crate) async fn carry(
    config: CarrierConfig,
    (key, me): ([u8; 32], NodeId),
    mut departing: mpsc::Receiver<Departing>,
    arrived: impl Fn(Vec<u8>),
    stop: CancellationToken,
) {
    let cluster = hex(&derive(&key, b"inperson-cluster-subject-v1")[..8]);
    let subject = |node: NodeId| format!("inperson.{cluster}.{node}");
    while let Some(client) = connect(&config, &stop).await {
        let Ok(mut incoming) = client.subscribe(subject(me)).await else {
            tracing::warn!("NATS does not let this node subscribe; it tries again");
            tokio::time::sleep(PAUSE * 10).await;
            continue;
        };
        loop {
            tokio::select! {
                packet = departing.recv() => {
                    let Some((to, sealed)) = packet else { return };
                    // While there is no server it would wait, and be old news when one is there again.
                    if client.connection_state() == State::Connected {
                        client.publish(subject(to), sealed.into()).await.ok();
                    }
                }
                message = incoming.next() => match message {
                    Some(message) => arrived(message.payload.into()),
                    None => break,
                },
                () = stop.cancelled() => {
                    while let Ok((to, sealed)) = departing.try_recv() {
                        client.publish(subject(to), sealed.into()).await.ok();
                    }
                    tokio::time::timeout(GOODBYE, client.flush()).await.ok();
                    return;
                }
            }
        }
    }
}

/// Tells what is other than what was told last: the same is met ten times a second while a server is away.
fn tell_once(told: &Mutex<String>, what: String) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if *told != what {
        tracing::warn!("{what}");
        *told = what;
    }
}

/// Tries until it succeeds, or must stop.
async fn connect(config: &CarrierConfig, stop: &CancellationToken) -> Option<async_nats::Client> {
    let told = Arc::new(Mutex::new(String::new()));
    let options = || {
        let told = Arc::clone(&told);
        async_nats::ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(config.authority.clone())
            .add_client_certificate(config.certificate.clone(), config.certificate.clone())
            .no_echo()
            .ping_interval(PING)
            .connection_timeout(CONNECT)
            .client_capacity(PACKETS)
            .subscription_capacity(PACKETS)
            .reconnect_delay_callback(|_| PAUSE)
            .event_callback(move |event| {
                let told = told.clone();
                async move { tell_once(&told, format!("NATS: {event}")) }
            })
    };
    loop {
        tokio::select! {
            connected = options().connect(config.servers.clone()) => match connected {
                Ok(client) => return Some(client),
                Err(error) => tell_once(&told, format!("no NATS server lets this node in: {error}")),
            },
            () = stop.cancelled() => return None,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE * 10) => {}
            () = stop.cancelled() => return None,
        }
    }
}

/// How many packets may wait to be carried.
pub(crate) fn departures() -> (mpsc::Sender<Departing>, mpsc::Receiver<Departing>) {
    mpsc::channel(PACKETS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
