//! Look-ups and watch lists: each question goes to the keeper of whom it asks for.
//!
//! Of everybody on a watch list it is known what the watcher was last told. While a keeper is replaced she is told nothing;
//! then only what differs. So nobody seems to leave and come because a node did.

use super::guest::{Watching, weight};
use super::{
    ConnectionId, Door, Due, Effects, ErrorCode, GIVE_UP, Identifier, Instant, Message, RETRY_MS, Request, Response,
    Routes, Ticket, error_answer, send,
};
use crate::cluster::message::Spent;
use crate::cluster::shards::NodeId;
use directory_protocol::message::{Details, Presence, Status, chunks};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Names that a keeper may be asked for at once: their answers have to find room on the way back.
const MAX_ASKED: usize = 65_536;

/// When a keeper that did not know is asked again. It says by itself when it knows more; this is for what is lost.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Somebody on a watch list.
pub(super) struct Watched {
    shard: u16,
    /// What the watcher was told last: nothing, or how she is.
    told: Option<(Status, Option<Details>)>,
    knowledge: Knowledge,
}

/// How far her keeper has said how she is.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Knowledge {
    /// Not asked yet.
    None,
    /// Asked, under this ticket.
    Asked(u64),
    /// The same, and she is said to be there; only the answer says that what changes from now on is pushed.
    There(u64),
    /// Said; from now on what changes is pushed.
    Known,
}

impl Watched {
    pub(super) fn is_known(&self) -> bool {
        self.knowledge == Knowledge::Known
    }

    pub(super) fn asked(&self) -> Option<u64> {
        match self.knowledge {
            Knowledge::Asked(ticket) | Knowledge::There(ticket) => Some(ticket),
            Knowledge::None | Knowledge::Known => None,
        }
    }
}

/// Whether both look alike to a watcher. Seconds of idleness go on by themselves.
fn same(one: &Option<(Status, Option<Details>)>, other: &Option<(Status, Option<Details>)>) -> bool {
    let seen = |of: &Option<(Status, Option<Details>)>| {
        of.clone().map(|(status, details)| {
            let details = details.unwrap_or_default();
            (status, details.capabilities, details.note, details.idle_s > 0)
        })
    };
    seen(one) == seen(other)
}

impl Door {
    pub(super) fn look_up(
        &mut self,
        now: Instant,
        (connection, id, arrived): (ConnectionId, u32, Instant),
        who: Identifier,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        self.issued += 1;
        let ticket = self.issued;
        if let Some(guest) = self.guests.get_mut(&connection) {
            guest.look_ups.insert(ticket);
        }
        self.tickets.insert(ticket, Ticket::LookUp { connection, id, who, arrived });
        self.send_look_up(ticket, routes, fx);
        self.look_again(now, connection);
    }

    fn send_look_up(&mut self, ticket: u64, routes: &Routes, fx: &mut Effects) {
        let Some(Ticket::LookUp { connection, id, who, .. }) = self.tickets.get(&ticket) else { return };
        let (connection, request) = (*connection, Request::LookUp { id: *id, who: who.clone() });
        let Some(keeper) = self.ready(who, routes) else { return };
        self.open(connection, keeper, fx);
        fx.messages.push((keeper, Message::Asks { connection: connection.0, ticket, request }));
    }

    /// The keeper of this person, if it has been told all that it has to know.
    pub(super) fn ready(&self, who: &Identifier, routes: &Routes) -> Option<NodeId> {
        self.ready_of(routes.shards.shard(who), routes)
    }

    pub(super) fn ready_of(&self, shard: u16, routes: &Routes) -> Option<NodeId> {
        routes.keeper_of(shard).filter(|node| self.keepers[usize::from(*node)].told)
    }

    /// An answer that says something leaves at once, one that says nothing at its deadline, counted from the question.
    pub(super) fn found(
        &mut self,
        now: Instant,
        (connection, id, arrived): (ConnectionId, u32, Instant),
        response: Response,
        fx: &mut Effects,
    ) {
        if !self.guests.contains_key(&connection) {
            return;
        }
        match response {
            Response::Found { status: Some(_), .. } => fx.outputs.push(send(connection, &response)),
            _ => {
                let at = (arrived + self.timing.negative_deadline).max(now);
                let response = Response::found(id, Presence::Offline);
                self.timers.schedule(at, Due::Answer { connection, response });
            }
        }
    }

    /// Puts look-ups again that are not answered, or gives them up.
    pub(super) fn ask_again(&mut self, now: Instant, connection: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        for ticket in guest.look_ups.clone() {
            let Some(Ticket::LookUp { id, arrived, .. }) = self.tickets.get(&ticket) else { continue };
            if now.duration_since(*arrived) < GIVE_UP {
                self.send_look_up(ticket, routes, fx);
                continue;
            }
            let answer = error_answer(*id, (ErrorCode::UnknownForNow, RETRY_MS));
            fx.outputs.push(send(connection, &answer));
            self.close(ticket);
            self.owe(connection, Spent::LookUps, 1);
        }
    }

    pub(super) fn watch(
        &mut self,
        now: Instant,
        (connection, id, arrived): (ConnectionId, u32, Instant),
        people: Vec<Identifier>,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let mut new = Vec::new();
        let cost = u32::try_from(people.len()).unwrap_or(u32::MAX);
        for who in people {
            if !guest.watched.contains_key(&who) {
                let shard = routes.shards.shard(&who);
                guest.watched.insert(who.clone(), Watched { shard, told: None, knowledge: Knowledge::None });
                new.push(who);
            }
        }
        guest.watching.push(Watching { id, people: new, arrived, cost });
        self.ask_watched(now, connection, routes, fx);
        self.watches_done(now, connection);
        self.look_again(now, connection);
    }

    /// Asks the keepers of all on the list of whom it is not known how they are, as far as keepers can answer.
    fn ask_watched(&mut self, now: Instant, connection: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        guest.asked_at = Some(now);
        let mut by_keeper: HashMap<NodeId, Vec<Identifier>> = HashMap::new();
        for (who, watched) in guest.watched.iter().filter(|(_, watched)| watched.knowledge == Knowledge::None) {
            let keeper = routes.keeper_of(watched.shard);
            if let Some(keeper) = keeper.filter(|node| self.keepers[usize::from(*node)].answers()) {
                by_keeper.entry(keeper).or_default().push(who.clone());
            }
        }
        for (keeper, people) in by_keeper {
            self.open(connection, keeper, fx);
            for people in chunks(&people) {
                if !fx.has_room(keeper) || self.keepers[usize::from(keeper)].asked >= MAX_ASKED {
                    // The rest soon: answers come first.
                    if let Some(guest) = self.guests.get_mut(&connection) {
                        guest.asked_at = None;
                    }
                    break;
                }
                self.ask_keeper(connection, keeper, people, fx);
            }
        }
    }

    fn ask_keeper(&mut self, connection: ConnectionId, keeper: NodeId, people: &[Identifier], fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        self.issued += 1;
        let (ticket, names) = (self.issued, people.len());
        self.tickets.insert(ticket, Ticket::Watch { connection, keeper, names });
        self.keepers[usize::from(keeper)].asked += names;
        guest.asked.insert(ticket);
        for who in people {
            if let Some(watched) = guest.watched.get_mut(who) {
                watched.knowledge = Knowledge::Asked(ticket);
            }
        }
        let request = Request::Watch { id: 0, people: people.to_vec() };
        let bytes = weight(&request);
        fx.tell(keeper, bytes, Message::Asks { connection: connection.0, ticket, request });
    }

    /// A keeper has told how everybody is whom a message asked for, or knows only who is there: then it is asked again for all.
    pub(super) fn watch_answered(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        ticket: u64,
        known: bool,
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let asked = guest.watched.iter_mut().filter(|(_, watched)| watched.asked() == Some(ticket));
        for (who, watched) in asked {
            if !known {
                watched.knowledge = Knowledge::None;
                continue;
            }
            let silent = matches!(watched.knowledge, Knowledge::Asked(_));
            watched.knowledge = Knowledge::Known;
            // Who was there before the keeper changed, and is not said to be there.
            if silent && watched.told.take().is_some() {
                fx.outputs.push(send(connection, &Response::presence(who.clone(), Presence::Offline)));
            }
        }
        self.watches_done(now, connection);
        self.look_again(now, connection);
    }

    /// Presence of somebody, as her keeper tells it.
    pub(super) fn presence(
        &mut self,
        connection: ConnectionId,
        who: Identifier,
        (status, details): (Option<Status>, Option<Details>),
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let Some(watched) = guest.watched.get_mut(&who) else { return };
        let now = status.map(|status| (status, details.clone()));
        // Who was not asked for says nothing of what follows: this keeper may be about to forget who watches.
        if let (Knowledge::Asked(ticket), true) = (watched.knowledge, now.is_some()) {
            watched.knowledge = Knowledge::There(ticket);
        }
        if !same(&watched.told, &now) {
            fx.outputs.push(send(connection, &Response::Presence { who, status, details }));
        }
        watched.told = now;
    }

    /// WATCH is answered when it is known of everybody how she is: not before its deadline.
    fn watches_done(&mut self, now: Instant, connection: ConnectionId) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let known = |who: &Identifier| guest.watched.get(who).is_none_or(Watched::is_known);
        let (over, waiting): (Vec<Watching>, Vec<Watching>) =
            guest.watching.drain(..).partition(|watching| watching.people.iter().all(known));
        guest.watching = waiting;
        for Watching { id, arrived, .. } in over {
            let at = (arrived + self.timing.negative_deadline).max(now);
            self.timers.schedule(at, Due::Answer { connection, response: Response::Done { id } });
        }
    }

    /// Asks again, and gives up what has waited too long: then nothing of it is watched.
    pub(super) fn watch_again(&mut self, now: Instant, connection: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let asked = self.guests.get(&connection).and_then(|guest| guest.asked_at);
        if asked.is_none_or(|at| now.duration_since(at) >= ASK_AGAIN) {
            self.ask_watched(now, connection, routes, fx);
        }
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let late = |watching: &Watching| now.duration_since(watching.arrived) >= GIVE_UP;
        let (late, waiting): (Vec<Watching>, Vec<Watching>) = guest.watching.drain(..).partition(late);
        guest.watching = waiting;
        for Watching { id, people, cost, .. } in late {
            self.owe(connection, Spent::Watches, cost);
            self.unwatch(connection, people, routes, fx);
            let answer = error_answer(id, (ErrorCode::UnknownForNow, RETRY_MS));
            fx.outputs.push(send(connection, &answer));
        }
    }

    pub(super) fn unwatch(
        &mut self,
        connection: ConnectionId,
        people: Vec<Identifier>,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&connection) else { return };
        let mut by_keeper: HashMap<NodeId, Vec<Identifier>> = HashMap::new();
        for who in people {
            if guest.watched.remove(&who).is_some()
                && let Some(keeper) = routes.keeper(&who).filter(|keeper| guest.open_at.contains(keeper))
            {
                by_keeper.entry(keeper).or_default().push(who);
            }
        }
        for (keeper, people) in by_keeper {
            let request = Request::Unwatch { id: 0, people };
            fx.messages.push((keeper, Message::Unwatches { connection: connection.0, request }));
        }
    }

    /// A keeper has to be asked anew for the people of these shards: it does not know who watches them.
    pub(super) fn forget_knowledge(&mut self, forgets: impl Fn(u16) -> bool) {
        let mut closed = HashSet::new();
        for guest in self.guests.values_mut() {
            let forgotten = guest.watched.values_mut().filter(|watched| forgets(watched.shard));
            let asked: HashSet<u64> = forgotten
                .filter_map(|watched| {
                    let asked = watched.asked();
                    watched.knowledge = Knowledge::None;
                    asked
                })
                .collect();
            // Who else was asked for in the same message is asked for again.
            let others = guest.watched.values_mut().filter(|w| w.asked().is_some_and(|ticket| asked.contains(&ticket)));
            others.for_each(|watched| watched.knowledge = Knowledge::None);
            guest.asked_at = None;
            closed.extend(asked);
        }
        closed.into_iter().for_each(|ticket| self.close(ticket));
    }

    /// What this keeper was asked is not answered any more.
    pub(super) fn forget_asked(&mut self, keeper: NodeId) {
        let of_keeper = |ticket: &Ticket| matches!(ticket, Ticket::Watch { keeper: of, .. } if *of == keeper);
        let lost: HashSet<u64> =
            self.tickets.iter().filter(|(_, ticket)| of_keeper(ticket)).map(|(number, _)| *number).collect();
        if lost.is_empty() {
            return;
        }
        for watched in self.guests.values_mut().flat_map(|guest| guest.watched.values_mut()) {
            if watched.asked().is_some_and(|ticket| lost.contains(&ticket)) {
                watched.knowledge = Knowledge::None;
            }
        }
        lost.into_iter().for_each(|ticket| self.close(ticket));
    }

    /// Puts all that waits to keepers again, watch lists too.
    pub(super) fn ask_all_again(&mut self, now: Instant, routes: &Routes, fx: &mut Effects) {
        let waiting: Vec<ConnectionId> =
            self.guests.iter().filter(|(_, guest)| guest.waits()).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(guest) = self.guests.get_mut(&id) {
                guest.asked_at = None;
            }
            self.again(now, id, routes, fx);
        }
    }
}
