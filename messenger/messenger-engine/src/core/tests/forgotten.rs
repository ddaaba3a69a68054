//! Keys of past epochs are not only out of reach of the program, but nowhere in its memory: it is searched, as somebody would who
//! gets hold of it. Memory that is given back is wiped, as in the program ([`crate`]'s allocator in tests); on the stack the next
//! calls overwrite what the last ones left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use serde_json::Value;

use super::world::World;
use crate::api::{Command, RoomId};
use crate::room::PAST_EPOCH_LIFE;

/// What is looked for must not lie there by being looked for: it is kept like this.
const MASK: u8 = 0xa5;
/// How much of the writing of a key is looked for: 16 numbers.
const WRITTEN: usize = 16;
/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// A key, as bytes and as openmls' store writes it, both masked; its place in the store, for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Needle {
    forms: [Vec<u8>; 2],
    place: String,
}

fn masked(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().for_each(|byte| *byte ^= MASK);
    bytes
}

/// All keys that a member's group has now.
#[inline(never)]
fn keys(world: &mut World, name: &str, room: RoomId) -> BTreeSet<Needle> {
    let mut needles = BTreeSet::new();
    for (key, value) in world.core(name).inside(room).unwrap().group.stored() {
        let label =
            ["MessageSecrets", "EpochSecrets", "EpochKeyPairs"].into_iter().find(|l| key.starts_with(l.as_bytes()));
        if let Some(label) = label {
            collect(&serde_json::from_slice(&value).unwrap(), label.to_owned(), &mut needles);
        }
    }
    needles
}

/// Every string of bytes that is as long as a key, but for public ones.
fn collect(value: &Value, place: String, needles: &mut BTreeSet<Needle>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !name.contains("public")) {
                collect(value, format!("{place}.{name}"), needles);
            }
        }
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> = items.iter().map(|item| item.as_u64()?.try_into().ok()).collect();
            match bytes {
                Some(bytes) if (32..=64).contains(&bytes.len()) => {
                    let written: Vec<String> = bytes.iter().take(WRITTEN).map(ToString::to_string).collect();
                    let forms = [masked(bytes), masked(written.join(",").into_bytes())];
                    needles.insert(Needle { forms, place });
                }
                Some(_) => {}
                None => items.iter().for_each(|item| collect(item, place.clone(), needles)),
            }
        }
        _ => {}
    }
}

/// Which of them lie somewhere in what this process can write to, and where.
#[inline(never)]
fn found(needles: &BTreeSet<Needle>) -> BTreeMap<&Needle, String> {
    let mut begins: Vec<Vec<(&Needle, &[u8])>> = vec![Vec::new(); 1 << 16];
    for needle in needles {
        for form in &needle.forms {
            begins[usize::from(u16::from_be_bytes([form[0], form[1]]))].push((needle, form));
        }
    }
    let longest = needles.iter().flat_map(|needle| &needle.forms).map(Vec::len).max().unwrap_or(0);
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let (mut found, mut chunk) = (BTreeMap::new(), vec![0; CHUNK + longest]);
    for map in maps.lines().filter(|map| map.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (from, to) = map.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let wanted = chunk.len().min(usize::try_from(to - at).unwrap());
            // Other tests give memory back meanwhile.
            let Ok(read) = memory.read_at(&mut chunk[..wanted], at) else { break };
            chunk.iter_mut().for_each(|byte| *byte ^= MASK);
            for (place, begin) in chunk[..read].windows(2).enumerate() {
                for (needle, form) in &begins[usize::from(u16::from_be_bytes([begin[0], begin[1]]))] {
                    if chunk[place..read].starts_with(form) {
                        let below = to - at - place as u64;
                        found.insert(
                            *needle,
                            format!("{} as {} bytes, {below} below the end of {map}", needle.place, form.len()),
                        );
                    }
                }
            }
            at += CHUNK as u64;
        }
    }
    found
}

/// What the last calls left on the stack, the next ones overwrite: these do, for as deep as any of them went.
#[inline(never)]
fn go_on_with_something_else(depth: u32) -> u64 {
    let page = std::hint::black_box([depth as u8; 4096]);
    let below = if depth == 0 { 0 } else { go_on_with_something_else(depth - 1) };
    below + u64::from(std::hint::black_box(&page)[depth as usize % page.len()])
}

#[test]
fn the_keys_of_a_past_epoch_are_nowhere_in_memory_when_their_time_is_over() {
    const ALL: [&str; 3] = ["alice", "bob", "carol"];
    crate::room::watch::begin();
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.pass(Duration::from_secs(12));
    for name in ALL {
        world.command(name, Command::RoomSend { room, text: format!("by {name}"), id: None, reply_to: None });
    }
    let of_all =
        |world: &mut World| -> BTreeSet<Needle> { ALL.iter().flat_map(|name| keys(world, name, room)).collect() };
    let before = of_all(&mut world);
    let there = found(&before);
    let hidden: Vec<&str> =
        before.iter().filter(|needle| !there.contains_key(needle)).map(|needle| &needle.place[..]).collect();
    assert!(before.len() > 20 && hidden.is_empty(), "the search finds what is there: {hidden:?}");

    world.command("alice", Command::RoomTopic { room, topic: "tea".to_owned() });
    world.pass(Duration::from_secs(1));
    let after = of_all(&mut world);
    let past: BTreeSet<Needle> = before.difference(&after).cloned().collect();
    assert!(past.len() > 10, "an epoch has other keys: {}", past.len());
    world.pass(PAST_EPOCH_LIFE + Duration::from_secs(1));
    let kept = of_all(&mut world);
    let past: BTreeSet<Needle> = before.difference(&kept).cloned().collect();
    go_on_with_something_else(100);
    let left = found(&past);
    assert!(left.is_empty(), "of {} keys: {:?}", past.len(), left.values());

    for name in ALL {
        world.command(name, Command::RoomLeave { room });
    }
    world.pass(Duration::from_secs(15));
    go_on_with_something_else(100);
    let all: BTreeSet<Needle> = kept.union(&past).cloned().collect();
    let left = found(&all);
    assert!(left.is_empty(), "whoever has left keeps nothing: {:?}", left.values());
}
