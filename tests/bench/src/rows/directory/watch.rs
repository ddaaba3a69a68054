//! Long watch lists: how soon a change is seen by somebody who watches ten thousand people, and by the last of many who watch
//! one.

use std::time::Instant;

use directory_protocol::{Announcement, Appearance, Audience, Details, Status};
use futures_util::{StreamExt as _, future::join_all, stream};
use tokio::runtime::Runtime;

use super::{Seen, Town, p50, person, until_shown};
use crate::measure::{Pair, Part, Scale, median, paired};

/// What a watch list holds at most.
const LISTED: usize = 10_000;
/// Who all watch the same person, in a run and in a long one.
const WATCHERS: usize = 500;
const WATCHERS_FULL: usize = 5_000;
/// Handshakes at once.
const AT_ONCE: usize = 32;
const ROUNDS: usize = 15;

/// From a change of status to the event at a device that watches ten thousand people, beside one that watches a single one.
pub(crate) fn watch(runtime: &Runtime, scale: Scale) -> Pair {
    let (mut long, mut short, took) = runtime.block_on(async {
        let (long, short) = (Seen::new().await, Seen::new().await);
        // Bob is on it already.
        let others = (1..LISTED).map(|number| person(&format!("p{number}@example.org"))).collect();
        let began = Instant::now();
        long.alice.watch(others).await.expect("a list may be that long");
        (long, short, began.elapsed())
    });
    let pair = paired(
        ROUNDS * scale.factor,
        || runtime.block_on(async { p50(&mut long).await }),
        || runtime.block_on(async { p50(&mut short).await }),
    );
    let watchers = if scale.factor > 1 { WATCHERS_FULL } else { WATCHERS };
    let last = runtime.block_on(last_of(watchers));
    let part = |name: String, figure| Part { name, figure, unit: "ms", times: 1.0 };
    let parts = vec![
        part(format!("until a list of {LISTED} is watched"), took.as_secs_f64() * 1e3),
        part(format!("until the last of {watchers} watchers has seen a change (aim ≤ 50)"), last),
    ];
    Pair { parts, ..pair }
}

/// Milliseconds from a change until everybody of so many has seen it.
async fn last_of(watchers: usize) -> f64 {
    let town = Town::new();
    let (bob, _events) = town.enter(&town.endpoint(), "bob@example.org").await;
    let seen_by_all = Announcement { visible_to: Audience::Everyone, ..Announcement::available(Vec::new()) };
    bob.announce(seen_by_all).await.expect("it is announced");
    let endpoints: Vec<_> = (0..AT_ONCE).map(|_| town.endpoint()).collect();
    let (town, endpoints) = (&town, &endpoints);
    let watching = async |number: usize| {
        let (client, events) = town.enter(&endpoints[number % AT_ONCE], &format!("w{number}@example.org")).await;
        client.watch(vec![person("bob@example.org")]).await.expect("it is watched");
        (client, events)
    };
    let mut all: Vec<_> = stream::iter(0..watchers).map(watching).buffer_unordered(AT_ONCE).collect().await;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let status = if round % 2 == 0 { Status::Away } else { Status::Available };
        let began = Instant::now();
        let told = async { bob.appear(Appearance::As(status), Details::default()).await.expect("it is taken") };
        tokio::join!(told, join_all(all.iter_mut().map(|(_, events)| until_shown(events, status))));
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    median(times)
}
