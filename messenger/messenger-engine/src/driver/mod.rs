//! The engine's driver: sockets, tasks and clocks around [`Core`]. One task owns the core and reads what peers send; all
//! others bring it what else happened and do what it asks.

mod acting;
mod addresses;
mod directories;
mod directory;
pub(crate) mod doctor;
mod door;
mod files;
mod gate;
mod happening;
mod lane;
mod meeting;
mod network;
mod observer;
mod peer;
pub(crate) mod pinhole;
mod place;
mod reader;
mod renewal;
mod shown;
mod silence;
mod telling;
#[cfg(test)]
mod testing;
mod tls;
mod turn;
mod verifier;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use identity::tls::DeviceSigner;
use quinn::{Connection, Endpoint, TokioRuntime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::api::{CallId, Command};
use crate::config::EngineConfig;
use crate::core::{Alarm, ConnectionId, Core, Me, Receipt};
use crate::engine::StartError;
use crate::events::Told;
use crate::room::{DeviceKey, MyLeaf, Person};
use crate::time::Now;
use crate::wire::Close;
use happening::Happening;
pub(crate) use renewal::Renewal;

/// How often the certificates of standing connections are looked at again.
const REVIEW: Duration = Duration::from_secs(5);
/// How long the end of the engine may take: last frames, closings.
const FAREWELL: Duration = Duration::from_secs(1);

/// The owner of the core.
pub(crate) struct Driver {
    core: Core,
    endpoint: Endpoint,
    verifier: Arc<verifier::Verifier>,
    meetings: meeting::Meetings,
    files: files::Desk,
    commands: mpsc::Receiver<Command>,
    telling: telling::Telling,
    /// What the client has taken.
    taken: mpsc::UnboundedReceiver<Vec<Receipt>>,
    /// Connections on which frames were put that are still to be sent.
    put_on: Vec<ConnectionId>,
    inbox: mpsc::Receiver<Happening>,
    directories: directories::Directories,
    wanted: watch::Sender<u64>,
    /// The last change of mind about the directory, still to be carried out.
    turning: Option<JoinHandle<()>>,
    /// Connections to peers that are saying goodbye.
    closing: Vec<JoinHandle<()>>,
    peers: HashMap<ConnectionId, peer::Peer>,
    /// What the peers send.
    reader: reader::Reader,
    next_connection: ConnectionId,
    pinholes: Arc<pinhole::Pinholes>,
    /// Which peers are not heard.
    silence: silence::Watch,
    /// What shows this device's certificate, and its key.
    shown: Arc<shown::Shown>,
    key: Arc<dyn DeviceSigner>,
    /// What is renewed of what this device shows, and whoever may bring it.
    renewals: mpsc::Receiver<Renewal>,
    renewing: mpsc::Sender<Renewal>,
    /// When the certificates of standing connections were last looked at.
    reviewed: Instant,
    ended: bool,
}

impl Driver {
    /// Opens the socket and starts the tasks; [`Self::run`] does the rest.
    pub(crate) fn start(
        config: EngineConfig,
        commands: mpsc::Receiver<Command>,
        (events, taken): (mpsc::Sender<Vec<Told>>, mpsc::UnboundedReceiver<Vec<Receipt>>),
    ) -> Result<Self, StartError> {
        let (outbox, inbox) = mpsc::channel(256);
        let verifier = Arc::new(verifier::Verifier::new(config.trust.clone(), outbox.clone()));
        let person = own_person(&config, &verifier)?;
        let tls = tls::Configs::new(&config, &verifier)?;
        let not_opened = |source| StartError::Socket { address: config.bind, source };
        let gate = gate::Gate::open(config.bind).map_err(not_opened)?;
        let server = tls.peering.server(None).as_ref().clone();
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), Some(server), gate.clone(), runtime)
            .map_err(not_opened)?;
        let peering = Arc::new(tls.peering);

        let (wanted, want) = watch::channel(0);
        let pinholes = match config.pinholes {
            true => pinhole::Pinholes::new(endpoint.local_addr().map_err(not_opened)?, config.offered),
            false => pinhole::Pinholes::none(),
        };
        let pinholes = Arc::new(pinholes);
        let outlet = place::Outlet {
            endpoint: endpoint.clone(),
            gate: gate.clone(),
            offered: config.offered,
            pinholes: pinholes.clone(),
        };
        let shown = tls.shown;
        let ways = directories::Ways { outlet, tls: tls.directory, outbox: outbox.clone(), wanted: want };
        let own = config.directory.clone().into();
        let directories = directories::Directories::start(ways, own, config.whereabouts);
        tokio::spawn(network::watch(outbox.clone()));
        let (at, with) = (gate.clone(), peering.clone());
        tokio::spawn(door::keep(endpoint.clone(), at, with, verifier.clone(), outbox.clone()));

        let me = Me {
            person,
            leaf: MyLeaf::new(config.chain[0].to_vec(), config.key.clone()),
            directory: config.directory.name,
            bot: config.bot,
        };
        let draw = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
        let mut core = Core::new(me, config.contacts, config.presence, verifier.clone(), draw);
        core.endorsed(config.endorsements);
        core.show_mail_certificate(config.mail_certificate.iter().map(|certificate| certificate.to_vec()).collect());
        if let Some(gossip) = config.gossip {
            core.gossip_through(gossip);
        }
        let files = files::Desk::new(Arc::new(files::OwnDisk), outbox.clone());
        let meetings = meeting::Meetings::new(endpoint.clone(), gate, peering, verifier.clone(), outbox);
        let (renewing, renewals) = mpsc::channel(1);
        Ok(Self {
            core,
            endpoint,
            verifier,
            meetings,
            files,
            commands,
            telling: telling::Telling::new(events),
            taken,
            put_on: Vec::new(),
            inbox,
            directories,
            wanted,
            turning: None,
            closing: Vec::new(),
            peers: HashMap::new(),
            reader: reader::Reader::default(),
            next_connection: 1,
            pinholes,
            silence: silence::Watch::default(),
            shown,
            key: config.key,
            renewals,
            renewing,
            reviewed: Instant::now(),
            ended: false,
        })
    }

    /// The address the socket is bound to.
    pub(crate) fn local_addr(&self) -> std::io::Result<std::net::SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Runs until the engine is told to end, or its last handle is dropped.
    pub(crate) async fn run(mut self) {
        let events = self.telling.events();
        let mut alarm = Alarm::new(Instant::now());
        let mut sleep = pin!(tokio::time::sleep_until(alarm.due().into()));
        self.act();
        self.telling.tell();
        while !self.ended {
            let mut ticked = None;
            tokio::select! {
                permit = events.reserve(), if self.telling.waits() => match permit {
                    Ok(permit) => self.telling.tell_next(permit),
                    // Nobody listens any more.
                    Err(_) => self.core.command(Command::Quit, Now::read()),
                },
                Some(receipts) = self.taken.recv() => self.acknowledge(Some(receipts)),
                command = self.commands.recv() => self.command(command.unwrap_or(Command::Quit), Now::read()),
                Some(happening) = self.reader.next(), if !self.telling.is_full() => {
                    self.happened(happening, Now::read());
                }
                Some(happening) = self.inbox.recv(), if !self.telling.is_full() => {
                    self.happened(happening, Now::read());
                }
                Some(renewal) = self.renewals.recv() => self.renew(renewal),
                () = &mut sleep => {
                    let now = Now::read();
                    self.tick(now);
                    ticked = Some(now);
                }
            }
            let took = self.take_what_is_there();
            let (acted, before) = (self.act(), alarm.due());
            self.telling.tell();
            if let Some(now) = ticked {
                alarm.ticked(now.instant, self.next_deadline(now));
            }
            if acted || took || ticked.is_none() {
                alarm.happened(ticked.map_or_else(Instant::now, |now| now.instant));
            }
            if alarm.due() != before {
                sleep.as_mut().reset(alarm.due().into());
            }
        }
        self.farewell().await;
    }

    fn happened(&mut self, happening: Happening, now: Now) {
        let core = &mut self.core;
        match happening {
            Happening::DirectoryUp => {
                core.directory_up();
                self.directories.own_is_up(core, now);
            }
            Happening::DirectoryDown(reason) => {
                self.directories.own_is_down(now);
                core.directory_down(&reason, now);
            }
            Happening::NotAnnounced(reason) => core.not_announced(&reason),
            Happening::Directory(event) => {
                if self.directories.is_own(&event) {
                    core.directory_said(event, now);
                }
            }
            Happening::Elsewhere { number, what } => self.directories.heard(number, *what, core, now),
            Happening::Found { who, found } => self.directories.found(&who, found, core, now),
            Happening::FoundAgain { who, number, found } => {
                self.directories.domain_answered(&who, (number, found), core, now);
            }
            Happening::CallFailed { call, reason } => core.call_failed(call, &reason, now),
            Happening::Connected { connection, pass, person, dialled } => {
                self.connected((connection, pass), person, dialled);
            }
            Happening::NotReached { call, why } => core.not_reached(call, &why, now),
            Happening::Talk { connection, frame } => core.talk_frame(connection, frame, now),
            Happening::Rooms { connection, frame } => core.room_frame(connection, frame, now),
            Happening::Stream { connection, head, stream, rest } => {
                let connection = self.peers.get(&connection).map(peer::Peer::connection);
                self.files.came(connection, head, stream, rest);
            }
            Happening::File(report) => self.files.heard(report, core, now),
            Happening::Misbehaved { connection, reason } => core.misbehaved(connection, &reason, now),
            Happening::NetworkChanged => core.command(Command::NetworkChanged, now),
            Happening::AnotherAuthority(conflict) => core.another_authority(conflict, now),
            Happening::Lost { connection, loss, reason } => {
                core.disconnected(connection, loss, &reason, now);
                self.peers.remove(&connection);
            }
        }
    }

    /// When to tick next, if nothing happens before; `ticked` is when that was done last.
    fn next_deadline(&self, ticked: Now) -> Instant {
        let core = self.core.next_deadline(ticked);
        let others = [self.directories.next_deadline(ticked), self.silence.next_deadline(&self.peers)];
        others.into_iter().flatten().fold(core, Instant::min)
    }

    fn tick(&mut self, now: Now) {
        self.core.tick(now);
        self.directories.tick(&mut self.core, now);
        self.telling.tell_held();
        self.silence.look(&self.peers, &mut self.core, now);
        if now.instant >= self.reviewed + REVIEW {
            self.reviewed = now.instant;
            self.review(now);
        }
    }

    /// Fresh revocation lists and policies reach standing connections.
    fn review(&mut self, now: Now) {
        for (connection, peer) in &self.peers {
            if let Err(reason) = self.verifier.peer(peer.connection()) {
                self.core.no_longer_accepted(*connection, &reason, now);
            }
        }
    }

    /// Nothing is read from a connection before the core has accepted who is at its other end.
    fn connected(&mut self, (connection, pass): (Connection, gate::Pass), person: Person, dialled: Option<CallId>) {
        let Some(exported) = peer::exported(&connection) else { return connection.close(Close::DONE.0.into(), b"") };
        let id = self.next_connection;
        self.next_connection += 1;
        self.peers.insert(id, peer::Peer::new(connection.clone(), pass));
        self.core.connected(id, person, exported, dialled, Now::read());
        self.act();
        if self.peers.contains_key(&id) {
            self.reader.add(connection, id);
        }
    }

    /// Lets the last frames and closings go out, tells the client what is left to tell.
    async fn farewell(mut self) {
        self.commands.close();
        self.telling.rest().await;
        let _ = tokio::join!(tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()), self.pinholes.close());
        self.endpoint.close(Close::DONE.0.into(), b"");
        let _ = tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

/// What this device's own certificate says, verified like anybody else's.
fn own_person(config: &EngineConfig, verifier: &verifier::Verifier) -> Result<Person, StartError> {
    let refused = |reason: String| StartError::Certificate(reason);
    let person = verifier.person(&config.chain, Now::read().unix).map_err(refused)?;
    if person.identifier != config.identifier {
        return Err(refused(format!("expected {}, found {}", config.identifier, person.identifier)));
    }
    if person.device != DeviceKey(config.key.public_key()) {
        return Err(refused("expected the key of the certificate, found another".into()));
    }
    Ok(person)
}
