//! A day, compressed: people talk, lose each other and come back, rooms open and close, strangers knock and are gone. Whenever
//! everybody rests, nothing is left of it but what is remembered for a purpose, and that has a bound.

use std::time::Duration;

use super::world::{World, address};
use crate::api::{Command, Event, TransferId};
use crate::core::Core;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const HOURS: u32 = 24;
/// In each of which something happens, and then nothing until the next one begins.
const SLOTS: u32 = 12;
const SLOT: Duration = Duration::from_secs(300);

/// How many things an engine holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Which are under way: they end.
    under_way: usize,
    /// Whom the person knows.
    people: usize,
    /// Devices, people and ids that are remembered.
    remembered: [usize; 3],
}

impl Held {
    /// Every field of the core is named: whoever adds one says here what becomes of it.
    fn by(core: &Core) -> Self {
        let Core {
            me: _,
            endorsements: _,
            mail: _,
            run: _,
            credentials: _,
            draw: _,
            presence: _,
            settings,
            idle: _,
            contacts,
            calls,
            links,
            sessions,
            carried,
            candidates,
            clock: _,
            seen,
            untaken,
            heard,
            nudged,
            said_elsewhere,
            at,
            rooms,
            mesh,
            used_ids,
            files,
            told_offline: _,
            refusals,
            gossip: _,
            reintroduction: _,
            actions,
            unsent,
            told,
            arrivals,
            histories,
        } = core;
        let sessions = calls.len() + links.len() + sessions.len() + carried.len() + candidates.len();
        let others = at.len() + untaken.len() + rooms.len() + mesh.len() + files.len() + actions.len();
        let going_out = unsent.len() + told.len() + arrivals.len();
        let named = settings.blocked.len() + settings.ask_first.len() + refusals.len();
        Self {
            under_way: sessions + others + going_out,
            people: contacts.len() + nudged.len() + said_elsewhere.len() + named + histories.len(),
            remembered: [seen.len(), heard.len(), used_ids.len()],
        }
    }
}

fn send(world: &mut World, from: &str, to: &str) {
    world.command(from, Command::Send { to: address(to), text: "hello".into(), id: None, reply_to: None });
}

/// A number for what somebody offers in this slot.
fn transfer(slot: u32, from: &str) -> TransferId {
    let mut id = [from.as_bytes()[0]; 16];
    id[..4].copy_from_slice(&slot.to_be_bytes());
    TransferId(id)
}

/// Texts, marks, files, and what goes wrong with connections and directories.
fn talk(world: &mut World, slot: u32) {
    for (from, to) in [("alice", "bob"), ("bob", "carol"), ("carol", "alice")] {
        world.command(from, Command::Typing { to: address(to), typing: true });
        send(world, from, to);
        let transfer = transfer(slot, from);
        world.command(
            from,
            Command::FileOffer {
                to: address(to),
                path: "/tea".into(),
                transfer: Some(transfer),
                device: None,
                media_type: None,
            },
        );
        world.command(to, Command::FileAccept { transfer, into: "/tmp".into() });
        world.command(from, Command::Typing { to: address(to), typing: true });
        world.command(from, Command::Nudge { to: address(to), id: None });
        world.pass(Duration::from_secs(1));
        match slot % 4 {
            0 => world.cut(from, to),
            1 => world.end(from, to),
            2 => world.lose_directory(from),
            _ => world.fall_silent(from, to),
        }
        send(world, to, from);
        world.pass(Duration::from_secs(2));
        if slot % 4 == 2 {
            world.go_online(from);
        }
        send(world, to, from);
        world.command(from, Command::FileCancel { transfer });
    }
}

/// Somebody whom nobody knows calls, is let in or not, is asked into a room, and is never seen again.
fn knock(world: &mut World, number: u32) {
    let guest = format!("guest{number}");
    world.add(&guest, vec![address("alice").parse().unwrap()]);
    world.go_online(&guest);
    send(world, &guest, "alice");
    let calls = world.events("alice").into_iter().filter_map(|event| match event {
        Event::Incoming { call, .. } => Some(call),
        _ => None,
    });
    for call in calls.collect::<Vec<_>>() {
        let accept = number.is_multiple_of(2);
        world.command("alice", if accept { Command::Accept { call } } else { Command::Decline { call } });
    }
    world.pass(Duration::from_secs(1));
    send(world, &guest, "alice");
    world.leave(&guest);
}

#[test]
fn nothing_is_left_of_a_day_but_what_has_a_bound() {
    let mut world = World::of(&PEOPLE);
    let strangers = HOURS * SLOTS;
    for slot in 0..strangers {
        talk(&mut world, slot);
        assert!(PEOPLE.iter().all(|name| Held::by(world.core_of(name)).under_way > 0), "in slot {slot} nobody talks");
        knock(&mut world, slot);
        if slot.is_multiple_of(SLOTS) {
            let room = world.room(&PEOPLE);
            world.command("bob", Command::RoomSend { room, text: "tea?".into(), id: None, reply_to: None });
            for name in PEOPLE {
                world.command(name, Command::RoomLeave { room });
                world.pass(Duration::from_secs(1));
            }
        }
        world.pass(SLOT);
        for name in PEOPLE {
            let held = Held::by(world.core_of(name));
            assert_eq!(held.under_way, 0, "{name} in slot {slot}: {held:?}");
            // Two contacts, and who of them nudged last.
            assert!(held.people <= 4, "{name} in slot {slot}: {held:?}");
            let [devices, people, ids] = held.remembered;
            let knocked = if name == "alice" { slot as usize + 1 } else { 0 };
            assert!(devices <= (2 + knocked).min(512), "{name} in slot {slot}: {held:?}");
            assert!(people <= (2 + knocked).min(256), "{name} in slot {slot}: {held:?}");
            assert!(ids <= 65_536, "{name} in slot {slot}: {held:?}");
        }
        world.forget_all();
    }
    let [devices, people, _] = Held::by(world.core_of("alice")).remembered;
    assert!(people > 100 && devices > 100, "of {strangers} strangers half were let in, and wrote");
}
