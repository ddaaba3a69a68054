//! The line protocol, word for word: what programs in other languages rely on.

use crate::punch::Obstacle;
use identity::trust::Fingerprint;
use serde_json::{from_str, to_string};

use super::{
    CallId, Command, DeliveryState, Direction, Event, MailCertificate, Missing, NoMail, Peer, Purpose, Role,
    RoomChange, RoomId, RoomOrder, RoomSuite, RoomTextRef, SessionState, Side, TextRef, TransferId, TransferState,
    Unanswered, Via,
};

const HEX: &str = "000102030405060708090a0b0c0d0e0f";
/// A device, by its key's fingerprint.
const DEVICE: &str = "abababababababababababababababababababababababababababababababab";
const ID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A text of this device's in a room.
fn own() -> RoomTextRef {
    RoomTextRef { from: None, id: 7 }
}

/// One of bob's.
fn bobs() -> RoomTextRef {
    RoomTextRef { from: Some("bob@example.org".parse().unwrap()), id: 7 }
}

#[test]
fn commands() {
    let (room, who) = (RoomId(ID), || "bob@example.org".to_owned());
    let (text, transfer) = (|| "hi".to_owned(), TransferId(ID));
    let (mine, theirs) = (TextRef { by: Side::Me, id: 7 }, TextRef { by: Side::Them, id: 7 });
    let cases = [
        (Command::AddContact { who: who() }, r#"{"do":"add_contact","who":"bob@example.org"}"#.to_owned()),
        (Command::RemoveContact { who: who() }, r#"{"do":"remove_contact","who":"bob@example.org"}"#.into()),
        (
            Command::Send { to: who(), text: text(), id: None, reply_to: None },
            r#"{"do":"send","to":"bob@example.org","text":"hi"}"#.into(),
        ),
        (
            Command::Send { to: who(), text: text(), id: Some(7), reply_to: None },
            r#"{"do":"send","to":"bob@example.org","text":"hi","id":7}"#.into(),
        ),
        (
            Command::Send { to: who(), text: text(), id: None, reply_to: Some(theirs) },
            r#"{"do":"send","to":"bob@example.org","text":"hi","reply_to":{"by":"them","id":7}}"#.into(),
        ),
        (
            Command::React { to: who(), on: mine, emoji: "👍".into(), id: None },
            r#"{"do":"react","to":"bob@example.org","on":{"by":"me","id":7},"emoji":"👍"}"#.into(),
        ),
        (
            Command::Edit { to: who(), of: 7, text: text(), id: Some(8) },
            r#"{"do":"edit","to":"bob@example.org","of":7,"text":"hi","id":8}"#.into(),
        ),
        (Command::Delete { to: who(), of: 7, id: None }, r#"{"do":"delete","to":"bob@example.org","of":7}"#.into()),
        (Command::Nudge { to: who(), id: None }, r#"{"do":"nudge","to":"bob@example.org"}"#.into()),
        (
            Command::ContinueHere { to: who(), id: Some(7) },
            r#"{"do":"continue_here","to":"bob@example.org","id":7}"#.into(),
        ),
        (Command::Typing { to: who(), typing: true }, r#"{"do":"typing","to":"bob@example.org","typing":true}"#.into()),
        (Command::Read { who: who(), ids: vec![1, 2] }, r#"{"do":"read","who":"bob@example.org","ids":[1,2]}"#.into()),
        (
            Command::KeepHistory { who: who(), keeps: true },
            r#"{"do":"keep_history","who":"bob@example.org","keeps":true}"#.into(),
        ),
        (
            Command::SetSignals { typing: Some(false), read_receipts: None },
            r#"{"do":"set_signals","typing":false}"#.into(),
        ),
        (Command::Accept { call: CallId(ID) }, format!(r#"{{"do":"accept","call":"{HEX}"}}"#)),
        (Command::Decline { call: CallId(ID) }, format!(r#"{{"do":"decline","call":"{HEX}"}}"#)),
        (
            Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() },
            r#"{"do":"room_create","name":"tea"}"#.into(),
        ),
        (
            Command::RoomCreate { name: "tea".into(), suite: RoomSuite::Classical },
            r#"{"do":"room_create","name":"tea","suite":"classical"}"#.into(),
        ),
        (
            Command::RoomInvite { room, who: who() },
            format!(r#"{{"do":"room_invite","room":"{HEX}","who":"bob@example.org"}}"#),
        ),
        (Command::RoomAccept { room }, format!(r#"{{"do":"room_accept","room":"{HEX}"}}"#)),
        (Command::RoomDecline { room }, format!(r#"{{"do":"room_decline","room":"{HEX}"}}"#)),
        (
            Command::RoomSend { room, text: text(), id: None, reply_to: None },
            format!(r#"{{"do":"room_send","room":"{HEX}","text":"hi"}}"#),
        ),
        (
            Command::RoomSend { room, text: text(), id: Some(8), reply_to: Some(bobs()) },
            format!(
                r#"{{"do":"room_send","room":"{HEX}","text":"hi","id":8,"reply_to":{{"from":"bob@example.org","id":7}}}}"#
            ),
        ),
        (
            Command::RoomReact { room, on: own(), emoji: "👍".into(), id: None },
            format!(r#"{{"do":"room_react","room":"{HEX}","on":{{"id":7}},"emoji":"👍"}}"#),
        ),
        (
            Command::RoomEdit { room, of: 7, text: text(), id: Some(8) },
            format!(r#"{{"do":"room_edit","room":"{HEX}","of":7,"text":"hi","id":8}}"#),
        ),
        (Command::RoomDelete { room, of: 7, id: None }, format!(r#"{{"do":"room_delete","room":"{HEX}","of":7}}"#)),
        (Command::RoomTyping { room, typing: true }, format!(r#"{{"do":"room_typing","room":"{HEX}","typing":true}}"#)),
        (Command::RoomLeave { room }, format!(r#"{{"do":"room_leave","room":"{HEX}"}}"#)),
        (
            Command::RoomName { room, name: "tea".into() },
            format!(r#"{{"do":"room_name","room":"{HEX}","name":"tea"}}"#),
        ),
        (
            Command::RoomTopic { room, topic: "green".into() },
            format!(r#"{{"do":"room_topic","room":"{HEX}","topic":"green"}}"#),
        ),
        (Command::RoomLock { room, locked: true }, format!(r#"{{"do":"room_lock","room":"{HEX}","locked":true}}"#)),
        (
            Command::RoomRole { room, who: who(), role: Role::Owner },
            format!(r#"{{"do":"room_role","room":"{HEX}","who":"bob@example.org","role":"owner"}}"#),
        ),
        (
            Command::RoomRemove { room, who: who() },
            format!(r#"{{"do":"room_remove","room":"{HEX}","who":"bob@example.org"}}"#),
        ),
        (
            Command::FileOffer { to: who(), path: "/a".into(), transfer: None, device: None, media_type: None },
            r#"{"do":"file_offer","to":"bob@example.org","path":"/a"}"#.into(),
        ),
        (
            Command::FileOffer {
                to: who(),
                path: "/a".into(),
                transfer: Some(transfer),
                device: None,
                media_type: None,
            },
            format!(r#"{{"do":"file_offer","to":"bob@example.org","path":"/a","transfer":"{HEX}"}}"#),
        ),
        (
            Command::FileOffer {
                to: who(),
                path: "/a".into(),
                transfer: None,
                device: Some(Fingerprint([0xab; 32])),
                media_type: Some("text/plain".into()),
            },
            format!(
                r#"{{"do":"file_offer","to":"bob@example.org","path":"/a","device":"{DEVICE}","media_type":"text/plain"}}"#
            ),
        ),
        (Command::MailCertificate { who: who() }, r#"{"do":"mail_certificate","who":"bob@example.org"}"#.into()),
        (Command::ReachDevices, r#"{"do":"reach_devices"}"#.into()),
        (
            Command::RoomFileOffer { room, path: "/a".into() },
            format!(r#"{{"do":"room_file_offer","room":"{HEX}","path":"/a"}}"#),
        ),
        (
            Command::FileAccept { transfer, into: "/b".into() },
            format!(r#"{{"do":"file_accept","transfer":"{HEX}","into":"/b"}}"#),
        ),
        (Command::FileRefuse { transfer, reason: None }, format!(r#"{{"do":"file_refuse","transfer":"{HEX}"}}"#)),
        (
            Command::FileRefuse { transfer, reason: Some("no".into()) },
            format!(r#"{{"do":"file_refuse","transfer":"{HEX}","reason":"no"}}"#),
        ),
        (Command::FilePause { transfer }, format!(r#"{{"do":"file_pause","transfer":"{HEX}"}}"#)),
        (Command::FileContinue { transfer }, format!(r#"{{"do":"file_continue","transfer":"{HEX}"}}"#)),
        (Command::FileCancel { transfer }, format!(r#"{{"do":"file_cancel","transfer":"{HEX}"}}"#)),
        (
            Command::AskFirst { who: who(), ask: true },
            r#"{"do":"ask_first","who":"bob@example.org","ask":true}"#.into(),
        ),
        (Command::NetworkChanged, r#"{"do":"network_changed"}"#.into()),
        (Command::GoOffline, r#"{"do":"go_offline"}"#.into()),
        (Command::GoOnline, r#"{"do":"go_online"}"#.into()),
        (Command::Quit, r#"{"do":"quit"}"#.into()),
    ];
    for (command, json) in cases {
        assert_eq!(to_string(&command).unwrap(), json);
        assert_eq!(from_str::<Command>(&json).unwrap(), command);
        assert!(json.contains(command.name()));
    }
}

#[test]
fn what_is_no_command_is_refused() {
    for json in [
        r#"{"do":"fly"}"#,
        r#"{"do":"send","to":"bob@example.org"}"#,
        r#"{"do":"send","to":"bob@example.org","text":"hi","urgent":true}"#,
        r#"{"do":"accept","call":"000102030405060708090A0B0C0D0E0F"}"#,
        r#"{"do":"accept","call":"0001"}"#,
        r#"{"do":"react","to":"bob@example.org","on":{"by":"us","id":7},"emoji":"x"}"#,
        r#"{"do":"react","to":"bob@example.org","on":{"by":"me","id":7,"room":1},"emoji":"x"}"#,
        r#"{"do":"edit","to":"bob@example.org","of":-1,"text":"x"}"#,
        r#"{"do":"accept","call":"é0102030405060708090a0b0c0d0e0f"}"#,
    ] {
        assert!(from_str::<Command>(json).is_err(), "{json}");
    }
}

#[test]
fn events() {
    let bob = || "bob@example.org".parse::<identity::Identifier>().unwrap();
    let (room, transfer) = (RoomId(ID), TransferId(ID));
    let reason = || "asleep".to_owned();
    let order = RoomOrder { epoch: 3, count: 12, leaf: 1, id: 7 };
    let cases = [
        (
            Event::Online { identifier: bob(), directory: "localhost".into() },
            r#"{"event":"online","identifier":"bob@example.org","directory":"localhost"}"#.to_owned(),
        ),
        (Event::Offline { reason: reason() }, r#"{"event":"offline","reason":"asleep"}"#.into()),
        (
            Event::Presence { who: bob(), online: true, seen: crate::api::Seen::default() },
            r#"{"event":"presence","who":"bob@example.org","online":true}"#.into(),
        ),
        (
            Event::Incoming { call: CallId(ID), from: bob(), purpose: Purpose::Text, contact: false },
            format!(
                r#"{{"event":"incoming","call":"{HEX}","from":"bob@example.org","purpose":"text","contact":false}}"#
            ),
        ),
        (
            Event::IncomingEnded { call: CallId(ID), reason: reason() },
            format!(r#"{{"event":"incoming_ended","call":"{HEX}","reason":"asleep"}}"#),
        ),
        (
            Event::FirstSeen {
                who: bob(),
                authority: "town".into(),
                root: Fingerprint([0; 32]),
                device: Fingerprint([0xff; 32]),
            },
            format!(
                r#"{{"event":"first_seen","who":"bob@example.org","authority":"town","root":"{}","device":"{}"}}"#,
                "0".repeat(64),
                "f".repeat(64)
            ),
        ),
        (
            Event::Peer(Peer {
                who: bob(),
                device: Fingerprint([0xff; 32]),
                authority: "town".into(),
                serial: "0a1b".into(),
                not_before: 1_795_435_200,
                not_after: 1_796_644_800,
                log: "town/log/2026".into(),
                index: 7,
                witnesses: vec!["town/witness".into()],
                witnessed_only_by_operator: true,
                endorsed_by: Vec::new(),
                code: "0000-1111".into(),
            }),
            format!(
                r#"{{"event":"peer","who":"bob@example.org","device":"{}","authority":"town","serial":"0a1b","not_before":1795435200,"not_after":1796644800,"log":"town/log/2026","index":7,"witnesses":["town/witness"],"witnessed_only_by_operator":true,"code":"0000-1111"}}"#,
                "f".repeat(64)
            ),
        ),
        (
            Event::Message { id: 7, from: bob(), text: "hi".into(), bot: false, reply_to: None },
            r#"{"event":"message","id":7,"from":"bob@example.org","text":"hi"}"#.into(),
        ),
        (
            Event::Message { id: 7, from: bob(), text: "hi".into(), bot: true, reply_to: None },
            r#"{"event":"message","id":7,"from":"bob@example.org","text":"hi","bot":true}"#.into(),
        ),
        (
            Event::Message {
                id: 7,
                from: bob(),
                text: "hi".into(),
                bot: false,
                reply_to: Some(TextRef { by: Side::Me, id: 3 }),
            },
            r#"{"event":"message","id":7,"from":"bob@example.org","text":"hi","reply_to":{"by":"me","id":3}}"#.into(),
        ),
        (
            Event::Reaction { from: bob(), on: TextRef { by: Side::Them, id: 3 }, emoji: "👍".into() },
            r#"{"event":"reaction","from":"bob@example.org","on":{"by":"them","id":3},"emoji":"👍"}"#.into(),
        ),
        (
            Event::Edited { from: bob(), id: 7, text: "hi".into() },
            r#"{"event":"edited","from":"bob@example.org","id":7,"text":"hi"}"#.into(),
        ),
        (
            Event::DeleteRequested { from: bob(), id: 7 },
            r#"{"event":"delete_requested","from":"bob@example.org","id":7}"#.into(),
        ),
        (Event::Nudge { from: bob() }, r#"{"event":"nudge","from":"bob@example.org"}"#.into()),
        (Event::Continued { from: bob() }, r#"{"event":"continued","from":"bob@example.org"}"#.into()),
        (
            Event::ContinuedElsewhere { who: bob() },
            r#"{"event":"continued_elsewhere","who":"bob@example.org"}"#.into(),
        ),
        (
            Event::Typing { who: bob(), typing: true },
            r#"{"event":"typing","who":"bob@example.org","typing":true}"#.into(),
        ),
        (
            Event::History { who: bob(), keeps: true },
            r#"{"event":"history","who":"bob@example.org","keeps":true}"#.into(),
        ),
        (Event::Read { who: bob(), ids: vec![1, 2] }, r#"{"event":"read","who":"bob@example.org","ids":[1,2]}"#.into()),
        (
            Event::MessageState { id: 7, to: bob(), state: DeliveryState::Delivered, reason: None },
            r#"{"event":"message_state","id":7,"to":"bob@example.org","state":"delivered"}"#.into(),
        ),
        (
            Event::MessageState { id: 7, to: bob(), state: DeliveryState::NotDelivered, reason: Some(reason()) },
            r#"{"event":"message_state","id":7,"to":"bob@example.org","state":"not_delivered","reason":"asleep"}"#
                .into(),
        ),
        (Event::Ringing { who: bob() }, r#"{"event":"ringing","who":"bob@example.org"}"#.into()),
        (
            Event::Unanswered {
                who: bob(),
                because: Unanswered::NoAnswer,
                message: reason(),
                remedy: "wake".into(),
            },
            r#"{"event":"unanswered","who":"bob@example.org","because":"no_answer","message":"asleep","remedy":"wake"}"#
                .into(),
        ),
        (
            Event::Unreachable {
                who: bob(),
                because: Obstacle::NoCommonAddressFamily,
                message: reason(),
                remedy: "wake".into(),
            },
            r#"{"event":"unreachable","who":"bob@example.org","because":"no_common_address_family","message":"asleep","remedy":"wake"}"#
                .into(),
        ),
        (
            Event::Session { who: bob(), state: SessionState::Reconnecting, reason: None },
            r#"{"event":"session","who":"bob@example.org","state":"reconnecting"}"#.into(),
        ),
        (
            Event::Session { who: bob(), state: SessionState::Lost, reason: Some(reason()) },
            r#"{"event":"session","who":"bob@example.org","state":"lost","reason":"asleep"}"#.into(),
        ),
        (
            Event::RoomInvitation {
                room,
                name: "tea".into(),
                from: bob(),
                members: vec![bob()],
                suite: RoomSuite::Hybrid,
            },
            format!(
                r#"{{"event":"room_invitation","room":"{HEX}","name":"tea","from":"bob@example.org","members":["bob@example.org"]}}"#
            ),
        ),
        (
            Event::RoomInvitation {
                room,
                name: "tea".into(),
                from: bob(),
                members: Vec::new(),
                suite: RoomSuite::Classical,
            },
            format!(
                r#"{{"event":"room_invitation","room":"{HEX}","name":"tea","from":"bob@example.org","members":[],"suite":"classical"}}"#
            ),
        ),
        (
            Event::Room {
                room,
                name: "tea".into(),
                host: bob(),
                members: vec![bob()],
                epoch: 3,
                suite: "S".into(),
                code: "C".into(),
                topic: String::new(),
                locked: false,
                owners: vec![bob()],
                moderators: Vec::new(),
            },
            format!(
                r#"{{"event":"room","room":"{HEX}","name":"tea","host":"bob@example.org","members":["bob@example.org"],"epoch":3,"suite":"S","code":"C","owners":["bob@example.org"]}}"#
            ),
        ),
        (
            Event::RoomVia { room, via: vec![Via { who: bob(), by: bob() }] },
            format!(
                r#"{{"event":"room_via","room":"{HEX}","via":[{{"who":"bob@example.org","by":"bob@example.org"}}]}}"#
            ),
        ),
        (
            Event::RoomChanged { room, by: bob(), change: RoomChange::Topic { topic: "green".into() } },
            format!(
                r#"{{"event":"room_changed","room":"{HEX}","by":"bob@example.org","what":"topic","topic":"green"}}"#
            ),
        ),
        (
            Event::RoomChanged { room, by: bob(), change: RoomChange::Role { who: bob(), role: Role::Moderator } },
            format!(
                r#"{{"event":"room_changed","room":"{HEX}","by":"bob@example.org","what":"role","who":"bob@example.org","role":"moderator"}}"#
            ),
        ),
        (
            Event::RoomChanged { room, by: bob(), change: RoomChange::Readmit },
            format!(r#"{{"event":"room_changed","room":"{HEX}","by":"bob@example.org","what":"readmit"}}"#),
        ),
        (
            Event::RoomMessage { room, id: 7, from: bob(), text: "hi".into(), order, reply_to: None },
            format!(
                r#"{{"event":"room_message","room":"{HEX}","id":7,"from":"bob@example.org","text":"hi","order":[3,12,1,7]}}"#
            ),
        ),
        (
            Event::RoomMessage { room, id: 7, from: bob(), text: "hi".into(), order, reply_to: Some(own()) },
            format!(
                r#"{{"event":"room_message","room":"{HEX}","id":7,"from":"bob@example.org","text":"hi","order":[3,12,1,7],"reply_to":{{"id":7}}}}"#
            ),
        ),
        (
            Event::RoomReaction { room, from: bob(), on: bobs(), emoji: "👍".into() },
            format!(
                r#"{{"event":"room_reaction","room":"{HEX}","from":"bob@example.org","on":{{"from":"bob@example.org","id":7}},"emoji":"👍"}}"#
            ),
        ),
        (
            Event::RoomEdited { room, from: bob(), id: 7, text: "hi".into() },
            format!(r#"{{"event":"room_edited","room":"{HEX}","from":"bob@example.org","id":7,"text":"hi"}}"#),
        ),
        (
            Event::RoomDeleteRequested { room, from: bob(), id: 7 },
            format!(r#"{{"event":"room_delete_requested","room":"{HEX}","from":"bob@example.org","id":7}}"#),
        ),
        (
            Event::RoomTyping { room, who: bob(), typing: true },
            format!(r#"{{"event":"room_typing","room":"{HEX}","who":"bob@example.org","typing":true}}"#),
        ),
        (
            Event::RoomMessageState { room, id: 7, delivered: vec![bob()], missing: vec![], order: Some(order) },
            format!(
                r#"{{"event":"room_message_state","room":"{HEX}","id":7,"delivered":["bob@example.org"],"missing":[],"order":[3,12,1,7]}}"#
            ),
        ),
        (
            Event::RoomMessageState {
                room,
                id: 7,
                delivered: vec![],
                missing: vec![Missing { who: bob(), reason: reason() }],
                order: None,
            },
            format!(
                r#"{{"event":"room_message_state","room":"{HEX}","id":7,"delivered":[],"missing":[{{"who":"bob@example.org","reason":"asleep"}}]}}"#
            ),
        ),
        (
            Event::RoomInvitationFailed { room, who: bob(), reason: reason() },
            format!(r#"{{"event":"room_invitation_failed","room":"{HEX}","who":"bob@example.org","reason":"asleep"}}"#),
        ),
        (
            Event::RoomReach { room, not_reached: vec![bob()] },
            format!(r#"{{"event":"room_reach","room":"{HEX}","not_reached":["bob@example.org"]}}"#),
        ),
        (
            Event::RoomLapsed { room, who: bob(), reason: reason() },
            format!(r#"{{"event":"room_lapsed","room":"{HEX}","who":"bob@example.org","reason":"asleep"}}"#),
        ),
        (
            Event::RoomLeft { room, who: bob() },
            format!(r#"{{"event":"room_left","room":"{HEX}","who":"bob@example.org"}}"#),
        ),
        (
            Event::RoomClosed { room, reason: reason() },
            format!(r#"{{"event":"room_closed","room":"{HEX}","reason":"asleep"}}"#),
        ),
        (
            Event::FileOffered {
                transfer,
                from: bob(),
                device: Fingerprint([0xab; 32]),
                room: None,
                name: "tea".into(),
                folder: false,
                files: 1,
                bytes: 9,
                media_type: None,
            },
            format!(
                r#"{{"event":"file_offered","transfer":"{HEX}","from":"bob@example.org","device":"{DEVICE}","name":"tea","folder":false,"files":1,"bytes":9}}"#
            ),
        ),
        (
            Event::FileOffered {
                transfer,
                from: bob(),
                device: Fingerprint([0xab; 32]),
                room: Some(room),
                name: "tea".into(),
                folder: false,
                files: 1,
                bytes: 9,
                media_type: Some("text/plain".into()),
            },
            format!(
                r#"{{"event":"file_offered","transfer":"{HEX}","from":"bob@example.org","device":"{DEVICE}","room":"{HEX}","name":"tea","folder":false,"files":1,"bytes":9,"media_type":"text/plain"}}"#
            ),
        ),
        (
            Event::FileState {
                transfer,
                with: bob(),
                direction: Direction::Out,
                name: "tea".into(),
                state: TransferState::Offered,
                by: None,
                reason: None,
                path: None,
                left_out: Some(3),
            },
            format!(
                r#"{{"event":"file_state","transfer":"{HEX}","with":"bob@example.org","direction":"out","name":"tea","state":"offered","left_out":3}}"#
            ),
        ),
        (
            Event::FileState {
                transfer,
                with: bob(),
                direction: Direction::In,
                name: "tea".into(),
                state: TransferState::Paused,
                by: Some(Side::Them),
                reason: None,
                path: None,
                left_out: None,
            },
            format!(
                r#"{{"event":"file_state","transfer":"{HEX}","with":"bob@example.org","direction":"in","name":"tea","state":"paused","by":"them"}}"#
            ),
        ),
        (
            Event::FileState {
                transfer,
                with: bob(),
                direction: Direction::In,
                name: "tea".into(),
                state: TransferState::Done,
                by: None,
                reason: None,
                path: Some("/b/tea".into()),
                left_out: None,
            },
            format!(
                r#"{{"event":"file_state","transfer":"{HEX}","with":"bob@example.org","direction":"in","name":"tea","state":"done","path":"/b/tea"}}"#
            ),
        ),
        (
            Event::RoomFileState {
                room,
                transfer,
                id: Some(7),
                name: "tea".into(),
                state: TransferState::Offered,
                reason: None,
                left_out: Some(3),
            },
            format!(
                r#"{{"event":"room_file_state","room":"{HEX}","transfer":"{HEX}","id":7,"name":"tea","state":"offered","left_out":3}}"#
            ),
        ),
        (
            Event::RoomFileState {
                room,
                transfer,
                id: None,
                name: "tea".into(),
                state: TransferState::Failed,
                reason: Some("gone".into()),
                left_out: None,
            },
            format!(
                r#"{{"event":"room_file_state","room":"{HEX}","transfer":"{HEX}","name":"tea","state":"failed","reason":"gone"}}"#
            ),
        ),
        (
            Event::FileProgress {
                transfer,
                with: bob(),
                direction: Direction::Out,
                done: 3,
                bytes: 9,
                rate: 2,
                left_s: Some(3),
            },
            format!(
                r#"{{"event":"file_progress","transfer":"{HEX}","with":"bob@example.org","direction":"out","done":3,"bytes":9,"rate":2,"left_s":3}}"#
            ),
        ),
        (
            Event::MailCertificate(MailCertificate {
                who: bob(),
                device: Fingerprint([0xab; 32]),
                serial: "05".into(),
                not_before: 1,
                not_after: 2,
                chain: vec![vec![0x30, 0x00].into()],
            }),
            format!(
                r#"{{"event":"mail_certificate","who":"bob@example.org","device":"{DEVICE}","serial":"05","not_before":1,"not_after":2,"chain":["3000"]}}"#
            ),
        ),
        (
            Event::NoMailCertificate {
                who: bob(),
                because: NoMail::NotTold,
                message: "no".into(),
                remedy: "yes".into(),
            },
            r#"{"event":"no_mail_certificate","who":"bob@example.org","because":"not_told","message":"no","remedy":"yes"}"#
                .into(),
        ),
        (
            Event::Error { about: "send".into(), message: "no".into(), remedy: "yes".into() },
            r#"{"event":"error","about":"send","message":"no","remedy":"yes"}"#.into(),
        ),
    ];
    for (event, json) in cases {
        assert_eq!(to_string(&event).unwrap(), json);
        assert_eq!(from_str::<Event>(&json).unwrap(), event);
        assert!(json.contains(event.name()));
    }
}

#[test]
fn what_people_write_is_not_in_debug_output() {
    let command = Command::Send { to: "bob@example.org".into(), text: "secret".into(), id: None, reply_to: None };
    assert_eq!(format!("{command:?}"), "send");
    let event = Event::Message {
        id: 1,
        from: "bob@example.org".parse().unwrap(),
        text: "secret".into(),
        bot: false,
        reply_to: None,
    };
    assert_eq!(format!("{event:?}"), "message");
}
