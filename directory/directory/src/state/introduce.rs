//! GO: both agreed, so each is told where the other is.

use super::calls::outcome;
use super::people::Connection;
use super::{ConnectionId, Output, State, send};
use directory_protocol::message::{CallId, Outcome, ProbeKey, Response, Role};
use identity::Identifier;
use std::net::SocketAddr;
use std::time::Duration;

impl State {
    /// Ends the call in an introduction: GO to both, and the callee's other devices stop ringing. The only place where an
    /// address leaves the directory.
    pub(super) fn introduce(
        &mut self,
        callee: ConnectionId,
        call_id: &CallId,
        callee_candidates: Vec<SocketAddr>,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.end(call_id) else { return };
        let others = call.ringing.iter().filter(|device| **device != callee);
        out.extend(others.map(|to| outcome(*to, *call_id, Outcome::Cancelled)));

        let probe_key = ProbeKey((self.entropy)());
        let (dialler, listener) = (self.people.connection(call.caller), self.people.connection(callee));
        let go = |role, side: &Connection, peer: &Connection, candidates| Response::Go {
            call_id: *call_id,
            role,
            peer: Identifier::clone(&peer.who),
            peer_key: peer.key,
            candidates,
            probe_key: probe_key.clone(),
            delay_ms: delay_ms(side.round_trip, peer.round_trip),
        };
        out.push(send(callee, &go(Role::Listener, listener, dialler, call.candidates)));
        out.push(send(call.caller, &go(Role::Dialler, dialler, listener, callee_candidates)));
    }
}

/// How long this side waits so that both begin at the same moment: GO takes half a round trip to each, and the nearer side
/// waits for the farther one.
fn delay_ms(own: Duration, other: Duration) -> u32 {
    u32::try_from((other.saturating_sub(own) / 2).as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_side_waits_for_the_farther_one() {
        let (near, far) = (Duration::from_millis(10), Duration::from_millis(90));
        assert_eq!(delay_ms(near, far), 40);
        assert_eq!(delay_ms(far, near), 0);
    }
}
