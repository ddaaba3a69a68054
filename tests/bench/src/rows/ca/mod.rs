//! Whole enrolments by ACME, durable and logged, beside pebble, which stores and logs nothing, under the same load.

mod acme;
mod memory;
mod seed;
pub(crate) mod servers;
mod sink;
mod tls;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::acme::{Person, Target};
pub(crate) use self::memory::memory;
use self::servers::Server;
use self::sink::Sink;
use super::log::bed;
use crate::measure::{Pair, Part, Scale, median};

/// The loads: so many clients at a time, each with the next enrolment as soon as one is done.
const CLIENTS: [usize; 4] = [1, 10, 50, 200];
/// At which the row's figure is taken: so many that nothing is left of waiting.
const FIGURE: usize = 200;
/// How long pebble may take for one enrolment: in version 2.4 an order that is read at the moment it is completed is never
/// answered again (`WebFrontEndImpl.Order` locks it twice).
const LOST: Duration = Duration::from_secs(4);
/// How long what was begun may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long each is measured, and how often.
const DURING: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

/// What clients do over and over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Enrol,
    Renew,
}

/// What one load came to.
#[derive(Clone)]
struct Seen {
    per_second: f64,
    p95_ms: f64,
    cpu_ms: f64,
    megabytes: f64,
    /// Clients that were never answered.
    lost: usize,
    /// What our own server says of its work for one enrolment.
    parts: Vec<Part>,
}

/// What one client did.
#[derive(Default)]
struct Done {
    times_ms: Vec<f64>,
    /// Of those, how many ended before the time was over.
    in_time: usize,
    lost: usize,
}

pub(crate) fn enrol(runtime: &Runtime, scale: Scale) -> Pair {
    row(runtime, scale, Work::Enrol)
}

pub(crate) fn renew(runtime: &Runtime, scale: Scale) -> Pair {
    row(runtime, scale, Work::Renew)
}

fn row(runtime: &Runtime, scale: Scale, work: Work) -> Pair {
    let folder = bed::folder();
    let sink = runtime.block_on(Sink::open());
    let ours = Server::ours(&folder.path().join("ours"), &sink);
    let during = DURING * scale.factor as u32;
    let measured = |server: &Server, clients| runtime.block_on(load(server, work, clients, during));
    let mut pebble = Server::pebble(folder.path());
    let (mut figures, mut baselines, mut notes, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for clients in CLIENTS {
        let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let our = measured(&ours, clients).expect("our own server answers");
            let theirs = pebble.as_ref().map(|pebble| measured(pebble, clients));
            if matches!(theirs, Some(None)) {
                // One that has stopped answering does not begin again.
                pebble = Server::pebble(folder.path());
            }
            of_theirs.extend(theirs.clone().flatten());
            if clients == FIGURE {
                figures.push(our.per_second);
                baselines.extend(theirs.flatten().map(|seen| seen.per_second));
            }
            of_ours.push(our);
        }
        let our = middle(of_ours).expect("there is a round");
        let theirs = pebble.as_ref().map(|_| middle(of_theirs));
        notes.push(format!("{clients}: {}", told(&our, theirs.as_ref())));
        if clients == 1 {
            parts = our.parts;
        }
    }
    drop(ours);
    if work == Work::Enrol && std::path::Path::new("/dev/shm").is_dir() {
        // The same where syncing costs nothing: what is left out is what the disk takes.
        let memory = tempfile::tempdir_in("/dev/shm").expect("memory can be written");
        let server = Server::ours(&memory.path().join("ours"), &sink);
        let seen = measured(&server, FIGURE).expect("our own server answers");
        notes.push(format!("{FIGURE} in memory: {}", told(&seen, None)));
    }
    if baselines.is_empty() {
        baselines.push(f64::NAN);
    }
    let pair = Pair::new(median(figures), median(baselines)).noted(notes.join("\n                   "));
    Pair { parts, ..pair }
}

/// Of several rounds that of the median rate.
fn middle(mut rounds: Vec<Seen>) -> Option<Seen> {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let middle = rounds.len() / 2;
    rounds.into_iter().nth(middle)
}

/// `theirs` is none where pebble is not installed, and nothing where it has stopped answering.
fn told(ours: &Seen, theirs: Option<&Option<Seen>>) -> String {
    let one = |seen: &Seen| {
        let Seen { per_second, p95_ms, cpu_ms, megabytes, lost, .. } = seen;
        let lost = if *lost > 0 { format!(", {lost} never answered") } else { String::new() };
        format!("{per_second:.0}/s, p95 {p95_ms:.0} ms, {cpu_ms:.2} ms CPU each, {megabytes:.0} MB{lost}")
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
    let (start, cpu, before) = (Instant::now(), server.taken().1, server.work().await);
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
    let mut done = Done::default();
    for one in ended {
        // Ours does its work, or the run ends; one of pebble's that could not is lost.
        let one = match one {
            Ok(one) => one,
            Err(_) if server.target.sink.is_none() => Done { lost: 1, ..Done::default() },
            Err(error) => panic!("a client does its work: {error}"),
        };
        done.times_ms.extend(one.times_ms);
        done.in_time += one.in_time;
        done.lost += one.lost;
    }
    if done.lost > clients / 2 {
        return None;
    }
    let (megabytes, until) = server.taken();
    let mut times = done.times_ms;
    times.sort_by(f64::total_cmp);
    let p95_ms = times.get(times.len() * 95 / 100).copied().unwrap_or(f64::NAN);
    let count = times.len().max(1) as f64;
    let per_second = done.in_time as f64 / during.as_secs_f64();
    let parts = parts(&before, &server.work().await, count, start.elapsed().as_secs_f64() * 1e3 * clients as f64);
    Some(Seen { per_second, p95_ms, cpu_ms: (until - cpu) * 1e3 / count, megabytes, lost: done.lost, parts })
}

/// What the server did for each of `count`, of which all clients together have waited `all_ms`.
fn parts(
    before: &BTreeMap<String, (f64, f64)>,
    after: &BTreeMap<String, (f64, f64)>,
    count: f64,
    all_ms: f64,
) -> Vec<Part> {
    let unit = "ms each";
    let mut parts: Vec<Part> = Vec::new();
    for (name, (seconds, times)) in after {
        let (s, t) = before.get(name).copied().unwrap_or_default();
        let (figure, times) = ((seconds - s) * 1e3 / count, (times - t) / count);
        parts.push(Part { name: name.clone(), figure, unit, times });
    }
    if !parts.is_empty() {
        let counted: f64 = parts.iter().map(|part| part.figure).sum();
        let figure = all_ms / count - counted;
        parts.push(Part { name: "the rest: HTTP, mail, and the client itself".into(), figure, unit, times: 1.0 });
    }
    parts
}

/// One client's work until the time is over.
async fn repeat(
    target: Target,
    mut connection: (reqwest::Client, serde_json::Value),
    mut person: Person,
    work: Work,
    over: Arc<AtomicBool>,
) -> Done {
    let is_ours = target.sink.is_some();
    let patience = if is_ours { PATIENCE } else { LOST };
    let mut done = Done::default();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let one = async {
            match work {
                Work::Enrol => person.enrol().await,
                Work::Renew => person.certificate().await,
            }
        };
        if tokio::time::timeout(patience, one).await.is_err() {
            done.lost += 1;
            if over.load(Ordering::Relaxed) {
                break;
            }
            let anew = async {
                let connection = acme::connect(&target).await;
                let mut person = Person::new(&target, &connection);
                if work == Work::Renew {
                    person.enrol().await;
                }
                (connection, person)
            };
            // Whoever is not even let begin again would be lost with each turn.
            let Ok(anew) = tokio::time::timeout(patience, anew).await else { break };
            (connection, person) = anew;
            continue;
        }
        done.times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        done.in_time += usize::from(!over.load(Ordering::Relaxed));
        if work == Work::Enrol {
            person = Person::new(&target, &connection);
        } else if is_ours && done.times_ms.len() % RENEWALS == 0 {
            // 32 certificates for one identifier and week, and not one more. Pebble has no such limit.
            person = Person::new(&target, &connection);
            person.enrol().await;
        }
    }
    done
}

/// So often somebody renews before somebody else does.
const RENEWALS: usize = 25;
