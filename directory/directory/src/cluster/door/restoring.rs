//! What a keeper is told when a shard comes to it, or when what was said may be lost.
//!
//! As soon as a keeper says that it is in this node's view it is asked what it has. Then it is told everything else that is
//! its to know: what people announced, whom others watch, the calls that wait. At the end it is told that this is all: from
//! then on it can say of somebody that she is *not* here.

use super::{ConnectionId, Door, Effects, Instant, Message, Routes};
use crate::cluster::shards::{NodeId, ShardSet};

impl Door {
    /// The view is another: nobody has been told all of it yet.
    pub(in crate::cluster) fn view_changed(&mut self, before: Option<&[NodeId]>, routes: &Routes) {
        self.told.iter_mut().for_each(|told| *told = false);
        let Some(after) = &routes.owners else { return };
        let moved = |shard: u16| before.is_none_or(|before| before[usize::from(shard)] != after[usize::from(shard)]);
        self.forget_knowledge(|who| moved(routes.shards.shard(who)));
        self.forget_calls(|who| moved(routes.shards.shard(who)));
        for (node, given) in (0..).zip(&mut self.given) {
            given.intersect(&ShardSet::owned(after, node));
        }
    }

    /// What was said to this node, or it said, may be lost.
    pub(in crate::cluster) fn broke(&mut self, node: NodeId) {
        self.broken[usize::from(node)] = true;
        self.told[usize::from(node)] = false;
        self.given[usize::from(node)] = ShardSet::none();
    }

    /// Asks a keeper that is in this view what it has, unless it has been told all.
    pub(in crate::cluster) fn begin(&mut self, node: NodeId, view: u64, fx: &mut Effects) {
        if !self.told[usize::from(node)] {
            fx.messages.push((node, Message::Begin { view, anew: self.broken[usize::from(node)] }));
        }
    }

    pub(super) fn restore(
        &mut self,
        now: Instant,
        keeper: NodeId,
        (view, have): (u64, &ShardSet),
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let place = usize::from(keeper);
        if self.told[place] {
            return;
        }
        if std::mem::take(&mut self.broken[place]) {
            self.guests.values_mut().for_each(|guest| guest.open_at.retain(|node| *node != keeper));
        }
        let mut has = have.clone();
        has.intersect(&self.given[place]);
        let lacks = |shard: u16| routes.keeper_of(shard) == Some(keeper) && !has.contains(shard);
        let shards = &routes.shards;
        self.forget_knowledge(|who| lacks(shards.shard(who)));
        self.forget_calls(|who| lacks(shards.shard(who)));
        let hers: Vec<ConnectionId> =
            self.guests.iter().filter(|(_, guest)| lacks(guest.shard)).map(|(id, _)| *id).collect();
        for id in hers {
            self.tell_again(now, id, keeper, fx);
        }
        self.told[place] = true;
        if let Some(owners) = &routes.owners {
            self.given[place] = ShardSet::owned(owners, keeper);
        }
        self.ask_all_watched(now, routes, fx);
        fx.messages.push((keeper, Message::Complete { view }));
    }

    /// All that somebody has said of herself.
    fn tell_again(&mut self, now: Instant, id: ConnectionId, keeper: NodeId, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        if !guest.open_at.contains(&keeper) {
            guest.open_at.push(keeper);
        }
        let (who, key, connection) = (guest.who.clone(), guest.key, id.0);
        fx.messages.push((keeper, Message::Open { connection, who, key, again: true }));
        for request in guest.said(now) {
            fx.messages.push((keeper, Message::Says { connection, ticket: 0, request, restored: true }));
        }
    }
}
