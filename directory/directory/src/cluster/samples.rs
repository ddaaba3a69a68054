//! One of each message between nodes, held against `tests/vectors/cluster/messages.json`, which somebody else's implementation of
//! CDDL judges by `docs/spec/cluster.cddl`.

use super::link::Packet;
use super::membership::{Beat, Heard};
use super::message::{Device, Ended, Message, Sealed, Spent, Verdict};
use directory_protocol::message::{
    AnswerKind, Appearance, AudienceKind, ErrorCode, ListName, Outcome, Presence, Purpose, Request, Response, Status,
};
use identity::Identifier;

const CALL: [u8; 16] = [12; 16];
const KEY: [u8; 32] = [75; 32];
const DEVICE: Device = Device { node: 2, connection: 3 };

fn bob() -> Identifier {
    Identifier::parse("bob@example.org").unwrap()
}

/// What a door says.
fn to_keepers() -> Vec<(&'static str, Message)> {
    let (connection, ticket, round_trip_us) = (1 << 40, 2, 20_000);
    let list = Request::List { id: 1, name: ListName::Contacts, people: vec![bob()] };
    let (visible_to, may_knock) = (AudienceKind::Contacts, AudienceKind::Everyone);
    let appearance = Appearance::As(Status::Away);
    let announce = Request::Announce { id: 2, appearance, visible_to, may_knock, details: None };
    let candidates = vec!["192.0.2.7:4433".parse().unwrap()];
    let invite = |device| Request::Invite {
        id: 3,
        call_id: CALL,
        callee: bob(),
        purpose: Purpose::Text,
        candidates: candidates.clone(),
        device,
    };
    let invites = |request, back| Message::Invites { connection, ticket, request, shows: true, back, round_trip_us };
    let answer = Request::Answer { id: 4, call_id: CALL, answer: AnswerKind::Busy, candidates: vec![] };
    let spends = |what, callee| Message::Spends { connection, ticket, what, count: 9, callee };
    vec![
        ("begin", Message::Begin { view: u64::MAX, epoch: 3, anew: true }),
        ("complete", Message::Complete { view: 1, epoch: 3 }),
        ("open", Message::Open { connection, who: bob(), key: KEY, again: true }),
        ("closed", Message::Closed { connection }),
        ("says a list, again", Message::Says { connection, ticket: 0, request: list, restored: true }),
        ("says an announcement", Message::Says { connection, ticket, request: announce, restored: false }),
        ("spends on a look-up", spends(Spent::LookUps, None)),
        ("spends on a watch", spends(Spent::Watches, None)),
        ("spends on a call", spends(Spent::Invites, Some(bob()))),
        ("returns", Message::Returns { connection, what: Spent::Watches, count: 9 }),
        ("asks", Message::Asks { connection, ticket, request: Request::LookUp { id: 7, who: bob() } }),
        ("asks for many", Message::Asks { connection, ticket, request: Request::Watch { id: 0, people: vec![bob()] } }),
        ("unwatches", Message::Unwatches { connection, request: Request::Unwatch { id: 0, people: vec![bob()] } }),
        ("invites", invites(invite(None), None)),
        ("invites one device, back", invites(invite(Some(KEY)), Some(DEVICE))),
        ("answers", Message::Answers { connection, ticket, request: answer, round_trip_us }),
        ("cancels", Message::Cancels { connection, call_id: CALL }),
        ("back", Message::Back { call_id: CALL, device: DEVICE }),
        ("ends", Message::Ends { calls: vec![Ended { connection, call_id: CALL }] }),
    ]
}

/// What a keeper says.
fn to_doors() -> Vec<(&'static str, Message)> {
    let (connection, ticket) = (1, 2);
    let reply = |verdict| Message::Reply { ticket, verdict };
    let tells = |response| Message::Tells { connection, response };
    let incoming = Response::Incoming { call_id: CALL, caller: bob(), caller_key: KEY, purpose: Purpose::Call };
    vec![
        ("have", Message::Have { view: 1, epoch: 3, shards: vec![0x5a; 2_048] }),
        ("reply: done", reply(Verdict::Done)),
        ("reply: unknown", reply(Verdict::Unknown)),
        ("reply: refused", reply(Verdict::Refused { error: ErrorCode::TooOften, wait_ms: 5 })),
        ("reply: may", reply(Verdict::May { shows: true })),
        ("reply: found", reply(Verdict::Found { response: Response::found(7, Presence::Offline) })),
        ("tells presence", tells(Response::presence(bob(), Presence::Offline))),
        ("tells an outcome", tells(Response::Outcome { call_id: CALL, outcome: Outcome::Declined })),
        ("rings", Message::Rings { connection, response: incoming, from: DEVICE }),
        ("too many", Message::TooMany { connection }),
        ("speaks", Message::Speaks { epoch: 3, absence: false }),
    ]
}

fn sealed() -> Vec<(&'static str, Sealed)> {
    let hears = vec![Heard { node: 1, incarnation: 20, count: 7, lives: true }];
    let beat = |view, leaves, hears| Sealed::Beat {
        incarnation: 1 << 40,
        beat: Beat { count: 1, view, epoch: 2, leaves, hears },
    };
    let mut link = super::link::Link::default();
    link.restart();
    for (_, message) in to_keepers().into_iter().take(2) {
        link.push(minicbor::to_vec(message).unwrap());
    }
    let mut packets: Vec<Packet> = Vec::new();
    link.flush(std::time::Instant::now(), 9, &mut packets);
    vec![
        ("the first beat", beat(0, false, vec![])),
        ("a beat", beat(u64::MAX, true, hears)),
        ("a packet", Sealed::Packet { incarnation: 1 << 40, packet: packets.remove(0) }),
    ]
}

/// Name, rule and bytes of all.
fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let messages = to_keepers().into_iter().chain(to_doors());
    let messages = messages.map(|(name, message)| (name, "message", minicbor::to_vec(message).unwrap()));
    let sealed = sealed().into_iter().map(|(name, what)| (name, "sealed", minicbor::to_vec(what).unwrap()));
    messages.chain(sealed).collect()
}

#[test]
fn messages_are_the_shared_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/cluster/messages.json");
    let vectors: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(path).unwrap_or_default()).unwrap_or_default();
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let mine: Vec<serde_json::Value> = all()
        .iter()
        .map(|(name, rule, bytes)| serde_json::json!({ "name": name, "rule": rule, "hex": hex(bytes) }))
        .collect();
    assert_eq!(vectors, mine, "{}", serde_json::to_string_pretty(&mine).unwrap());
}

#[test]
fn messages_come_back_as_they_were_and_damaged_ones_are_refused() {
    for (name, message) in to_keepers().into_iter().chain(to_doors()) {
        let bytes = minicbor::to_vec(&message).unwrap();
        assert_eq!(minicbor::decode::<Message>(&bytes).unwrap(), message, "{name}");
        for end in 0..bytes.len() {
            assert!(minicbor::decode::<Message>(&bytes[..end]).is_err(), "{name} up to {end}");
        }
    }
}
