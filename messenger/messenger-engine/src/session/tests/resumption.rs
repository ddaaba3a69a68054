//! One session on many connections that break: nothing is lost, nothing comes twice, order is kept.

use proptest::prelude::*;

use super::pair::Pair;
use super::*;
use crate::wire::capability::RESUME;

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    SendRoom(usize),
    Deliver { back: usize, to: usize, rooms: bool, count: usize },
    Cut { back: usize },
    Dial(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let side = 0..2_usize;
    prop_oneof![
        6 => side.clone().prop_map(Step::Send),
        2 => side.clone().prop_map(Step::SendRoom),
        8 => (0..3_usize, side.clone(), any::<bool>(), 1..6_usize)
            .prop_map(|(back, to, rooms, count)| Step::Deliver { back, to, rooms, count }),
        1 => (0..3_usize).prop_map(|back| Step::Cut { back }),
        2 => side.prop_map(Step::Dial),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_breaks_wherever_nothing_is_lost_or_doubled(steps in proptest::collection::vec(step(), 0..200)) {
        let mut pair = Pair::new();
        for step in steps {
            let newest = pair.count() - 1;
            match step {
                Step::Send(from) => pair.send(from),
                Step::SendRoom(from) => pair.send_room(from),
                Step::Deliver { back, to, rooms, count } => {
                    for _ in 0..count {
                        pair.deliver(newest.saturating_sub(back), to, rooms);
                    }
                }
                Step::Cut { back } => pair.cut(newest.saturating_sub(back)),
                Step::Dial(from) => pair.dial(from),
            }
        }
        pair.settle();
        pair.check();
    }
}

/// The connection is lost after each single frame of an exchange, in both directions.
#[test]
fn loss_at_every_point() {
    for cut_after in 0..12 {
        let mut pair = Pair::new();
        for _ in 0..2 {
            pair.send(0);
            pair.send(1);
            pair.send_room(0);
        }
        let mut left = cut_after;
        for (to, rooms) in [(1, false), (0, false), (1, true)].into_iter().cycle().take(36) {
            if left > 0 && pair.deliver(0, to, rooms) {
                left -= 1;
            }
        }
        pair.cut(0);
        pair.send(0);
        pair.settle();
        pair.check();
    }
}

#[test]
fn the_window_and_the_span_hold_across_connections() {
    let mut pair = Pair::new();
    for _ in 0..600 {
        pair.send(0);
    }
    pair.cut(0);
    pair.settle();
    pair.check();
}

#[test]
fn room_frames_that_come_while_a_dialler_waits_are_not_miscounted() {
    let mut pair = Pair::new();
    pair.dial(0);
    // Over the old connection: it came after what was told on the new one.
    pair.send_room(1);
    pair.deliver(0, 0, true);
    while pair.deliver(0, 1, false) {}
    pair.deliver(1, 1, false);
    pair.deliver(1, 0, false);
    pair.send_room(1);
    while pair.deliver(1, 0, true) {}
    assert_eq!(pair.sides[0].heard_rooms, [1, 2]);
    pair.settle();
    pair.check();
}

#[test]
fn nobody_is_so_far_ahead_that_answers_are_forgotten() {
    let (mut a, mut b) = pair_of(3 | RESUME);
    let mut told = 0;
    for id in 1..=SPAN + 10 {
        a.send(text(id), id).unwrap();
        for frame in a.frames() {
            let TalkFrame::Text { number, .. } = &frame else { panic!("something else") };
            told = *number;
            receive(&mut b, frame).unwrap();
            // The first has no answer for a long time, all others have.
            if told > 1 {
                b.acknowledge(told);
            }
        }
        for frame in b.frames() {
            receive(&mut a, frame).unwrap();
        }
    }
    assert_eq!(told, SPAN);
    b.acknowledge(1);
    for frame in b.frames() {
        receive(&mut a, frame).unwrap();
    }
    assert_eq!(a.frames().len(), 10);
}

/// What a hostile side can say of its progress, after two texts each way of which the first is answered.
#[test]
fn a_progress_that_cannot_be_is_refused_and_changes_nothing() {
    let mut pair = Pair::new();
    for from in [0, 1] {
        pair.send(from);
        pair.send(from);
        pair.send_room(from);
    }
    // Side 0 hears both of side 1's, and of the answers to its own the first.
    pair.deliver(0, 1, false);
    for _ in 0..3 {
        pair.deliver(0, 0, false);
    }
    let session = &mut pair.sides[0].session;
    let (told, good) = (session.progress(), Progress { received: 1, unanswered: 1, room_frames: 0 });
    assert_eq!((told.received, told.unanswered, told.room_frames), (2, 2, 0));
    let cases = [
        ("numbers never sent", Progress { received: 3, ..good }),
        ("answers never given", Progress { unanswered: 4, ..good }),
        ("room frames never sent", Progress { room_frames: 2, ..good }),
        ("everything", Progress { received: u64::MAX, unanswered: u64::MAX, room_frames: u64::MAX }),
    ];
    for (name, theirs) in cases {
        assert!(matches!(session.resume(&told, &theirs), Err(Violation::Progress { .. })), "{name}");
        assert_eq!(session.progress(), told, "{name}");
    }
    assert!(session.resume(&told, &good).is_ok());
}

#[test]
fn a_session_that_went_on_forgives_only_what_the_change_explains() {
    let mut pair = Pair::new();
    pair.send(0);
    pair.send(0);
    pair.send(1);
    pair.cut(0);
    pair.settle();
    pair.check();
    let session = &mut pair.sides[0].session;
    let repeated = TalkFrame::Text { number: 1, id: 1, text: "again".into(), reply: None };
    assert_eq!(receive(session, repeated).err(), Some(Violation::Number { expected: 2, found: 1 }));
    let never = TalkFrame::Ack { acks: vec![Ack { number: 3, refused: None }] };
    assert_eq!(receive(session, never).err(), Some(Violation::StrayAck { found: 3 }));
    let taken = TalkFrame::RoomFrames { count: 1 };
    assert!(matches!(receive(session, taken).err(), Some(Violation::Progress { .. })));
}

#[test]
fn with_a_side_that_goes_on_with_nothing_nothing_is_kept() {
    let (mut a, hello) = Session::<u64>::new([1; 8], 3 | RESUME, false);
    assert!(matches!(hello, TalkFrame::Hello { capabilities: 19, resume: None, .. }));
    assert!(a.room_frame_sent(&[0; 100]));
    receive(&mut a, TalkFrame::Hello { version: 1, run: [2; 8], capabilities: 3, resume: None, endorsements: None })
        .unwrap();
    assert!(!a.is_resumable());
    for _ in 0..1000 {
        assert!(a.room_frame_sent(&[0; 1 << 20]), "not kept, so not too much");
    }
    assert!(a.room_frame_came());
    assert!(a.frames().is_empty(), "and not told");
}

#[test]
fn room_frames_that_nobody_confirms_are_too_many_at_some_time() {
    let (mut a, _) = pair_of(3 | RESUME);
    assert_eq!((0..3000).take_while(|_| a.room_frame_sent(&[0; 300])).count(), 2048);
}
