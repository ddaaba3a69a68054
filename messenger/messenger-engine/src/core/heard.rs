//! Their texts by number, so that one can be referred to: at which of their devices it was written, in which run of the
//! program there, and under which id.
//!
//! Ids are unique for one run of one device. The client knows people, so a text whose id another text of the same person
//! has already gets another number here.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use identity::Identifier;
use lru::LruCache;

use super::saying::MAX_ID;
use crate::room::DeviceKey;

/// How many people are remembered.
const PEOPLE: usize = 256;

/// How many texts of one person can be referred to: the last ones.
const TEXTS: usize = 1024;

/// The same in a room, of which there may be many with the same person.
const TEXTS_IN_ROOM: usize = 256;

/// Where a text of theirs is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) device: DeviceKey,
    pub(super) run: [u8; 8],
    /// Their id for it.
    pub(super) id: u64,
}

/// The last texts heard from the last people, in memory.
pub(super) struct Heard {
    people: LruCache<Identifier, Theirs>,
    /// How many texts of each.
    texts: usize,
}

#[derive(Default)]
struct Theirs {
    places: HashMap<u64, Place>,
    /// Of those that have another number than their id.
    numbers: HashMap<Place, u64>,
    order: VecDeque<u64>,
}

impl Default for Heard {
    fn default() -> Self {
        Self { people: LruCache::new(PEOPLE.try_into().expect("not zero")), texts: TEXTS }
    }
}

impl Heard {
    /// For one room.
    pub(super) fn of_room() -> Self {
        Self { texts: TEXTS_IN_ROOM, ..Self::default() }
    }

    /// How many people are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Gives a new text its number: its own id if it is one that ids may be and no other text of theirs has it, else one
    /// that is drawn.
    pub(super) fn add(&mut self, who: &Identifier, place: Place, mut draw: impl FnMut() -> u64) -> u64 {
        let theirs = self.people.get_or_insert_mut(who.clone(), Theirs::default);
        let mut number = place.id;
        loop {
            if number <= MAX_ID
                && let Entry::Vacant(free) = theirs.places.entry(number)
            {
                free.insert(place);
                break;
            }
            number = draw();
        }
        if number != place.id {
            theirs.numbers.insert(place, number);
        }
        theirs.order.push_back(number);
        if theirs.order.len() > self.texts
            && let Some(oldest) = theirs.order.pop_front()
            && let Some(place) = theirs.places.remove(&oldest)
            && oldest != place.id
        {
            theirs.numbers.remove(&place);
        }
        number
    }

    /// What this device of theirs wrote can be referred to no more.
    pub(super) fn forget_device(&mut self, who: &Identifier, device: DeviceKey) {
        let Some(theirs) = self.people.peek_mut(who) else { return };
        theirs.places.retain(|_, place| place.device != device);
        theirs.numbers.retain(|place, _| place.device != device);
        let places = &theirs.places;
        theirs.order.retain(|number| places.contains_key(number));
        if theirs.order.is_empty() {
            self.people.pop(who);
        }
    }

    /// The number of a text of theirs.
    pub(super) fn number(&self, who: &Identifier, place: &Place) -> Option<u64> {
        let theirs = self.people.peek(who)?;
        let has_its_own = theirs.places.get(&place.id) == Some(place);
        if has_its_own { Some(place.id) } else { theirs.numbers.get(place).copied() }
    }

    /// Where the text with this number is known.
    pub(super) fn place(&self, who: &Identifier, number: u64) -> Option<Place> {
        self.people.peek(who)?.places.get(&number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Identifier {
        Identifier::parse("bob@example.org").unwrap()
    }

    fn place(device: u8, id: u64) -> Place {
        Place { device: DeviceKey([device; 32]), run: [1; 8], id }
    }

    #[test]
    fn two_texts_of_one_person_never_have_the_same_number() {
        let mut heard = Heard::default();
        let mut drawn = [7, 9].into_iter();
        assert_eq!(heard.add(&bob(), place(1, 7), || unreachable!()), 7);
        assert_eq!(heard.add(&bob(), place(2, 7), || drawn.next().unwrap()), 9, "drawn until it is free");
        assert_eq!(heard.place(&bob(), 7), Some(place(1, 7)));
        assert_eq!(heard.place(&bob(), 9), Some(place(2, 7)));
        assert_eq!(heard.number(&bob(), &place(2, 7)), Some(9));
        assert_eq!(heard.add(&bob(), place(1, u64::MAX), || 10), 10, "no number that JSON cannot tell");
        let alice = Identifier::parse("alice@example.org").unwrap();
        assert_eq!((heard.place(&alice, 7), heard.number(&alice, &place(1, 7))), (None, None));
    }

    #[test]
    fn a_device_that_is_forgotten_begins_anew() {
        let mut heard = Heard::of_room();
        heard.add(&bob(), place(1, 7), || unreachable!());
        assert_eq!(heard.add(&bob(), place(2, 7), || 9), 9);
        heard.forget_device(&bob(), DeviceKey([1; 32]));
        assert_eq!((heard.place(&bob(), 7), heard.number(&bob(), &place(1, 7))), (None, None));
        assert_eq!(heard.number(&bob(), &place(2, 7)), Some(9), "the other one's stay");
        assert_eq!(heard.add(&bob(), place(1, 7), || unreachable!()), 7);
        heard.forget_device(&bob(), DeviceKey([1; 32]));
        heard.forget_device(&bob(), DeviceKey([2; 32]));
        assert_eq!(heard.len(), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut heard = Heard::default();
        // Every text of one device has its own number, none of the other's.
        let mut drawn = 100_000..;
        for id in 0..5_000 {
            heard.add(&bob(), place(1, id), || unreachable!());
            heard.add(&bob(), place(2, id), || drawn.next().unwrap());
        }
        let theirs = heard.people.peek(&bob()).unwrap();
        assert_eq!((theirs.places.len(), theirs.numbers.len(), theirs.order.len()), (TEXTS, TEXTS / 2, TEXTS));
        assert_eq!(heard.place(&bob(), 0), None);
        assert_eq!(heard.number(&bob(), &place(1, 4_999)), Some(4_999));
        assert_eq!(heard.number(&bob(), &place(2, 4_999)), Some(104_999));
        assert_eq!(heard.number(&bob(), &place(2, 0)), None);
    }
}
