//! Three nodes as one directory, with Debian's nats-server between them: in one process, and as programs that are killed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::nats::{Nats, Operator};
use common::{DIRECTORY, Person, Running, World, answers_for_nobody, before_now, device, is_there, person, soon};
use directory::{DirectoryConfig, Standing};
use directory_protocol::client::{CloseReason, ConnectError, RequestError};
use directory_protocol::message::ErrorCode;
use directory_protocol::{Answer, CloseCode, DirectoryClient, DirectoryEvent, Outcome};
use identity::Identifier;
use identity::testing::Authority;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_on_three_nodes_see_and_call_each_other() {
    let Some(world) = World::several(|_| {}).await else { return };
    let mut alice = world.come("alice", &["bob", "carol"]).await;
    let mut bob = world.come("bob", &["alice"]).await;
    alice.sees("bob", false).await;
    alice.sees("carol", false).await;
    alice.sees("bob", true).await;
    bob.sees("alice", true).await;
    let carol = world.come("carol", &["alice"]).await;
    alice.sees("carol", true).await;
    assert!(alice.client.look_up(&person("bob")).await.unwrap().is_online());
    assert!(!bob.client.look_up(&person("carol")).await.unwrap().is_online(), "she is there, and not for him");

    let call = alice.call("bob", [7; 16]);
    alice.client.invite(call).await.unwrap();
    let DirectoryEvent::Outcome { outcome: Outcome::Ringing, .. } = alice.next().await else { panic!("it rings") };
    let DirectoryEvent::Incoming { call_id, caller, .. } = bob.next().await else { panic!("it rings there") };
    assert_eq!((call_id, caller), ([7; 16], person("alice")));
    let candidates = vec![bob.endpoint.local_addr().unwrap()];
    bob.client.answer(call_id, Answer::Accept { candidates }).await.unwrap();
    let (to_alice, to_bob) = (alice.next().await, bob.next().await);
    assert!(matches!(to_alice, DirectoryEvent::Go { .. }), "{to_alice:?}");
    assert!(matches!(to_bob, DirectoryEvent::Go { .. }), "{to_bob:?}");

    carol.client.close();
    alice.sees("carol", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_that_hangs_is_left_for_another() {
    let mut operator = Operator::new();
    let Some(first) = operator.serve(None) else { return };
    let second = operator.serve(Some(&first)).expect("the first one is there");
    // So all nodes are at the first.
    second.hang();
    let world = World::between(operator, vec![first, second], |_| {}).await;
    let (_, servers) = world.carrier.as_ref().expect("there are servers");
    servers[1].go_on();
    servers[0].hang();
    // Who comes now comes to two nodes, and one hears of the other by the second server; at first nobody may be let in.
    let meet = async |attempt: u32| {
        let (dora, emil) = (format!("dora{attempt}"), format!("emil{attempt}"));
        let mut hers = world.try_come(&dora, &[&emil]).await?;
        let _his = world.try_come(&emil, &[&dora]).await?;
        while let Some(event) = hers.events.recv().await {
            if let DirectoryEvent::Presence { presence, .. } = event
                && presence.is_online()
            {
                return Some(());
            }
        }
        None
    };
    let met = async {
        let mut attempt = 0;
        while meet(attempt).await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            attempt += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), met).await.expect("the second server carries what nodes say");
}

/// Until the directory lets this person go because it stops.
async fn goes(someone: &mut Person) {
    let stopping = CloseReason::ByDirectory(CloseCode::Stopping);
    while let Some(event) = someone.events.recv().await {
        match event {
            DirectoryEvent::Closed { reason } => return assert_eq!(reason, stopping),
            DirectoryEvent::Presence { .. } => {}
            other => panic!("expected the end, found {other:?}"),
        }
    }
    panic!("a last event was due");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_lets_nobody_in_and_its_people_go_one_after_another() {
    // Until somebody is in a hurry, one of two goes and the other does not.
    let long = Duration::from_secs(3_600);
    let slow = |config: &mut DirectoryConfig| {
        (config.timing.farewell_pause, config.timing.farewells_at_most) = (long, long);
    };
    let Some(world) = World::several(slow).await else { return };
    let (stops, stays) = (world.address, world.others[0].local_addr());
    let mut watcher = world.come_to(stays, "watcher", &["anna", "berta"]).await;
    let mut anna = world.come_to(stops, "anna", &["watcher"]).await;
    let mut berta = world.come_to(stops, "berta", &["watcher"]).await;
    let mut told = Told::default();
    told.until(&mut watcher, |told| ["anna", "berta"].iter().all(|name| told.last(name) == Some(true))).await;

    assert_eq!(world.directory.standing(), Standing::Serves);
    world.stop_first.cancel();
    let first = soon(async {
        tokio::select! {
            () = goes(&mut anna) => "anna",
            () = goes(&mut berta) => "berta",
        }
    });
    let first = first.await;
    let (second, mut left) = if first == "anna" { ("berta", berta) } else { ("anna", anna) };
    assert_eq!(world.directory.standing(), Standing::Stopping);
    told.until(&mut watcher, |told| told.last(first) == Some(false)).await;
    let newcomer = World::try_connect_to(stops, world.device("newcomer", before_now(Duration::ZERO))).await;
    assert!(matches!(newcomer.map(drop), Err(ConnectError::Full { .. })));
    // Who has not gone yet is answered, and seen; who has gone is taken in elsewhere.
    is_there(&left.client, &[person("watcher")]).await.unwrap();
    let _back = world.come_to(stays, first, &["watcher"]).await;
    told.until(&mut watcher, |told| told.last(first) == Some(true)).await;
    assert_eq!(told.last(second), Some(true));

    world.directory.hurry();
    soon(goes(&mut left)).await;
    told.until(&mut watcher, |told| told.last(second) == Some(false)).await;
    assert!(told.0[&person(first)].ends_with(&[true, false, true]), "{:?}", told.0);
    let refused = "inperson_directory_handshakes_total{result=\"stopping\"} ";
    let figures = world.directory.figures();
    let refused = figures.lines().find_map(|line| line.strip_prefix(refused)).unwrap();
    assert_ne!(refused, "0");
}

/// A node as a process of its own.
struct Node {
    child: Running,
    address: SocketAddr,
}

/// Towns measure memory and time: one after another.
static ONE_TOWN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Three nodes and two NATS servers, all of them programs.
struct Town {
    authority: Authority,
    operator: Operator,
    nats: Vec<Option<Nats>>,
    nodes: Vec<Option<Node>>,
    folder: tempfile::TempDir,
}

const NAMES: [&str; 3] = ["one", "three", "two"];

/// When somebody who tries again and again must have been let in. The programs have the specified times, which a machine that
/// has much else to do does not keep: then nodes part and come together, and each time it takes as long as a lost node.
const LET_IN: Duration = Duration::from_secs(600);

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
}

impl Town {
    /// Where nats-server is installed.
    fn new() -> Option<Self> {
        let authority = Authority::new(1, before_now(Duration::from_secs(3_600)));
        let mut operator = Operator::new();
        let first = operator.serve(None)?;
        let second = operator.serve(Some(&first))?;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let (chain, key) = authority.issue_service(DIRECTORY, before_now(Duration::from_secs(3_600)));
        let chain: String = chain.iter().map(|one| pem("CERTIFICATE", one)).collect();
        write("directory.pem", (pem("PRIVATE KEY", key.secret_der()) + &chain).as_bytes());
        write("policy.json", &authority.policy().canonical());
        write("cluster.key", format!("{}\n", "5a".repeat(32)).as_bytes());
        let nats = vec![Some(first), Some(second)];
        let mut town = Self { authority, operator, nats, nodes: vec![None, None, None], folder };
        (0..NAMES.len()).for_each(|node| town.start(node));
        Some(town)
    }

    fn start(&mut self, node: usize) {
        let carrier = self.operator.carrier(self.nats.iter().flatten());
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nobservation_port = 0\ntrust_policy = \"policy.json\"\n\
             certificate = \"directory.pem\"\n[cluster]\nname = \"{}\"\nnodes = {NAMES:?}\nkey = \"cluster.key\"\n\
             nats = {:?}\nnats_authority = {:?}\nnats_certificate = {:?}\n",
            NAMES[node], carrier.servers, carrier.authority, carrier.certificate
        );
        let path = self.folder.path().join(format!("{}.toml", NAMES[node]));
        std::fs::write(&path, settings).unwrap();
        let program = env!("CARGO_BIN_EXE_directory");
        let mut command = Command::new(program);
        command.args(["serve", "--json"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::piped());
        let log = self.folder.path().join(format!("{}.log", NAMES[node]));
        let mut child = Running(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
        let (told, first) = std::sync::mpsc::channel();
        let mut said = BufReader::new(child.0.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            said.read_line(&mut line).ok();
            told.send(line).ok();
        });
        let line = first.recv_timeout(Duration::from_secs(60)).unwrap_or_default();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("a node does not say that it answers, but {line:?}:\n{said}")
        });
        let address = ready["listen"].as_str().unwrap().parse().unwrap();
        self.nodes[node] = Some(Node { child, address });
    }

    /// Returns when every node answers for somebody who is nowhere.
    async fn answers(&self) {
        for node in self.nodes.iter().flatten() {
            let now = before_now(Duration::from_secs(3_600));
            let asker = || device(&self.authority, "asker", now, self.authority.trust());
            soon(answers_for_nobody(node.address, asker)).await;
        }
    }

    /// Comes to this node, as soon as it lets her in: a node that hears no other does not.
    async fn come(&self, node: usize, name: &str, contacts: &[String]) -> Person {
        let address = self.nodes[node].as_ref().unwrap().address;
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let hour_ago = before_now(Duration::from_secs(3_600));
        let config = device(&self.authority, name, hour_ago, self.authority.trust());
        let contacts: Vec<Identifier> = contacts.iter().map(|name| person(name)).collect();
        let begun = std::time::Instant::now();
        loop {
            let connected = DirectoryClient::connect(&endpoint, address, DIRECTORY, config.clone()).await;
            if let Ok((client, events)) = connected
                && is_there(&client, &contacts).await.is_ok()
            {
                return Person { client, events, endpoint };
            }
            assert!(begun.elapsed() < LET_IN, "{name} is not let in");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What one person has been told of all others, in order.
#[derive(Default)]
struct Told(HashMap<Identifier, Vec<bool>>);

impl Told {
    /// Takes events until this holds.
    async fn until(&mut self, person: &mut Person, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let event = tokio::time::timeout(Duration::from_secs(60), person.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("it never came; told: {:?}", self.0));
            let event = event.unwrap_or_else(|| panic!("she was disconnected; told: {:?}", self.0));
            if let DirectoryEvent::Presence { who, presence } = event {
                let told = self.0.entry(who).or_default();
                // Who has not come yet is offline.
                if presence.is_online() || !told.is_empty() {
                    told.push(presence.is_online());
                }
            }
        }
    }

    fn last(&self, name: &str) -> Option<bool> {
        self.0.get(&person(name)).and_then(|told| told.last().copied())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "nodes and NATS servers are killed, and lost nodes are waited for; run by ./test --all"]
async fn a_node_and_a_nats_server_are_killed_under_load_and_nobody_is_lied_to() {
    let _alone = ONE_TOWN.lock().await;
    let Some(mut town) = Town::new() else { return };
    let names: Vec<String> = (0..24).map(|n| format!("person{n}")).collect();
    let mut people = Vec::new();
    for (n, name) in names.iter().enumerate() {
        people.push(town.come(n % 3, name, &names).await);
    }
    let mut watcher = people.remove(0);
    let mut told = Told::default();
    told.until(&mut watcher, |told| names[1..].iter().all(|name| told.last(name) == Some(true))).await;

    // From now on: while they came, one who had to connect again may have been seen to go.
    told.0.values_mut().for_each(|of| *of = vec![true]);

    // The load: everybody on the two nodes that stay asks for everybody, over and over, as often as one may.
    let of_dead = |n: &usize| n % 3 == 2;
    let mut load = Vec::new();
    for (n, someone) in (1..).zip(&people).filter(|(n, _)| !of_dead(n)) {
        let (client, names) = (someone.client.clone(), names.clone());
        load.push(tokio::spawn(async move {
            for turn in 0.. {
                let who = (n + turn) % names.len();
                match client.look_up(&person(&names[who])).await {
                    Ok(presence) => assert!(presence.is_online() || of_dead(&who), "{} was there", names[who]),
                    Err(RequestError::NoAnswer(_)) => {}
                    Err(RequestError::Refused { error: ErrorCode::UnknownForNow, .. }) => {}
                    Err(error) => panic!("person{n} stayed: {error}"),
                }
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        }));
    }
    drop(town.nats[0].take());
    // All three are at the other server: without that the two that stay would be no majority.
    town.answers().await;
    drop(town.nodes[2].take());

    // Whoever was connected to the node that died is said to have gone; nobody else, for a moment.
    let dead: Vec<&String> = (1..24).filter(of_dead).map(|n| &names[n]).collect();
    told.until(&mut watcher, |told| dead.iter().all(|name| told.last(name) == Some(false))).await;
    for n in (1..24).filter(|n| !of_dead(n)) {
        let of = &told.0[&person(&names[n])];
        assert!(of.iter().all(|there| *there), "{} was there all the time: {of:?}", names[n]);
    }

    // The node comes back, and so do they, at another node meanwhile or there.
    town.start(2);
    let mut back = Vec::new();
    for name in &dead {
        back.push(town.come(2, name, &names).await);
    }
    told.until(&mut watcher, |told| dead.iter().all(|name| told.last(name) == Some(true))).await;
    for name in &dead {
        assert_eq!(told.0[&person(name)][..2], [true, false], "{name}");
    }
    // They talk to those who stayed.
    let call = watcher.call(dead[0], [9; 16]);
    watcher.client.invite(call).await.unwrap();
    let rings = soon(async {
        loop {
            let event = back[0].events.recv().await.expect("nobody is disconnected");
            if let DirectoryEvent::Incoming { call_id, .. } = event {
                return call_id;
            }
        }
    });
    assert_eq!(rings.await, [9; 16]);
    for one in load {
        one.abort();
        let end = one.await.expect_err("she asks on");
        assert!(end.is_cancelled(), "{end}");
    }
}

/// Kilobytes of memory that a process has.
fn resident_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Nodes that part for a moment let people go: those come again, until one look finds all of them.
async fn all_are_there(people: &mut [Person], come: &impl AsyncFn(usize) -> Person) {
    let mut missing = true;
    while std::mem::take(&mut missing) {
        for (n, someone) in people.iter_mut().enumerate() {
            if someone.client.ping().await.is_err() {
                *someone = come(n).await;
                missing = true;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "six hundred handshakes with three programs; run by ./test --all"]
async fn a_person_on_a_cluster_costs_no_more_than_the_page_says() {
    let _alone = ONE_TOWN.lock().await;
    let Some(town) = Town::new() else { return };
    let held = |town: &Town| town.nodes.iter().flatten().map(|node| resident_kb(node.child.0.id())).sum::<u64>();
    let names: Vec<String> = (0..600).map(|n| format!("person{n}")).collect();
    let come = async |n: usize| {
        let contacts: Vec<String> = (1..=20).map(|k| names[(n + k * 29) % names.len()].clone()).collect();
        town.come(n % 3, &names[n], &contacts).await
    };
    let mut people = Vec::new();
    let mut before = 0;
    for n in 0..names.len() {
        // The first make room that the others use.
        if n == 60 {
            all_are_there(&mut people, &come).await;
            before = held(&town);
        }
        people.push(come(n).await);
    }
    all_are_there(&mut people, &come).await;
    let each = held(&town).saturating_sub(before) / (names.len() as u64 - 60);
    println!("{each} KB for each of {} people with 20 contacts, on three nodes together", names.len());
    // docs/scale.md: what is held of somebody at her door and at her keeper, and her connection.
    assert!(each <= 128, "{each} KB");
}
