//! The ids that stand for what a client sends: for what each stands, and at which device that may be. No text is kept.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::saying::MAX_ID;
use crate::api::DeliveryState;
use crate::room::DeviceKey;
use crate::wire::{Mark, RoomFile, RoomMark};

/// How many ids given by the client are remembered, to catch one used for two different things.
const MAX_REMEMBERED: usize = 65_536;

/// The ids that stand for what was sent, with a digest of each.
#[derive(Default)]
pub(super) struct Ids {
    /// By whom it is for. One writes to few people, so that these are compared sooner than hashed.
    given: BTreeMap<String, Theirs>,
    count: usize,
    /// Makes the digests. They catch a client's mistake, nobody's attack, so a keyed hash of 64 bits is enough.
    digests: RandomState,
}

/// The ids of what one person is sent.
#[derive(Default)]
struct Theirs {
    /// Those that were drawn here: one after another from a random one on, so that each is found where its distance from the
    /// first one says. They count what this person is sent, and nothing that others are.
    drawn: Option<Drawn>,
    /// Those that the client gave.
    given: HashMap<u64, Given, BuildHasherDefault<ById>>,
}

/// Ids without a gap.
struct Drawn {
    first: u64,
    given: Vec<Given>,
}

/// Spreads ids over their table. They are given by this device's own client, whom nothing has to be kept from.
#[derive(Default)]
struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing: the product's upper half depends on all of the id.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// What an id is to stand for.
#[derive(Clone, Copy, Hash)]
pub(super) enum Sent<'a> {
    Text(&'a str),
    Mark(&'a Mark),
    RoomMark(&'a RoomMark),
    RoomFile(&'a RoomFile),
}

/// What is remembered of an id.
struct Given {
    digest: u64,
    /// Whether it stands for a text, to which others can refer.
    is_text: bool,
    /// The device that has it, may have it, or is to get it now. Devices remember for themselves what they have shown, so
    /// it goes to no other one.
    at: Option<DeviceKey>,
    /// The most that is known of its earlier sendings: delivered, or unknown.
    arrived: Option<DeliveryState>,
}

impl Drawn {
    /// The id that follows; none if it would be no id.
    fn next(&self) -> Option<u64> {
        Some(self.first + self.given.len() as u64).filter(|next| *next <= MAX_ID)
    }

    fn place(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }
}

impl Theirs {
    fn get(&self, id: u64) -> Option<&Given> {
        let drawn = self.drawn.as_ref().and_then(|drawn| drawn.given.get(drawn.place(id)?));
        drawn.or_else(|| self.given.get(&id))
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Given> {
        let drawn = self.drawn.as_mut().and_then(|drawn| {
            let at = drawn.place(id)?;
            drawn.given.get_mut(at)
        });
        drawn.or_else(|| self.given.get_mut(&id))
    }

    /// This id stands for something from now on; it stood for nothing before.
    fn insert(&mut self, id: u64, given: Given) {
        match &mut self.drawn {
            Some(drawn) if drawn.next() == Some(id) => drawn.given.push(given),
            _ => {
                self.given.insert(id, given);
            }
        }
    }
}

impl Ids {
    /// How many ids are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let of = |theirs: &Theirs| theirs.given.len() + theirs.drawn.as_ref().map_or(0, |drawn| drawn.given.len());
        self.given.values().map(of).sum()
    }

    fn theirs(&mut self, to: &str) -> &mut Theirs {
        // Not by an entry, which would take the name as a text of its own every time.
        if !self.given.contains_key(to) {
            self.given.insert(to.to_owned(), Theirs::default());
        }
        self.given.get_mut(to).expect("it was put there")
    }

    /// An id that stands for nothing yet: the one after the last that was drawn for this person. The first one is `draw`'s.
    pub(super) fn draw(&mut self, to: &str, draw: impl FnOnce() -> u64) -> u64 {
        let theirs = self.theirs(to);
        match &theirs.drawn {
            Some(drawn) => {
                let next = drawn.next().filter(|next| !theirs.given.contains_key(next));
                // The client has given that one to something, or there is none.
                next.unwrap_or_else(draw)
            }
            None => {
                let first = draw();
                theirs.drawn = Some(Drawn { first, given: Vec::new() });
                first
            }
        }
    }

    /// Whether this id may stand for this text, or whatever else is sent: it is new, or it stood for the same before.
    pub(super) fn admit(&mut self, to: &str, id: u64, what: Sent<'_>) -> bool {
        if self.count >= MAX_REMEMBERED {
            self.given.clear();
            self.count = 0;
        }
        let digest = self.digests.hash_one(what);
        let theirs = self.theirs(to);
        if let Some(given) = theirs.get(id) {
            return given.digest == digest;
        }
        theirs.insert(id, Given { digest, is_text: matches!(what, Sent::Text(_)), at: None, arrived: None });
        self.count += 1;
        true
    }

    fn given(&mut self, to: &str, id: u64) -> Option<&mut Given> {
        self.given.get_mut(to)?.get_mut(id)
    }

    /// The device that has, or may have, the text under this id; none if it stands for no text.
    pub(super) fn device_of_text(&self, to: &str, id: u64) -> Option<DeviceKey> {
        self.given.get(to)?.get(id).filter(|given| given.is_text)?.at
    }

    /// The only device that what this id stands for may go to; none if it is at none yet.
    pub(super) fn device(&self, to: &str, id: u64) -> Option<DeviceKey> {
        self.given.get(to)?.get(id)?.at
    }

    /// What this id stands for goes to this device.
    pub(super) fn goes_to(&mut self, to: &str, id: u64, device: DeviceKey) {
        if let Some(given) = self.given(to, id) {
            given.at = Some(device);
        }
    }

    /// The state of what this id stands for once the latest sending of it has come to `state`. One sending that failed
    /// does not undo what an earlier one did, or may have done.
    pub(super) fn after(&mut self, to: &str, id: u64, state: DeliveryState) -> DeliveryState {
        if state == DeliveryState::Sending {
            return state;
        }
        let Some(given) = self.given(to, id) else { return state };
        match (given.arrived, state) {
            (Some(DeliveryState::Delivered), _) | (_, DeliveryState::Delivered) => {
                *given.arrived.insert(DeliveryState::Delivered)
            }
            (Some(DeliveryState::Unknown), _) | (_, DeliveryState::Unknown) => {
                *given.arrived.insert(DeliveryState::Unknown)
            }
            _ => {
                given.at = None;
                state
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "bob@example.org";
    const CAROL: &str = "carol@example.org";

    fn never() -> u64 {
        unreachable!("it follows the one before")
    }

    #[test]
    fn ids_are_drawn_in_a_row_for_each_person_by_herself() {
        let mut ids = Ids::default();
        for (to, first) in [(BOB, 700), (CAROL, 40)] {
            assert_eq!(ids.draw(to, || first), first);
            assert!(ids.admit(to, first, Sent::Text("a")));
        }
        assert_eq!(ids.draw(BOB, never), 701);
        assert!(ids.admit(BOB, 701, Sent::Text("b")));
        assert_eq!((ids.draw(BOB, never), ids.draw(CAROL, never)), (702, 41));
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn an_id_stands_for_one_thing_whoever_it_is_from() {
        let mut ids = Ids::default();
        assert!(ids.admit(BOB, 701, Sent::Text("given")));
        assert_eq!(ids.draw(BOB, || 700), 700);
        assert!(ids.admit(BOB, 700, Sent::Text("drawn")));
        assert_eq!(ids.draw(BOB, || 9), 9, "the next one is the client's");
        for (id, text) in [(700, "drawn"), (701, "given")] {
            assert!(ids.admit(BOB, id, Sent::Text(text)), "the same again");
            assert!(!ids.admit(BOB, id, Sent::Text("another")));
        }
        ids.goes_to(BOB, 700, DeviceKey([1; 32]));
        ids.goes_to(BOB, 701, DeviceKey([2; 32]));
        assert_eq!(ids.device(BOB, 700), Some(DeviceKey([1; 32])));
        assert_eq!(ids.device_of_text(BOB, 701), Some(DeviceKey([2; 32])));
        assert_eq!((ids.device(BOB, 699), ids.device(BOB, 9), ids.device(CAROL, 700)), (None, None, None));
    }

    #[test]
    fn the_client_may_give_the_id_that_would_be_drawn_next() {
        let mut ids = Ids::default();
        let first = ids.draw(BOB, || 5);
        assert!(ids.admit(BOB, first, Sent::Text("a")));
        assert!(ids.admit(BOB, 6, Sent::Text("given")));
        assert_eq!(ids.draw(BOB, never), 7);
    }

    #[test]
    fn no_id_is_drawn_beyond_the_largest() {
        let mut ids = Ids::default();
        assert_eq!(ids.draw(BOB, || MAX_ID), MAX_ID);
        assert!(ids.admit(BOB, MAX_ID, Sent::Text("a")));
        assert_eq!(ids.draw(BOB, || 3), 3);
        assert!(ids.admit(BOB, 3, Sent::Text("b")) && !ids.admit(BOB, 3, Sent::Text("c")));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ids = Ids::default();
        for _ in 0..2 * MAX_REMEMBERED + 9 {
            let id = ids.draw(BOB, || 1);
            ids.admit(BOB, id, Sent::Text("a"));
            assert!(ids.len() <= MAX_REMEMBERED);
        }
    }
}
