//! An engine that sleeps from deadline to deadline does the same, at the same moments, as one that looks at the clock ten times a
//! second: whatever people do and whatever befalls them.

use std::time::Duration;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::deeds::{Deed, NAMES, Stage, deed};
use super::world::World;
use crate::api::Event;
use crate::core::{LOOK, SOON};
use crate::wire::Channel;

/// Long enough for everything that is under way to come to its end.
const END: Duration = Duration::from_secs(200);

/// Everything that can be seen of the engines from outside, each line with its moment.
struct Transcript {
    stage: Stage,
    lines: Vec<String>,
}

impl Transcript {
    fn of(deeds: &[Deed], sleepless: bool) -> Self {
        let mut stage = Stage::new();
        stage.world.sleepless = sleepless;
        let mut transcript = Self { stage, lines: Vec::new() };
        transcript.write_down();
        for deed in deeds {
            let waits = transcript.stage.play(deed);
            transcript.write_down();
            transcript.pass(waits);
        }
        transcript.pass(END);
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
        for name in NAMES {
            for event in self.stage.world.events(name) {
                self.stage.heard(name, &event);
                self.lines.push(format!("{at} {name} hears {}", told(event)));
            }
        }
        let world = &mut self.stage.world;
        for (name, channel, bytes) in std::mem::take(&mut world.tapped) {
            // What belongs to a room is sealed with keys of their own in each run.
            let what = match channel {
                Channel::Talk => hex::encode(&Sha256::digest(&bytes)[..8]),
                Channel::Rooms => "something".to_owned(),
            };
            self.lines.push(format!("{at} {name} says {what} of {channel:?}"));
        }
        for (name, code) in std::mem::take(&mut world.closed) {
            self.lines.push(format!("{at} {name} closes with {code:?}"));
        }
        for name in std::mem::take(&mut world.reintroduced) {
            self.lines.push(format!("{at} {name} connects to the directory anew"));
        }
    }
}

/// An event, but for the code of a room.
fn told(event: Event) -> String {
    let event = match event {
        Event::Room { room, name, host, members, epoch, suite, .. } => {
            Event::Room { room, name, host, members, epoch, suite, code: String::new() }
        }
        event => event,
    };
    serde_json::to_string(&event).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whoever_sleeps_until_something_is_due_misses_nothing(deeds in proptest::collection::vec(deed(), 0..60)) {
        let (sleepless, sleeping) = (Transcript::of(&deeds, true), Transcript::of(&deeds, false));
        for (line, (expected, found)) in sleepless.lines.iter().zip(&sleeping.lines).enumerate() {
            prop_assert_eq!(expected, found, "line {}", line);
        }
        prop_assert_eq!(sleepless.lines.len(), sleeping.lines.len());
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
