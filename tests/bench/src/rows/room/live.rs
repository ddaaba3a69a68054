//! Rooms as people meet them: whole engines, connections and a directory, by the clock on the wall.

use std::time::{Duration, Instant};

use messenger_engine::{Command, Event, room::MAX_MEMBERS};
use tokio::runtime::Runtime;

use super::super::message::TEXT;
use super::bare::Bare;
use super::town::{Entry, Told, Town};
use super::{Device, LARGEST};
use crate::measure::{Pair, Part, Scale, median, paired};

/// In rooms of these sizes, she among them, somebody enters.
const SIZES: [usize; 3] = [10, 20, MAX_MEMBERS];
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
    let mut parts = Vec::new();
    let mut pair = Pair::new(f64::NAN, f64::NAN);
    runtime.block_on(async {
        let mut town = Town::new(runtime.handle()).await;
        for size in SIZES {
            town.grow(size - 1, runtime.handle()).await;
            let mut entries = Vec::new();
            for _ in 0..ENTRIES * scale.factor {
                let guest = town.come(runtime.handle()).await;
                entries.push(town.enter(guest).await);
                town.leave(guest).await;
            }
            let times = entries.len() as f64;
            let part = |name: &str, of: fn(&Entry) -> Duration| {
                let figure = median(entries.iter().map(|entry| of(entry).as_secs_f64() * 1e3).collect());
                Part { name: format!("{size} members: {name}"), figure, unit: "ms", times }
            };
            pair.figure = part("", |entry| entry.inside).figure;
            parts.extend([
                part("until she is in", |entry| entry.inside),
                part("until all others know", |entry| entry.known),
                part("until all have her first text", |entry| entry.heard),
            ]);
        }
        pair.baseline = bare(&town, ENTRIES * scale.factor);
    });
    let note = format!("the baseline is openmls for all members, one after another, without a network; {LARGEST}");
    Pair { parts, ..pair }.noted(note)
}

/// Milliseconds for an entry by openmls, at all members one after another.
fn bare(town: &Town, entries: usize) -> f64 {
    let device = |number| Device::new(&town.authority, 1000 + number);
    let mut bare = Bare::new(&town.authority, (1..MAX_MEMBERS).map(device).collect());
    let times = (0..entries).map(|number| {
        let guest = device(MAX_MEMBERS + number);
        let began = Instant::now();
        bare.enter(guest);
        let took = began.elapsed();
        bare.leave();
        took.as_secs_f64() * 1e3
    });
    median(times.collect())
}

/// Microseconds from somebody's word until another member is shown it, beside the same with one person alone, at the same
/// devices. All of them share this machine's processors, and each opens the text for itself.
pub(crate) fn message(runtime: &Runtime, scale: Scale) -> Pair {
    let town = runtime.block_on(async {
        let mut town = Town::new(runtime.handle()).await;
        town.grow(TALKING, runtime.handle()).await;
        acquaint(&mut town).await;
        town
    });
    let town = std::cell::RefCell::new(town);
    let mut acknowledged = [Vec::new(), Vec::new()];
    let [by_all, by_one] = acknowledged.each_mut();
    let pair = paired(
        ROUNDS * scale.factor,
        || runtime.block_on(said(&mut town.borrow_mut(), true, by_all)),
        || runtime.block_on(said(&mut town.borrow_mut(), false, by_one)),
    );
    let [all, one] = acknowledged.map(median);
    let others = TALKING - 1;
    pair.noted(format!(
        "all {others} had acknowledged it after {all:.0} µs, the one after {one:.0}; on this one machine"
    ))
}

/// Who speaks is a contact of the host, who would be asked whether to talk to her otherwise, and they have talked.
async fn acquaint(town: &mut Town) {
    let everybody = town.everybody();
    let [host, .., speaker] = everybody[..] else { return };
    let speaker = town.who(speaker).clone();
    town.command(host, Command::AddContact { who: speaker.to_string() }).await;
    let seen = |told: &Told| match &told.event {
        Event::Presence { who, online: true, .. } if told.who == host && *who == speaker => Some(()),
        _ => None,
    };
    town.until("the speaker's presence", seen).await;
    said(town, false, &mut Vec::new()).await;
}

/// The median over texts and those who are shown them. When all had acknowledged each is put beside it.
async fn said(town: &mut Town, in_room: bool, acknowledged: &mut Vec<f64>) -> f64 {
    let everybody = town.everybody();
    let [host, .., speaker] = everybody[..] else { return f64::NAN };
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
            let Told { at, event, .. } = town.next().await;
            match event {
                Event::RoomMessage { .. } | Event::Message { .. } => {
                    shown.push(micros(at));
                    left -= 1;
                }
                Event::RoomMessageState { delivered, missing, .. } => {
                    assert!(missing.is_empty(), "a text was not delivered: {:?}", missing[0].reason);
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
    median(shown)
}
