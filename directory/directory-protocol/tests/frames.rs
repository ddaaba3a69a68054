//! Every frame, byte by byte, as `docs/spec/directory.cddl` describes it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use directory_protocol::frame::{LENGTH_BYTES, Received, decode_request, decode_response, encode};
use directory_protocol::limits::{MAX_FRAME_BYTES, MAX_IDENTIFIER_BYTES};
use directory_protocol::message::{
    AnswerKind, Appearance, AudienceKind, Capabilities, Details, ErrorCode, ListName, Outcome, Presence, ProbeKey,
    Purpose, Request, Response, Role, Status, chunks,
};
use identity::Identifier;

const CDDL: &str = include_str!("../../../docs/spec/directory.cddl");

/// "bob@example.org" as CBOR text.
const BOB: &str = "6f 626f62406578616d706c652e6f7267";
const CALL: &str = "50 0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c";
const KEY: &str = "5820 4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b";
const PROBE: &str = "5820 5050505050505050505050505050505050505050505050505050505050505050";

/// [5, 300, "at lunch"]: text and voice, idle for five minutes, a note.
const DETAILS: &str = "83 05 19012c 68 6174206c756e6368";

fn details() -> Details {
    Details { capabilities: Capabilities::TEXT.and(Capabilities::VOICE), idle_s: 300, note: "at lunch".to_owned() }
}

fn bob() -> Identifier {
    Identifier::parse("bob@example.org").unwrap()
}

/// Puts annotated parts together and the length in front.
fn bytes(parts: &[&str]) -> Vec<u8> {
    let body = hex::decode(parts.concat().replace(' ', "")).unwrap();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], &body].concat()
}

fn requests() -> Vec<(&'static str, Request, Vec<u8>)> {
    let candidates = vec!["192.0.2.7:4433".parse().unwrap(), "[2001:db8::7]:4433".parse().unwrap()];
    let v4 = "82 44 c0000207 191151"; // [h'c0000207', 4433]
    let v6 = "82 50 20010db8000000000000000000000007 191151";
    vec![
        // array(2) ‖ 0 ‖ id
        ("ping", Request::Ping { id: 1 }, bytes(&["82", "00", "01"])),
        (
            "list",
            Request::List { id: 2, name: ListName::MayKnock, people: vec![bob()] },
            // array(4) ‖ 1 ‖ id ‖ may-knock ‖ array(1) ‖ identifier
            bytes(&["84", "01", "02", "02", "81", BOB]),
        ),
        (
            "announce",
            Request::Announce {
                id: 3,
                appearance: Appearance::As(Status::Away),
                visible_to: AudienceKind::Contacts,
                may_knock: AudienceKind::Everyone,
                details: Some(details()),
            },
            // array(6) ‖ 2 ‖ id ‖ away ‖ visible to contacts ‖ everyone may knock ‖ details
            bytes(&["86", "02", "03", "01", "02", "01", DETAILS]),
        ),
        // array(3) ‖ 3 ‖ id (one more byte from 24 on) ‖ identifier
        ("look-up", Request::LookUp { id: 24, who: bob() }, bytes(&["83", "03", "1818", BOB])),
        ("watch", Request::Watch { id: 5, people: vec![bob()] }, bytes(&["83", "04", "05", "81", BOB])),
        ("unwatch", Request::Unwatch { id: 6, people: vec![] }, bytes(&["83", "05", "06", "80"])),
        (
            "invite",
            Request::Invite {
                id: 7,
                call_id: [12; 16],
                callee: bob(),
                purpose: Purpose::Room,
                candidates,
                device: None,
            },
            // array(6) ‖ 6 ‖ id ‖ call id ‖ callee ‖ room ‖ array(2) ‖ [ip, port] ‖ [ip, port]
            bytes(&["86", "06", "07", CALL, BOB, "02", "82", v4, v6]),
        ),
        (
            "invite of one device",
            Request::Invite {
                id: 7,
                call_id: [12; 16],
                callee: bob(),
                purpose: Purpose::Text,
                candidates: vec![],
                device: Some([0xd0; 32]),
            },
            // array(7) ‖ 6 ‖ id ‖ call id ‖ callee ‖ text ‖ array(0) ‖ the hash of the device's key
            bytes(&["87", "06", "07", CALL, BOB, "00", "80", "5820", &"d0".repeat(32)]),
        ),
        (
            "answer",
            Request::Answer { id: 8, call_id: [12; 16], answer: AnswerKind::Decline, candidates: vec![] },
            // array(5) ‖ 7 ‖ id ‖ call id ‖ decline ‖ array(0)
            bytes(&["85", "07", "08", CALL, "01", "80"]),
        ),
        ("cancel", Request::Cancel { id: 9, call_id: [12; 16] }, bytes(&["83", "08", "09", CALL])),
        (
            "appear",
            Request::Appear { id: 10, appearance: Appearance::Invisible, details: details() },
            // array(4) ‖ 9 ‖ id ‖ invisible ‖ details
            bytes(&["84", "09", "0a", "04", DETAILS]),
        ),
    ]
}

fn responses() -> Vec<(&'static str, Response, Vec<u8>)> {
    let address = "192.0.2.7:4433".parse().unwrap();
    let v4 = "82 44 c0000207 191151";
    vec![
        ("done", Response::Done { id: 1 }, bytes(&["82", "1840", "01"])),
        (
            "refused",
            Response::Refused { id: 2, error: ErrorCode::TooOften, wait_ms: 1500 },
            // array(4) ‖ 65 ‖ id ‖ too often ‖ 1500 ms
            bytes(&["84", "1841", "02", "03", "1905dc"]),
        ),
        (
            "announced",
            Response::Announced { id: 3, observed: address, observation: None },
            bytes(&["83", "1842", "03", v4]),
        ),
        (
            "found",
            Response::found(4, Presence::Online(Status::Available, details())),
            // array(4) ‖ 67 ‖ id ‖ available ‖ details
            bytes(&["84", "1843", "04", "00", DETAILS]),
        ),
        (
            "presence",
            Response::presence(bob(), Presence::Online(Status::Busy, details())),
            bytes(&["84", "1860", BOB, "02", DETAILS]),
        ),
        (
            "incoming",
            Response::Incoming { call_id: [12; 16], caller: bob(), caller_key: [0x4b; 32], purpose: Purpose::Text },
            // array(5) ‖ 97 ‖ call id ‖ caller ‖ hash of her key ‖ text
            bytes(&["85", "1861", CALL, BOB, KEY, "00"]),
        ),
        (
            "outcome",
            Response::Outcome { call_id: [12; 16], outcome: Outcome::NoAnswer },
            bytes(&["83", "1862", CALL, "03"]),
        ),
        (
            "go",
            Response::Go {
                call_id: [12; 16],
                role: Role::Listener,
                peer: bob(),
                peer_key: [0x4b; 32],
                candidates: vec![address],
                probe_key: ProbeKey([0x50; 32]),
                delay_ms: 20,
            },
            // array(8) ‖ 99 ‖ call id ‖ listener ‖ peer ‖ hash of the peer's key ‖ array(1) ‖ [ip, port] ‖ probe key ‖ 20 ms
            bytes(&["88", "1863", CALL, "01", BOB, KEY, "81", v4, PROBE, "14"]),
        ),
    ]
}

#[test]
fn requests_are_these_bytes() {
    for (name, request, bytes) in requests() {
        assert_eq!(hex::encode(encode(&request)), hex::encode(&bytes), "{name}");
        assert_eq!(decode_request(&bytes[4..]).unwrap(), Received::Request(request), "{name}");
    }
}

#[test]
fn responses_are_these_bytes() {
    for (name, response, bytes) in responses() {
        assert_eq!(hex::encode(encode(&response)), hex::encode(&bytes), "{name}");
        assert_eq!(decode_response(&bytes[4..]).unwrap(), Some(response), "{name}");
    }
}

/// What is said of somebody who is not there has nothing beside it.
#[test]
fn offline_is_these_bytes() {
    let found = Response::found(4, Presence::Offline);
    assert_eq!(hex::encode(encode(&found)), hex::encode(bytes(&["83", "1843", "04", "f6"])));
    let presence = Response::presence(bob(), Presence::Offline);
    assert_eq!(hex::encode(encode(&presence)), hex::encode(bytes(&["83", "1860", BOB, "f6"])));
}

/// Clients and directories from before there were details.
#[test]
fn frames_without_details_are_read() {
    let announce = bytes(&["85", "02", "03", "01", "02", "01"]);
    let Received::Request(Request::Announce { appearance, details, .. }) = decode_request(&announce[4..]).unwrap()
    else {
        panic!()
    };
    assert_eq!((appearance, details), (Appearance::As(Status::Away), None));
    let presence = bytes(&["83", "1860", BOB, "02"]);
    let expected = Response::Presence { who: bob(), status: Some(Status::Busy), details: None };
    assert_eq!(decode_response(&presence[4..]).unwrap(), Some(expected));
}

#[test]
fn notes_are_short_and_one_line() {
    let acceptable = |note: &str| Details { note: note.to_owned(), ..Details::default() }.note_is_acceptable();
    assert!(acceptable("") && acceptable("back at four ☕") && acceptable(&"x".repeat(200)));
    assert!(!acceptable(&"x".repeat(201)) && !acceptable("two\nlines") && !acceptable("\u{9b}31m"));
    assert!(!acceptable("two\u{2028}lines") && !acceptable("two\u{2029}paragraphs"));
}

#[test]
fn a_second_port_stands_behind_the_address() {
    let announced = Response::Announced { id: 3, observed: "192.0.2.1:4433".parse().unwrap(), observation: Some(4434) };
    let frame = bytes(&["84", "1842", "03", "8244c0000201191151", "191152"]);
    assert_eq!(encode(&announced), frame);
    assert_eq!(decode_response(&frame[LENGTH_BYTES..]).unwrap(), Some(announced));
}

/// The CDDL has each frame, under the name and with the number it has here. Whether its shape is right is for other
/// people's programs to say (tests/end-to-end/tests/presence).
#[test]
fn the_cddl_lists_the_same_frames() {
    let number = |line: &str| {
        let (name, rest) = line.split_once('=')?;
        let number = rest.trim().strip_prefix("[ ")?.split(',').next()?.trim().parse::<u32>().ok()?;
        Some((name.trim().to_owned(), number))
    };
    let listed: Vec<(String, u32)> = CDDL.lines().filter_map(number).collect();
    let sent = |name: &str, bytes: &[u8]| {
        let mut decoder = minicbor::Decoder::new(&bytes[4..]);
        decoder.array().unwrap();
        (name.to_owned(), decoder.u32().unwrap())
    };
    let requests = requests();
    let responses = responses();
    let all = requests.iter().map(|(name, _, bytes)| sent(name, bytes));
    let mut encoded: Vec<_> = all.chain(responses.iter().map(|(name, _, bytes)| sent(name, bytes))).collect();
    // With an optional element and without, it is the same frame.
    encoded.dedup_by_key(|(_, number)| *number);
    assert_eq!(listed, encoded);
}

#[test]
fn further_elements_are_ignored() {
    // array(3) ‖ 0 ‖ id ‖ "later"
    let body = hex::decode("83 00 01 656c61746572".replace(' ', "")).unwrap();
    assert_eq!(decode_request(&body).unwrap(), Received::Request(Request::Ping { id: 1 }));
    // array(4) ‖ 9 ‖ id ‖ available ‖ array(4) ‖ 0 ‖ 0 ‖ "" ‖ {}
    let body = [0x84, 0x09, 0x01, 0x00, 0x84, 0x00, 0x00, 0x60, 0xa0];
    let (appearance, details) = (Appearance::As(Status::Available), Details::default());
    let expected = Request::Appear { id: 1, appearance, details };
    assert_eq!(decode_request(&body).unwrap(), Received::Request(expected));
}

#[test]
fn requests_of_later_versions_can_be_answered_and_events_ignored() {
    // array(3) ‖ 31 ‖ id 7 ‖ map(0)
    assert_eq!(decode_request(&[0x83, 0x18, 31, 0x07, 0xa0]).unwrap(), Received::Unknown { id: 7 });
    // array(2) ‖ 127 ‖ null
    assert_eq!(decode_response(&[0x82, 0x18, 127, 0xf6]).unwrap(), None);
}

#[test]
fn malformed_bodies_are_refused() {
    let bob_at = |prefix: &str| hex::decode(format!("{prefix}{BOB}").replace(' ', "")).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("not_an_array", vec![0x00]),
        ("number_of_a_response", vec![0x82, 0x18, 64, 0x01]),
        ("number_beyond_requests", vec![0x82, 0x18, 32, 0x01]),
        ("id_missing", vec![0x81, 0x00]),
        ("id_negative", vec![0x82, 0x00, 0x20]),
        ("id_too_large", vec![0x82, 0x00, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("trailing_byte", vec![0x82, 0x00, 0x01, 0x00]),
        ("unknown_and_trailing_byte", vec![0x82, 0x18, 31, 0x01, 0x00]),
        ("unknown_and_truncated", vec![0x83, 0x18, 31, 0x01]),
        ("people_of_indefinite_length", [bob_at("830401 9f"), vec![0xff]].concat()),
        // "Bob@example.org"
        ("identifier_not_canonical", hex::decode("8303016f426f62406578616d706c652e6f7267").unwrap()),
        ("identifier_truncated", bob_at("830301")[..12].to_vec()),
        ("call_id_of_15_bytes", hex::decode(format!("8308014f{}", "0c".repeat(15))).unwrap()),
        ("candidate_of_5_bytes", hex::decode(format!("85070150{}00818245c00002070001", "0c".repeat(16))).unwrap()),
        (
            "candidate_ipv4_dressed_as_ipv6",
            hex::decode(
                format!("85070150{}00818250{}ffffc0000207 01", "0c".repeat(16), "00".repeat(10)).replace(' ', ""),
            )
            .unwrap(),
        ),
        ("status_unknown", vec![0x85, 0x02, 0x01, 0x05, 0x00, 0x00]),
        ("frame_of_indefinite_length", vec![0x9f, 0x00, 0x01, 0xff]),
        // array(4) ‖ 9 ‖ id ‖ available ‖ array(*) ‖ 0 ‖ 0 ‖ "" ‖ break
        ("details_of_indefinite_length", vec![0x84, 0x09, 0x01, 0x00, 0x9f, 0x00, 0x00, 0x60, 0xff]),
        ("details_null", vec![0x84, 0x09, 0x01, 0x00, 0xf6]),
        ("details_null_where_they_may_be_left_out", vec![0x86, 0x02, 0x01, 0x00, 0x00, 0x00, 0xf6]),
        ("note_of_indefinite_length", vec![0x84, 0x09, 0x01, 0x00, 0x83, 0x00, 0x00, 0x7f, 0xff]),
        ("details_without_note", vec![0x84, 0x09, 0x01, 0x00, 0x82, 0x00, 0x00]),
    ];
    for (fault, body) in cases {
        assert!(decode_request(&body).is_err(), "{fault}");
    }
    // PRESENCE of somebody invisible, or with a status that nobody has.
    for status in ["04", "05"] {
        let body = bytes(&["83", "1860", BOB, status]);
        assert!(decode_response(&body[4..]).is_err(), "{status}");
    }
    // PRESENCE with details of null, and of indefinite length.
    for details in ["f6", "9f 00 00 60 ff"] {
        let body = bytes(&["84", "1860", BOB, "02", details]);
        assert!(decode_response(&body[4..]).is_err(), "{details}");
    }
}

#[test]
fn a_long_list_is_cut_into_frames_that_fit() {
    let short: Vec<Identifier> = (0..5_000).map(|n| Identifier::parse(&format!("p{n}@example.org")).unwrap()).collect();
    let domain = ["b".repeat(60), "c".repeat(60), "d".repeat(60)].join(".");
    let longest = Identifier::parse(&format!("{}@{domain}.example", "a".repeat(60))).unwrap();
    assert!(longest.as_str().len() <= MAX_IDENTIFIER_BYTES);
    for people in [vec![], vec![bob()], short, vec![longest; 300]] {
        let pieces: Vec<&[Identifier]> = chunks(&people).collect();
        assert_eq!(pieces.concat(), people);
        for piece in pieces {
            let request = Request::List { id: u32::MAX, name: ListName::Contacts, people: piece.to_vec() };
            assert!(encode(&request).len() - LENGTH_BYTES <= MAX_FRAME_BYTES);
        }
    }
}
