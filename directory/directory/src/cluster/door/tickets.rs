//! Which answer of a keeper belongs to which question.

use super::{ConnectionId, Door, Effects, Identifier, Instant, Routes};
use crate::cluster::message::Verdict;
use crate::cluster::shards::NodeId;
use directory_protocol::message::CallId;

/// What an answer of a keeper belongs to.
pub(super) enum Ticket {
    /// The first request in this connection's queue.
    First {
        connection: ConnectionId,
    },
    LookUp {
        connection: ConnectionId,
        id: u32,
        who: Identifier,
        arrived: Instant,
    },
    Watch {
        connection: ConnectionId,
        keeper: NodeId,
        names: usize,
    },
    Call {
        connection: ConnectionId,
        call_id: CallId,
    },
}

impl Door {
    /// No answer is expected under this ticket any more.
    pub(super) fn close(&mut self, ticket: u64) {
        match self.tickets.remove(&ticket) {
            Some(Ticket::Watch { connection, keeper, names }) => {
                self.keepers[usize::from(keeper)].asked -= names;
                if let Some(guest) = self.guests.get_mut(&connection) {
                    guest.asked.remove(&ticket);
                }
            }
            Some(Ticket::LookUp { connection, .. }) => {
                if let Some(guest) = self.guests.get_mut(&connection) {
                    guest.look_ups.remove(&ticket);
                }
            }
            Some(Ticket::First { .. } | Ticket::Call { .. }) | None => {}
        }
    }

    /// A keeper has answered.
    pub(super) fn replied(
        &mut self,
        now: Instant,
        (from, ticket): (NodeId, u64),
        verdict: Verdict,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let known = verdict != Verdict::Unknown;
        match self.tickets.get(&ticket) {
            Some(Ticket::First { connection }) => {
                let connection = *connection;
                if known {
                    self.first_answered(now, connection, verdict, routes, fx);
                }
            }
            Some(Ticket::LookUp { connection, id, arrived, .. }) => {
                if let Verdict::Found { response } = verdict {
                    let (connection, id, arrived) = (*connection, *id, *arrived);
                    self.close(ticket);
                    self.found(now, (connection, id, arrived), response, fx);
                }
            }
            Some(Ticket::Watch { connection, .. }) => {
                let connection = *connection;
                self.close(ticket);
                self.watch_answered(now, connection, ticket, known, fx);
            }
            Some(Ticket::Call { connection, call_id }) => {
                let (connection, call_id) = (*connection, *call_id);
                if known {
                    self.close(ticket);
                    self.call_taken(connection, &call_id, from);
                }
            }
            None => {}
        }
    }
}
