//! A client in Python, written from docs/spec/directory.md alone (`tests/directory-client`), and the messenger: they announce,
//! look each other up, watch, knock, and are called. Every frame the Python client sends or gets is judged by the CDDL.

use serde_json::{Value, json};
use story::guard;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;

const ALICE: &str = "alice@example.org";
const PIA: &str = "pia@example.org";

/// What alice's messenger can: text and rooms, and she is at the keys.
fn shows(note: &str) -> Value {
    json!([3, 0, note])
}

struct Town {
    place: tempfile::TempDir,
    server: Homeserver,
    python: std::path::PathBuf,
}

impl Town {
    fn member(&self, address: &str) -> Person {
        let person = Person::new(self.place.path(), address);
        person.join(self.server.ready(), &self.server.outbox()).unwrap();
        person
    }

    /// Somebody who has only the page.
    fn outsider(&self, person: &Person) -> Messenger {
        let mut command = guard::guarded(&self.python).unwrap();
        let root = super::root();
        let (directory, policy) = (&self.server.ready().directory, self.server.folder().join("policy.json"));
        command.arg("-B").arg(root.join("tests/directory-client/client.py")).arg(directory).arg("localhost");
        let file = |name: &str| person.device().join(name);
        command.arg("--chain").arg(file("chain.pem")).arg("--key").arg(file("key.pem")).arg("--policy").arg(policy);
        command.arg("--cddl").arg(root.join("docs/spec/directory.cddl"));
        let name = format!("{} in Python", person.address());
        let mut client = Messenger::start(name, command, &person.home().with_extension("python.log")).unwrap();
        client.expect(&json!({ "got": "directory", "name": "localhost" })).unwrap();
        client.expect(&json!({ "got": "done", "of": "ping" })).unwrap();
        client
    }
}

fn ask(client: &mut Messenger, request: &str, body: &Value) {
    client.tell(&json!({ "ask": request, "body": body })).unwrap();
}

fn call(n: u8) -> Value {
    json!({ "hex": format!("{n:02x}").repeat(16) })
}

#[test]
fn a_client_written_from_the_page_is_present_and_is_called() {
    let Some(python) = super::python() else { return };
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let town = Town { place, server, python };
    let (alice, pia, quin) = (town.member(ALICE), town.member(PIA), town.member("quin@example.org"));
    let mut pia = town.outsider(&pia);
    let mut alice = alice.messenger().unwrap();
    alice.expect(&json!({ "event": "online" })).unwrap();
    alice.tell(&json!({ "do": "add_contact", "who": PIA })).unwrap();

    let announced = they_see_each_other(&mut alice, &mut pia);
    somebody_elses_stun_sees_itself(&town, &announced);
    they_call_each_other(&mut alice, &mut pia);
    hiding_looks_like_leaving(&mut alice, &mut pia);
    nonsense_is_cut_off(town.outsider(&quin));

    pia.tell(&json!({ "close": 0 })).unwrap();
    alice.expect(&json!({ "event": "presence", "who": PIA, "online": false })).unwrap();
    alice.tell(&json!({ "do": "quit" })).unwrap();
}

/// Returns what the directory answered to the announcement.
fn they_see_each_other(alice: &mut Messenger, pia: &mut Messenger) -> Value {
    ask(pia, "list", &json!([0, [ALICE]]));
    pia.expect(&json!({ "got": "done", "of": "list" })).unwrap();
    // Away, visible to contacts, everyone may knock; can text, idle for a minute.
    ask(pia, "announce", &json!([1, 2, 1, [1, 60, "from Python"]]));
    let announced = pia.expect(&json!({ "got": "announced" })).unwrap();
    let seen = json!({ "event": "presence", "who": PIA, "status": "away", "text": "from Python", "can": ["text"] });
    let seen = alice.expect(&seen).unwrap();
    assert!(seen["idle_s"].as_u64().is_some_and(|seconds| (60..90).contains(&seconds)), "{seen}");

    ask(pia, "watch", &json!([[ALICE]]));
    pia.expect(&json!({ "got": "presence", "body": [ALICE, 0, shows("")] })).unwrap();
    let done = pia.expect(&json!({ "got": "done", "of": "watch" })).unwrap();
    assert!(done["ms"].as_f64().is_some_and(|ms| ms >= 100.0), "{done}");
    alice.tell(&json!({ "do": "set_status", "status": "busy", "text": "in a talk" })).unwrap();
    pia.expect(&json!({ "got": "presence", "body": [ALICE, 2, shows("in a talk")] })).unwrap();

    ask(pia, "look-up", &json!([ALICE]));
    pia.expect(&json!({ "got": "found", "body": [2, shows("in a talk")] })).unwrap();
    ask(pia, "look-up", &json!(["nobody@example.org"]));
    let nobody = pia.expect(&json!({ "got": "found", "body": [null] })).unwrap();
    assert!(nobody["ms"].as_f64().is_some_and(|ms| ms >= 100.0), "{nobody}");
    announced
}

/// Both of the directory's ports answer aioice, each also through the other.
fn somebody_elses_stun_sees_itself(town: &Town, announced: &Value) {
    let second = announced["body"][1].as_u64().expect("a second port");
    let (host, first) = town.server.ready().directory.rsplit_once(':').unwrap();
    let mut command = guard::guarded(&town.python).unwrap();
    command
        .arg("-B")
        .arg(super::root().join("tests/directory-client/seen.py"))
        .arg(host)
        .args([first, &second.to_string()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let (first, second) = (first.parse::<u64>().unwrap(), second);
    let answer = |asked: u64, other: bool, by: u64| json!({ "asked": asked, "other": other, "by": by, "seen": true });
    let expected = [
        answer(first, false, first),
        answer(first, true, second),
        answer(second, false, second),
        answer(second, true, first),
    ];
    assert_eq!(lines, expected);
}

fn they_call_each_other(alice: &mut Messenger, pia: &mut Messenger) {
    let candidates = json!([[{ "hex": "7f000001" }, 9]]);
    alice.tell(&json!({ "do": "send", "to": PIA, "text": "hello, outsider", "id": 1 })).unwrap();
    let incoming = pia.expect(&json!({ "got": "incoming" })).unwrap();
    let (number, caller, key, purpose) =
        (&incoming["body"][0], &incoming["body"][1], &incoming["body"][2], &incoming["body"][3]);
    assert_eq!((caller, purpose), (&json!(ALICE), &json!(0)));
    let key = key.clone();
    ask(pia, "answer", &json!([number, 1, []]));
    pia.expect(&json!({ "got": "done", "of": "answer" })).unwrap();
    let declined =
        json!({ "event": "message_state", "id": 1, "state": "not_delivered", "reason": "pia@example.org declined" });
    alice.expect(&json!({ "event": "ringing", "who": PIA })).unwrap();
    alice.expect(&declined).unwrap();
    alice.expect(&json!({ "event": "unanswered", "who": PIA, "because": "declined" })).unwrap();

    alice.tell(&json!({ "do": "send", "to": PIA, "text": "hello again", "id": 2 })).unwrap();
    let incoming = pia.expect(&json!({ "got": "incoming" })).unwrap();
    ask(pia, "answer", &json!([incoming["body"][0], 0, candidates]));
    let go = pia.expect(&json!({ "got": "go" })).unwrap();
    assert_eq!((&go["body"][0], &go["body"][1]), (&incoming["body"][0], &json!(1)), "pia listens");
    ask(pia, "answer", &json!([incoming["body"][0], 0, candidates]));
    pia.expect(&json!({ "got": "refused", "of": "answer", "body": [5, 0] })).unwrap();
    ask(pia, "cancel", &json!([call(9)]));
    pia.expect(&json!({ "got": "done", "of": "cancel" })).unwrap();

    // Text of a contact opens without ringing.
    ask(pia, "invite", &json!([call(1), ALICE, 0, candidates]));
    pia.expect(&json!({ "got": "outcome", "body": [call(1), 0] })).unwrap();
    let go = pia.expect(&json!({ "got": "go" })).unwrap();
    assert_eq!((&go["body"][0], &go["body"][1], &go["body"][2]), (&call(1), &json!(0), &json!(ALICE)));
    assert_eq!(go["body"][3], key, "the same device both times");

    // One device can be meant: where there is no such device, nothing rings.
    ask(pia, "invite", &json!([call(3), ALICE, 0, candidates, { "hex": "00".repeat(32) }]));
    pia.expect(&json!({ "got": "outcome", "body": [call(3), 0] })).unwrap();
    ask(pia, "cancel", &json!([call(3)]));
    pia.expect(&json!({ "got": "done", "of": "cancel" })).unwrap();
    // A call to oneself is for one's other devices. There is none: it rings nowhere, and looks like any other.
    ask(pia, "invite", &json!([call(5), PIA, 0, candidates]));
    pia.expect(&json!({ "got": "outcome", "body": [call(5), 0] })).unwrap();
    ask(pia, "cancel", &json!([call(5)]));
    pia.expect(&json!({ "got": "done", "of": "cancel" })).unwrap();
    ask(pia, "invite", &json!([call(4), ALICE, 0, candidates, key]));
    let go = pia.expect(&json!({ "got": "go" })).unwrap();
    assert_eq!((&go["body"][0], &go["body"][3]), (&call(4), &key));
}

fn hiding_looks_like_leaving(alice: &mut Messenger, pia: &mut Messenger) {
    // What was said of pia before, when she was not there yet, is not what is waited for.
    alice.catch_up();
    ask(pia, "appear", &json!([4, [1, 0, ""]]));
    pia.expect(&json!({ "got": "done", "of": "appear" })).unwrap();
    alice.expect(&json!({ "event": "presence", "who": PIA, "online": false })).unwrap();
    ask(pia, "appear", &json!([0, [1, 0, "back"]]));
    alice.expect(&json!({ "event": "presence", "who": PIA, "online": true, "text": "back" })).unwrap();

    alice.tell(&json!({ "do": "block", "who": PIA })).unwrap();
    alice.expect(&json!({ "event": "appearance", "blocked": [PIA] })).unwrap();
    pia.expect(&json!({ "got": "presence", "body": [ALICE, null] })).unwrap();
    ask(pia, "look-up", &json!([ALICE]));
    pia.expect(&json!({ "got": "found", "body": [null] })).unwrap();
    alice.tell(&json!({ "do": "unblock", "who": PIA })).unwrap();
    pia.expect(&json!({ "got": "presence", "body": [ALICE, 2, shows("in a talk")] })).unwrap();
    ask(pia, "unwatch", &json!([[ALICE]]));
    pia.expect(&json!({ "got": "done", "of": "unwatch" })).unwrap();
}

/// An identifier that is not canonical, from somebody with a good certificate.
fn nonsense_is_cut_off(mut quin: Messenger) {
    let nonsense = cbor_look_up("Bob@Example.org");
    quin.tell(&json!({ "raw": nonsense })).unwrap();
    quin.expect(&json!({ "got": "closed", "code": 1 })).unwrap();
}

/// array(3) ‖ 3 (look-up) ‖ request id 7 ‖ text
fn cbor_look_up(who: &str) -> String {
    let mut body = vec![0x83, 3, 7, 0x60 | who.len() as u8];
    body.extend_from_slice(who.as_bytes());
    hex::encode(body)
}
