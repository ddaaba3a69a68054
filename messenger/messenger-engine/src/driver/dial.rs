//! Dialling: all candidates of an introduced peer at once; the first that proves to be her wins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Happening;
use super::verifier::Verifier;
use crate::api::CallId;
use crate::core::Introduction;
use crate::room::Person;
use crate::wire::{Close, SERVER_NAME};

/// At most so many candidates are tried (docs/spec/directory.md has the same limit).
const MAX_CANDIDATES: usize = 8;
/// How long all of it may take.
const DIALLING: Duration = Duration::from_secs(10);

/// Dials peers from the engine's endpoint.
pub(super) struct Dialler {
    endpoint: Endpoint,
    config: quinn::ClientConfig,
    verifier: Arc<Verifier>,
    outbox: mpsc::Sender<Happening>,
}

impl Dialler {
    pub(super) fn new(
        endpoint: Endpoint,
        config: quinn::ClientConfig,
        verifier: Arc<Verifier>,
        outbox: mpsc::Sender<Happening>,
    ) -> Self {
        Self { endpoint, config, verifier, outbox }
    }

    /// Dials in a task of its own, which reports how it went.
    pub(super) fn dial(&self, call: CallId, expected: Introduction, candidates: Vec<SocketAddr>, delay: Duration) {
        let (endpoint, config) = (self.endpoint.clone(), self.config.clone());
        let (verifier, outbox) = (self.verifier.clone(), self.outbox.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let race = race(&endpoint, &config, verifier, expected, candidates);
            let happening = match tokio::time::timeout(DIALLING, race).await {
                Ok(Ok((connection, person))) => Happening::Connected { connection, person, dialled: Some(call) },
                Ok(Err(reason)) => Happening::DialFailed { call, reason },
                Err(_) => Happening::DialFailed { call, reason: "no direct connection could be made in time".into() },
            };
            let _ = outbox.send(happening).await;
        });
    }
}

async fn race(
    endpoint: &Endpoint,
    config: &quinn::ClientConfig,
    verifier: Arc<Verifier>,
    expected: Introduction,
    candidates: Vec<SocketAddr>,
) -> Result<(Connection, Person), String> {
    let mut last = "no direct connection could be made: the other side offered no address".to_owned();
    let mut attempts = JoinSet::new();
    for address in candidates.into_iter().take(MAX_CANDIDATES) {
        match endpoint.connect_with(config.clone(), address, SERVER_NAME) {
            Ok(connecting) => {
                let (verifier, expected) = (verifier.clone(), expected.clone());
                attempts.spawn(async move {
                    let connection = connecting.await.map_err(|error| error.to_string())?;
                    let person = verifier.peer(&connection)?;
                    if expected.is(&person) {
                        return Ok((connection, person));
                    }
                    connection.close(Close::NOT_INTRODUCED.0.into(), b"");
                    Err("what answered is not the introduced device".to_owned())
                });
            }
            Err(error) => last = format!("no direct connection could be made: {error}"),
        }
    }
    while let Some(done) = attempts.join_next().await {
        match done {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(reason)) => last = format!("no direct connection could be made: {reason}"),
            Err(_) => last = "no direct connection could be made".to_owned(),
        }
    }
    Err(last)
}
