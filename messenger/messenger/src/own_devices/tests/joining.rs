//! What comes of what is decided here and there.

use proptest::prelude::*;

use super::super::merge::{merged, to_tell};
use super::*;

#[test]
fn what_was_never_decided_here_comes_from_there() {
    let (after, summary) = merged(Decided::default(), &given(), &who("alice")).unwrap();
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
    let (after, summary) = merged(here, &given(), &who("alice")).unwrap();
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
    let (after, summary) = merged(Decided::default(), &given(), &who("alice")).unwrap();
    let commands = to_tell(&after, &summary);
    assert!(matches!(&commands[0], Command::Block { who } if who == "mallory@example.org"), "{commands:?}");
    assert_eq!(commands.iter().filter(|command| matches!(command, Command::AddContact { .. })).count(), 2);
    let (again, summary) = merged(after.clone(), &given(), &who("alice")).unwrap();
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
        (
            format!(
                "{{\"version\":1,\"contacts\":{{}},\"bindings\":{{\"bob@example.org\":{{\"authority\":\"{}\",\"root\":\"{}\",\"since\":7}}}}}}",
                "x".repeat(1_025),
                "0".repeat(64)
            ),
            "at most 1024 bytes in the name of an authority, found 1025",
        ),
        (" ".repeat(4 * 1024 * 1024 + 1), "found 4194305"),
    ] {
        let error = Package::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    // A later version may say more.
    Package::read(b"{\"version\":1,\"contacts\":{},\"colour\":\"red\"}").unwrap();
}

#[test]
fn more_than_an_engine_takes_is_refused_before_anything_changes() {
    let people = |name: &str, count: usize| (0..count).map(|n| who(&format!("{name}{n}"))).collect::<BTreeSet<_>>();
    let mut here = Decided::default();
    here.presence.blocked = people("here", 600);
    let mut there = Decided::default();
    there.presence.blocked = people("there", 600);
    let error = merged(here.clone(), &Package::of(there, None), &who("alice")).unwrap_err().to_string();
    assert!(error.contains("at most 1000 blocked people, with those here, found 1200"), "{error}");
    here.presence.blocked.clear();
    here.contacts = people("here", 6_000).into_iter().map(|who| (who, About::default())).collect();
    let contacts = people("there", 6_000).into_iter().map(|who| (who, About::default())).collect();
    let there = Decided { contacts, ..Decided::default() };
    let error = merged(here, &Package::of(there, None), &who("alice")).unwrap_err().to_string();
    assert!(error.contains("at most 10000 contacts, with those here, found 12000"), "{error}");
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
            let _ = merged(there(), &package, &who("alice"));
        }
    }
}
