//! Who is given something, and whose is taken.

use super::super::merge::Summary;
use super::super::{Note, Wish, before, folder, known};
use super::*;
use crate::appearance;

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
    // Of what was refused nothing is shown either.
    let gone = over(TransferId([7; 16]), Direction::In, None);
    assert!(desk.hides(&gone) && desk.hear(&gone).is_empty() && !desk.hides(&gone));
    let taken = desk.hear(&offer(PHONE, 10));
    assert!(matches!(&taken[..], [Step::Engine(Command::FileAccept { .. })]), "{taken:?}");
    assert!(known::load(book.home()).unwrap().was_compared(PHONE), "at the next start, too");
}

#[test]
fn a_device_that_this_one_endorses_or_one_that_was_compared_is_known() {
    let World { mut desk, .. } = world();
    desk.hear(&peer(PHONE, CODE, &[Fingerprint([1; 32])]));
    assert!(!refused(&desk.hear(&offer(PHONE, 10))), "this one endorsed it");
    assert!(refused(&desk.hear(&offer(PHONE, 10))), "one after the other");
    // Somebody else's file is none of this.
    let Event::FileOffered { transfer, device, room, name, folder, files, bytes, media_type, .. } = offer(PHONE, 10)
    else {
        panic!()
    };
    let from = who("bob");
    let others = Event::FileOffered { transfer, from, device, room, name, folder, files, bytes, media_type };
    assert!(!desk.hides(&others) && desk.hear(&others).is_empty());
}

/// A third device vouches for another one if its code was compared, and not for being met.
#[test]
fn whom_a_compared_device_endorses_is_known() {
    let World { mut desk, .. } = world();
    let (third, theirs) = (Fingerprint([3; 32]), "0000-0000-0000-0000-0000-0003");
    desk.hear(&peer(third, theirs, &[]));
    desk.hear(&peer(PHONE, CODE, &[third]));
    assert!(refused(&desk.hear(&offer(PHONE, 10))));
    desk.wish(Wish::Confirm { code: theirs.to_owned() });
    assert!(!refused(&desk.hear(&offer(PHONE, 10))));
}

/// Also in a program that runs, and whatever an endorsement says of it, or it has said of this one.
#[test]
fn what_was_forgotten_is_known_no_longer() {
    let World { mut desk, book, .. } = world();
    desk.hers.endorsers.push(PHONE);
    desk.hear(&peer(PHONE, CODE, &[Fingerprint([1; 32])]));
    desk.wish(Wish::Confirm { code: CODE.to_owned() });
    assert!(!known::forget(book.home(), Fingerprint([6; 32])).unwrap(), "that is none of them");
    assert!(known::forget(book.home(), PHONE).unwrap());
    assert!(refused(&desk.hear(&offer(PHONE, 10))));
    assert!(matches!(&desk.wish(Wish::Give)[..], [Step::Wrong(_)]));
    let told = desk.hear(&peer(PHONE, CODE, &[Fingerprint([1; 32])]));
    assert!(matches!(&told[..], [Step::Tell(Note::OwnDevice { confirmed: false, .. })]), "{told:?}");
    // It vouches for nobody, either; and its code can be compared anew.
    let another = Fingerprint([4; 32]);
    desk.hear(&peer(another, "0000-0000-0000-0000-0000-0004", &[PHONE]));
    assert!(refused(&desk.hear(&offer(another, 10))));
    desk.wish(Wish::Confirm { code: CODE.to_owned() });
    assert!(!refused(&desk.hear(&offer(PHONE, 10))));
    assert!(known::load(book.home()).unwrap().forgotten().is_empty());
    // Where nobody knows what was forgotten, nobody is known.
    book.home().write_text("messenger/own-devices.toml", "devices = 7").unwrap();
    assert!(refused(&desk.hear(&offer(PHONE, 10))));
    assert!(matches!(&desk.wish(Wish::Confirm { code: CODE.to_owned() })[..], [Step::Wrong(_)]));
}

/// Which was known by the word of another one alone, and stands in no list of what was compared.
#[test]
fn what_was_met_as_known_can_be_forgotten() {
    let World { mut desk, book, .. } = world();
    let another = Fingerprint([4; 32]);
    for device in [PHONE, another] {
        desk.hear(&peer(device, CODE, &[Fingerprint([1; 32])]));
    }
    assert_eq!(known::load(book.home()).unwrap().hers(), [PHONE, another]);
    assert!(known::forget(book.home(), PHONE).unwrap());
    let kept = known::load(book.home()).unwrap();
    assert!(kept.hers() == [another] && kept.was_forgotten(PHONE) && !kept.was_compared(another));
    assert!(refused(&desk.hear(&offer(PHONE, 10))) && !refused(&desk.hear(&offer(another, 10))));
}

/// Of what the engine refuses it tells no transfer's state.
#[test]
fn what_was_never_taken_up_leaves_no_copy() {
    let World { mut desk, book, .. } = world();
    desk.hear(&peer(PHONE, CODE, &[]));
    desk.wish(Wish::Confirm { code: CODE.to_owned() });
    for _ in 0..3 {
        assert!(desk.wish(Wish::Give).iter().any(|step| matches!(step, Step::Engine(Command::FileOffer { .. }))));
        assert_eq!(std::fs::read_dir(book.home().folder().join("messenger/moving")).unwrap().count(), 1);
    }
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
    // Whoever was blocked there is so at the next start, whatever becomes of this run.
    assert_eq!(appearance::load(&home).unwrap().blocked, set(&["mallory"]));
    drop(desk);
    before::put_back(&book).unwrap();
    assert_eq!(book.load().unwrap().keys().cloned().collect::<Vec<_>>(), [who("dora")]);
    assert!(home.bindings().unwrap().get(&who("bob")).is_none());
    assert_eq!(appearance::load(&home).unwrap(), PresenceSettings::default());
    assert_eq!(crate::settings::load(&home).unwrap(), Settings::default());
    assert!(before::put_back(&book).is_err(), "once");
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
