//! The two tasks of a connection, and what requests share with them.

use super::error::{CloseReason, RequestError};
use super::event::DirectoryEvent;
use super::{ANSWER_TIMEOUT, EVENTS};
use crate::close::CloseCode;
use crate::frame::{self, FrameBuffer};
use crate::message::{Presence, Request, Response};
use identity::Identifier;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

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

/// Requests under way, and the end of the connection once it is known.
#[derive(Default)]
struct Waiting {
    next_id: u32,
    answers: HashMap<u32, oneshot::Sender<Response>>,
    closed: Option<CloseReason>,
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
    pub(super) async fn ask(&self, request: impl FnOnce(u32) -> Request) -> Result<Response, RequestError> {
        let (id, answer) = self.register()?;
        let waiting = Forget { shared: self, id };
        let frame = frame::encode(&request(id));
        self.outgoing.send(frame).await.map_err(|_| self.gone())?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        match &answer {
            // Whoever answered has taken it out already.
            Ok(_) => std::mem::forget(waiting),
            Err(_) => drop(waiting),
        }
        match answer {
            Ok(Ok(Response::Refused { error, wait_ms, .. })) => {
                Err(RequestError::Refused { error, wait: Duration::from_millis(wait_ms.into()) })
            }
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(RequestError::NoAnswer(ANSWER_TIMEOUT)),
        }
    }

    fn register(&self) -> Result<(u32, oneshot::Receiver<Response>), RequestError> {
        let mut waiting = lock(&self.waiting);
        if let Some(reason) = &waiting.closed {
            return Err(RequestError::Closed(reason.clone()));
        }
        let id = waiting.next_id;
        waiting.next_id = id.wrapping_add(1);
        let (answer, receiver) = oneshot::channel();
        waiting.answers.insert(id, answer);
        Ok((id, receiver))
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
        let mut waiting = lock(&self.waiting);
        waiting.answers.clear();
        waiting.closed.get_or_insert(reason).clone()
    }

    fn answer(&self, id: u32, response: Response) {
        // An answer that nobody awaits any more is no error: the request was given up.
        if let Some(waiting) = lock(&self.waiting).answers.remove(&id) {
            waiting.send(response).ok();
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
        lock(&self.shared.waiting).answers.remove(&self.id);
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
    shared: std::sync::Weak<Shared>,
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
    shared: &std::sync::Weak<Shared>,
    presence: &Mutex<PresenceSeen>,
) -> Option<CloseReason> {
    let mut buffer = FrameBuffer::new();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match receive.read(&mut bytes).await {
            Ok(Some(count)) => buffer.push(&bytes[..count]),
            Ok(None) => return Some(CloseReason::Nonsense("the stream was ended".to_owned())),
            Err(_) => return None,
        }
        loop {
            let response = match buffer.next() {
                Ok(Some(body)) => frame::decode_response(body),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            let taken = match response {
                Ok(Some(response)) => take(response, shared, presence),
                Ok(None) => Ok(()),
                Err(error) => Err(CloseReason::Nonsense(error.to_string())),
            };
            if let Err(reason) = taken {
                return Some(reason);
            }
        }
    }
}

/// Hands one frame to the request it answers, or to the channel of events.
fn take(
    response: Response,
    shared: &std::sync::Weak<Shared>,
    presence: &Mutex<PresenceSeen>,
) -> Result<(), CloseReason> {
    if let Some(id) = answered(&response) {
        if let Some(shared) = shared.upgrade() {
            shared.answer(id, response);
        }
        return Ok(());
    }
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
