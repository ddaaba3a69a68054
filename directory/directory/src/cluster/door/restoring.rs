//! What a keeper is told when a shard comes to it, or when what was said may be lost.
//!
//! As soon as a keeper says that it is in this node's view it is asked what it has. Then it is told everything else that is
//! its to know: what people announced, the calls that wait. At the end it is told that this is all: from then on it can say of
//! somebody that she is *not* here. That may be much: it is told as fast as the way to it takes it.

use super::guest::weight;
use super::{ConnectionId, Door, Effects, Instant, Message, Routes};
use crate::cluster::shards::{NodeId, ShardSet};

/// A keeper is being told: what is left.
#[derive(Clone)]
pub(super) struct Telling {
    view: u64,
    left: Vec<ConnectionId>,
}

impl Door {
    /// The view is another: nobody has been told all of it yet.
    pub(in crate::cluster) fn view_changed(&mut self, before: Option<&[NodeId]>, routes: &Routes) {
        self.keepers.iter_mut().for_each(|keeper| keeper.begins_anew());
        let Some(after) = &routes.owners else { return };
        let moved = |shard: u16| before.is_none_or(|before| before[usize::from(shard)] != after[usize::from(shard)]);
        self.forget_knowledge(moved);
        self.forget_calls(|who| moved(routes.shards.shard(who)));
        for (node, keeper) in (0..).zip(&mut self.keepers) {
            keeper.given.intersect(&ShardSet::owned(after, node));
        }
    }

    /// What was said to this node, or it said, may be lost.
    pub(in crate::cluster) fn broke(&mut self, node: NodeId) {
        let keeper = &mut self.keepers[usize::from(node)];
        keeper.begins_anew();
        (keeper.broken, keeper.given) = (true, ShardSet::none());
    }

    /// So often has the view of this node changed. If that is news, it may have forgotten something.
    pub(in crate::cluster) fn keeper_is_in(&mut self, node: NodeId, epoch: u64) {
        let keeper = &mut self.keepers[usize::from(node)];
        if std::mem::replace(&mut keeper.epoch, epoch) != epoch {
            keeper.begins_anew();
        }
    }

    /// Asks a keeper that is in this view what it has, unless it has been told all.
    pub(in crate::cluster) fn begin(&mut self, node: NodeId, view: u64, fx: &mut Effects) {
        let keeper = &self.keepers[usize::from(node)];
        if !keeper.told && keeper.telling.is_none() {
            fx.messages.push((node, Message::Begin { view, epoch: keeper.epoch, anew: keeper.broken }));
        }
    }

    /// A keeper has said what it has: it will be told the rest.
    pub(super) fn restore(&mut self, node: NodeId, view: u64, have: &ShardSet, routes: &Routes) {
        let keeper = &mut self.keepers[usize::from(node)];
        if keeper.told || keeper.telling.is_some() {
            return;
        }
        let mut has = have.clone();
        has.intersect(&keeper.given);
        if std::mem::take(&mut keeper.broken) {
            self.guests.values_mut().for_each(|guest| guest.open_at.retain(|at| *at != node));
            self.forget_asked(node);
        }
        let lacks = |shard: u16| routes.keeper_of(shard) == Some(node) && !has.contains(shard);
        self.forget_knowledge(lacks);
        self.forget_calls(|who| lacks(routes.shards.shard(who)));
        self.withdrawn.forgotten(lacks);
        let left = self.guests.iter().filter(|(_, guest)| lacks(guest.shard)).map(|(id, _)| *id).collect();
        self.keepers[usize::from(node)].telling = Some(Telling { view, left });
    }

    /// Tells all doors which calls were hung up, and keepers what is left, as far as there is room.
    pub(in crate::cluster) fn go_on(&mut self, now: Instant, routes: &Routes, fx: &mut Effects) {
        self.tell_withdrawn(fx);
        for node in 0..self.keepers.len() as NodeId {
            while let Some(telling) = &mut self.keepers[usize::from(node)].telling
                && fx.has_room(node)
            {
                match telling.left.pop() {
                    Some(id) => self.tell_again(now, id, node, fx),
                    None => {
                        let view = telling.view;
                        self.told_all(now, node, view, routes, fx);
                    }
                }
            }
        }
    }

    fn told_all(&mut self, now: Instant, node: NodeId, view: u64, routes: &Routes, fx: &mut Effects) {
        let keeper = &mut self.keepers[usize::from(node)];
        (keeper.told, keeper.telling) = (true, None);
        if let Some(owners) = &routes.owners {
            keeper.given = ShardSet::owned(owners, node);
        }
        let epoch = keeper.epoch;
        fx.messages.push((node, Message::Complete { view, epoch }));
        // Who came meanwhile: so that she has no more devices than she may.
        let hers = self.guests.iter().filter(|(_, guest)| routes.keeper_of(guest.shard) == Some(node));
        for id in hers.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.open(id, node, fx);
        }
        self.ask_all_again(now, routes, fx);
    }

    /// All that somebody has said of herself.
    fn tell_again(&mut self, now: Instant, id: ConnectionId, keeper: NodeId, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        if !guest.open_at.contains(&keeper) {
            guest.open_at.push(keeper);
        }
        let (who, key, connection) = (guest.who.clone(), guest.key, id.0);
        fx.tell(keeper, 128, Message::Open { connection, who, key, again: true });
        for request in guest.said(now) {
            let bytes = weight(&request);
            fx.tell(keeper, bytes, Message::Says { connection, ticket: 0, request, restored: true });
        }
    }
}
