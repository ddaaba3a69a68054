//! Who is there: nodes tell each other several times a second that they live and whom they hear.
//!
//! A *view* is the nodes that hear each other, as one of them sees it; it counts only with a majority of all nodes that the
//! settings name, so that of two halves of a network at most one decides anything. The times are those of a lease: a node that
//! has had no majority for [`fence`](ClusterTiming::fence) lets everybody go who is connected to it, and only
//! [`lost`](ClusterTiming::lost) after the last trace of a node are its people said to have gone. So "offline" is true
//! whenever it is said.
//!
//! A beat proves that its sender lived when this node sent the beat of its own that it answers, not when it came: whoever carries
//! beats can delay and repeat them, and a node that was stopped for a while finds old ones. So every age is counted on this
//! node's own clock, from its own sending.

use super::shards::NodeId;
use crate::config::ClusterTiming;
use aws_lc_rs::digest;
use minicbor::{Decode, Encode};
use std::collections::VecDeque;
use std::time::Instant;

/// Beats of which the time of sending is known: many times what `silent` needs.
const SENT_KEPT: usize = 256;

/// What a node says of itself, to all.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Beat {
    /// Counts up: an older one that comes later, or again, says nothing.
    #[n(0)]
    pub(super) count: u64,
    /// The view it is in; 0 without a majority.
    #[n(1)]
    pub(super) view: u64,
    /// How often its view has changed: the same view may come back, and much is forgotten meanwhile.
    #[n(2)]
    pub(super) epoch: u64,
    /// It has let everybody go and leaves.
    #[n(3)]
    pub(super) leaves: bool,
    /// Whose beats have come lately.
    #[n(4)]
    pub(super) hears: Vec<Heard>,
}

/// What a node says of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Heard {
    #[n(0)]
    pub(super) node: NodeId,
    #[n(1)]
    pub(super) incarnation: u64,
    /// Its last beat that came.
    #[n(2)]
    pub(super) count: u64,
    /// It has lately answered a beat of this node's: it lives.
    #[n(3)]
    pub(super) lives: bool,
}

/// What one node knows of another.
#[derive(Clone)]
struct Peer {
    /// The start it is in; 0 if it was never heard.
    incarnation: u64,
    count: u64,
    /// When its last beat came: that need not say anything of now.
    came: Option<Instant>,
    /// When this node sent the last beat that it has answered.
    heard: Option<Instant>,
    /// The same, of an answer that says that this node lives.
    hears_me: Option<Instant>,
    /// Beats come from it, messages do not get through to it: until then it is not there.
    out_until: Option<Instant>,
    view: u64,
    epoch: u64,
    /// When somebody last heard it.
    trace: Instant,
    /// It has said goodbye, or its end was told.
    gone: bool,
}

/// What a beat, or time, has changed.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Event {
    /// This node was started anew: nobody who was connected to it before is still.
    Restarted(NodeId),
    /// Whoever was connected to this node is not any more.
    Lost(NodeId),
}

/// The nodes as one of them sees them.
pub(super) struct Membership {
    me: NodeId,
    incarnation: u64,
    timing: ClusterTiming,
    peers: Vec<Peer>,
    /// The beats that were sent, the last one last: count and time.
    sent: VecDeque<(u64, Instant)>,
    count: u64,
    view: Vec<(NodeId, u64)>,
    view_id: u64,
    epoch: u64,
    /// When this node was last in a majority.
    majority: Instant,
    leaves: bool,
}

impl Membership {
    /// `incarnation` is greater at every start of a node.
    pub(super) fn new(now: Instant, me: NodeId, nodes: usize, incarnation: u64, timing: ClusterTiming) -> Self {
        let (came, heard, hears_me, out_until) = (None, None, None, None);
        let (incarnation_of_nobody, count, gone) = (0, 0, false);
        let unknown = Peer {
            incarnation: incarnation_of_nobody,
            count,
            came,
            heard,
            hears_me,
            out_until,
            view: 0,
            epoch: 0,
            trace: now,
            gone,
        };
        let peers = vec![unknown; nodes];
        let mut new = Self {
            me,
            incarnation,
            timing,
            peers,
            sent: VecDeque::new(),
            count: 0,
            view: Vec::new(),
            view_id: 0,
            epoch: 0,
            majority: now,
            leaves: false,
        };
        new.look(now);
        new
    }

    /// Takes a beat. `now` never goes backwards. Gives whether its sender should have an answer at once.
    pub(super) fn heard(
        &mut self,
        now: Instant,
        from: NodeId,
        incarnation: u64,
        beat: Beat,
        events: &mut Vec<Event>,
    ) -> bool {
        let (me, mine, silent) = (self.me, self.incarnation, self.timing.silent);
        let answers = beat.hears.iter().find(|heard| heard.node == me && heard.incarnation == mine).copied();
        let as_of = answers.and_then(|heard| self.sent_at(heard.count));
        let Some(peer) = self.peers.get_mut(usize::from(from)).filter(|_| from != me) else { return false };
        if incarnation < peer.incarnation || (incarnation == peer.incarnation && beat.count <= peer.count) {
            return false;
        }
        if incarnation > peer.incarnation {
            if peer.incarnation != 0 {
                events.push(Event::Restarted(from));
            }
            (peer.incarnation, peer.gone, peer.trace) = (incarnation, false, now);
            (peer.heard, peer.hears_me, peer.out_until) = (None, None, None);
        }
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.duration_since(at) < silent);
        let before = (recent(peer.came), recent(peer.heard), recent(peer.hears_me));
        (peer.count, peer.view, peer.epoch, peer.came) = (beat.count, beat.view, beat.epoch, Some(now));
        peer.heard = peer.heard.max(as_of);
        if answers.is_some_and(|heard| heard.lives) {
            peer.hears_me = peer.hears_me.max(as_of);
        }
        if beat.leaves && !peer.gone {
            events.push(Event::Lost(from));
        }
        peer.gone = beat.leaves;
        let changed = before != (recent(peer.came), recent(peer.heard), recent(peer.hears_me));
        if let Some(as_of) = as_of {
            if !peer.is_out(now) {
                peer.trace = peer.trace.max(as_of);
            }
            for other in beat.hears.iter().filter(|other| other.lives) {
                if let Some(peer) = self.peers.get_mut(usize::from(other.node))
                    && peer.incarnation <= other.incarnation
                {
                    peer.trace = peer.trace.max(as_of);
                }
            }
        }
        changed
    }

    /// When this node sent this beat.
    fn sent_at(&self, count: u64) -> Option<Instant> {
        let (first, _) = self.sent.front()?;
        let place = usize::try_from(count.checked_sub(*first)?).ok()?;
        self.sent.get(place).map(|(_, at)| *at)
    }

    /// Messages to this node do not get through although beats do: for as long as others wait for it, it is not there.
    pub(super) fn put_out(&mut self, now: Instant, node: NodeId) {
        self.peers[usize::from(node)].out_until = Some(now + self.timing.lost);
    }

    /// Looks at the clock. Gives whether the view is another.
    pub(super) fn tick(&mut self, now: Instant, events: &mut Vec<Event>) -> bool {
        let changed = self.look(now);
        if self.view_id != 0 {
            for node in self.others() {
                let (lost, peer) = (self.is_lost(now, node), &mut self.peers[usize::from(node)]);
                if lost && !peer.gone {
                    peer.gone = true;
                    events.push(Event::Lost(node));
                }
            }
        }
        changed
    }

    fn look(&mut self, now: Instant) -> bool {
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.duration_since(at) < self.timing.silent);
        let there = |peer: &Peer| !peer.gone && !peer.is_out(now) && recent(peer.heard) && recent(peer.hears_me);
        let others = self.peers.iter().enumerate().filter(|(_, peer)| there(peer));
        let mut view: Vec<(NodeId, u64)> = others
            .map(|(node, peer)| (node as NodeId, peer.incarnation))
            .filter(|(node, _)| *node != self.me)
            .collect();
        view.push((self.me, self.incarnation));
        view.sort_unstable();
        let decides = view.len() * 2 > self.peers.len() && !self.leaves;
        if decides {
            self.majority = now;
        }
        let id = if decides { view_id(&view) } else { 0 };
        if self.view_id == 0 && id != 0 {
            // Who was alone could hear of nobody: its traces are old because of itself, and end nobody's lease.
            self.peers.iter_mut().for_each(|peer| peer.trace = peer.trace.max(now));
        }
        let changed = id != self.view_id || view != self.view;
        (self.view, self.view_id) = (view, id);
        self.epoch += u64::from(changed);
        changed
    }

    /// What to tell all others now.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        self.count += 1;
        self.sent.push_back((self.count, now));
        if self.sent.len() > SENT_KEPT {
            self.sent.pop_front();
        }
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.duration_since(at) < self.timing.silent);
        let hears = self.peers.iter().enumerate().filter(|(_, peer)| recent(peer.came));
        let hears = hears.map(|(node, peer)| Heard {
            node: node as NodeId,
            incarnation: peer.incarnation,
            count: peer.count,
            lives: recent(peer.heard) && !peer.is_out(now),
        });
        let hears = hears.collect();
        Beat { count: self.count, view: self.view_id, epoch: self.epoch, leaves: self.leaves, hears }
    }

    /// From now on says that it leaves.
    pub(super) fn leave(&mut self) {
        self.leaves = true;
    }

    /// The view's name, the same for all who are in it; `None` without a majority.
    pub(super) fn view(&self) -> Option<u64> {
        (self.view_id != 0).then_some(self.view_id)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = NodeId> {
        self.view.iter().map(|(node, _)| *node)
    }

    pub(super) fn is_member(&self, node: NodeId) -> bool {
        self.view.binary_search_by_key(&node, |(member, _)| *member).is_ok()
    }

    /// How often the view of this node has changed, as far as it has said so.
    pub(super) fn epoch_of(&self, node: NodeId) -> u64 {
        if node == self.me { self.epoch } else { self.peers[usize::from(node)].epoch }
    }

    pub(super) fn incarnation_of(&self, node: NodeId) -> u64 {
        if node == self.me { self.incarnation } else { self.peers[usize::from(node)].incarnation }
    }

    /// Whether this node has said that it is in the view that this one is in.
    pub(super) fn agrees(&self, node: NodeId) -> bool {
        let theirs = if node == self.me { self.view_id } else { self.peers[usize::from(node)].view };
        self.view_id != 0 && theirs == self.view_id && self.is_member(node)
    }

    /// Whether a majority of all nodes says that it is in this view.
    pub(super) fn is_agreed(&self) -> bool {
        self.members().filter(|node| self.agrees(*node)).count() * 2 > self.peers.len()
    }

    /// Whether nobody can be connected to this node who is not known here.
    pub(super) fn is_lost(&self, now: Instant, node: NodeId) -> bool {
        let peer = &self.peers[usize::from(node)];
        node != self.me && (peer.gone || now.duration_since(peer.trace) >= self.timing.lost)
    }

    /// Whether this node has been without a majority for so long that others may say its people have gone.
    pub(super) fn is_fenced(&self, now: Instant) -> bool {
        self.view_id == 0 && now.duration_since(self.majority) >= self.timing.fence
    }

    fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let me = self.me;
        (0..self.peers.len() as NodeId).filter(move |node| *node != me)
    }
}

impl Peer {
    fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }
}

/// The first eight bytes of SHA-256 of the sorted members, never 0.
fn view_id(view: &[(NodeId, u64)]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for (node, incarnation) in view {
        context.update(&node.to_be_bytes());
        context.update(&incarnation.to_be_bytes());
    }
    let digest = context.finish();
    u64::from_be_bytes(digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes")).max(1)
}

#[cfg(test)]
mod tests;
