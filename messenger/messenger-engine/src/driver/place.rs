//! Where this device is, as far as it knows: what it offers to whom it calls or whose call it takes, and nobody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::addresses;
use super::gate::{Gate, canonical};
use super::observer;
use crate::punch::Surroundings;

/// A call that comes right after the connection to the directory waits this long for its other ports to answer.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// This device's place while one connection to the directory stands.
#[derive(Clone)]
pub(super) struct Place {
    endpoint: Endpoint,
    gate: Arc<Gate>,
    directory: SocketAddr,
    observed: SocketAddr,
    /// Where the directory listens.
    listening: Vec<SocketAddr>,
    looked: watch::Receiver<bool>,
    _observing: Arc<AbortOnDropHandle<()>>,
}

impl Place {
    /// Begins to ask the directory's ports where this device is seen from; one of them has just said it.
    pub(super) fn new(
        (endpoint, gate): (Endpoint, Arc<Gate>),
        directory: SocketAddr,
        observed: SocketAddr,
        listening: Vec<SocketAddr>,
    ) -> Self {
        let (told, looked) = watch::channel(false);
        let observing = tokio::spawn(observer::observe(gate.clone(), listening.clone(), told));
        let observing = Arc::new(AbortOnDropHandle::new(observing));
        let place = Self { endpoint, gate, directory, observed, listening, looked, _observing: observing };
        place.known();
        place
    }

    /// Where this device can be reached now, at most eight addresses.
    pub(super) async fn candidates(&self) -> Vec<SocketAddr> {
        let mut looked = self.looked.clone();
        let _ = tokio::time::timeout(FIRST_LOOK, looked.wait_for(|looked| *looked)).await;
        self.known()
    }

    /// What is known without waiting. The gate learns it too: peers are neither here nor at the directory.
    fn known(&self) -> Vec<SocketAddr> {
        let Ok(bound) = self.endpoint.local_addr() else { return Vec::new() };
        let own = addresses::own(bound.ip(), self.directory);
        let seen = self.gate.sights().into_iter().filter_map(|(_, seen)| seen);
        let observed: Vec<SocketAddr> = std::iter::once(canonical(self.observed)).chain(seen).collect();
        let candidates = addresses::candidates(&own, bound.port(), &observed);
        let (directory, own) = (self.listening.clone(), candidates.clone());
        self.gate.surrounded_by(Surroundings { directory, own });
        candidates
    }
}
