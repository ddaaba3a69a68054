//! How the client is told: every event in its order, at once if it listens, and when there is room if it is slow. What is to
//! be told at one time is told together: the client is woken once.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::FAREWELL;
use crate::api::{DeliveryState, Event};
use crate::events::{TOGETHER, Told};

/// Events that may wait for a slow client before peers are made to wait too.
const MAX_PENDING_EVENTS: usize = 4096;
/// Events that may wait for the next tick: as many as texts may be without an answer.
const MAX_HELD: usize = crate::session::WINDOW;

/// The way to the client, and what waits on it.
pub(super) struct Telling {
    events: mpsc::Sender<Vec<Told>>,
    /// To be told, in order.
    pub(super) pending: VecDeque<Told>,
    /// Something of it is to be told now; everything else is told with it, or at the next tick.
    due: bool,
}

impl Telling {
    pub(super) fn new(events: mpsc::Sender<Vec<Told>>) -> Self {
        Self { events, pending: VecDeque::new(), due: false }
    }

    /// On which to wait for room, as long as an event [waits](Self::waits).
    pub(super) fn events(&self) -> mpsc::Sender<Vec<Told>> {
        self.events.clone()
    }

    pub(super) fn waits(&self) -> bool {
        self.due && !self.pending.is_empty()
    }

    /// Whether the client is so slow that peers have to wait too.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING_EVENTS
    }

    /// There is room for the events that wait longest.
    pub(super) fn tell_next(&mut self, permit: mpsc::Permit<'_, Vec<Told>>) {
        permit.send(self.next());
    }

    /// Tells the client what is to be told as far as there is room.
    pub(super) fn tell(&mut self) {
        let events = self.events.clone();
        while self.waits()
            && let Ok(permit) = events.try_reserve()
        {
            self.tell_next(permit);
        }
    }

    /// What is told together.
    fn next(&mut self) -> Vec<Told> {
        if self.pending.len() <= TOGETHER {
            self.due = false;
            return std::mem::take(&mut self.pending).into();
        }
        self.pending.drain(..TOGETHER).collect()
    }

    /// These are to be told. That a text is being sent is told together with its fate, which on a standing connection is
    /// known a moment later, or at the next tick: nobody is woken twice for one text.
    pub(super) fn take(&mut self, told: Vec<Told>) {
        let can_wait = |told: &Told| matches!(told.event, Event::MessageState { state: DeliveryState::Sending, .. });
        self.due |= !told.iter().all(can_wait);
        match self.pending.is_empty() {
            true => self.pending = told.into(),
            false => self.pending.extend(told),
        }
        self.due |= self.pending.len() >= MAX_HELD;
    }

    /// What waits for something else is told now.
    pub(super) fn tell_held(&mut self) {
        self.due |= !self.pending.is_empty();
    }

    /// Tells what is left to tell, unless the client takes nothing any more.
    pub(super) async fn rest(mut self) {
        self.tell_held();
        while self.waits() {
            let next = self.next();
            if self.events.send_timeout(next, FAREWELL).await.is_err() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Event;

    fn state(id: u64, state: DeliveryState) -> Event {
        Event::MessageState { id, to: "bob@example.org".parse().unwrap(), state, reason: None }
    }

    fn take(telling: &mut Telling, event: Event) {
        telling.take(vec![Told::plain(event)]);
    }

    fn ids(told: &[Told]) -> Vec<u64> {
        let id = |told: &Told| if let Event::MessageState { id, .. } = told.event { id } else { unreachable!() };
        told.iter().map(id).collect()
    }

    #[tokio::test]
    async fn what_is_told_at_one_time_comes_together_and_who_is_slow_misses_nothing() {
        let (events, mut told) = mpsc::channel(2);
        let mut telling = Telling::new(events);
        let count = 5 * TOGETHER as u64;
        for id in 0..count {
            take(&mut telling, state(id, DeliveryState::Delivered));
            assert!(told.try_recv().is_err(), "nobody is woken for one of many");
        }
        telling.tell();
        assert!(telling.waits(), "there is room for two times as many as come together");
        let mut came = Vec::new();
        while let Ok(together) = told.try_recv() {
            assert!(together.len() <= TOGETHER);
            came.extend(ids(&together));
            // What comes later is behind what waits.
            if came.len() < count as usize {
                take(&mut telling, state(count + came.len() as u64, DeliveryState::Delivered));
            }
            telling.tell();
        }
        assert!(!telling.waits());
        assert_eq!(came[..count as usize], (0..count).collect::<Vec<_>>());
        assert!(came.is_sorted() && came.len() > count as usize);
    }

    #[tokio::test]
    async fn that_a_text_is_being_sent_is_told_before_its_fate_and_with_it() {
        let (events, mut told) = mpsc::channel(2);
        let mut telling = Telling::new(events);
        take(&mut telling, state(1, DeliveryState::Sending));
        take(&mut telling, state(2, DeliveryState::Sending));
        telling.tell();
        assert!(told.try_recv().is_err(), "that it is sent wakes nobody");
        take(&mut telling, state(1, DeliveryState::Delivered));
        telling.tell();
        assert_eq!(ids(&told.try_recv().unwrap()), [1, 2, 1]);
        take(&mut telling, state(3, DeliveryState::Sending));
        telling.tell_held();
        telling.tell();
        assert_eq!(ids(&told.try_recv().unwrap()), [3], "or at the next tick");
    }
}
