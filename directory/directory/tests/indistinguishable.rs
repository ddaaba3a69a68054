//! Whether somebody is offline, invisible, blocking, hidden or unknown cannot be told by the bytes of an answer, nor by its time.
//!
//! The times are compared by rank within each batch of questions asked together (Friedman's test): what happens to a machine
//! meanwhile happens to all questions of a batch alike. The same test must notice a difference that is there: a large one that
//! is made, and a small one that is added to the very times in which nothing was found.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{World, person};
use directory::Rate;
use directory_protocol::client::RequestError;
use directory_protocol::frame::{FrameBuffer, decode_response, encode};
use directory_protocol::message::{ErrorCode, Purpose, Request, Response};
use directory_protocol::{Announcement, Appearance, Audience, DirectoryEvent, Outcome, Status};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How each of them is not there, for Alice.
const ABSENT: [&str; 5] = ["offline", "invisible", "blocking", "hidden", "unknown"];
const BATCHES: usize = 120;
/// Batches of a control, in which one class is first or last: a few that a busy machine mixes up hide no difference.
const CONTROL: usize = 40;

/// The 1 − 10⁻⁹ quantile of the chi-square distribution with four degrees of freedom.
const UNLIKELY: f64 = 48.0;

/// Friedman's statistic of the times of each batch, in the order of the classes.
fn friedman(batches: &[[Duration; ABSENT.len()]]) -> f64 {
    let (n, k) = (batches.len() as f64, ABSENT.len() as f64);
    let mut rank_sums = [0.0; ABSENT.len()];
    for times in batches {
        for (class, time) in times.iter().enumerate() {
            let below = times.iter().filter(|other| *other < time).count() as f64;
            let equal = times.iter().filter(|other| *other == time).count() as f64;
            rank_sums[class] += below + (equal + 1.0) / 2.0;
        }
    }
    let squares: f64 = rank_sums.iter().map(|sum| sum * sum).sum();
    12.0 / (n * k * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)
}

/// A difference that is so large must be noticed on any machine; the smallest that is, is told. On one that does nothing else it
/// is one millisecond.
const NOTICED: Duration = Duration::from_millis(32);

/// The times of the classes do not differ; and not because nothing would be found in them.
fn tell_nothing(batches: &[[Duration; ABSENT.len()]]) {
    let statistic = friedman(batches);
    assert!(statistic < UNLIKELY, "the times differ: {statistic}");
    // Frames that came in one packet have one time: what sets them apart by less than that is hidden from everybody, and from this test.
    let pairs = |times: &[Duration; ABSENT.len()]| {
        let equal = |(at, time): (usize, &Duration)| times[..at].iter().filter(|other| *other == time).count();
        times.iter().enumerate().map(equal).sum::<usize>()
    };
    let tied = batches.iter().map(pairs).sum::<usize>() as f64 / (10 * batches.len()) as f64;
    println!("{:.0} % of all pairs came in the same moment; the statistic is {statistic:.1}", tied * 100.0);
    let mut more = Duration::from_millis(1);
    let noticed = |class: usize, more: Duration| {
        let mut later = batches.to_vec();
        later.iter_mut().for_each(|times| times[class] += more);
        friedman(&later) > UNLIKELY
    };
    for (class, name) in ABSENT.into_iter().enumerate() {
        while !noticed(class, more) {
            more *= 2;
            assert!(more <= NOTICED, "{NOTICED:?} more for {name} would not be noticed, with {tied} tied");
        }
    }
    println!("{more:?} more would be noticed for whichever of them");
}

/// What came for one request: when the first frame of it, when the last one, and the bytes of all without what the request
/// itself determines.
#[derive(Default)]
struct Answer {
    first: Option<Duration>,
    last: Duration,
    frames: Vec<Vec<u8>>,
}

/// Asks about all five at once, in an order that changes, and waits for all answers.
struct Asker {
    _endpoint: quinn::Endpoint,
    _connection: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    buffer: FrameBuffer,
    random: u64,
    asked: u32,
}

impl Asker {
    async fn new(world: &World) -> Self {
        let (_endpoint, _connection, send, receive) = world.raw("alice").await;
        Self { _endpoint, _connection, send, receive, buffer: FrameBuffer::new(), random: 0x9e37_79b9, asked: 0 }
    }

    /// The classes, shuffled (xorshift: the order needs to be independent of the classes, not secret).
    fn order(&mut self) -> [usize; ABSENT.len()] {
        let mut order = [0, 1, 2, 3, 4];
        for last in (1..order.len()).rev() {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            order.swap(last, (self.random % (last as u64 + 1)) as usize);
        }
        order
    }

    /// Sends one request for each class, and waits until the last frame of each has come; `key` tells what a frame answers.
    async fn batch(
        &mut self,
        request: impl Fn(u32, &str) -> Request,
        key: impl Fn(&Response) -> Option<u32>,
        is_last: impl Fn(&Response) -> bool,
    ) -> [Answer; ABSENT.len()] {
        let mut frames = Vec::new();
        let mut class_of = HashMap::new();
        for class in self.order() {
            self.asked += 1;
            class_of.insert(self.asked, class);
            frames.extend(encode(&request(self.asked, ABSENT[class])));
        }
        let asked = Instant::now();
        self.send.write_all(&frames).await.unwrap();
        let mut answers: [Answer; ABSENT.len()] = Default::default();
        let mut missing = ABSENT.len();
        while missing > 0 {
            let chunk = common::soon(self.receive.read_chunk(65_536, true)).await.unwrap().unwrap();
            let now = asked.elapsed();
            self.buffer.push(&chunk.bytes);
            while let Some(body) = self.buffer.next().unwrap() {
                let response = decode_response(body).unwrap().unwrap();
                let number = key(&response).unwrap();
                let answer = &mut answers[class_of[&number]];
                answer.frames.push(without(number, body));
                answer.first.get_or_insert(now);
                if is_last(&response) {
                    answer.last = now;
                    missing -= 1;
                }
            }
        }
        answers
    }

    /// Takes all five off her watch list, so that the next WATCH is a first one.
    async fn watch_nobody(&mut self) {
        self.batch(|id, who| Request::Unwatch { id, people: vec![person(who)] }, answered, |_| true).await;
    }
}

/// Which request was answered.
fn answered(response: &Response) -> Option<u32> {
    match response {
        Response::Done { id } | Response::Found { id, .. } => Some(*id),
        _ => None,
    }
}

/// The frame without the request's own number: after the head of the array and the frame's number it has the id, or the call.
fn without(number: u32, body: &[u8]) -> Vec<u8> {
    let (head, rest) = body.split_at(3);
    let id = match number {
        0..24 => vec![number as u8],
        24..256 => vec![0x18, number as u8],
        _ => [&[0x19][..], &(number as u16).to_be_bytes()].concat(),
    };
    let call = [&[0x50][..], &call_id(number)].concat();
    let rest = rest.strip_prefix(&id[..]).or_else(|| rest.strip_prefix(&call[..])).expect("it names its request");
    [head, rest].concat()
}

fn call_id(number: u32) -> [u8; 16] {
    [&[0xee; 12][..], &number.to_be_bytes()].concat().try_into().unwrap()
}

/// Two clusters at a time would measure each other.
static ONE_CLUSTER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// On how many nodes the directory is.
#[derive(Clone, Copy)]
enum Nodes {
    One,
    Three,
}

/// Alice's contacts in every way of not being there; and one who is there, for the control.
async fn town(nodes: Nodes) -> Option<(World, Vec<common::Person>)> {
    let plenty = Rate::new(1_000_000, Duration::from_micros(1));
    let change = |config: &mut directory::DirectoryConfig| {
        let deadline = match nodes {
            // Less would be less than a busy machine takes now and then.
            Nodes::One => Duration::from_millis(60),
            // The question goes to two other nodes before, and on a busy machine they take their time.
            Nodes::Three => Duration::from_millis(300),
        };
        (config.timing.negative_deadline, config.timing.no_answer) = (deadline, deadline);
        (config.limits.look_ups, config.limits.watches, config.limits.invites) = (plenty, plenty, plenty);
    };
    let world = match nodes {
        Nodes::One => World::with(change),
        Nodes::Three => World::several(change).await?,
    };
    let alice = vec![person("alice")];
    let mut there = Vec::new();
    for name in ["invisible", "blocking", "hidden", "friend"] {
        let someone = world.connect(name).await;
        let usual = Announcement::available(alice.clone());
        let announcement = match name {
            "invisible" => Announcement { appearance: Appearance::Invisible, ..usual },
            "blocking" => Announcement { visible_to: Audience::Everyone, blocked: alice.clone(), ..usual },
            "hidden" => Announcement { visible_to: Audience::Nobody, may_knock: Audience::Nobody, ..usual },
            _ => usual,
        };
        someone.client.announce(announcement).await.unwrap();
        there.push(someone);
    }
    world.come("offline", &["alice"]).await.client.close();
    // Her end takes its time to come to her node, and from there to her keeper's.
    let asker = world.connect("alice").await;
    common::soon(async {
        while asker.client.look_up(&person("offline")).await.unwrap().is_online() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        asker.client.close();
        while world.connections() != there.len() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    Some((world, there))
}

#[tokio::test]
async fn look_ups_tell_nothing() {
    look_ups(Nodes::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "120 batches at a longer deadline, through nats-server; run by ./test --all"]
async fn look_ups_tell_nothing_through_a_cluster() {
    let _alone = ONE_CLUSTER.lock().await;
    look_ups(Nodes::Three).await;
}

async fn look_ups(nodes: Nodes) {
    let Some((world, _there)) = town(nodes).await else { return };
    let mut alice = Asker::new(&world).await;
    let (mut times, mut bytes, mut control) = (Vec::new(), HashSet::new(), Vec::new());
    for _ in 0..BATCHES {
        let answers = alice.batch(|id, who| Request::LookUp { id, who: person(who) }, answered, |_| true).await;
        times.push(answers.each_ref().map(|answer| answer.last));
        bytes.extend(answers.map(|answer| answer.frames));
    }
    for _ in 0..CONTROL {
        let friend = |id, who: &str| Request::LookUp { id, who: person(if who == "hidden" { "friend" } else { who }) };
        control.push(alice.batch(friend, answered, |_| true).await.map(|answer| answer.last));
    }
    assert_eq!(bytes.len(), 1, "{bytes:?}");
    tell_nothing(&times);
    notices(&control);
}

#[tokio::test]
async fn watches_tell_nothing() {
    watches(Nodes::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "120 batches at a longer deadline, through nats-server; run by ./test --all"]
async fn watches_tell_nothing_through_a_cluster() {
    let _alone = ONE_CLUSTER.lock().await;
    watches(Nodes::Three).await;
}

/// Whoever watches somebody who is not there for her hears that the WATCH is done, at its deadline, and nothing else.
async fn watches(nodes: Nodes) {
    let Some((world, _there)) = town(nodes).await else { return };
    let mut alice = Asker::new(&world).await;
    let (mut times, mut bytes, mut control) = (Vec::new(), HashSet::new(), Vec::new());
    let watch = |id, who: &str| Request::Watch { id, people: vec![person(who)] };
    for _ in 0..BATCHES {
        let answers = alice.batch(watch, answered, |_| true).await;
        times.push(answers.each_ref().map(|answer| answer.last));
        bytes.extend(answers.map(|answer| answer.frames));
        alice.watch_nobody().await;
    }
    for _ in 0..CONTROL {
        // Something that is answered at once.
        let friend = |id, who: &str| match who {
            "hidden" => Request::LookUp { id, who: person("friend") },
            who => watch(id, who),
        };
        control.push(alice.batch(friend, answered, |_| true).await.map(|answer| answer.last));
        alice.watch_nobody().await;
    }
    assert_eq!(bytes.len(), 1, "{bytes:?}");
    tell_nothing(&times);
    notices(&control);
}

/// One of five nearly always first or last: it is to be noticed far beyond chance.
fn notices(control: &[[Duration; ABSENT.len()]]) {
    assert!(friedman(control) > 15.0, "the test notices nothing: {}", friedman(control));
}

/// Declines whatever rings.
async fn decline_all(mut someone: common::Person) {
    while let Some(event) = someone.events.recv().await {
        if let DirectoryEvent::Incoming { call_id, .. } = event {
            // On a busy machine a call may be over before it is declined; then the next one is.
            let answered = someone.client.answer(call_id, directory_protocol::Answer::Decline).await;
            let over = matches!(answered, Err(RequestError::Refused { error: ErrorCode::NoSuchCall, .. }));
            assert!(answered.is_ok() || over, "{answered:?}");
        }
    }
}

#[tokio::test]
async fn calls_tell_nothing() {
    calls(Nodes::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "120 batches at a longer deadline, through nats-server; run by ./test --all"]
async fn calls_tell_nothing_through_a_cluster() {
    let _alone = ONE_CLUSTER.lock().await;
    calls(Nodes::Three).await;
}

async fn calls(nodes: Nodes) {
    let Some((world, mut there)) = town(nodes).await else { return };
    tokio::spawn(decline_all(there.pop().expect("the friend came last")));
    let mut alice = Asker::new(&world).await;
    // Alice is there and visible to everyone: nothing on her side makes these calls quiet.
    let announce = Request::Announce {
        id: 0,
        appearance: Appearance::As(Status::Available),
        visible_to: directory_protocol::message::AudienceKind::Everyone,
        may_knock: directory_protocol::message::AudienceKind::Everyone,
        details: None,
    };
    alice.send.write_all(&encode(&announce)).await.unwrap();
    let mut first = [0; 64];
    assert!(alice.receive.read(&mut first).await.unwrap().is_some());
    let key = |response: &Response| match response {
        Response::Done { id } | Response::Found { id, .. } => Some(*id),
        Response::Outcome { call_id, .. } => Some(u32::from_be_bytes(call_id[12..].try_into().unwrap())),
        _ => None,
    };
    let over = |response: &Response| match response {
        Response::Outcome { outcome, .. } => *outcome != Outcome::Ringing,
        other => matches!(other, Response::Found { .. }),
    };
    let invite = |id, who: &str| Request::Invite {
        id,
        call_id: call_id(id),
        callee: person(who),
        purpose: Purpose::Call,
        candidates: vec![],
        device: None,
    };
    let (mut firsts, mut times, mut bytes) = (Vec::new(), Vec::new(), HashSet::new());
    for _ in 0..BATCHES {
        let answers = alice.batch(invite, key, over).await;
        firsts.push(answers.each_ref().map(|answer| answer.first.unwrap()));
        times.push(answers.each_ref().map(|answer| answer.last));
        bytes.extend(answers.map(|answer| answer.frames));
    }
    let (mut declined, mut later) = (Vec::new(), Vec::new());
    for _ in 0..CONTROL {
        // Somebody who lets Alice see that she declines; and a request whose first frame comes late.
        let friend = |id, who: &str| invite(id, if who == "hidden" { "friend" } else { who });
        declined.push(alice.batch(friend, key, over).await.map(|answer| answer.last));
        let late = |id, who: &str| match who {
            "hidden" => Request::LookUp { id, who: person(who) },
            who => invite(id, who),
        };
        later.push(alice.batch(late, key, over).await.map(|answer| answer.first.unwrap()));
    }
    assert_eq!(bytes.len(), 1, "{bytes:?}");
    assert_eq!(bytes.iter().next().unwrap().len(), 3, "done, ringing, no answer");
    tell_nothing(&firsts);
    tell_nothing(&times);
    notices(&declined);
    notices(&later);
}
