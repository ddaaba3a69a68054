//! The rules of a session on one connection; on one after the other, and the key, in files of their own.

mod key;
mod pair;
mod resumption;

use super::*;
use crate::wire::{Ack, Author};

fn text(id: u64) -> Content {
    Content::Text { id, text: format!("text {id}"), reply: None }
}

fn pair() -> (Session<u64>, Session<u64>) {
    pair_of(3)
}

fn pair_of(capabilities: u64) -> (Session<u64>, Session<u64>) {
    let (mut a, hello_a) = Session::new([1; 8], capabilities, false);
    let (mut b, hello_b) = Session::new([2; 8], capabilities, false);
    receive(&mut a, hello_b).unwrap();
    receive(&mut b, hello_a).unwrap();
    (a, b)
}

/// What a frame brings.
fn receive(session: &mut Session<u64>, frame: TalkFrame) -> Result<Vec<Arrival<u64>>, Violation> {
    let mut arrivals = Vec::new();
    session.receive(frame, &mut arrivals).map(|()| arrivals)
}

/// Carries everything from one side to the other; the receiver shows all content. Returns how many contents
/// arrived.
fn carry(from: &mut Session<u64>, to: &mut Session<u64>) -> Vec<Arrival<u64>> {
    let mut arrivals = Vec::new();
    for frame in from.frames() {
        for arrival in receive(to, frame).unwrap() {
            if let Arrival::Content { number, .. } = &arrival {
                to.acknowledge(*number);
            }
            arrivals.push(arrival);
        }
    }
    arrivals
}

#[test]
fn a_text_is_taken_only_by_the_others_word() {
    let (mut a, mut b) = pair();
    a.send(text(7), 7).unwrap();
    assert!(carry(&mut a, &mut b) == [Arrival::Content { number: 1, content: text(7) }]);
    assert!(!a.is_quiet());
    assert!(carry(&mut b, &mut a) == [Arrival::Taken(7)]);
    assert!(a.is_quiet());
}

#[test]
fn a_refusal_carries_its_reason() {
    let (mut a, mut b) = pair();
    a.send(text(7), 7).unwrap();
    for frame in a.frames() {
        receive(&mut b, frame).unwrap();
    }
    b.refuse(1, "no such room");
    assert!(carry(&mut b, &mut a) == [Arrival::Refused(7, "no such room".into())]);
}

#[test]
fn nothing_is_forgotten_over_an_answer_that_breaks_the_protocol() {
    for stray in [1, 9] {
        let (mut a, _) = pair();
        a.send(text(7), 7).unwrap();
        a.frames();
        let acks = [1, stray].map(|number| Ack { number, refused: None }).to_vec();
        assert!(receive(&mut a, TalkFrame::Ack { acks }) == Err(Violation::StrayAck { found: stray }));
        assert_eq!(a.lost(), [(7, Verdict::Unanswered)]);
    }
}

#[test]
fn before_hello_texts_wait_and_are_not_sent_when_lost() {
    let (mut a, _) = Session::new([1; 8], 3, false);
    a.send(text(7), 7).unwrap();
    assert!(a.frames().is_empty());
    assert_eq!(a.lost(), [(7, Verdict::NotSent)]);
}

#[test]
fn whoever_dialled_begins_behind_her_own_hello() {
    let begun = || {
        let (mut a, _) = Session::new([1; 8], 3 | capability::RESUME, true);
        a.send(text(7), 7).unwrap();
        assert!(a.frames() == [TalkFrame::Text { number: 1, id: 7, text: "text 7".into(), reply: None }]);
        a
    };
    assert_eq!(begun().lost(), [(7, Verdict::Unanswered)], "it may have been shown");
    let mut refused = begun();
    refused.was_not_read();
    assert_eq!(refused.lost(), [(7, Verdict::NotSent)]);
    // Once she has heard that somebody listens, it counts as sent.
    let hello = TalkFrame::Hello {
        version: 1,
        run: [2; 8],
        capabilities: 3 | capability::RESUME,
        resume: None,
        endorsements: None,
    };
    let mut heard = begun();
    receive(&mut heard, hello).unwrap();
    heard.was_not_read();
    // And it is there for another connection.
    heard.pause();
    let told = heard.progress();
    heard.resume(&told, &Progress { received: 0, unanswered: 1, room_frames: 0 }).unwrap();
    assert!(heard.frames() == [TalkFrame::Text { number: 1, id: 7, text: "text 7".into(), reply: None }]);
    assert_eq!(heard.lost(), [(7, Verdict::Unanswered)]);
}

#[test]
fn what_left_without_an_answer_is_unknown_and_what_waited_is_not_sent() {
    let (mut a, _) = pair();
    for id in 0..=WINDOW as u64 {
        a.send(text(id), id).unwrap();
    }
    assert_eq!(a.frames().len(), WINDOW);
    let verdicts = a.lost();
    assert_eq!(verdicts[0], (0, Verdict::Unanswered));
    assert_eq!(verdicts[WINDOW], (WINDOW as u64, Verdict::NotSent));
}

#[test]
fn the_window_opens_with_answers() {
    let (mut a, mut b) = pair();
    for id in 0..1000 {
        a.send(text(id), id).unwrap();
    }
    let mut taken = 0;
    for _ in 0..4 {
        carry(&mut a, &mut b);
        taken += carry(&mut b, &mut a).len();
    }
    assert_eq!(taken, 1000);
}

#[test]
fn too_much_waiting_is_refused() {
    let (mut a, _) = Session::<u64>::new([1; 8], 3, false);
    for id in 0..MAX_WAITING as u64 {
        a.send(text(id), id).unwrap();
    }
    assert_eq!(a.send(text(9), 9), Err(NotTaken::Full));
}

#[test]
fn violations() {
    fn refused(session: &mut Session<u64>, frame: TalkFrame) -> Violation {
        receive(session, frame).err().unwrap()
    }
    let (mut fresh, _) = Session::<u64>::new([1; 8], 3, false);
    let first = TalkFrame::Text { number: 1, id: 1, text: "x".into(), reply: None };
    assert!(matches!(refused(&mut fresh, first), Violation::Order { .. }));
    assert_eq!(
        refused(
            &mut fresh,
            TalkFrame::Hello { version: 0, run: [0; 8], capabilities: 0, resume: None, endorsements: None }
        ),
        Violation::Version
    );
    let (mut a, _) = pair();
    let gap = TalkFrame::Text { number: 2, id: 1, text: "x".into(), reply: None };
    assert_eq!(refused(&mut a, gap), Violation::Number { expected: 1, found: 2 });
    let stray = TalkFrame::Ack { acks: vec![Ack { number: 1, refused: None }] };
    assert_eq!(refused(&mut a, stray), Violation::StrayAck { found: 1 });
    let mut flooded = pair().0;
    for number in 1..=WINDOW as u64 {
        receive(&mut flooded, TalkFrame::Text { number, id: number, text: "x".into(), reply: None }).unwrap();
    }
    let beyond = TalkFrame::Text { number: WINDOW as u64 + 1, id: 1, text: "x".into(), reply: None };
    assert_eq!(refused(&mut flooded, beyond), Violation::TooManyUnanswered { found: WINDOW + 1 });
    let again = TalkFrame::Hello { version: 1, run: [0; 8], capabilities: 0, resume: None, endorsements: None };
    assert!(matches!(refused(&mut a, again), Violation::Order { .. }));
    let long = TalkFrame::Text { number: 1, id: 1, text: "x".repeat(crate::MAX_TEXT_BYTES + 1), reply: None };
    assert!(matches!(refused(&mut a, long), Violation::TextTooLong { .. }));
    let mark =
        Mark::Reaction { on: Target { author: Author::Sender, id: 1 }, emoji: "x".repeat(crate::MAX_EMOJI_BYTES + 1) };
    let giant = TalkFrame::Mark { number: 1, id: 1, mark };
    assert_eq!(refused(&mut a, giant), Violation::Mark { kind: "reaction" });
    let many = TalkFrame::Ack { acks: vec![Ack { number: 1, refused: None }; MAX_ACKS + 1] };
    assert!(matches!(refused(&mut a, many), Violation::TooManyAcks { .. }));
}

#[test]
fn marks_go_to_those_alone_who_say_that_they_take_them() {
    let nudge = || Content::Mark { id: 8, mark: Mark::Nudge };
    let (mut old, _) = pair_of(3 | capability::RESUME);
    assert_eq!(old.send(nudge(), 8), Err(NotTaken::NotKnownThere));
    let (mut silent, _) = Session::new([1; 8], 3 | capability::MARKS, true);
    assert_eq!(silent.send(nudge(), 8), Err(NotTaken::NotKnownThere), "not before her Hello");
    let (mut a, mut b) = pair_of(3 | capability::MARKS);
    a.send(text(7), 7).unwrap();
    a.send(nudge(), 8).unwrap();
    let expected = [Arrival::Content { number: 1, content: text(7) }, Arrival::Content { number: 2, content: nudge() }];
    assert!(carry(&mut a, &mut b) == expected, "they share their numbers with texts");
    assert!(carry(&mut b, &mut a) == [Arrival::Taken(7), Arrival::Taken(8)]);
}
