//! An engine that sleeps from deadline to deadline does the same, at the same moments, as one that looks at the clock ten times a
//! second: whatever people do and whatever befalls them.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sha2::{Digest, Sha256};

use super::deeds::{Deed, Stage, deed};
use super::world::{World, texts};
use crate::api::Event;
use crate::core::{LOOK, SOON};
use crate::wire::{Channel, TalkFrame, decode};

/// How long a random history goes on when nothing more is done.
const END: Duration = Duration::from_secs(20);

/// Everything that can be seen of the engines from outside, each line with its moment.
struct Transcript {
    stage: Stage,
    lines: Vec<String>,
}

impl Transcript {
    fn of(deeds: &[Deed], end: Duration, sleepless: bool) -> Self {
        let mut stage = Stage::new();
        stage.world.sleepless = sleepless;
        let mut transcript = Self { stage, lines: Vec::new() };
        transcript.write_down();
        for deed in deeds {
            let waits = transcript.stage.play(deed);
            transcript.write_down();
            transcript.pass(waits);
        }
        transcript.pass(end);
        transcript
    }

    fn pass(&mut self, time: Duration) {
        let until = self.stage.world.time + time;
        while self.stage.world.time < until {
            self.stage.world.pass(SOON);
            self.write_down();
        }
    }

    fn write_down(&mut self) {
        let at = self.stage.world.time.as_millis();
        for (name, event) in self.stage.heard() {
            self.lines.push(format!("{at} {name} hears {}", told(event)));
        }
        let world = &mut self.stage.world;
        for (name, channel, bytes) in std::mem::take(&mut world.tapped) {
            self.lines.push(format!("{at} {name} says {}", said(channel, &bytes)));
        }
        for (name, code) in std::mem::take(&mut world.closed) {
            self.lines.push(format!("{at} {name} closes with {code:?}"));
        }
        for name in std::mem::take(&mut world.reintroduced) {
            self.lines.push(format!("{at} {name} connects to the directory anew"));
        }
    }
}

/// A frame, but for what is of a room: that is sealed with other keys in each run.
fn said(channel: Channel, bytes: &[u8]) -> String {
    match (channel, decode::<TalkFrame>(&bytes[4..])) {
        (Channel::Rooms, _) => "something to a room".to_owned(),
        (Channel::Talk, Ok(Some(TalkFrame::RoomText { number, room, .. }))) => format!("{number} to {room:?}"),
        (Channel::Talk | Channel::Files, _) => hex::encode(&Sha256::digest(bytes)[..8]),
    }
}

/// An event, but for the code of a room.
fn told(event: Event) -> String {
    let event = match event {
        Event::Room { room, name, host, members, epoch, suite, topic, locked, owners, moderators, .. } => {
            let code = String::new();
            Event::Room { room, name, host, members, epoch, suite, code, topic, locked, owners, moderators }
        }
        event => event,
    };
    serde_json::to_string(&event).unwrap()
}

/// The first line in which the two differ, if they do.
fn difference(deeds: &[Deed], end: Duration) -> Option<(String, String)> {
    let (sleepless, sleeping) = (Transcript::of(deeds, end, true).lines, Transcript::of(deeds, end, false).lines);
    let end = "the end".to_owned();
    let line = |of: &[String], number: usize| of.get(number).unwrap_or(&end).clone();
    let lines =
        (0..sleepless.len().max(sleeping.len())).map(|number| (line(&sleepless, number), line(&sleeping, number)));
    lines.into_iter().find(|(expected, found)| expected != found)
}

proptest! {
    // The same ones each time: what is found by chance is found by the long run.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(12) })]
    #[test]
    fn whoever_sleeps_until_something_is_due_misses_nothing(deeds in proptest::collection::vec(deed(), 0..60)) {
        prop_assert_eq!(difference(&deeds, END), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    #[ignore = "takes minutes; run by ./test --all"]
    fn whoever_sleeps_misses_nothing_in_many_histories(deeds in proptest::collection::vec(deed(), 0..60)) {
        prop_assert_eq!(difference(&deeds, END), None);
    }
}

/// Histories in which one deadline after the other is what counts: random ones seldom get there.
#[test]
fn no_deadline_is_missed() {
    const ALICE: usize = 0;
    const BOB: usize = 1;
    const CAROL: usize = 2;
    const DAVE: usize = 3;
    let (alice_bob, carol_bob) = ((ALICE, BOB), (CAROL, BOB));
    let histories: [(&str, u64, &[Deed]); 14] = [
        (
            "a text of a room waits for a link that is being made",
            8,
            &[Deed::Gather(ALICE), Deed::Wait(11), Deed::End((CAROL, DAVE)), Deed::Wait(1), Deed::Speak(CAROL)],
        ),
        ("a call rings in vain", 36, &[Deed::BeUnheard(BOB), Deed::Send(alice_bob)]),
        (
            "two calls cross",
            10,
            &[Deed::BeUnheard(BOB), Deed::BothSend(alice_bob), Deed::BeUnheard(BOB), Deed::Send((BOB, ALICE))],
        ),
        (
            "a session is not greeted",
            12,
            &[
                Deed::OpenRoom(ALICE),
                Deed::Invite(alice_bob),
                Deed::Enter(BOB),
                Deed::Invite((ALICE, CAROL)),
                Deed::Wait(3),
                Deed::LoseHellos(BOB),
                Deed::LoseHellos(CAROL),
                Deed::Enter(CAROL),
            ],
        ),
        (
            "a session that goes on is not greeted",
            32,
            &[
                Deed::Send(alice_bob),
                Deed::LoseHellos(ALICE),
                Deed::LoseHellos(BOB),
                Deed::Wait(3),
                Deed::Cut(alice_bob),
            ],
        ),
        (
            "a session finds no connection",
            32,
            &[Deed::Send(alice_bob), Deed::Network(false), Deed::Wait(7), Deed::Cut(alice_bob)],
        ),
        ("nothing is answered", 22, &[Deed::Send(alice_bob), Deed::Deafen(alice_bob), Deed::Send(alice_bob)]),
        ("nothing is said for long", 182, &[Deed::Send(alice_bob)]),
        ("somebody types no more", 8, &[Deed::Send(alice_bob), Deed::Wait(4), Deed::Type(alice_bob, true)]),
        (
            "a certificate is shown though it rings",
            40,
            &[
                Deed::BeUnheard(BOB),
                Deed::BeUnheard(CAROL),
                Deed::Send(alice_bob),
                Deed::Wait(3),
                Deed::Renew(ALICE),
                Deed::Wait(300),
                Deed::Send((ALICE, CAROL)),
            ],
        ),
        (
            "nobody lets a guest in",
            62,
            &[
                Deed::OpenRoom(ALICE),
                Deed::Invite(alice_bob),
                Deed::Mute((BOB, ALICE)),
                Deed::Wait(3),
                Deed::Enter(BOB),
            ],
        ),
        (
            "a text of a room reaches a member who is not linked up",
            12,
            &[
                Deed::Gather(ALICE),
                Deed::Network(false),
                Deed::Wait(3),
                Deed::End(carol_bob),
                Deed::Wait(104),
                Deed::Speak(BOB),
                Deed::Wait(200),
                Deed::Network(true),
            ],
        ),
        (
            "a text of a room comes before its epoch, which does not come",
            4,
            &[
                Deed::OpenRoom(ALICE),
                Deed::Invite(alice_bob),
                Deed::Enter(BOB),
                Deed::Invite((ALICE, CAROL)),
                Deed::Enter(CAROL),
                Deed::Mute((CAROL, ALICE)),
                Deed::Invite((ALICE, DAVE)),
                Deed::Enter(DAVE),
                Deed::Wait(3),
                Deed::Speak(BOB),
            ],
        ),
        (
            "a member is waited for while she is away",
            8,
            &[
                Deed::OpenRoom(ALICE),
                Deed::Invite(alice_bob),
                Deed::Enter(BOB),
                Deed::Send((ALICE, CAROL)),
                Deed::Wait(3),
                Deed::Network(false),
                Deed::FallSilent(alice_bob),
                Deed::Invite((ALICE, CAROL)),
                Deed::Enter(CAROL),
                Deed::Wait(57),
                Deed::BeHeard(alice_bob),
            ],
        ),
    ];
    for (what, seconds, deeds) in histories {
        assert_eq!(difference(deeds, Duration::from_secs(seconds)), None, "{what}");
    }
}

#[test]
fn a_device_on_which_nothing_happens_sleeps() {
    let mut world = World::of(&["alice", "bob"]);
    world.pass(SOON);
    assert_eq!(world.sleeps_for("alice"), LOOK, "nobody talks");
    world.send("alice", "bob", "hi", 1);
    assert_eq!(world.sleeps_for("alice"), LOOK, "everything is answered");
    world.stall("alice", "bob");
    world.send("alice", "bob", "are you there?", 2);
    world.pass(Duration::from_secs(20) - LOOK / 2);
    assert!(world.sleeps_for("alice") < LOOK, "an answer is due");
}

/// Nobody has looked at the clock yet when the first text is written.
#[test]
fn what_is_written_in_the_first_moment_after_a_sleep_goes_out_in_a_session_of_its_own() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "good night", 1);
    let before = world.session_names("alice");
    world.time += Duration::from_secs(600);
    world.forget_events();
    world.send("alice", "bob", "good morning", 2);
    assert_eq!(texts(&world.events("bob")), ["good morning"]);
    assert!(world.session_names("alice").iter().all(|name| !before.contains(name)));
}
