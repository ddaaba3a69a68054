//! Contacts and their presence: pushed by the directory, forgotten with the connection to it.

use directory_protocol::Presence as Shown;
use identity::Identifier;

use super::{Action, Ask, Core, Presence};
use crate::api::{Event, Seen};
use crate::time::Now;

/// How many contacts an engine watches.
pub(super) const MAX_CONTACTS: usize = 10_000;

impl Core {
    pub(super) fn add_contact(&mut self, who: Identifier, now: Now) {
        if self.contacts.contains_key(&who) {
            // Where she is found may be known better by now: her card was taken again.
            return self.actions.push_back(Action::Ask(Ask::Watch { who }));
        }
        if self.contacts.len() >= MAX_CONTACTS {
            self.error("add_contact", format!("expected at most {MAX_CONTACTS} contacts"), "remove one first");
            return;
        }
        self.contacts.insert(who.clone(), None);
        self.meet_connected(&who, now);
        self.announce();
        self.actions.push_back(Action::Ask(Ask::Watch { who }));
    }

    pub(super) fn remove_contact(&mut self, who: &Identifier, now: Now) {
        if self.contacts.remove(who).is_none() {
            self.error("remove_contact", format!("{who} is no contact"), "nothing to do");
            return;
        }
        self.announce();
        self.actions.push_back(Action::Ask(Ask::Unwatch { who: who.clone() }));
        self.end_links(who, "you removed this contact", now);
        self.end_unasked("you removed this contact", now);
    }

    pub(super) fn is_contact(&self, who: &Identifier) -> bool {
        self.contacts.contains_key(who)
    }

    /// Whether the directory said that this contact is not there. Of strangers it says nothing.
    pub(super) fn known_offline(&self, who: &Identifier) -> bool {
        self.contacts.get(who) == Some(&Some(Shown::Offline))
    }

    /// A directory said how somebody is.
    pub fn presence_pushed(&mut self, who: Identifier, presence: Shown) {
        let Some(known) = self.contacts.get_mut(&who) else { return };
        if known.as_ref() != Some(&presence) {
            let (online, seen) = (presence.is_online(), Seen::from(&presence));
            *known = Some(presence);
            self.emit(Event::Presence { who, online, seen });
        }
    }

    /// Without the directory nobody's presence is known: everybody who was there is shown as gone.
    pub(super) fn forget_presence(&mut self) {
        let mut gone = Vec::new();
        for (who, known) in &mut self.contacts {
            if known.take().is_some_and(|presence| presence.is_online()) {
                gone.push(who.clone());
            }
        }
        for who in gone {
            self.emit(Event::Presence { who, online: false, seen: Seen::default() });
        }
    }

    /// As [`Self::forget_presence`], of these people.
    pub(super) fn forget_presence_of(&mut self, people: &[Identifier]) {
        for who in people {
            let known = self.contacts.get_mut(who).and_then(Option::take);
            if known.is_some_and(|presence| presence.is_online()) {
                self.emit(Event::Presence { who: who.clone(), online: false, seen: Seen::default() });
            }
        }
    }

    /// Why nobody can be introduced to this device now, if so.
    pub(super) fn why_unreachable(&self) -> Option<&'static str> {
        match self.presence {
            Presence::Here => None,
            Presence::Away => {
                Some("this device is not connected to its directory; nothing was sent and nothing is kept")
            }
            Presence::Resting => Some("you are offline; nothing was sent and nothing is kept"),
        }
    }
}
