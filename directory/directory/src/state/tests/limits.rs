//! What is asked too often or too big gets its numbered error and changes nothing.

use super::*;
use directory_protocol::message::Purpose;
use std::net::SocketAddr;

fn invite(callee: &str, n: u8, candidates: Vec<SocketAddr>) -> impl FnOnce(u32) -> Request {
    let callee = person(callee);
    move |id| Request::Invite { id, call_id: call_id(n), callee, purpose: Purpose::Text, candidates, device: None }
}

#[test]
fn look_ups_are_counted_per_person_and_reconnecting_does_not_help() {
    let limits = Limits { look_ups: crate::Rate::new(3, Duration::from_secs(10)), ..Limits::default() };
    let mut lab = Lab::with(limits);
    let (desk, phone) = (lab.connect("alice@example.org"), lab.connect("alice@example.org"));
    for device in [desk, phone, desk] {
        assert_eq!(refused(&lab.look_up(device, "bob@example.org")), None);
    }
    let seen = lab.look_up(phone, "bob@example.org");
    let [Response::Refused { error: ErrorCode::TooOften, wait_ms: 10_000, .. }] = to(phone, &seen)[..] else {
        panic!("{seen:?}")
    };
    lab.leave(desk);
    lab.leave(phone);
    let again = lab.connect("alice@example.org");
    assert_eq!(refused(&lab.look_up(again, "bob@example.org")), Some(ErrorCode::TooOften));
    lab.wait(Duration::from_secs(10));
    assert_eq!(refused(&lab.look_up(again, "bob@example.org")), None);

    let carol = lab.connect("carol@example.org");
    assert_eq!(refused(&lab.look_up(carol, "bob@example.org")), None, "nobody else is affected");
}

#[test]
fn the_people_behind_one_address_are_counted_together() {
    let limits =
        Limits { look_ups: crate::Rate::new(2, Duration::from_secs(10)), rates_per_address: 2, ..Limits::default() };
    let mut lab = Lab::with(limits);
    let mut at = |network: &str, who: &str| lab.connect_from(network, who, Duration::from_secs(86_400)).0;
    let neighbours = ["a@example.org", "b@example.org", "c@example.org"].map(|who| at("198.51.100.7", who));
    let elsewhere = at("203.0.113.9", "d@example.org");
    for device in [neighbours[0], neighbours[1], neighbours[0], neighbours[1]] {
        assert_eq!(refused(&lab.look_up(device, "bob@example.org")), None);
    }
    assert_eq!(refused(&lab.look_up(neighbours[2], "bob@example.org")), Some(ErrorCode::TooOften));
    assert_eq!(refused(&lab.look_up(elsewhere, "bob@example.org")), None);
    lab.wait(Duration::from_secs(5));
    assert_eq!(refused(&lab.look_up(neighbours[2], "bob@example.org")), None);
    for device in neighbours.into_iter().chain([elsewhere]) {
        lab.leave(device);
    }
    lab.wait(Duration::from_secs(100));
    assert_eq!(lab.next_deadline(), None, "nothing is remembered of the address either");
}

/// Whoever may watch ten thousand people is told of each change in one frame, and of nothing else.
#[test]
fn ten_thousand_contacts_cost_one_frame_a_change() {
    let mut lab = Lab::new();
    let alice = lab.connect("alice@example.org");
    let contacts: Vec<String> = (0..10_000).map(|n| format!("contact-{n}@example.org")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    for piece in contacts.chunks(500) {
        assert_eq!(refused(&lab.watch(alice, piece)), None);
    }
    assert_eq!(refused(&lab.watch(alice, &["one-more@example.org"])), Some(ErrorCode::ListTooLong));
    lab.wait(Duration::from_secs(1));
    let bob = lab.connect(contacts[7_777]);
    let seen = lab.announce(bob, AudienceKind::Everyone, AudienceKind::Nobody, &[]);
    assert_eq!(to(alice, &seen).len(), 1);
    assert_eq!(lab.state().counts().watches, 10_000);
    lab.leave(alice);
    assert_eq!(lab.state().counts().watches, 0);
}

#[test]
fn calls_are_counted_whoever_is_called() {
    let limits = Limits { invites: crate::Rate::new(2, Duration::from_secs(60)), ..Limits::default() };
    for callee in ["bob@example.org", "unknown@example.org"] {
        let mut lab = Lab::with(limits);
        let alice = lab.come("alice@example.org", &["bob@example.org"]);
        lab.come("bob@example.org", &["alice@example.org"]);
        let errors: Vec<_> = (1..=3).map(|n| refused(&lab.ask(alice, invite(callee, n, vec![])))).collect();
        assert_eq!(errors, [None, None, Some(ErrorCode::TooOften)], "{callee}");
    }
}

#[test]
fn a_watch_costs_as_much_as_it_asks() {
    let limits = Limits { watches: crate::Rate::new(3, Duration::from_secs(1)), ..Limits::default() };
    let mut lab = Lab::with(limits);
    let alice = lab.connect("alice@example.org");
    assert_eq!(refused(&lab.watch(alice, &["a@example.org", "b@example.org"])), None);
    assert_eq!(refused(&lab.watch(alice, &["c@example.org", "d@example.org"])), Some(ErrorCode::TooOften));
    assert_eq!(lab.state().counts().watches, 2);
}

#[test]
fn lists_have_an_end() {
    let limits = Limits { watched: 2, contacts: 2, named: 1, ..Limits::default() };
    let mut lab = Lab::with(limits);
    let alice = lab.connect("alice@example.org");
    let three = &["a@example.org", "b@example.org", "c@example.org"];
    assert_eq!(refused(&lab.watch(alice, three)), Some(ErrorCode::ListTooLong));
    assert_eq!(refused(&lab.watch(alice, &three[..2])), None);
    assert_eq!(refused(&lab.watch(alice, &three[..2])), None, "watched already");
    assert_eq!(refused(&lab.watch(alice, &three[2..])), Some(ErrorCode::ListTooLong));
    assert_eq!(refused(&lab.list(alice, ListName::Contacts, three)), Some(ErrorCode::ListTooLong));
    assert_eq!(refused(&lab.list(alice, ListName::MayKnock, &three[..2])), Some(ErrorCode::ListTooLong));
}

#[test]
fn impossible_calls_get_their_number() {
    let mut lab = Lab::with(Limits { calls_waiting: 2, ..Limits::default() });
    let alice = lab.come("alice@example.org", &[]);
    let loopback = vec!["127.0.0.1:9".parse().unwrap()];
    assert_eq!(refused(&lab.ask(alice, invite("bob@example.org", 1, loopback))), Some(ErrorCode::BadCandidates));
    assert_eq!(refused(&lab.ask(alice, invite("bob@example.org", 1, vec![]))), None);
    assert_eq!(refused(&lab.ask(alice, invite("carol@example.org", 1, vec![]))), Some(ErrorCode::CallIdInUse));
    assert_eq!(refused(&lab.ask(alice, invite("bob@example.org", 2, vec![]))), None);
    assert_eq!(refused(&lab.ask(alice, invite("bob@example.org", 3, vec![]))), Some(ErrorCode::TooManyCalls));
}

#[test]
fn one_person_cannot_keep_another_from_being_called() {
    let mut lab = Lab::with(Limits { calls_per_pair: 2, ..Limits::default() });
    let mallory = lab.come("mallory@example.org", &[]);
    let bob = lab.come("bob@example.org", &[]);
    let rings = |seen: SeenBy| to(bob, &seen).iter().any(|frame| matches!(frame, Response::Incoming { .. }));
    let ringing: Vec<bool> = (1..=3).map(|n| rings(lab.ask(mallory, invite("bob@example.org", n, vec![])))).collect();
    assert_eq!(ringing, [true, true, false]);
    let carol = lab.come("carol@example.org", &[]);
    assert!(rings(lab.ask(carol, invite("bob@example.org", 9, vec![]))));
}

#[test]
fn floods_and_too_many_devices_are_cut_off() {
    let limits =
        Limits { frames: crate::Rate::new(2, Duration::from_secs(1)), connections_per_person: 1, ..Limits::default() };
    let mut lab = Lab::with(limits);
    let alice = lab.connect("alice@example.org");
    let (second, seen) = lab.connect_until("alice@example.org", Duration::from_secs(60));
    assert_eq!(seen, [(second, Seen::Closed(CloseCode::TooManyDevices))]);
    for _ in 0..2 {
        lab.ask(alice, |id| Request::Ping { id });
    }
    assert_eq!(lab.ask(alice, |id| Request::Ping { id }), [(alice, Seen::Closed(CloseCode::Flood))]);
}

#[test]
fn unknown_requests_are_answered() {
    let mut lab = Lab::new();
    let alice = lab.connect("alice@example.org");
    let path = Path { observed: "192.0.2.1:1".parse().unwrap(), round_trip: Duration::ZERO };
    let seen = lab.input(Input::Received { id: alice, path, frame: Received::Unknown { id: 5 } });
    let expected = Response::Refused { id: 5, error: ErrorCode::UnknownRequest, wait_ms: 0 };
    assert_eq!(to(alice, &seen), [&expected]);
}

#[test]
fn what_the_address_refuses_is_not_taken_from_the_person() {
    let look_ups = crate::Rate::new(2, Duration::from_secs(10));
    let mut lab = Lab::with(Limits { look_ups, rates_per_address: 1, ..Limits::default() });
    let day = Duration::from_secs(86_400);
    let (alice, _) = lab.connect_from("198.51.100.7", "alice@example.org", day);
    let (bob, _) = lab.connect_from("198.51.100.7", "bob@example.org", day);
    let (at_home, _) = lab.connect_from("203.0.113.9", "bob@example.org", day);
    for _ in 0..2 {
        assert_eq!(refused(&lab.look_up(alice, "carol@example.org")), None);
    }
    for _ in 0..5 {
        assert_eq!(refused(&lab.look_up(bob, "carol@example.org")), Some(ErrorCode::TooOften));
    }
    for _ in 0..2 {
        assert_eq!(refused(&lab.look_up(at_home, "carol@example.org")), None, "hers are all there");
    }
}

/// Coming and going costs the directory one timer a person and one an address, not two each time.
#[test]
fn one_timer_looks_after_the_rates_of_somebody_who_comes_and_goes() {
    let mut lab = Lab::new();
    for _ in 0..50 {
        let alice = lab.connect("alice@example.org");
        lab.look_up(alice, "bob@example.org");
        lab.leave(alice);
    }
    lab.wait(Duration::from_millis(100));
    let mut timers = 0;
    while let Some(at) = lab.next_deadline() {
        lab.now = at;
        lab.tick();
        timers += 1;
    }
    assert!(timers <= 4, "{timers} timers: each of the two looks once early and once when all is full");

    let idle = lab.connect("carol@example.org");
    lab.leave(idle);
    assert_eq!(lab.next_deadline(), None, "nothing to remember of somebody who asked nothing");
}
