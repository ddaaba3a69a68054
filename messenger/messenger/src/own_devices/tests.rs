//! What is decided on two devices of one person, and who is given and gives what.

use std::collections::BTreeSet;
use std::sync::Arc;

use device::Home;
use identity::trust::{Bindings, Fingerprint, Trust};
use identity::{Identifier, UnixTime};
use messenger_engine::{
    Audience, Command, Direction, Event, OwnStatus, Peer, PresenceSettings, TransferId, TransferState,
};
use proptest::prelude::*;

use super::merge::{Summary, merged, to_tell};
use super::package::{Decided, Package};
use super::{Desk, MEDIA_TYPE, Note, Step, Wish, folder, known};
use crate::appearance;
use crate::contacts::ContactBook;
use crate::contacts::about::{About, Alert, OwnName};
use crate::settings::{Notify, Settings};

const PHONE: Fingerprint = Fingerprint([2; 32]);
const CODE: &str = "H6AH-7PG2-CE7R-MM8Z-Y4FD-6P1A";

fn who(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn named(name: &str) -> About {
    About { name: Some(OwnName::try_from(name.to_owned()).unwrap()), ..About::default() }
}

fn set(names: &[&str]) -> BTreeSet<Identifier> {
    names.iter().map(|name| who(name)).collect()
}

fn bound(name: &str, root: u8) -> Bindings {
    let mut bindings = Bindings::default();
    bindings.bind(&who(name), "town", &[root; 32], UnixTime::since_unix_epoch(std::time::Duration::from_secs(7)));
    bindings
}

/// Bob, whom she calls so, blocks and settings.
fn there() -> Decided {
    let mut bob = About { alert: Alert::Always, ..named("Bobby") };
    bob.devices.take_as_compared(Fingerprint([9; 32]));
    Decided {
        contacts: [(who("bob"), bob), (who("carol"), named("Carol")), (who("alice"), About::default())].into(),
        bindings: bound("bob", 1),
        presence: PresenceSettings {
            status: OwnStatus::Away,
            text: "on the train".to_owned(),
            visible_to: Audience::Named(set(&["bob"])),
            may_knock: Audience::Nobody,
            blocked: set(&["mallory"]),
            ask_first: set(&["carol"]),
            typing: false,
            ..PresenceSettings::default()
        },
        settings: Settings { notify: Notify::Text, downloads: Some("/data".into()), ..Settings::default() },
    }
}

fn given() -> Package {
    Package::read(Package::of(there(), None).to_json().as_bytes()).unwrap()
}

#[test]
fn what_was_never_decided_here_comes_from_there() {
    let (after, summary) = merged(Decided::default(), &given(), &who("alice"));
    let mut expected = there();
    expected.contacts.remove(&who("alice"));
    // How one is doing now, and where files lie on one device, moves to no other.
    (expected.presence.status, expected.presence.text) = (OwnStatus::default(), String::new());
    expected.settings.downloads = None;
    assert_eq!(after, expected);
    assert_eq!((summary.new, summary.blocked), (vec![who("bob"), who("carol")], vec![who("mallory")]));
    assert_eq!(summary.settings, ["visible_to", "may_knock", "typing", "notify"]);
}

#[test]
fn nothing_that_was_decided_here_is_lost() {
    let mut here = Decided {
        contacts: [(who("bob"), named("Robert")), (who("dora"), About::default())].into(),
        bindings: bound("bob", 5),
        presence: PresenceSettings { visible_to: Audience::Nobody, blocked: set(&["eve"]), ..Default::default() },
        settings: Settings { notify: Notify::Off, ..Settings::default() },
    };
    here.contacts.get_mut(&who("bob")).unwrap().devices.take_as_compared(Fingerprint([4; 32]));
    let (after, summary) = merged(here, &given(), &who("alice"));
    let bob = &after.contacts[&who("bob")];
    assert_eq!(bob.name.as_ref().map(OwnName::as_str), Some("Robert"));
    assert_eq!(bob.alert, Alert::Always, "none was set here");
    let devices: Vec<_> = bob.devices.all().iter().map(|known| (known.key, known.compared)).collect();
    assert_eq!(devices, [(Fingerprint([4; 32]), true), (Fingerprint([9; 32]), true)]);
    assert!(after.contacts.contains_key(&who("dora")));
    assert_eq!(after.presence.blocked, set(&["eve", "mallory"]));
    assert_eq!((after.presence.visible_to, after.settings.notify), (Audience::Nobody, Notify::Off));
    assert_eq!(after.bindings, bound("bob", 5), "another authority is nothing that moves");
    assert_eq!((summary.new, summary.more), (vec![who("carol")], vec![who("bob")]));
    assert_eq!(
        (summary.other_authority, summary.settings),
        (vec![who("bob")], vec!["may_knock".into(), "typing".into()])
    );
}

#[test]
fn once_more_changes_nothing_and_whoever_is_blocked_is_so_before_anything_else() {
    let (after, summary) = merged(Decided::default(), &given(), &who("alice"));
    let commands = to_tell(&after, &summary);
    assert!(matches!(&commands[0], Command::Block { who } if who == "mallory@example.org"), "{commands:?}");
    assert_eq!(commands.iter().filter(|command| matches!(command, Command::AddContact { .. })).count(), 2);
    let (again, summary) = merged(after.clone(), &given(), &who("alice"));
    assert!(summary.is_nothing() && again == after && to_tell(&again, &summary).is_empty(), "{summary:?}");
}

#[test]
fn what_is_no_package_is_told() {
    let many: Vec<String> = (0..1_001).map(|n| format!("\"p{n}@example.org\"")).collect();
    for (text, found) in [
        (String::new(), "EOF"),
        ("{\"version\":2}".to_owned(), "expected version 1, found 2"),
        ("{\"version\":1}".to_owned(), "contacts"),
        ("{\"version\":1,\"contacts\":{\"bob\":{}}}".to_owned(), "expected what another device gives"),
        (
            format!("{{\"version\":1,\"contacts\":{{}},\"blocked\":[{}]}}", many.join(",")),
            "at most 1000 blocked people, found 1001",
        ),
        (" ".repeat(4 * 1024 * 1024 + 1), "found 4194305"),
    ] {
        let error = Package::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    // A later version may say more.
    Package::read(b"{\"version\":1,\"contacts\":{},\"colour\":\"red\"}").unwrap();
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Package::read(&bytes);
    }

    #[test]
    fn whatever_is_changed_in_one_is_read_or_refused(at in 0..2_000usize, byte in any::<u8>()) {
        let mut bytes = Package::of(there(), None).to_json().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(package) = Package::read(&bytes) {
            merged(there(), &package, &who("alice"));
        }
    }
}

struct World {
    _folder: tempfile::TempDir,
    book: ContactBook,
    desk: Desk,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let book = ContactBook::new(home.clone());
    let (trust, endorse) = (Arc::new(Trust::new(Vec::new()).unwrap()), Arc::new(|_| Err("no key here".to_owned())));
    let (desk, problem) = Desk::new((who("alice"), Fingerprint([1; 32])), Some(book.clone()), (trust, endorse), &[]);
    assert_eq!(problem, None);
    World { _folder: folder, book, desk }
}

fn peer(device: Fingerprint, code: &str, endorsed_by: &[Fingerprint]) -> Event {
    Event::Peer(Peer {
        who: who("alice"),
        device,
        authority: "town".to_owned(),
        serial: "2f".to_owned(),
        not_before: 0,
        not_after: 1,
        log: "log".to_owned(),
        index: 7,
        witnesses: Vec::new(),
        witnessed_only_by_operator: true,
        endorsed_by: endorsed_by.to_vec(),
        code: code.to_owned(),
    })
}

fn offer(device: Fingerprint, bytes: u64) -> Event {
    Event::FileOffered {
        transfer: TransferId([7; 16]),
        from: who("alice"),
        device,
        room: None,
        name: "x.json".to_owned(),
        folder: false,
        files: 1,
        bytes,
        media_type: Some(MEDIA_TYPE.to_owned()),
    }
}

fn over(transfer: TransferId, direction: Direction, path: Option<String>) -> Event {
    let (with, name, state) = (who("alice"), "x.json".to_owned(), TransferState::Done);
    Event::FileState { transfer, with, direction, name, state, by: None, reason: None, path, left_out: None }
}

fn refused(steps: &[Step]) -> bool {
    matches!(steps, [Step::Engine(Command::FileRefuse { .. }), ..])
}

#[test]
fn a_device_whose_code_was_not_compared_is_given_nothing_and_gives_nothing() {
    let World { mut desk, book, .. } = world();
    let told = desk.hear(&peer(PHONE, CODE, &[Fingerprint([3; 32])]));
    assert!(matches!(&told[..], [Step::Tell(Note::OwnDevice { confirmed: false, code, .. })] if code == CODE));
    let heard = desk.hear(&offer(PHONE, 10));
    assert!(refused(&heard), "{heard:?}");
    assert!(matches!(&desk.wish(Wish::Give)[..], [Step::Wrong(_)]));
    // The code is what the other device shows: a wrong one confirms nobody.
    let wrong = Wish::Confirm { code: "H6AH-7PG2-CE7R-MM8Z-Y4FD-6P1B".to_owned() };
    assert!(matches!(&desk.wish(wrong)[..], [Step::Wrong(_)]));
    assert!(refused(&desk.hear(&offer(PHONE, 10))));
    let right = Wish::Confirm { code: "h6ah7pg2ce7rmm8zy4fd6p1a".to_owned() };
    assert_eq!(desk.wish(right), [Step::Tell(Note::DeviceConfirmed { device: PHONE })]);
    assert!(refused(&desk.hear(&offer(Fingerprint([8; 32]), 10))), "another one is not that one");
    assert!(refused(&desk.hear(&offer(PHONE, u64::MAX))), "that is no list");
    let taken = desk.hear(&offer(PHONE, 10));
    assert!(matches!(&taken[..], [Step::Engine(Command::FileAccept { .. })]), "{taken:?}");
    assert!(known::load(book.home()).unwrap().was_compared(PHONE), "at the next start, too");
}

#[test]
fn a_device_that_this_one_endorses_or_one_that_was_compared_is_known() {
    let World { mut desk, .. } = world();
    desk.hear(&peer(PHONE, CODE, &[Fingerprint([1; 32])]));
    assert!(!refused(&desk.hear(&offer(PHONE, 10))), "this one endorsed it");
    // Somebody else's file is none of this.
    let Event::FileOffered { transfer, device, room, name, folder, files, bytes, media_type, .. } = offer(PHONE, 10)
    else {
        panic!()
    };
    let from = who("bob");
    let others = Event::FileOffered { transfer, from, device, room, name, folder, files, bytes, media_type };
    assert!(!desk.hides(&others) && desk.hear(&others).is_empty());
}

#[test]
fn what_is_given_goes_to_that_device_alone_and_nothing_of_it_stays() {
    let World { mut desk, book, .. } = world();
    book.add(&who("bob")).unwrap();
    desk.hear(&peer(PHONE, CODE, &[]));
    desk.wish(Wish::Confirm { code: CODE.to_owned() });
    let steps = desk.wish(Wish::Give);
    let [Step::Wrong(_), Step::Engine(Command::FileOffer { to, path, transfer, device, media_type })] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!((to.as_str(), *device, media_type.as_deref()), ("alice@example.org", Some(PHONE), Some(MEDIA_TYPE)));
    let package = Package::read(&std::fs::read(path).unwrap()).unwrap();
    assert!(package.contacts.contains_key(&who("bob")));
    let done = over(transfer.unwrap(), Direction::Out, None);
    assert!(desk.hides(&done));
    assert_eq!(desk.hear(&done), [Step::Tell(Note::DeviceGiven { device: PHONE })]);
    assert!(!std::path::Path::new(path).exists());
}

#[test]
fn what_comes_is_shown_before_it_is_taken_and_can_be_undone() {
    let World { mut desk, book, .. } = world();
    let home = book.home().clone();
    book.add(&who("dora")).unwrap();
    desk.hear(&peer(PHONE, CODE, &[]));
    desk.wish(Wish::Confirm { code: CODE.to_owned() });
    desk.hear(&offer(PHONE, 10));
    let path = folder::write(&home, "came.json", &given()).unwrap();
    let heard = desk.hear(&over(TransferId([7; 16]), Direction::In, Some(path.display().to_string())));
    let [Step::Tell(Note::DeviceOffers { summary, .. })] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(summary.new, [who("bob"), who("carol")]);
    assert!(
        summary
            .words()
            .contains("new contacts bob@example.org, carol@example.org; blocked as well mallory@example.org")
    );
    assert!(!path.exists());
    assert_eq!(book.load().unwrap().len(), 1, "nothing has changed yet");
    let taken = desk.wish(Wish::Take);
    assert!(taken.contains(&Step::Engine(Command::Block { who: "mallory@example.org".to_owned() })), "{taken:?}");
    assert_eq!(book.load().unwrap().len(), 3);
    assert_eq!(book.load().unwrap()[&who("bob")].name, named("Bobby").name);
    assert!(home.bindings().unwrap().get(&who("bob")).is_some());
    assert_eq!(crate::settings::load(&home).unwrap().notify, Notify::Text);
    // The engine says how one appears, and that is kept.
    appearance::keep(&home, &Event::Appearance(PresenceSettings { blocked: set(&["mallory"]), ..Default::default() }));
    folder::put_back(&home).unwrap();
    assert_eq!(book.load().unwrap().keys().cloned().collect::<Vec<_>>(), [who("dora")]);
    assert!(home.bindings().unwrap().get(&who("bob")).is_none());
    assert_eq!(appearance::load(&home).unwrap(), PresenceSettings::default());
    assert_eq!(crate::settings::load(&home).unwrap(), Settings::default());
    assert!(folder::put_back(&home).is_err(), "once");
}

#[test]
fn wishes_are_read_and_other_commands_left_to_others() {
    assert_eq!(Wish::read(r#"{"do":"give_to_device"}"#).unwrap().unwrap(), Wish::Give);
    assert!(Wish::read(r#"{"do":"confirm_device"}"#).unwrap().is_err(), "without a code");
    assert!(Wish::read(r#"{"do":"send","to":"bob@example.org","text":"hi"}"#).is_none() && Wish::read("[").is_none());
    let note = Note::DeviceOffers { device: PHONE, summary: Summary::default() };
    let text = serde_json::to_string(&note).unwrap();
    assert!(text.starts_with(r#"{"event":"device_offers","device":"0202"#), "{text}");
}
