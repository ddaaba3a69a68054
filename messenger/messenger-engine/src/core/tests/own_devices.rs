//! Two devices of one person: they call each other by her own name, and nobody is let in by that name alone.

use identity::trust::Fingerprint;

use super::world::{World, address, last_state, texts};
use crate::api::{CallId, Command, DeliveryState, Event, Purpose, TransferState};
use crate::wire::Close;

const DESK: &str = "alice/desk";
const PHONE: &str = "alice/phone";

fn two() -> World {
    World::of(&[DESK, PHONE])
}

/// The call that rings here.
fn ringing(world: &mut World, name: &str) -> (CallId, Purpose, bool) {
    let found = world.events(name).into_iter().find_map(|event| match event {
        Event::Incoming { call, from, purpose, contact } if from.as_str() == address("alice") => {
            Some((call, purpose, contact))
        }
        _ => None,
    });
    found.expect("it rings")
}

/// The desk calls, and the phone is taken up.
fn talking() -> World {
    let mut world = two();
    world.command(DESK, Command::ReachDevices);
    let (call, _, _) = ringing(&mut world, PHONE);
    world.command(PHONE, Command::Accept { call });
    world
}

/// Who is at the other end, and the code.
fn peers(events: &[Event]) -> Vec<(Fingerprint, String)> {
    let peer = |event: &Event| match event {
        Event::Peer(peer) => Some((peer.device, peer.code.clone())),
        _ => None,
    };
    events.iter().filter_map(peer).collect()
}

fn device(world: &World, name: &str) -> Fingerprint {
    Fingerprint(world.person(name).device.spki_digest())
}

#[test]
fn ones_other_device_is_asked_and_both_show_the_same_code() {
    let mut world = two();
    world.command(DESK, Command::ReachDevices);
    let (call, purpose, contact) = ringing(&mut world, PHONE);
    assert_eq!((purpose, contact), (Purpose::Call, false));
    assert!(world.events(DESK).iter().all(|event| !matches!(event, Event::Incoming { .. })), "never at itself");
    world.command(PHONE, Command::Accept { call });
    let told = [DESK, PHONE].map(|name| world.events(name));
    let [desk, phone] = [peers(&told[0]), peers(&told[1])];
    assert_eq!((desk[0].0, phone[0].0), (device(&world, PHONE), device(&world, DESK)));
    assert_eq!(desk[0].1, phone[0].1);
    // Nobody is bound to an authority by what one does with oneself.
    assert!(told.concat().iter().all(|event| !matches!(event, Event::FirstSeen { .. })));
    world.send(DESK, "alice", "milk, bread", 1);
    assert_eq!(texts(&world.events(PHONE)), ["milk, bread"]);
    assert_eq!(last_state(&world.events(DESK)), Some((DeliveryState::Delivered, None)));
}

/// What is done when somebody answers is done also where the two are connected already.
#[test]
fn who_calls_again_is_told_again_who_answers() {
    let mut world = talking();
    world.forget_events();
    world.command(DESK, Command::ReachDevices);
    let (call, _, _) = ringing(&mut world, PHONE);
    world.command(PHONE, Command::Accept { call });
    let (desk, phone) = (world.events(DESK), world.events(PHONE));
    assert_eq!(peers(&desk).iter().map(|peer| peer.0).collect::<Vec<_>>(), [device(&world, PHONE)]);
    assert!(peers(&phone).is_empty(), "who is called has been told: {phone:?}");
}

#[test]
fn nobody_is_let_in_by_ones_own_name() {
    let mut world = two();
    world.forget_events();
    world.send(DESK, "alice", "hello", 1);
    let events = world.events(PHONE);
    assert!(
        matches!(events[..], [Event::Incoming { purpose: Purpose::Text, .. }]),
        "it rings, for text too: {events:?}"
    );
}

#[test]
fn a_device_by_another_authority_is_refused_before_a_word() {
    let mut world = two();
    world.certified_elsewhere(PHONE);
    world.command(DESK, Command::ReachDevices);
    let (call, _, _) = ringing(&mut world, PHONE);
    world.command(PHONE, Command::Accept { call });
    let (phone, desk) = (world.events(PHONE), world.events(DESK));
    assert!(peers(&phone).is_empty() && peers(&desk).is_empty());
    let refused = |event: &Event| matches!(event, Event::Error { message, .. } if message.starts_with("expected a device of yours"));
    assert!(phone.iter().any(refused), "{phone:?}");
    assert!(world.closed.contains(&(PHONE.to_owned(), Close::NOT_INTRODUCED)), "{:?}", world.closed);
}

#[test]
fn nothing_is_decided_about_oneself() {
    let mut world = two();
    let who = || address("alice");
    for command in [
        Command::AddContact { who: who() },
        Command::Block { who: who() },
        Command::AskFirst { who: who(), ask: true },
        Command::KeepHistory { who: who(), keeps: true },
    ] {
        world.forget_events();
        world.command(DESK, command.clone());
        let refused = world.events(DESK).into_iter();
        let refused = refused.filter(|event| matches!(event, Event::Error { message, .. } if message == "that is you"));
        assert_eq!(refused.count(), 1, "{command:?}");
    }
}

#[test]
fn who_has_no_other_device_that_answers_is_told() {
    let mut world = World::of(&[DESK, "bob"]);
    world.command(DESK, Command::ReachDevices);
    world.pass(std::time::Duration::from_secs(36));
    let told = world
        .events(DESK)
        .into_iter()
        .any(|event| matches!(event, Event::Error { about, .. } if about == "reach_devices"));
    assert!(told);
}

#[test]
fn a_file_goes_to_the_device_that_is_meant_or_to_none() {
    let mut world = talking();
    let offer = |device, media_type: &str| Command::FileOffer {
        to: address("alice"),
        path: "/tea".into(),
        transfer: None,
        device: Some(device),
        media_type: Some(media_type.to_owned()),
    };
    world.forget_events();
    let phone = device(&world, PHONE);
    world.command(DESK, offer(phone, "application/x.list"));
    let desk = device(&world, DESK);
    let offered = world.events(PHONE).into_iter().find_map(|event| match event {
        Event::FileOffered { device, media_type, .. } => Some((device, media_type)),
        _ => None,
    });
    assert_eq!(offered, Some((desk, Some("application/x.list".to_owned()))));
    world.forget_events();
    world.command(DESK, offer(Fingerprint([1; 32]), "application/x.list"));
    let failed = world.events(DESK).into_iter().any(
        |event| matches!(event, Event::FileState { state: TransferState::Failed, reason: Some(why), .. } if why.contains("not connected")),
    );
    assert!(failed && world.events(PHONE).is_empty());
}
