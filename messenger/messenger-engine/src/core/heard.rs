//! Their texts by number, so that one can be referred to: at which of their devices it was written, in which run of the
//! program there, and under which id.
//!
//! Ids are unique for one run of one device. The client knows people, so a text whose id another text of the same person
//! has already gets another number here.

use std::collections::VecDeque;

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

/// What one person has written: few texts, of which most have a greater number than those before them, and which are looked for
/// when somebody refers to one.
#[derive(Default)]
struct Theirs {
    /// In the order in which they came, with their numbers, of which no two are the same.
    texts: VecDeque<(u64, Place)>,
    /// No number of theirs is greater.
    greatest: u64,
}

impl Theirs {
    fn has(&self, number: u64) -> bool {
        number <= self.greatest && self.texts.iter().any(|(other, _)| *other == number)
    }
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
        let theirs = match self.people.get_mut(who) {
            Some(theirs) => theirs,
            None => self.people.get_or_insert_mut(who.clone(), Theirs::default),
        };
        let mut number = place.id;
        while number > MAX_ID || theirs.has(number) {
            number = draw();
        }
        if theirs.texts.len() >= self.texts {
            theirs.texts.pop_front();
        }
        theirs.texts.push_back((number, place));
        theirs.greatest = theirs.greatest.max(number);
        number
    }

    /// What this device of theirs wrote can be referred to no more.
    pub(super) fn forget_device(&mut self, who: &Identifier, device: DeviceKey) {
        let Some(theirs) = self.people.peek_mut(who) else { return };
        theirs.texts.retain(|(_, place)| place.device != device);
        if theirs.texts.is_empty() {
            self.people.pop(who);
        }
    }

    /// The number of a text of theirs.
    pub(super) fn number(&self, who: &Identifier, place: &Place) -> Option<u64> {
        let mut texts = self.people.peek(who)?.texts.iter().rev();
        texts.find(|(_, other)| other == place).map(|(number, _)| *number)
    }

    /// Where the text with this number is known.
    pub(super) fn place(&self, who: &Identifier, number: u64) -> Option<Place> {
        let mut texts = self.people.peek(who)?.texts.iter().rev();
        texts.find(|(other, _)| *other == number).map(|(_, place)| *place)
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
        assert_eq!(heard.people.peek(&bob()).unwrap().texts.len(), TEXTS);
        assert_eq!(heard.place(&bob(), 0), None);
        assert_eq!(heard.number(&bob(), &place(1, 4_999)), Some(4_999));
        assert_eq!(heard.number(&bob(), &place(2, 4_999)), Some(104_999));
        assert_eq!(heard.number(&bob(), &place(2, 0)), None);
    }
}
