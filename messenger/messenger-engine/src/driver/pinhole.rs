//! Holes that this device's router keeps open for its socket, so that those whose own router changes addresses toward everybody
//! come in all the same: asked for by PCP, else by UPnP, renewed while the engine runs, closed at its end. The port is as
//! silent behind a hole as without (`gate`). What a router says of itself is offered only where the directory sees the same.

mod hole;
mod pcp;
mod router;
mod tending;
#[cfg(test)]
mod tests;
mod upnp;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hole::ByRouter;
use self::tending::{Asks, Tending};
use super::addresses::{self, Inside};
use crate::config::OfferedAddresses;

/// How often this device looks whether it has other addresses.
const LOOK: Duration = Duration::from_secs(5);
/// How long closing may take at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// By what a router was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinholeProtocol {
    /// PCP (RFC 6887).
    Pcp,
    /// UPnP IGD.
    Upnp,
}

/// What a router does for one address of this device when it is asked to let in whoever comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinhole {
    /// The address of this device.
    pub inside: SocketAddr,
    /// Where others come in.
    pub outside: Option<SocketAddr>,
    /// By what it was opened.
    pub by: Option<PinholeProtocol>,
    /// Why there is none.
    pub refused: Option<String>,
}

/// Where others come in, and whither that leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) inside: SocketAddr,
    pub(super) outside: SocketAddr,
}

impl Way {
    /// Whether it may be offered: it leads to an address that is offered, and lies where the directory sees this device. A
    /// router's word alone could aim others' probes at anybody.
    pub(super) fn is_for_others(&self, own: &[IpAddr], seen: &[SocketAddr]) -> bool {
        let outside = self.outside.ip();
        own.contains(&self.inside.ip()) && (outside == self.inside.ip() || seen.iter().any(|seen| seen.ip() == outside))
    }
}

/// The holes of one socket.
pub(super) struct Pinholes {
    wanted: watch::Sender<Wanted>,
    told: watch::Receiver<Vec<Way>>,
    stop: CancellationToken,
    keeping: Mutex<Option<JoinHandle<()>>>,
}

/// Whether holes are wanted: not before it is known where the directory is. The number counts connections to it: with each
/// the holes are seen to anew, for the network, the router or this device may have slept meanwhile.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    directory: Option<SocketAddr>,
    connections: u64,
}

impl Pinholes {
    /// For a socket bound to this address, of which others are told what `offered` says.
    pub(super) fn new(bound: SocketAddr, offered: OfferedAddresses) -> Self {
        let (wanted, wants) = watch::channel(Wanted::default());
        let ((tell, told), stop) = (watch::channel(Vec::new()), CancellationToken::new());
        let insides = move |directory| addresses::routed(bound, directory, offered);
        let keeping = tokio::spawn(keep(Arc::new(ByRouter), insides, wants, Arc::new(tell), stop.clone()));
        Self { wanted, told, stop, keeping: Mutex::new(Some(keeping)) }
    }

    /// Those of a device that asks no router.
    pub(super) fn none() -> Self {
        let ((wanted, _), (_, told)) = (watch::channel(Wanted::default()), watch::channel(Vec::new()));
        Self { wanted, told, stop: CancellationToken::new(), keeping: Mutex::default() }
    }

    /// A connection to the directory stands. Beside one on this machine itself nobody comes from elsewhere.
    pub(super) fn want(&self, directory: SocketAddr) {
        let directory = (!directory.ip().to_canonical().is_loopback()).then_some(directory);
        self.wanted.send_modify(|wanted| {
            wanted.directory = directory;
            wanted.connections += 1;
        });
    }

    /// Where others come in now.
    pub(super) fn open(&self) -> Vec<Way> {
        self.told.borrow().clone()
    }

    /// Has the routers close what is open.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeping) = keeping {
            let _ = tokio::time::timeout(FAREWELL, keeping).await;
        }
    }
}

impl Drop for Pinholes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Has holes kept open for whatever addresses this device has, each by a task of its own, until told to stop.
async fn keep<A: Asks>(
    asks: Arc<A>,
    insides: impl Fn(SocketAddr) -> Vec<Inside>,
    mut wanted: watch::Receiver<Wanted>,
    tell: Arc<watch::Sender<Vec<Way>>>,
    stop: CancellationToken,
) {
    let (tasks, mut tended) = (TaskTracker::new(), HashMap::<SocketAddr, (Inside, CancellationToken)>::new());
    // A router that knows a hole by another number refuses to open it again before it has ended.
    let mut nonces = HashMap::new();
    let (again, _) = watch::channel(0);
    loop {
        let Wanted { directory, connections } = *wanted.borrow_and_update();
        again.send_if_modified(|known| std::mem::replace(known, connections) != connections);
        let here = directory.map(&insides).unwrap_or_default();
        tended.retain(|_, (inside, end)| {
            let stays = here.contains(inside);
            if !stays {
                end.cancel();
            }
            stays
        });
        for inside in here {
            tended.entry(inside.address).or_insert_with(|| {
                let (end, nonce) = (stop.child_token(), *nonces.entry(inside.address).or_insert_with(rand::random));
                let (asks, tell) = (Arc::clone(&asks), Arc::clone(&tell));
                let tending = Tending { inside: inside.clone(), nonce, asks, tell, again: again.subscribe() };
                tasks.spawn(tending.run(end.clone()));
                (inside, end)
            });
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK) => {}
            changed = wanted.changed() => if changed.is_err() { stop.cancel() },
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Whether routers open holes: has them opened for a short while, and closed at once.
pub(super) async fn look(bound: SocketAddr, directory: SocketAddr, offered: OfferedAddresses) -> Vec<Pinhole> {
    let looking = addresses::routed(bound, directory, offered).into_iter().map(|inside| async move {
        let found = Pinhole { inside: inside.address, outside: None, by: None, refused: None };
        match hole::Hole::open(&inside, rand::random(), hole::FOR_A_LOOK).await {
            Ok(hole) => {
                let found = Pinhole { outside: Some(hole.outside()), by: Some(hole.by()), ..found };
                hole.close().await;
                found
            }
            Err(reason) => Pinhole { refused: Some(reason), ..found },
        }
    });
    join_all(looking).await
}
