//! How the client is told: every event in its order, at once if it listens, and when there is room if it is slow.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::FAREWELL;
use crate::api::{DeliveryState, Event};
use crate::core::Receipt;
use crate::events::Told;

/// Events that may wait for a slow client before peers are made to wait too.
const MAX_PENDING_EVENTS: usize = 4096;
/// Events that may wait for the next tick.
const MAX_HELD: usize = 64;

/// The way to the client, and what waits on it.
pub(super) struct Telling {
    events: mpsc::Sender<Told>,
    pub(super) pending: VecDeque<Told>,
    /// Told with the next event, or at the next tick.
    held: Vec<Event>,
}

impl Telling {
    pub(super) fn new(events: mpsc::Sender<Told>) -> Self {
        Self { events, pending: VecDeque::new(), held: Vec::new() }
    }

    /// On which to wait for room, as long as an event [waits](Self::waits).
    pub(super) fn events(&self) -> mpsc::Sender<Told> {
        self.events.clone()
    }

    pub(super) fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the client is so slow that peers have to wait too.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING_EVENTS
    }

    /// There is room for the event that waits longest.
    pub(super) fn tell_next(&mut self, permit: mpsc::Permit<'_, Told>) {
        if let Some(told) = self.pending.pop_front() {
            permit.send(told);
        }
    }

    /// Tells the client. That a text is being sent is told together with its fate, which on a standing connection is
    /// known a moment later, or at the next tick: nobody is woken twice for one text.
    pub(super) fn emit(&mut self, event: Event) {
        if matches!(event, Event::MessageState { state: DeliveryState::Sending, .. }) && self.held.len() < MAX_HELD {
            return self.held.push(event);
        }
        self.tell_held();
        self.tell(Told::plain(event));
    }

    /// Tells the client of what another device waits for until it has taken it.
    pub(super) fn show(&mut self, event: Event, receipt: Receipt) {
        self.tell_held();
        self.tell(Told { event, receipt: Some(receipt) });
    }

    pub(super) fn tell_held(&mut self) {
        for event in std::mem::take(&mut self.held) {
            self.tell(Told::plain(event));
        }
    }

    /// Tells the client at once if it listens, later if it is slow or has ended.
    fn tell(&mut self, told: Told) {
        if !self.pending.is_empty() {
            self.pending.push_back(told);
        } else if let Err(TrySendError::Full(told) | TrySendError::Closed(told)) = self.events.try_send(told) {
            self.pending.push_back(told);
        }
    }

    /// Tells what is left to tell, unless the client takes nothing any more.
    pub(super) async fn rest(mut self) {
        self.tell_held();
        for told in self.pending.drain(..) {
            if self.events.send_timeout(told, FAREWELL).await.is_err() {
                break;
            }
        }
    }
}
