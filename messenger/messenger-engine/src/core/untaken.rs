//! What was handed out to the client and not taken by it yet. *Delivered* means that the application has a text, so the
//! acknowledgement waits for the client's word.

use std::collections::VecDeque;

use super::letters::Came;
use super::seen::Key;
use super::{Core, SessionId};
use crate::api::{Event, RoomId};
use crate::events::Told;
use crate::room::DeviceKey;

/// Names one thing that was handed out to the client, until the client says that it has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(pub(crate) u64);

/// How often the same thing in letters is answered once it is taken.
const MAX_AGAIN: usize = 16;

/// What was handed out, until it is taken. Bounded: while too many events wait for the client, nothing is read from peers.
#[derive(Default)]
pub(super) struct Untaken {
    last: u64,
    /// In the order of the receipts, in which the client takes them, too.
    handed_out: VecDeque<HandedOut>,
}

struct HandedOut {
    receipt: Receipt,
    what: (DeviceKey, Key),
    came: Came,
    /// It was sent again meanwhile.
    again: Vec<Came>,
}

impl Untaken {
    /// How many things were handed out and not taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.handed_out.len()
    }

    fn hand_out(&mut self, what: (DeviceKey, Key), came: Came) -> Receipt {
        self.last += 1;
        let receipt = Receipt(self.last);
        self.handed_out.push_back(HandedOut { receipt, what, came, again: Vec::new() });
        receipt
    }

    /// The same came once more. Returns false if it was taken before.
    fn comes_again(&mut self, what: &(DeviceKey, Key), came: Came) -> bool {
        let Some(waiting) = self.handed_out.iter_mut().find(|handed_out| handed_out.what == *what) else {
            return false;
        };
        // In a session the window bounds how often, in letters nothing else does.
        if matches!(came, Came::Numbered { .. }) || waiting.again.len() < MAX_AGAIN {
            waiting.again.push(came);
        }
        true
    }

    fn take(&mut self, receipt: Receipt) -> impl Iterator<Item = Came> + use<> {
        // Mostly what was handed out first is taken first.
        let taken = self.handed_out.pop_front_if(|first| first.receipt == receipt).or_else(|| {
            let at = self.handed_out.binary_search_by_key(&receipt, |handed_out| handed_out.receipt).ok()?;
            self.handed_out.remove(at)
        });
        taken.into_iter().flat_map(|taken| std::iter::once(taken.came).chain(taken.again))
    }
}

impl Core {
    /// Hands out what came under this number, once however often it is sent, and acknowledges it when the client has
    /// taken it. What makes no event is refused, with the reason.
    pub(super) fn show(
        &mut self,
        (session, number): (SessionId, u64),
        (room, id): (Option<RoomId>, u64),
        event: impl FnOnce(&mut Self) -> Result<Event, &'static str>,
    ) {
        let Some(link) = self.links.get(&session) else { return };
        let from = (link.person.device, link.run);
        self.show_from(Came::Numbered { session, number }, from, (room, id), event);
    }

    /// The same for what came from a device, in a run of its program, in whatever way.
    pub(super) fn show_from(
        &mut self,
        came: Came,
        (device, run): (DeviceKey, [u8; 8]),
        (room, id): (Option<RoomId>, u64),
        event: impl FnOnce(&mut Self) -> Result<Event, &'static str>,
    ) {
        let key = Key { run, room, id };
        if self.seen.knows(device, &key) {
            if !self.untaken.comes_again(&(device, key), came) {
                self.acknowledge(came);
            }
            return;
        }
        match event(self) {
            Ok(event) => {
                self.seen.add(device, key);
                let receipt = self.untaken.hand_out((device, key), came);
                self.told.push(Told { event, receipt: Some(receipt) });
            }
            Err(reason) => self.refuse(came, reason),
        }
    }

    /// Something of which the client is told nothing: answered as what it has taken.
    pub(super) fn take_untold(
        &mut self,
        came: Came,
        (device, run): (DeviceKey, [u8; 8]),
        (room, id): (Option<RoomId>, u64),
    ) {
        let key = Key { run, room, id };
        if !self.seen.knows(device, &key) {
            self.seen.add(device, key);
        }
        self.acknowledge(came);
    }

    /// The client has taken what it was handed out.
    pub fn taken(&mut self, receipts: impl IntoIterator<Item = Receipt>) {
        for receipt in receipts {
            for came in self.untaken.take(receipt) {
                self.acknowledge(came);
            }
        }
    }
}
