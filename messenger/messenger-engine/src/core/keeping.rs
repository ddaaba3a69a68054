//! Who keeps a history of a conversation: each side tells the other one, in its Hello and when it changes.
//!
//! The engine keeps none itself, and nothing here keeps anybody from keeping one in silence: it is a courtesy among people
//! whose programs have it, so that nobody who is asked has to wonder.

use std::collections::BTreeSet;

use identity::Identifier;

use super::links::Token;
use super::{Core, SessionId};
use crate::api::Event;
use crate::session::Content;
use crate::time::Now;
use crate::wire::{Mark, capability};

/// Of which conversations a history is kept.
#[derive(Debug, Default)]
pub(super) struct Histories {
    /// Here.
    own: BTreeSet<Identifier>,
    /// There, as the client was told.
    theirs: BTreeSet<Identifier>,
}

/// How a link stands to it.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// What the other side was told.
    told: bool,
    /// What it told.
    keeps: bool,
}

impl Histories {
    /// How many people are named.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.own.len() + self.theirs.len()
    }
}

impl Core {
    /// What Hello says about it to somebody.
    pub(super) fn history_capability(&self, to: &Identifier) -> u64 {
        let keeps = if self.histories.own.contains(to) { capability::KEEPS } else { 0 };
        capability::HISTORY | keeps
    }

    /// A session begins with somebody, whose Hello says that.
    pub(super) fn begins_with(&self, who: &Identifier) -> Keeping {
        Keeping { told: self.histories.own.contains(who), keeps: false }
    }

    pub(super) fn keep_history(&mut self, who: Identifier, keeps: bool, now: Now) {
        if keeps {
            self.histories.own.insert(who.clone());
        } else {
            self.histories.own.remove(&who);
        }
        let theirs = self.links.iter().filter(|(_, link)| link.person.identifier == who);
        for session in theirs.map(|(session, _)| *session).collect::<Vec<_>>() {
            self.tell_history(session, now);
        }
    }

    /// The other side's Hello says whether it keeps one; what has changed here since one's own went out follows.
    pub(super) fn history_opened(&mut self, session: SessionId, capabilities: u64, now: Now) {
        let Some(link) = self.links.get(&session) else { return };
        let who = link.person.identifier.clone();
        let before = self.histories.theirs.contains(&who);
        let keeps = self.keeps_there(session, capabilities & capability::KEEPS != 0);
        if keeps != before {
            self.emit(Event::History { who, keeps });
        }
        self.tell_history(session, now);
    }

    /// The device of this session keeps a history, or none; whether any of that person's devices does that is connected.
    pub(super) fn keeps_there(&mut self, session: SessionId, keeps: bool) -> bool {
        let Some(link) = self.links.get_mut(&session) else { return keeps };
        link.history.keeps = keeps;
        let who = link.person.identifier.clone();
        let any = self.links.values().any(|link| link.person.identifier == who && link.history.keeps);
        if any {
            self.histories.theirs.insert(who);
        } else {
            self.histories.theirs.remove(&who);
        }
        any
    }

    /// A session with her has ended. What a contact keeps, she keeps when she is gone, too; nothing is remembered of others.
    pub(super) fn may_forget_history(&mut self, who: &Identifier) {
        if !self.is_contact(who) && self.session_with(who).is_none() {
            self.histories.theirs.remove(who);
        }
    }

    fn tell_history(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get(&session) else { return };
        let keeps = self.histories.own.contains(&link.person.identifier);
        if link.history.told == keeps || !link.session.is_open() {
            return;
        }
        // A messenger that does not know this is told nothing, nor at the next Hello anything that it would understand.
        let content = Content::Mark { id: self.draw_id(), mark: Mark::Keeps { keeps } };
        let told = self.put(session, content, Token::Receipt, now).is_ok();
        if let Some(link) = self.links.get_mut(&session).filter(|_| told) {
            link.history.told = keeps;
        }
    }
}
