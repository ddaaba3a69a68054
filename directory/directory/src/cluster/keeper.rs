//! The keeper's half: what a node knows of the people of its shards, and what it says of them to the doors.
//!
//! It is one [`State`], in which every connection is a guest. What is there is said at once; what is *not* there only when
//! every door has told all it has of that shard, or can have nobody connected any more; until then the answer is *unknown*.

use super::message::{Device, Message, Spent, Verdict};
use super::shards::{NodeId, ShardKey, ShardSet};
use crate::state::calls::Placed;
use crate::state::quota::Used;
use crate::state::{ConnectionId, Input, Output, Refusal, State};
use directory_protocol::CloseCode;
use directory_protocol::frame;
use directory_protocol::message::{Outcome, Request, Response};
use identity::Identifier;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Connections of one node are numbered below this.
const PER_NODE: u64 = 1 << 48;

/// What one door has told.
#[derive(Clone)]
struct Told {
    /// Of these shards its word is complete: whoever is not there is not connected to it.
    complete: ShardSet,
    /// Of these nothing was lost since: they need not be told again.
    have: ShardSet,
    /// Guests that were not told again since it began anew.
    stale: HashSet<ConnectionId>,
    /// Nobody can be connected to it who is not known here.
    lost: bool,
}

pub(super) struct Keeper {
    state: State,
    doors: Vec<Told>,
    /// The shards that are this node's, while it is in a majority.
    owned: ShardSet,
    view: Option<u64>,
    /// A majority says that it is in this view: nobody announces herself to the keepers of another one.
    agreed: bool,
    /// The shards of which absence can be told.
    answerable: ShardSet,
    /// The last answer that each guest was given to what may be said only once, and its ticket.
    answered: HashMap<ConnectionId, (u64, Verdict)>,
    outputs: Vec<Output>,
}

/// What it wants to be sent.
pub(super) type Outbox = Vec<(NodeId, Message)>;

fn guest(device: Device) -> ConnectionId {
    ConnectionId(u64::from(device.node) * PER_NODE + device.connection % PER_NODE)
}

fn device(guest: ConnectionId) -> Device {
    Device { node: (guest.0 / PER_NODE) as NodeId, connection: guest.0 % PER_NODE }
}

impl Keeper {
    pub(super) fn new(state: State, nodes: usize) -> Self {
        let (complete, have) = (ShardSet::none(), ShardSet::none());
        let told = Told { complete, have, stale: HashSet::new(), lost: false };
        Self {
            state,
            doors: vec![told; nodes],
            owned: ShardSet::none(),
            view: None,
            agreed: false,
            answerable: ShardSet::none(),
            answered: HashMap::new(),
            outputs: Vec::new(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.state.next_deadline()
    }

    pub(super) fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.state.handle(now, Input::Tick, &mut self.outputs);
        self.tell(out);
    }

    /// Another view: shards that are no longer this node's are forgotten, without a word.
    pub(super) fn view_changed(&mut self, view: Option<u64>, owned: ShardSet, shards: &ShardKey) {
        self.view = view;
        if view.is_none() {
            // Others may decide meanwhile, and know more: what was told is no longer complete, but it is still the newest here.
            self.owned = ShardSet::none();
            self.doors.iter_mut().for_each(|door| door.complete = ShardSet::none());
            self.recount();
            return;
        }
        self.owned = owned;
        for door in &mut self.doors {
            door.complete.intersect(&self.owned);
            door.have.intersect(&self.owned);
        }
        let owned = &self.owned;
        self.state.keep_only(|who| owned.contains(shards.shard(who)));
        self.recount();
    }

    /// Whether a majority is in this node's view.
    pub(super) fn agreed(&mut self, agreed: bool) {
        self.agreed = agreed;
    }

    fn knows_absence(&self, shard: u16) -> bool {
        self.agreed && self.answerable.contains(shard)
    }

    fn recount(&mut self) {
        let mut answerable = self.owned.clone();
        for door in self.doors.iter().filter(|door| !door.lost) {
            answerable.intersect(&door.complete);
        }
        self.answerable = answerable;
    }

    /// What this door sent may not all have come.
    pub(super) fn door_broke(&mut self, door: NodeId) {
        let guests = self.guests_of(door);
        let door = &mut self.doors[usize::from(door)];
        door.have = ShardSet::none();
        door.stale = guests;
    }

    /// Nobody who was connected to this door is still.
    pub(super) fn door_lost(&mut self, now: Instant, door: NodeId, out: &mut Outbox) {
        for id in self.guests_of(door) {
            self.goes(now, id);
        }
        let told = &mut self.doors[usize::from(door)];
        (told.complete, told.have, told.lost) = (ShardSet::none(), ShardSet::none(), true);
        told.stale = HashSet::new();
        self.recount();
        self.tell(out);
    }

    /// A door is there (again).
    pub(super) fn door_found(&mut self, door: NodeId) {
        if std::mem::take(&mut self.doors[usize::from(door)].lost) {
            self.recount();
        }
    }

    fn guests_of(&self, door: NodeId) -> HashSet<ConnectionId> {
        self.state.guests().filter(|id| device(*id).node == door).collect()
    }

    /// Takes a door's message.
    pub(super) fn take(&mut self, now: Instant, from: NodeId, message: Message, shards: &ShardKey, out: &mut Outbox) {
        let id = |connection| guest(Device { node: from, connection });
        let reply = |ticket, verdict| (from, Message::Reply { ticket, verdict });
        match message {
            Message::Begin { view, anew } if Some(view) == self.view => {
                if anew {
                    self.door_broke(from);
                }
                let shards = self.doors[usize::from(from)].have.as_bytes().to_vec();
                out.push((from, Message::Have { view, shards }));
            }
            Message::Complete { view } if Some(view) == self.view => self.complete(now, from),
            Message::Open { connection, who, key, again } => {
                self.open(now, id(connection), (who, key), again, shards, out);
            }
            Message::Closed { connection } => self.goes(now, id(connection)),
            Message::Says { connection, request, restored: true, .. } => {
                self.says(now, id(connection), request, true, shards);
            }
            Message::Says { connection, ticket, request, restored: false } => {
                let id = id(connection);
                let verdict = self.once(id, ticket, |keeper| keeper.says(now, id, request, false, shards));
                out.push(reply(ticket, verdict));
            }
            Message::Spends { connection, ticket, what, count, callee } => {
                let verdict = self.spends(now, id(connection), (what, count), callee.as_ref(), shards);
                out.push(reply(ticket, verdict));
            }
            Message::Asks { connection, ticket, request } => {
                let verdict = self.asks(now, id(connection), request, shards);
                // Who is there, before it is said that nobody else is.
                self.tell(out);
                out.push(reply(ticket, verdict));
            }
            Message::Unwatches { connection, request: Request::Unwatch { people, .. } } => {
                self.state.guest_unwatches(id(connection), &people);
            }
            Message::Invites { connection, ticket, request, shows, back, round_trip_us } => {
                let caller = (id(connection), Duration::from_micros(round_trip_us.into()));
                let verdict = self.invites(now, caller, request, (back.map(guest), shows), shards);
                out.push(reply(ticket, verdict));
            }
            Message::Answers { connection, ticket, request, round_trip_us } => {
                let callee = (id(connection), Duration::from_micros(round_trip_us.into()));
                let verdict = self.once(callee.0, ticket, |keeper| keeper.answers(callee, request, shards));
                out.push(reply(ticket, verdict));
            }
            Message::Cancels { connection, call_id } => {
                self.state.guest_cancels(id(connection), &call_id, &mut self.outputs);
            }
            Message::Back { call_id, device } => self.state.ring_back(&call_id, guest(device), &mut self.outputs),
            _ => {}
        }
        self.tell(out);
    }

    fn goes(&mut self, now: Instant, id: ConnectionId) {
        self.answered.remove(&id);
        self.state.guest_goes(now, id, &mut self.outputs);
    }

    /// A second ANNOUNCE would bring empty lists into force: what is repeated is answered as before.
    fn once(&mut self, id: ConnectionId, ticket: u64, carry_out: impl FnOnce(&mut Self) -> Verdict) -> Verdict {
        if let Some((_, verdict)) = self.answered.get(&id).filter(|(answered, _)| *answered == ticket) {
            return verdict.clone();
        }
        let verdict = carry_out(self);
        if verdict != Verdict::Unknown {
            self.answered.insert(id, (ticket, verdict.clone()));
        }
        verdict
    }

    fn complete(&mut self, now: Instant, from: NodeId) {
        let door = &mut self.doors[usize::from(from)];
        (door.complete, door.have) = (self.owned.clone(), self.owned.clone());
        for id in std::mem::take(&mut door.stale) {
            self.goes(now, id);
        }
        self.recount();
    }

    fn open(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (who, key): (Identifier, [u8; 32]),
        again: bool,
        shards: &ShardKey,
        out: &mut Outbox,
    ) {
        let Device { node, connection } = device(id);
        let known_stale = self.doors[usize::from(node)].stale.remove(&id);
        if known_stale {
            self.state.guest_watches_nobody(id);
        }
        if known_stale || again {
            self.state.guest_repeats(id);
            self.answered.remove(&id);
        }
        // Told again after a hand-over she is not new, and there may be some that will turn out to have gone.
        let bounded = !again && self.owned.contains(shards.shard(&who));
        if self.state.guest_comes(now, id, (who, key), bounded) == Err(CloseCode::TooManyDevices) {
            out.push((node, Message::TooMany { connection }));
        }
    }

    fn says(&mut self, now: Instant, id: ConnectionId, request: Request, restored: bool, shards: &ShardKey) -> Verdict {
        if !self.keeps_guest(id, shards) {
            return Verdict::Unknown;
        }
        let said = self.state.guest_says(now, id, request, restored, &mut self.outputs);
        said.map_or_else(refused, |()| Verdict::Done)
    }

    fn spends(
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
        let what = match what {
            Spent::LookUps => Used::LookUps,
            Spent::Watches => Used::Watches,
            Spent::Invites => Used::Invites,
        };
        let shows = |state: &State| {
            state.guest(id).zip(callee).is_some_and(|(who, callee)| state.shows_when_calling(who, callee))
        };
        match self.state.guest_spends(now, id, what, count) {
            Ok(()) => Verdict::May { shows: shows(&self.state) },
            Err(refusal) => refused(refusal),
        }
    }

    fn asks(&mut self, now: Instant, id: ConnectionId, request: Request, shards: &ShardKey) -> Verdict {
        if self.state.guest(id).is_none() {
            return Verdict::Unknown;
        }
        match request {
            Request::LookUp { id: request, who } => {
                let shard = shards.shard(&who);
                let presence = self.state.shown_to(now, id, &who);
                let told = presence.is_online() || self.knows_absence(shard);
                if !self.owned.contains(shard) || !told {
                    return Verdict::Unknown;
                }
                Verdict::Found { response: Response::found(request, presence) }
            }
            Request::Watch { people, .. } => {
                let answerable = people.iter().all(|who| self.knows_absence(shards.shard(who)));
                let mut mine = people;
                mine.retain(|who| self.owned.contains(shards.shard(who)));
                self.state.guest_watches(now, id, mine, &mut self.outputs);
                if answerable { Verdict::Done } else { Verdict::Unknown }
            }
            _ => Verdict::Unknown,
        }
    }

    fn invites(
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
        let known = self.knows_absence(shard) || self.state.has_announced(&callee);
        if !self.owned.contains(shard) || !known || self.state.guest(caller.0).is_none() {
            return Verdict::Unknown;
        }
        let placed = Placed { call_id, callee, purpose, candidates, device };
        self.state.guest_invites(now, caller, placed, how, &mut self.outputs);
        Verdict::Done
    }

    fn answers(&mut self, callee: (ConnectionId, Duration), request: Request, shards: &ShardKey) -> Verdict {
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

    /// Frames for guests go to their doors. What a door does by itself is left out.
    fn tell(&mut self, out: &mut Outbox) {
        for output in std::mem::take(&mut self.outputs) {
            let Output::Send { to, frame } = output else { continue };
            let response = frame::decode_response(&frame[frame::LENGTH_BYTES..]);
            let Ok(Some(response)) = response else { continue };
            let Device { node, connection } = device(to);
            let message = match response {
                Response::Outcome { outcome: Outcome::Ringing | Outcome::NoAnswer, .. } => continue,
                Response::Incoming { call_id, .. } => {
                    let Some(caller) = self.state.caller(&call_id) else { continue };
                    Message::Rings { connection, response, from: device(caller) }
                }
                response => Message::Tells { connection, response },
            };
            out.push((node, message));
        }
    }
}

fn refused(Refusal { error, wait }: Refusal) -> Verdict {
    Verdict::Refused { error, wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX) }
}
