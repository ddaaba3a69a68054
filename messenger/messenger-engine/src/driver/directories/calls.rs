//! Calls, each placed at the directory where its callee is found.

use identity::Identifier;

use super::people::Spot;
use super::{Directories, Key};
use crate::api::CallId;
use crate::core::{Ask, Core};
use crate::time::Now;

impl Directories {
    pub(super) fn invite(&mut self, callee: &Identifier, invite: Ask, core: &mut Core, now: Now) {
        let Ask::Invite { call, .. } = invite else { return };
        match self.people.get_mut(callee).map(|known| &mut known.spot) {
            None => self.look_for(callee.clone(), false, vec![invite], core, now),
            Some(Spot::Sought(waiting)) => waiting.push(invite),
            Some(Spot::Own) => self.ask_own(invite),
            Some(Spot::At(key)) => {
                let key = key.clone();
                self.invite_at(key, call, invite, now);
            }
            Some(Spot::Nowhere { reason, .. }) => {
                let reason = reason.clone();
                core.call_failed(call, &reason, now);
            }
        }
    }

    fn invite_at(&mut self, key: Key, call: CallId, invite: Ask, now: Now) {
        if let Some(other) = self.others.get_mut(&key) {
            other.invite(invite, now.instant);
            self.calls.insert(call, key);
        }
    }

    /// A call that waits until its callee is found was placed nowhere yet, and must not be any more.
    pub(super) fn cancel(&mut self, call: CallId) {
        if self.people.values_mut().any(|known| known.spot.forget(call)) {
            return;
        }
        match self.calls.remove(&call).and_then(|key| self.others.get_mut(&key)) {
            Some(other) => other.cancel(call),
            None => self.ask_own(Ask::Cancel { call }),
        }
    }
}
