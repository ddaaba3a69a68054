//! What a keeper answers: what people say of themselves, what others ask of them, and calls to them.

use super::{Keeper, refused};
use crate::cluster::message::{Spent, Verdict};
use crate::cluster::shards::ShardKey;
use crate::state::calls::Placed;
use crate::state::{ConnectionId, State};
use directory_protocol::message::{Request, Response};
use identity::Identifier;
use std::time::{Duration, Instant};

impl Keeper {
    pub(super) fn says(
        &mut self,
        now: Instant,
        id: ConnectionId,
        request: Request,
        restored: bool,
        shards: &ShardKey,
    ) -> Verdict {
        if !self.keeps_guest(id, shards) {
            return Verdict::Unknown;
        }
        let said = self.state.guest_says(now, id, request, restored, &mut self.outputs);
        said.map_or_else(refused, |()| Verdict::Done)
    }

    pub(super) fn spends(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (what, count): (Spent, u32),
        callee: Option<&Identifier>,
        shards: &ShardKey,
    ) -> Verdict {
        if !self.keeps_guest(id, shards) {
            return Verdict::Unknown;
        }
        let shows = |state: &State| {
            state.guest(id).zip(callee).is_some_and(|(who, callee)| state.shows_when_calling(who, callee))
        };
        match self.state.guest_spends(now, id, what.used(), count) {
            Ok(()) => Verdict::May { shows: shows(&self.state) },
            Err(refusal) => refused(refusal),
        }
    }

    pub(super) fn asks(&mut self, now: Instant, id: ConnectionId, request: Request, shards: &ShardKey) -> Verdict {
        if self.state.guest(id).is_none() {
            return Verdict::Unknown;
        }
        match request {
            Request::LookUp { id: request, who } => {
                let shard = shards.shard(&who);
                let presence = self.state.shown_to(now, id, &who);
                if !self.speaks(shard) || !(presence.is_online() || self.knows_absence(shard)) {
                    return Verdict::Unknown;
                }
                Verdict::Found { response: Response::found(request, presence) }
            }
            Request::Watch { people, .. } => {
                let answerable = |who: &Identifier| {
                    let shard = shards.shard(who);
                    self.knows_absence(shard) || (self.speaks(shard) && self.state.shown_to(now, id, who).is_online())
                };
                let answerable = people.iter().all(answerable);
                // Whoever watched somebody before all doors have told of her would see her devices come one by one, and by
                // that whom only some of them show themselves to.
                let mut mine = people;
                mine.retain(|who| self.speaks(shards.shard(who)));
                // A door that asks again has to be told anew who is there.
                self.state.guest_unwatches(id, &mine);
                self.state.guest_watches(now, id, mine, &mut self.outputs);
                if answerable { Verdict::Done } else { Verdict::Unknown }
            }
            _ => Verdict::Unknown,
        }
    }

    pub(super) fn invites(
        &mut self,
        now: Instant,
        caller: (ConnectionId, Duration),
        request: Request,
        how: (Option<ConnectionId>, bool),
        shards: &ShardKey,
    ) -> Verdict {
        let Request::Invite { call_id, callee, purpose, candidates, device, .. } = request else {
            return Verdict::Unknown;
        };
        let shard = shards.shard(&callee);
        // Before, it would ring on some of her devices, and never on the others.
        let known = self.speaks(shard) && (self.knows_absence(shard) || self.state.has_announced(&callee));
        if !known || self.state.guest(caller.0).is_none() {
            return Verdict::Unknown;
        }
        let placed = Placed { call_id, callee, purpose, candidates, device };
        self.state.guest_invites(now, caller, placed, how, &mut self.outputs);
        Verdict::Done
    }

    pub(super) fn answers(&mut self, callee: (ConnectionId, Duration), request: Request, shards: &ShardKey) -> Verdict {
        let Request::Answer { call_id, answer, candidates, .. } = request else { return Verdict::Unknown };
        let Some(who) = self.state.guest(callee.0) else { return Verdict::Unknown };
        // The caller's door may not have told this call to its new keeper yet.
        let complete = self.knows_absence(shards.shard(who));
        if !self.state.waits(&call_id) && !complete {
            return Verdict::Unknown;
        }
        let answered = self.state.guest_answers(callee, (&call_id, answer), candidates, &mut self.outputs);
        answered.map_or_else(refused, |()| Verdict::Done)
    }

    fn keeps_guest(&self, id: ConnectionId, shards: &ShardKey) -> bool {
        self.state.guest(id).is_some_and(|who| self.owned.contains(shards.shard(who)))
    }
}
