//! The keeper's half: what a node knows of the people of its shards, and what it says of them to the doors.
//!
//! It is one [`State`], in which every connection is a guest. What is there is said at once; what is *not* there only when
//! every door has told all it has of that shard, or can have nobody connected any more; until then the answer is *unknown*.

mod requests;

use super::message::{Device, Message, Verdict};
use super::shards::{NodeId, ShardKey, ShardSet};
use crate::state::{ConnectionId, Input, Output, Refusal, State};
use directory_protocol::CloseCode;
use directory_protocol::frame;
use directory_protocol::message::{Outcome, Presence, Request, Response};
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
    /// It has begun to tell all since anything of its may not have come: only then can it say that this is all.
    begun: bool,
    /// It is in the view.
    present: bool,
    /// What it was last told of how far this node can speak of its people.
    spoken: Option<bool>,
}

pub(super) struct Keeper {
    state: State,
    doors: Vec<Told>,
    /// The shards that are this node's, while it is in a majority.
    owned: ShardSet,
    view: Option<u64>,
    /// How often the view has changed.
    epoch: u64,
    /// A majority says that it is in this view: nobody announces herself to the keepers of another one.
    agreed: bool,
    /// The shards of which all doors in the view have told all.
    told: ShardSet,
    /// The shards of which absence can be told: also those that are not in the view have told all, or have nobody left.
    answerable: ShardSet,
    /// Who has gone from all devices that are known, while others may be on a node that is silent: told when that is known.
    held_back: HashSet<(ConnectionId, Identifier)>,
    /// What can be said may be another since it was last looked at.
    recounted: bool,
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
        let door = Told {
            complete: ShardSet::none(),
            have: ShardSet::none(),
            stale: HashSet::new(),
            lost: false,
            begun: false,
            present: false,
            spoken: None,
        };
        Self {
            state,
            doors: vec![door; nodes],
            owned: ShardSet::none(),
            view: None,
            epoch: 0,
            agreed: false,
            told: ShardSet::none(),
            answerable: ShardSet::none(),
            held_back: HashSet::new(),
            recounted: false,
            answered: HashMap::new(),
            outputs: Vec::new(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.state.next_deadline()
    }

    pub(super) fn tick(&mut self, now: Instant, shards: &ShardKey, out: &mut Outbox) {
        self.state.handle(now, Input::Tick, &mut self.outputs);
        self.tell(shards, out);
    }

    /// Another view, and how often there was another one: shards that are no longer this node's are forgotten, without a word.
    pub(super) fn view_changed(
        &mut self,
        (view, epoch): (Option<u64>, u64),
        owned: ShardSet,
        members: &[NodeId],
        shards: &ShardKey,
    ) {
        (self.view, self.epoch) = (view, epoch);
        for (node, door) in (0..).zip(&mut self.doors) {
            let was_present = std::mem::replace(&mut door.present, members.contains(&node));
            (door.begun, door.spoken) = (false, None);
            if door.present && !was_present {
                // Of who came to it meanwhile it has told nothing yet.
                door.complete = ShardSet::none();
            }
        }
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
        self.held_back.retain(|(_, who)| owned.contains(shards.shard(who)));
        self.recount();
    }

    /// Whether a majority is in this node's view.
    pub(super) fn agreed(&mut self, agreed: bool, shards: &ShardKey, out: &mut Outbox) {
        if std::mem::replace(&mut self.agreed, agreed) != agreed {
            self.recount();
            self.tell(shards, out);
        }
    }

    /// Whether all is known of the people of this shard who are connected to a node of the view.
    fn speaks(&self, shard: u16) -> bool {
        self.agreed && self.told.contains(shard)
    }

    fn knows_absence(&self, shard: u16) -> bool {
        self.agreed && self.answerable.contains(shard)
    }

    fn recount(&mut self) {
        let mut told = self.owned.clone();
        for door in self.doors.iter().filter(|door| door.present) {
            told.intersect(&door.complete);
        }
        let mut answerable = told.clone();
        for door in self.doors.iter().filter(|door| !door.lost && !door.present) {
            answerable.intersect(&door.complete);
        }
        (self.told, self.answerable, self.recounted) = (told, answerable, true);
    }

    /// Tells doors, as soon as it is so, that this node can speak of all its people.
    fn speak(&mut self, out: &mut Outbox) {
        let speaks = self.agreed && self.view.is_some() && self.told == self.owned;
        let now = speaks.then(|| self.answerable == self.owned);
        let epoch = self.epoch;
        for (node, door) in (0..).zip(&mut self.doors).filter(|(_, door)| door.present && door.spoken != now) {
            door.spoken = now;
            if let Some(absence) = now {
                out.push((node, Message::Speaks { epoch, absence }));
            }
        }
    }

    /// What this door sent may not all have come.
    pub(super) fn door_broke(&mut self, door: NodeId) {
        let guests = self.guests_of(door);
        let door = &mut self.doors[usize::from(door)];
        (door.have, door.begun, door.spoken) = (ShardSet::none(), false, None);
        door.stale = guests;
    }

    /// This node has been alone for so long that others may say what they like: it forgets who was there.
    pub(super) fn forget_everybody(&mut self, now: Instant) {
        for id in self.state.guests().collect::<Vec<_>>() {
            self.goes(now, id);
        }
        for door in &mut self.doors {
            (door.complete, door.have, door.begun) = (ShardSet::none(), ShardSet::none(), false);
            door.stale = HashSet::new();
        }
        self.outputs.clear();
        self.held_back.clear();
        self.recount();
    }

    /// Nobody who was connected to this door is still.
    pub(super) fn door_lost(&mut self, now: Instant, door: NodeId, shards: &ShardKey, out: &mut Outbox) {
        for id in self.guests_of(door) {
            self.goes(now, id);
        }
        let told = &mut self.doors[usize::from(door)];
        (told.complete, told.have, told.lost, told.begun) = (ShardSet::none(), ShardSet::none(), true, false);
        told.stale = HashSet::new();
        self.recount();
        self.tell(shards, out);
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
            Message::Begin { view, epoch, anew } if Some(view) == self.view && epoch == self.epoch => {
                if anew {
                    self.door_broke(from);
                    self.doors[usize::from(from)].complete = ShardSet::none();
                    self.recount();
                }
                let door = &mut self.doors[usize::from(from)];
                // A door that begins anew may have forgotten that this node speaks: it is told so again, after its Complete.
                (door.begun, door.spoken) = (true, None);
                let shards = door.have.as_bytes().to_vec();
                out.push((from, Message::Have { view, epoch, shards }));
            }
            Message::Complete { view, epoch }
                if Some(view) == self.view && epoch == self.epoch && self.doors[usize::from(from)].begun =>
            {
                self.complete(now, from);
            }
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
                let id = id(connection);
                let spend = |keeper: &mut Self| keeper.spends(now, id, (what, count), callee.as_ref(), shards);
                let verdict = self.once(id, ticket, spend);
                out.push(reply(ticket, verdict));
            }
            Message::Returns { connection, what, count } => {
                self.state.guest_gets_back(id(connection), what.used(), count);
            }
            Message::Asks { connection, ticket, request } => {
                let verdict = self.asks(now, id(connection), request, shards);
                // Who is there, before it is said that nobody else is.
                self.tell(shards, out);
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
        self.tell(shards, out);
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

    /// Frames for guests go to their doors. What a door does by itself is left out; and that somebody has gone is held back for
    /// as long as she may be there on a device that is not known.
    fn tell(&mut self, shards: &ShardKey, out: &mut Outbox) {
        for output in std::mem::take(&mut self.outputs) {
            let Output::Send { to, frame } = output else { continue };
            let response = frame::decode_response(&frame[frame::LENGTH_BYTES..]);
            let Ok(Some(response)) = response else { continue };
            let Device { node, connection } = device(to);
            let message = match response {
                Response::Presence { .. } if self.is_stale(to) => continue,
                Response::Outcome { outcome: Outcome::Ringing | Outcome::NoAnswer, .. } => continue,
                Response::Incoming { call_id, .. } => {
                    let Some(caller) = self.state.caller(&call_id) else { continue };
                    Message::Rings { connection, response, from: device(caller) }
                }
                Response::Presence { ref who, status: None, .. } if !self.knows_absence(shards.shard(who)) => {
                    self.held_back.insert((to, who.clone()));
                    continue;
                }
                response => Message::Tells { connection, response },
            };
            out.push((node, message));
        }
        if std::mem::take(&mut self.recounted) {
            self.let_go(shards, out);
            self.speak(out);
        }
    }

    /// Whether her door has not told of her again: then it asks anew whom she watches, or she is about to be forgotten.
    fn is_stale(&self, id: ConnectionId) -> bool {
        self.doors[usize::from(device(id).node)].stale.contains(&id)
    }

    /// What was held back and is certain by now is told, unless it is no longer true.
    fn let_go(&mut self, shards: &ShardKey, out: &mut Outbox) {
        for (to, who) in std::mem::take(&mut self.held_back) {
            if self.state.sees(to, &who) != Some(false) || self.is_stale(to) {
                continue;
            }
            if self.knows_absence(shards.shard(&who)) {
                let Device { node, connection } = device(to);
                let response = Response::presence(who, Presence::Offline);
                out.push((node, Message::Tells { connection, response }));
            } else {
                self.held_back.insert((to, who));
            }
        }
    }
}

fn refused(Refusal { error, wait }: Refusal) -> Verdict {
    Verdict::Refused { error, wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX) }
}
