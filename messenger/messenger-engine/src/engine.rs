//! The handle of a running engine.

use std::net::SocketAddr;

use identity::endorsement::Endorsement;
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use crate::api::{Command, Event};
use crate::config::EngineConfig;
use crate::driver::{Driver, Renewal};
use crate::events::{Events, TOGETHER, Told};

/// Commands that may wait for the engine.
const COMMANDS: usize = 256;
/// Events that may wait for the client, in front of those that wait at the driver.
const EVENTS: usize = 1024;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The UDP socket could not be opened.
    #[error("cannot open the UDP socket {address}: {source}")]
    Socket {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The device's own certificate or key cannot be used.
    #[error("this device's certificate cannot be used: {0}")]
    Certificate(String),
}

/// Why a renewed certificate is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewalError {
    /// It would not be accepted, or is for somebody or something else. The one before it is shown on.
    #[error("the renewed certificate cannot be used: {0}")]
    Refused(String),
    /// The engine has ended.
    #[error("the engine has ended")]
    Ended,
}

/// Where what this device shows of itself is brought when it is renewed; see [`Engine::renewals`].
#[derive(Clone, Debug)]
pub struct Renewals(mpsc::Sender<Renewal>);

impl Renewals {
    /// Shows this chain from now on, in every connection that begins. It has to be for the same person and key, by the same
    /// authority. The directory is connected to anew before its old connection is closed; conversations go on, and are moved
    /// before the older certificate ends.
    ///
    /// # Errors
    /// [`RenewalError`]; then everything is as before.
    pub async fn show(&self, chain: Vec<CertificateDer<'static>>) -> Result<(), RenewalError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Renewal::Certificate { chain, answer }).await.map_err(|_| RenewalError::Ended)?;
        answered.await.map_err(|_| RenewalError::Ended)?
    }

    /// Tells peers what other devices of the person say of this one, in every session that begins, in place of what was told
    /// before.
    ///
    /// # Errors
    /// [`RenewalError::Ended`].
    pub async fn endorse(&self, endorsements: Vec<Endorsement>) -> Result<(), RenewalError> {
        self.0.send(Renewal::Endorsements(endorsements)).await.map_err(|_| RenewalError::Ended)
    }

    /// Tells peers this certificate for mail from now on, leaf first, in place of what was told before; none if it is empty.
    ///
    /// # Errors
    /// [`RenewalError::Ended`].
    pub async fn show_mail_certificate(&self, chain: Vec<CertificateDer<'static>>) -> Result<(), RenewalError> {
        self.0.send(Renewal::MailCertificate(chain)).await.map_err(|_| RenewalError::Ended)
    }
}

/// Where a program reports what it found out by itself; see [`Engine::reports`].
#[derive(Clone, Debug)]
pub struct Reports(mpsc::WeakSender<Vec<Told>>);

impl Reports {
    /// Puts an event among the engine's. Returns false when the engine has ended.
    pub async fn send(&self, event: Event) -> bool {
        match self.0.upgrade() {
            Some(events) => events.send(vec![Told::plain(event)]).await.is_ok(),
            None => false,
        }
    }
}

/// A running engine; when the last handle is dropped, it ends like on [`Command::Quit`].
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    events: mpsc::WeakSender<Vec<Told>>,
    renewals: Renewals,
    address: SocketAddr,
}

impl Engine {
    /// Starts an engine on the current tokio runtime and returns its handle and its events. It goes online by itself,
    /// and says so with an event. After [`Command::Quit`] the events end.
    ///
    /// # Errors
    /// [`StartError`], if the socket cannot be opened or the device's own certificate is not one that others would
    /// accept.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(config: EngineConfig) -> Result<(Self, Events), StartError> {
        let (commands, commanded) = mpsc::channel(COMMANDS);
        let (tell, told) = mpsc::channel(EVENTS / TOGETHER);
        let (events, taken) = Events::new(told);
        let (bind, reports) = (config.bind, tell.downgrade());
        let driver = Driver::start(config, commanded, (tell, taken))?;
        let address = driver.local_addr().map_err(|source| StartError::Socket { address: bind, source })?;
        let renewals = Renewals(driver.renewals());
        tokio::spawn(driver.run());
        Ok((Self { commands, events: reports, renewals, address }, events))
    }

    /// Hands over a command; its results come as events. Returns false when the engine has ended.
    pub async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// Ends the engine, and waits until it has ended. The last event counts as taken, and nothing that comes after it.
    pub async fn leave(&self, events: &mut Events) {
        events.taken();
        self.send(Command::Quit).await;
        events.end().await;
    }

    /// A way to put events among the engine's, for what the program finds out by itself. It keeps no engine running.
    pub fn reports(&self) -> Reports {
        Reports(self.events.clone())
    }

    /// A way to bring a renewed certificate, and endorsements. It keeps no engine running.
    pub fn renewals(&self) -> Renewals {
        self.renewals.clone()
    }

    /// The UDP address the engine is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}
