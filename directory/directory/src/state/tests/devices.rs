//! Several devices of one person.

use super::calls::{ALICE, BOB, answer, friends, go, invite, ring, rings};
use super::*;
use directory_protocol::message::{AnswerKind, Capabilities, Purpose};

fn details(capabilities: Capabilities, idle_s: u32, note: &str) -> Details {
    Details { capabilities, idle_s, note: note.to_owned() }
}

#[test]
fn the_most_available_one_is_shown() {
    let mut lab = Lab::new();
    let alice = lab.come(ALICE, &[]);
    lab.watch(alice, &[BOB]);
    let (desk, phone) = (lab.connect(BOB), lab.connect(BOB));
    let (all, none) = (AudienceKind::Contacts, AudienceKind::Nobody);
    let bob = |presence| [(BOB.to_owned(), presence)];

    let seen = lab.announce_as(desk, Status::Away, all, none, &[ALICE]);
    assert_eq!(told(alice, &seen), bob(Presence::plain(Status::Away)));
    assert_eq!(told(alice, &lab.announce_as(phone, Status::Busy, all, none, &[ALICE])), [], "nothing has changed");
    let seen = lab.announce_as(phone, Status::Available, all, none, &[ALICE]);
    assert_eq!(told(alice, &seen), bob(Presence::plain(Status::Available)));
    assert_eq!(told(alice, &lab.leave(phone)), bob(Presence::plain(Status::Away)));
    assert_eq!(told(alice, &lab.leave(desk)), bob(Presence::Offline));
}

#[test]
fn note_and_idle_time_are_of_the_one_shown_and_capabilities_of_all() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.watch(alice, &[BOB]);
    let available = Appearance::As(Status::Available);
    lab.appear(phone, available, details(Capabilities::VOICE, 300, "at lunch"));
    let seen = lab.appear(desk, available, details(Capabilities::TEXT, 0, "back"));
    let both = Capabilities::TEXT.and(Capabilities::VOICE);
    let expected = Presence::Online(Status::Available, details(both, 0, "back"));
    assert_eq!(told(alice, &seen), [(BOB.to_owned(), expected)], "the desk is in use");
    let expected = Presence::Online(Status::Available, details(Capabilities::VOICE, 300, "at lunch"));
    assert_eq!(told(alice, &lab.leave(desk)), [(BOB.to_owned(), expected)]);
}

#[test]
fn idle_time_goes_on() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.appear(bob, Appearance::As(Status::Away), details(Capabilities::default(), 300, ""));
    lab.wait(Duration::from_secs(60));
    let seen = lab.look_up(alice, BOB);
    let [Response::Found { details: Some(details), .. }] = to(alice, &seen)[..] else { panic!("{seen:?}") };
    assert_eq!(details.idle_s, 360);
}

#[test]
fn all_devices_ring_and_the_first_to_accept_wins() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    let seen = lab.ask(alice, ring(BOB, 1));
    assert!(rings(desk, &seen) && rings(phone, &seen));
    let seen = lab.ask(phone, answer(1, AnswerKind::Accept));
    assert!(go(phone, &seen).is_some() && go(desk, &seen).is_none());
    assert_eq!(outcomes(desk, &seen), [Outcome::Cancelled]);
    assert_eq!(refused(&lab.ask(desk, answer(1, AnswerKind::Accept))), Some(ErrorCode::NoSuchCall));
}

#[test]
fn one_busy_device_leaves_the_other_ringing() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.ask(alice, ring(BOB, 1));
    assert_eq!(outcomes(alice, &lab.ask(desk, answer(1, AnswerKind::Busy))), []);
    assert_eq!(outcomes(alice, &lab.leave(phone)), [Outcome::Busy]);
}

#[test]
fn text_goes_to_the_most_available_device_and_from_there_to_the_next() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    let tablet = lab.come(BOB, &[ALICE]);
    lab.appear(phone, Appearance::As(Status::Away), Details::default());
    lab.appear(tablet, Appearance::As(Status::Busy), Details::default());
    let where_it_rings = |seen: &SeenBy| [desk, phone, tablet].map(|device| rings(device, seen));

    assert_eq!(where_it_rings(&lab.ask(alice, invite(BOB, 1))), [true, false, false]);
    assert_eq!(where_it_rings(&lab.ask(desk, answer(1, AnswerKind::Busy))), [false, true, false]);
    lab.leave(tablet);
    let seen = lab.leave(phone);
    assert_eq!(where_it_rings(&seen), [false; 3], "the tablet has gone, the desk has said no");
    assert_eq!(outcomes(alice, &seen), [Outcome::Busy]);
}

#[test]
fn text_declined_on_one_device_rings_on_no_other() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    assert!(rings(phone, &lab.ask(alice, invite(BOB, 1))), "announced last");
    let seen = lab.ask(phone, answer(1, AnswerKind::Decline));
    assert!(!rings(desk, &seen));
    assert_eq!(outcomes(alice, &seen), [Outcome::Declined]);
}

/// A stranger's text on a device that leaves goes on to the next; the stranger hears nothing of it.
#[test]
fn a_quiet_text_goes_on_too() {
    let mut lab = Lab::new();
    let alice = lab.come(ALICE, &[]);
    let (desk, phone) = (lab.come(BOB, &[]), lab.come(BOB, &[]));
    lab.ask(alice, invite(BOB, 1));
    let seen = lab.leave(phone);
    assert!(rings(desk, &seen));
    assert_eq!(to(alice, &seen), Vec::<&Response>::new());
    assert!(go(alice, &lab.ask(desk, answer(1, AnswerKind::Accept))).is_some());
    assert_eq!(lab.state().counts().calls, 0);
}

/// A call for one device of hers.
fn meant_for(device: ConnectionId, lab: &Lab, n: u8, purpose: Purpose) -> impl FnOnce(u32) -> Request + use<> {
    let (callee, device) = (person(BOB), Some(lab.state().people.connection(device).key));
    move |id| Request::Invite { id, call_id: call_id(n), callee, purpose, candidates: vec![], device }
}

#[test]
fn a_call_for_one_device_rings_on_no_other() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.appear(desk, Appearance::As(Status::Away), Details::default());
    for purpose in [Purpose::Text, Purpose::Call, Purpose::Room] {
        for (n, device, other) in [(1, desk, phone), (2, phone, desk)] {
            let invite = meant_for(device, &lab, n, purpose);
            let seen = lab.ask(alice, invite);
            assert!(rings(device, &seen) && !rings(other, &seen));
            let seen = lab.ask(device, answer(n, AnswerKind::Busy));
            assert_eq!((rings(other, &seen), outcomes(alice, &seen)), (false, vec![Outcome::Busy]));
        }
    }
}

/// Or whoever knows its key would learn which of her devices is there.
#[test]
fn a_device_that_has_gone_cannot_be_told_from_one_that_hides() {
    let mut lab = Lab::new();
    let (alice, _desk) = friends(&mut lab);
    let (gone, hidden) = (lab.come(BOB, &[ALICE]), lab.come(BOB, &[ALICE]));
    let (to_gone, to_hidden) = (meant_for(gone, &lab, 1, Purpose::Text), meant_for(hidden, &lab, 2, Purpose::Text));
    lab.leave(gone);
    lab.hide(hidden);
    assert_eq!(outcomes(alice, &lab.ask(alice, to_gone)), [Outcome::Ringing]);
    let seen = lab.ask(alice, to_hidden);
    assert_eq!(outcomes(alice, &seen), [Outcome::Ringing]);
    assert!(rings(hidden, &seen), "she may knock there");
    assert_eq!(outcomes(alice, &lab.ask(hidden, answer(2, AnswerKind::Decline))), []);
    assert_eq!(outcomes(alice, &lab.wait(Duration::from_secs(29))), []);
    assert_eq!(outcomes(alice, &lab.wait(Duration::from_secs(1))), [Outcome::NoAnswer, Outcome::NoAnswer]);
}

#[test]
fn calls_cross_only_between_the_two_devices_that_are_meant() {
    let mut lab = Lab::new();
    let (alice, desk) = friends(&mut lab);
    let phone = lab.come(BOB, &[ALICE]);
    lab.ask(phone, invite(ALICE, 9));
    let invite = meant_for(desk, &lab, 1, Purpose::Text);
    let seen = lab.ask(alice, invite);
    assert!(rings(desk, &seen) && outcomes(phone, &seen).is_empty(), "the phone's call stays");
    lab.ask(alice, |id| Request::Cancel { id, call_id: call_id(1) });
    let invite = meant_for(phone, &lab, 2, Purpose::Text);
    let seen = lab.ask(alice, invite);
    assert!(rings(phone, &seen));
    assert_eq!(outcomes(phone, &seen), [Outcome::Cancelled], "of the two that cross, the lower id stays");
}

#[test]
fn a_call_to_oneself_rings_on_ones_other_devices_alone() {
    let mut lab = Lab::new();
    let (desk, phone) = (lab.connect(BOB), lab.connect(BOB));
    // She is nobody's contact, and on none of her own lists.
    for device in [desk, phone] {
        lab.announce(device, AudienceKind::Contacts, AudienceKind::Contacts, &[ALICE]);
    }
    for n in [1, 2] {
        let seen = lab.ask(desk, ring(BOB, n));
        assert!(rings(phone, &seen) && !rings(desk, &seen));
        assert_eq!(outcomes(desk, &seen), [Outcome::Ringing]);
        let seen = lab.ask(phone, answer(n, if n == 1 { AnswerKind::Decline } else { AnswerKind::Accept }));
        match n {
            1 => assert_eq!(outcomes(desk, &seen), [Outcome::Declined]),
            _ => assert!(go(desk, &seen).is_some() && go(phone, &seen).is_some()),
        }
    }
    lab.ask(desk, ring(BOB, 3));
    assert_eq!(outcomes(desk, &lab.leave(phone)), [Outcome::Offline]);
    assert_eq!(lab.state().counts().calls, 0);
}

/// A device that connects anew, with another certificate, has two connections for a moment.
#[test]
fn a_call_to_oneself_does_not_ring_on_another_connection_of_the_same_device() {
    let mut lab = Lab::new();
    let desk = lab.come(BOB, &[]);
    let key = lab.state().people.connection(desk).key;
    let (again, _) = lab.connect_device((BOB, key), "192.0.2.1", Duration::from_secs(86_400));
    lab.announce(again, AudienceKind::Contacts, AudienceKind::Everyone, &[]);
    let seen = lab.ask(desk, ring(BOB, 1));
    assert!(!rings(again, &seen) && !rings(desk, &seen));
    assert_eq!(outcomes(desk, &seen), [Outcome::Ringing], "as for anybody who may not be there");
    assert_eq!(outcomes(desk, &lab.wait(Duration::from_secs(30))), [Outcome::NoAnswer]);
}

#[test]
fn ones_own_device_is_not_called_where_nobody_may_knock_and_says_nothing_where_it_hides() {
    let mut lab = Lab::new();
    let (desk, phone) = (lab.come(BOB, &[]), lab.connect(BOB));
    lab.announce(phone, AudienceKind::Contacts, AudienceKind::Nobody, &[]);
    assert!(!rings(phone, &lab.ask(desk, ring(BOB, 1))));
    lab.announce(phone, AudienceKind::Contacts, AudienceKind::Everyone, &[]);
    let seen = lab.ask(desk, ring(BOB, 2));
    assert!(rings(phone, &seen));
    let seen = lab.hide(phone);
    assert_eq!(outcomes(desk, &seen), [Outcome::Offline], "to hide is to leave");
    assert_eq!(outcomes(phone, &seen), [Outcome::Cancelled]);
    lab.ask(desk, ring(BOB, 3));
    assert_eq!(outcomes(desk, &lab.ask(phone, answer(3, AnswerKind::Decline))), [], "it is not seen");
}

/// Seconds are rounded on their way: that alone is no change, or all contacts would hear of it when, say, she blocks somebody.
#[test]
fn the_same_idle_time_told_again_is_no_change() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.watch(alice, &[BOB]);
    let away = Appearance::As(Status::Away);
    let idle = |seconds| details(Capabilities::default(), seconds, "");
    lab.appear(bob, away, idle(300));
    lab.wait(Duration::from_millis(1_900));
    assert_eq!(told(alice, &lab.appear(bob, away, idle(301))), []);
    let (kind, seconds) = (AudienceKind::Contacts, Some(idle(301)));
    lab.list(bob, ListName::Contacts, &[ALICE]);
    let again = |id| Request::Announce { id, appearance: away, visible_to: kind, may_knock: kind, details: seconds };
    assert_eq!(told(alice, &lab.ask(bob, again)), []);
    assert_eq!(told(alice, &lab.appear(bob, away, idle(10))).len(), 1, "she was there meanwhile");
}
