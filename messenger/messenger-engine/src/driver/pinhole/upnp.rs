//! Asking a router by UPnP: a mapping of a port for IPv4 (WANIPConnection), a pinhole in its firewall for IPv6
//! (WANIPv6FirewallControl of IGD 2).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use igd_next::aio::tokio::{Tokio, search_gateway, search_ipv6_firewall_gateway};
use igd_next::aio::{Gateway, Ipv6FirewallGateway};
use igd_next::{PortMappingProtocol, SearchOptions};

use super::super::addresses::source_toward;

/// How long a router may take to be found (UPnP Device Architecture 1.1, section 1.3.2: MX), and to do what it is asked.
const SEARCH: Duration = Duration::from_secs(3);
const REQUEST: Duration = Duration::from_secs(5);
/// What the router's own pages list it as.
const DESCRIPTION: &str = "In Person";

/// What is needed to renew and to close.
#[derive(Debug)]
pub(super) enum Lease {
    Port { gateway: Gateway<Tokio>, inside: SocketAddr, outside: SocketAddr },
    Pinhole { gateway: Ipv6FirewallGateway<Tokio>, inside: SocketAddrV6, id: u16 },
}

impl Lease {
    /// Asks for one; why not in words.
    pub(super) async fn open(inside: SocketAddr, index: u32, lifetime: u32) -> Result<Self, String> {
        match inside {
            SocketAddr::V4(_) => within(Self::port(inside, lifetime)).await,
            SocketAddr::V6(inside) => within(Self::pinhole(inside, index, lifetime)).await,
        }
    }

    async fn port(inside: SocketAddr, lifetime: u32) -> Result<Self, String> {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(inside.ip(), 0);
        options.timeout = Some(SEARCH);
        let gateway = search_gateway(options).await.map_err(|error| found_none(&error))?;
        // A router that grants for ever alone is not asked to: after a crash nobody would close it.
        let outside = gateway.get_any_address(PortMappingProtocol::UDP, inside, lifetime, DESCRIPTION).await;
        let outside = outside.map_err(|error| format!("the router refuses by UPnP: {error}"))?;
        Ok(Self::Port { gateway, inside, outside })
    }

    async fn pinhole(inside: SocketAddrV6, index: u32, lifetime: u32) -> Result<Self, String> {
        let mut options = SearchOptions::ipv6(index);
        options.bind_addr = SocketAddrV6::new(*inside.ip(), 0, 0, 0).into();
        options.timeout = Some(SEARCH);
        let gateway = search_ipv6_firewall_gateway(options).await.map_err(|error| found_none(&error))?;
        // A router opens a pinhole only to who asks (else it answers 606), and the system chooses from where that is.
        if source_toward(gateway.addr) != Some(IpAddr::V6(*inside.ip())) {
            return Err(format!("the router's UPnP is at {}, which is not asked from {}", gateway.addr, inside.ip()));
        }
        let id = gateway.add_pinhole(PortMappingProtocol::UDP, inside, lifetime).await;
        let id = id.map_err(|error| format!("the router refuses by UPnP: {error}"))?;
        Ok(Self::Pinhole { gateway, inside, id })
    }

    /// Where a packet that is let in was sent to.
    pub(super) fn outside(&self) -> SocketAddr {
        match self {
            Self::Port { outside, .. } => *outside,
            Self::Pinhole { inside, .. } => SocketAddr::V6(*inside),
        }
    }

    pub(super) async fn renew(&self, lifetime: u32) -> Result<(), String> {
        match self {
            Self::Port { gateway, inside, outside } => {
                let renewed =
                    gateway.add_port(PortMappingProtocol::UDP, outside.port(), *inside, lifetime, DESCRIPTION);
                within(async { renewed.await.map_err(|error| error.to_string()) }).await
            }
            Self::Pinhole { gateway, id, .. } => {
                within(async { gateway.update_pinhole(*id, lifetime).await.map_err(|error| error.to_string()) }).await
            }
        }
    }

    pub(super) async fn close(&self) -> Result<(), String> {
        match self {
            Self::Port { gateway, outside, .. } => {
                let removed = gateway.remove_port(PortMappingProtocol::UDP, outside.port());
                within(async { removed.await.map_err(|error| error.to_string()) }).await
            }
            Self::Pinhole { gateway, id, .. } => {
                within(async { gateway.remove_pinhole(*id).await.map_err(|error| error.to_string()) }).await
            }
        }
    }
}

fn found_none(error: &igd_next::SearchError) -> String {
    match error {
        igd_next::SearchError::NoResponseWithinTimeout => "no router answers UPnP".to_owned(),
        other => format!("no router was found by UPnP: {other}"),
    }
}

async fn within<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let answered = tokio::time::timeout(SEARCH + REQUEST, asking).await;
    answered.unwrap_or_else(|_| Err("the router's UPnP does not answer in time".to_owned()))
}
