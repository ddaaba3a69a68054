//! People of two home servers, each for one mail domain, find each other without any traffic between the servers: by SRV
//! records of a name server by other people's hands (`tests/federation/names.py`), by trust policies, by contact cards.
//!
//! Needs python3 with venv, and a package from PyPI; says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use identity::trust::TrustPolicy;
use serde_json::{Value, json};
use story::guard;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};
use story::python;

const PATIENCE: Duration = Duration::from_secs(60);
const SERVICE: &str = "_inperson-directory._udp";

/// The name server.
struct Names {
    _running: Running,
    stdin: ChildStdin,
    says: Receiver<Value>,
    resolver: String,
}

impl Names {
    /// None where Python or its package cannot be had.
    fn start(place: &Path) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../federation").canonicalize().unwrap();
        let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("federation");
        // Two tests of this file use it: the first one makes it.
        static MADE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let python = {
            let _one_at_a_time = MADE.lock().unwrap();
            python::environment(&environment, &here.join("requirements.txt"))
        };
        let python = python.inspect_err(|reason| story::skipped(format_args!("no name server: {reason}"))).ok()?;
        let mut command = guard::guarded(&python).unwrap();
        command.arg("-B").arg(here.join("names.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(process::sink(&place.join("names.log")).unwrap());
        let mut running = Running::start("the name server", command).unwrap();
        let (stdin, stdout) = (running.take_stdin().unwrap(), running.take_stdout().unwrap());
        let (sender, says) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut names = Self { _running: running, stdin, says, resolver: String::new() };
        names.resolver = format!("127.0.0.1:{}", names.answer()["dns"]);
        names.tell(&json!({ "name": "node.example", "a": ["127.0.0.1"] }));
        Some(names)
    }

    fn answer(&self) -> Value {
        self.says.recv_timeout(PATIENCE).unwrap()
    }

    fn tell(&mut self, order: &Value) -> Value {
        writeln!(self.stdin, "{order}").unwrap();
        self.answer()
    }

    /// The record says that the domain's directory is this server's.
    fn points(&mut self, domain: &str, server: &Homeserver) {
        let port: u16 = server.ready().directory.rsplit_once(':').unwrap().1.parse().unwrap();
        self.record(domain, &json!([[10, 0, port, "node.example"]]));
    }

    fn record(&mut self, domain: &str, srv: &Value) {
        self.tell(&json!({ "name": format!("{SERVICE}.{domain}"), "srv": srv }));
    }

    fn asked(&mut self, domain: &str) -> u64 {
        self.tell(&json!({ "asked": format!("{SERVICE}.{domain}") }))["asked"].as_u64().unwrap()
    }

    fn messenger(&self, person: &Person, options: &[&str]) -> Messenger {
        let all: Vec<&str> = ["--resolver", &self.resolver].into_iter().chain(options.iter().copied()).collect();
        let mut messenger = person.messenger_with(&all).unwrap();
        messenger.expect(&json!({ "event": "online" })).unwrap();
        messenger
    }
}

/// A home server that has been started once, so that it has a policy.
fn founded(place: &Path, name: &str, permits: &str) -> TrustPolicy {
    let folder = place.join(name);
    Homeserver::start(&folder, &["--permit-domain", permits]).unwrap().stop().unwrap();
    TrustPolicy::parse(&std::fs::read(folder.join("policy.json")).unwrap()).unwrap()
}

/// The same, whose directory goes by these names, and takes in people of others at these domains.
fn serving(place: &Path, name: &str, names: &[&str], others: &[(&str, &TrustPolicy, &str)]) -> Homeserver {
    let folder = place.join(name);
    let settings = folder.join("homeserver.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let mut text = text.replace("\nlog_year", &format!("\ndirectory_names = {names:?}\nlog_year"));
    for (other, policy, domain) in others {
        std::fs::write(folder.join(format!("{other}.json")), policy.canonical()).unwrap();
        let fingerprint = policy.fingerprint();
        text += &format!(
            "\n[[foreign]]\npolicy = \"{other}.json\"\nfingerprint = \"{fingerprint}\"\ndomains = [\"{domain}\"]\n"
        );
    }
    std::fs::write(&settings, text).unwrap();
    Homeserver::start(&folder, &[]).unwrap()
}

/// Somebody who is certified by one server and trusts another one, too.
fn person(place: &Path, address: &str, own: &Homeserver, other: &Homeserver) -> Person {
    let person = Person::new(place, address);
    person.join(own.ready(), &own.outbox()).unwrap();
    person.trust(other.ready()).unwrap();
    person
}

fn sees(messenger: &mut Messenger, who: &str, online: bool) {
    messenger.expect(&json!({ "event": "presence", "who": who, "online": online })).unwrap();
}

fn says(speaker: &mut Messenger, to: &str, text: &str, id: u64) {
    speaker.tell(&json!({ "do": "send", "to": to, "text": text, "id": id })).unwrap();
}

fn is_told(messenger: &mut Messenger, about: &str, part: &str) -> Value {
    let fits = |event: &Value| {
        let told = event["message"].as_str().is_some_and(|message| message.contains(part));
        event["event"] == "error" && event["about"] == about && told
    };
    messenger.expect_that(&format!("to be told of {about} that {part}"), fits).unwrap()
}

const ALICE: &str = "alice@alpha.example";
const BOB: &str = "bob@beta.example";
const CAROL: &str = "carol@beta.example";

#[test]
fn people_of_two_domains_see_each_other_and_talk() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let Some(mut names) = Names::start(place) else { return };
    let policies = (founded(place, "alpha", "alpha.example"), founded(place, "beta", "beta.example"));
    let alpha = serving(place, "alpha", &[], &[("beta", &policies.1, "beta.example")]);
    let beta = serving(place, "beta", &["beta.example"], &[("alpha", &policies.0, "alpha.example")]);
    // The domain of one says where its directory is. That of the other says nothing: its policy counts, or a card.
    names.points("beta.example", &beta);
    let alice = person(place, ALICE, &alpha, &beta);
    let [bob, carol] = [BOB, CAROL].map(|address| person(place, address, &beta, &alpha));

    let (mut of_alice, mut of_bob) = (names.messenger(&alice, &[]), names.messenger(&bob, &[]));
    of_alice.tell(&json!({ "do": "add_contact", "who": BOB })).unwrap();
    let card = alice.certtool_json(&["card"]).unwrap()["link"].clone();
    of_bob.tell(&json!({ "do": "add_contact", "who": card })).unwrap();
    sees(&mut of_alice, BOB, true);
    sees(&mut of_bob, ALICE, true);
    assert!(names.asked("beta.example") > 0);
    assert_eq!(names.asked("alpha.example"), 0, "the card has said it");

    // Each in the directory of the other.
    says(&mut of_alice, BOB, "from here", 1);
    of_bob.expect(&json!({ "event": "message", "from": ALICE, "text": "from here" })).unwrap();
    of_alice.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();
    of_bob.tell(&json!({ "do": "set_status", "status": "busy", "text": "in a meeting" })).unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": BOB, "online": true, "status": "busy" })).unwrap();

    // A stranger of the other domain has to knock.
    let mut of_carol = names.messenger(&carol, &[]);
    says(&mut of_carol, ALICE, "may I?", 1);
    let call = of_alice.expect(&json!({ "event": "incoming", "from": CAROL })).unwrap()["call"].clone();
    of_alice.tell(&json!({ "do": "accept", "call": call })).unwrap();
    of_alice.expect(&json!({ "event": "message", "from": CAROL, "text": "may I?" })).unwrap();
    assert!(names.asked("alpha.example") > 0);

    // A room across both: whoever enters connects to everybody in it.
    of_alice.tell(&json!({ "do": "room_create", "name": "bridge" })).unwrap();
    let room = of_alice.expect(&json!({ "event": "room" })).unwrap()["room"].clone();
    for (guest, address) in [(&mut of_bob, BOB), (&mut of_carol, CAROL)] {
        of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": address })).unwrap();
        guest.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
        guest.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
        guest.expect(&json!({ "event": "room", "room": room })).unwrap();
    }
    let all = |event: &Value| event["event"] == "room" && event["members"].as_array().is_some_and(|all| all.len() == 3);
    for member in [&mut of_alice, &mut of_bob, &mut of_carol] {
        if !member.heard().iter().any(all) {
            member.expect_that("a room of three", all).unwrap();
        }
    }
    of_alice.tell(&json!({ "do": "room_send", "room": room, "text": "all here" })).unwrap();
    for member in [&mut of_bob, &mut of_carol] {
        member.expect(&json!({ "event": "room_message", "from": ALICE, "text": "all here" })).unwrap();
    }

    // Their directory goes and comes back, and so do they.
    of_alice.catch_up();
    beta.stop().unwrap();
    is_told(&mut of_alice, "beta.example", "the directory of beta.example is not reached");
    sees(&mut of_alice, BOB, false);
    let beta = Homeserver::start(&place.join("beta"), &[]).unwrap();
    sees(&mut of_alice, BOB, true);
    of_bob.quit().unwrap();
    sees(&mut of_alice, BOB, false);
    of_alice.quit().unwrap();
    of_carol.quit().unwrap();
    alpha.stop().unwrap();
    beta.stop().unwrap();
}

#[test]
fn a_directory_that_is_not_theirs_is_refused_and_it_is_said_why() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let Some(mut names) = Names::start(place) else { return };
    let policy = founded(place, "gamma", "*");
    founded(place, "beta", "beta.example");
    let gamma = serving(place, "gamma", &[], &[]);
    let beta = serving(place, "beta", &["beta.example"], &[("gamma", &policy, "gamma.example")]);
    // Her server certifies anybody. The directory of the other believes that of its own domain alone.
    let right = person(place, "guest@gamma.example", &gamma, &beta);
    let wrong = person(place, "mallory@alpha.example", &gamma, &beta);
    let knows_bob = |person: &Person, names: &Names| {
        let mut messenger = names.messenger(person, &["--ephemeral"]);
        messenger.tell(&json!({ "do": "add_contact", "who": BOB })).unwrap();
        messenger
    };

    names.points("beta.example", &beta);
    let mut of_wrong = knows_bob(&wrong, &names);
    let told = is_told(&mut of_wrong, "beta.example", "does not accept this certificate");
    assert!(told["remedy"].as_str().unwrap().contains("it has to trust yours"), "{told}");
    says(&mut of_wrong, BOB, "let me in", 1);
    of_wrong.expect(&json!({ "event": "message_state", "id": 1, "state": "not_delivered" })).unwrap();
    of_wrong.quit().unwrap();
    let mut of_right = knows_bob(&right, &names);
    sees(&mut of_right, BOB, false);
    of_right.quit().unwrap();

    // The record leads to somebody else's directory.
    names.points("beta.example", &gamma);
    let mut misled = knows_bob(&right, &names);
    let told = is_told(&mut misled, "beta.example", "SAN-03");
    assert!(told["message"].as_str().unwrap().contains("expected a certificate for beta.example"), "{told}");
    assert!(told["remedy"].as_str().unwrap().contains("contact card"), "{told}");
    misled.quit().unwrap();

    // A target of "." says that there is none (RFC 2782), whatever else is known.
    names.record("beta.example", &json!([[0, 0, 0, "."]]));
    let mut decided = knows_bob(&right, &names);
    let told = is_told(&mut decided, "beta.example", "has no directory, and says so");
    assert!(told["remedy"].as_str().unwrap().contains("contact card"), "{told}");
    decided.quit().unwrap();

    // No record, and a policy that names no directory: nobody knows.
    let lost = Person::new(&place.join("lost"), "guest@gamma.example");
    lost.join(gamma.ready(), &gamma.outbox()).unwrap();
    let mut silent = TrustPolicy::parse(&std::fs::read(place.join("beta/policy.json")).unwrap()).unwrap();
    silent.directories.clear();
    let file = place.join("silent.json");
    std::fs::write(&file, silent.canonical()).unwrap();
    let (file, fingerprint) = (file.display().to_string(), silent.fingerprint().to_string());
    lost.certtool(&["trust", "add", &file, "--fingerprint", &fingerprint]).unwrap().expect(0, "trust add").unwrap();
    names.record("beta.example", &json!([]));
    let mut nowhere = knows_bob(&lost, &names);
    let told = is_told(&mut nowhere, "beta.example", "there is no SRV record _inperson-directory._udp.beta.example");
    assert!(told["remedy"].as_str().unwrap().contains("ask for their contact card"), "{told}");

    // A domain that nobody could vouch for is not asked about. (Her own authority may certify anybody: it is hers.)
    nowhere.tell(&json!({ "do": "add_contact", "who": "dora@delta.example" })).unwrap();
    sees(&mut nowhere, "dora@delta.example", false);
    assert_eq!(names.asked("delta.example"), 0);
    nowhere.quit().unwrap();
    beta.stop().unwrap();
    gamma.stop().unwrap();
}
