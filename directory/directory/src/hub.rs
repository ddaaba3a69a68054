//! Where the connections' tasks meet the one state: what has come together is handled under one short lock, and its outputs are put into
//! bounded queues before the lock is released, so that every connection sees them in the order in which they happened.

use crate::admission;
use crate::cluster::{Cluster, ClusterConfig, ClusterError, ClusterInput, ClusterOutput, Departing, NodeId};
use crate::config::DirectoryConfig;
use crate::figures::Figures;
use crate::outbox::Outbox;
use crate::state::numbered::Numbered;
use crate::state::{ConnectionId, Counts, Entropy, Input, Output, Path, State};
use directory_protocol::CloseCode;
use directory_protocol::frame::Received;
use identity::verify::Tenure;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};

pub(crate) struct Hub {
    core: Mutex<Core>,
    /// The earliest deadline may have changed.
    deadline_changed: Notify,
    pub(crate) figures: Arc<Figures>,
}

struct Core {
    mind: Mind,
    links: Numbered<ConnectionId, Link>,
    connected: u64,
    /// Kept to be reused: most inputs have one or two outputs.
    outputs: Vec<Output>,
    figures: Arc<Figures>,
}

/// What decides: a directory that is alone, or one node of several.
enum Mind {
    Alone(Box<State>),
    Node { cluster: Box<Cluster>, outputs: Vec<ClusterOutput>, departing: mpsc::Sender<Departing> },
}

impl Mind {
    fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Alone(state) => state.next_deadline(),
            Self::Node { cluster, .. } => cluster.next_deadline(),
        }
    }

    fn handle(&mut self, now: Instant, input: ClusterInput, out: &mut Vec<Output>) {
        match (self, input) {
            (Self::Alone(state), ClusterInput::Here(input)) => state.handle(now, input, out),
            (Self::Alone(_), _) => {}
            (Self::Node { cluster, outputs, departing }, input) => {
                cluster.handle(now, input, outputs);
                for output in outputs.drain(..) {
                    match output {
                        ClusterOutput::Here(output) => out.push(output),
                        // A packet for which there is no room is lost, and will be sent again.
                        ClusterOutput::Packet { to, sealed } => drop(departing.try_send((to, sealed))),
                    }
                }
            }
        }
    }
}

/// The way to one connection.
struct Link {
    outbox: Arc<Outbox>,
    connection: quinn::Connection,
    /// How long her certificate holds.
    tenure: Arc<Tenure>,
}

impl Hub {
    pub(crate) fn new(config: &DirectoryConfig, loopback: bool, observation: Option<u16>) -> Self {
        let state = State::new(config.timing, config.limits, loopback, observation, entropy());
        Self::of(Mind::Alone(Box::new(state)))
    }

    /// One of several, whose packets leave by `departing`.
    pub(crate) fn of_several(
        config: &DirectoryConfig,
        node: ClusterConfig,
        (loopback, observation): (bool, Option<u16>),
        departing: mpsc::Sender<Departing>,
    ) -> Result<Self, ClusterError> {
        let (now, bounds) = (Instant::now(), (config.timing, config.limits));
        let cluster = Box::new(Cluster::new(now, node, bounds, loopback, observation, entropy())?);
        let hub = Self::of(Mind::Node { cluster, outputs: Vec::new(), departing });
        // Other nodes may still speak of connections of an earlier start: no new one has their numbers.
        let [a, b, c, d, e, ..] = entropy()();
        hub.lock().connected = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) << 5;
        Ok(hub)
    }

    fn of(mind: Mind) -> Self {
        let figures = Arc::<Figures>::default();
        let core =
            Core { mind, links: Numbered::default(), connected: 0, outputs: Vec::new(), figures: Arc::clone(&figures) };
        Self { core: Mutex::new(core), deadline_changed: Notify::new(), figures }
    }

    /// This node's place among several.
    pub(crate) fn node(&self) -> Option<NodeId> {
        if let Mind::Node { cluster, .. } = &self.lock().mind { Some(cluster.node()) } else { None }
    }

    /// How many nodes hear each other, and how many there are.
    pub(crate) fn nodes(&self) -> Option<(usize, usize)> {
        if let Mind::Node { cluster, .. } = &self.lock().mind { Some(cluster.nodes()) } else { None }
    }

    /// Whether people may connect: not to a node that no other hears.
    pub(crate) fn accepts(&self) -> bool {
        if let Mind::Node { cluster, .. } = &self.lock().mind { cluster.accepts() } else { true }
    }

    /// A packet of another node has come.
    pub(crate) fn packet(&self, sealed: Vec<u8>) {
        self.handle_locked(self.lock(), ClusterInput::Packet(sealed));
    }

    /// Everybody has been let go: others need not wait.
    pub(crate) fn say_goodbye(&self) {
        self.handle_locked(self.lock(), ClusterInput::Leave);
    }

    /// Takes up a connection whose certificate has been verified.
    pub(crate) fn join(
        &self,
        connection: quinn::Connection,
        tenure: Tenure,
        who: identity::Identifier,
        key: [u8; 32],
        expires: Instant,
    ) -> (ConnectionId, Arc<Outbox>) {
        let outbox = Arc::<Outbox>::default();
        let mut core = self.lock();
        core.connected += 1;
        let id = ConnectionId(core.connected);
        let network = admission::network(connection.remote_address().ip());
        core.links.insert(id, Link { outbox: Arc::clone(&outbox), connection, tenure: Arc::new(tenure) });
        self.handle_locked(core, ClusterInput::Here(Input::Connected { id, who, key, network, expires }));
        (id, outbox)
    }

    /// Lets go of a connection that has ended.
    pub(crate) fn leave(&self, id: ConnectionId) {
        let mut core = self.lock();
        core.links.remove(&id);
        self.handle_locked(core, ClusterInput::Here(Input::Disconnected { id }));
    }

    /// Carries out requests of one connection, in order.
    pub(crate) fn received(&self, id: ConnectionId, path: Path, frames: Vec<Received>) {
        self.figures.requests(frames.len());
        let inputs = frames.into_iter().map(|frame| ClusterInput::Here(Input::Received { id, path, frame }));
        self.handle_all(self.lock(), inputs);
    }

    fn handle_locked(&self, core: MutexGuard<'_, Core>, input: ClusterInput) {
        self.handle_all(core, [input]);
    }

    fn handle_all(&self, mut core: MutexGuard<'_, Core>, inputs: impl IntoIterator<Item = ClusterInput>) {
        let (before, now) = (core.mind.next_deadline(), Instant::now());
        let mut outputs = std::mem::take(&mut core.outputs);
        for input in inputs {
            core.mind.handle(now, input, &mut outputs);
        }
        for output in outputs.drain(..) {
            core.deliver(output);
        }
        core.outputs = outputs;
        if core.mind.next_deadline() != before {
            self.deadline_changed.notify_one();
        }
    }

    /// Lets time pass for the state, for ever.
    pub(crate) async fn keep_time(&self) {
        loop {
            let deadline = self.lock().mind.next_deadline();
            let changed = self.deadline_changed.notified();
            match deadline {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at.into()) => self.handle_locked(self.lock(), ClusterInput::Here(Input::Tick)),
                },
            }
        }
    }

    /// Every live connection.
    pub(crate) fn connections(&self) -> Vec<quinn::Connection> {
        self.lock().links.values().map(|link| link.connection.clone()).collect()
    }

    /// Every live connection, and how long its certificate holds.
    pub(crate) fn tenures(&self) -> Vec<(ConnectionId, quinn::Connection, Arc<Tenure>)> {
        let core = self.lock();
        core.links.iter().map(|(id, link)| (*id, link.connection.clone(), Arc::clone(&link.tenure))).collect()
    }

    /// The certificate of a connection was verified anew.
    pub(crate) fn verified_anew(&self, id: ConnectionId, tenure: Tenure) {
        if let Some(link) = self.lock().links.get_mut(&id) {
            link.tenure = Arc::new(tenure);
        }
    }

    /// Ends a connection.
    pub(crate) fn close(&self, connection: &quinn::Connection, code: CloseCode) {
        end(connection, code, &self.figures);
    }

    pub(crate) fn counts(&self) -> Counts {
        match &self.lock().mind {
            Mind::Alone(state) => state.counts(),
            Mind::Node { cluster, .. } => cluster.counts(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic while handling one connection must not take everybody's presence with it.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn deliver(&mut self, output: Output) {
        match output {
            Output::Send { to, frame } => {
                let Some(link) = self.links.get(&to) else { return };
                self.figures.sent(&frame);
                if link.outbox.put(frame).is_err() {
                    self.close(link, CloseCode::TooSlow);
                }
            }
            Output::Close { id, code } => {
                if let Some(link) = self.links.get(&id) {
                    self.close(link, code);
                }
            }
        }
    }

    fn close(&self, link: &Link, code: CloseCode) {
        end(&link.connection, code, &self.figures);
    }
}

/// Ends a connection, and counts it once.
fn end(connection: &quinn::Connection, code: CloseCode, figures: &Figures) {
    tracing::debug!(code = code.number(), "closing a connection");
    if connection.close_reason().is_none() {
        figures.closed(code);
    }
    connection.close(code.number().into(), b"");
}

fn entropy() -> Entropy {
    Box::new(|| {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system gives random bytes once it has booted");
        key
    })
}
