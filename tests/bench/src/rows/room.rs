//! Rooms, beside bare openmls that does the same with the same suite, settings and certificates.
//!
//! `.10` and `.32` are CPU time per member, without a network: all members are in this process, and what they tell each other
//! is handed from one to the next. On our side they are the engine's cores, so that the order of commits, sessions, frames and
//! acknowledgements are in the figure. On the other side openmls makes and reads the same messages, with the store that comes with it, and the certificates which
//! our step looks at for the first time are verified (`verify.person`, nothing kept). `.live` and `room.failover` are whole
//! engines with a directory on loopback, all of them on this machine.

mod bare;
mod cores;
mod failover;
mod live;
mod town;

use ed25519_dalek::SigningKey;
use identity::{CertificateDer, Identifier, UnixTime, testing::Authority};
use messenger_engine::room::MAX_MEMBERS;
use tokio::runtime::Runtime;

use self::{bare::Bare, cores::Cores};
use super::message::person;
use crate::measure::{Pair, Scale, paired};

pub(crate) use failover::{closed as failover_end, silent as failover};
pub(crate) use live::{join as join_live, message as message_live};

const ROUNDS: usize = 9;
/// So many texts are said in one round.
const TEXTS: u32 = 5;

// Rows are named after the largest room: when it grows they get another name, and the note below goes.
const _: () = assert!(MAX_MEMBERS == 32);

/// What is said beside each row of the largest room.
const LARGEST: &str = "a room holds 32 devices: more are not measured";

/// Which of two ways of entering is measured.
const BY_WELCOME: &str = "she enters by the host's welcome";

/// Somebody's device, as it is on both sides.
#[derive(Clone)]
struct Device {
    who: Identifier,
    chain: Vec<CertificateDer>,
    key: SigningKey,
}

impl Device {
    fn new(authority: &Authority, number: usize) -> Self {
        let who = person(&format!("person{number}@example.org"));
        let (chain, key) = authority.issue_person(&who, UnixTime::now());
        Self { who, chain, key }
    }
}

/// CPU time of one round in microseconds: somebody enters, [`TEXTS`] are said, she leaves.
#[derive(Default)]
struct Spent {
    /// Of each who was there before she entered.
    add: f64,
    /// Of who enters.
    join: f64,
    /// Of each in the room, she among them, for one text.
    message: f64,
    /// Of each who stays.
    remove: f64,
}

/// Rounds in a room that has so many members while the guest is in it.
fn compared(members: usize, scale: Scale, of: impl Fn(&Spent) -> f64) -> Pair {
    let authority = Authority::new(8, UnixTime::now());
    let devices: Vec<Device> = (1..members).map(|number| Device::new(&authority, number)).collect();
    let rounds = ROUNDS * scale.factor;
    let guests: Vec<Device> = (members..members + rounds).map(|number| Device::new(&authority, number)).collect();
    let (mut our_guests, mut their_guests) = (guests.iter().cloned(), guests.iter().cloned());
    let mut cores = Cores::new(&authority, devices.clone());
    let mut bare = Bare::new(&authority, devices);
    let pair = paired(
        rounds,
        || our_guests.next().map_or(f64::NAN, |guest| of(&cores.round(guest))),
        || their_guests.next().map_or(f64::NAN, |guest| of(&bare.round(guest))),
    );
    if members == MAX_MEMBERS { pair.noted(LARGEST.to_owned()) } else { pair }
}

/// The machine was too busy for it.
fn not_measured(why: &str) -> Pair {
    Pair::new(f64::NAN, f64::NAN).noted(format!("not measured: {why}"))
}

pub(crate) fn add_10(_: &Runtime, scale: Scale) -> Pair {
    compared(10, scale, |spent| spent.add)
}

pub(crate) fn add_32(_: &Runtime, scale: Scale) -> Pair {
    compared(32, scale, |spent| spent.add)
}

pub(crate) fn remove_10(_: &Runtime, scale: Scale) -> Pair {
    compared(10, scale, |spent| spent.remove)
}

pub(crate) fn remove_32(_: &Runtime, scale: Scale) -> Pair {
    compared(32, scale, |spent| spent.remove)
}

pub(crate) fn join_10(_: &Runtime, scale: Scale) -> Pair {
    compared(10, scale, |spent| spent.join).noted(BY_WELCOME.to_owned())
}

pub(crate) fn join_32(_: &Runtime, scale: Scale) -> Pair {
    compared(32, scale, |spent| spent.join).noted(format!("{BY_WELCOME}; {LARGEST}"))
}

pub(crate) fn message_10(_: &Runtime, scale: Scale) -> Pair {
    compared(10, scale, |spent| spent.message)
}

pub(crate) fn message_32(_: &Runtime, scale: Scale) -> Pair {
    compared(32, scale, |spent| spent.message)
}
