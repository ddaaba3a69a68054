//! Many people for a while: what a directory has resident while some come and others go, and how long it takes until all are
//! back who come at once.

use std::collections::VecDeque;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::server::Server;
use super::{AT_ONCE, Held, PEOPLE, PEOPLE_FULL, People, Person, SETTLED};
use crate::measure::{Pair, Scale};

/// How long people are held, and how often the memory is looked at.
const HELD: Duration = Duration::from_secs(20);
const HELD_FULL: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Of a hundred people one goes, and another comes, in a minute.
const STAYS: Duration = Duration::from_secs(6_000);
/// Those who come back after the directory was started anew.
const RETURNING: usize = 3_000;
const RETURNING_FULL: usize = 50_000;
/// As the messenger tries again: how long an attempt may take, and pauses that double, each between half and one and a half of it.
const ATTEMPT: Duration = Duration::from_secs(10);
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often a long wait is told of.
const TOLD: Duration = Duration::from_secs(10);

impl People {
    /// As a messenger does it, until it is in; how long it took.
    async fn come_back(&self, who: Person, address: SocketAddr) -> (Held, Duration) {
        let (began, (mut pause, longest)) = (Instant::now(), PAUSES);
        loop {
            let chance = rand::rng().random_range(0.5..1.5);
            tokio::time::sleep(pause.mul_f64(chance)).await;
            if let Ok(Ok(held)) = tokio::time::timeout(ATTEMPT, self.come(&who, address)).await {
                return (held, began.elapsed());
            }
            pause = (pause * 2).min(longest);
        }
    }
}

/// How long each of so many takes who come back at once.
async fn all_come_back(server: &Server, people: People, returning: usize) -> Vec<f64> {
    let everybody: Vec<_> = (0..returning).map(|number| people.certified(number)).collect();
    let (people, address) = (Arc::new(people), server.address());
    let mut coming = JoinSet::new();
    for who in everybody {
        let people = Arc::clone(&people);
        coming.spawn(async move { people.come_back(who, address).await });
    }
    // They stay, each of them, until the last is there.
    let mut back = Vec::with_capacity(returning);
    let (began, mut told) = (Instant::now(), Instant::now());
    while let Some(held) = coming.join_next().await {
        back.push(held.expect("nobody panics on the way"));
        if told.elapsed() > TOLD {
            told = Instant::now();
            eprintln!("{} of {returning} are back after {:.0} s", back.len(), began.elapsed().as_secs_f64());
        }
    }
    back.into_iter().map(|(_, took)| took.as_secs_f64()).collect()
}

/// What a directory has resident after so long, as a multiple of what it had when all had come, while people come and go;
/// beside it, at the same time and with as many, a bare quinn server. Then all come back to a directory that was started anew.
pub(crate) fn hold(runtime: &Runtime, scale: Scale) -> Pair {
    let full = scale.factor > 1;
    let (people, time) = if full { (PEOPLE_FULL, HELD_FULL) } else { (PEOPLE, HELD) };
    let returning = if full { RETURNING_FULL } else { RETURNING };
    let (mut ours, mut bare) = (House::open(runtime, "directory"), House::open(runtime, "bare"));
    let there = runtime.block_on(async {
        ours.fill(people).await;
        bare.fill(people).await;
        tokio::time::sleep(SETTLED).await;
        let (began, mut minutes) = (Instant::now(), 0);
        ours.look();
        bare.look();
        while began.elapsed() < time {
            tokio::time::sleep(LOOK).await;
            let due = (people as f64 * began.elapsed().as_secs_f64() / STAYS.as_secs_f64()) as usize;
            ours.renew(people, due).await;
            bare.renew(people, due).await;
            if began.elapsed() >= MINUTE * (minutes + 1) {
                minutes += 1;
                ours.look();
                bare.look();
            }
        }
        ours.look();
        bare.look();
        // Memory is flat as well where people are lost.
        (ours.there().await, bare.there().await)
    });
    let held = format!(
        "{people} people for {} s, 1 % of them others every minute, MB at the beginning, every minute and at the end: {}; bare {}; {} and {} were there at the end",
        time.as_secs(),
        ours.said(),
        bare.said(),
        there.0,
        there.1,
    );
    let pair = Pair::new(ours.grown(), bare.grown());
    drop((ours, bare));
    // The other half takes its time, too.
    eprintln!("{held}");
    let anew = Server::start("directory");
    let mut times = runtime.block_on(all_come_back(&anew, People::new(runtime, &anew), returning));
    times.sort_by(f64::total_cmp);
    let (half, all) = (times[times.len() / 2], times[times.len() - 1]);
    pair.noted(format!(
        "{held}. {returning} came back to a directory started anew: half within {half:.0} s, all within {all:.0} s, {:.0} MB",
        anew.resident() / 1e6,
    ))
}

/// A server, who is there now, and what it had resident whenever it was looked at.
struct House {
    server: Server,
    people: People,
    held: VecDeque<Held>,
    gone: usize,
    looks: Vec<f64>,
}

impl House {
    fn open(runtime: &Runtime, what: &str) -> Self {
        let server = Server::start(what);
        let people = People::new(runtime, &server);
        Self { server, people, held: VecDeque::new(), gone: 0, looks: Vec::new() }
    }

    async fn fill(&mut self, people: usize) {
        self.held = self.people.all_come(0..people, self.server.address()).await.into();
    }

    /// Whoever has been there for the longest goes and another comes, until so many have.
    async fn renew(&mut self, people: usize, due: usize) {
        while self.gone < due {
            self.held.pop_front().expect("more come than go").go();
            self.held.push_back(self.people.come_in(people + self.gone, self.server.address()).await);
            self.gone += 1;
        }
    }

    fn look(&mut self) {
        self.looks.push(self.server.resident());
    }

    fn grown(&self) -> f64 {
        self.looks[self.looks.len() - 1] / self.looks[0]
    }

    fn said(&self) -> String {
        let megabytes: Vec<_> = self.looks.iter().map(|bytes| format!("{:.0}", bytes / 1e6)).collect();
        megabytes.join(" ")
    }

    /// How many the server still answers.
    async fn there(&self) -> usize {
        let answered = stream::iter(&self.held).map(Held::is_there).buffer_unordered(AT_ONCE);
        answered.filter(|there| ready(*there)).count().await
    }
}
