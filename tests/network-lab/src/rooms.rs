//! Four people in a room, each on a host of her own, and what becomes of it when the network between them fails
//! (docs/spec/rooms.md): the real programs, over real sockets.
//!
//! All hosts and the home server hang on one switch. Who cannot reach whom is a rule at both ends; who reaches nobody has a link
//! that is down.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::{Context, Failure};

use crate::namespace::Namespace;
use crate::world::{self, DIRECTORY_PORT, SERVER_NAME, SERVER_V4, World};

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;
/// The network of the switch, in which the home server is, too.
const NETWORK: &str = "203.0.113";
/// What takes longest: a minute without a quorum, and whatever comes before and after it.
const LONG: Duration = Duration::from_secs(120);

/// The table that says who is cut off from whom.
const CUTS: &str = "table inet cuts {
    set away { type ipv4_addr; }
    chain in { type filter hook input priority 0; ip saddr @away drop; }
    chain out { type filter hook output priority 0; ip daddr @away drop; }
}";

/// Somebody at her host.
struct Member {
    host: Namespace,
    /// The last number of her address.
    number: u8,
    address: String,
    messenger: Messenger,
}

/// Everybody, in the room. Programs end before the hosts that they run on.
struct Room {
    members: Vec<Member>,
    room: Value,
    texts: u64,
    server: Homeserver,
    _switch: Namespace,
    _place: Namespace,
}

/// What happens, and whether what must came of it.
type Scene = fn(&mut Room) -> Result<(), Failure>;

/// What is played, in order, in one room.
const SCENES: [(&str, Scene); 5] = [
    ("two members without a path to each other", without_a_path),
    ("the host is lost, and comes back", host_lost),
    ("two changes at once", changes_at_once),
    ("several change networks at once", networks_change),
    ("the room falls into halves, and heals", halves),
];

/// Plays all of them; calls `told` with the name of each and how long it took.
///
/// # Errors
/// Something else came of one.
pub fn survive(world: &World, mut told: impl FnMut(&str, Duration)) -> Result<(), Failure> {
    let mut room = Room::open(world)?;
    for (name, play) in SCENES {
        let began = Instant::now();
        play(&mut room).context(name)?;
        told(name, began.elapsed());
    }
    room.close()
}

/// The host's end of a new link to the switch, with this address.
fn join(switch: &Namespace, host: &Namespace, port: usize, address: &str) -> Result<(), Failure> {
    let (switch, name) = (switch.name(), host.name());
    world::ip(&format!("link add eth0 netns {name} type veth peer name port{port} netns {switch}"))?;
    host.ip(&format!("addr add {address}/24 dev eth0\nlink set eth0 up"))?;
    world::ip(&format!("-n {switch} link set port{port} master switch up"))
}

impl Room {
    /// Enrols everybody, has them all come into a room of alice's, and each hear a text.
    fn open(world: &World) -> Result<Self, Failure> {
        let switch = Namespace::host("switch")?;
        switch.ip("link add switch type bridge\nlink set switch up")?;
        let place = Namespace::host("homeserver")?;
        join(&switch, &place, NAMES.len(), SERVER_V4)?;
        let wrapper: Vec<String> = place.wrapper().map(str::to_owned).to_vec();
        let (folder, port) = (world.folder().join("server"), DIRECTORY_PORT.to_string());
        let options = ["--domain", SERVER_NAME, "--listen", "0.0.0.0", "--directory-port", &port];
        let server = Homeserver::start_with(&folder, Homeserver::command_under(&wrapper, &folder, &options)?)?;
        let mut members = Vec::new();
        for (at, name) in NAMES.into_iter().enumerate() {
            let host = Namespace::host(name)?;
            let number = 10 + u8::try_from(at).context("numbering hosts")?;
            join(&switch, &host, at, &format!("{NETWORK}.{number}"))?;
            host.rules(CUTS)?;
            let person = Person::new(world.folder(), &format!("{name}@example.org")).under(&host.wrapper());
            person.join(server.ready(), &server.outbox())?;
            let mut messenger = person.messenger()?;
            messenger.expect(&json!({ "event": "online" }))?;
            for other in NAMES.into_iter().filter(|other| *other != name) {
                messenger.tell(&json!({ "do": "add_contact", "who": format!("{other}@example.org") }))?;
            }
            members.push(Member { host, number, address: person.address().to_owned(), messenger });
        }
        let mut room = Self { members, room: Value::Null, texts: 0, server, _switch: switch, _place: place };
        room.gather()?;
        Ok(room)
    }

    fn gather(&mut self) -> Result<(), Failure> {
        for guest in [BOB, CAROL, DAVE] {
            let who = self.members[guest].address.clone();
            self.tells(ALICE).expect(&json!({ "event": "presence", "who": who, "online": true }))?;
        }
        self.tells(ALICE).tell(&json!({ "do": "room_create", "name": "harbour" }))?;
        self.room = self.tells(ALICE).expect(&json!({ "event": "room" }))?["room"].clone();
        for guest in [BOB, CAROL, DAVE] {
            let (room, who) = (self.room.clone(), self.members[guest].address.clone());
            self.tells(ALICE).tell(&json!({ "do": "room_invite", "room": room, "who": who }))?;
            self.tells(guest).expect(&json!({ "event": "room_invitation", "room": room }))?;
            self.tells(guest).tell(&json!({ "do": "room_accept", "room": room }))?;
            self.is_of(&[ALICE, guest], guest + 1)?;
        }
        let who = self.members[BOB].address.clone();
        let owner = json!({ "do": "room_role", "room": self.room, "who": who, "role": "owner" });
        self.tells(ALICE).tell(&owner)?;
        self.tells(BOB).expect(&json!({ "event": "room_changed", "what": "role", "who": who }))?;
        self.text(DAVE, &[ALICE, BOB, CAROL])
    }

    fn tells(&mut self, who: usize) -> &mut Messenger {
        &mut self.members[who].messenger
    }

    /// For each of these the room has so many members in the end, in one epoch under one host.
    fn is_of(&mut self, who: &[usize], members: usize) -> Result<(), Failure> {
        let room = self.room.clone();
        let until = Instant::now() + LONG;
        loop {
            let mut places = Vec::new();
            for one in who {
                let heard = self.tells(*one).heard();
                let last = heard.iter().rev().find(|event| {
                    let closed = event["event"] == "room_closed";
                    (event["event"] == "room" || closed) && event["room"] == room
                });
                places.push(last.map(|room| {
                    let count = room["members"].as_array().map_or(0, Vec::len);
                    (count, room["epoch"].clone(), room["code"].clone(), room["host"].clone())
                }));
            }
            let all_are = places.iter().all(|place| place == &places[0]);
            if all_are && places[0].as_ref().is_some_and(|place| place.0 == members) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Failure::new(format!("expected a room of {members} for {who:?}, found {places:?}")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A text of hers comes to the devices of these, and it is said so of each and of nobody else.
    fn text(&mut self, by: usize, to: &[usize]) -> Result<(), Failure> {
        self.texts += 1;
        let (room, id) = (self.room.clone(), self.texts);
        let text = format!("text {id}");
        self.tells(by).tell(&json!({ "do": "room_send", "room": room, "text": text, "id": id }))?;
        let count = to.len();
        let decided = |event: &Value| {
            let named = |member: &str| event[member].as_array().map_or(0, Vec::len);
            event["event"] == "room_message_state"
                && event["id"] == id
                && named("delivered") + named("missing") == count
        };
        let state = self.tells(by).expect_that("what became of a text", decided)?;
        if state["missing"].as_array().is_none_or(|missing| !missing.is_empty()) {
            return Err(Failure::new(format!("{} of {}: {state}", text, NAMES[by])));
        }
        for other in to {
            self.tells(*other).expect(&json!({ "event": "room_message", "text": text }))?;
        }
        Ok(())
    }

    /// These two do not reach each other, or do again.
    fn cut(&self, one: usize, other: usize, are: bool) -> Result<(), Failure> {
        let verb = if are { "add" } else { "delete" };
        for (at, from) in [(one, other), (other, one)] {
            let number = self.members[from].number;
            self.members[at].host.rules(&format!("{verb} element inet cuts away {{ {NETWORK}.{number} }}"))?;
        }
        Ok(())
    }

    /// Waits for something that may take longer than an event does otherwise.
    fn in_time(&mut self, who: usize, awaited: &str, fits: impl Fn(&Value) -> bool) -> Result<(), Failure> {
        let until = Instant::now() + LONG;
        while !self.tells(who).heard().iter().any(&fits) {
            if Instant::now() > until {
                return Err(Failure::new(format!("{} was not told {awaited}", NAMES[who])));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Nobody is told of anything before this any more.
    fn forget(&mut self) {
        self.members.iter_mut().for_each(|member| member.messenger.catch_up());
    }

    fn close(self) -> Result<(), Failure> {
        let Self { members, server, _switch, _place, .. } = self;
        let (hosts, messengers): (Vec<_>, Vec<_>) =
            members.into_iter().map(|member| (member.host, member.messenger)).unzip();
        for messenger in messengers {
            messenger.quit()?;
        }
        server.stop()?;
        drop(hosts);
        Ok(())
    }
}

/// who hears both carries what they say, and nobody leaves.
fn without_a_path(room: &mut Room) -> Result<(), Failure> {
    room.forget();
    room.cut(BOB, CAROL, true)?;
    room.tells(BOB).expect_that("that carol is reached by way of somebody", |event| {
        event["event"] == "room_via" && event["via"].as_array().is_some_and(|via| !via.is_empty())
    })?;
    room.text(BOB, &[ALICE, CAROL, DAVE])?;
    room.text(CAROL, &[ALICE, BOB, DAVE])?;
    // The members decide together all the same.
    let topic = json!({ "do": "room_topic", "room": room.room, "topic": "without a path" });
    room.tells(BOB).tell(&topic)?;
    for who in [ALICE, CAROL, DAVE] {
        room.tells(who).expect(&json!({ "event": "room_changed", "what": "topic", "topic": "without a path" }))?;
    }
    room.is_of(&[ALICE, BOB, CAROL, DAVE], 4)?;
    room.cut(BOB, CAROL, false)
}

/// another takes her place, and lets her in again.
fn host_lost(room: &mut Room) -> Result<(), Failure> {
    room.forget();
    room.members[ALICE].host.ip("link set eth0 down")?;
    room.is_of(&[BOB, CAROL, DAVE], 3)?;
    room.text(BOB, &[CAROL, DAVE])?;
    room.members[ALICE].host.ip("link set eth0 up")?;
    room.is_of(&[ALICE, BOB, CAROL, DAVE], 4)?;
    room.text(ALICE, &[BOB, CAROL, DAVE])
}

/// one is offered, and the other made anew for the epoch after it.
fn changes_at_once(room: &mut Room) -> Result<(), Failure> {
    room.forget();
    for (who, topic) in [(ALICE, "by alice"), (BOB, "by bob")] {
        let topic = json!({ "do": "room_topic", "room": room.room, "topic": topic });
        room.tells(who).tell(&topic)?;
    }
    for who in [CAROL, DAVE] {
        for topic in ["by alice", "by bob"] {
            room.tells(who).expect(&json!({ "event": "room_changed", "what": "topic", "topic": topic }))?;
        }
    }
    room.is_of(&[ALICE, BOB, CAROL, DAVE], 4)
}

/// Whoever changes networks stays a member.
fn networks_change(room: &mut Room) -> Result<(), Failure> {
    room.forget();
    let all = [ALICE, BOB, CAROL, DAVE];
    let left = |event: &&Value| event["event"] == "room_left" || event["event"] == "room_closed";
    let before = all.map(|who| room.tells(who).heard().iter().filter(left).count());
    for who in [CAROL, DAVE] {
        let Member { host, number, .. } = &mut room.members[who];
        host.ip(&format!("addr del {NETWORK}.{number}/24 dev eth0\naddr add {NETWORK}.{}/24 dev eth0", *number + 20))?;
        *number += 20;
    }
    room.text(ALICE, &[BOB, CAROL, DAVE])?;
    room.text(DAVE, &[ALICE, BOB, CAROL])?;
    let after = all.map(|who| room.tells(who).heard().iter().filter(left).count());
    if before == after { Ok(()) } else { Err(Failure::new("somebody was lost who changed networks")) }
}

/// the half with the lowest leaf goes on; the other is frozen, ends after a minute, and comes back.
fn halves(room: &mut Room) -> Result<(), Failure> {
    room.forget();
    let across = [(ALICE, CAROL), (ALICE, DAVE), (BOB, CAROL), (BOB, DAVE)];
    for (one, other) in across {
        room.cut(one, other, true)?;
    }
    room.is_of(&[ALICE, BOB], 2)?;
    room.text(ALICE, &[BOB])?;
    for who in [CAROL, DAVE] {
        room.in_time(who, "that most cannot be reached", |event| {
            event["event"] == "error" && event["message"].as_str().is_some_and(|message| message.contains("reached"))
        })?;
        let send = json!({ "do": "room_send", "room": room.room, "text": "anybody?" });
        room.tells(who).tell(&send)?;
        room.tells(who).expect(&json!({ "event": "error", "about": "room_send" }))?;
    }
    for who in [CAROL, DAVE] {
        room.in_time(who, "that the room has ended for her", |event| {
            let said = event["reason"].as_str().is_some_and(|reason| reason.contains("for a minute"));
            event["event"] == "room_closed" && said
        })?;
    }
    for (one, other) in across {
        room.cut(one, other, false)?;
    }
    room.is_of(&[ALICE, BOB, CAROL, DAVE], 4)?;
    room.text(CAROL, &[ALICE, BOB, DAVE])
}
