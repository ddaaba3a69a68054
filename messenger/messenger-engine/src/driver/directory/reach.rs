//! The way to the directory: its addresses, and a connection to whichever of them answers first.

use std::net::SocketAddr;
use std::time::Duration;

use directory_protocol::client::ConnectError;
use directory_protocol::{DirectoryClient, DirectoryEvent};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::driver::gate::{Pass, canonical};
use crate::driver::place::Outlet;
use crate::whereabouts::DirectoryElsewhere;

/// The pause before another of its addresses is tried as well, and how many are (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);
const MAX_ADDRESSES: usize = 4;

/// A connection that was just made: where to, what lets its packets in, and what it says.
pub(in crate::driver) type Reached = (SocketAddr, Pass, DirectoryClient, mpsc::Receiver<DirectoryEvent>);

/// From where, to which directory, and how it is verified.
#[derive(Clone)]
pub(in crate::driver) struct Route {
    pub(in crate::driver) outlet: Outlet,
    pub(in crate::driver) config: quinn::ClientConfig,
    pub(in crate::driver) directory: DirectoryElsewhere,
}

impl Route {
    /// The addresses, and a connection to whichever answers first.
    pub(in crate::driver) async fn reach_any(&self) -> Result<(Vec<SocketAddr>, Reached), String> {
        let addresses = self.resolve().await?;
        let reached = self.reach(&addresses).await?;
        Ok((addresses, reached))
    }

    /// The addresses of the directory that this socket reaches, in the system's order (RFC 6724).
    pub(in crate::driver) async fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let ipv6 = self.outlet.endpoint.local_addr().is_ok_and(|own| own.is_ipv6());
        let (mut addresses, mut problem): (Vec<SocketAddr>, _) = (Vec::new(), None);
        for address in &self.directory.addresses {
            match tokio::net::lookup_host(address).await {
                Ok(found) => addresses.extend(found.filter(|found| ipv6 || found.is_ipv4()).map(canonical)),
                Err(error) => problem = problem.or(Some(format!("cannot resolve {address}: {error}"))),
            }
        }
        match addresses.is_empty() {
            true => Err(problem.unwrap_or_else(|| {
                format!("{} has no address that this socket reaches", self.directory.addresses.join(" or "))
            })),
            false => Ok(addresses),
        }
    }

    /// A connection on which nothing has been said yet, with the first address that answers (RFC 8305, section 5).
    pub(in crate::driver) async fn reach(&self, addresses: &[SocketAddr]) -> Result<Reached, String> {
        let mut attempts = FuturesUnordered::new();
        for (turn, address) in (0..).zip(in_turns(addresses)) {
            attempts.push(async move {
                tokio::time::sleep(STAGGER * turn).await;
                let pass = self.outlet.gate.calling(address);
                let (name, config) = (&self.directory.name, self.config.clone());
                let (client, events) = DirectoryClient::connect(&self.outlet.endpoint, address, name, config).await?;
                Ok::<_, ConnectError>((address, pass, client, events))
            });
        }
        let mut first = None;
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(reached) => return Ok(reached),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.map_or_else(|| "the directory has no address".to_owned(), |error| error.to_string()))
    }
}

/// One family after the other, beginning with the first address, at most [`MAX_ADDRESSES`].
fn in_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut turns: Vec<(usize, bool, SocketAddr)> = Vec::new();
    turns.extend(first.into_iter().enumerate().map(|(turn, address)| (turn, false, address)));
    turns.extend(second.into_iter().enumerate().map(|(turn, address)| (turn, true, address)));
    turns.sort_by_key(|(turn, second, _)| (*turn, *second));
    turns.into_iter().map(|(.., address)| address).take(MAX_ADDRESSES).collect()
}
