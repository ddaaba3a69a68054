//! What is decided on two devices of one person, and who is given and gives what.

mod adding;
mod before;
mod desk;
mod joining;

use std::collections::BTreeSet;
use std::sync::Arc;

use device::Home;
use identity::trust::{Bindings, Fingerprint, Trust};
use identity::{Identifier, UnixTime};
use messenger_engine::{
    Audience, Command, Direction, Event, OwnStatus, Peer, PresenceSettings, TransferId, TransferState,
};

use super::package::{Decided, Package};
use super::{Desk, MEDIA_TYPE, Step};
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
