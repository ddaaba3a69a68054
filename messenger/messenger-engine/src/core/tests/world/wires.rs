//! The wires: what joins two devices, what goes over it, and what becomes of it.

use std::collections::VecDeque;

use crate::api::CallId;
use crate::core::{ConnectionId, Core, Loss};
use crate::session::Exported;
use crate::time::Now;
use crate::wire::{Channel, RoomFrame, TalkFrame, body_length, decode};

use super::World;

/// Changes a Hello on its way.
pub(in crate::core::tests) type Meddle = Box<dyn FnMut(&mut TalkFrame)>;

pub(super) struct Wire {
    pub(super) ends: [(String, ConnectionId); 2],
    /// Frames from either end are lost while set.
    pub(super) stalled: bool,
    /// Packets come all the same.
    pub(super) alive: bool,
    /// The end whose frames alone are lost.
    pub(super) mute: Option<String>,
}

/// What both ends of a connection export.
pub(in crate::core::tests) fn exported(dialler: ConnectionId) -> Exported {
    let fresh = |of: u8| {
        let mut secret = [of; 32];
        secret[..8].copy_from_slice(&dialler.to_be_bytes());
        secret
    };
    Exported { session: fresh(1), resumption: fresh(2) }
}

impl World {
    /// Dials take their time from now on.
    pub(in crate::core::tests) fn hold_dials(&mut self) {
        self.dials = Some(Vec::new());
    }

    /// Those under way reach whom they dialled; returns how many there were.
    pub(in crate::core::tests) fn release_dials(&mut self) -> usize {
        let dials = self.dials.take().unwrap();
        for (call, from, to) in &dials {
            self.connect(*call, from, to);
        }
        self.settle();
        dials.len()
    }

    /// Frames between the two are lost until the wire is cut.
    pub(in crate::core::tests) fn stall(&mut self, a: &str, b: &str) {
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.stalled = true);
    }

    /// What the second says to the first is lost until the wire is cut.
    pub(in crate::core::tests) fn be_unanswered(&mut self, asks: &str, answers: &str) {
        let theirs = self.wires.iter_mut().filter(|wire| joins(wire, asks, answers));
        theirs.for_each(|wire| wire.mute = Some(answers.to_owned()));
    }

    /// Their devices stay connected, and their programs take nothing more.
    pub(in crate::core::tests) fn be_deaf(&mut self, a: &str, b: &str) {
        self.stall(a, b);
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.alive = true);
    }

    /// Nothing has come on the connections between the two for 15 s.
    pub(in crate::core::tests) fn fall_silent(&mut self, a: &str, b: &str) {
        self.stall(a, b);
        self.each_end(a, b, |core, connection, now| core.silent(connection, now));
    }

    /// Something comes again.
    pub(in crate::core::tests) fn be_heard(&mut self, a: &str, b: &str) {
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.stalled = false);
        self.each_end(a, b, |core, connection, now| core.heard(connection, now));
    }

    fn each_end(&mut self, a: &str, b: &str, act: impl Fn(&mut Core, ConnectionId, Now)) {
        let now = self.now();
        let ends: Vec<(String, ConnectionId)> =
            self.wires.iter().filter(|wire| joins(wire, a, b)).flat_map(|wire| wire.ends.clone()).collect();
        for (name, connection) in ends {
            act(&mut self.node(&name).core, connection, now);
        }
        self.settle();
    }

    /// The two can make no connection to each other from now on; those that stand end.
    pub(in crate::core::tests) fn part(&mut self, a: &str, b: &str) {
        self.apart.insert([a.into(), b.into()]);
        self.end(a, b);
    }

    /// A connection can come about again between two who were parted.
    pub(in crate::core::tests) fn join(&mut self, a: &str, b: &str) {
        self.apart.retain(|pair| !pair.iter().all(|name| name == a || name == b));
    }

    pub(super) fn are_apart(&self, a: &str, b: &str) -> bool {
        self.apart.iter().any(|pair| pair.iter().all(|name| name == a || name == b))
    }

    fn is_anothers_letter(&self, name: &str, bytes: &[u8]) -> bool {
        let own = self.person(name).device.0;
        match decode::<RoomFrame>(&bytes[4..]) {
            Ok(Some(RoomFrame::Pass { letter, .. })) => letter.from != own,
            Ok(Some(RoomFrame::Spread { circular, .. })) => circular.from != own,
            _ => false,
        }
    }

    /// The connections between the two break.
    pub(in crate::core::tests) fn cut(&mut self, a: &str, b: &str) {
        self.lose(a, b, Loss::Broken);
    }

    /// The connections between the two end, and with them what they carry.
    pub(in crate::core::tests) fn end(&mut self, a: &str, b: &str) {
        self.lose(a, b, Loss::Ended);
    }

    fn lose(&mut self, a: &str, b: &str, loss: Loss) {
        let now = self.now();
        let (cut, kept): (Vec<Wire>, Vec<Wire>) =
            std::mem::take(&mut self.wires).into_iter().partition(|wire| joins(wire, a, b));
        self.wires = kept;
        for (name, connection) in cut.into_iter().flat_map(|wire| wire.ends) {
            self.core(&name).disconnected(connection, loss, "timed out", now);
        }
        self.settle();
    }

    pub(in crate::core::tests) fn wires(&self, a: &str, b: &str) -> usize {
        self.wires.iter().filter(|wire| joins(wire, a, b)).count()
    }

    /// Frames of rooms take their time from now on, or no longer; those under way arrive then.
    pub(in crate::core::tests) fn slow_down(&mut self, slow: bool) {
        let under_way = std::mem::replace(&mut self.slow, slow.then(VecDeque::new));
        for (name, connection, bytes) in under_way.into_iter().flatten() {
            self.arrive(&name, connection, &bytes);
        }
        self.settle();
    }

    /// Of the connections on which something is under way, the first frame on this one arrives. Frames on one connection
    /// do not overtake each other; those on different ones do.
    pub(in crate::core::tests) fn let_arrive(&mut self, number: usize) {
        let Some(slow) = &mut self.slow else { return };
        let mut ends: Vec<(String, ConnectionId)> = Vec::new();
        for (name, connection, _) in slow.iter() {
            if !ends.contains(&(name.clone(), *connection)) {
                ends.push((name.clone(), *connection));
            }
        }
        if ends.is_empty() {
            return;
        }
        let (name, connection) = ends.swap_remove(number % ends.len());
        let first = slow.iter().position(|(to, on, _)| (to, *on) == (&name, connection));
        if let Some((_, _, bytes)) = first.and_then(|first| slow.remove(first)) {
            self.arrive(&name, connection, &bytes);
            self.settle();
        }
    }

    /// What was under way on a connection that is no more is lost.
    fn arrive(&mut self, name: &str, connection: ConnectionId, bytes: &[u8]) {
        let now = self.now();
        let end = (name.to_owned(), connection);
        if self.wires.iter().any(|wire| wire.ends.contains(&end) && !wire.stalled) {
            self.core(name).room_frame(connection, decode::<RoomFrame>(&bytes[4..]).unwrap().unwrap(), now);
        }
    }

    /// Somebody puts a frame on the wire by hand.
    pub(in crate::core::tests) fn inject(&mut self, from: &str, to: &str, frame: RoomFrame) {
        let now = self.now();
        let wire = self.wires.iter().find(|wire| joins(wire, from, to)).unwrap();
        let sender = wire.ends.iter().find(|end| end.0 == from).unwrap().1;
        let session = wire.ends.iter().find(|end| end.0 == to).unwrap().1;
        self.core(from).count_room_frame(sender);
        self.core(to).room_frame(session, frame, now);
        self.settle();
    }

    pub(in crate::core::tests) fn inject_talk(&mut self, from: &str, to: &str, frame: TalkFrame) {
        let now = self.now();
        let wire = self.wires.iter().find(|wire| joins(wire, from, to)).unwrap();
        let session = wire.ends.iter().find(|end| end.0 == to).unwrap().1;
        self.core(to).talk_frame(session, frame, now);
        self.settle();
    }

    pub(super) fn connect(&mut self, call: CallId, from: &str, to: &str) {
        let now = self.now();
        let (dialler, listener) = (self.next_connection, self.next_connection + 1);
        self.next_connection += 2;
        self.wires.push(Wire {
            ends: [(from.into(), dialler), (to.into(), listener)],
            stalled: false,
            alive: false,
            mute: None,
        });
        let (caller, callee) = (self.person(from), self.person(to));
        let exported = exported(dialler);
        self.core(to).connected(listener, caller, exported.clone(), None, now);
        self.core(from).connected(dialler, callee, exported, Some(call), now);
    }

    /// Frames go out, one after another.
    pub(super) fn transmit(&mut self, name: &str, connection: ConnectionId, channel: Channel, mut bytes: &[u8]) {
        while let Some(prefix) = bytes.first_chunk::<4>() {
            let (frame, rest) = bytes.split_at(4 + body_length(*prefix, channel).unwrap());
            self.transmit_one(name, connection, channel, frame);
            bytes = rest;
        }
    }

    fn transmit_one(&mut self, name: &str, connection: ConnectionId, channel: Channel, bytes: &[u8]) {
        let now = self.now();
        if channel == Channel::Rooms && self.carries_nothing.contains(name) && self.is_anothers_letter(name, bytes) {
            return;
        }
        self.tapped.push((name.to_owned(), channel, bytes.to_vec()));
        let end = (name.to_owned(), connection);
        let Some(wire) = self.wires.iter().find(|wire| wire.ends.contains(&end)) else { return };
        if wire.stalled || wire.mute.as_deref() == Some(name) {
            return;
        }
        let (other, session) = wire.ends.iter().find(|e| **e != end).unwrap().clone();
        match channel {
            Channel::Talk => {
                let mut frame = decode::<TalkFrame>(&bytes[4..]).unwrap().unwrap();
                if matches!(frame, TalkFrame::Hello { .. }) && self.hellos_lost.contains(name) {
                    return;
                }
                if let (TalkFrame::Hello { .. }, Some(meddle)) = (&frame, self.meddling.get_mut(name)) {
                    meddle(&mut frame);
                }
                self.core(&other).talk_frame(session, frame, now);
            }
            Channel::Files => unreachable!("the core asks for streams of files, and sends none"),
            Channel::Rooms if self.slow.is_some() => {
                self.slow.iter_mut().for_each(|slow| slow.push_back((other.clone(), session, bytes.to_vec())));
            }
            Channel::Rooms => {
                self.core(&other).room_frame(session, decode::<RoomFrame>(&bytes[4..]).unwrap().unwrap(), now);
            }
        }
    }
}

fn joins(wire: &Wire, a: &str, b: &str) -> bool {
    wire.ends.iter().all(|(name, _)| name == a || name == b)
}
