//! A conversation lives on the device that answered, until its person writes from another one of hers, or says that she goes
//! on there: from then on texts go there, as long as that device has a session. Nothing of the conversation moves with it.

use identity::Identifier;

use super::links::Token;
use super::{Core, SessionId};
use crate::room::Person;
use crate::session::Content;
use crate::time::Now;
use crate::wire::Mark;

impl Core {
    pub(super) fn continue_here(&mut self, to: Identifier, id: Option<u64>, now: Now) {
        self.mark("continue_here", to, Mark::Here, (None, None), id, now);
    }

    /// Somebody is at the device of this session: a text came from there.
    pub(super) fn is_at(&mut self, session: SessionId) {
        if let Some(link) = self.links.get_mut(&session) {
            link.told_elsewhere = false;
            if self.at.get(&link.person.identifier) != Some(&link.person.device) {
                self.at.insert(link.person.identifier.clone(), link.person.device);
            }
        }
    }

    /// Somebody goes on at the device of this session. Her other devices hear of it: it may have been somebody else.
    pub(super) fn goes_on_at(&mut self, session: SessionId, now: Now) {
        self.is_at(session);
        let Some(here) = self.links.get(&session).map(|link| link.person.clone()) else { return };
        let others = self.links.iter().filter(|(_, link)| {
            let of_hers = link.person.identifier == here.identifier && link.person.device != here.device;
            of_hers && !link.told_elsewhere
        });
        for session in others.map(|(session, _)| *session).collect::<Vec<_>>() {
            let content = Content::Mark { id: self.draw_id(), mark: Mark::Elsewhere };
            // A messenger that does not know this, or has not said Hello yet, is told nothing.
            let told = self.put(session, content, Token::Receipt, now).is_ok();
            if let Some(link) = self.links.get_mut(&session) {
                link.told_elsewhere = told;
            }
        }
    }

    /// A session with her has ended: without any, nobody is at that device.
    pub(super) fn may_have_gone(&mut self, person: &Person) {
        let gone = self.at.get(&person.identifier) == Some(&person.device);
        if gone && !self.links.values().any(|link| link.is_with(person)) {
            self.at.remove(&person.identifier);
        }
    }
}
