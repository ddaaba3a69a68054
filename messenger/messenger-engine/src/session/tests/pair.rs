//! A model of two sides and all the connections there ever were between them: everything can arrive, late or never.

use std::collections::VecDeque;

use super::*;
use crate::wire::capability::{MARKS, RESUME};

/// What goes over a connection.
enum Carried {
    Hello(Progress),
    Talk(TalkFrame),
}

/// A connection between side 0 and side 1; each channel is a queue toward each side.
#[derive(Default)]
struct Wire {
    talk: [VecDeque<Carried>; 2],
    rooms: [VecDeque<Vec<u8>>; 2],
    /// What the dialler, who is this side, has told.
    told: Option<(usize, Progress)>,
    /// Sides that take nothing from it any more.
    left: [bool; 2],
}

/// Texts and marks, which share their numbers.
fn content(id: u64) -> Content {
    if id.is_multiple_of(3) { Content::Mark { id, mark: Mark::Nudge } } else { text(id) }
}

pub(super) struct Side {
    pub(super) session: Session<u64>,
    /// The wire it sends on and reads from.
    wire: Option<usize>,
    sent: u64,
    sent_rooms: u64,
    heard: Vec<u64>,
    pub(super) heard_rooms: Vec<u64>,
    taken: Vec<u64>,
}

/// Two sides and all the connections there ever were.
pub(super) struct Pair {
    pub(super) sides: [Side; 2],
    wires: Vec<Wire>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let (a, b) = pair_of(3 | RESUME | MARKS);
        let side = |session| Side {
            session,
            wire: Some(0),
            sent: 0,
            sent_rooms: 0,
            heard: Vec::new(),
            heard_rooms: Vec::new(),
            taken: Vec::new(),
        };
        Self { sides: [side(a), side(b)], wires: vec![Wire::default()] }
    }

    pub(super) fn send(&mut self, from: usize) {
        let side = &mut self.sides[from];
        if side.session.send(content(side.sent + 1), side.sent + 1).is_ok() {
            side.sent += 1;
        }
        self.flush(from);
    }

    pub(super) fn send_room(&mut self, from: usize) {
        let side = &mut self.sides[from];
        side.sent_rooms += 1;
        let bytes = side.sent_rooms.to_be_bytes().to_vec();
        assert!(side.session.room_frame_sent(&bytes));
        if let Some(wire) = side.wire {
            self.wires[wire].rooms[1 - from].push_back(bytes);
        }
    }

    /// How many connections there were.
    pub(super) fn count(&self) -> usize {
        self.wires.len()
    }

    fn flush(&mut self, from: usize) {
        let side = &mut self.sides[from];
        let frames = side.session.frames();
        if let Some(wire) = side.wire {
            self.wires[wire].talk[1 - from].extend(frames.into_iter().map(Carried::Talk));
        } else {
            assert!(frames.is_empty(), "nothing goes out without a connection");
        }
    }

    /// Dials; the old connection stands.
    pub(super) fn dial(&mut self, from: usize) {
        self.leave(from, None);
        let side = &mut self.sides[from];
        let told = side.session.progress();
        side.session.set_moving(true);
        let mut wire = Wire { told: Some((from, told)), ..Wire::default() };
        wire.talk[1 - from].push_back(Carried::Hello(told));
        self.wires.push(wire);
    }

    /// A side goes on on `wire`, or on one that it dials anew: what it has dialled besides, it leaves.
    fn leave(&mut self, side: usize, wire: Option<usize>) {
        let here = self.sides[side].wire;
        for (index, other) in self.wires.iter_mut().enumerate() {
            let dialled = other.told.is_some_and(|(dialler, _)| dialler == side);
            if dialled && Some(index) != wire && Some(index) != here {
                other.left[side] = true;
            }
        }
    }

    /// A connection breaks; what is under way on it is lost.
    pub(super) fn cut(&mut self, wire: usize) {
        let Some(cut) = self.wires.get_mut(wire) else { return };
        *cut = Wire { left: [true; 2], ..Wire::default() };
        for side in &mut self.sides {
            if side.wire == Some(wire) {
                side.wire = None;
                side.session.pause();
            }
        }
    }

    /// One frame of a connection arrives.
    pub(super) fn deliver(&mut self, wire: usize, to: usize, rooms: bool) -> bool {
        let Some(carrier) = self.wires.get_mut(wire) else { return false };
        let here = self.sides[to].wire == Some(wire);
        if carrier.left[to] {
            return carrier.talk[to].pop_front().is_some() || carrier.rooms[to].pop_front().is_some();
        }
        if rooms {
            // Before the Hello they wait, however many they are; of a connection that it left nothing is taken.
            let dialling = carrier.told.is_some_and(|(dialler, _)| dialler == to);
            if !here && dialling {
                return false;
            }
            let Some(bytes) = carrier.rooms[to].pop_front() else { return false };
            if here {
                let side = &mut self.sides[to];
                if side.session.room_frame_came() {
                    side.heard_rooms.push(u64::from_be_bytes(bytes.try_into().unwrap()));
                }
                self.flush(to);
            }
            return true;
        }
        match carrier.talk[to].pop_front() {
            None => return false,
            Some(Carried::Hello(theirs)) => self.go_on(wire, to, &theirs),
            Some(Carried::Talk(frame)) if here => self.take(to, frame),
            Some(Carried::Talk(_)) => {}
        }
        true
    }

    fn go_on(&mut self, wire: usize, to: usize, theirs: &Progress) {
        let dialled = self.wires[wire].told.filter(|(dialler, _)| *dialler == to);
        let side = &mut self.sides[to];
        let told = dialled.map_or_else(|| side.session.progress(), |(_, told)| told);
        let rooms = side.session.resume(&told, theirs).unwrap();
        if let Some(before) = side.wire.replace(wire) {
            self.wires[before].left[to] |= before != wire;
        }
        self.leave(to, Some(wire));
        if dialled.is_none() {
            self.wires[wire].talk[1 - to].push_back(Carried::Hello(told));
        }
        self.wires[wire].rooms[1 - to].extend(rooms);
        self.flush(to);
    }

    fn take(&mut self, to: usize, frame: TalkFrame) {
        let side = &mut self.sides[to];
        for arrival in receive(&mut side.session, frame).unwrap() {
            match arrival {
                Arrival::Content { number, content: Content::Text { id, .. } | Content::Mark { id, .. } } => {
                    side.heard.push(id);
                    if id % 7 == 0 { side.session.refuse(number, "no") } else { side.session.acknowledge(number) }
                }
                Arrival::Taken(token) => {
                    assert_ne!(token % 7, 0);
                    side.taken.push(token);
                }
                Arrival::Refused(token, reason) => {
                    assert_eq!((token % 7, reason.as_str()), (0, "no"));
                    side.taken.push(token);
                }
                _ => panic!("something else came"),
            }
        }
        self.flush(to);
    }

    /// A last connection, on which nothing is lost; whoever holds the session says what she has to.
    pub(super) fn settle(&mut self) {
        (0..self.wires.len()).for_each(|wire| self.cut(wire));
        self.dial(0);
        let last = self.wires.len() - 1;
        while [(0, false), (0, true), (1, false), (1, true)].iter().any(|(to, rooms)| self.deliver(last, *to, *rooms)) {
        }
    }

    pub(super) fn check(&self) {
        for from in [0, 1] {
            let (me, other) = (&self.sides[from], &self.sides[1 - from]);
            assert_eq!(other.heard, (1..=me.sent).collect::<Vec<_>>(), "texts, once and in order");
            assert_eq!(other.heard_rooms, (1..=me.sent_rooms).collect::<Vec<_>>(), "room frames, once and in order");
            let mut taken = me.taken.clone();
            taken.sort_unstable();
            assert_eq!(taken, (1..=me.sent).collect::<Vec<_>>(), "each is answered once");
            assert!(me.session.is_quiet());
        }
    }
}
