//! Calls, each in the directory where the other person is found.

use identity::Identifier;

use super::people::Spot;
use super::{Directories, Key};
use crate::api::CallId;
use crate::core::{Ask, Core};
use crate::time::Now;

/// A call in another directory.
pub(super) struct CallElsewhere {
    pub(super) at: Key,
    with: Identifier,
    /// She calls, because she is being called.
    pub(super) is_theirs: bool,
}

impl Directories {
    pub(super) fn invite(&mut self, callee: &Identifier, invite: Ask, core: &mut Core, now: Now) {
        let Some(call) = invite.invited() else { return };
        match self.people.get_mut(callee).map(|known| &mut known.spot) {
            None => self.look_for(callee.clone(), false, vec![invite], core, now),
            Some(Spot::Sought(waiting)) => waiting.push(invite),
            Some(Spot::Own) => self.ask_own(invite),
            Some(Spot::At(key)) => {
                let key = key.clone();
                self.invite_at(key, call, callee, invite, now);
            }
            Some(Spot::Nowhere { reason, .. }) => {
                let reason = reason.clone();
                core.call_failed(call, &reason, now);
            }
        }
    }

    fn invite_at(&mut self, key: Key, call: CallId, callee: &Identifier, invite: Ask, now: Now) {
        self.announce_before_call(&key, now);
        if let Some(other) = self.others.get_mut(&key) {
            self.calls.insert(call, CallElsewhere { at: key, with: callee.clone(), is_theirs: false });
            other.invite(invite, now.instant);
        }
    }

    /// Whether this is a call back by somebody who is being called in this directory: it rings where she was called from
    /// (docs/spec/directory.md, section 5), though nobody knocks there.
    pub(super) fn crosses(&self, key: &Key, caller: &Identifier) -> bool {
        self.calls.values().any(|call| call.at == *key && call.with == *caller && !call.is_theirs)
    }

    /// A call that crosses one of ours goes on where it rings, if it was taken: what a directory makes up is forgotten.
    pub(super) fn crossed(&mut self, key: &Key, call: CallId, caller: Identifier, core: &Core) {
        if core.is_under_way(call) {
            self.calls.entry(call).or_insert_with(|| CallElsewhere { at: key.clone(), with: caller, is_theirs: true });
        }
    }

    /// Answers a call where it rings. Whoever does not take it hears no more of it.
    pub(super) fn answer(&mut self, call: CallId, answer: Ask) {
        let is_taken = matches!(answer, Ask::Accept { .. });
        match self.calls.get(&call).and_then(|elsewhere| self.others.get(&elsewhere.at)) {
            Some(other) => other.ask(answer),
            None => return self.ask_own(answer),
        }
        if !is_taken {
            self.calls.remove(&call);
        }
    }

    /// A call that waits until its callee is found was placed nowhere yet, and must not be any more.
    pub(super) fn cancel(&mut self, call: CallId) {
        if self.people.values_mut().any(|known| known.spot.forget(call)) {
            return;
        }
        match self.calls.remove(&call).and_then(|elsewhere| self.others.get_mut(&elsewhere.at)) {
            Some(other) => other.cancel(call),
            None => self.ask_own(Ask::Cancel { call }),
        }
    }
}
