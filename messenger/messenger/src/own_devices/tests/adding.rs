//! A new device is added by an invitation, and by nothing that is not quite one.

use std::path::PathBuf;

use identity::card::{CLAIM_BYTES, ContactCard, Invitation};
use identity::tls::device_fingerprint;

use super::super::adding::CLAIM_TYPE;
use super::super::{Note, Wish, folder, invitation, known};
use super::*;

/// The key of the device that invites, and what it is known by.
const KEY: [u8; 32] = [5; 32];

fn of_key() -> Fingerprint {
    device_fingerprint(&KEY)
}

fn card(name: &str) -> ContactCard {
    let key = "05".repeat(KEY.len());
    format!("inperson:{name}@example.org?genesis={key}&directory=localhost:1&key={key}").parse().unwrap()
}

/// The device of this fingerprint, as it is after it has started in this folder.
fn started(own: Fingerprint, book: &ContactBook) -> Desk {
    let (trust, endorse) = (Arc::new(Trust::new(Vec::new()).unwrap()), Arc::new(|_| Err("no key here".to_owned())));
    let (desk, problem) = Desk::new((who("alice"), own), Some(book.clone()), (trust, endorse), &[]);
    assert_eq!(problem, None);
    desk.inviting_by(Some(card("alice")))
}

/// The known device, the new one, and their folders.
struct Two {
    laptop: Desk,
    of_laptop: ContactBook,
    phone: Desk,
    of_phone: ContactBook,
    _folders: [tempfile::TempDir; 2],
}

fn two() -> Two {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [of_laptop, of_phone] = [0, 1].map(|n: usize| ContactBook::new(Home::at(folders[n].path()).unwrap()));
    let (laptop, phone) = (started(of_key(), &of_laptop), started(PHONE, &of_phone));
    Two { laptop, of_laptop, phone, of_phone, _folders: folders }
}

fn invited(laptop: &mut Desk) -> String {
    let steps = laptop.wish(Wish::Invite);
    let [Step::Tell(Note::DeviceInvitation { link, seconds: 3600 })] = &steps[..] else { panic!("{steps:?}") };
    link.as_str().to_owned()
}

/// The claim that the phone offers when the laptop answers: its transfer and its file.
fn claim(phone: &mut Desk) -> (TransferId, PathBuf) {
    let steps = phone.hear(&peer(of_key(), CODE, &[]));
    let [
        Step::Tell(Note::OwnDevice { confirmed: true, .. }),
        Step::Engine(Command::FileOffer { path, transfer: Some(transfer), device, media_type, .. }),
    ] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!((*device, media_type.as_deref()), (Some(of_key()), Some(CLAIM_TYPE)));
    (*transfer, path.into())
}

fn offered(device: Fingerprint, bytes: u64) -> Event {
    let Event::FileOffered { transfer, from, room, name, folder, files, .. } = offer(device, bytes) else { panic!() };
    let media_type = Some(CLAIM_TYPE.to_owned());
    Event::FileOffered { transfer, from, device, room, name, folder, files, bytes, media_type }
}

/// These bytes come to the laptop as the claim of a device.
fn come(laptop: &mut Desk, book: &ContactBook, device: Fingerprint, claim: &[u8]) -> Vec<Step> {
    laptop.hear(&peer(device, CODE, &[]));
    let heard = laptop.hear(&offered(device, claim.len() as u64));
    assert!(matches!(&heard[..], [Step::Engine(Command::FileAccept { .. })]), "{heard:?}");
    let path = folder::write_bytes(book.home(), "came.claim", claim).unwrap();
    let heard = laptop.hear(&over(TransferId([7; 16]), Direction::In, Some(path.display().to_string())));
    assert!(!path.exists());
    heard
}

#[test]
fn who_has_the_link_is_added_and_given_everything_without_comparing() {
    let Two { mut laptop, of_laptop, mut phone, of_phone, _folders } = two();
    of_laptop.add(&who("bob")).unwrap();
    let link = invited(&mut laptop);
    let called = phone.wish(Wish::Join { link: link.into() });
    assert_eq!(called, [Step::Tell(Note::DeviceJoining { device: of_key() }), Step::Engine(Command::ReachDevices)]);
    // It may take a while, and another start.
    drop(phone);
    let mut phone = started(PHONE, &of_phone);
    let online = Event::Online { identifier: who("alice"), directory: "localhost".to_owned() };
    assert_eq!(phone.hear(&online), called);
    let (transfer, path) = claim(&mut phone);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), CLAIM_BYTES);
    let given = come(&mut laptop, &of_laptop, PHONE, &bytes);
    let [
        Step::Tell(Note::DeviceAdded { device: PHONE }),
        Step::Wrong(_),
        Step::Engine(Command::FileOffer { path: package, .. }),
    ] = &given[..]
    else {
        panic!("{given:?}")
    };
    assert!(known::load(of_laptop.home()).unwrap().was_compared(PHONE));

    let done = over(transfer, Direction::Out, None);
    assert!(phone.hides(&done) && phone.hear(&done).is_empty() && !path.exists());
    phone.hear(&offer(of_key(), 10));
    let came = folder::write_bytes(of_phone.home(), "came.json", &std::fs::read(package).unwrap()).unwrap();
    let taken = phone.hear(&over(TransferId([7; 16]), Direction::In, Some(came.display().to_string())));
    assert!(taken.iter().any(|step| matches!(step, Step::Tell(Note::DeviceTaken { .. }))), "{taken:?}");
    assert!(of_phone.load().unwrap().contains_key(&who("bob")));
    assert_eq!(invitation::load(of_phone.home(), UnixTime::now()).unwrap(), None);
    // What is given another time is asked about.
    phone.hear(&offer(of_key(), 10));
    let came = folder::write_bytes(of_phone.home(), "came.json", super::given().to_json().as_bytes()).unwrap();
    let shown = phone.hear(&over(TransferId([7; 16]), Direction::In, Some(came.display().to_string())));
    assert!(matches!(&shown[..], [Step::Tell(Note::DeviceOffers { .. })]), "{shown:?}");
    // And it calls nobody by that link any more.
    assert_eq!(phone.hear(&online), []);
}

#[test]
fn a_wrong_claim_ends_the_invitation_and_is_told() {
    let Two { mut laptop, of_laptop, mut phone, _folders, .. } = two();
    let first = invited(&mut laptop);
    // A later one takes the place of the one before.
    invited(&mut laptop);
    phone.wish(Wish::Join { link: first.into() });
    let (_, path) = claim(&mut phone);
    let heard = come(&mut laptop, &of_laptop, PHONE, &std::fs::read(path).unwrap());
    let [Step::Wrong(Event::Error { message, remedy, .. })] = &heard[..] else { panic!("{heard:?}") };
    assert!(message.contains(&PHONE.to_string()) && remedy.contains("revoke"), "{message}: {remedy}");
    assert!(!known::load(of_laptop.home()).unwrap().was_compared(PHONE));
    assert!(refused(&laptop.hear(&offer(PHONE, 10))), "and it gives nothing");
    // There is no second try.
    assert!(refused(&laptop.hear(&offered(PHONE, CLAIM_BYTES as u64))));
}

/// Whoever has heard it, or has it from the device that was added.
#[test]
fn a_claim_is_worth_nothing_to_another_device_nor_a_second_time() {
    let Two { mut laptop, of_laptop, mut phone, _folders, .. } = two();
    let link = invited(&mut laptop);
    phone.wish(Wish::Join { link: link.into() });
    let (_, path) = claim(&mut phone);
    let claim = std::fs::read(path).unwrap();
    let thief = Fingerprint([8; 32]);
    assert!(matches!(&come(&mut laptop, &of_laptop, thief, &claim)[..], [Step::Wrong(_)]));
    assert!(refused(&laptop.hear(&offered(PHONE, CLAIM_BYTES as u64))), "the invitation is over");
    assert!(known::load(of_laptop.home()).unwrap().hers().is_empty());
}

/// It was added, but its messenger ended before it heard of it.
#[test]
fn who_was_added_and_comes_once_more_is_given_it_and_nobody_is_alarmed() {
    let Two { mut laptop, of_laptop, mut phone, of_phone, _folders } = two();
    let link = invited(&mut laptop);
    phone.wish(Wish::Join { link: link.into() });
    let (_, path) = claim(&mut phone);
    come(&mut laptop, &of_laptop, PHONE, &std::fs::read(path).unwrap());
    drop(phone);
    let mut phone = started(PHONE, &of_phone);
    claim(&mut phone);
    let heard = laptop.hear(&offered(PHONE, CLAIM_BYTES as u64));
    let gives = |step: &Step| matches!(step, Step::Engine(Command::FileOffer { .. }));
    assert!(refused(&heard) && heard.iter().any(gives), "{heard:?}");
    let alarms =
        |step: &Step| matches!(step, Step::Wrong(Event::Error { message, .. }) if message.contains("invitation"));
    assert!(!heard.iter().any(alarms), "{heard:?}");
}

/// A claim that is on its way is one; of one that was refused nothing stays; and nobody is rung up without an end.
#[test]
fn one_claim_is_on_its_way_at_a_time_and_a_refused_one_ends_it() {
    let Two { mut laptop, mut phone, of_phone, _folders, .. } = two();
    let link = invited(&mut laptop);
    phone.wish(Wish::Join { link: link.into() });
    let (first, path) = claim(&mut phone);
    // The engine never took it up: the next one takes its place.
    let (transfer, next) = claim(&mut phone);
    assert!(!path.exists() && next.exists());
    assert!(phone.hides(&over(first, Direction::Out, None)));
    let state = |now| {
        let mut event = over(transfer, Direction::Out, None);
        let Event::FileState { state, .. } = &mut event else { panic!("{event:?}") };
        *state = now;
        event
    };
    assert_eq!(phone.hear(&state(TransferState::Offered)), []);
    assert!(matches!(&phone.hear(&peer(of_key(), CODE, &[]))[..], [Step::Tell(_)]), "and no second claim");
    let heard = phone.hear(&state(TransferState::Refused));
    assert!(matches!(&heard[..], [Step::Wrong(_)]) && !next.exists(), "{heard:?}");
    assert_eq!(invitation::load(of_phone.home(), UnixTime::now()).unwrap(), None);
    // Nor is what that device gives taken in unasked.
    assert!(!phone.is_awaited(of_key()));
    let online = Event::Online { identifier: who("alice"), directory: "localhost".to_owned() };
    assert_eq!(phone.hear(&online), []);
}

#[test]
fn a_new_invitation_has_nothing_of_the_claims_for_the_one_before() {
    let Two { mut laptop, of_laptop, mut phone, _folders, .. } = two();
    invited(&mut laptop);
    let thief = Fingerprint([8; 32]);
    laptop.hear(&peer(thief, CODE, &[]));
    assert!(matches!(&laptop.hear(&offered(thief, CLAIM_BYTES as u64))[..], [Step::Engine(_)]));
    assert!(refused(&laptop.hear(&offered(thief, CLAIM_BYTES as u64))), "one at a time");
    let steps = laptop.wish(Wish::Invite);
    let [Step::Engine(Command::FileCancel { .. }), Step::Tell(Note::DeviceInvitation { link, .. })] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert!(!format!("{steps:?}").contains("invite="), "no secret where steps are shown");
    let ended = over(TransferId([7; 16]), Direction::In, None);
    assert!(laptop.hides(&ended) && laptop.hear(&ended).is_empty());
    phone.wish(Wish::Join { link: link.clone() });
    let (_, path) = claim(&mut phone);
    let heard = come(&mut laptop, &of_laptop, PHONE, &std::fs::read(path).unwrap());
    assert!(matches!(&heard[0], Step::Tell(Note::DeviceAdded { device: PHONE })), "{heard:?}");
}

#[test]
fn nothing_is_read_where_no_invitation_stands_and_nothing_of_another_size() {
    let Two { mut laptop, mut phone, of_phone, _folders, .. } = two();
    let bytes = CLAIM_BYTES as u64;
    assert!(refused(&laptop.hear(&offered(PHONE, bytes))), "nobody was invited");
    let link = invited(&mut laptop);
    assert!(refused(&laptop.hear(&offered(PHONE, bytes + 1))));
    assert!(refused(&laptop.hear(&offered(PHONE, bytes - 1))));
    // After an hour it is over, there and here.
    let past = UnixTime::since_unix_epoch(std::time::Duration::from_secs(UnixTime::now().as_secs() - 3601));
    laptop.adding.shown = invitation::Standing::new(&card("alice"), past);
    let heard = laptop.hear(&offered(PHONE, bytes));
    assert!(refused(&heard) && matches!(heard[1], Step::Wrong(_)), "{heard:?}");
    phone.wish(Wish::Join { link: link.clone().into() });
    invitation::keep(of_phone.home(), &link.parse().unwrap(), past).unwrap();
    let told = phone.hear(&peer(of_key(), CODE, &[]));
    assert!(matches!(&told[..], [Step::Tell(Note::OwnDevice { confirmed: false, .. })]), "{told:?}");
    assert_eq!(of_phone.home().read_text("messenger/invitation.toml").unwrap(), None);
}

#[test]
fn the_new_device_believes_the_key_on_the_link_alone() {
    let Two { mut laptop, mut phone, of_phone, _folders, .. } = two();
    let link = invited(&mut laptop);
    phone.wish(Wish::Join { link: link.into() });
    let told = phone.hear(&peer(Fingerprint([8; 32]), CODE, &[]));
    assert!(matches!(&told[..], [Step::Tell(Note::OwnDevice { confirmed: false, .. }), Step::Wrong(_)]), "{told:?}");
    assert!(known::load(of_phone.home()).unwrap().hers().is_empty());
    assert!(refused(&phone.hear(&offer(Fingerprint([8; 32]), 10))));
    // The one that was meant can still come.
    claim(&mut phone);
}

#[test]
fn what_is_no_invitation_for_this_device_is_refused() {
    let World { mut desk, book, .. } = world();
    let of = |card: ContactCard| Invitation::new(card, [7; 16]).unwrap().link().to_string();
    assert!(matches!(&desk.wish(Wish::Invite)[..], [Step::Wrong(_)]), "without a card");
    for link in [card("alice").to_string(), of(card("bob")), "inperson:x".to_owned()] {
        assert!(matches!(&desk.wish(Wish::Join { link: link.into() })[..], [Step::Wrong(_)]));
    }
    let mut own = started(of_key(), &book);
    let link = invited(&mut own);
    assert!(matches!(&own.wish(Wish::Join { link: link.into() })[..], [Step::Wrong(_)]), "its own");
    assert_eq!(book.home().read_text("messenger/invitation.toml").unwrap(), None);
}
