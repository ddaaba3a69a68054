//! Gossip: views go out once a link is open, after the texts that wait, and again when there is news for everybody.

use std::sync::Arc;

use super::{Core, SessionId};
use crate::gossip::{Gossip, MAX_HEARD};
use crate::wire::{TalkFrame, Views, capability};

/// How a link stands to gossip.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// The other side takes views.
    listens: bool,
    /// The revision that it was told; nothing while it was told nothing.
    told: Option<u64>,
    heard: u8,
}

impl Core {
    /// Tells peers, and listens to them. To be called before the first connection.
    pub fn gossip_through(&mut self, gossip: Arc<dyn Gossip>) {
        self.gossip = Some(gossip);
    }

    /// What Hello says about it.
    pub(super) fn gossip_capability(&self) -> u64 {
        if self.gossip.is_some() { capability::GOSSIP } else { 0 }
    }

    pub(super) fn link_opened(&mut self, session: SessionId, capabilities: u64) {
        if let Some(link) = self.links.get_mut(&session) {
            link.gossip.listens = capabilities & capability::GOSSIP != 0;
        }
    }

    /// Tells a peer what it has not been told.
    pub(super) fn tell_views(&mut self, session: SessionId) {
        let (Some(gossip), Some(link)) = (&self.gossip, self.links.get_mut(&session)) else { return };
        let revision = gossip.revision();
        if !link.gossip.listens || link.gossip.told == Some(revision) || link.session.is_paused() {
            return;
        }
        link.gossip.told = Some(revision);
        let views = gossip.views(&link.person.authority.name);
        if let Some(views) = views.filter(|views| views.is_bounded() && !views.is_empty()) {
            self.send_talk(session, &TalkFrame::Views { views });
        }
    }

    /// Those who were told before hear what is new.
    pub(super) fn tend_gossip(&mut self) {
        let Some(revision) = self.gossip.as_ref().map(|gossip| gossip.revision()) else { return };
        let stale = |told: Option<u64>| told.is_some_and(|told| told != revision);
        let behind: Vec<SessionId> =
            self.links.iter().filter(|(_, link)| stale(link.gossip.told)).map(|(id, _)| *id).collect();
        behind.into_iter().for_each(|session| self.tell_views(session));
    }

    pub(super) fn views_arrived(&mut self, session: SessionId, views: Views) {
        let (Some(gossip), Some(link)) = (&self.gossip, self.links.get_mut(&session)) else { return };
        if link.gossip.heard < MAX_HEARD {
            link.gossip.heard += 1;
            gossip.heard(&link.person.identifier, views);
        }
    }
}
