//! Where this device is, as far as it knows: what it offers to whom it calls or whose call it takes, and nobody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory_protocol::Announced;
use quinn::Endpoint;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::addresses;
use super::directory::listening;
use super::gate::{Gate, canonical};
use super::observer;
use super::pinhole::Pinholes;
use crate::config::OfferedAddresses;
use crate::punch::Surroundings;

/// A call that comes right after the connection to the directory waits this long for its other ports to answer.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// The socket by which everything leaves, and which of its addresses others are told.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) endpoint: Endpoint,
    pub(super) gate: Arc<Gate>,
    pub(super) offered: OfferedAddresses,
    pub(super) pinholes: Arc<Pinholes>,
}

/// This device's place while one connection to the directory stands.
#[derive(Clone)]
pub(super) struct Place {
    outlet: Outlet,
    directory: SocketAddr,
    observed: SocketAddr,
    /// Where the directory listens, as far as it is known by its name.
    surroundings: Surroundings,
    looked: watch::Receiver<bool>,
    _observing: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Place {
    /// Begins to ask the directory's ports where this device is seen from; one of them has just said it.
    pub(super) fn new(
        outlet: Outlet,
        (directory, addresses): &(SocketAddr, Vec<SocketAddr>),
        Announced { observed, observation, .. }: &Announced,
    ) -> Self {
        let second = |address: &SocketAddr| observation.map(|port| SocketAddr::new(address.ip(), port));
        let ports = addresses.iter().flat_map(|address| [Some(*address), second(address)]).flatten().collect();
        let surroundings = Surroundings { directory: ports, own: Vec::new() };
        let observers = listening(*directory, addresses, *observation);
        let (told, looked) = watch::channel(false);
        let observing = tokio::spawn(observer::observe(outlet.gate.clone(), observers, told));
        let observing = Some(Arc::new(AbortOnDropHandle::new(observing)));
        let (directory, observed) = (*directory, canonical(*observed));
        outlet.pinholes.want(directory);
        let place = Self { outlet, directory, observed, surroundings, looked, _observing: observing };
        place.known();
        place
    }

    /// The place of a device that stands before another directory than its own, `at` home otherwise. Its own one tells it
    /// where it is seen from; the other's ports are asked for nothing. `directory` is the address that has answered there.
    pub(super) fn before(
        at: Option<Self>,
        outlet: Outlet,
        directory: SocketAddr,
        Announced { observed, .. }: &Announced,
    ) -> Self {
        let at = at.unwrap_or_else(|| Self {
            outlet,
            directory,
            observed: canonical(*observed),
            surroundings: Surroundings::default(),
            looked: watch::channel(true).1,
            _observing: None,
        });
        let mut surroundings = at.surroundings;
        // The one that has answered, by its certificate. What else its domain lists is a stranger's word: it could keep peers
        // from being dialled, or let them be on this machine.
        if !surroundings.directory.contains(&directory) {
            surroundings.directory.push(directory);
        }
        Self { surroundings, ..at }
    }

    /// Where this device can be reached now, at most eight addresses.
    pub(super) async fn candidates(&self) -> Vec<SocketAddr> {
        let mut looked = self.looked.clone();
        // Routers are not waited for: one that opens ports is near, and most say nothing for seconds.
        let _ = tokio::time::timeout(FIRST_LOOK, looked.wait_for(|looked| *looked)).await;
        self.known()
    }

    /// What is known without waiting. The gate learns it too: peers are neither here nor at the directory.
    fn known(&self) -> Vec<SocketAddr> {
        let Ok(bound) = self.outlet.endpoint.local_addr() else { return Vec::new() };
        let own = addresses::own(bound.ip(), self.directory, self.outlet.offered);
        let sights = self.outlet.gate.sights();
        // What the directory said on connecting is older than what the same port says now: a router may have forgotten since.
        let said = sights.iter().any(|(port, seen)| *port == self.directory && seen.is_some());
        let announced = (!said).then_some((self.directory, Some(self.observed)));
        let seen: Vec<_> = announced.into_iter().chain(sights).collect();
        let seen = addresses::seen_by_them(&seen, &own);
        // What a router lets in comes first: of those there is one of a family.
        let opened = self.outlet.pinholes.open().into_iter().filter(|way| way.is_for_others(&own.ips, &seen));
        let seen: Vec<_> = opened.map(|way| way.outside).chain(seen.iter().copied()).collect();
        let candidates = addresses::candidates(&own.ips, bound.port(), &seen, &self.surroundings);
        self.outlet.gate.surrounded_by(Surroundings { own: candidates.clone(), ..self.surroundings.clone() });
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn::{EndpointConfig, TokioRuntime};

    #[tokio::test]
    async fn another_directory_is_known_by_the_address_that_answered_alone() {
        let gate = Gate::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, gate.clone(), runtime).unwrap();
        let pinholes = Arc::new(Pinholes::none());
        let outlet = Outlet { endpoint, gate, offered: OfferedAddresses::default(), pinholes };
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let announced = Announced { observed: at("192.0.2.9:7"), observation: None };
        let home = Place {
            surroundings: Surroundings { directory: vec![at("192.0.2.1:8444")], own: Vec::new() },
            ..Place::before(None, outlet.clone(), at("192.0.2.1:8444"), &announced)
        };
        let there = Place::before(Some(home.clone()), outlet.clone(), at("198.51.100.2:8444"), &announced);
        assert_eq!(there.surroundings.directory, [at("192.0.2.1:8444"), at("198.51.100.2:8444")]);
        assert_eq!(there.directory, home.directory, "seen from there by the own one");
        // However its domain spells it out, this machine is no place for peers unless a directory answered here.
        assert!(!there.surroundings.allow(&at("127.0.0.1:9")));
        let here = Place::before(Some(home), outlet, at("127.0.0.1:8444"), &announced);
        assert!(here.surroundings.allow(&at("127.0.0.1:9")));
    }
}
