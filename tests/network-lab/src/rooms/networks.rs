//! Paths that are missing, networks that change, and changes that are made at once.

use serde_json::{Value, json};
use story::Failure;

use super::{ALICE, ALL, BOB, CAROL, DAVE, Member, NETWORK, Room};

/// who hears both carries what they say, and nobody leaves.
pub(super) fn without_a_path(room: &mut Room) -> Result<(), Failure> {
    room.cut(BOB, CAROL, true)?;
    room.tells(BOB).expect_that("that carol is reached by way of somebody", |event| {
        event["event"] == "room_via" && event["via"].as_array().is_some_and(|via| !via.is_empty())
    })?;
    room.text(BOB, &[ALICE, CAROL, DAVE])?;
    room.text(CAROL, &[ALICE, BOB, DAVE])?;
    // The members decide together all the same.
    room.topic(BOB, "without a path", &[ALICE, CAROL, DAVE])?;
    room.is_of(&ALL, 4)?;
    room.cut(BOB, CAROL, false)
}

/// one is offered, and the other made anew for the epoch after it.
pub(super) fn changes_at_once(room: &mut Room) -> Result<(), Failure> {
    for (who, topic) in [(ALICE, "by alice"), (BOB, "by bob")] {
        let topic = json!({ "do": "room_topic", "room": room.room, "topic": topic });
        room.tells(who).tell(&topic)?;
    }
    for who in [CAROL, DAVE] {
        for topic in ["by alice", "by bob"] {
            room.tells(who).expect(&json!({ "event": "room_changed", "what": "topic", "topic": topic }))?;
        }
    }
    room.is_of(&ALL, 4)
}

/// Whoever changes networks stays a member.
pub(super) fn networks_change(room: &mut Room) -> Result<(), Failure> {
    let left = |event: &&Value| event["event"] == "room_left" || event["event"] == "room_closed";
    let before = ALL.map(|who| room.tells(who).heard().iter().filter(left).count());
    for who in [CAROL, DAVE] {
        let Member { host, number, .. } = &mut room.members[who];
        host.ip(&format!("addr del {NETWORK}.{number}/24 dev eth0\naddr add {NETWORK}.{}/24 dev eth0", *number + 20))?;
        *number += 20;
    }
    room.text(ALICE, &[BOB, CAROL, DAVE])?;
    room.text(DAVE, &[ALICE, BOB, CAROL])?;
    let after = ALL.map(|who| room.tells(who).heard().iter().filter(left).count());
    if before == after { Ok(()) } else { Err(Failure::new("somebody was lost who changed networks")) }
}
