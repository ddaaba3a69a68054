//! What a home server has resident with many issued certificates in its books (a million with `--full`), and how long
//! listing and revoking take then.

use std::path::Path;
use std::time::{Duration, Instant};

use ca::store::Book;
use tokio::runtime::Runtime;

use super::acme::{self, Person};
use super::seed::{identifier, seed};
use super::servers::Server;
use super::sink::Sink;
use super::{DURING, FIGURE, Work, load};
use crate::measure::{Pair, Scale};
use crate::rows::log::bed;

const CERTIFICATES: u64 = 20_000;
const CERTIFICATES_FULL: u64 = 1_000_000;
/// How often each question is put, and how many certificates are revoked.
const QUESTIONS: u64 = 200;
const REVOCATIONS: usize = 60;
/// Between two revocations: more than between two batches of the log, as revocations are rare. Those that come together
/// share a list.
const PAUSE: Duration = Duration::from_millis(200);
/// How many a listing shows, as `ca list` does unless told otherwise.
const LISTED: u32 = 100;

/// The most that the whole home server has had resident, enrolments and revocations included; pebble's beside it, after as
/// many seconds of enrolments and nothing else.
pub(crate) fn memory(runtime: &Runtime, scale: Scale) -> Pair {
    let full = scale.factor > 1;
    let (count, during) = (if full { CERTIFICATES_FULL } else { CERTIFICATES }, DURING);
    let folder = bed::folder();
    let sink = runtime.block_on(Sink::open());
    let own = folder.path().join("ours");
    Server::prepare(&own, &sink);
    let start = Instant::now();
    seed(&own, count);
    let seeding = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let ours = Server::ours(&own, &sink);
    let (starting, at_start) = (start.elapsed().as_secs_f64(), ours.peak());
    let seen = runtime.block_on(load(&ours, Work::Enrol, FIGURE, during)).expect("our own server answers");
    let listing = listing(&own.join("ca.sqlite"), count);
    let revoking = p95(runtime.block_on(revoke(&ours)));
    let peak = ours.peak();
    drop(ours);
    let theirs = Server::pebble(folder.path());
    let theirs = theirs.and_then(|pebble| {
        let _ = runtime.block_on(load(&pebble, Work::Enrol, FIGURE, during))?;
        Some(pebble.peak())
    });
    let mut notes = vec![format!(
        "{count} certificates seeded in {seeding:.0} s; started in {starting:.1} s at {at_start:.0} MB; then {:.0} enrolments/s, p95 {:.0} ms",
        seen.per_second, seen.p95_ms
    )];
    notes.push(format!("revoking, p95: {revoking:.1} ms; listing, p95:{listing}"));
    Pair::new(peak, theirs.unwrap_or(f64::NAN)).noted(notes.join("\n                   "))
}

/// As `ca list` and `ca search` ask, each time with the book opened anew.
fn listing(database: &Path, count: u64) -> String {
    let open = || Book::open(database).expect("the database is there");
    let serials: Vec<_> = (open().newest(u32::try_from(QUESTIONS).unwrap_or(u32::MAX)).expect("it answers").iter())
        .map(|record| record.serial.to_string())
        .collect();
    let number = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
    let timed = |ask: &dyn Fn(&Book, u64) -> usize| {
        p95((0..QUESTIONS).map(|n| {
            let start = Instant::now();
            assert!(ask(&open(), n) > 0, "what was asked for is found");
            start.elapsed().as_secs_f64() * 1e3
        }))
    };
    let newest = timed(&|book, _| book.newest(LISTED).expect("it answers").len());
    let person = timed(&|book, n| book.of(&identifier(number(n)), LISTED).expect("it answers").len());
    let digits = |n: u64, length: usize| serials[n as usize % serials.len()][..length].to_owned();
    let long = timed(&|book, n| book.beginning_with(&digits(n, 12), LISTED).expect("it answers").len());
    let short = timed(&|book, n| book.beginning_with(&digits(n, 2), LISTED).expect("it answers").len());
    format!(
        " newest {newest:.1} ms, a person's {person:.1} ms, by 12 digits of the serial number {long:.1} ms, by 2 {short:.1} ms"
    )
}

/// How long each revocation takes, its list included (ms).
async fn revoke(server: &Server) -> Vec<f64> {
    let connection = acme::connect(&server.target).await;
    let mut times = Vec::with_capacity(REVOCATIONS);
    for _ in 0..REVOCATIONS {
        let mut person = Person::new(&server.target, &connection);
        person.enrol().await;
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        person.revoke().await;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    times
}

fn p95(times: impl IntoIterator<Item = f64>) -> f64 {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_by(f64::total_cmp);
    bed::quantile(&times, 0.95)
}
