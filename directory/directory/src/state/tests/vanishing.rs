//! Hiding and blocking while a call rings, and hidden devices beside visible ones: the caller is told what she is told when
//! somebody leaves.

use super::calls::{ALICE, BOB, answer, friends, go, invite, ring, rings};
use super::*;
use directory_protocol::message::AnswerKind;

type Way = fn(&mut Lab, ConnectionId) -> SeenBy;

/// The ways of not being there any more for Alice. Really to leave is the first.
const WAYS: [Way; 4] = [
    |lab, id| lab.leave(id),
    |lab, id| lab.hide(id),
    |lab, id| lab.announce(id, AudienceKind::Nobody, AudienceKind::Everyone, &[ALICE]),
    |lab, id| lab.block(id, &[ALICE]),
];

fn place(lab: &mut Lab, from: ConnectionId, text: bool) -> SeenBy {
    if text { lab.ask(from, invite(BOB, 1)) } else { lab.ask(from, ring(BOB, 1)) }
}

/// Alice calls Bob, who has a device that she sees and one that she does not.
fn half_hidden(text: bool) -> (Lab, [ConnectionId; 3], SeenBy) {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.hide(phone);
    lab.watch(alice, &[BOB]);
    lab.wait(Duration::from_secs(1));
    let seen = place(&mut lab, alice, text);
    (lab, [alice, desk, phone], seen)
}

#[test]
fn to_hide_or_block_while_a_call_rings_looks_like_leaving() {
    for text in [true, false] {
        for (n, way) in WAYS.into_iter().enumerate() {
            let mut lab = Lab::new();
            let (alice, bob) = friends(&mut lab);
            lab.watch(alice, &[BOB]);
            lab.wait(Duration::from_secs(1));
            place(&mut lab, alice, text);
            let seen = way(&mut lab, bob);
            let offline = Response::Outcome { call_id: call_id(1), outcome: Outcome::Offline };
            let gone = Response::presence(person(BOB), Presence::Offline);
            assert_eq!(to(alice, &seen), [&offline, &gone], "way {n}");
            let stopped = outcomes(bob, &seen);
            assert_eq!(stopped, if n == 0 { vec![] } else { vec![Outcome::Cancelled] }, "way {n}");
            assert_eq!(lab.wait(Duration::from_secs(60)), [], "nothing comes later");
        }
    }
}

#[test]
fn text_goes_on_from_a_device_that_hides_as_from_one_that_leaves() {
    for way in WAYS.into_iter().take(3) {
        let mut lab = Lab::new();
        let (alice, desk) = friends(&mut lab);
        let phone = lab.come(BOB, &[ALICE]);
        assert!(rings(phone, &place(&mut lab, alice, true)), "announced last");
        let seen = way(&mut lab, phone);
        assert!(rings(desk, &seen));
        assert_eq!(outcomes(alice, &seen), []);
    }
}

#[test]
fn a_device_that_is_not_seen_keeps_no_call_open() {
    for text in [true, false] {
        for way in WAYS {
            let (mut lab, [alice, desk, phone], seen) = half_hidden(text);
            assert_eq!((rings(desk, &seen), rings(phone, &seen)), (true, !text));
            let seen = way(&mut lab, desk);
            assert_eq!(outcomes(alice, &seen), [Outcome::Offline]);
            assert_eq!(told(alice, &seen), [(BOB.to_owned(), Presence::Offline)]);
            assert!(!rings(phone, &seen));
            assert_eq!(outcomes(phone, &seen), if text { vec![] } else { vec![Outcome::Cancelled] });
        }
    }
}

#[test]
fn that_a_hidden_device_is_busy_is_not_told() {
    let (mut lab, [alice, desk, phone], _) = half_hidden(false);
    assert_eq!(outcomes(alice, &lab.ask(phone, answer(1, AnswerKind::Busy))), []);
    assert_eq!(outcomes(alice, &lab.leave(desk)), [Outcome::Offline]);
    let (mut lab, [alice, desk, phone], _) = half_hidden(false);
    let seen = lab.ask(desk, answer(1, AnswerKind::Busy));
    assert_eq!((outcomes(alice, &seen), outcomes(phone, &seen)), (vec![Outcome::Busy], vec![Outcome::Cancelled]));
}

#[test]
fn a_hidden_device_that_may_be_knocked_at_does_not_make_a_call_open() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    lab.announce(desk, AudienceKind::Contacts, AudienceKind::Nobody, &[ALICE]);
    let phone = lab.come(BOB, &[ALICE]);
    lab.hide(phone);
    assert!(rings(phone, &place(&mut lab, alice, true)));
    assert_eq!(outcomes(alice, &lab.ask(phone, answer(1, AnswerKind::Decline))), [], "quiet");
}

#[test]
fn whom_one_blocks_rings_no_longer_and_is_not_told() {
    for text in [true, false] {
        let mut lab = Lab::new();
        let alice = lab.come(ALICE, &[]);
        let (desk, phone) = (lab.come(BOB, &[]), lab.come(BOB, &[]));
        place(&mut lab, alice, text);
        let seen = lab.block(phone, &[ALICE]);
        assert_eq!(outcomes(phone, &seen), [Outcome::Cancelled]);
        assert_eq!((rings(desk, &seen), to(alice, &seen)), (false, vec![]));
        assert_eq!(refused(&lab.ask(phone, answer(1, AnswerKind::Accept))), Some(ErrorCode::NoSuchCall));
        assert_eq!(outcomes(alice, &lab.wait(Duration::from_secs(30))), [Outcome::NoAnswer]);
    }
}

/// Bob calls Alice, whom he may have blocked, and she calls him at the same time.
#[test]
fn crossing_calls_do_not_tell_whether_one_is_blocked() {
    for (his, hers) in [(1, 2), (2, 1)] {
        let views = [false, true].map(|blocked| {
            let mut lab = Lab::new();
            let (alice, bob) = (lab.come(ALICE, &[]), lab.connect(BOB));
            if blocked {
                lab.block(bob, &[ALICE]);
            } else {
                lab.announce(bob, AudienceKind::Nobody, AudienceKind::Everyone, &[]);
            }
            lab.ask(bob, invite(ALICE, his));
            let seen = lab.bytes_of(alice, invite(BOB, hers)(9));
            let seen = seen.into_iter().filter(|output| matches!(output, Output::Send { to, .. } if *to == alice));
            let seen: Vec<Output> = seen.collect();
            let answering = if his < hers { alice } else { bob };
            assert!(go(alice, &lab.ask(answering, answer(1, AnswerKind::Accept))).is_some(), "the lower one stays");
            seen
        });
        assert_eq!(views[0], views[1]);
    }
}

#[test]
fn the_crossing_call_that_stays_rings_where_the_other_came_from() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.appear(phone, Appearance::As(Status::Busy), Details::default());
    lab.ask(phone, invite(ALICE, 2));
    let seen = lab.ask(alice, invite(BOB, 1));
    assert!(rings(phone, &seen) && !rings(desk, &seen), "although the desk is more available");
    assert_eq!(outcomes(phone, &seen), [Outcome::Cancelled]);
    assert!(rings(desk, &lab.ask(phone, answer(1, AnswerKind::Busy))), "and from there where any text goes");
}
