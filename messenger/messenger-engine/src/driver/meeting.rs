//! Meeting an introduced peer: both sides punch; the dialler connects where the listener has shown herself, on one path at
//! a time, so that both sides keep the same connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::Role;
use futures_util::FutureExt;
use quinn::{Connection, Endpoint};
use tokio::sync::{Notify, mpsc};

use super::Happening;
use super::gate::{Gate, Pass};
use super::tls::Peering;
use super::verifier::{NOT_INTRODUCED, Verifier};
use crate::api::CallId;
use crate::core::{Introduction, Meeting, NotReached};
use crate::punch::{Obstacle, Unreachable, Way};
use crate::room::Person;
use crate::wire::{Close, SERVER_NAME};

/// How long the dialler tries altogether.
const DIALLING: Duration = Duration::from_secs(10);
/// How long one path is tried while there is another.
const ONE_PATH: Duration = Duration::from_secs(2);
/// How long at least one that has not answered is.
const UNANSWERED: Duration = Duration::from_millis(500);
/// How many paths are tried before they have answered: a listener may list whom she wants handshakes to be sent to, and
/// forge probes from there.
const MAX_UNANSWERED: usize = 2;

/// Brings introduced devices together, over the engine's endpoint.
#[derive(Clone)]
pub(super) struct Meetings {
    endpoint: Endpoint,
    gate: Arc<Gate>,
    peering: Arc<Peering>,
    verifier: Arc<Verifier>,
    outbox: mpsc::Sender<Happening>,
}

/// What a dialler brings home, or why it does not.
type Outcome = Result<((Connection, Pass), Person), NotReached>;

/// What came of one path.
type Found = Result<((Connection, Pass), Person), String>;

/// A connection being made on one path.
struct Attempt {
    way: Way,
    since: Instant,
    found: Pin<Box<dyn Future<Output = Found> + Send>>,
}

impl Meetings {
    pub(super) fn new(
        endpoint: Endpoint,
        gate: Arc<Gate>,
        peering: Arc<Peering>,
        verifier: Arc<Verifier>,
        outbox: mpsc::Sender<Happening>,
    ) -> Self {
        Self { endpoint, gate, peering, verifier, outbox }
    }

    /// Begins to punch at once, and goes on in a task of its own, which reports how it went, until [`Self::settle`].
    pub(super) fn begin(&self, call: CallId, expected: Introduction, meeting: Meeting) {
        let Meeting { role, candidates, key, delay } = meeting;
        let changed = self.gate.introduce(call, role, &key, &candidates, delay);
        let this = self.clone();
        tokio::spawn(async move {
            let happening = match (changed, role) {
                (None, _) => this.not_reached(call, failed("this device is connecting to too many others at once")),
                (Some(changed), Role::Dialler) => {
                    let dialling = this.dial(call, &expected, &changed);
                    let found = tokio::time::timeout(delay + DIALLING, dialling).await;
                    match found.unwrap_or_else(|_| Err(failed("no direct connection could be made in time"))) {
                        Ok(((connection, pass), person)) => {
                            Happening::Connected { connection, pass, person, dialled: Some(call) }
                        }
                        Err(why) => this.not_reached(call, why),
                    }
                }
                (Some(changed), Role::Listener) => match this.listen(call, &changed).await {
                    Some(unreachable) => this.not_reached(call, this.obstacle(&unreachable)),
                    None => return,
                },
            };
            let _ = this.outbox.send(happening).await;
        });
    }

    /// Nothing is to be sent for this call any more, and nobody to be let in.
    pub(super) fn settle(&self, call: CallId) {
        self.gate.settle(call);
    }

    fn not_reached(&self, call: CallId, why: NotReached) -> Happening {
        self.gate.settle(call);
        Happening::NotReached { call, why }
    }

    fn obstacle(&self, unreachable: &Unreachable) -> NotReached {
        NotReached::Obstacle(Obstacle::between(&self.gate.sights(), unreachable))
    }

    /// Sends the probes that are due until the call is settled, or nothing was heard for too long.
    async fn listen(&self, call: CallId, changed: &Notify) -> Option<Unreachable> {
        loop {
            let progress = self.gate.drive(call, Instant::now())?;
            if progress.unreachable.is_some() {
                return progress.unreachable;
            }
            tokio::select! {
                () = changed.notified() => {}
                () = until(progress.wakes_at) => {}
            }
        }
    }

    async fn dial(&self, call: CallId, expected: &Introduction, changed: &Notify) -> Outcome {
        let mut tried: Vec<Way> = Vec::new();
        let mut attempt: Option<Attempt> = None;
        let mut last = None;
        loop {
            let Some(progress) = self.gate.drive(call, Instant::now()) else {
                return Err(failed("the call was ended"));
            };
            if let Some(unreachable) = &progress.unreachable {
                return Err(self.obstacle(unreachable));
            }
            let next = next_way(&progress.ways, &tried, attempt.as_ref().map(|attempt| attempt.way));
            let turn = attempt.as_ref().map(|attempt| attempt.since + patience(attempt.way, &progress.ways));
            if let Some(way) = next
                && turn.is_none_or(|turn| turn <= Instant::now())
            {
                // What has come about just now is not thrown away.
                match attempt.as_mut().and_then(|attempt| attempt.found.as_mut().now_or_never()) {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(reason)) => last = Some(reason),
                    None => {}
                }
                tried.push(way);
                attempt = Some(self.attempt(way, expected));
                continue;
            }
            if let (None, None, Some(reason)) = (&attempt, progress.wakes_at, &last) {
                return Err(failed(&format!("no direct connection could be made: {reason}")));
            }
            let turn = turn.filter(|_| next.is_some());
            tokio::select! {
                found = finished(&mut attempt) => match found {
                    Ok(found) => return Ok(found),
                    Err(reason) => {
                        // Whoever refuses has answered: an answer to a probe is no reason to ask again.
                        tried.extend(attempt.take().map(|attempt| Way { answered: true, ..attempt.way }));
                        last = Some(reason);
                    }
                },
                () = changed.notified() => {}
                () = until(earlier(progress.wakes_at, turn)) => {}
            }
        }
    }

    fn attempt(&self, way: Way, expected: &Introduction) -> Attempt {
        let (this, expected) = (self.clone(), expected.clone());
        let found = Box::pin(async move {
            let pass = this.gate.calling(way.address);
            let config = this.peering.client(way.round_trip, this.verifier.expecting(&expected))?;
            let connecting = this.endpoint.connect_with(config, way.address, SERVER_NAME);
            let connection = connecting.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
            let person = this.verifier.peer(&connection)?;
            if expected.is(&person) {
                return Ok(((connection, pass), person));
            }
            connection.close(Close::NOT_INTRODUCED.0.into(), b"");
            Err(NOT_INTRODUCED.to_owned())
        });
        Attempt { way, since: Instant::now(), found }
    }
}

/// The first one that was not tried, or only before it had answered; of those that have not, no more than are allowed.
fn next_way(ways: &[Way], tried: &[Way], now: Option<Way>) -> Option<Way> {
    let was_tried = |way: &Way| {
        let same = |other: &Way| other.address == way.address;
        now.as_ref().is_some_and(same) || tried.iter().any(|other| same(other) && (other.answered || !way.answered))
    };
    let too_many = tried.iter().filter(|way| !way.answered).count() >= MAX_UNANSWERED;
    ways.iter().find(|way| !was_tried(way) && (way.answered || !too_many)).copied()
}

/// How long this one is tried while there is another: if it has not answered, so long that an answer would have come.
fn patience(way: Way, ways: &[Way]) -> Duration {
    let answered = ways.iter().any(|other| other.answered && other.address == way.address);
    if answered { ONE_PATH } else { UNANSWERED.max(2 * way.round_trip) }
}

fn failed(reason: &str) -> NotReached {
    NotReached::Failed(reason.to_owned())
}

async fn finished(attempt: &mut Option<Attempt>) -> Found {
    match attempt {
        Some(attempt) => attempt.found.as_mut().await,
        None => std::future::pending().await,
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
