//! Rooms as people meet them: whole engines, connections and a directory, by the clock on the wall.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use messenger_engine::{Command, Event, RoomSuite};
use tokio::runtime::{Handle, Runtime};

use super::super::message::TEXT;
use super::bare::Bare;
use super::floor::Talkers;
use super::town::{Entry, Told, Town, Waited};
use super::{Device, not_measured};
use crate::measure::{Pair, Part, Scale, median, paired};

/// In rooms of these sizes, she among them, somebody enters.
const SIZES: [usize; 3] = [10, 32, LARGEST];
/// The largest of them.
const LARGEST: usize = 51;
/// So often in each.
const ENTRIES: usize = 5;
/// So many people talk.
const TALKING: usize = 10;
const ROUNDS: usize = 9;
/// Texts in one round.
const TEXTS: usize = 40;

/// Milliseconds from somebody's word that she enters until she is in, in the largest room; for smaller ones beside it. It is
/// somebody else each time, whom nobody has met but the host.
pub(crate) fn join(runtime: &Runtime, scale: Scale) -> Pair {
    joined(RoomSuite::Hybrid, runtime, scale)
}

/// The same where the room was made without post-quantum keys.
pub(crate) fn join_classical(runtime: &Runtime, scale: Scale) -> Pair {
    joined(RoomSuite::Classical, runtime, scale)
}

fn joined(suite: RoomSuite, runtime: &Runtime, scale: Scale) -> Pair {
    let measured = runtime.block_on(entries(suite, runtime.handle(), ENTRIES * scale.factor));
    let (pair, parts) = match measured {
        Ok(measured) => measured,
        Err(why) => return not_measured(&why),
    };
    let note = "the baseline is openmls for all members, one after another, without a network".to_owned();
    Pair { parts, ..pair }.noted(note)
}

async fn entries(suite: RoomSuite, runtime: &Handle, times: usize) -> Waited<(Pair, Vec<Part>)> {
    let (mut town, mut parts, mut figure) = (Town::new(suite, runtime).await?, Vec::new(), f64::NAN);
    for size in SIZES {
        town.grow(size - 1, runtime).await?;
        let mut entries = Vec::new();
        for _ in 0..times {
            let guest = town.come(runtime).await?;
            entries.push(town.enter(guest).await?);
            town.leave(guest).await?;
        }
        let p50 =
            |of: fn(&Entry) -> Duration| median(entries.iter().map(|entry| of(entry).as_secs_f64() * 1e3).collect());
        let part = |name: &str, figure| Part {
            name: format!("{size} members: {name}"),
            figure,
            unit: "ms",
            times: times as f64,
        };
        figure = p50(|entry| entry.inside);
        parts.extend([
            part("until she is in", figure),
            part("until all others know", p50(|entry| entry.known)),
            part("until all have her first text", p50(|entry| entry.heard)),
        ]);
    }
    Ok((Pair::new(figure, bare(&town, suite, times)), parts))
}

/// Milliseconds for an entry by openmls, at all members one after another.
fn bare(town: &Town, suite: RoomSuite, entries: usize) -> f64 {
    let device = |number| Device::new(&town.authority, 1000 + number);
    let mut bare = Bare::new(&town.authority, suite, (1..LARGEST).map(device).collect());
    let times = (0..entries).map(|number| {
        let guest = device(LARGEST + number);
        let began = Instant::now();
        bare.enter(guest);
        let took = began.elapsed();
        bare.leave();
        took.as_secs_f64() * 1e3
    });
    median(times.collect())
}

/// Microseconds from somebody's word until another member is shown it, beside the same with one person alone, at the same
/// devices. All of them share this machine's processors, and each opens the text for itself: what MLS and QUIC alone take for it is
/// told beside it ([`super::floor`]).
pub(crate) fn message(runtime: &Runtime, scale: Scale) -> Pair {
    let town = match runtime.block_on(talkers(runtime.handle())) {
        Ok(town) => RefCell::new(town),
        Err(why) => return not_measured(&why),
    };
    let mut floor = runtime.block_on(Talkers::new(TALKING));
    let mut acknowledged = [Vec::new(), Vec::new()];
    let [by_all, by_one] = acknowledged.each_mut();
    let mut at_least = Vec::new();
    let pair = paired(
        ROUNDS * scale.factor,
        || told(runtime.block_on(said(&mut town.borrow_mut(), true, by_all))),
        || {
            at_least.push(runtime.block_on(floor.p50(TEXTS)));
            told(runtime.block_on(said(&mut town.borrow_mut(), false, by_one)))
        },
    );
    let [all, one] = acknowledged.map(|times| if times.is_empty() { f64::NAN } else { median(times) });
    let others = TALKING - 1;
    let name = "where bare openmls seals and opens it over bare quinn, and nothing else is done".to_owned();
    let part = Part { name, figure: median(at_least), unit: "µs", times: 1.0 };
    Pair { parts: vec![part], ..pair }.noted(format!(
        "all {others} had acknowledged it after {all:.0} µs, the one after {one:.0}; on this one machine"
    ))
}

/// A run in which something did not happen in time has no figure.
fn told(run: Waited<f64>) -> f64 {
    run.unwrap_or_else(|why| {
        eprintln!("bench: {why}");
        f64::NAN
    })
}

/// A room whose last member, who speaks, is a contact of the host, who would be asked whether to talk to her otherwise; they
/// have talked.
async fn talkers(runtime: &Handle) -> Waited<Town> {
    let mut town = Town::new(RoomSuite::default(), runtime).await?;
    town.grow(TALKING, runtime).await?;
    let everybody = town.everybody();
    let [host, .., speaker] = everybody[..] else { return Err("expected two people, found fewer".to_owned()) };
    let speaker = town.who(speaker).clone();
    town.command(host, Command::AddContact { who: speaker.to_string() }).await;
    let seen = |told: &Told| match &told.event {
        Event::Presence { who, online: true, .. } if told.who == host && *who == speaker => Some(()),
        _ => None,
    };
    town.until("the speaker's presence", seen).await?;
    said(&mut town, false, &mut Vec::new()).await?;
    Ok(town)
}

/// The median over texts and those who are shown them. When all had acknowledged each is put beside it.
async fn said(town: &mut Town, in_room: bool, acknowledged: &mut Vec<f64>) -> Waited<f64> {
    let everybody = town.everybody();
    let [host, .., speaker] = everybody[..] else { return Err("expected two people, found fewer".to_owned()) };
    let others = if in_room { everybody.len() - 1 } else { 1 };
    let mut shown = Vec::with_capacity(TEXTS * others);
    for _ in 0..TEXTS {
        let began = Instant::now();
        let micros = |at: Instant| (at - began).as_secs_f64() * 1e6;
        match in_room {
            true => town.say(speaker).await,
            false => {
                let to = town.who(host).to_string();
                let text = TEXT.to_owned();
                town.command(speaker, Command::Send { to, text, id: None, reply_to: None }).await;
            }
        }
        let (mut left, mut done) = (others, false);
        while left > 0 || !done {
            let Told { at, event, .. } = town.next().await?;
            match event {
                Event::RoomMessage { .. } | Event::Message { .. } => {
                    shown.push(micros(at));
                    left -= 1;
                }
                Event::RoomMessageState { delivered, missing, .. } => {
                    if let Some(missing) = missing.first() {
                        return Err(format!("a text did not reach {}: {}", missing.who, missing.reason));
                    }
                    done = delivered.len() == others;
                    acknowledged.extend(done.then(|| micros(at)));
                }
                Event::MessageState { state: messenger_engine::DeliveryState::Delivered, .. } => {
                    done = true;
                    acknowledged.push(micros(at));
                }
                _ => {}
            }
        }
    }
    Ok(median(shown))
}
