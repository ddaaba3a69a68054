//! What a door does, and where the keepers are to whom it speaks.

use crate::cluster::keeper::Outbox;
use crate::cluster::message::Message;
use crate::cluster::shards::{NodeId, ShardKey};
use crate::state::Output;
use identity::Identifier;

/// Where people's keepers are, as long as this node is in a majority.
pub(in crate::cluster) struct Routes {
    pub(in crate::cluster) shards: ShardKey,
    pub(in crate::cluster) owners: Option<Vec<NodeId>>,
    pub(in crate::cluster) view: Option<u64>,
}

impl Routes {
    pub(in crate::cluster) fn keeper(&self, who: &Identifier) -> Option<NodeId> {
        self.keeper_of(self.shards.shard(who))
    }

    pub(super) fn keeper_of(&self, shard: u16) -> Option<NodeId> {
        self.owners.as_ref().map(|owners| owners[usize::from(shard)])
    }
}

/// What a door does: messages to keepers, frames to people.
pub(in crate::cluster) struct Effects {
    pub(in crate::cluster) messages: Outbox,
    pub(in crate::cluster) outputs: Vec<Output>,
    /// How many bytes each node can be told now of what can wait.
    room: Vec<usize>,
}

impl Effects {
    pub(in crate::cluster) fn new(room: Vec<usize>) -> Self {
        Self { messages: Outbox::new(), outputs: Vec::new(), room }
    }

    /// Says something that can wait, of about so many bytes.
    pub(super) fn tell(&mut self, node: NodeId, bytes: usize, message: Message) {
        let room = &mut self.room[usize::from(node)];
        *room = room.saturating_sub(bytes);
        self.messages.push((node, message));
    }

    pub(super) fn has_room(&self, node: NodeId) -> bool {
        self.room[usize::from(node)] > 0
    }
}
