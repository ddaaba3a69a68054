use super::*;
use std::time::Duration;

/// How long a lease has to outlive what it guards: the way of a message and the drift of clocks.
const MARGIN: Duration = Duration::from_millis(500);

const TIMING: ClusterTiming = ClusterTiming::DEFAULT;

/// What a node says of another one of whose beats this was the last that came.
fn hears(node: NodeId, incarnation: u64, count: u64) -> Heard {
    Heard { node, incarnation, count, lives: true }
}

fn beat(count: u64, hears: &[Heard]) -> Beat {
    Beat { count, view: 0, epoch: 0, leaves: false, hears: hears.to_vec() }
}

fn one_of_three(now: Instant) -> Membership {
    Membership::new(now, 0, 3, 10, TIMING)
}

#[test]
fn the_lease_ends_before_others_say_so() {
    // A majority is taken for one for `silent` after the beat that it has answered, which it was sent at most `silent` after
    // another one; and what others hear of it may be as old again.
    assert!(TIMING.silent * 3 + TIMING.fence + MARGIN <= TIMING.lost);
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
    node.beat(start);
    node.heard(start, 1, 20, beat(1, &[]), &mut events);
    assert!(!node.tick(start, &mut events));
    node.heard(start, 1, 20, beat(2, &[Heard { lives: false, ..hears(0, 10, 1) }]), &mut events);
    assert!(!node.tick(start, &mut events), "it does not know that this one lives");
    node.heard(start, 1, 20, beat(3, &[hears(0, 10, 1)]), &mut events);
    assert!(node.tick(start, &mut events));
    assert!(node.view().is_some());
    assert_eq!(events, []);
}

#[test]
fn an_old_beat_sent_again_says_nothing() {
    let (start, mut events) = (Instant::now(), Vec::new());
    let mut node = one_of_three(start);
    node.beat(start);
    node.heard(start, 1, 20, beat(2, &[hears(0, 10, 1)]), &mut events);
    node.tick(start, &mut events);
    let later = start + TIMING.silent;
    node.heard(later, 1, 20, beat(2, &[hears(0, 10, 1)]), &mut events);
    node.heard(later, 1, 19, beat(9, &[hears(0, 10, 1)]), &mut events);
    assert!(node.tick(later, &mut events));
    assert_eq!(node.view(), None);
}

#[test]
fn a_beat_that_was_held_back_proves_only_what_was() {
    let (start, mut events) = (Instant::now(), Vec::new());
    let mut node = one_of_three(start);
    node.beat(start);
    node.heard(start, 1, 20, beat(1, &[hears(0, 10, 1)]), &mut events);
    node.tick(start, &mut events);
    // Node 1 has ended. Of the many beats that it sent, one is let through now and then: all answer the first.
    let (mut now, mut count) = (start, 1);
    while now < start + TIMING.lost * 2 {
        now += TIMING.silent / 2;
        count += 1;
        node.beat(now);
        node.heard(now, 1, 20, beat(count, &[hears(0, 10, 1), hears(2, 30, 9)]), &mut events);
        node.tick(now, &mut events);
        assert!(node.view().is_none() || now < start + TIMING.silent, "{:?}", now - start);
    }
    assert!(node.is_fenced(now));
    assert!(node.is_lost(now, 1) && node.is_lost(now, 2));
}

#[test]
fn a_node_that_messages_do_not_reach_is_not_there_until_its_people_can_have_gone() {
    let (start, mut events) = (Instant::now(), Vec::new());
    let mut node = one_of_three(start);
    let (mut now, mut count) = (start, 0);
    let mut live = |node: &mut Membership, duration| {
        let end = now + duration;
        while now < end {
            now += TIMING.beat;
            count += 1;
            let mine = node.beat(now).count;
            node.heard(now, 1, 20, beat(count, &[hears(0, 10, mine)]), &mut events);
            node.tick(now, &mut events);
        }
        now
    };
    let now = live(&mut node, TIMING.silent);
    assert!(node.is_member(1));
    node.put_out(now, 1);
    let now = live(&mut node, TIMING.lost - TIMING.beat);
    assert!(!node.is_member(1) && node.is_fenced(now));
    live(&mut node, TIMING.silent);
    assert!(node.is_member(1));
}

#[test]
fn a_node_that_somebody_else_hears_is_not_lost() {
    let (start, mut events) = (Instant::now(), Vec::new());
    let mut node = one_of_three(start);
    node.beat(start);
    node.heard(start, 1, 20, beat(1, &[hears(0, 10, 1)]), &mut events);
    node.heard(start, 2, 30, beat(1, &[hears(0, 10, 1)]), &mut events);
    let mut now = start;
    for count in 2.. {
        now += TIMING.beat;
        let mine = node.beat(now).count;
        node.heard(now, 1, 20, beat(count, &[hears(0, 10, mine), hears(2, 30, count)]), &mut events);
        node.tick(now, &mut events);
        if now > start + TIMING.lost * 2 {
            break;
        }
    }
    assert_eq!(events, []);
    for count in 1_000.. {
        now += TIMING.beat;
        let mine = node.beat(now).count;
        node.heard(now, 1, 20, beat(count, &[hears(0, 10, mine)]), &mut events);
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
    node.beat(start);
    node.heard(start, 1, 20, beat(1, &[hears(0, 10, 1)]), &mut events);
    node.heard(start, 1, 21, beat(1, &[]), &mut events);
    node.heard(start, 1, 21, Beat { leaves: true, ..beat(2, &[]) }, &mut events);
    node.heard(start, 1, 22, beat(1, &[]), &mut events);
    assert_eq!(events, [Event::Restarted(1), Event::Lost(1), Event::Restarted(1)]);
}
