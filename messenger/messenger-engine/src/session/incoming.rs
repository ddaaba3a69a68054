//! What the other side sends under numbers, and the answers it gets.

use std::collections::{BTreeMap, VecDeque};

use super::{MAX_ACKS, SPAN, Violation, WINDOW};
use crate::wire::{Ack, TalkFrame};

/// Numbers and answers of one direction.
#[derive(Default)]
pub(super) struct Incoming {
    last: u64,
    /// The last one on this connection: less than `last` while what came before on another one comes again.
    last_here: u64,
    /// Not answered yet by the application, in order, which is much that of the answers.
    open: VecDeque<u64>,
    /// The refusals among the last [`SPAN`] answers; the others were acknowledgements.
    refused: BTreeMap<u64, String>,
    /// To go out.
    answers: Vec<Ack>,
}

impl Incoming {
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether content under this number is new; it is not if it came on an earlier connection.
    pub(super) fn is_new(&mut self, number: u64) -> Result<bool, Violation> {
        let expected = self.last + 1;
        if number == expected && self.open.len() >= WINDOW {
            return Err(Violation::TooManyUnanswered { found: self.open.len() + 1 });
        }
        if number == expected {
            (self.last, self.last_here) = (number, number);
            self.open.push_back(number);
            return Ok(true);
        }
        if number > self.last_here && number < expected {
            self.last_here = number;
            return Ok(false);
        }
        Err(Violation::Number { expected, found: number })
    }

    /// The application has answered; `keep` remembers a refusal for another connection.
    pub(super) fn answer(&mut self, number: u64, refused: Option<String>, keep: bool) {
        if self.open.pop_front_if(|first| *first == number).is_none() {
            let Ok(at) = self.open.binary_search(&number) else { return };
            self.open.remove(at);
        }
        if let Some(reason) = refused.clone().filter(|_| keep) {
            self.refused.retain(|number, _| number + SPAN > self.last);
            self.refused.insert(number, reason);
        }
        self.answers.push(Ack { number, refused });
    }

    /// How many answers are to be put on the wire.
    pub(super) fn answers_to_go(&self) -> usize {
        self.answers.len()
    }

    /// Answers to put on the wire, as many as one frame takes.
    pub(super) fn next_frame(&mut self) -> Option<TalkFrame> {
        if self.answers.is_empty() {
            return None;
        }
        let rest = self.answers.split_off(self.answers.len().min(MAX_ACKS));
        Some(TalkFrame::Ack { acks: std::mem::replace(&mut self.answers, rest) })
    }

    /// Whether `unanswered` can be the first number that the other side has no answer to.
    pub(super) fn check(&self, unanswered: u64) -> Result<(), Violation> {
        Violation::unless_at_most("the first unanswered number", self.last + 1, unanswered)
    }

    /// Goes on on another connection, where this side has `told` the last number it received: answers what the other
    /// side has no answer to.
    pub(super) fn resume(&mut self, told: u64, unanswered: u64) {
        self.last_here = told;
        // It sends nothing while a number that is SPAN smaller has no answer: the answers before these have arrived.
        let first = unanswered.max((self.last + 1).saturating_sub(SPAN)).max(1);
        let answered = (first..=self.last).filter(|number| self.open.binary_search(number).is_err());
        self.answers = answered.map(|number| Ack { number, refused: self.refused.get(&number).cloned() }).collect();
    }
}
