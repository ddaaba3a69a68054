//! Calls that were hung up lately.
//!
//! Whether a keeper that is no more had heard of it nobody knows, and the next one knows nothing of the call. So doors tell each
//! other; a door knows from where each call that rings on its devices comes.

use super::{ConnectionId, Door, Effects, Instant, Message};
use crate::cluster::message::{Device, Ended};
use crate::cluster::shards::NodeId;
use directory_protocol::message::{CallId, Outcome};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// So many are told at once.
const AT_ONCE: usize = 1_000;

#[derive(Default)]
pub(super) struct Withdrawn {
    /// Those that may ring somewhere still, the newest last.
    lately: VecDeque<HungUp>,
    /// Those that all doors are told of next.
    untold: Vec<Ended>,
}

struct HungUp {
    at: Instant,
    callee_shard: u16,
    call: Ended,
}

impl Withdrawn {
    /// Its keeper has been told. Calls that began more than `longest` ago ring no more.
    pub(super) fn add(&mut self, now: Instant, callee_shard: u16, call: Ended, longest: Duration) {
        while self.lately.front().is_some_and(|first| now.duration_since(first.at) > longest) {
            self.lately.pop_front();
        }
        self.lately.push_back(HungUp { at: now, callee_shard, call });
    }

    /// The keeper that was told knows nothing of it, and another may have let it ring.
    pub(super) fn add_lost(&mut self, call: Ended) {
        self.untold.push(call);
    }

    /// The keeper of these shards has forgotten what it was told of them, or is another.
    pub(super) fn forgotten(&mut self, forgets: impl Fn(u16) -> bool) {
        let lost = self.lately.iter().filter(|hung_up| forgets(hung_up.callee_shard));
        self.untold.extend(lost.map(|hung_up| hung_up.call));
        self.lately.retain(|hung_up| !forgets(hung_up.callee_shard));
    }
}

impl Door {
    /// Tells all doors, this one as well, of calls that no keeper may have ended.
    pub(super) fn tell_withdrawn(&mut self, fx: &mut Effects) {
        let mut untold = std::mem::take(&mut self.withdrawn.untold);
        // She may have placed another one under the same number.
        let made = |call: &Ended| {
            let guest = self.guests.get(&ConnectionId(call.connection));
            guest.is_some_and(|guest| guest.made.contains_key(&call.call_id))
        };
        untold.retain(|call| !made(call));
        for calls in untold.chunks(AT_ONCE) {
            for node in 0..self.keepers.len() as NodeId {
                fx.messages.push((node, Message::Ends { calls: calls.to_vec() }));
            }
        }
    }

    /// Calls from connections of that node were hung up: where they ring here, they end.
    pub(super) fn ends(&mut self, from: NodeId, calls: &[Ended], fx: &mut Effects) {
        let calls: HashSet<Ended> = calls.iter().copied().collect();
        let is_over = |call_id: &CallId, device: Device| {
            device.node == from && calls.contains(&Ended { connection: device.connection, call_id: *call_id })
        };
        let mut over = Vec::new();
        for (id, guest) in &self.guests {
            let ringing = guest.ringing.iter().filter(|(call_id, ring)| is_over(call_id, ring.from));
            over.extend(ringing.map(|(call_id, _)| (*id, *call_id)));
        }
        for (id, call_id) in over {
            self.outcome(id, call_id, Outcome::Cancelled, fx);
        }
    }
}
