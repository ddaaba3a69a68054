//! What devices say to each other, as the engine writes it, judged by other people's CDDL (docs/spec/peer.cddl).

use identity::MAX_CERTIFICATE_BYTES;
use identity::endorsement::MAX_ENDORSEMENT_BYTES;
use messenger_engine::wire::{
    self, Ack, Author, Channel, Circular, Circulated, Claimed, Contradiction, Enclosed, End, Entry, FileHead, FileWord,
    Granted, Head, Invited, Letter, MailChain, Mark, Outline, Page, PolicyView, Progress, QuotedAck, Resume, RoomFile,
    RoomFrame, RoomMark, RoomPlaintext, RoomTarget, SignedGrant, SignedHead, SignedInvitation, TalkFrame, Target,
    Views, Vouchers, Wanted, Whereabouts,
};

use super::frames::judge;

const ROOM: [u8; 16] = [7; 16];

fn spread(content: Circulated) -> RoomFrame {
    let (name, from, to) = ([5; 32], [2; 32], vec![0xff; 32]);
    let circular = Circular { room: ROOM, epoch: 7, name, from, to, number: 1, content };
    RoomFrame::Spread { circular: Box::new(circular), signature: [7; 64] }
}

fn talk(frame: &TalkFrame) -> (&'static str, Vec<u8>) {
    ("talk-frame", wire::encode(frame, Channel::Talk).unwrap().split_off(4))
}

fn room(frame: &RoomFrame) -> (&'static str, Vec<u8>) {
    ("room-frame", wire::encode(frame, Channel::Rooms).unwrap().split_off(4))
}

/// What stands at the beginning of streams of files.
fn of_files() -> Vec<(&'static str, Vec<u8>)> {
    let entry = |path: &str, size| Entry { path: path.to_owned(), size };
    let pages = [
        Page::default(),
        Page { entries: vec![entry("a/b", 0), entry(&"x".repeat(wire::MAX_PATH_BYTES), wire::MAX_SIZE)] },
    ];
    let head = FileHead { transfer: [9; 16], request: 1 };
    let body = |bytes: Result<Vec<u8>, wire::FrameError>| ("file-frame", bytes.unwrap().split_off(4));
    let pages = pages.iter().map(|page| body(wire::encode(page, Channel::Files)));
    pages.chain([body(wire::encode(&head, Channel::Files))]).collect()
}

/// What is said of them.
fn file(word: FileWord) -> Mark {
    Mark::File { transfer: [9; 16], word }
}

fn outline(name: &str) -> Outline {
    Outline { name: name.to_owned(), folder: false, files: 1, bytes: 0, media_type: None, room: None }
}

fn hello(resume: Option<Resume>) -> TalkFrame {
    TalkFrame::Hello { version: 1, run: [1; 8], capabilities: 255, resume, endorsements: None }
}

/// With so many endorsements, all so long.
fn endorsed(resume: Option<Resume>, count: usize, length: usize) -> TalkFrame {
    let endorsements = Some(Vouchers(vec![vec![5; length].into(); count]));
    TalkFrame::Hello { version: 1, run: [1; 8], capabilities: 255, resume, endorsements }
}

/// A certificate for mail with a chain of so many, all so long.
fn mail(count: usize, length: usize) -> TalkFrame {
    TalkFrame::MailCertificate { chain: MailChain(vec![vec![0x30; length].into(); count]) }
}

/// What stands in one, and what is signed for it, as rules of their own.
fn endorsement() -> (&'static str, Vec<u8>) {
    let alice = identity::Identifier::parse("alice@example.org").unwrap();
    let (key, of) = (ed25519_dalek::SigningKey::from_bytes(&[6; 32]), identity::trust::Fingerprint([7; 32]));
    let made = identity::testing::endorsement(vec![8; 2_000].into(), (&alice, &key), of, 1_796_644_800);
    ("endorsement", made.to_cbor())
}

fn resume(received: u64, unanswered: u64) -> Resume {
    Resume { session: [2; 16], proof: [3; 32], progress: Progress { received, unanswered, room_frames: received } }
}

fn said(plaintext: &RoomPlaintext) -> (&'static str, Vec<u8>) {
    ("room-plaintext", wire::encode(plaintext, Channel::Talk).unwrap().split_off(4))
}

/// What is sealed in rooms.
fn said_in_rooms() -> Vec<(&'static str, Vec<u8>)> {
    let (id, seen, on) = ((1 << 53) - 1, u32::MAX, RoomTarget { device: [4; 32], id: 7 });
    let marks = [
        RoomMark::Reaction { on, emoji: "👍".to_owned() },
        RoomMark::Reaction { on, emoji: String::new() },
        RoomMark::Edit { of: id, text: "ü".repeat(16_384) },
        RoomMark::Delete { of: 0 },
    ];
    let texts = [
        RoomPlaintext::Text { id: 0, seen: 0, text: String::new(), reply: None },
        RoomPlaintext::Text { id, seen, text: "ü".repeat(16_384), reply: Some(on) },
    ];
    let folder = Outline { folder: true, files: wire::MAX_ENTRIES, bytes: wire::MAX_SIZE, ..outline(&"x".repeat(255)) };
    let files = [
        RoomFile::Offer { offer: [9; 16], what: outline("") },
        RoomFile::Offer { offer: [9; 16], what: folder },
        RoomFile::Withdrawn { offer: [9; 16] },
    ];
    let marks = marks.map(|mark| RoomPlaintext::Mark { id, seen, mark });
    let files = files.map(|said| RoomPlaintext::File { id, seen, said });
    texts.into_iter().chain(marks).chain(files).map(|one| said(&one)).collect()
}

/// One of each, and the longest and shortest where lengths are bounded.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let hash = "q83vq83vq83vq83vq83vq83vq83vq83vq83vq83vq80=".to_owned();
    let contradiction = Contradiction {
        older: "example.org/log\n3\n".to_owned(),
        newer: "example.org/log\n9\n".to_owned(),
        beginning: hash.clone(),
        proof: vec![hash; 65],
    };
    let views = Views {
        checkpoints: vec!["x".repeat(4096); 8],
        policies: vec![PolicyView { genesis: [1; 32], number: 3, digest: [2; 32] }; 8],
        contradictions: vec![contradiction; 2],
    };
    let theirs = Target { author: Author::Receiver, id: 0 };
    let acks = (1..=256).map(|number| Ack { number, refused: (number % 9 == 0).then(|| "no".repeat(128)) }).collect();
    let talked = [
        hello(None),
        hello(Some(resume(0, 1))),
        hello(Some(resume(u64::MAX, u64::MAX))),
        endorsed(None, 1, 2_000),
        endorsed(Some(resume(0, 1)), 2, MAX_ENDORSEMENT_BYTES),
        TalkFrame::Text { number: 1, id: 0, text: String::new(), reply: None },
        TalkFrame::Text { number: u64::MAX, id: (1 << 53) - 1, text: "ü".repeat(16_384), reply: None },
        TalkFrame::RoomText { number: 2, room: ROOM, message: vec![0; 300] },
        TalkFrame::Ack { acks },
        TalkFrame::Views { views },
        TalkFrame::RoomFrames { count: 0 },
        TalkFrame::Text { number: 3, id: 2, text: "yes".to_owned(), reply: Some(theirs) },
        TalkFrame::Typing { typing: true },
        TalkFrame::Typing { typing: false },
        TalkFrame::RoomTyping { room: ROOM, typing: true },
        mail(0, 1),
        mail(1, 1),
        mail(wire::MAX_MAIL_CHAIN, MAX_CERTIFICATE_BYTES),
    ];
    let on = Target { author: Author::Sender, id: (1 << 53) - 1 };
    let marks = [
        Mark::Reaction { on: theirs, emoji: "👍".to_owned() },
        Mark::Reaction { on, emoji: "x".repeat(64) },
        Mark::Reaction { on, emoji: String::new() },
        Mark::Edit { of: 7, text: "ü".repeat(16_384) },
        Mark::Delete { of: 7 },
        Mark::Nudge,
        Mark::Here,
        Mark::Elsewhere,
        Mark::Keeps { keeps: true },
        Mark::Keeps { keeps: false },
        Mark::Read { ids: vec![7] },
        file(FileWord::Offer { what: outline("") }),
        file(FileWord::Offer {
            what: Outline {
                folder: true,
                files: wire::MAX_ENTRIES,
                bytes: wire::MAX_SIZE,
                media_type: Some("x".repeat(wire::MAX_MEDIA_TYPE_BYTES)),
                ..outline(&"x".repeat(wire::MAX_FILE_NAME_BYTES))
            },
        }),
        file(FileWord::Offer { what: Outline { room: Some(ROOM.into()), ..outline("tea") } }),
        file(FileWord::Pull { request: 1, wanted: Wanted::Manifest }),
        file(FileWord::Pull { request: u64::MAX, wanted: Wanted::Files { entry: u64::MAX, offset: u64::MAX } }),
        file(FileWord::Hold { held: true }),
        file(FileWord::Ask { offer: [9; 16] }),
        file(FileWord::Over { end: End::Done, reason: None }),
        file(FileWord::Over { end: End::Failed, reason: Some("no".repeat(128)) }),
        Mark::Read { ids: vec![(1 << 53) - 1; 256] },
    ];
    let marked = (4..).zip(marks).map(|(number, mark)| TalkFrame::Mark { number, id: number, mark });
    let talked: Vec<TalkFrame> = talked.into_iter().chain(marked).collect();
    let reason = || "declined".to_owned();
    let head = || SignedHead {
        head: Head { room: ROOM, parent: [5; 32], term: 1, leaf: 31, commit: [6; 32] },
        signature: [7; 64],
    };
    let ack = QuotedAck { from: 31, signature: [7; 64] };
    let claim = || Claimed { room: ROOM, parent: [5; 32], term: u32::MAX, leaf: 0 };
    let invitation = || SignedInvitation {
        invited: Invited { room: ROOM, number: u64::MAX, parent: [5; 32], term: 1, leaf: 31, device: [6; 32] },
        signature: [7; 64],
    };
    let grant = |staged| SignedGrant { granted: Granted { claim: claim(), from: 3, staged }, signature: [7; 64] };
    let pass = |enclosed| {
        let letter = Letter { room: ROOM, epoch: 7, from: [1; 32], to: [2; 32], number: 1, enclosed };
        RoomFrame::Pass { letter: Box::new(letter), signature: [7; 64] }
    };
    let arranged = [
        RoomFrame::Invite {
            room: ROOM,
            name: "tea".to_owned(),
            suite: 0x4e,
            members: vec!["a@example.org".to_owned(); 32],
            version: Some(2),
        },
        RoomFrame::Enter { room: ROOM, key_package: vec![1; 2_000] },
        RoomFrame::Decline { room: ROOM, reason: reason() },
        RoomFrame::Welcome { room: ROOM, welcome: vec![2; 100_000], epoch: Some([5; 32]) },
        RoomFrame::Leave { room: ROOM },
        RoomFrame::Propose { room: ROOM, commit: vec![3; 5_000] },
        RoomFrame::Offer { head: head(), commit: vec![3; 5_000], grants: vec![grant(None), grant(Some(head()))] },
        RoomFrame::Ack { head: head(), ack: ack.clone() },
        RoomFrame::Go { head: head(), commit: vec![3; 5_000], acks: vec![ack; 32] },
        RoomFrame::Claim { claim: claim(), signature: [7; 64] },
        RoomFrame::Grant { grant: Box::new(grant(None)), commit: None },
        RoomFrame::Grant { grant: Box::new(grant(Some(head()))), commit: Some(vec![3; 5_000]) },
        RoomFrame::Beat {
            whereabouts: Whereabouts { room: ROOM, number: 7, epoch: [5; 32], digest: [4; 16] },
            signature: [7; 64],
            hears: None,
        },
        RoomFrame::Beat {
            whereabouts: Whereabouts { room: ROOM, number: 7, epoch: [5; 32], digest: [4; 16] },
            signature: [7; 64],
            hears: Some(vec![0xff; 32]),
        },
        RoomFrame::Return { room: ROOM },
        RoomFrame::Approach { room: ROOM },
        RoomFrame::Admission { room: ROOM, group_info: vec![4; 200_000], invitation: invitation() },
        RoomFrame::Join { room: ROOM, commit: vec![3; 40_000] },
        pass(Enclosed::Frame { frame: vec![3; 5_000] }),
        pass(Enclosed::Text { run: [8; 8], message: vec![3; 300] }),
        RoomFrame::Passed { room: ROOM, number: 1, refused: None },
        RoomFrame::Passed { room: ROOM, number: u64::MAX, refused: Some(reason()) },
        RoomFrame::NotPassed { room: ROOM, to: [2; 32], number: 1, reason: reason() },
        spread(Circulated::Text { run: [8; 8], message: vec![3; 300] }),
        spread(Circulated::Typing),
        RoomFrame::Taken { room: ROOM, number: 1, refused: None },
        RoomFrame::Taken { room: ROOM, number: u64::MAX, refused: Some(reason()) },
        RoomFrame::NotSpread { room: ROOM, number: 1, to: vec![0xff; 32], reason: reason() },
    ];
    let others = said_in_rooms().into_iter().chain([endorsement()]).chain(of_files());
    talked.iter().map(talk).chain(arranged.iter().map(room)).chain(others).collect()
}

#[test]
fn what_devices_say_is_made_of_the_frames_in_the_cddl() {
    let Some(python) = super::python() else { return };
    let judged = judge(&python, "peer.cddl", &frames()).unwrap();
    let of_rooms =
        (0..=3).chain([6]).chain(8..=15).chain(20..=25).chain(30..=32).map(|kind| format!("room-frame {kind}"));
    let said_kinds = (0..=2).map(|kind| format!("room-plaintext {kind}"));
    let kinds = (0..=9).map(|kind| format!("talk-frame {kind}")).chain(of_rooms);
    for kind in kinds.chain(said_kinds) {
        assert!(judged[&kind].as_u64().is_some_and(|count| count > 0), "{kind} was not judged: {judged}");
    }
    // The judge is awake: what the page does not allow is told.
    for wrong in [
        hello(Some(resume(1, 0))),
        endorsed(None, 3, 100),
        mail(wire::MAX_MAIL_CHAIN + 1, 1),
        mail(1, MAX_CERTIFICATE_BYTES + 1),
        mail(1, 0),
        endorsed(None, 1, MAX_ENDORSEMENT_BYTES + 1),
        TalkFrame::Text { number: 0, id: 1, text: "x".to_owned(), reply: None },
        TalkFrame::Mark { number: 0, id: 1, mark: Mark::Nudge },
        TalkFrame::Mark { number: 1, id: 1, mark: Mark::Edit { of: 1 << 53, text: String::new() } },
        TalkFrame::Mark { number: 1, id: 1, mark: Mark::Read { ids: Vec::new() } },
        TalkFrame::Text { number: 1, id: 1 << 53, text: "x".to_owned(), reply: None },
        TalkFrame::Mark { number: 1, id: 1, mark: file(FileWord::Offer { what: outline(&"x".repeat(256)) }) },
        TalkFrame::Mark {
            number: 1,
            id: 1,
            mark: file(FileWord::Offer { what: Outline { bytes: 1 << 53, ..outline("x") } }),
        },
    ] {
        assert!(judge(&python, "peer.cddl", &[talk(&wrong)]).is_err(), "{wrong:?}");
    }
    for wrong in [
        RoomPlaintext::Text { id: 1 << 53, seen: 0, text: String::new(), reply: None },
        RoomPlaintext::Text { id: 1, seen: 0, text: "x".repeat(32_769), reply: None },
    ] {
        assert!(judge(&python, "peer.cddl", &[said(&wrong)]).is_err(), "{wrong:?}");
    }
    let (rule, mut body) = talk(&hello(None));
    *body.last_mut().unwrap() = 1;
    assert!(judge(&python, "peer.cddl", &[(rule, body)]).is_err(), "padding that is not zero");
}
