//! A conversation lives on the device that answered, until its person goes on at another one of hers: from then on texts go
//! there. Nothing of the conversation moves with it.

use identity::Identifier;

use super::links::Token;
use super::{Core, SessionId};
use crate::session::Content;
use crate::time::Now;
use crate::wire::Mark;

impl Core {
    pub(super) fn continue_here(&mut self, to: Identifier, id: Option<u64>, now: Now) {
        self.mark("continue_here", to, Mark::Here, (None, None), id, now);
    }

    /// Somebody goes on at the device of this session. Her other devices hear of it: it may have been somebody else.
    pub(super) fn goes_on_at(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        link.left = false;
        let (who, here) = (link.person.identifier.clone(), link.person.device);
        let mut left = Vec::new();
        for (session, link) in &mut self.links {
            if link.person.identifier == who && link.person.device != here && !link.left {
                link.left = true;
                left.push(*session);
            }
        }
        for session in left {
            let content = Content::Mark { id: self.draw_id(), mark: Mark::Elsewhere };
            // A messenger that does not know this is told nothing, and one that is away finds out by itself.
            let _ = self.put(session, content, Token::Receipt, now);
        }
    }
}
