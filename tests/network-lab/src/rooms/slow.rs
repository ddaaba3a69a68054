//! A host who is slow: at the end of a long line, or since her program stands still for a while, as where a machine has
//! far too much to do.

use std::time::Duration;

use story::Failure;

use super::{ALL, NAMES, Room};
use crate::line::{Lines, Quality};
use crate::namespace::Namespace;
use crate::world;

/// What comes over it has two seconds behind it when it is answered, and some of it has to be sent again.
const LONG_LINE: Quality = Quality { one_way: Duration::from_secs(1), loss_permille: 20 };
/// With the two seconds between beats, less than the 6 s after which a host is lost.
const MOMENT: Duration = Duration::from_secs(3);

/// what she decides comes later, and nobody takes her place.
pub(super) fn far(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    let far = Namespace::host("far")?;
    far.ip("link add switch type bridge\nlink set switch up")?;
    let mut lines = Lines::new()?;
    lines.join((&far, "line"), (&room.switch, "line"), LONG_LINE)?;
    lines.start()?;
    for switch in [&far, &room.switch] {
        switch.ip("link set line master switch")?;
    }
    hang(host, &room.switch, &far)?;
    stays(room, host, |room| {
        room.topic(others[0], "far away", &others[1..])?;
        room.topic(host, "and yet here", &others)?;
        room.text(others[1], &[host, others[0], others[2]])?;
        room.text(host, &others)
    })?;
    hang(host, &far, &room.switch)?;
    room.switch.ip("link del line")?;
    stays(room, host, |room| room.text(host, &others))
}

/// Takes her cable out of one switch and puts it into another one.
fn hang(who: usize, from: &Namespace, to: &Namespace) -> Result<(), Failure> {
    world::ip(&format!("-n {} link set port{who} netns {}", from.name(), to.name()))?;
    world::ip(&format!("-n {} link set port{who} master switch up", to.name()))
}

/// what the others hand in meanwhile is decided when she goes on.
pub(super) fn moment(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    stays(room, host, |room| {
        room.members[host].messenger.pause()?;
        let change = serde_json::json!({ "do": "room_topic", "room": room.room, "topic": "in a moment" });
        room.tells(others[0]).tell(&change)?;
        // Nothing tells of this but time.
        std::thread::sleep(MOMENT);
        room.members[host].messenger.go_on()?;
        for who in [host, others[1], others[2]] {
            room.tells(who).expect_that("the change", |event| event["topic"] == "in a moment")?;
        }
        room.text(others[1], &[host, others[0], others[2]])
    })
}

/// another takes her place. She wakes up as a host, and is soon where the others are.
pub(super) fn too_long(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    room.members[host].messenger.pause()?;
    room.is_of(&others, 3)?;
    let text = room.goes_on(others[1], &[others[0], others[2]])?;
    // She takes part in the room as it was for as long as it takes her to learn of the other one.
    room.members[host].messenger.go_on()?;
    room.has_ended(host, "lost this device")?;
    room.is_of(&ALL, 4)?;
    room.text(host, &others)?;
    room.text(others[0], &[others[1], others[2], host])?;
    room.missed(host, &text)
}

/// Whatever is done, she hosts all four afterwards, and nobody was away meanwhile.
fn stays(room: &mut Room, host: usize, done: impl FnOnce(&mut Room) -> Result<(), Failure>) -> Result<(), Failure> {
    let before = losses(room);
    done(room)?;
    let (found, _) = room.host()?;
    if found == host && losses(room) == before {
        return Ok(());
    }
    Err(Failure::new(format!("{} was taken for lost, or {} for her", NAMES[host], NAMES[found])))
}

/// How many times who was told that somebody has left, or that she has.
fn losses(room: &mut Room) -> [usize; 4] {
    ALL.map(|who| {
        let heard = room.tells(who).heard().iter();
        heard.filter(|event| event["event"] == "room_left" || event["event"] == "room_closed").count()
    })
}
