//! One's own other devices: they go by one's own name, are called and talked to like anybody, and are told apart by their keys.
//!
//! Nobody is let in by that name alone. A certificate in it may be one that should not have been issued: so such a call always
//! rings, its authority has to be this device's own, and what two devices then have to tell each other waits until their person has
//! compared the code (docs/spec/peer.md, "One's own devices").

use identity::Identifier;

use super::Core;
use super::errands::Errand;
use crate::api::Purpose;
use crate::room::Person;
use crate::time::Now;

/// Whether this can be done with oneself: whatever goes to another device, stepping down in a room, and nothing that decides
/// about a person.
pub(super) fn takes(command: &str) -> bool {
    matches!(command, "send" | "react" | "edit" | "delete" | "typing" | "read" | "file_offer" | "room_role")
}

impl Core {
    pub(super) fn is_oneself(&self, who: &Identifier) -> bool {
        *who == self.me.person.identifier
    }

    /// Calls all of them. Whichever is taken up answers, as in any call; texts go to the one after that.
    pub(super) fn reach_devices(&mut self, now: Now) {
        if let Some(reason) = self.why_unreachable() {
            return self.devices_unreached(reason);
        }
        let me = self.me.person.identifier.clone();
        self.call_for(me, Purpose::Call, Errand::Reach, now);
    }

    pub(super) fn devices_unreached(&mut self, reason: &str) {
        let remedy = "start the messenger on your other device, accept the call there, and try again";
        self.error("reach_devices", format!("no other device of yours is connected: {reason}"), remedy);
    }

    /// Why somebody who comes in one's own name is refused, if she is: another authority never certified this device, so it cannot say
    /// which others are hers.
    pub(super) fn is_no_device_of_hers(&self, person: &Person) -> Option<String> {
        let (theirs, own) = (&person.authority, &self.me.person.authority);
        (self.is_oneself(&person.identifier) && theirs.root != own.root).then(|| {
            format!("expected a device of yours certified by {}, found one certified by {}", own.name, theirs.name)
        })
    }

    /// What a session is for: with oneself there is nothing but to talk.
    pub(super) fn purpose_with(&self, person: &Person, purpose: Purpose) -> Purpose {
        match purpose {
            Purpose::Call if self.is_oneself(&person.identifier) => Purpose::Text,
            purpose => purpose,
        }
    }
}
