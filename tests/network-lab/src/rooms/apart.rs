//! Who is cut off: the host, a member, one against the rest, and a half.

use serde_json::json;
use story::Failure;

use super::{ALICE, ALL, ANYBODY, BOB, CAROL, DAVE, Room};

/// Why a room ends for who heard no quorum.
const NO_QUORUM: &str = "for a minute";

/// another takes her place, and lets her in again.
pub(super) fn host_lost(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    is_lost_and_comes_back(room, host, others)
}

/// the others go on without her, and let her in again, who sees nothing of what was said meanwhile.
pub(super) fn member_lost(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    is_lost_and_comes_back(room, others[1], [host, others[0], others[2]])
}

fn is_lost_and_comes_back(room: &mut Room, who: usize, others: [usize; 3]) -> Result<(), Failure> {
    room.members[who].host.ip("link set eth0 down")?;
    room.is_of(&others, 3)?;
    let address = room.address(who);
    for other in others {
        room.tells(other).expect(&json!({ "event": "room_left", "who": address }))?;
    }
    let text = room.goes_on(others[1], &[others[0], others[2]])?;
    room.members[who].host.ip("link set eth0 up")?;
    room.is_of(&ALL, 4)?;
    room.text(who, &others)?;
    room.text(others[0], &[others[1], others[2], who])?;
    room.missed(who, &text)
}

/// most go on, and change who is in the room; for the one nobody joins or leaves it, until it has ended for her.
pub(super) fn minority(room: &mut Room) -> Result<(), Failure> {
    let (host, others) = room.host()?;
    let (one, rest) = (others[2], [host, others[0], others[1]]);
    let before = room.place(one);
    for other in rest {
        room.cut(one, other, true)?;
    }
    room.in_time(one, "that she reaches nobody", |event| {
        event["event"] == "room_reach" && event["not_reached"].as_array().is_some_and(|not| not.len() == 3)
    })?;
    room.is_frozen(one)?;
    room.is_of(&rest, 3)?;
    let text = room.goes_on(others[0], &[host, others[1]])?;
    if room.place(one) != before {
        return Err(Failure::new(format!("expected the room as it was, {before:?}, found {:?}", room.told(one))));
    }
    room.has_ended(one, NO_QUORUM)?;
    for other in rest {
        room.cut(one, other, false)?;
    }
    room.is_of(&ALL, 4)?;
    room.text(one, &rest)?;
    room.text(host, &[others[0], others[1], one])?;
    rest.into_iter().try_for_each(|other| room.never_shown(other, ANYBODY))?;
    room.missed(one, &text)
}

/// the half with the lowest leaf goes on; the other is frozen, ends after a minute, and comes back.
pub(super) fn halves(room: &mut Room) -> Result<(), Failure> {
    let across = [(ALICE, CAROL), (ALICE, DAVE), (BOB, CAROL), (BOB, DAVE)];
    for (one, other) in across {
        room.cut(one, other, true)?;
    }
    room.is_of(&[ALICE, BOB], 2)?;
    let text = room.goes_on(ALICE, &[BOB])?;
    for who in [CAROL, DAVE] {
        room.is_frozen(who)?;
    }
    for who in [CAROL, DAVE] {
        room.has_ended(who, NO_QUORUM)?;
    }
    for (one, other) in across {
        room.cut(one, other, false)?;
    }
    room.is_of(&ALL, 4)?;
    room.text(CAROL, &[ALICE, BOB, DAVE])?;
    ALL.into_iter().try_for_each(|who| room.never_shown(who, ANYBODY))?;
    room.never_shown(DAVE, &text)?;
    room.missed(CAROL, &text)
}
