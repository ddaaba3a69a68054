//! The handle of a running engine.

use tokio::sync::mpsc;

use crate::api::{Command, Event};
use crate::config::EngineConfig;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The UDP socket could not be opened.
    #[error("cannot open the UDP socket {address}: {source}")]
    Socket {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The device's own certificate and key cannot be used.
    #[error("this device's certificate cannot be used: {0}")]
    Certificate(String),
}

/// A running engine; dropping the last handle ends it like [`Command::Quit`].
#[derive(Clone)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
}

impl Engine {
    /// Starts an engine on the current tokio runtime and returns its handle and its events. Being online follows as an event.
    pub fn start(_config: EngineConfig) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        todo!()
    }

    /// Hands over a command; its results come as events. Returns false when the engine has ended.
    pub async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
