//! Whole enrolments by ACME, durable and logged, beside pebble, which stores and logs nothing, under the same load.

mod acme;
pub(crate) mod servers;
mod sink;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::acme::{Person, Target};
use self::servers::Server;
use self::sink::Sink;
use super::log::bed;
use crate::measure::{Pair, Scale, median};

/// The loads: so many clients at a time, each with the next enrolment as soon as one is done.
const CLIENTS: [usize; 4] = [1, 10, 50, 200];
/// At which the row's figure is taken.
const FIGURE: usize = 50;
/// At which pebble still answers: with more clients at once, version 2.4 stops in the middle of finalizing, for good.
const SAFE: usize = 10;
/// How long what was begun may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long each is measured, and how often at the figure's load.
const DURING: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

/// What clients do over and over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Enrol,
    Renew,
}

/// What one load came to.
#[derive(Clone, Copy)]
struct Seen {
    per_second: f64,
    p95_ms: f64,
    cpu_ms: f64,
    megabytes: f64,
}

pub(crate) fn enrol(runtime: &Runtime, scale: Scale) -> Pair {
    row(runtime, scale, Work::Enrol)
}

pub(crate) fn renew(runtime: &Runtime, scale: Scale) -> Pair {
    row(runtime, scale, Work::Renew)
}

/// What the whole home server has resident after what the other rows do to one; pebble beside it.
pub(crate) fn memory(runtime: &Runtime, scale: Scale) -> Pair {
    let folder = bed::folder();
    let sink = runtime.block_on(Sink::open());
    let during = DURING * scale.factor as u32;
    let ours = Server::ours(&folder.path().join("ours"), &sink);
    let ours = runtime.block_on(load(&ours, Work::Enrol, FIGURE, during)).expect("our own server answers");
    let theirs = Server::pebble(folder.path());
    let theirs = theirs.and_then(|pebble| runtime.block_on(load(&pebble, Work::Enrol, SAFE, during)));
    Pair::new(ours.megabytes, theirs.map_or(f64::NAN, |seen| seen.megabytes))
}

fn row(runtime: &Runtime, scale: Scale, work: Work) -> Pair {
    let folder = bed::folder();
    let sink = runtime.block_on(Sink::open());
    let ours = Server::ours(&folder.path().join("ours"), &sink);
    let during = DURING * scale.factor as u32;
    let measured = |server: &Server, clients| runtime.block_on(load(server, work, clients, during));
    let mut pebble = Server::pebble(folder.path());
    let (mut figures, mut baselines, mut smaller, mut notes) = (Vec::new(), Vec::new(), None, Vec::new());
    for clients in CLIENTS {
        for _ in 0..if clients == FIGURE { ROUNDS } else { 1 } {
            let our = measured(&ours, clients).expect("our own server answers");
            let theirs = pebble.as_ref().map(|pebble| measured(pebble, clients));
            if matches!(theirs, Some(None)) {
                // One that has stopped answering does not begin again.
                pebble = Server::pebble(folder.path());
            }
            notes.push(format!("{clients}: {}", told(our, theirs)));
            let rate = theirs.flatten().map(|seen| seen.per_second);
            if clients == FIGURE {
                figures.push(our.per_second);
                baselines.extend(rate);
            } else if clients < FIGURE {
                smaller = rate.or(smaller);
            }
        }
    }
    drop(ours);
    if work == Work::Enrol && std::path::Path::new("/dev/shm").is_dir() {
        // The same where syncing costs nothing: what is left out is what the disk takes.
        let memory = tempfile::tempdir_in("/dev/shm").expect("memory can be written");
        let server = Server::ours(&memory.path().join("ours"), &sink);
        let seen = measured(&server, FIGURE).expect("our own server answers");
        notes.push(format!("{FIGURE} in memory: {}", told(seen, None)));
    }
    if baselines.is_empty() {
        notes.push("pebble's figure is that of the largest smaller load which it got through".to_owned());
        baselines.push(smaller.unwrap_or(f64::NAN));
    }
    Pair::new(median(figures), median(baselines)).noted(notes.join("\n                   "))
}

/// `theirs` is none where pebble is not installed, and nothing where it has stopped answering.
fn told(ours: Seen, theirs: Option<Option<Seen>>) -> String {
    let one = |seen: Seen| {
        let Seen { per_second, p95_ms, cpu_ms, megabytes } = seen;
        format!("{per_second:.0}/s, p95 {p95_ms:.0} ms, {cpu_ms:.2} ms CPU each, {megabytes:.0} MB")
    };
    match theirs {
        Some(Some(theirs)) => format!("{} (pebble {})", one(ours), one(theirs)),
        Some(None) => format!("{} (pebble stopped answering)", one(ours)),
        None => one(ours),
    }
}

/// So many clients for a while; none if the server stopped answering.
async fn load(server: &Server, work: Work, clients: usize, during: Duration) -> Option<Seen> {
    let over = Arc::new(AtomicBool::new(false));
    let connecting = (0..clients).map(|_| acme::connect(&server.target));
    let connections = futures_util::future::join_all(connecting).await;
    let mut people = Vec::with_capacity(clients);
    for connection in connections {
        let mut person = Person::new(&server.target, &connection);
        if work == Work::Renew {
            person.enrol().await;
        }
        people.push((connection, person));
    }
    let (start, cpu) = (Instant::now(), server.taken().1);
    let working = people.into_iter().map(|(connection, person)| {
        tokio::spawn(repeat(server.target.clone(), connection, person, work, Arc::clone(&over)))
    });
    let working: Vec<_> = working.collect();
    let aborting: Vec<_> = working.iter().map(tokio::task::JoinHandle::abort_handle).collect();
    tokio::time::sleep(during).await;
    over.store(true, Ordering::Relaxed);
    let Ok(ended) = tokio::time::timeout(PATIENCE, futures_util::future::join_all(working)).await else {
        aborting.iter().for_each(tokio::task::AbortHandle::abort);
        return None;
    };
    let mut times = Vec::new();
    for one in ended {
        times.extend(one.expect("a client does its work"));
    }
    let seconds = start.elapsed().as_secs_f64();
    let (megabytes, until) = server.taken();
    times.sort_by(f64::total_cmp);
    let p95_ms = times.get(times.len() * 95 / 100).copied().unwrap_or(f64::NAN);
    let count = times.len().max(1) as f64;
    let per_second = times.len() as f64 / seconds;
    Some(Seen { per_second, p95_ms, cpu_ms: (until - cpu) * 1e3 / count, megabytes })
}

/// One client's work until the time is over; how long each took (ms).
async fn repeat(
    target: Target,
    connection: (reqwest::Client, serde_json::Value),
    mut person: Person,
    work: Work,
    over: Arc<AtomicBool>,
) -> Vec<f64> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        match work {
            Work::Enrol => person.enrol().await,
            Work::Renew => person.certificate().await,
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if work == Work::Enrol {
            person = Person::new(&target, &connection);
        } else if times.len() % RENEWALS == 0 {
            // 32 certificates for one identifier and week, and not one more.
            person = Person::new(&target, &connection);
            person.enrol().await;
        }
    }
    times
}

/// So often somebody renews before somebody else does.
const RENEWALS: usize = 25;
