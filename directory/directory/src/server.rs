//! The directory as a running thing: its socket, its tasks, its end.

use crate::admission::{Admission, Verdict};
use crate::cluster::{self, CarrierConfig, ClusterError, Departing};
use crate::config::DirectoryConfig;
use crate::connection;
use crate::figures::{Figures, Handshake};
use crate::hub::Hub;
use crate::observation::Observing;
use crate::session;
use crate::sockets::Sockets;
use crate::state::Counts;
use crate::tls::{self, TlsError};
use directory_protocol::CloseCode;
use identity::UnixTime;
use identity::tls::PersonVerifier;
use identity::trust::Trust;
use quinn::AsyncUdpSocket;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// How long the last packets may take at the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Whether people may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Serves,
    /// This is one node of several, and hears too few others.
    NoMajority,
    /// It lets its people go, and nobody in.
    Stopping,
}

/// Why a directory could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, not permitted, or not this machine's.
    #[error("the directory cannot listen on UDP {address}: {reason}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No usable TLS configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The other nodes make no cluster with this one.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// A directory that listens. [`serve`](Self::serve) makes it answer.
pub struct Directory {
    endpoint: quinn::Endpoint,
    address: SocketAddr,
    /// Below the endpoint: answers who asks where she is seen from.
    socket: Arc<Observing>,
    hub: Arc<Hub>,
    admission: Admission,
    config: DirectoryConfig,
    verifier: RwLock<Arc<PersonVerifier>>,
    trust_changed: Notify,
    /// What waits to be carried to other nodes, until `serve` takes it.
    departing: Mutex<Option<mpsc::Receiver<Departing>>>,
    stopping: AtomicBool,
    /// Whoever is still connected is let go at once.
    hurry: Notify,
}

impl Directory {
    /// Takes the sockets. Must be called within a tokio runtime.
    pub fn bind(config: DirectoryConfig) -> Result<Self, BindError> {
        let sockets = Sockets::bind(config.listen, config.observation)?;
        Self::on(sockets, config)
    }

    /// On sockets that were taken before, whatever the configuration says of them. Must be called within a tokio runtime.
    pub fn on(sockets: Sockets, config: DirectoryConfig) -> Result<Self, BindError> {
        let refused = |(address, reason)| BindError::Socket { address, reason };
        let socket = Arc::new(Observing::new(sockets).map_err(|reason| refused((config.listen, reason)))?);
        let address = socket.local_addr().map_err(|reason| refused((config.listen, reason)))?;
        let place = (address.ip().to_canonical().is_loopback(), socket.second_port());
        let (hub, departing) = match &config.cluster {
            None => (Hub::new(&config, place.0, place.1), None),
            Some((node, _)) => {
                let (sender, receiver) = cluster::departures();
                (Hub::of_several(&config, node.clone(), place, sender)?, Some(receiver))
            }
        };
        let (hub, departing) = (Arc::new(hub), Mutex::new(departing));
        let verifier = verifier(Arc::clone(&config.trust), &hub.figures);
        let server = tls::server_config(&config, Arc::clone(&verifier))?;
        let (mut settings, runtime) = (quinn::EndpointConfig::default(), Arc::new(quinn::TokioRuntime));
        settings.supported_versions(vec![session::QUIC]);
        let endpoint = quinn::Endpoint::new_with_abstract_socket(settings, Some(server), socket.clone(), runtime);
        let endpoint = endpoint.map_err(|reason| refused((address, reason)))?;
        Ok(Self {
            endpoint,
            address,
            socket,
            hub,
            admission: Admission::new(config.limits),
            config,
            verifier: RwLock::new(verifier),
            trust_changed: Notify::new(),
            departing,
            stopping: AtomicBool::new(false),
            hurry: Notify::new(),
        })
    }

    /// From now on makes other certificates acceptable. Whoever is connected by one that no longer is, is cut off.
    pub fn trust(&self, trust: Arc<Trust>) -> Result<(), TlsError> {
        let verifier = verifier(trust, &self.hub.figures);
        self.endpoint.set_server_config(Some(tls::server_config(&self.config, Arc::clone(&verifier))?));
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        self.trust_changed.notify_one();
        Ok(())
    }

    /// A revocation list was installed in the trust in force: whoever it names is cut off now.
    pub fn revocations_changed(&self) {
        self.trust_changed.notify_one();
    }

    fn verifier(&self) -> Arc<PersonVerifier> {
        Arc::clone(&self.verifier.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address it listens on, with the port that was chosen if none was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The second port, which tells devices where they are seen from.
    pub fn observation_port(&self) -> Option<u16> {
        self.socket.second_port()
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }

    /// How many nodes hear each other, and how many there are, if this is one of several.
    pub fn nodes(&self) -> Option<(usize, usize)> {
        self.hub.nodes()
    }

    /// How many handshakes are begun and not complete.
    pub fn handshakes(&self) -> usize {
        self.admission.handshakes()
    }

    /// Whether people may connect.
    pub fn standing(&self) -> Standing {
        if self.stopping.load(Ordering::Relaxed) {
            Standing::Stopping
        } else if self.hub.accepts() {
            Standing::Serves
        } else {
            Standing::NoMajority
        }
    }

    /// How many there are and what has happened since the start, in the text format of Prometheus: nobody's name, nobody's
    /// address, no group of people.
    pub fn figures(&self) -> String {
        self.hub.figures.text(self.counts(), self.handshakes(), self.nodes(), self.standing())
    }

    /// Serves until `stop` is cancelled; then lets nobody in any more, tells every device that the directory is stopping, and
    /// returns. A node of several takes up to half a minute for that, unless it should [`hurry`](Self::hurry).
    pub async fn serve(&self, stop: CancellationToken) {
        let carried = CancellationToken::new();
        let carrying = self.carry(carried.clone());
        let stopped = async {
            stop.cancelled().await;
            self.stopping.store(true, Ordering::Relaxed);
            tokio::select! {
                () = self.farewells() => {}
                () = self.hurry.notified() => {}
            }
        };
        tokio::select! {
            () = stopped => {}
            () = self.accept() => {}
            () = self.hub.keep_time() => {}
            () = self.recheck() => {}
            () = self.socket.serve_second() => {}
        }
        self.endpoint.close(CloseCode::Stopping.number().into(), b"");
        tokio::time::timeout(GOODBYE, self.endpoint.wait_idle()).await.ok();
        if let Some(carrying) = carrying {
            self.hub.say_goodbye();
            carried.cancel();
            tokio::time::timeout(GOODBYE, carrying).await.ok();
        }
    }

    /// Lets everybody go at once who is still connected when it is stopping.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Lets people go one after another, if there are other nodes: all at once they would all be at their doors at once. A
    /// directory that is alone is back the sooner.
    async fn farewells(&self) {
        if self.nodes().is_none() {
            return;
        }
        let connections = self.hub.connections();
        let people = u32::try_from(connections.len()).unwrap_or(u32::MAX).max(1);
        let timing = &self.config.timing;
        let pause = timing.farewell_pause.min(timing.farewells_at_most / people);
        let begun = tokio::time::Instant::now();
        for (n, connection) in (0..).zip(connections) {
            tokio::time::sleep_until(begun + pause * n).await;
            self.hub.close(&connection, CloseCode::Stopping);
        }
    }

    /// Brings packets to other nodes and takes theirs, if there are any.
    fn carry(&self, stop: CancellationToken) -> Option<tokio::task::JoinHandle<()>> {
        let departing = self.departing.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (node, carrier): &(_, CarrierConfig) = self.config.cluster.as_ref()?;
        let (hub, identity) = (Arc::clone(&self.hub), (node.key, self.hub.node()?));
        let arrived = move |sealed| hub.packet(sealed);
        Some(tokio::spawn(cluster::carry(carrier.clone(), identity, departing, arrived, stop)))
    }

    async fn accept(&self) {
        while let Some(incoming) = self.endpoint.accept().await {
            let count = |result| self.hub.figures.handshake(result);
            let refusal = match self.standing() {
                Standing::Serves => None,
                Standing::NoMajority => Some(Handshake::NoMajority),
                Standing::Stopping => Some(Handshake::Stopping),
            };
            if let Some(refusal) = refusal {
                count(refusal);
                incoming.refuse();
                continue;
            }
            match self.admission.judge(incoming.remote_address().ip(), incoming.remote_address_validated()) {
                Verdict::Admitted(pass) => {
                    // By itself, so that its memory is given back when it is complete: the connection stays for days.
                    let handshake = Box::pin(connection::handshake(incoming));
                    tokio::spawn(connection::serve(handshake, pass, Arc::clone(&self.hub), self.verifier()));
                }
                Verdict::Retry => {
                    count(Handshake::Retry);
                    // An address that has been validated cannot be asked again; `judge` does not.
                    incoming.retry().ok();
                }
                Verdict::Refused => {
                    count(Handshake::Full);
                    incoming.refuse();
                }
            }
        }
    }

    /// Closes the connections of people whose certificates are no longer accepted, for ever.
    async fn recheck(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.timing.recheck) => {}
                () = self.trust_changed.notified() => {}
            }
            let (now, verifier) = (UnixTime::now(), self.verifier());
            for (id, connection, tenure) in self.hub.tenures() {
                match verifier.still(&tenure, || connection::chain(&connection), now) {
                    Ok(None) => {}
                    Ok(Some(anew)) => self.hub.verified_anew(id, anew),
                    Err(_) => self.hub.close(&connection, CloseCode::NoLongerAccepted),
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Whose certificates are accepted; those that are not are counted.
fn verifier(trust: Arc<Trust>, figures: &Arc<Figures>) -> Arc<PersonVerifier> {
    let figures = Arc::clone(figures);
    Arc::new(PersonVerifier::new(trust).watched(move |error| figures.refused_certificate(error.rule.id())))
}
