//! Silence: connections on which nothing comes. QUIC itself only says when it gives one up.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::peer::Peer;
use crate::core::{ConnectionId, Core, SILENCE};
use crate::time::Now;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// What was last heard of each connection.
#[derive(Default)]
pub(super) struct Watch {
    next: Option<Instant>,
    looked: Option<Instant>,
    heard: HashMap<ConnectionId, Heard>,
}

struct Heard {
    datagrams: u64,
    at: Instant,
    silent: bool,
}

impl Watch {
    /// When to look again; never, as long as nobody is connected.
    pub(super) fn next_deadline(&self, peers: &HashMap<ConnectionId, Peer>) -> Option<Instant> {
        self.next.filter(|_| !peers.is_empty())
    }

    /// Tells the core of connections that are heard, that have fallen silent, and that are heard again. Both sides send every
    /// 5 s at least, so silence means that the way is lost.
    pub(super) fn look(&mut self, peers: &HashMap<ConnectionId, Peer>, core: &mut Core, now: Now) {
        if self.next.is_some_and(|next| now.instant < next) {
            return;
        }
        self.next = Some(now.instant + LOOK);
        let before = self.looked.replace(now.instant);
        self.heard.retain(|connection, _| peers.contains_key(connection));
        for (connection, peer) in peers {
            let datagrams = peer.connection().stats().udp_rx.datagrams;
            let heard = self.heard.entry(*connection).or_insert(Heard { datagrams, at: now.instant, silent: false });
            if heard.datagrams != datagrams {
                if heard.silent {
                    core.heard(*connection, now);
                }
                if let Some(before) = before {
                    core.came(*connection, before);
                }
                *heard = Heard { datagrams, at: now.instant, silent: false };
            } else if !heard.silent && now.instant >= heard.at + SILENCE {
                heard.silent = true;
                core.silent(*connection, now);
            }
        }
    }
}
