//! What this side sends under numbers, until it is answered.

use std::collections::VecDeque;
use std::ops::Range;

use super::next::{NextFrame, gone, numbered};
use super::unanswered::Unanswered;
use super::{Arrival, Content, MAX_ACKS, MAX_WAITING, NotTaken, SPAN, Verdict, Violation, WINDOW};
use crate::wire::Ack;

/// Numbered contents of one direction. `T` names them for whoever sent them.
pub(super) struct Outgoing<T> {
    unanswered: Unanswered<Sent<T>>,
    waiting: VecDeque<(Content, T)>,
    /// Left on an earlier connection, and goes out again on this one.
    again: VecDeque<u64>,
    /// Answers to these may come a second time: they may have crossed with the change of connections.
    answered_twice: Range<u64>,
}

struct Sent<T> {
    token: T,
    /// For another connection, or until the other side has said Hello; nothing if it goes on on none.
    content: Option<Content>,
}

impl<T> Outgoing<T> {
    pub(super) fn new() -> Self {
        Self { unanswered: Unanswered::new(), waiting: VecDeque::new(), again: VecDeque::new(), answered_twice: 0..0 }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.unanswered.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, content: Content, token: T) -> Result<(), NotTaken> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(NotTaken::Full);
        }
        self.waiting.push_back((content, token));
        Ok(())
    }

    /// The first number without an answer, or the next one.
    pub(super) fn first_unanswered(&self) -> u64 {
        self.unanswered.first()
    }

    /// What may go out now; `keep` remembers it for another connection.
    pub(super) fn next_frame(&mut self, keep: bool) -> Option<NextFrame<'_>> {
        // Some of it may have been answered since.
        let is_kept = |number: &u64| self.unanswered.get(*number).is_some_and(|sent| sent.content.is_some());
        if let Some(number) = std::iter::from_fn(|| self.again.pop_front()).find(is_kept) {
            return self.kept(number);
        }
        if self.unanswered.len() >= WINDOW || self.unanswered.next() - self.unanswered.first() >= SPAN {
            return None;
        }
        let (content, token) = self.waiting.pop_front()?;
        let number = self.unanswered.next();
        if !keep {
            self.unanswered.push(Sent { token, content: None });
            return Some(NextFrame::Other(gone(number, content)));
        }
        self.unanswered.push(Sent { token, content: Some(content) });
        self.kept(number)
    }

    /// How many frames may go out now, at most.
    pub(super) fn frames_to_go(&self) -> usize {
        self.again.len() + self.waiting.len().min(WINDOW - self.unanswered.len().min(WINDOW))
    }

    fn kept(&self, number: u64) -> Option<NextFrame<'_>> {
        let content = self.unanswered.get(number)?.content.as_ref()?;
        Some(NextFrame::Kept(numbered(number, content)))
    }

    pub(super) fn answers(&mut self, acks: Vec<Ack>, arrivals: &mut Vec<Arrival<T>>) -> Result<(), Violation> {
        if acks.len() > MAX_ACKS {
            return Err(Violation::TooManyAcks { found: acks.len() });
        }
        // All of them are looked at before any counts: what is answered beside a stray one must still get its verdict.
        let mut numbers: Vec<u64> = acks.iter().map(|ack| ack.number).collect();
        numbers.sort_unstable();
        let expected = |number| self.unanswered.get(number).is_some() || self.answered_twice.contains(&number);
        let stray = numbers.iter().find(|number| !expected(**number));
        let twice = numbers.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| &pair[0]);
        if let Some(found) = stray.or(twice) {
            return Err(Violation::StrayAck { found: *found });
        }
        let answer = |ack: Ack| {
            let Sent { token, .. } = self.unanswered.remove(ack.number)?;
            Some(match ack.refused {
                None => Arrival::Taken(token),
                Some(reason) => Arrival::Refused(token, crate::clip(&reason)),
            })
        };
        arrivals.extend(acks.into_iter().filter_map(answer));
        Ok(())
    }

    /// Whether the other side can have received up to `received`.
    pub(super) fn check(&self, received: u64) -> Result<(), Violation> {
        // It may be less than what was answered since it was said.
        Violation::unless_at_most("the last number received", self.unanswered.next() - 1, received)
    }

    /// Goes on on another connection, where this side has `told` its first unanswered number.
    pub(super) fn resume(&mut self, told: u64, received: u64) {
        self.again = self.unanswered.after(received).collect();
        self.answered_twice = told..self.unanswered.next();
    }

    /// Nothing is sent again.
    pub(super) fn forget(&mut self) {
        self.unanswered.iter_mut().for_each(|sent| sent.content = None);
    }

    /// What was sent counts as if it had not been.
    pub(super) fn take_back(&mut self) {
        for Sent { token, content } in self.unanswered.drain().rev() {
            if let Some(content) = content {
                self.waiting.push_front((content, token));
            }
        }
    }

    /// Takes out what never left.
    pub(super) fn take_waiting(&mut self) -> VecDeque<(Content, T)> {
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn lost(mut self) -> Vec<(T, Verdict)> {
        let unanswered = self.unanswered.drain().map(|sent| (sent.token, Verdict::Unanswered));
        unanswered.chain(self.waiting.into_iter().map(|(_, token)| (token, Verdict::NotSent))).collect()
    }
}
