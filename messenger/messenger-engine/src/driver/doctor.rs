//! Looking at this device's connections without calling anybody: what `messenger doctor` shows.

mod elsewhere;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use directory_protocol::observation::Transaction;
use directory_protocol::{Announcement, Appearance, Audience, DirectoryClient};
use quinn::{Endpoint, TokioRuntime};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::directory::{Route, listening};
use super::gate::{Gate, canonical};
use super::pinhole::{self, Pinhole, Pinholes};
use super::place::Outlet;
use super::{addresses, observer, tls, verifier};
use crate::config::EngineConfig;
use crate::engine::StartError;
use crate::punch::Surroundings;

pub use elsewhere::{Elsewhere, NowhereFound, Trouble};

/// How often the directory is asked how far away it is.
const PINGS: usize = 5;
/// QUIC searches for the path's MTU in about this time (RFC 8899).
const MTU_SEARCH: Duration = Duration::from_millis(1_500);
/// How often an answer from the port that was not asked is waited for, and how long.
const UNASKED: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(500), Duration::from_secs(1)];

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// The UDP port that was used.
    pub port: u16,
    /// The addresses that this device would offer to somebody it talks to.
    pub candidates: Vec<SocketAddr>,
    /// The VPN by which packets leave, because of which no other addresses are offered.
    pub vpn: Option<String>,
    /// The way to the directory.
    pub directory: Way,
    /// What is seen of this device over IPv6; nothing where the directory or this device has none.
    pub ipv6: Option<Sight>,
    /// The same over IPv4.
    pub ipv4: Option<Sight>,
    /// Whether routers open pinholes, for each address they may stand before. What was opened is closed again.
    pub pinholes: Vec<Pinhole>,
    /// The other directories in which contacts are found.
    pub elsewhere: Vec<Elsewhere>,
    /// The contacts of whom nobody says where they are found.
    pub nowhere: Vec<NowhereFound>,
}

/// The way to the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Its name.
    pub name: String,
    /// Its address that answered first.
    pub address: SocketAddr,
    /// The shortest of a few round trips, in milliseconds.
    pub round_trip_ms: f64,
    /// The largest UDP payload, in bytes, that was found to come through.
    pub mtu_bytes: u16,
}

/// How this device is seen over one address family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Where from.
    pub seen_at: Option<SocketAddr>,
    /// What a router does to its address.
    pub nat: Nat,
    /// Whether something comes in from a port that was never sent to; nothing where the directory has no second port.
    pub lets_in_unasked: Option<bool>,
}

/// What a router does to addresses (RFC 4787 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nat {
    /// Nothing.
    None,
    /// It uses one address toward everybody: hole punching works.
    EndpointIndependent,
    /// It uses another one toward each: hole punching works only toward who lets in unknown ports.
    EndpointDependent,
    /// Only one port answered.
    Unknown,
    /// No port answered: UDP does not come through.
    Blocked,
}

/// Why there was nothing to be found.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The socket, or the device's own certificate.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The directory is not reached; nothing can be said about the rest.
    #[error("{0}")]
    Directory(String),
}

/// Connects to the directory as somebody whom nobody sees, asks it where this device is seen from, looks whether the
/// directories of its contacts are reached, and leaves.
///
/// # Errors
/// [`ExamineError`], if this device cannot even reach its directory.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn examine(config: EngineConfig) -> Result<Examination, ExamineError> {
    let (outbox, _inbox) = mpsc::channel(8);
    let verifier = verifier::Verifier::new(config.trust.clone(), outbox.clone());
    super::own_person(&config, &verifier)?;
    let tls = tls::Configs::new(&config, &verifier)?;
    let not_opened = |source| StartError::Socket { address: config.bind, source };
    let gate = Gate::open(config.bind).map_err(not_opened)?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint =
        Endpoint::new_with_abstract_socket(tls::endpoint(), None, gate.clone(), runtime).map_err(not_opened)?;
    let bound = endpoint.local_addr().map_err(not_opened)?;

    let (name, contacts, finder) = (config.directory.name.clone(), config.contacts, config.whereabouts);
    let pinholes = Arc::new(Pinholes::none());
    let outlet = Outlet { endpoint: endpoint.clone(), gate: gate.clone(), offered: config.offered, pinholes };
    let route = Route { outlet: outlet.clone(), config: tls.directory.own(), directory: config.directory.into() };
    let directory = route.resolve().await.map_err(ExamineError::Directory)?;
    let (address, _pass, client, _events) = route.reach(&directory).await.map_err(ExamineError::Directory)?;
    let announced = client.announce(nobody_sees()).await.map_err(|error| ExamineError::Directory(error.to_string()))?;
    let own = addresses::own(bound.ip(), address, config.offered);
    let ports = listening(address, &directory, announced.observation);
    let surroundings = Surroundings { directory: ports.clone(), own: Vec::new() };
    // Before anything is sent to the second ports: what comes from them then was not asked for.
    let lets_in = [unasked(&gate, &ports, true).await, unasked(&gate, &ports, false).await];
    observer::round(&gate, &ports).await;
    let sights = gate.sights();
    let sight = |ipv6: bool, lets_in_unasked| sight(&sights, &own.ips, bound.port(), ipv6, lets_in_unasked);
    let observed: Vec<_> = sights.iter().copied().chain([(address, Some(canonical(announced.observed)))]).collect();
    let observed = addresses::seen_by_them(&observed, &own);
    let pinholes = match config.pinholes && !address.ip().to_canonical().is_loopback() {
        true => pinhole::look(bound, address, config.offered).await,
        false => Vec::new(),
    };
    let opened =
        pinholes.iter().filter_map(|pinhole| Some(pinhole::Way { inside: pinhole.inside, outside: pinhole.outside? }));
    let opened = opened.filter(|way| way.is_for_others(&own.ips, &observed)).map(|way| way.outside);
    let offered: Vec<_> = opened.chain(observed.iter().copied()).collect();
    let (elsewhere, nowhere) = match &finder {
        Some(finder) => elsewhere::look(contacts, finder, &outlet, &tls.directory).await,
        None => (Vec::new(), Vec::new()),
    };
    let found = Examination {
        elsewhere,
        nowhere,
        pinholes,
        port: bound.port(),
        candidates: addresses::candidates(&own.ips, bound.port(), &offered, &surroundings),
        vpn: own.alone.clone().flatten(),
        directory: way(&client, name, address).await?,
        ipv6: sight(true, lets_in[0]),
        ipv4: sight(false, lets_in[1]),
    };
    client.close();
    endpoint.wait_idle().await;
    Ok(found)
}

fn nobody_sees() -> Announcement {
    Announcement {
        appearance: Appearance::Invisible,
        visible_to: Audience::Nobody,
        may_knock: Audience::Nobody,
        ..Announcement::available(Vec::new())
    }
}

async fn way(client: &DirectoryClient, name: String, address: SocketAddr) -> Result<Way, ExamineError> {
    let shortest = shortest_round_trip(client).await.map_err(ExamineError::Directory)?;
    tokio::time::sleep(MTU_SEARCH).await;
    Ok(Way { name, address, round_trip_ms: shortest.as_secs_f64() * 1_000.0, mtu_bytes: client.mtu_bytes() })
}

/// Of a few.
async fn shortest_round_trip(client: &DirectoryClient) -> Result<Duration, String> {
    let mut shortest = Duration::MAX;
    for _ in 0..PINGS {
        shortest = shortest.min(client.ping().await.map_err(|error| error.to_string())?);
    }
    Ok(shortest)
}

/// Asks the first port of a family to answer from the second; nothing if there are not both.
async fn unasked(gate: &Gate, ports: &[SocketAddr], ipv6: bool) -> Option<bool> {
    let mut family = ports.iter().filter(|port| port.is_ipv6() == ipv6);
    let (first, second) = (family.next()?, family.next()?);
    let transaction: Transaction = rand::random();
    for wait in UNASKED {
        gate.ask_for_the_other(*first, *second, transaction);
        let answered = async {
            while !gate.has_answered(*second, transaction) {
                gate.observed().await;
            }
        };
        if tokio::time::timeout(wait, answered).await.is_ok() {
            return Some(true);
        }
    }
    gate.forget_sight(*second);
    Some(false)
}

fn sight(
    sights: &[(SocketAddr, Option<SocketAddr>)],
    own: &[IpAddr],
    port: u16,
    ipv6: bool,
    lets_in_unasked: Option<bool>,
) -> Option<Sight> {
    let family: Vec<_> = sights.iter().filter(|(observer, _)| observer.is_ipv6() == ipv6).collect();
    if family.is_empty() || !own.iter().any(|ip| ip.is_ipv6() == ipv6) {
        return None;
    }
    let seen: Vec<SocketAddr> = family.iter().filter_map(|(_, seen)| *seen).collect();
    let itself = |seen: &SocketAddr| own.contains(&seen.ip()) && seen.port() == port;
    let nat = match &seen[..] {
        [] => Nat::Blocked,
        seen if seen.iter().any(|one| *one != seen[0]) => Nat::EndpointDependent,
        [one, ..] if itself(one) => Nat::None,
        [_] => Nat::Unknown,
        _ => Nat::EndpointIndependent,
    };
    // Where nothing comes back at all, that nothing comes unasked says nothing more.
    let lets_in_unasked = lets_in_unasked.filter(|_| !seen.is_empty());
    Some(Sight { seen_at: seen.first().copied(), nat, lets_in_unasked })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pairs: &[(&str, &str)]) -> Option<Sight> {
        let sights: Vec<_> = pairs.iter().map(|(port, seen)| (port.parse().unwrap(), seen.parse().ok())).collect();
        let own: Vec<IpAddr> = ["2001:db8::7", "10.0.0.7"].map(|ip| ip.parse().unwrap()).to_vec();
        sight(&sights, &own, 4_000, false, Some(false))
    }

    #[test]
    fn what_a_router_does_is_told_by_two_answers() {
        fn nat(pairs: &[(&str, &str)]) -> Option<Nat> {
            seen(pairs).map(|sight| sight.nat)
        }
        assert_eq!(nat(&[]), None);
        assert_eq!(nat(&[("[2001:db8::1]:1", "[2001:db8::7]:4000")]), None, "nobody was asked over IPv4");
        let (first, second) = ("192.0.2.1:1", "192.0.2.1:2");
        assert_eq!(nat(&[(first, "-"), (second, "-")]), Some(Nat::Blocked));
        assert_eq!(nat(&[(first, "10.0.0.7:4000"), (second, "10.0.0.7:4000")]), Some(Nat::None));
        assert_eq!(nat(&[(first, "10.0.0.7:4000")]), Some(Nat::None));
        assert_eq!(nat(&[(first, "203.0.113.1:6")]), Some(Nat::Unknown));
        assert_eq!(nat(&[(first, "203.0.113.1:6"), (second, "-")]), Some(Nat::Unknown));
        assert_eq!(nat(&[(first, "203.0.113.1:6"), (second, "203.0.113.1:6")]), Some(Nat::EndpointIndependent));
        assert_eq!(nat(&[(first, "203.0.113.1:6"), (second, "203.0.113.1:7")]), Some(Nat::EndpointDependent));
    }

    #[test]
    fn where_nothing_comes_back_nothing_is_said_of_what_comes_unasked() {
        assert_eq!(seen(&[("192.0.2.1:1", "-")]).unwrap().lets_in_unasked, None);
        assert_eq!(seen(&[("192.0.2.1:1", "203.0.113.1:6")]).unwrap().lets_in_unasked, Some(false));
    }
}
