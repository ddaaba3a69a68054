//! Asking a router by UPnP: a mapping of a port for IPv4 (WANIPConnection), a pinhole in its firewall for IPv6
//! (WANIPv6FirewallControl of IGD 2).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use igd_next::aio::tokio::{Tokio, search_gateway, search_ipv6_firewall_gateway};
use igd_next::aio::{Gateway, Ipv6FirewallGateway};
use igd_next::{PortMappingProtocol, SearchOptions};

use super::super::addresses::{Inside, source_toward};
use super::router;
use super::tending::NotRenewed;

/// How long a router may take to be found (UPnP Device Architecture 1.1, section 1.3.2: MX), and to do what it is asked.
const SEARCH: Duration = Duration::from_secs(3);
const REQUEST: Duration = Duration::from_secs(5);
/// What the router's own pages list it as.
const DESCRIPTION: &str = "In Person";

/// Why nothing was opened, renewed or closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpnpError {
    #[error("the router's UPnP does not answer in time")]
    Silent,
    #[error("no router answers UPnP")]
    Nobody,
    #[error("no router was found by UPnP: {0}")]
    Search(igd_next::SearchError),
    #[error("{0} answers UPnP, and is not the router")]
    NotTheRouter(IpAddr),
    #[error("the router's UPnP is at {gateway}, which is not asked from {inside}")]
    FromElsewhere { gateway: SocketAddr, inside: IpAddr },
    #[error("the router refuses by UPnP: {0}")]
    Refused(String),
}

/// What is needed to renew and to close.
#[derive(Debug)]
pub(super) enum Lease {
    Port { gateway: Gateway<Tokio>, inside: SocketAddr, outside: SocketAddr },
    Pinhole { gateway: Ipv6FirewallGateway<Tokio>, inside: SocketAddrV6, id: u16 },
}

impl Lease {
    /// Asks for one; why not in words.
    pub(super) async fn open(inside: &Inside, lifetime: u32) -> Result<Self, UpnpError> {
        match inside.address {
            SocketAddr::V4(_) => within(Self::port(inside, lifetime)).await,
            SocketAddr::V6(address) => within(Self::pinhole(address, inside.index, lifetime)).await,
        }
    }

    async fn port(inside: &Inside, lifetime: u32) -> Result<Self, UpnpError> {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(inside.address.ip(), 0);
        options.timeout = Some(SEARCH);
        let gateway = search_gateway(options).await.map_err(found_none)?;
        // Everybody in the house hears the question, and anybody could answer it.
        let router = router::next_hop(inside.address.ip(), &inside.interface);
        if router.is_some_and(|router| router != gateway.addr.ip()) {
            return Err(UpnpError::NotTheRouter(gateway.addr.ip()));
        }
        is_asked_from(gateway.addr, inside.address.ip())?;
        // A router that grants for ever alone is not asked to: after a crash nobody would close it.
        let outside = gateway.get_any_address(PortMappingProtocol::UDP, inside.address, lifetime, DESCRIPTION).await;
        let outside = outside.map_err(refused)?;
        Ok(Self::Port { gateway, inside: inside.address, outside })
    }

    async fn pinhole(inside: SocketAddrV6, index: u32, lifetime: u32) -> Result<Self, UpnpError> {
        let mut options = SearchOptions::ipv6(index);
        options.bind_addr = SocketAddrV6::new(*inside.ip(), 0, 0, 0).into();
        options.timeout = Some(SEARCH);
        let gateway = search_ipv6_firewall_gateway(options).await.map_err(found_none)?;
        is_asked_from(gateway.addr, IpAddr::V6(*inside.ip()))?;
        let id = gateway.add_pinhole(PortMappingProtocol::UDP, inside, lifetime).await;
        let id = id.map_err(refused)?;
        Ok(Self::Pinhole { gateway, inside, id })
    }

    /// Where a packet that is let in was sent to.
    pub(super) fn outside(&self) -> SocketAddr {
        match self {
            Self::Port { outside, .. } => *outside,
            Self::Pinhole { inside, .. } => SocketAddr::V6(*inside),
        }
    }

    pub(super) async fn renew(&mut self, lifetime: u32) -> Result<(), NotRenewed> {
        let renewed = match self {
            Self::Port { gateway, inside, outside } => {
                within(async {
                    // The router's own address may have changed since.
                    let ip = gateway.get_external_ip().await.map_err(refused)?;
                    outside.set_ip(ip);
                    let port = outside.port();
                    let renewed = gateway.add_port(PortMappingProtocol::UDP, port, *inside, lifetime, DESCRIPTION);
                    renewed.await.map_err(refused)
                })
                .await
            }
            Self::Pinhole { gateway, id, .. } => {
                within(async { gateway.update_pinhole(*id, lifetime).await.map_err(refused) }).await
            }
        };
        // A router that answers nothing may be started anew right now; one that refuses has said so.
        renewed.map_err(|error| if matches!(error, UpnpError::Silent) { NotRenewed::Silent } else { NotRenewed::Gone })
    }

    pub(super) async fn close(&self) -> Result<(), UpnpError> {
        match self {
            Self::Port { gateway, outside, .. } => {
                let removed = gateway.remove_port(PortMappingProtocol::UDP, outside.port());
                within(async { removed.await.map_err(refused) }).await
            }
            Self::Pinhole { gateway, id, .. } => {
                within(async { gateway.remove_pinhole(*id).await.map_err(refused) }).await
            }
        }
    }
}

fn found_none(error: igd_next::SearchError) -> UpnpError {
    match error {
        igd_next::SearchError::NoResponseWithinTimeout => UpnpError::Nobody,
        other => UpnpError::Search(other),
    }
}

fn refused(error: impl ToString) -> UpnpError {
    UpnpError::Refused(error.to_string())
}

async fn within<T>(asking: impl Future<Output = Result<T, UpnpError>>) -> Result<T, UpnpError> {
    let answered = tokio::time::timeout(SEARCH + REQUEST, asking).await;
    answered.unwrap_or_else(|_| Err(UpnpError::Silent))
}

/// A router opens a hole only to who asks (else it answers 606), and the system chooses from where that is.
fn is_asked_from(gateway: SocketAddr, inside: IpAddr) -> Result<(), UpnpError> {
    match source_toward(gateway) == Some(inside) {
        true => Ok(()),
        false => Err(UpnpError::FromElsewhere { gateway, inside }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on this machine is asked from an address of this machine, in the same family.
    #[test]
    fn a_router_is_asked_for_the_address_alone_from_which_the_system_asks_it() {
        let gateways = ["127.0.0.1:5000", "[::1]:5000"].map(|gateway| gateway.parse::<SocketAddr>().unwrap());
        // There may be no IPv6 here.
        let gateways: Vec<SocketAddr> = gateways.into_iter().filter(|to| source_toward(*to).is_some()).collect();
        assert!(gateways[0].is_ipv4());
        for gateway in gateways {
            is_asked_from(gateway, gateway.ip()).unwrap();
            for other in ["127.0.0.77", "192.0.2.7", "fe80::7", "2001:db8::7", "::ffff:127.0.0.1"] {
                let refused = is_asked_from(gateway, other.parse().unwrap()).unwrap_err();
                assert!(matches!(refused, UpnpError::FromElsewhere { .. }), "{refused}");
                let said = refused.to_string();
                assert!(said.contains(&gateway.to_string()) && said.contains(other), "{said}");
            }
        }
        // Where no way leads, nobody is asked: the broadcast address is refused to a socket that has not asked for it.
        let nowhere = "255.255.255.255:5000".parse().unwrap();
        assert!(source_toward(nowhere).is_none() && is_asked_from(nowhere, "192.0.2.7".parse().unwrap()).is_err());
    }
}
