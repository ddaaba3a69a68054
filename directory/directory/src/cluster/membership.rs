//! Who is there: nodes tell each other several times a second that they live and whom they hear.
//!
//! A *view* is the nodes that hear each other, as one of them sees it; it counts only with a majority of all nodes that the
//! settings name, so that of two halves of a network at most one decides anything. The times are those of a lease: a node that
//! has had no majority for [`fence`](ClusterTiming::fence) lets everybody go who is connected to it, and only
//! [`lost`](ClusterTiming::lost) after the last trace of a node are its people said to have gone. So "offline" is true
//! whenever it is said.

use super::shards::NodeId;
use crate::config::ClusterTiming;
use aws_lc_rs::digest;
use minicbor::{Decode, Encode};
use std::time::Instant;

/// What a node says of itself, to all.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Beat {
    /// Counts up: an older one that comes later, or again, says nothing.
    #[n(0)]
    pub(super) count: u64,
    /// The view it is in; 0 without a majority.
    #[n(1)]
    pub(super) view: u64,
    /// It has let everybody go and leaves.
    #[n(2)]
    pub(super) leaves: bool,
    /// Whom it hears: node and incarnation.
    #[n(3)]
    pub(super) hears: Vec<(NodeId, u64)>,
}

/// What one node knows of another.
#[derive(Clone)]
struct Peer {
    /// The start it is in; 0 if it was never heard.
    incarnation: u64,
    count: u64,
    heard: Option<Instant>,
    /// When it last said that it hears this node.
    hears_me: Option<Instant>,
    view: u64,
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
    count: u64,
    view: Vec<(NodeId, u64)>,
    view_id: u64,
    /// When this node was last in a majority.
    majority: Instant,
    leaves: bool,
}

impl Membership {
    /// `incarnation` is greater at every start of a node.
    pub(super) fn new(now: Instant, me: NodeId, nodes: usize, incarnation: u64, timing: ClusterTiming) -> Self {
        let unknown = Peer { incarnation: 0, count: 0, heard: None, hears_me: None, view: 0, trace: now, gone: false };
        let peers = vec![unknown; nodes];
        let (view, view_id) = (Vec::new(), 0);
        let mut new = Self { me, incarnation, timing, peers, count: 0, view, view_id, majority: now, leaves: false };
        new.look(now);
        new
    }

    /// Takes a beat. `now` never goes backwards.
    pub(super) fn heard(&mut self, now: Instant, from: NodeId, incarnation: u64, beat: Beat, events: &mut Vec<Event>) {
        let me = (self.me, self.incarnation);
        let Some(peer) = self.peers.get_mut(usize::from(from)).filter(|_| from != me.0) else { return };
        if incarnation < peer.incarnation || (incarnation == peer.incarnation && beat.count <= peer.count) {
            return;
        }
        if incarnation > peer.incarnation {
            if peer.incarnation != 0 && !peer.gone {
                events.push(Event::Restarted(from));
            }
            (peer.incarnation, peer.hears_me, peer.gone) = (incarnation, None, false);
        }
        (peer.count, peer.view) = (beat.count, beat.view);
        if beat.hears.contains(&me) {
            peer.hears_me = Some(now);
        }
        // Without its saying that it hears this start of ours it may be an old beat, sent again by whoever carries them.
        if peer.hears_me.is_some() || peer.heard.is_none() {
            peer.trace = now;
        }
        peer.heard = Some(now);
        if beat.leaves && !peer.gone {
            events.push(Event::Lost(from));
        }
        peer.gone = beat.leaves;
        for (node, incarnation) in beat.hears {
            if let Some(peer) = self.peers.get_mut(usize::from(node))
                && peer.incarnation == incarnation
            {
                peer.trace = now;
            }
        }
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
        let there = |peer: &Peer| !peer.gone && recent(peer.heard) && recent(peer.hears_me);
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
        let changed = id != self.view_id;
        (self.view, self.view_id) = (view, id);
        changed
    }

    /// What to tell all others now.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        self.count += 1;
        let hears = |peer: &Peer| peer.heard.is_some_and(|at| now.duration_since(at) < self.timing.silent);
        let hears = self.peers.iter().enumerate().filter(|(_, peer)| hears(peer));
        let hears = hears.map(|(node, peer)| (node as NodeId, peer.incarnation)).collect();
        Beat { count: self.count, view: self.view_id, leaves: self.leaves, hears }
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
mod tests {
    use super::*;
    use std::time::Duration;

    /// How long a lease has to outlive what it guards: the way of a message and the drift of clocks.
    const MARGIN: Duration = Duration::from_millis(500);

    const TIMING: ClusterTiming = ClusterTiming::DEFAULT;

    fn beat(count: u64, hears: &[(NodeId, u64)]) -> Beat {
        Beat { count, view: 0, leaves: false, hears: hears.to_vec() }
    }

    fn one_of_three(now: Instant) -> Membership {
        Membership::new(now, 0, 3, 10, TIMING)
    }

    #[test]
    fn the_lease_ends_before_others_say_so() {
        // Heard for the last time, a node is said to be heard for `silent`, and takes that for true as long again.
        assert!(TIMING.silent * 2 + TIMING.fence + MARGIN < TIMING.lost);
    }

    #[test]
    fn alone_of_three_decides_nothing_and_lets_people_go() {
        let start = Instant::now();
        let mut node = one_of_three(start);
        assert_eq!(node.view(), None);
        assert!(!node.is_fenced(start + TIMING.fence / 2));
        node.tick(start + TIMING.fence, &mut Vec::new());
        assert!(node.is_fenced(start + TIMING.fence));
    }

    #[test]
    fn who_is_heard_but_does_not_hear_is_not_in_the_view() {
        let (start, mut events) = (Instant::now(), Vec::new());
        let mut node = one_of_three(start);
        node.heard(start, 1, 20, beat(1, &[]), &mut events);
        assert!(!node.tick(start, &mut events));
        node.heard(start, 1, 20, beat(2, &[(0, 10)]), &mut events);
        assert!(node.tick(start, &mut events));
        assert!(node.view().is_some());
        assert_eq!(events, []);
    }

    #[test]
    fn an_old_beat_sent_again_says_nothing() {
        let (start, mut events) = (Instant::now(), Vec::new());
        let mut node = one_of_three(start);
        node.heard(start, 1, 20, beat(2, &[(0, 10)]), &mut events);
        node.tick(start, &mut events);
        let later = start + TIMING.silent;
        node.heard(later, 1, 20, beat(2, &[(0, 10)]), &mut events);
        node.heard(later, 1, 19, beat(9, &[(0, 10)]), &mut events);
        assert!(node.tick(later, &mut events));
        assert_eq!(node.view(), None);
    }

    #[test]
    fn a_node_that_somebody_else_hears_is_not_lost() {
        let (start, mut events) = (Instant::now(), Vec::new());
        let mut node = one_of_three(start);
        node.heard(start, 1, 20, beat(1, &[(0, 10)]), &mut events);
        node.heard(start, 2, 30, beat(1, &[(0, 10)]), &mut events);
        let mut now = start;
        for count in 2.. {
            now += TIMING.beat;
            node.heard(now, 1, 20, beat(count, &[(0, 10), (2, 30)]), &mut events);
            node.tick(now, &mut events);
            if now > start + TIMING.lost * 2 {
                break;
            }
        }
        assert_eq!(events, []);
        for count in 1_000.. {
            now += TIMING.beat;
            node.heard(now, 1, 20, beat(count, &[(0, 10)]), &mut events);
            node.tick(now, &mut events);
            if now > start + TIMING.lost * 4 {
                break;
            }
        }
        assert_eq!(events, [Event::Lost(2)]);
    }

    #[test]
    fn goodbye_and_a_new_start_are_taken_at_their_word() {
        let (start, mut events) = (Instant::now(), Vec::new());
        let mut node = one_of_three(start);
        node.heard(start, 1, 20, beat(1, &[(0, 10)]), &mut events);
        node.heard(start, 1, 21, beat(1, &[]), &mut events);
        node.heard(start, 1, 21, Beat { leaves: true, ..beat(2, &[]) }, &mut events);
        assert_eq!(events, [Event::Restarted(1), Event::Lost(1)]);
    }
}
