//! Whoever wants to go on with a session that is not hers, or not as she says.

use std::time::Duration;

use super::world::{Meddle, World, address, exported, last_state, room_texts, texts};
use crate::api::{Command, DeliveryState, OwnStatus};
use crate::session::SessionKey;
use crate::wire::{Close, Progress, Resume, TalkFrame};

/// Alice and bob have talked, nothing comes through any more, and this one dials: what bob says is changed on the way.
fn resumes(dialler: &str, meddle: Meddle) -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.meddling.insert("bob".into(), meddle);
    world.closed.clear();
    world.command(dialler, Command::NetworkChanged);
    world.pass(Duration::from_secs(1));
    world
}

/// Bob dials, and what he says of the session is changed.
fn resumed_with(changed: impl FnMut(&mut Resume) + 'static) -> World {
    resumes("bob", changing(changed))
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
    let mut world = resumes("alice", changing(|resume| resume.proof[0] ^= 1));
    assert!(world.closed.contains(&("alice".into(), Close::NOT_ITS_SESSION)), "{:?}", world.closed);
    // What bob's device took while it believed to have moved is his alone.
    assert!(texts(&world.events("bob")).is_empty());
    world.pass(Duration::from_secs(40));
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    let meddle: Meddle = Box::new(|frame| {
        if let TalkFrame::Hello { version, resume: Some(_), .. } = frame {
            *version = 0;
        }
    });
    is_refused(resumes("bob", meddle), Close::PROTOCOL);
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
        Box::new(|frame| *frame = TalkFrame::Text { number: 1, id: 1, text: "no greeting".into(), reply: None }),
    );
    world.pass(Duration::from_secs(1));
    assert!(world.closed.contains(&("alice".into(), Close::PROTOCOL)), "{:?}", world.closed);
    assert_eq!(world.wires("alice", "bob"), 1, "what stood stands");
}

/// What closes somebody's door.
fn closings() -> [Command; 3] {
    [
        Command::RemoveContact { who: address("bob") },
        Command::Block { who: address("bob") },
        Command::SetStatus { status: OwnStatus::Invisible, text: None },
    ]
}

#[test]
fn what_was_dialled_to_go_on_opens_nothing_after_the_door_was_closed() {
    for closing in closings() {
        let mut world = World::of(&["alice", "bob"]);
        world.send("alice", "bob", "first", 1);
        world.hold_dials();
        world.cut("alice", "bob");
        world.pass(Duration::from_millis(200));
        world.command("alice", closing.clone());
        world.forget_events();
        assert!(world.release_dials() > 0);
        assert_eq!(world.wires("alice", "bob"), 0, "{closing:?}");
        assert!(world.session_names("alice").is_empty(), "{closing:?}");
        world.send("bob", "alice", "may I", 2);
        world.pass(Duration::from_secs(3));
        assert!(texts(&world.events("alice")).is_empty(), "{closing:?}");
    }
}

#[test]
fn a_session_that_stays_for_a_room_is_opened_to_texts_by_no_call_that_only_goes_on() {
    for closing in closings() {
        let mut world = World::of(&["alice", "bob"]);
        world.send("bob", "alice", "first", 1);
        let room = world.room(&["alice", "bob"]);
        world.hold_dials();
        world.cut("alice", "bob");
        world.pass(Duration::from_millis(200));
        world.command("alice", closing.clone());
        world.command("alice", Command::RemoveContact { who: address("bob") });
        world.forget_events();
        assert!(world.release_dials() > 0);
        world.pass(Duration::from_secs(10));
        assert_eq!(world.wires("alice", "bob"), 1, "{closing:?}: the room goes on");
        world.command("bob", Command::RoomSend { room, text: "still here".into(), id: Some(1), reply_to: None });
        assert_eq!(room_texts(&world.events("alice")), ["still here"], "{closing:?}");
        world.send("bob", "alice", "may I", 2);
        assert!(texts(&world.events("alice")).is_empty(), "{closing:?}");
        let (state, reason) = last_state(&world.events("bob")).unwrap();
        assert_eq!(state, DeliveryState::NotDelivered, "{closing:?}");
        assert!(reason.is_some_and(|reason| reason.contains("knock first")), "{closing:?}");
    }
}

/// The keys of this world are drawn from the names, so that "bobbob" has the key, and the run, of "bob".
#[test]
fn one_key_under_two_names_is_two_people() {
    let mut world = World::of(&["alice", "bob", "bobbob"]);
    let (alice, bob) = (world.person("alice").device, world.person("bob").device);
    assert_eq!(bob, world.person("bobbob").device);
    world.send("bob", "alice", "first", 1);
    let session = world.session_names("alice");
    world.forget_events();
    // Alice does not offer bob's session to the other one.
    world.send("alice", "bobbob", "hello", 1);
    world.send("alice", "bob", "hello", 1);
    for name in ["bob", "bobbob"] {
        assert_eq!(texts(&world.events(name)), ["hello"]);
    }
    assert!(world.session_names("alice").contains(&session[0]));

    // The other one proves it as bob would.
    let mut world = World::of(&["alice", "bob", "bobbob"]);
    world.send("bob", "alice", "first", 1);
    world.forget_events();
    let meddle: Meddle = Box::new(move |frame| {
        let TalkFrame::Hello { resume, .. } = frame else { return };
        let key = SessionKey::new(&exported(1), bob.spki_digest(), alice.spki_digest());
        let progress = Progress { received: 0, unanswered: 2, room_frames: 0 };
        *resume = Some(Resume { session: key.name(), proof: key.prove(&exported(3)), progress });
    });
    world.meddling.insert("bobbob".into(), meddle);
    world.closed.clear();
    world.stall("alice", "bob");
    world.send("alice", "bob", "for bob alone", 2);
    world.send("bobbob", "alice", "go on", 7);
    assert!(texts(&world.events("bobbob")).is_empty());
    assert!(texts(&world.events("alice")).is_empty());
    assert!(world.closed.iter().any(|(who, _)| who == "alice"), "{:?}", world.closed);
}
