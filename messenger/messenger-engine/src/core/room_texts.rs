//! The texts of a room as this device knows them: by what one refers to them, and where they stand among each other (rules
//! of docs/spec/rooms.md).
//!
//! A text is known by the device that sealed it and that device's id for it. The client knows people, so each has a number
//! among those of one person (see [`Heard`]); this device's own have the number that its client gave them. Whoever leaves the
//! room and comes in again begins anew: what her device said before is not referred to any more.

use std::collections::VecDeque;

use lru::LruCache;

use super::heard::{Heard, Place};
use crate::api::{RoomOrder, RoomTextRef};
use crate::room::{DeviceKey, Person};
use crate::wire::{RoomMark, RoomTarget};

/// How many texts of one's own can be referred to: the last ones.
const OWN: usize = 1024;

/// How far a text raises this device's count at most, whatever it says.
const LEAP: u64 = 1024;

/// How many marks are remembered, so that an earlier one does not replace a later one.
const MARKS: usize = 4096;

/// Ids are unique while a device is a member, whichever run of its program that is: one that ends is a member no more.
const NO_RUN: [u8; 8] = [0; 8];

/// The last texts of a room, in memory.
pub(super) struct RoomTexts {
    /// The epoch in which is counted, and the greatest count that is known of it.
    epoch: u64,
    greatest: u64,
    own: VecDeque<u64>,
    heard: Heard,
    /// Where the last mark of each kind stands, by its author and what it is about.
    last_marks: LruCache<(DeviceKey, RoomTarget, Kind), RoomOrder>,
}

/// Marks of which a later one replaces an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Reaction,
    Edit,
    Delete,
}

impl Default for RoomTexts {
    fn default() -> Self {
        Self { epoch: 0, greatest: 0, own: VecDeque::new(), heard: Heard::of_room(), last_marks: LruCache::unbounded() }
    }
}

impl RoomTexts {
    /// What is said now, in this epoch, has seen as much.
    pub(super) fn seen(&self, epoch: u64) -> u32 {
        let greatest = if epoch == self.epoch { self.greatest } else { 0 };
        u32::try_from(greatest).unwrap_or(u32::MAX)
    }

    /// Something with this place was said, here or elsewhere. What is far ahead of all that is known raises the count by
    /// [`LEAP`] alone: a member who lies cannot use the counts up for the others.
    pub(super) fn count(&mut self, order: RoomOrder) {
        if order.epoch > self.epoch {
            (self.epoch, self.greatest) = (order.epoch, 0);
        }
        if order.epoch == self.epoch {
            self.greatest = self.greatest.max(order.count.min(self.greatest + LEAP));
        }
    }

    /// A text of this device's has been sealed.
    pub(super) fn add_own(&mut self, id: u64) {
        if self.own.contains(&id) {
            return;
        }
        if self.own.len() == OWN {
            self.own.pop_front();
        }
        self.own.push_back(id);
    }

    /// A text of somebody's; returns its number.
    pub(super) fn add(&mut self, author: &Person, id: u64, draw: impl FnMut() -> u64) -> u64 {
        self.heard.add(&author.identifier, place(author, id), draw)
    }

    /// The number of a text of somebody's.
    pub(super) fn number(&self, author: &Person, id: u64) -> Option<u64> {
        self.heard.number(&author.identifier, &place(author, id))
    }

    /// Whether a text of this device's can be referred to.
    pub(super) fn has_own(&self, id: u64) -> bool {
        self.own.contains(&id)
    }

    /// What the client calls so, as members do; none if it is not known here. `me` is this device.
    pub(super) fn target(&self, text: &RoomTextRef, me: DeviceKey) -> Option<RoomTarget> {
        match &text.from {
            None => self.has_own(text.id).then_some(RoomTarget { device: me.0, id: text.id }),
            Some(who) => {
                let Place { device, id, .. } = self.heard.place(who, text.id)?;
                Some(RoomTarget { device: device.0, id })
            }
        }
    }

    /// The contrary: `author` is the member whose device is named, and none if that is this one.
    pub(super) fn named(&self, text: &RoomTarget, author: Option<&Person>) -> Option<RoomTextRef> {
        match author {
            None => self.has_own(text.id).then_some(RoomTextRef { from: None, id: text.id }),
            Some(author) => {
                let id = self.number(author, text.id)?;
                Some(RoomTextRef { from: Some(author.identifier.clone()), id })
            }
        }
    }

    /// Whether a mark counts: no later one of its author's of the same kind, about the same text, has come before it.
    pub(super) fn takes(&mut self, by: DeviceKey, mark: &RoomMark, order: RoomOrder) -> bool {
        let kind = match mark {
            RoomMark::Reaction { .. } => Kind::Reaction,
            RoomMark::Edit { .. } => Kind::Edit,
            RoomMark::Delete { .. } => Kind::Delete,
        };
        let key = (by, mark.about(by.0), kind);
        if self.last_marks.get(&key).is_some_and(|last| *last > order) {
            return false;
        }
        self.last_marks.put(key, order);
        if self.last_marks.len() > MARKS {
            self.last_marks.pop_lru();
        }
        true
    }

    /// Somebody's device is a member no more.
    pub(super) fn forget(&mut self, person: &Person) {
        self.heard.forget_device(&person.identifier, person.device);
    }
}

fn place(author: &Person, id: u64) -> Place {
    Place { device: author.device, run: NO_RUN, id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(epoch: u64, count: u64) -> RoomOrder {
        RoomOrder { epoch, count, leaf: 0, id: 1 }
    }

    ///
    #[test]
    fn counts_begin_anew_in_every_epoch_and_a_liar_raises_them_by_little() {
        let mut texts = RoomTexts::default();
        assert_eq!(texts.seen(1), 0);
        texts.count(order(1, 7));
        texts.count(order(1, 3));
        assert_eq!((texts.seen(1), texts.seen(2)), (7, 0));
        texts.count(order(1, u64::from(u32::MAX) + 1));
        assert_eq!(texts.seen(1), 7 + 1024);
        texts.count(order(2, 1));
        texts.count(order(1, 500));
        assert_eq!(texts.seen(2), 1, "what was said before counts no more");
        // However long she goes on: the end is a count that all share, and the leaf decides.
        texts.greatest = u64::from(u32::MAX) + 1;
        assert_eq!(texts.seen(2), u32::MAX);
        texts.count(order(2, u64::from(u32::MAX) + 1));
        assert_eq!(texts.seen(2), u32::MAX);
    }

    #[test]
    fn memory_is_bounded() {
        let mut texts = RoomTexts::default();
        let by = DeviceKey([1; 32]);
        for id in 0..3 * MARKS as u64 {
            texts.add_own(id);
            assert!(texts.takes(by, &RoomMark::Delete { of: id }, order(1, id)));
        }
        assert_eq!((texts.own.len(), texts.last_marks.len()), (OWN, MARKS));
        assert!(texts.has_own(3 * MARKS as u64 - 1) && !texts.has_own(0));
    }

    ///
    #[test]
    fn a_later_mark_is_not_replaced_by_an_earlier_one() {
        let mut texts = RoomTexts::default();
        let (by, on) = (DeviceKey([1; 32]), RoomTarget { device: [2; 32], id: 7 });
        let reaction = RoomMark::Reaction { on, emoji: "👍".into() };
        assert!(texts.takes(by, &reaction, order(3, 5)));
        assert!(!texts.takes(by, &reaction, order(3, 4)) && !texts.takes(by, &reaction, order(2, 9)));
        assert!(texts.takes(DeviceKey([3; 32]), &reaction, order(3, 4)), "somebody else's");
        assert!(texts.takes(by, &RoomMark::Edit { of: 7, text: "x".into() }, order(3, 1)), "another kind");
        assert!(texts.takes(by, &reaction, order(4, 1)));
    }
}
