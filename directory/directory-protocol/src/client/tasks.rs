//! The two tasks of a connection, and what requests share with them.

use super::error::{CloseReason, RequestError};
use super::event::DirectoryEvent;
use super::waiting::{Registered, Waiting};
use super::{ANSWER_TIMEOUT, EVENTS};
use crate::close::CloseCode;
use crate::frame::{self, FrameBuffer, FrameError};
use crate::message::{Presence, Request, Response};
use identity::Identifier;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Frames that may wait to be sent before requests have to wait themselves.
const OUTGOING_FRAMES: usize = 64;

/// Bytes taken from the stream at once.
const READ_BYTES: usize = 8 * 1024;

/// What requests and the two tasks share.
pub(super) struct Shared {
    connection: quinn::Connection,
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<Waiting>,
    presence: Arc<Mutex<PresenceSeen>>,
    /// Held while the frames of one announcement are under way.
    pub(super) announcing: tokio::sync::Mutex<()>,
}

/// Who was last said to be online; lets a new watch report everybody else as offline.
struct PresenceSeen {
    online: HashSet<Identifier>,
    events: mpsc::Sender<DirectoryEvent>,
}

impl Shared {
    /// Starts the tasks on a fresh connection and its one stream.
    pub(super) fn start(
        connection: quinn::Connection,
        send: quinn::SendStream,
        receive: quinn::RecvStream,
        events: mpsc::Sender<DirectoryEvent>,
    ) -> Arc<Self> {
        let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
        let shared = Arc::new(Self {
            connection: connection.clone(),
            outgoing,
            waiting: Mutex::default(),
            presence: Arc::new(Mutex::new(PresenceSeen { online: HashSet::new(), events })),
            announcing: tokio::sync::Mutex::default(),
        });
        tokio::spawn(write_frames(send, frames));
        // The reader holds no strong reference: dropping the last client ends the connection, and so the reader.
        tokio::spawn(read_frames(connection, receive, Arc::downgrade(&shared), Arc::clone(&shared.presence)));
        shared
    }

    /// Sends a request and waits for the answer with its id.
    pub(super) async fn ask(self: &Arc<Self>, request: impl FnOnce(u32) -> Request) -> Result<Response, RequestError> {
        let Registered { id, answer, look_after } =
            lock(&self.waiting).register(Instant::now()).map_err(RequestError::Closed)?;
        if look_after {
            tokio::spawn(give_up_in_time(Arc::downgrade(self)));
        }
        let waiting = Forget { shared: self, id };
        let frame = frame::encode(&request(id));
        self.outgoing.send(frame).await.map_err(|_| self.gone())?;
        let answer = answer.await;
        // Whoever answered, or gave it up, has taken it out already.
        std::mem::forget(waiting);
        match answer {
            Ok(Response::Refused { error, wait_ms, .. }) => {
                Err(RequestError::Refused { error, wait: Duration::from_millis(wait_ms.into()) })
            }
            Ok(response) => Ok(response),
            Err(_) => Err(lock(&self.waiting)
                .closed
                .clone()
                .map_or(RequestError::NoAnswer(ANSWER_TIMEOUT), RequestError::Closed)),
        }
    }

    /// Ends the connection because an answer was of the wrong kind.
    pub(super) fn unexpected(&self, response: &Response) -> RequestError {
        let reason = CloseReason::Nonsense(format!(
            "an answer of the wrong kind to request {}",
            answered(response).unwrap_or(0)
        ));
        self.end(reason.clone());
        self.connection.close(CloseCode::Malformed.number().into(), b"");
        RequestError::Closed(reason)
    }

    fn gone(&self) -> RequestError {
        let known = lock(&self.waiting).closed.clone();
        let reason = known.or_else(|| self.connection.close_reason().map(|error| CloseReason::of(&error)));
        RequestError::Closed(reason.unwrap_or_else(|| CloseReason::Broken("the stream ended".to_owned())))
    }

    /// Records the first reason for the end and wakes everybody who waits. Gives the reason on record.
    fn end(&self, reason: CloseReason) -> CloseReason {
        lock(&self.waiting).end(reason)
    }

    /// Hands out answers that have come together. One that nobody awaits any more is no error: the request was given up.
    fn answer(&self, answers: &mut Vec<(u32, Response)>) {
        let mut waiting = lock(&self.waiting);
        let found: Vec<_> =
            answers.drain(..).filter_map(|(id, response)| Some((waiting.take(id)?, response))).collect();
        drop(waiting);
        for (asked, response) in found {
            asked.send(response).ok();
        }
    }

    /// Reports everybody of a fresh watch who was not pushed as online.
    pub(super) fn report_offline(&self, people: &[Identifier]) {
        let seen = lock(&self.presence);
        for who in people.iter().filter(|who| !seen.online.contains(*who)) {
            seen.events.try_send(DirectoryEvent::Presence { who: who.clone(), presence: Presence::Offline }).ok();
        }
    }

    pub(super) fn forget(&self, people: &[Identifier]) {
        let mut seen = lock(&self.presence);
        people.iter().for_each(|who| {
            seen.online.remove(who);
        });
    }

    pub(super) fn close(&self) {
        self.connection.close(CloseCode::Done.number().into(), b"");
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.connection.rtt()
    }

    pub(super) fn mtu_bytes(&self) -> u16 {
        self.connection.stats().path.current_mtu
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes a request out of the waiting ones when its future is dropped before the answer came.
struct Forget<'a> {
    shared: &'a Shared,
    id: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(&self.shared.waiting).take(self.id);
    }
}

/// As long as somebody waits for an answer: lets those go whose answer is overdue.
async fn give_up_in_time(shared: Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let due = lock(&shared.waiting).give_up(Instant::now());
        drop(shared);
        let Some(due) = due else { return };
        tokio::time::sleep_until(due).await;
    }
}

/// What waits at the same time leaves together: QUIC is asked once for all of it.
async fn write_frames(mut send: quinn::SendStream, mut frames: mpsc::Receiver<Vec<u8>>) {
    let mut waiting = Vec::new();
    while frames.recv_many(&mut waiting, OUTGOING_FRAMES).await > 0 {
        let together = if waiting.len() == 1 { waiting.remove(0) } else { waiting.concat() };
        waiting.clear();
        if send.write_chunk(together.into()).await.is_err() {
            return;
        }
    }
}

async fn read_frames(
    connection: quinn::Connection,
    mut receive: quinn::RecvStream,
    shared: Weak<Shared>,
    presence: Arc<Mutex<PresenceSeen>>,
) {
    let reason = match read_until_end(&mut receive, &shared, &presence).await {
        Some(ours) => {
            connection.close(CloseCode::Malformed.number().into(), b"");
            ours
        }
        None => CloseReason::of(&connection.closed().await),
    };
    let reason = match shared.upgrade() {
        Some(shared) => shared.end(reason),
        None => reason,
    };
    let events = lock(&presence).events.clone();
    // The last event must arrive even if the channel is full; whoever has dropped the receiver needs none.
    events.send(DirectoryEvent::Closed { reason }).await.ok();
}

/// Gives the reason if it is this side that must end the connection.
async fn read_until_end(
    receive: &mut quinn::RecvStream,
    shared: &Weak<Shared>,
    presence: &Mutex<PresenceSeen>,
) -> Option<CloseReason> {
    let (mut buffer, mut answers) = (FrameBuffer::new(), Vec::new());
    loop {
        match receive.read_chunk(READ_BYTES, true).await {
            Ok(Some(chunk)) => buffer.push(&chunk.bytes),
            Ok(None) => return Some(CloseReason::Nonsense("the stream was ended".to_owned())),
            Err(_) => return None,
        }
        let taken = take_frames(&mut buffer, &mut answers, presence);
        // What came before something that makes no sense was said all the same.
        if !answers.is_empty()
            && let Some(shared) = shared.upgrade()
        {
            shared.answer(&mut answers);
        }
        if let Err(reason) = taken {
            return Some(reason);
        }
    }
}

/// Takes the frames that are complete: answers aside, and everything else to the channel of events.
fn take_frames(
    buffer: &mut FrameBuffer,
    answers: &mut Vec<(u32, Response)>,
    presence: &Mutex<PresenceSeen>,
) -> Result<(), CloseReason> {
    let nonsense = |error: FrameError| CloseReason::Nonsense(error.to_string());
    while let Some(body) = buffer.next().map_err(nonsense)? {
        let Some(response) = frame::decode_response(body).map_err(nonsense)? else { continue };
        match answered(&response) {
            Some(id) => answers.push((id, response)),
            None => tell(response, presence)?,
        }
    }
    Ok(())
}

/// Hands an event to its channel.
fn tell(response: Response, presence: &Mutex<PresenceSeen>) -> Result<(), CloseReason> {
    let mut seen = lock(presence);
    let Some(event) = event(response, &mut seen.online) else { return Ok(()) };
    match seen.events.try_send(event) {
        Err(mpsc::error::TrySendError::Full(_)) => {
            tracing::warn!(waiting = EVENTS, "events of the directory were not taken in time");
            Err(CloseReason::EventsNotTaken)
        }
        _ => Ok(()),
    }
}

fn event(response: Response, online: &mut HashSet<Identifier>) -> Option<DirectoryEvent> {
    Some(match response {
        Response::Presence { who, status, details } => {
            match status {
                Some(_) => online.insert(who.clone()),
                None => online.remove(&who),
            };
            DirectoryEvent::Presence { who, presence: Presence::from_parts(status, details) }
        }
        Response::Incoming { call_id, caller, caller_key, purpose } => {
            DirectoryEvent::Incoming { call_id, caller, caller_key, purpose }
        }
        Response::Outcome { call_id, outcome } => DirectoryEvent::Outcome { call_id, outcome },
        Response::Go { call_id, role, peer, peer_key, candidates, probe_key, delay_ms } => {
            DirectoryEvent::Go { call_id, role, peer, peer_key, candidates, probe_key, delay_ms }
        }
        Response::Done { .. } | Response::Refused { .. } | Response::Announced { .. } | Response::Found { .. } => {
            return None;
        }
    })
}

/// The request a frame answers, if it is an answer.
fn answered(response: &Response) -> Option<u32> {
    match response {
        Response::Done { id }
        | Response::Refused { id, .. }
        | Response::Announced { id, .. }
        | Response::Found { id, .. } => Some(*id),
        Response::Presence { .. } | Response::Incoming { .. } | Response::Outcome { .. } | Response::Go { .. } => None,
    }
}

/// A panic elsewhere leaves these values whole: every critical section is a few assignments.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
