//! Plays scenarios, and says what came of them.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use story::Failure;

use crate::figures::Figures;
use crate::people::{Fate, Pair, People};
use crate::plan::Plan;
use crate::scenario::{Directories, Expected, Scenario, Turn};
use crate::topology::{Topology, Who};

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Every text was delivered.
    Connects {
        /// From sending it to the other device's word: each time by a new connection or, after a turn, over the one that
        /// there was.
        first_text: Figures,
        /// How much longer the first text takes than the next one: what setting up the connection costs.
        set_up: Option<Figures>,
        /// How long that next text takes, over the connection that stands: a round trip between the two programs.
        next_text: Option<Figures>,
    },
    /// None was, for this reason.
    Refused {
        /// As the caller was told.
        reason: String,
    },
    /// The text on its way was not delivered, or its fate is unknown.
    Interrupted {
        /// Whether a later one was delivered within a minute.
        again: bool,
    },
}

/// A failure unless it is what must be.
///
/// # Errors
/// It is something else.
pub fn hold(scenario: &Scenario, outcome: &Outcome) -> Result<(), Failure> {
    let holds = match (scenario.expected, outcome) {
        (Expected::Connects, Outcome::Connects { .. }) => true,
        (Expected::Refused(words), Outcome::Refused { reason }) => reason.contains(words),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    Err(Failure::new(format!("{}: expected {:?}, found {outcome:?}", scenario.name, scenario.expected)))
}

/// Plays one scenario; a call is set up `calls` times where there is one.
///
/// # Errors
/// Something happened that is none of the outcomes.
pub fn play(people: &mut People, scenario: &Scenario, calls: usize) -> Result<Outcome, Failure> {
    people.provide(scenario.directories)?;
    let people = &*people;
    let topology = Topology::build(&scenario.plan, people.place())?;
    match scenario.turn {
        Turn::Nothing => set_up(people, &topology, scenario, calls),
        Turn::DirectoryGone => without_directory(people, &topology, calls, false),
        Turn::DirectoryGivenUp => without_directory(people, &topology, calls, true),
        Turn::UplinkSwitched(who) => switched(people, &topology, who),
    }
}

/// New messengers for every call: no router remembers anything of the one before.
fn set_up(people: &People, topology: &Topology, scenario: &Scenario, calls: usize) -> Result<Outcome, Failure> {
    let (mut times, mut set_up, mut round_trips) = (Vec::new(), Vec::new(), Vec::new());
    for call in 0..calls {
        let mut pair = people.online(topology, scenario.directories)?;
        await_ports(&scenario.plan, topology)?;
        let (fate, took) = pair.text()?;
        if fate == Fate::Delivered {
            let (next, over_it) = pair.text()?;
            expect_delivered(next, "over a connection that stands")?;
            set_up.push(took.saturating_sub(over_it));
            round_trips.push(over_it);
        }
        pair.quit()?;
        match fate {
            Fate::Delivered => times.push(took),
            Fate::NotDelivered(reason) if call == 0 => return Ok(Outcome::Refused { reason }),
            other => {
                return Err(Failure::new(format!("call {call} of {calls}: some were delivered, but now: {other:?}")));
            }
        }
    }
    connects(times, set_up, round_trips)
}

/// Waits until the routers that open ports have done so, and the devices have heard of it.
fn await_ports(plan: &Plan, topology: &Topology) -> Result<(), Failure> {
    let asked = [(Who::Alice, &plan.alice), (Who::Bob, &plan.bob)];
    let asked: Vec<_> = asked.into_iter().filter(|(_, house)| house.opens.is_some()).collect();
    for (who, _) in &asked {
        let who = *who;
        let began = Instant::now();
        while !topology.opened(who)?.contains("dport") {
            if began.elapsed() > OPENING {
                return Err(Failure::new(format!("expected the router of {who:?} to open a port within {OPENING:?}")));
            }
            thread::sleep(BETWEEN / 10);
        }
    }
    // The router's answer is on its way when the port is open, and nobody outside sees when it has arrived.
    if !asked.is_empty() {
        thread::sleep(HEARING);
    }
    Ok(())
}

fn without_directory(
    people: &People,
    topology: &Topology,
    texts: usize,
    until_given_up: bool,
) -> Result<Outcome, Failure> {
    let mut pair = people.online(topology, Directories::One)?;
    expect_delivered(pair.text()?.0, "before the directory went")?;
    topology.silence_server()?;
    let gone = Instant::now();
    let mut times = Vec::new();
    while times.len() < texts || until_given_up && !pair.alice_heard("offline") {
        if gone.elapsed() > GIVING_UP {
            return Err(Failure::new(format!("expected alice's device to notice within {GIVING_UP:?}, it did not")));
        }
        let (fate, took) = pair.text()?;
        expect_delivered(fate, "without the directory")?;
        times.push(took);
        thread::sleep(BETWEEN);
    }
    let (fate, took) = pair.text()?;
    expect_delivered(fate, "at the end, without the directory")?;
    times.push(took);
    pair.quit()?;
    connects(times, Vec::new(), Vec::new())
}

/// A text is on its way in the moment in which a device changes; whatever becomes of it, alice is told the truth.
fn switched(people: &People, topology: &Topology, who: Who) -> Result<Outcome, Failure> {
    let mut pair = people.online(topology, Directories::One)?;
    expect_delivered(pair.text()?.0, "before the change")?;
    let began = Instant::now();
    let on_its_way = pair.send()?;
    topology.switch_uplink(who)?;
    let fate = pair.fate(on_its_way)?;
    let took = began.elapsed();
    let shown = pair.shown(on_its_way);
    match (&fate, shown) {
        (Fate::Delivered, 0) => pair.arrives(on_its_way)?,
        (Fate::Delivered | Fate::Unknown, 1) | (Fate::Unknown | Fate::NotDelivered(_), 0) => {}
        _ => return Err(Failure::new(format!("alice was told {fate:?}, bob was shown the text {shown} times"))),
    }
    let again = after_change(&mut pair)?;
    for id in 1..=pair.last() {
        if pair.shown(id) > 1 {
            return Err(Failure::new(format!(
                "expected every text once, text {id} was shown {} times",
                pair.shown(id)
            )));
        }
    }
    pair.quit()?;
    match fate {
        Fate::Delivered if again => connects(vec![took], Vec::new(), Vec::new()),
        Fate::Delivered | Fate::Unknown | Fate::NotDelivered(_) => Ok(Outcome::Interrupted { again }),
    }
}

/// Texts until one arrives, or none has for long; the devices may have to find the directory and each other again.
fn after_change(pair: &mut Pair) -> Result<bool, Failure> {
    let began = Instant::now();
    while began.elapsed() < FINDING {
        if pair.text()?.0 == Fate::Delivered {
            return Ok(true);
        }
        thread::sleep(BETWEEN);
    }
    Ok(false)
}

/// How long a router's answer may be on its way to a device.
const HEARING: Duration = Duration::from_secs(2);
/// How long a router may take to be found, and to open a port.
const OPENING: Duration = Duration::from_secs(20);
/// The time between two texts.
const BETWEEN: Duration = Duration::from_millis(500);
/// How long two people may need to find each other again.
const FINDING: Duration = Duration::from_secs(60);
/// How long a device may need to give a silent directory up (45 s by docs/spec/directory.md).
const GIVING_UP: Duration = Duration::from_secs(90);

fn expect_delivered(fate: Fate, when: &str) -> Result<(), Failure> {
    if fate == Fate::Delivered {
        return Ok(());
    }
    Err(Failure::new(format!("expected a text {when} to be delivered, found {fate:?}")))
}

fn connects(times: Vec<Duration>, set_up: Vec<Duration>, next: Vec<Duration>) -> Result<Outcome, Failure> {
    let first_text = Figures::of(times).ok_or_else(|| Failure::new("expected at least one call, found none"))?;
    Ok(Outcome::Connects { first_text, set_up: Figures::of(set_up), next_text: Figures::of(next) })
}
