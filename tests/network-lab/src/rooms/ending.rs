//! A certificate that ends while its device is in the room.
//!
//! Certificates last fourteen days. So hers is of a time in which everybody lived almost as long ago, and her program, which would
//! renew it before it ends, does not reach the authority: what goes over TCP. The directory, and everybody else, is reached over UDP.

use serde_json::json;
use story::homeserver::Homeserver;
use story::person::Person;
use story::{Context as _, Failure};

use super::{ALICE, ALL, ANYBODY, BOB, CAROL, DAVE, Room};
use crate::namespace::Namespace;

/// Whose it is.
pub(super) const HERS: usize = CAROL;
/// So long before now, in seconds, it was issued: fourteen days but for the time that it takes to be in the room.
const AGO: u64 = 14 * 86400 - 60;

/// Nobody is reached over TCP.
const NO_TCP: &str = "table inet authority {
    chain out { type filter hook output priority 0; meta l4proto tcp reject with tcp reset; }
}";

/// The time in which hers was issued.
pub(super) struct Past {
    clock: Vec<String>,
}

impl Past {
    /// By Debian's `faketime` library; none on a machine that does not have it.
    pub(super) fn of_this_machine() -> Result<Option<Self>, Failure> {
        let libraries = std::fs::read_dir("/usr/lib").context("looking for libraries")?.filter_map(Result::ok);
        let library =
            libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let Some(library) = library else {
            story::skipped("faketime is missing (on Debian: apt-get install faketime)");
            return Ok(None);
        };
        let (preload, ago) = (format!("LD_PRELOAD={}", library.display()), format!("FAKETIME=-{AGO}"));
        let clock = ["env", &preload, &ago, "FAKETIME_DONT_FAKE_MONOTONIC=1"].map(str::to_owned).to_vec();
        Ok(Some(Self { clock }))
    }

    /// What to put before a command that shall run then.
    pub(super) fn clock(&self) -> &[String] {
        &self.clock
    }

    /// She gets her certificate then.
    pub(super) fn enrol(&self, host: &Namespace, person: &Person, server: &Homeserver) -> Result<(), Failure> {
        let host = host.wrapper();
        let wrapper: Vec<&str> = host.into_iter().chain(self.clock.iter().map(String::as_str)).collect();
        person.under(&wrapper).join(server.ready(), &server.outbox())
    }
}

/// She has what she needs to be taken for who she is today, and no way to renew her certificate.
pub(super) fn keep_as_it_is(host: &Namespace, person: &Person) -> Result<(), Failure> {
    person.certtool(&["watch", "--once"])?.expect(0, "a look, which brings a revocation list of today")?;
    host.rules(NO_TCP)
}

/// She is removed as lost, everybody is told why, and she comes back with a renewed one.
pub(super) fn ends(room: &mut Room) -> Result<(), Failure> {
    let (others, who) = ([ALICE, BOB, DAVE], room.address(HERS));
    for other in others {
        let told = room.in_time(other, "that her certificate has ended", |event| {
            event["event"] == "room_lapsed" && event["who"] == who
        })?;
        if !told["reason"].as_str().is_some_and(|reason| reason.contains("CHAIN-07")) {
            return Err(Failure::new(format!("expected the rule for certificates that have ended, found {told}")));
        }
    }
    room.has_ended(HERS, "renew it, and come back")?;
    room.is_of(&others, 3)?;
    for other in others {
        room.tells(other).expect(&json!({ "event": "room_left", "who": who }))?;
    }
    let text = room.goes_on(BOB, &[ALICE, DAVE])?;
    let send = json!({ "do": "room_send", "room": room.room, "text": ANYBODY });
    room.tells(HERS).tell(&send)?;
    room.tells(HERS).expect(&json!({ "event": "error", "about": "room_send" }))?;

    room.members[HERS].host.rules("delete table inet authority")?;
    let renewed = room.members[HERS].person.renew(&room.server.outbox())?;
    renewed.expect(0, "renewing a certificate that has ended")?;
    room.is_of(&ALL, 4)?;
    room.text(HERS, &others)?;
    room.text(ALICE, &[BOB, CAROL, DAVE])?;
    room.missed(HERS, &text)
}
