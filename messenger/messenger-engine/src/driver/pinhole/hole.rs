//! One hole: opened by PCP, else by UPnP, and renewed and closed by what it was opened by.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::addresses::Inside;
use super::tending::{Asks, NotRenewed};
use super::{PinholeProtocol, pcp, router, upnp};

/// What is asked for, in seconds. After a crash a hole stays for so long, and leads to a port where nobody answers.
const LIFETIME: u32 = 30 * 60;
/// The same for one that is closed at once: routers grant no less (RFC 6887 section 15 recommends two minutes at least).
pub(super) const FOR_A_LOOK: u32 = 2 * 60;

/// What a router opened.
pub(super) enum Hole {
    Pcp { router: SocketAddr, request: pcp::Request, granted: pcp::Granted },
    Upnp(upnp::Lease),
}

impl Hole {
    /// Asks for one; why there is none in words.
    pub(super) async fn open(inside: &Inside, nonce: [u8; 12], lifetime: u32) -> Result<Self, String> {
        let router = router::toward(inside.address.ip(), &inside.interface, inside.index);
        let request = pcp::Request { inside: inside.address, nonce, outside: None, lifetime };
        let by_pcp = match request.ask(router).await {
            Ok(granted) => {
                let request = pcp::Request { outside: Some(granted.outside), ..request };
                return Ok(Self::Pcp { router, request, granted });
            }
            Err(error) => error,
        };
        let by_upnp = upnp::Lease::open(inside, lifetime).await;
        by_upnp.map(Self::Upnp).map_err(|by_upnp| format!("{by_pcp}; {by_upnp}"))
    }

    async fn renew(&mut self) -> Result<(), NotRenewed> {
        match self {
            Self::Pcp { router, request, granted } => {
                *granted = request.ask(*router).await.map_err(|error| match error {
                    pcp::PcpError::Refused(_) | pcp::PcpError::Nothing => NotRenewed::Gone,
                    pcp::PcpError::Silent(_) | pcp::PcpError::Socket(_) => NotRenewed::Silent,
                })?;
                // It may be another address now: the router's own has changed.
                request.outside = Some(granted.outside);
                Ok(())
            }
            Self::Upnp(lease) => lease.renew(LIFETIME).await,
        }
    }

    pub(super) async fn close(self) {
        let closed = match self {
            Self::Pcp { router, request, .. } => request.close(router).await.map_err(|error| error.to_string()),
            Self::Upnp(lease) => lease.close().await.map_err(|error| error.to_string()),
        };
        if let Err(reason) = closed {
            tracing::debug!(reason, "a pinhole was not closed; it ends by itself");
        }
    }

    pub(super) fn outside(&self) -> SocketAddr {
        match self {
            Self::Pcp { granted, .. } => granted.outside,
            Self::Upnp(lease) => lease.outside(),
        }
    }

    pub(super) fn by(&self) -> PinholeProtocol {
        match self {
            Self::Pcp { .. } => PinholeProtocol::Pcp,
            Self::Upnp(_) => PinholeProtocol::Upnp,
        }
    }

    /// A router may grant more; it is seen to as often all the same.
    fn lifetime(&self) -> Duration {
        let asked = Duration::from_secs(LIFETIME.into());
        match self {
            Self::Pcp { granted, .. } => granted.lifetime.min(asked),
            Self::Upnp(_) => asked,
        }
    }
}

/// Asks real routers.
pub(super) struct ByRouter;

impl Asks for ByRouter {
    type Hole = Hole;

    async fn open(&self, inside: &Inside, nonce: [u8; 12]) -> Result<Hole, String> {
        Hole::open(inside, nonce, LIFETIME).await
    }

    async fn renew(&self, hole: &mut Hole) -> Result<(), NotRenewed> {
        hole.renew().await
    }

    async fn close(&self, hole: Hole) {
        hole.close().await;
    }

    /// Only PCP can forget what it may not know.
    async fn forget(&self, inside: &Inside, nonce: [u8; 12]) {
        let router = router::toward(inside.address.ip(), &inside.interface, inside.index);
        let request = pcp::Request { inside: inside.address, nonce, outside: None, lifetime: 0 };
        let _ = request.send_once(router).await;
    }

    fn outside(&self, hole: &Hole) -> SocketAddr {
        hole.outside()
    }

    fn lifetime(&self, hole: &Hole) -> Duration {
        hole.lifetime()
    }
}
