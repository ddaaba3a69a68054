//! Rooms, beside bare openmls that does the same with the same suite, settings and certificates.
//!
//! `.10` to `.250` are CPU time per member, without a network: all members are in this process, and what they tell each other
//! is handed from one to the next. On our side they are the engine's cores, so that the order of commits, sessions, frames and
//! acknowledgements are in the figure. On the other side openmls makes and reads the same messages, with the store that comes with it, and the certificates which
//! our step looks at for the first time are verified (`verify.person`, nothing kept). `.live` and `room.failover` are whole
//! engines with a directory on loopback, all of them on this machine.

mod bare;
mod cores;
mod failover;
mod floor;
mod live;
mod town;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::SigningKey;
use identity::{CertificateDer, Identifier, UnixTime, testing::Authority};
use messenger_engine::RoomSuite;
use tokio::runtime::Runtime;

use self::{bare::Bare, cores::Cores};
use super::message::person;
use crate::measure::{Pair, Scale, median};

pub(crate) use failover::{closed as failover_end, silent as failover};
pub(crate) use live::{join as join_live, join_classical as join_live_classical, message as message_live};

/// So many texts are said in one round.
const TEXTS: u32 = 5;

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

/// So often somebody enters a room that has so many members while she is in it: making it takes the longer the larger it is.
fn rounds(members: usize) -> usize {
    if members < 100 { 9 } else { 3 }
}

/// What a round took on our side, and what it took bare.
type Rounds = Arc<Vec<(Spent, Spent)>>;

/// Of each size that was measured: one room serves all rows of its size.
static MEASURED: Mutex<BTreeMap<(usize, usize), Rounds>> = Mutex::new(BTreeMap::new());

fn measured(members: usize, scale: Scale) -> Rounds {
    let rounds = rounds(members) * scale.factor;
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    measured.entry((members, rounds)).or_insert_with(|| Arc::new(measure(members, rounds))).clone()
}

fn measure(members: usize, rounds: usize) -> Vec<(Spent, Spent)> {
    let authority = Authority::new(8, UnixTime::now());
    let devices: Vec<Device> = (1..members).map(|number| Device::new(&authority, number)).collect();
    let guests: Vec<Device> = (members..members + rounds).map(|number| Device::new(&authority, number)).collect();
    let mut cores = Cores::new(&authority, devices.clone());
    let mut bare = Bare::new(&authority, RoomSuite::default(), devices);
    guests.into_iter().map(|guest| (cores.round(guest.clone()), bare.round(guest))).collect()
}

/// The medians of one kind of work.
fn compared(members: usize, scale: Scale, of: fn(&Spent) -> f64) -> Pair {
    let measured = measured(members, scale);
    let ours = median(measured.iter().map(|(ours, _)| of(ours)).collect());
    Pair::new(ours, median(measured.iter().map(|(_, bare)| of(bare)).collect()))
}

/// The machine was too busy for it.
fn not_measured(why: &str) -> Pair {
    Pair::new(f64::NAN, f64::NAN).noted(format!("not measured: {why}"))
}

/// Somebody enters a room that has so many members then.
pub(crate) fn add<const MEMBERS: usize>(_: &Runtime, scale: Scale) -> Pair {
    compared(MEMBERS, scale, |spent| spent.add)
}

/// She leaves it.
pub(crate) fn remove<const MEMBERS: usize>(_: &Runtime, scale: Scale) -> Pair {
    compared(MEMBERS, scale, |spent| spent.remove)
}

/// What entering takes of herself.
pub(crate) fn join<const MEMBERS: usize>(_: &Runtime, scale: Scale) -> Pair {
    compared(MEMBERS, scale, |spent| spent.join).noted(BY_WELCOME.to_owned())
}

/// She says something.
pub(crate) fn message<const MEMBERS: usize>(_: &Runtime, scale: Scale) -> Pair {
    compared(MEMBERS, scale, |spent| spent.message)
}
