//! Four people in a room, each on a host of her own, and what becomes of it when the network between them fails, or a program
//! stands still, or a certificate ends (docs/spec/rooms.md): the real programs, over real sockets.
//!
//! All hosts and the home server hang on one switch. Who cannot reach whom is a rule at both ends; who reaches nobody has a link
//! that is down; who is slow hangs on a switch of her own, at the end of a long [`mod@crate::line`].
//! What is played stands in files of its own.

mod apart;
mod ending;
mod networks;
mod slow;

use std::path::Path;
use std::time::{Duration, Instant};

use ending::Past;
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
const ALL: [usize; 4] = [ALICE, BOB, CAROL, DAVE];
/// The network of the switch, in which the home server is, too.
const NETWORK: &str = "203.0.113";
/// What is said where nobody hears it.
const ANYBODY: &str = "anybody?";
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
    person: Person,
    messenger: Messenger,
}

/// Everybody, in the room. Programs end before the hosts that they run on.
struct Room {
    members: Vec<Member>,
    room: Value,
    texts: u64,
    server: Homeserver,
    switch: Namespace,
    _place: Namespace,
}

/// How the room is, as somebody was told last: how many are in it, its epoch, its code, and its host.
type Place = (usize, Value, Value, Value);

/// What happens, and whether what must came of it.
type Scene = fn(&mut Room) -> Result<(), Failure>;

/// What is played, in order, in one room.
const SCENES: [(&str, Scene); 10] = [
    ("two members without a path to each other", networks::without_a_path),
    ("the host is lost, and comes back", apart::host_lost),
    ("two changes at once", networks::changes_at_once),
    ("several change networks at once", networks::networks_change),
    ("the room falls into halves, and heals", apart::halves),
    ("a member is lost, and comes back", apart::member_lost),
    ("one against the rest, and back", apart::minority),
    ("the host at the end of a long line", slow::far),
    ("the host stands still for a moment", slow::moment),
    ("the host stands still for too long", slow::too_long),
];

/// What is played in another one, in which [`ending::HERS`] has a certificate that ends soon.
const ENDING: (&str, Scene) = ("a certificate ends in the room", ending::ends);

/// Plays all that have one of `names` in theirs, or all of them; calls `told` with the name of each and how long it took.
///
/// # Errors
/// Something else came of one, or none has such a name.
pub fn survive(world: &World, names: &[String], mut told: impl FnMut(&str, Duration)) -> Result<(), Failure> {
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<_> = SCENES.into_iter().filter(|(name, _)| is_chosen(name)).collect();
    if chosen.is_empty() && !is_chosen(ENDING.0) {
        return Err(Failure::new(format!("nothing that is played has one of these in its name: {}", names.join(", "))));
    }
    if !chosen.is_empty() {
        let mut room = Room::open(&world.folder().join("first"), None)?;
        chosen.into_iter().try_for_each(|scene| room.play(scene, &mut told))?;
        room.close()?;
    }
    if is_chosen(ENDING.0)
        && let Some(past) = Past::of_this_machine()?
    {
        let mut room = Room::open(&world.folder().join("second"), Some(&past))?;
        room.play(ENDING, &mut told)?;
        room.close()?;
    }
    Ok(())
}

/// What the room is about after this text, which makes it another topic than the one before.
fn after(text: &str) -> String {
    format!("after {text}")
}

/// The host's end of a new link to the switch, with this address.
fn join(switch: &Namespace, host: &Namespace, port: usize, address: &str) -> Result<(), Failure> {
    let (switch, name) = (switch.name(), host.name());
    world::ip(&format!("link add eth0 netns {name} type veth peer name port{port} netns {switch}"))?;
    host.ip(&format!("addr add {address}/24 dev eth0\nlink set eth0 up"))?;
    world::ip(&format!("-n {switch} link set port{port} master switch up"))
}

/// A home server in that folder, new or not.
fn serve(place: &Namespace, folder: &Path, clock: &[String]) -> Result<Homeserver, Failure> {
    let wrapper: Vec<String> = place.wrapper().map(str::to_owned).iter().chain(clock).cloned().collect();
    let (is_new, port) = (!folder.exists(), DIRECTORY_PORT.to_string());
    let founds = ["--domain", SERVER_NAME, "--listen", "0.0.0.0", "--directory-port", &port];
    let options: &[&str] = if is_new { &founds } else { &["--clock-is-right"] };
    Homeserver::start_with(folder, Homeserver::command_under(&wrapper, folder, options)?)
}

impl Room {
    /// Enrols everybody, has them all come into a room of alice's, and each hear a text.
    fn open(folder: &Path, past: Option<&Past>) -> Result<Self, Failure> {
        std::fs::create_dir(folder).context("making a folder")?;
        let switch = Namespace::host("switch")?;
        switch.ip("link add switch type bridge\nlink set switch up")?;
        let place = Namespace::host("homeserver")?;
        join(&switch, &place, NAMES.len(), SERVER_V4)?;
        let mut hosts = Vec::new();
        for (at, name) in NAMES.into_iter().enumerate() {
            let host = Namespace::host(name)?;
            let number = 10 + u8::try_from(at).context("numbering hosts")?;
            join(&switch, &host, at, &format!("{NETWORK}.{number}"))?;
            host.rules(CUTS)?;
            let person = Person::new(folder, &format!("{name}@example.org")).under(&host.wrapper());
            hosts.push((host, number, person));
        }
        let home = folder.join("server");
        if let Some(past) = past {
            let server = serve(&place, &home, past.clock())?;
            let (host, _, person) = &hosts[ending::HERS];
            past.enrol(host, person, &server)?;
            server.stop()?;
        }
        let server = serve(&place, &home, &[])?;
        let mut members = Vec::new();
        for (at, (host, number, person)) in hosts.into_iter().enumerate() {
            match past.filter(|_| at == ending::HERS) {
                Some(_) => ending::keep_as_it_is(&host, &person)?,
                None => person.join(server.ready(), &server.outbox())?,
            }
            let mut messenger = person.messenger()?;
            messenger.expect(&json!({ "event": "online" }))?;
            for other in NAMES.into_iter().filter(|other| *other != NAMES[at]) {
                messenger.tell(&json!({ "do": "add_contact", "who": format!("{other}@example.org") }))?;
            }
            members.push(Member { host, number, person, messenger });
        }
        let mut room = Self { members, room: Value::Null, texts: 0, server, switch, _place: place };
        room.gather()?;
        Ok(room)
    }

    fn play(&mut self, (name, scene): (&str, Scene), told: &mut impl FnMut(&str, Duration)) -> Result<(), Failure> {
        let began = Instant::now();
        self.forget();
        scene(self).and_then(|()| self.never_forked()).context(name)?;
        told(name, began.elapsed());
        Ok(())
    }

    fn gather(&mut self) -> Result<(), Failure> {
        for guest in [BOB, CAROL, DAVE] {
            let who = self.address(guest);
            self.tells(ALICE).expect(&json!({ "event": "presence", "who": who, "online": true }))?;
        }
        self.tells(ALICE).tell(&json!({ "do": "room_create", "name": "harbour" }))?;
        self.room = self.tells(ALICE).expect(&json!({ "event": "room" }))?["room"].clone();
        for guest in [BOB, CAROL, DAVE] {
            let (room, who) = (self.room.clone(), self.address(guest));
            self.tells(ALICE).tell(&json!({ "do": "room_invite", "room": room, "who": who }))?;
            self.tells(guest).expect(&json!({ "event": "room_invitation", "room": room }))?;
            self.tells(guest).tell(&json!({ "do": "room_accept", "room": room }))?;
            self.is_of(&[ALICE, guest], guest + 1)?;
        }
        // Whoever is left can change the room.
        for guest in [BOB, CAROL, DAVE] {
            let who = self.address(guest);
            let owner = json!({ "do": "room_role", "room": self.room, "who": who, "role": "owner" });
            self.tells(ALICE).tell(&owner)?;
            self.tells(guest).expect(&json!({ "event": "room_changed", "what": "role", "who": who }))?;
        }
        self.text(DAVE, &[ALICE, BOB, CAROL])
    }

    fn address(&self, who: usize) -> String {
        self.members[who].person.address().to_owned()
    }

    fn tells(&mut self, who: usize) -> &mut Messenger {
        &mut self.members[who].messenger
    }

    /// What she was told last of the room itself, if she was told anything.
    fn told(&mut self, who: usize) -> Option<Value> {
        let room = self.room.clone();
        let of_it =
            |event: &&Value| (event["event"] == "room" || event["event"] == "room_closed") && event["room"] == room;
        self.tells(who).heard().iter().rev().find(of_it).cloned()
    }

    fn place(&mut self, who: usize) -> Option<Place> {
        let told = self.told(who)?;
        let count = told["members"].as_array().map_or(0, Vec::len);
        Some((count, told["epoch"].clone(), told["code"].clone(), told["host"].clone()))
    }

    /// For each of these the room has so many members in the end, in one epoch, with one code and under one host.
    fn is_of(&mut self, who: &[usize], members: usize) -> Result<(), Failure> {
        let until = Instant::now() + LONG;
        loop {
            let places: Vec<Option<Place>> = who.iter().map(|one| self.place(*one)).collect();
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

    /// Who hosts the room, in which they all are, and who else is in it.
    fn host(&mut self) -> Result<(usize, [usize; 3]), Failure> {
        self.is_of(&ALL, NAMES.len())?;
        let told = self.told(ALICE).context("nobody was told of the room")?;
        let host = ALL.into_iter().find(|who| told["host"] == self.address(*who));
        let host = host.context(format!("nobody hosts {told}"))?;
        let others: Vec<usize> = ALL.into_iter().filter(|who| *who != host).collect();
        let others = others.try_into().map_err(|others| Failure::new(format!("three others, not {others:?}")))?;
        Ok((host, others))
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

    /// What the room is about is changed by her, and those are told.
    fn topic(&mut self, by: usize, topic: &str, to: &[usize]) -> Result<(), Failure> {
        let change = json!({ "do": "room_topic", "room": self.room, "topic": topic });
        self.tells(by).tell(&change)?;
        for other in to {
            self.tells(*other).expect(&json!({ "event": "room_changed", "what": "topic", "topic": topic }))?;
        }
        Ok(())
    }

    /// She and `to` go on where somebody is not in the room with them: what she said, which that one has [missed](Room::missed).
    fn goes_on(&mut self, by: usize, to: &[usize]) -> Result<String, Failure> {
        self.text(by, to)?;
        let text = format!("text {}", self.texts);
        self.topic(by, &after(&text), to)?;
        Ok(text)
    }

    /// She is in the room again, knows what it is about by now, and was never shown this text.
    fn missed(&mut self, who: usize, text: &str) -> Result<(), Failure> {
        let told = self.told(who).context("nothing was told of the room")?;
        let topic = after(text);
        if told["topic"] != topic {
            return Err(Failure::new(format!("expected the room about {topic:?}, found {told}")));
        }
        self.never_shown(who, text)
    }

    fn never_shown(&mut self, who: usize, text: &str) -> Result<(), Failure> {
        let heard =
            self.tells(who).heard().iter().any(|event| event["event"] == "room_message" && event["text"] == text);
        if heard {
            Err(Failure::new(format!("{} was shown {text:?}, which was not for her", NAMES[who])))
        } else {
            Ok(())
        }
    }

    /// Nobody was ever warned of a fork, or of two changes of one member where there may be one.
    fn never_forked(&mut self) -> Result<(), Failure> {
        for who in ALL {
            let warns = |event: &&Value| {
                let says = |words| event["message"].as_str().is_some_and(|message| message.contains(words));
                event["event"] == "error" && (says("has forked") || says("two different changes"))
            };
            if let Some(warning) = self.tells(who).heard().iter().find(warns) {
                return Err(Failure::new(format!("{} was warned: {warning}", NAMES[who])));
            }
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
    fn in_time(&mut self, who: usize, awaited: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        self.tells(who).expect_within(LONG, awaited, fits)
    }

    /// She is told that she reaches too few, and what she wants to say then is not sent.
    fn is_frozen(&mut self, who: usize) -> Result<(), Failure> {
        self.in_time(who, "that most cannot be reached", |event| {
            event["event"] == "error" && event["message"].as_str().is_some_and(|message| message.contains("reached"))
        })?;
        let send = json!({ "do": "room_send", "room": self.room, "text": ANYBODY });
        self.tells(who).tell(&send)?;
        self.tells(who).expect(&json!({ "event": "error", "about": "room_send" }))?;
        Ok(())
    }

    /// The room has ended for her, for this reason.
    fn has_ended(&mut self, who: usize, reason: &str) -> Result<(), Failure> {
        self.in_time(who, "that the room has ended for her", |event| {
            let said = event["reason"].as_str().is_some_and(|found| found.contains(reason));
            event["event"] == "room_closed" && said
        })?;
        Ok(())
    }

    /// Nobody is told of anything before this any more.
    fn forget(&mut self) {
        self.members.iter_mut().for_each(|member| member.messenger.catch_up());
    }

    fn close(self) -> Result<(), Failure> {
        let Self { members, server, switch: _switch, _place, .. } = self;
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
