//! Whoever wants to go on with a session that is not hers, or not as she says.

use std::time::Duration;

use super::world::{Meddle, World, last_state, texts};
use crate::api::{Command, DeliveryState};
use crate::wire::{Close, Progress, Resume, TalkFrame};

/// Alice and bob have talked, nothing comes through any more, and bob dials: what he says of the session is changed on
/// the way.
fn resumed_with(changed: impl FnMut(&mut Resume) + 'static) -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.meddling.insert("bob".into(), changing(changed));
    world.closed.clear();
    world.command("bob", Command::NetworkChanged);
    world.pass(Duration::from_secs(1));
    world
}

fn changing(mut changed: impl FnMut(&mut Resume) + 'static) -> Meddle {
    Box::new(move |frame: &mut TalkFrame| {
        if let TalkFrame::Hello { resume: Some(resume), .. } = frame {
            changed(resume);
        }
    })
}

/// It is refused with this code, and what was under way is neither lost nor shown.
fn is_refused(mut world: World, code: Close) {
    assert!(world.closed.contains(&("alice".into(), code)), "{:?}", world.closed);
    assert!(texts(&world.events("bob")).is_empty());
    world.meddling.clear();
    world.pass(Duration::from_secs(15));
    assert_eq!(texts(&world.events("bob")), ["second"], "to the right one it goes on");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn a_wrong_proof_is_refused() {
    is_refused(resumed_with(|resume| resume.proof[31] ^= 1), Close::NOT_ITS_SESSION);
    is_refused(resumed_with(|resume| resume.proof = [0; 32]), Close::NOT_ITS_SESSION);
}

#[test]
fn whoever_answers_with_a_wrong_proof_is_refused() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.meddling.insert("bob".into(), changing(|resume| resume.proof[0] ^= 1));
    world.closed.clear();
    world.command("alice", Command::NetworkChanged);
    world.pass(Duration::from_secs(1));
    assert!(world.closed.contains(&("alice".into(), Close::NOT_ITS_SESSION)), "{:?}", world.closed);
    // What bob's device took while it believed to have moved is his alone.
    assert!(texts(&world.events("bob")).is_empty());
    world.pass(Duration::from_secs(40));
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
}

#[test]
fn numbers_never_sent_are_refused() {
    let far = |progress: Progress| move |resume: &mut Resume| resume.progress = progress;
    let good = Progress { received: 1, unanswered: 1, room_frames: 0 };
    is_refused(resumed_with(far(Progress { received: 3, ..good })), Close::PROTOCOL);
    is_refused(resumed_with(far(Progress { unanswered: 2, ..good })), Close::PROTOCOL);
    is_refused(resumed_with(far(Progress { room_frames: 1, ..good })), Close::PROTOCOL);
}

#[test]
fn the_session_of_another_device_is_refused_and_left_alone() {
    let mut world = World::of(&["alice", "bob", "mallory"]);
    world.send("alice", "bob", "first", 1);
    // Mallory has read the name, and has no session here.
    let name = world.session_names("alice")[0];
    let stolen =
        Resume { session: name, proof: [7; 32], progress: Progress { received: 0, unanswered: 1, room_frames: 0 } };
    let meddle: Meddle = Box::new(move |frame| {
        if let TalkFrame::Hello { resume, .. } = frame {
            *resume = Some(stolen.clone());
        }
    });
    world.meddling.insert("mallory".into(), meddle);
    world.closed.clear();
    world.forget_events();
    world.send("mallory", "alice", "go on", 1);
    assert_eq!(world.closed, [("alice".into(), Close::NOT_ITS_SESSION)]);
    assert!(texts(&world.events("alice")).is_empty());
    world.send("bob", "alice", "still here", 2);
    assert_eq!(texts(&world.events("alice")), ["still here"]);
    // The same from somebody who has one.
    world.meddling.remove("mallory");
    world.send("mallory", "alice", "hello", 2);
    let name = world.session_names("alice")[0];
    world.meddling.insert("mallory".into(), changing(move |resume| resume.session = name));
    world.closed.clear();
    world.command("mallory", Command::NetworkChanged);
    world.pass(Duration::from_secs(1));
    assert!(world.closed.contains(&("alice".into(), Close::NOT_ITS_SESSION)), "{:?}", world.closed);
    assert_eq!(world.wires("alice", "bob"), 1);
}

#[test]
fn a_session_that_nobody_knows_is_another_one() {
    let mut world = resumed_with(|resume| resume.session = [9; 16]);
    // Alice dialled and was answered with it, or bob dialled and named it: neither goes on with the session.
    world.pass(Duration::from_secs(40));
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
}

#[test]
fn what_comes_before_hello_is_refused() {
    let mut world = resumed_with(|_| {});
    world.closed.clear();
    world.command("bob", Command::NetworkChanged);
    world.meddling.insert(
        "bob".into(),
        Box::new(|frame| *frame = TalkFrame::Text { number: 1, id: 1, text: "no greeting".into() }),
    );
    world.pass(Duration::from_secs(1));
    assert!(world.closed.contains(&("alice".into(), Close::PROTOCOL)), "{:?}", world.closed);
    assert_eq!(world.wires("alice", "bob"), 1, "what stood stands");
}
