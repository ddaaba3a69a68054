//! How long a room is without a host, on loopback: one host after another is lost, in a way of its own.
//!
//! Each engine runs on a thread of its own. A host who falls silent is one whose thread stands still: nothing comes from her,
//! and nothing says that her connections are lost.

use std::sync::mpsc as blocking;
use std::time::{Duration, Instant};

use identity::{UnixTime, testing::Authority};
use messenger_engine::{Command, RoomSuite};
use tokio::runtime::{Builder, Handle, Runtime};

use super::bare::Bare;
use super::town::{Town, Waited};
use super::{Device, not_measured};
use crate::measure::{Pair, Scale, median};

/// So many are in the room at first.
const MEMBERS: usize = 9;
/// So many hosts are lost in one room: a quorum is left in the end.
const HOSTS: usize = 5;
/// How often members say that they are there (docs/spec/rooms.md, R-14): a host is lost at any moment between.
const BEAT: Duration = Duration::from_secs(2);

/// Milliseconds until all who are left have another host, after a host's program stood still.
pub(crate) fn silent(runtime: &Runtime, scale: Scale) -> Pair {
    measured(runtime, scale, Lost::Silent)
}

/// The same after she went offline, which closes her connections.
pub(crate) fn closed(runtime: &Runtime, scale: Scale) -> Pair {
    measured(runtime, scale, Lost::Offline)
}

/// How a host is lost.
#[derive(Clone, Copy)]
enum Lost {
    Silent,
    Offline,
}

fn measured(runtime: &Runtime, scale: Scale, how: Lost) -> Pair {
    let mut times = Vec::new();
    for _ in 0..scale.factor {
        let threads: Vec<Runtime> = (0..MEMBERS).map(|_| thread()).collect();
        let handles: Vec<Handle> = threads.iter().map(|thread| thread.handle().clone()).collect();
        // What was measured before something did not happen in time counts.
        let played = runtime.block_on(one_room(&handles, how, &mut times));
        threads.into_iter().for_each(Runtime::shutdown_background);
        if let Err(why) = played {
            eprintln!("bench: {why}");
        }
    }
    times.sort_by(f64::total_cmp);
    let [first, .., last] = times[..] else { return not_measured("a host was not replaced") };
    let note = format!(
        "{first:.0} to {last:.0}; the baseline is the commit alone, by openmls at all members one after another"
    );
    Pair::new(median(times), bare(HOSTS * scale.factor)).noted(note)
}

fn thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime needs only threads")
}

async fn one_room(threads: &[Handle], how: Lost, times: &mut Vec<f64>) -> Waited<()> {
    let mut town = Town::new(RoomSuite::default(), &threads[0]).await?;
    for (number, thread) in threads.iter().enumerate().skip(1) {
        town.grow(number + 1, thread).await?;
    }
    let mut host = town.host();
    let mut standing = Vec::new();
    for _ in 0..HOSTS {
        tokio::time::sleep(BEAT.mul_f64(1.0 + rand::random::<f64>())).await;
        let began = match how {
            Lost::Silent => {
                standing.push(stand_still(&threads[host]));
                Instant::now()
            }
            Lost::Offline => {
                let began = Instant::now();
                town.command(host, Command::GoOffline).await;
                began
            }
        };
        town.forget(host);
        let (at, next) = town.agree().await?;
        times.push((at - began).as_secs_f64() * 1e3);
        host = next;
    }
    Ok(())
}

/// The thread on which an engine runs does nothing more until what is returned is dropped.
fn stand_still(thread: &Handle) -> blocking::Sender<()> {
    let ((release, released), (say, stands)) = (blocking::channel::<()>(), blocking::channel());
    thread.spawn(async move {
        let _ = say.send(());
        let _ = released.recv();
    });
    stands.recv().expect("it says so before it stands still");
    release
}

/// Milliseconds for the commit that removes somebody, by openmls.
fn bare(times: usize) -> f64 {
    let authority = Authority::new(9, UnixTime::now());
    let device = |number| Device::new(&authority, number);
    let mut bare = Bare::new(&authority, RoomSuite::default(), (1..MEMBERS).map(device).collect());
    let took = (0..times).map(|number| {
        bare.enter(device(MEMBERS + number));
        let began = Instant::now();
        bare.leave();
        began.elapsed().as_secs_f64() * 1e3
    });
    median(took.collect())
}
