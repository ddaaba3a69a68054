//! What was sent and has no answer, by number. Numbers go out one after another and are answered much in that order, so that
//! each is found where its distance from the first one says; what lies between the first and the last is bounded by
//! [`super::SPAN`].

use std::collections::VecDeque;

/// What has no answer.
pub(super) struct Unanswered<S> {
    /// The number of the first place.
    first: u64,
    /// From the first number without an answer on; the answered ones among them are empty.
    places: VecDeque<Option<S>>,
    count: usize,
}

impl<S> Unanswered<S> {
    /// Nothing was sent yet: the first number will be 1.
    pub(super) fn new() -> Self {
        Self { first: 1, places: VecDeque::new(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number that is given next.
    pub(super) fn next(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// The first number without an answer, or the next one.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// This is sent under the next number.
    pub(super) fn push(&mut self, sent: S) {
        self.places.push_back(Some(sent));
        self.count += 1;
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// What was sent under this number, unless it was answered.
    pub(super) fn get(&self, number: u64) -> Option<&S> {
        self.places.get(self.place(number)?)?.as_ref()
    }

    /// It is answered.
    pub(super) fn remove(&mut self, number: u64) -> Option<S> {
        let place = self.place(number)?;
        let sent = self.places.get_mut(place)?.take()?;
        self.count -= 1;
        while self.places.pop_front_if(|place| place.is_none()).is_some() {
            self.first += 1;
        }
        Some(sent)
    }

    /// Everything, in order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.places.iter_mut().flatten()
    }

    /// The numbers without an answer that are larger than `number`.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = u64> {
        let numbered = (self.first..).zip(&self.places);
        numbered.filter_map(move |(sent, place)| (place.is_some() && sent > number).then_some(sent))
    }

    /// Takes everything out, in order. It counts as answered.
    pub(super) fn drain(&mut self) -> impl DoubleEndedIterator<Item = S> + use<S> {
        self.first = self.next();
        self.count = 0;
        std::mem::take(&mut self.places).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_order_leave_what_has_none() {
        let mut unanswered = Unanswered::new();
        assert_eq!((unanswered.first(), unanswered.next()), (1, 1));
        for sent in ["a", "b", "c", "d"] {
            unanswered.push(sent);
        }
        assert_eq!(unanswered.remove(2), Some("b"));
        assert_eq!(unanswered.remove(2), None, "once");
        assert_eq!((unanswered.first(), unanswered.len()), (1, 3));
        assert_eq!(unanswered.remove(1), Some("a"));
        assert_eq!((unanswered.first(), unanswered.next(), unanswered.len()), (3, 5, 2));
        assert_eq!((unanswered.get(1), unanswered.get(3), unanswered.get(5)), (None, Some(&"c"), None));
        assert_eq!(unanswered.after(3).collect::<Vec<_>>(), [4]);
        assert_eq!((unanswered.remove(0), unanswered.remove(u64::MAX)), (None, None));
        assert_eq!(unanswered.drain().collect::<Vec<_>>(), ["c", "d"]);
        assert!(unanswered.is_empty());
        unanswered.push("e");
        assert_eq!(unanswered.get(5), Some(&"e"), "numbers go on");
    }
}
