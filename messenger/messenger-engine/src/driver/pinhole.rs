//! Holes that this device's router keeps open for its socket, so that those whose own router changes addresses toward everybody
//! come in all the same: asked for by PCP, else by UPnP, renewed while the engine runs, closed at its end. The port is as
//! silent behind a hole as without (`gate`).

mod pcp;
mod router;
mod upnp;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::addresses::{self, Inside};
use crate::config::OfferedAddresses;

/// What is asked for, in seconds. After a crash a hole stays for so long, and leads to a port where nobody answers.
const LIFETIME: u32 = 30 * 60;
/// A router that grants less than twice this is not asked more often.
const SHORTEST: Duration = Duration::from_secs(30);
/// A router that opens nothing is asked again: it may have been started anew, or told to.
const AGAIN: Duration = Duration::from_secs(10 * 60);
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

/// The holes of one socket. They are closed when this is dropped, as well as can be.
pub(super) struct Pinholes {
    directory: watch::Sender<Option<SocketAddr>>,
    open: watch::Receiver<Vec<SocketAddr>>,
    stop: CancellationToken,
    keeping: Mutex<Option<JoinHandle<()>>>,
}

impl Pinholes {
    /// None is asked for before it is known where the directory is.
    pub(super) fn new(bound: SocketAddr, offered: OfferedAddresses) -> Self {
        let (directory, wanted) = watch::channel(None);
        let (tell, open) = watch::channel(Vec::new());
        let stop = CancellationToken::new();
        let keeping = Mutex::new(Some(tokio::spawn(keep(bound, offered, wanted, tell, stop.clone()))));
        Self { directory, open, stop, keeping }
    }

    /// Those of a device that asks no router.
    pub(super) fn none() -> Self {
        let (directory, _) = watch::channel(None);
        let (_, open) = watch::channel(Vec::new());
        Self { directory, open, stop: CancellationToken::new(), keeping: Mutex::default() }
    }

    /// The directory is here. Beside one on this machine itself nobody comes from elsewhere.
    pub(super) fn want(&self, directory: SocketAddr) {
        let wanted = (!directory.ip().to_canonical().is_loopback()).then_some(directory);
        self.directory.send_if_modified(|known| std::mem::replace(known, wanted) != wanted);
    }

    /// Where others come in now.
    pub(super) fn open(&self) -> Vec<SocketAddr> {
        self.open.borrow().clone()
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

/// Keeps holes open for whatever addresses this device has, until told to stop.
async fn keep(
    bound: SocketAddr,
    offered: OfferedAddresses,
    mut wanted: watch::Receiver<Option<SocketAddr>>,
    tell: watch::Sender<Vec<SocketAddr>>,
    stop: CancellationToken,
) {
    let mut kept: Vec<Kept> = Vec::new();
    loop {
        let directory = *wanted.borrow_and_update();
        let insides = directory.map(|directory| addresses::routed(bound, directory, offered)).unwrap_or_default();
        // The network on which the others were opened is not there any more: they end by themselves.
        kept.retain(|known| insides.contains(&known.inside));
        for inside in insides {
            if !kept.iter().any(|known| known.inside == inside) {
                kept.push(Kept { inside, hole: None, due: Instant::now() });
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            _ = join_all(kept.iter_mut().map(Kept::tend)) => {}
        }
        let open: Vec<_> = kept.iter().filter_map(|kept| kept.hole.as_ref()).map(Hole::outside).collect();
        tell.send_if_modified(|told| std::mem::replace(told, open.clone()) != open);
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK) => {}
            changed = wanted.changed() => if changed.is_err() { break },
        }
    }
    join_all(kept.into_iter().filter_map(|kept| kept.hole).map(Hole::close)).await;
}

/// An address, the hole for it, and when to see to it again.
struct Kept {
    inside: Inside,
    hole: Option<Hole>,
    due: Instant,
}

impl Kept {
    async fn tend(&mut self) {
        if Instant::now() < self.due {
            return;
        }
        let renewed = match &mut self.hole {
            Some(hole) => hole.renew().await,
            None => Err("it is the first".to_owned()),
        };
        // A router that was started anew knows nothing of it.
        if renewed.is_err() {
            self.hole = Hole::open(&self.inside).await.inspect_err(|reason| tracing::debug!(reason, "no pinhole")).ok();
        }
        let lasts = self.hole.as_ref().map(Hole::lifetime);
        self.due = Instant::now() + lasts.map_or(AGAIN, |lasts| (lasts / 2).max(SHORTEST));
    }
}

/// What a router opened.
enum Hole {
    Pcp { router: SocketAddr, request: pcp::Request, granted: pcp::Granted },
    Upnp(upnp::Lease),
}

impl Hole {
    /// By PCP, else by UPnP; why not in words.
    async fn open(inside: &Inside) -> Result<Self, String> {
        let router = router::toward(inside.address.ip(), &inside.interface, inside.index);
        let request = pcp::Request { inside: inside.address, nonce: rand::random(), outside: None, lifetime: LIFETIME };
        let by_pcp = match request.ask(router).await {
            Ok(granted) if granted.outside.port() != 0 && !granted.lifetime.is_zero() => {
                let request = pcp::Request { outside: Some(granted.outside), ..request };
                return Ok(Self::Pcp { router, request, granted });
            }
            Ok(_) => "the router opens nothing by PCP".to_owned(),
            Err(error) => error.to_string(),
        };
        let by_upnp = upnp::Lease::open(inside.address, inside.index, LIFETIME).await;
        by_upnp.map(Self::Upnp).map_err(|by_upnp| format!("{by_pcp}; {by_upnp}"))
    }

    async fn renew(&mut self) -> Result<(), String> {
        match self {
            Self::Pcp { router, request, granted } => {
                let renewed = request.ask(*router).await.map_err(|error| error.to_string())?;
                if renewed.outside.port() == 0 || renewed.lifetime.is_zero() {
                    return Err("the router opens nothing by PCP".to_owned());
                }
                // It may be another address now: the router's own has changed.
                request.outside = Some(renewed.outside);
                *granted = renewed;
                Ok(())
            }
            Self::Upnp(lease) => lease.renew(LIFETIME).await,
        }
    }

    async fn close(self) {
        let closed = match self {
            Self::Pcp { router, request, .. } => {
                let closing = pcp::Request { lifetime: 0, ..request };
                closing.ask(router).await.map(drop).map_err(|error| error.to_string())
            }
            Self::Upnp(lease) => lease.close().await,
        };
        if let Err(reason) = closed {
            tracing::debug!(reason, "a pinhole was not closed; it ends by itself");
        }
    }

    fn outside(&self) -> SocketAddr {
        match self {
            Self::Pcp { granted, .. } => granted.outside,
            Self::Upnp(lease) => lease.outside(),
        }
    }

    fn lifetime(&self) -> Duration {
        match self {
            Self::Pcp { granted, .. } => granted.lifetime,
            Self::Upnp(_) => Duration::from_secs(LIFETIME.into()),
        }
    }

    fn by(&self) -> PinholeProtocol {
        match self {
            Self::Pcp { .. } => PinholeProtocol::Pcp,
            Self::Upnp(_) => PinholeProtocol::Upnp,
        }
    }
}

/// Whether routers open holes: opens them, and closes them at once.
pub(super) async fn look(bound: SocketAddr, directory: SocketAddr, offered: OfferedAddresses) -> Vec<Pinhole> {
    let looking = addresses::routed(bound, directory, offered).into_iter().map(|inside| async move {
        let (mut found, address) = (Pinhole { inside: inside.address, outside: None, by: None, refused: None }, inside);
        match Hole::open(&address).await {
            Ok(hole) => {
                (found.outside, found.by) = (Some(hole.outside()), Some(hole.by()));
                hole.close().await;
            }
            Err(reason) => found.refused = Some(reason),
        }
        found
    });
    join_all(looking).await
}
