//! Members without a connection to each other, and a third who hears both (R-40 to R-46 of docs/spec/rooms.md): they stay members,
//! decide and talk; and whoever carries their letters can do no more than not to.

use std::time::Duration;

use super::rooms::{all_are_together, device, frames, last_delivery, leaf, say, view};
use super::world::{World, address, room_texts};
use crate::api::{Command, Event, Role, RoomId, Via};
use crate::room::sign;
use crate::wire::{Enclosed, Letter, RoomFrame, Signature};

/// Who is reached by way of whom, as last told to somebody.
fn vias(events: &[Event]) -> Option<Vec<Via>> {
    events.iter().rev().find_map(|event| match event {
        Event::RoomVia { via, .. } => Some(via.clone()),
        _ => None,
    })
}

fn via(who: &str, by: &str) -> Via {
    Via { who: address(who).parse().unwrap(), by: address(by).parse().unwrap() }
}

/// The letters that somebody put on a wire.
fn letters(world: &World, by: &str) -> Vec<(Letter, Signature)> {
    let letters = frames(world, by).into_iter().filter_map(|frame| match frame {
        RoomFrame::Pass { letter, signature } => Some((*letter, signature)),
        _ => None,
    });
    letters.collect()
}

fn pass((letter, signature): (Letter, Signature)) -> RoomFrame {
    RoomFrame::Pass { letter: Box::new(letter), signature }
}

/// A room in which bob and carol never come to a connection to each other.
fn parted(names: &[&str]) -> (World, RoomId) {
    let mut world = World::of(names);
    world.part("bob", "carol");
    let room = world.room(names);
    world.pass(Duration::from_secs(8));
    assert_eq!(world.wires("bob", "carol"), 0);
    (world, room)
}

/// A room of these, in which everybody had a connection to alice, who hosts it, and those who are `lost` to her have none any more.
fn parted_from_alice(names: &[&str], lost: &[&str]) -> (World, RoomId) {
    let mut world = World::of(names);
    let room = world.room(names);
    world.pass(Duration::from_secs(8));
    for name in lost {
        world.part("alice", name);
    }
    world.pass(Duration::from_secs(60));
    all_are_together(&world, room, names);
    (world, room)
}

#[test]
fn members_who_never_had_a_connection_stay_decide_and_talk() {
    let (mut world, room) = parted(&["alice", "bob", "carol", "dave"]);
    assert_eq!(vias(&world.events("bob")), Some(vec![via("carol", "alice")]), "the host first");
    assert_eq!(vias(&world.events("carol")), Some(vec![via("bob", "alice")]));
    assert_eq!(vias(&world.events("alice")), None);
    for _ in 0..3 {
        world.pass(Duration::from_secs(60));
        all_are_together(&world, room, &["alice", "bob", "carol", "dave"]);
    }
    world.forget_events();
    say(&mut world, "bob", room, "tea, carol?");
    assert_eq!(last_delivery(&world.events("bob")), (3, vec![]));
    assert_eq!(room_texts(&world.events("carol")), ["tea, carol?"], "once");
    say(&mut world, "carol", room, "yes, bob");
    assert_eq!(last_delivery(&world.events("carol")), (3, vec![]));
    assert_eq!(room_texts(&world.events("bob")), ["yes, bob"]);
    // What is decided takes no wait: their acknowledgements come to each other as well.
    world.command("alice", Command::RoomTopic { room, topic: "cake".into() });
    all_are_together(&world, room, &["alice", "bob", "carol", "dave"]);
    world.command("dave", Command::RoomLeave { room });
    world.pass(Duration::from_secs(1));
    all_are_together(&world, room, &["alice", "bob", "carol"]);
    assert_eq!(view(&world.events("carol")).2, ["alice", "bob", "carol"].map(address));
    assert_eq!(world.wires("bob", "carol"), 0);
}

#[test]
fn who_has_no_connection_to_the_host_stays_and_changes_the_room() {
    let names = ["alice", "bob", "carol"];
    let mut world = World::of(&names);
    let room = world.room(&names);
    world.command("alice", Command::RoomRole { room, who: address("bob"), role: Role::Moderator });
    world.pass(Duration::from_secs(8));
    world.forget_events();
    world.part("alice", "bob");
    world.pass(Duration::from_secs(120));
    all_are_together(&world, room, &names);
    assert_eq!(vias(&world.events("bob")), Some(vec![via("alice", "carol")]));
    world.command("bob", Command::RoomTopic { room, topic: "cake".into() });
    world.pass(Duration::from_secs(12));
    for name in names {
        let events = world.events(name);
        let topic = events.iter().rev().find_map(|event| match event {
            Event::Room { topic, .. } => Some(topic.clone()),
            _ => None,
        });
        assert_eq!(topic.as_deref(), Some("cake"), "{name}");
        assert!(
            !events.iter().any(|event| matches!(event, Event::RoomLeft { .. } | Event::RoomClosed { .. })),
            "{name}"
        );
    }
    // And the host's word that she leaves comes so as well.
    world.command("alice", Command::RoomLeave { room });
    world.pass(Duration::from_secs(5));
    all_are_together(&world, room, &["bob", "carol"]);
    assert_eq!(view(&world.events("bob")).2, ["bob", "carol"].map(address));
}

#[test]
fn where_a_connection_stands_again_nobody_is_between() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(200));
    assert_eq!(vias(&world.events("bob")), Some(vec![via("carol", "alice")]));
    world.apart.clear();
    world.pass(Duration::from_secs(70));
    assert_eq!(world.wires("bob", "carol"), 1);
    assert_eq!(vias(&world.events("bob")), Some(vec![]));
    world.tapped.clear();
    say(&mut world, "bob", room, "here you are");
    world.pass(Duration::from_secs(5));
    assert!(letters(&world, "bob").is_empty());
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
}

/// without the one between they are lost to each other, and no quorum is left.
#[test]
fn without_who_was_between_the_room_ends_for_both() {
    let (mut world, room) = parted_from_alice(&["alice", "bob", "carol"], &["bob"]);
    world.forget_events();
    world.leave("carol");
    world.pass(Duration::from_secs(20));
    for name in ["alice", "bob"] {
        assert!(world.core_of(name).is_stalled(room), "R-15: {name}");
    }
    world.pass(Duration::from_secs(60));
    for name in ["alice", "bob"] {
        let events = world.events(name);
        let ended =
            |event: &Event| matches!(event, Event::RoomClosed { reason, .. } if reason.contains("for a minute"));
        assert!(events.iter().any(ended), "R-16: {name}: {events:?}");
    }
}

/// nobody is lost whom somebody hears.
#[test]
fn a_host_whom_one_member_hears_stays_the_host() {
    let names = ["alice", "bob", "carol", "dave"];
    let (mut world, room) = parted_from_alice(&names, &["bob", "dave"]);
    world.pass(Duration::from_secs(60));
    all_are_together(&world, room, &names);
    assert_eq!(world.core_of("bob").in_room(room).unwrap().2.identifier.as_str(), address("alice"));
    assert_eq!(view(&world.events("dave")).2.len(), 4);
}

#[test]
fn what_somebody_alters_or_makes_up_on_the_way_counts_for_nothing() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    world.tapped.clear();
    say(&mut world, "bob", room, "tea?");
    let (text, signature) = letters(&world, "bob").pop().unwrap();
    assert!(matches!(text.enclosed, Enclosed::Text { .. }));
    world.forget_events();
    let before = world.core_of("carol").in_room(room);
    let heard = world.core("carol").inside(room).unwrap().heard[&device("bob")];
    world.carries_nothing.insert("alice".into());
    world.pass(Duration::from_secs(3));
    let leave = minicbor::to_vec(RoomFrame::Leave { room: room.0 }).unwrap();
    let altered = [
        Letter { number: text.number + 1, ..text.clone() },
        Letter { epoch: text.epoch + 1, ..text.clone() },
        Letter { enclosed: Enclosed::Frame { frame: leave.clone() }, number: text.number + 2, ..text.clone() },
    ];
    for letter in altered {
        world.inject("alice", "carol", pass((letter.clone(), signature)));
        // Signed by who carries it.
        let signature = sign(&letter, &leaf("alice")).unwrap();
        world.inject("alice", "carol", pass((letter, signature)));
    }
    // Again, as it was; and what bob wrote to alice.
    world.inject("alice", "carol", pass((text.clone(), signature)));
    let mine = Letter { to: device("alice").0, number: 1 << 20, enclosed: Enclosed::Frame { frame: leave }, ..text };
    let signature = sign(&mine, &leaf("bob")).unwrap();
    world.inject("alice", "carol", pass((mine, signature)));
    let inside = world.core("carol").inside(room).unwrap();
    assert_eq!(inside.heard[&device("bob")], heard, "nothing of it was heard from bob");
    assert!(inside.gone.is_empty());
    assert!(room_texts(&world.events("carol")).is_empty());
    assert_eq!(world.core_of("carol").in_room(room), before);
}

/// Old beats do not keep anybody alive.
#[test]
fn whose_letters_are_kept_back_and_brought_again_is_lost_in_time() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    world.tapped.clear();
    world.pass(Duration::from_secs(10));
    let old = letters(&world, "bob");
    assert!(old.len() > 3);
    world.carries_nothing.insert("alice".into());
    for _ in 0..7 {
        world.pass(Duration::from_secs(1));
        for letter in &old {
            world.inject("alice", "carol", pass(letter.clone()));
        }
    }
    let now = world.now();
    let inside = world.core("carol").inside(room).unwrap();
    assert!(!inside.present(now).contains(&inside.leaves().leaf(device("bob")).unwrap()));
}

/// two ways at once, so that one who carries nothing does no harm; R-43: only the receiver's word counts.
#[test]
fn who_carries_nothing_does_no_harm_where_another_does() {
    let names = ["alice", "bob", "carol", "dave"];
    let (mut world, room) = parted(&names);
    world.carries_nothing.insert("alice".into());
    world.pass(Duration::from_secs(60));
    all_are_together(&world, room, &names);
    say(&mut world, "bob", room, "tea?");
    assert_eq!(last_delivery(&world.events("bob")), (3, vec![]));
    assert_eq!(room_texts(&world.events("carol")), ["tea?"]);
    world.carries_nothing.insert("dave".into());
    world.tapped.clear();
    world.forget_events();
    say(&mut world, "bob", room, "cake?");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]), "nobody else's word counts");
    let (text, _) = letters(&world, "bob").pop().unwrap();
    for liar in ["alice", "dave"] {
        world.inject(liar, "bob", RoomFrame::Passed { room: room.0, number: text.number, refused: None });
    }
    assert!(world.events("bob").is_empty());
    world.pass(Duration::from_secs(21));
    let (delivered, missing) = last_delivery(&world.events("bob"));
    assert_eq!((delivered, missing.len()), (2, 1));
    assert!(missing[0].starts_with("unknown: no acknowledgement came back"), "{missing:?}");
}

#[test]
fn a_text_that_was_not_passed_on_goes_when_there_is_a_way_again() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    world.carries_nothing.insert("alice".into());
    world.tapped.clear();
    world.forget_events();
    say(&mut world, "bob", room, "tea?");
    let (text, _) = letters(&world, "bob").pop().unwrap();
    let no = RoomFrame::NotPassed { room: room.0, to: text.to, number: text.number, reason: "no".into() };
    world.inject("alice", "bob", no);
    assert_eq!(vias(&world.events("bob")), Some(vec![]));
    world.carries_nothing.clear();
    world.pass(Duration::from_secs(3));
    assert_eq!(room_texts(&world.events("carol")), ["tea?"]);
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
}

/// who does not carry says nothing of whom she hears, and beats alone make a member lost.
#[test]
fn a_refusal_to_carry_makes_nobody_lost() {
    let names = ["alice", "bob", "carol"];
    let (mut world, room) = parted_from_alice(&names, &["bob"]);
    assert_eq!(vias(&world.events("alice")), Some(vec![via("bob", "carol")]));
    let before = world.core_of("alice").in_room(room);
    for (to, of) in [("alice", "bob"), ("bob", "alice")] {
        let no = RoomFrame::NotPassed { room: room.0, to: device(of).0, number: 1 << 20, reason: "too much".into() };
        world.inject("carol", to, no);
    }
    world.pass(Duration::from_secs(5));
    all_are_together(&world, room, &names);
    assert_eq!(world.core_of("alice").in_room(room), before, "nobody was removed, and nobody took her place");
}

/// whoever carries a text can open it.
#[test]
fn nobody_with_a_lapsed_certificate_is_handed_texts() {
    let names = ["alice", "bob", "carol", "dave"];
    let (mut world, room) = parted(&names);
    let texts = |world: &World| {
        let letters = letters(world, "bob").into_iter();
        letters.filter(|(letter, _)| matches!(letter.enclosed, Enclosed::Text { .. })).count()
    };
    for (lapsed, handed) in [(false, 2), (true, 1)] {
        if lapsed {
            world.core("bob").inside(room).unwrap().lapsed.look_no_more(device("dave"));
            world.pass(Duration::from_secs(2));
        }
        world.tapped.clear();
        say(&mut world, "bob", room, "tea?");
        assert_eq!(texts(&world), handed, "dave carries as well as alice, or does not");
    }
    assert_eq!(room_texts(&world.events("carol")), ["tea?", "tea?"]);
}

/// what was sealed opens once; what comes again by another way is answered as before, and shown once.
#[test]
fn a_text_of_which_nobody_knows_comes_again_and_is_shown_once() {
    for connected in [false, true] {
        let (mut world, room) = parted(&["alice", "bob", "carol"]);
        world.carries_nothing.insert("alice".into());
        world.tapped.clear();
        world.forget_events();
        say(&mut world, "bob", room, "tea?");
        let letter = letters(&world, "bob").pop().unwrap();
        let (to, number) = (letter.0.to, letter.0.number);
        world.inject("alice", "carol", pass(letter));
        assert_eq!(room_texts(&world.events("carol")), ["tea?"]);
        assert_eq!(last_delivery(&world.events("bob")), (1, vec![]), "her word did not come");
        if connected {
            world.apart.clear();
            world.pass(Duration::from_secs(15));
            assert_eq!(world.wires("bob", "carol"), 1);
        } else {
            // It was passed on, whatever she says.
            let no = RoomFrame::NotPassed { room: room.0, to, number, reason: "no".into() };
            world.inject("alice", "bob", no);
            world.carries_nothing.clear();
            world.pass(Duration::from_secs(4));
        }
        assert_eq!(last_delivery(&world.events("bob")), (2, vec![]), "connected: {connected}");
        assert!(room_texts(&world.events("carol")).is_empty(), "shown once");
    }
}

/// What may have come is never called not delivered.
#[test]
fn what_a_carrier_says_she_kept_may_have_come() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    world.carries_nothing.insert("alice".into());
    world.tapped.clear();
    world.forget_events();
    say(&mut world, "bob", room, "tea?");
    let (letter, _) = letters(&world, "bob").pop().unwrap();
    let no = RoomFrame::NotPassed { room: room.0, to: letter.to, number: letter.number, reason: "no".into() };
    world.inject("alice", "bob", no);
    world.part("alice", "bob");
    world.pass(Duration::from_secs(8));
    let (_, missing) = last_delivery(&world.events("bob"));
    assert!(matches!(&missing[..], [missing] if missing.starts_with("unknown: ")), "{missing:?}");
}

/// Nothing comes in a letter that is longer than it could be in a session.
#[test]
fn a_text_that_is_too_long_for_a_session_is_too_long_for_a_letter() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    let epoch = world.core_of("bob").in_room(room).unwrap().0;
    for (number, bytes, answered) in [(1000, 100, true), (1001, 64 * 1024 + 1, false)] {
        world.tapped.clear();
        let enclosed = Enclosed::Text { run: [1; 8], message: vec![0; bytes] };
        let letter = Letter { room: room.0, epoch, from: device("bob").0, to: device("carol").0, number, enclosed };
        let signature = sign(&letter, &leaf("bob")).unwrap();
        world.inject("alice", "carol", pass((letter, signature)));
        assert_eq!(!letters(&world, "carol").is_empty(), answered, "{bytes} bytes");
    }
}

/// no letter goes further than one step, and none is carried for who has not written it or to who is not in the room.
#[test]
fn a_letter_goes_one_step_and_among_members_only() {
    let (mut world, room) = parted(&["alice", "bob", "carol", "dave"]);
    world.add("mallory", vec![address("alice").parse().unwrap()]);
    world.command("alice", Command::AddContact { who: address("mallory") });
    world.go_online("mallory");
    world.send("mallory", "alice", "hello", 1);
    let beat = letters(&world, "bob").pop().unwrap();
    world.tapped.clear();
    world.inject("alice", "dave", pass(beat.clone()));
    assert!(letters(&world, "dave").is_empty(), "one hop");
    for (from, to) in [("mallory", "carol"), ("bob", "mallory")] {
        let letter = Letter { from: device(from).0, to: device(to).0, ..beat.0.clone() };
        let signature = sign(&letter, &leaf(from)).unwrap();
        world.inject(from, "alice", pass((letter, signature)));
    }
    assert!(letters(&world, "alice").is_empty());
    let (letter, signature) = (Letter { room: [9; 16], ..beat.0 }, beat.1);
    world.inject("bob", "alice", pass((letter, signature)));
    assert!(letters(&world, "alice").is_empty());
    all_are_together(&world, room, &["alice", "bob", "carol", "dave"]);
}

///
#[test]
fn who_floods_uses_up_her_own_share() {
    let (mut world, room) = parted(&["alice", "bob", "carol", "dave"]);
    world.tapped.clear();
    let epoch = world.core_of("bob").in_room(room).unwrap().0;
    for number in 0..600 {
        let enclosed = Enclosed::Frame { frame: vec![0; 1000] };
        let (from, to) = (device("bob").0, device("carol").0);
        let letter = Letter { room: room.0, epoch, from, to, number: 1000 + number, enclosed };
        let signature = [7; 64];
        world.inject("bob", "alice", pass((letter, signature)));
    }
    let carried = letters(&world, "alice").len();
    assert!((200..=256).contains(&carried), "{carried}");
    // Nobody else has less of it, and no connection ended.
    assert!(world.closed.is_empty());
    world.forget_events();
    say(&mut world, "carol", room, "bob?");
    assert_eq!(last_delivery(&world.events("carol")), (3, vec![]));
    world.pass(Duration::from_secs(10));
    say(&mut world, "bob", room, "yes");
    assert_eq!(last_delivery(&world.events("bob")), (3, vec![]));
    all_are_together(&world, room, &["alice", "bob", "carol", "dave"]);
}

/// A device that has not said that frames came is sent no more of others' letters, so that its connection does not end for them.
#[test]
fn whoever_does_not_keep_up_is_not_sent_more() {
    let (mut world, room) = parted(&["alice", "bob", "carol"]);
    let epoch = world.core_of("bob").in_room(room).unwrap().0;
    world.stall("alice", "carol");
    world.tapped.clear();
    for number in 0..250 {
        let enclosed = Enclosed::Frame { frame: vec![0; 10] };
        let (from, to) = (device("bob").0, device("carol").0);
        let letter = Letter { room: room.0, epoch, from, to, number: 1000 + number, enclosed };
        world.inject("bob", "alice", pass((letter, [7; 64])));
    }
    let carried = letters(&world, "alice").len();
    assert!((100..=128).contains(&carried), "{carried}");
    assert!(world.closed.is_empty());
}
