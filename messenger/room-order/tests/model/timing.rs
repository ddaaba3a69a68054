//! Time, as far as B-1 speaks of it: what the honest send each other arrives within less than half of W. No clock is needed
//! for that. A wait that ends has lasted as long as two messages one after the other: so everything that was on its way when
//! it began has arrived, and everything that was on its way when the last of that arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use room_order::{Ballot, Input, Leaf, Message, Rules};

use crate::world::{Post, World};

/// What is on its way, and to whom.
type UnderWay = BTreeSet<(Leaf, Arc<Post>)>;

/// What has to arrive before a wait can be over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Wait {
    /// This, and then what is on its way by then.
    Twice(UnderWay),
    /// This: nothing, when it can be over.
    Once(UnderWay),
}

/// What is on its way between members who reach each other, and what those who wait have to wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Timing {
    under_way: UnderWay,
    waits: BTreeMap<(Leaf, Ballot), Wait>,
    /// How many lies were told, where they are counted.
    lies: usize,
}

impl Timing {
    /// Whether it is still to arrive, whatever becomes of it there.
    pub(crate) fn is_under_way(&self, to: Leaf, post: &Arc<Post>) -> bool {
        self.under_way.contains(&(to, Arc::clone(post)))
    }

    pub(crate) fn lies(&self) -> usize {
        self.lies
    }

    pub(crate) fn count_lie(&mut self) {
        self.lies += 1;
    }

    pub(crate) fn may_be_over(&self, at: Leaf, ballot: Ballot) -> bool {
        self.waits.get(&(at, ballot)).is_none_or(|wait| matches!(wait, Wait::Once(last) if last.is_empty()))
    }

    /// Something arrives, if only to be refused.
    pub(crate) fn arrives(&mut self, to: Leaf, post: &Arc<Post>) {
        let it = (to, Arc::clone(post));
        self.under_way.remove(&it);
        for wait in self.waits.values_mut() {
            let (Wait::Twice(awaited) | Wait::Once(awaited)) = wait;
            awaited.remove(&it);
        }
    }

    /// One of those who reach each other has taken a step.
    pub(crate) fn after<R: Rules>(&mut self, by: Leaf, linked: &[Leaf], before: &World<R>, world: &World<R>) {
        for post in world.sent.difference(&before.sent) {
            let Post::Message(to, _) = &**post else { continue };
            let theirs = linked.iter().filter(|leaf| **leaf != by && to.is_none_or(|to| to == **leaf));
            self.under_way.extend(theirs.map(|leaf| (*leaf, Arc::clone(post))));
        }
        self.take_what_changes_nothing(world);
        let waits = linked.iter().filter_map(|leaf| world.member(*leaf)).flat_map(|member| {
            let waiting = member.ballots().filter(|(_, waited)| !waited);
            waiting.map(|(ballot, _)| (member.leaf(), ballot))
        });
        let before = std::mem::take(&mut self.waits);
        for wait in waits {
            let now = match before.get(&wait) {
                Some(Wait::Once(last)) => Wait::Once(last.clone()),
                Some(Wait::Twice(first)) if !first.is_empty() => Wait::Twice(first.clone()),
                None if !self.under_way.is_empty() => Wait::Twice(self.under_way.clone()),
                Some(Wait::Twice(_)) | None => Wait::Once(self.under_way.clone()),
            };
            self.waits.insert(wait, now);
        }
    }

    /// What changes nothing where it arrives changes nothing later either, claims apart: that it is on its way could but
    /// keep waits from ending, and it arrives at once.
    fn take_what_changes_nothing<R: Rules>(&mut self, world: &World<R>) {
        let is_claim = |post: &Post| matches!(post, Post::Message(_, Message::Claim(_)));
        let idle = |(to, post): &&(Leaf, Arc<Post>)| {
            let refused = match &**post {
                Post::Message(_, message) => world.is_idle(*to, &Input::Receive(message.clone())),
                Post::Welcome(..) => false,
            };
            !is_claim(post) && (refused || !world.clone().deliver(*to, post))
        };
        for (to, post) in self.under_way.iter().filter(idle).cloned().collect::<Vec<_>>() {
            self.arrives(to, &post);
        }
    }
}
