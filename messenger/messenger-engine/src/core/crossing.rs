//! Calls that cross: each of two people calls the other (docs/spec/directory.md, sections 5 and 10).
//!
//! ```text
//! hers has the lower id ─────────────────────► hers is accepted, ours withdrawn
//! ours has ──► hers waits ──GO for ours──────► hers is left: she has withdrawn it
//!                  │ └──ours ends────────────► hers is accepted
//!                  └──2 s without either─────► hers is accepted, beside ours until the two are connected
//! GO for both ────────────────────────────────► whoever dials for the higher one stops; if she is through already, that counts
//! ```
//! One directory sees to it by itself that the lower one rings. Of two neither knows the other's call, and the lower one may
//! never ring: she lets nobody knock, say. So ours is withdrawn only for a call of which it is certain that both know it.

use std::time::Duration;

use identity::Identifier;

use super::calls::{ACCEPTED, Call, Stage};
use super::{Action, Ask, Core};
use crate::api::{CallId, Purpose};
use crate::time::Now;

/// How long hers waits for ours: within that she has heard of ours and accepted it, or has never heard of it. If it took her
/// longer after all, ours still counts.
const WAIT: Duration = Duration::from_secs(2);

impl Core {
    /// The call of ours that is crossed by one of hers, made by this device. One that only wants to go on with a session stands
    /// beside hers: whichever comes about first will do.
    pub(super) fn crossed_by(&self, caller: &Identifier, key: [u8; 32], purpose: Purpose) -> Option<(CallId, Stage)> {
        let crosses = |call: &Call| match call.stage {
            Stage::Inviting => call.device.is_none_or(|device| device == key),
            Stage::Dialling => call.key == Some(key),
            _ => false,
        };
        let is_hers = |call: &Call| call.peer == *caller && call.purpose == purpose && !call.only_resumes();
        let call = self.calls.iter().find(|(_, call)| is_hers(call) && crosses(call));
        call.map(|(id, call)| (*id, call.stage))
    }

    /// Hers waits for ours. One is enough: nobody fills a device with calls that wait.
    pub(super) fn wait_for_ours(&mut self, ours: CallId, hers: (CallId, [u8; 32]), now: Now) {
        let (id, key) = hers;
        let Some(own) = self.calls.get(&ours) else { return };
        if self.that_crosses(ours).is_some() {
            return;
        }
        let call = Call {
            peer: own.peer.clone(),
            key: Some(key),
            device: None,
            purpose: own.purpose,
            stage: Stage::Crossing,
            errands: Vec::new(),
            wanted: own.wanted,
            deadline: now.instant + WAIT,
            crosses: Some(ours),
        };
        self.calls.insert(id, call);
    }

    fn that_crosses(&self, ours: CallId) -> Option<CallId> {
        self.calls.iter().find(|(_, call)| call.crosses == Some(ours)).map(|(id, _)| *id)
    }

    /// The other one of two that cross, if it is still there: the one that this one crosses, or that crosses this one.
    pub(super) fn other_of(&self, id: CallId, crosses: Option<CallId>) -> Option<CallId> {
        crosses.filter(|ours| self.calls.contains_key(ours)).or_else(|| self.that_crosses(id))
    }

    /// Hers has waited long enough, or for nothing.
    pub(super) fn take_crossing(&mut self, hers: CallId, now: Now) {
        if let Some(call) = self.calls.get_mut(&hers).filter(|call| call.stage == Stage::Crossing) {
            call.stage = Stage::Accepted;
            call.deadline = now.instant + ACCEPTED;
            self.actions.push_back(Action::Ask(Ask::Accept { call: hers }));
        }
    }

    /// The directory has introduced the two for a call: what crosses it is left. Of two for which it did, the lower one goes
    /// on.
    pub(super) fn leave_crossing(&mut self, introduced: CallId, met: [u8; 32], now: Now) {
        let higher = self.calls.get_mut(&introduced).and_then(|hers| hers.crosses.take_if(|ours| introduced < *ours));
        match higher {
            Some(ours) => self.drop_for(ours, introduced),
            None => self.leave_hers(introduced, met, now),
        }
    }

    /// Hers is left for ours, if it comes from the same device. From another one it was no answer to ours.
    fn leave_hers(&mut self, ours: CallId, met: [u8; 32], now: Now) {
        let Some(hers) = self.that_crosses(ours) else { return };
        let Some(call) = self.calls.get_mut(&hers) else { return };
        if call.key == Some(met) {
            return match call.stage {
                // She dials until she hears of GO for ours, and may have got through: the first connection counts.
                Stage::Listening => {}
                _ => self.drop_for(hers, ours),
            };
        }
        call.crosses = None;
        if let (Stage::Crossing, Some(key)) = (call.stage, call.key) {
            let (caller, purpose) = (call.peer.clone(), call.purpose);
            self.calls.remove(&hers);
            self.incoming(hers, caller, key, purpose, now);
        }
    }

    /// One of two that cross has ended. Whether the other is there to take over what waited for it, which it does.
    pub(super) fn goes_on_in_other(&mut self, ended: CallId, call: &mut Call, now: Now) -> bool {
        let Some(other) = self.other_of(ended, call.crosses) else { return false };
        if let Some(stays) = self.calls.get_mut(&other) {
            stays.errands.append(&mut call.errands);
            stays.crosses = None;
        }
        self.take_crossing(other, now);
        true
    }

    /// A connection stands for this call: the one that it crosses is withdrawn, and what waited for it runs here.
    pub(super) fn stands_for_both(&mut self, id: CallId) {
        let crosses = self.calls.get(&id).and_then(|call| call.crosses);
        if let Some(other) = self.other_of(id, crosses) {
            self.drop_for(other, id);
        }
    }

    /// One of hers stands for ours: another one that waits for ours waits no more.
    pub(super) fn stands_for(&mut self, ours: CallId, hers: CallId) {
        if let Some(waits) = self.that_crosses(ours) {
            self.drop_for(waits, hers);
        }
    }

    /// Ends a call for the sake of the other one, which takes over what waited for it.
    fn drop_for(&mut self, ends: CallId, stays: CallId) {
        let Some(mut call) = self.calls.remove(&ends) else { return };
        match call.stage {
            Stage::Inviting => self.actions.push_back(Action::Ask(Ask::Cancel { call: ends })),
            Stage::Dialling | Stage::Listening => self.actions.push_back(Action::Settled { call: ends }),
            // Hers: she withdraws it herself, or hears nothing more of it.
            Stage::Asked | Stage::Accepted | Stage::Crossing => {}
        }
        if let Some(stays) = self.calls.get_mut(&stays) {
            stays.errands.append(&mut call.errands);
        }
    }
}
