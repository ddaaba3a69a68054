//! What directories say, and whose word counts: another one's only of people who are found there, of calls that were made
//! there, and of a call back by whom one is calling there.

use directory_protocol::{DirectoryEvent, Outcome};
use identity::Identifier;

use super::people::Spot;
use super::{Directories, Key, NOT_REACHED, abroad};
use crate::api::CallId;
use crate::core::Core;
use crate::driver::Happening;
use crate::time::Now;

impl Directories {
    /// Whether what one's own directory said is its to say.
    pub(in crate::driver) fn is_own(&self, event: &DirectoryEvent) -> bool {
        match event {
            DirectoryEvent::Presence { who, .. } => {
                self.people.get(who).is_none_or(|known| matches!(known.spot, Spot::Own))
            }
            DirectoryEvent::Outcome { call_id, .. } | DirectoryEvent::Go { call_id, .. } => {
                !self.calls.contains_key(&CallId(*call_id))
            }
            DirectoryEvent::Incoming { .. } | DirectoryEvent::Closed { .. } => true,
        }
    }

    /// Something came from the link of this number.
    pub(in crate::driver) fn heard(&mut self, number: u64, what: Happening, core: &mut Core, now: Now) {
        let Some(key) = self.key_of(number) else { return };
        match what {
            // The link hears only afterwards that nothing is wanted of it, and does not say that it has ended.
            Happening::DirectoryUp | Happening::Directory(DirectoryEvent::Presence { .. }) if self.resting => {}
            Happening::DirectoryUp => {
                let domains: Vec<String> = self.domains_at(&key).into_iter().map(str::to_owned).collect();
                self.told.retain(|(about, _)| !domains.contains(about) && *about != key.directory.name);
                // Calls wait for it.
                self.announce_before_call(&key, now);
                if let Some(other) = self.others.get_mut(&key) {
                    other.is_up();
                }
                self.move_to(&key, core, now);
            }
            Happening::DirectoryDown(reason) => self.lost(&key, &reason, core, now),
            Happening::NotAnnounced(reason) => {
                let (about, _) = self.whose(&key);
                self.tell(&about, &reason, NOT_REACHED, core);
            }
            Happening::CallFailed { call, reason } => {
                self.calls.remove(&call);
                core.call_failed(call, &reason, now);
            }
            Happening::Directory(event) => self.said(&key, event, core, now),
            _ => {}
        }
    }

    fn said(&mut self, key: &Key, event: DirectoryEvent, core: &mut Core, now: Now) {
        let Some(other) = self.others.get_mut(key) else { return };
        match event {
            DirectoryEvent::Presence { who, presence } if other.watched.contains(&who) => {
                other.seen.insert(who.clone(), presence.clone());
                if self.outages.own_is_up() {
                    core.presence_pushed(who, presence);
                }
            }
            DirectoryEvent::Incoming { call_id, ref caller, .. } if self.crosses(key, caller) => {
                let caller = caller.clone();
                core.directory_said(event, now);
                self.crossed(key, CallId(call_id), caller, core);
            }
            DirectoryEvent::Outcome { call_id, outcome } if self.is_call_at(CallId(call_id), key) => {
                if outcome != Outcome::Ringing {
                    self.calls.remove(&CallId(call_id));
                }
                core.directory_said(event, now);
            }
            DirectoryEvent::Go { call_id, .. } if self.is_call_at(CallId(call_id), key) => {
                self.calls.remove(&CallId(call_id));
                core.directory_said(event, now);
            }
            _ => tracing::debug!("another directory said what is not its to say"),
        }
    }

    fn is_call_at(&self, call: CallId, key: &Key) -> bool {
        self.calls.get(&call).is_some_and(|elsewhere| elsewhere.at == *key)
    }

    fn lost(&mut self, key: &Key, reason: &str, core: &mut Core, now: Now) {
        let (about, whose) = self.whose(key);
        let message = format!("the directory of {whose} is not reached: {reason}");
        if !self.resting && self.is_given_up(key, now) {
            self.look_elsewhere(key, &message, core, now);
            self.do_not_move_to(key);
        }
        let Some(other) = self.others.get_mut(key) else { return };
        if self.resting {
            return other.left();
        }
        other.is_down(now.instant);
        let people: Vec<Identifier> = other.watched.iter().cloned().collect();
        core.lost_elsewhere(&people);
        self.fail_calls_at(key, &message, core, now);
        // While one's own is not reached either, that is said.
        if self.is_said_of_nobody(key) || !self.outages.own_is_up() {
            return;
        }
        self.tell(&about, &message, NOT_REACHED, core);
    }

    pub(super) fn fail_calls_at(&mut self, key: &Key, reason: &str, core: &mut Core, now: Now) {
        let calls: Vec<CallId> =
            self.calls.iter().filter(|(_, elsewhere)| elsewhere.at == *key).map(|(call, _)| *call).collect();
        for call in calls {
            self.calls.remove(&call);
            core.call_failed(call, reason, now);
        }
    }

    /// What is told is about this; and whose directory it is.
    fn whose(&self, key: &Key) -> (String, String) {
        let (domains, name) = (self.domains_at(key), &key.directory.name);
        let whose = if domains.is_empty() { name.clone() } else { abroad::in_words(&domains) };
        let about = if domains.len() == 1 { whose.clone() } else { name.clone() };
        (about, whose)
    }
}
