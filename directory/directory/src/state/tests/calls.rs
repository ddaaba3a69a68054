//! Knock, answer, GO; and what a stranger may learn: nothing.

use super::*;
use directory_protocol::message::{AnswerKind, ProbeKey, Purpose, Role};

pub(super) const ALICE: &str = "alice@example.org";
pub(super) const BOB: &str = "bob@example.org";

pub(super) fn invite(callee: &str, n: u8) -> impl FnOnce(u32) -> Request {
    let callee = person(callee);
    let candidates = vec!["198.51.100.1:1111".parse().unwrap()];
    move |id| Request::Invite { id, call_id: call_id(n), callee, purpose: Purpose::Text, candidates, device: None }
}

pub(super) fn ring(callee: &str, n: u8) -> impl FnOnce(u32) -> Request {
    let callee = person(callee);
    move |id| Request::Invite {
        id,
        call_id: call_id(n),
        callee,
        purpose: Purpose::Call,
        candidates: Vec::new(),
        device: None,
    }
}

pub(super) fn answer(n: u8, answer: AnswerKind) -> impl FnOnce(u32) -> Request {
    let candidates = match answer {
        AnswerKind::Accept => vec!["203.0.113.2:2222".parse().unwrap()],
        _ => Vec::new(),
    };
    move |id| Request::Answer { id, call_id: call_id(n), answer, candidates }
}

pub(super) fn friends(lab: &mut Lab) -> (ConnectionId, ConnectionId) {
    (lab.come(ALICE, &[BOB]), lab.come(BOB, &[ALICE]))
}

pub(super) fn rings(id: ConnectionId, seen: &SeenBy) -> bool {
    to(id, seen).iter().any(|frame| matches!(frame, Response::Incoming { .. }))
}

pub(super) fn go(id: ConnectionId, seen: &SeenBy) -> Option<Response> {
    to(id, seen).into_iter().find(|frame| matches!(frame, Response::Go { .. })).cloned()
}

#[test]
fn accepting_introduces_both_sides() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    let seen = lab.ask(alice, invite(BOB, 1));
    assert_eq!(outcomes(alice, &seen), [Outcome::Ringing]);
    assert_eq!(
        to(bob, &seen),
        [&Response::Incoming {
            call_id: call_id(1),
            caller: person(ALICE),
            caller_key: [1; 32],
            purpose: Purpose::Text
        }]
    );

    let seen = lab.ask(bob, answer(1, AnswerKind::Accept));
    let expected = |role, peer, key, candidate: &str| Response::Go {
        call_id: call_id(1),
        role,
        peer: person(peer),
        peer_key: [key; 32],
        candidates: vec![candidate.parse().unwrap()],
        probe_key: ProbeKey([1; 32]),
        delay_ms: 0,
    };
    assert_eq!(go(alice, &seen), Some(expected(Role::Dialler, BOB, 2, "203.0.113.2:2222")));
    assert_eq!(go(bob, &seen), Some(expected(Role::Listener, ALICE, 1, "198.51.100.1:1111")));
    assert_eq!(lab.state().counts().calls, 0);
}

#[test]
fn every_call_has_its_own_probe_key() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    let mut keys = Vec::new();
    for n in 1..=2 {
        lab.ask(alice, invite(BOB, n));
        let Some(Response::Go { probe_key, .. }) = go(bob, &lab.ask(bob, answer(n, AnswerKind::Accept))) else {
            panic!()
        };
        keys.push(probe_key);
    }
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn friends_are_told_at_once() {
    for (given, outcome) in [(AnswerKind::Decline, Outcome::Declined), (AnswerKind::Busy, Outcome::Busy)] {
        let mut lab = Lab::new();
        let (alice, bob) = friends(&mut lab);
        lab.ask(alice, invite(BOB, 1));
        assert_eq!(outcomes(alice, &lab.ask(bob, answer(1, given))), [outcome]);
    }
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.ask(alice, invite(BOB, 1));
    assert_eq!(outcomes(alice, &lab.leave(bob)), [Outcome::Offline]);
}

#[test]
fn a_friend_who_does_not_answer() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.ask(alice, invite(BOB, 1));
    assert_eq!(lab.wait(Duration::from_millis(29_999)), []);
    let seen = lab.wait(Duration::from_millis(1));
    assert_eq!(outcomes(alice, &seen), [Outcome::NoAnswer]);
    assert_eq!(outcomes(bob, &seen), [Outcome::Cancelled]);
    assert_eq!(refused(&lab.ask(bob, answer(1, AnswerKind::Accept))), Some(ErrorCode::NoSuchCall));
}

/// How somebody who is not to be found behaves towards a stranger's call.
enum Callee {
    Unknown,
    Hidden,
    NotKnockable,
    Ignoring,
    Declining,
    Busy,
    Leaving,
    Invisible,
    Blocking,
}

/// What a stranger is sent in the minute after her call, with the times.
fn stranger_sees(callee: &Callee) -> Vec<(Duration, Output)> {
    let mut lab = Lab::new();
    let alice = lab.come(ALICE, &[BOB]);
    let bob = lab.connect(BOB);
    match callee {
        Callee::Unknown => drop(lab.leave(bob)),
        Callee::Hidden => drop(lab.announce(bob, AudienceKind::Nobody, AudienceKind::Nobody, &[])),
        // Visible to her, but not to be knocked at.
        Callee::NotKnockable => drop(lab.announce(bob, AudienceKind::Everyone, AudienceKind::Nobody, &[])),
        // Alice is his contact, and he hers.
        Callee::Invisible => {
            lab.announce(bob, AudienceKind::Contacts, AudienceKind::Everyone, &[ALICE]);
            lab.hide(bob);
        }
        Callee::Blocking => drop(lab.block(bob, &[ALICE])),
        _ => drop(lab.announce(bob, AudienceKind::Contacts, AudienceKind::Everyone, &[])),
    }
    let start = lab.now;
    let only_hers = |now, out: Vec<Output>| {
        let hers = out.into_iter().filter(move |o| matches!(o, Output::Send { to, .. } if *to == alice));
        hers.map(move |output| (now - start, output)).collect::<Vec<_>>()
    };
    let mut seen = only_hers(lab.now, lab.bytes_of(alice, invite(BOB, 1)(9)));
    let reaction = match callee {
        Callee::Declining => Some(answer(1, AnswerKind::Decline)(1)),
        Callee::Busy => Some(answer(1, AnswerKind::Busy)(1)),
        _ => None,
    };
    if let Some(request) = reaction {
        seen.extend(only_hers(lab.now, lab.bytes_of(bob, request)));
    }
    if matches!(callee, Callee::Leaving) {
        let left = lab.leave(bob);
        assert_eq!(to(alice, &left), Vec::<&Response>::new());
    }
    while let Some(at) = lab.next_deadline().filter(|at| *at <= start + Duration::from_secs(60)) {
        lab.now = at;
        seen.extend(only_hers(at, lab.tick()));
    }
    seen
}

#[test]
fn a_stranger_learns_nothing_but_acceptance() {
    let reference = stranger_sees(&Callee::Unknown);
    let times: Vec<Duration> = reference.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [Duration::ZERO, Duration::ZERO, Duration::from_secs(30)], "done, ringing, no answer");
    for callee in [
        Callee::Hidden,
        Callee::NotKnockable,
        Callee::Ignoring,
        Callee::Declining,
        Callee::Busy,
        Callee::Leaving,
        Callee::Invisible,
        Callee::Blocking,
    ] {
        assert_eq!(stranger_sees(&callee), reference);
    }
}

#[test]
fn a_stranger_who_is_accepted_is_introduced() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.come(ALICE, &[]), lab.come(BOB, &[]));
    assert!(rings(bob, &lab.ask(alice, invite(BOB, 1))));
    let seen = lab.ask(bob, answer(1, AnswerKind::Accept));
    assert!(go(alice, &seen).is_some() && go(bob, &seen).is_some());
    assert_eq!(outcomes(alice, &lab.wait(Duration::from_secs(31))), []);
}

/// Bob sees Alice, Alice does not see Bob: she is a stranger all the same.
#[test]
fn visibility_must_be_mutual() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.come(ALICE, &[BOB]), lab.come(BOB, &[]));
    lab.ask(alice, invite(BOB, 1));
    assert_eq!(outcomes(alice, &lab.ask(bob, answer(1, AnswerKind::Decline))), []);
}

#[test]
fn a_withdrawn_call_stops_ringing() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.ask(alice, invite(BOB, 1));
    assert_eq!(outcomes(bob, &lab.ask(alice, |id| Request::Cancel { id, call_id: call_id(1) })), [Outcome::Cancelled]);
    lab.ask(alice, invite(BOB, 2));
    assert_eq!(outcomes(bob, &lab.leave(alice)), [Outcome::Cancelled], "the caller has gone");
}

#[test]
fn only_the_caller_withdraws_and_only_the_called_answer() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    let mallory = lab.come("mallory@example.org", &[]);
    lab.ask(alice, invite(BOB, 1));
    assert_eq!(outcomes(bob, &lab.ask(mallory, |id| Request::Cancel { id, call_id: call_id(1) })), []);
    assert_eq!(refused(&lab.ask(mallory, answer(1, AnswerKind::Accept))), Some(ErrorCode::NoSuchCall));
    assert_eq!(refused(&lab.ask(alice, answer(1, AnswerKind::Accept))), Some(ErrorCode::NoSuchCall));
}

#[test]
fn of_two_crossing_calls_the_lower_id_stays() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut lab = Lab::new();
        let (alice, bob) = friends(&mut lab);
        lab.ask(alice, invite(BOB, first));
        let seen = lab.ask(bob, invite(ALICE, second));
        if first < second {
            assert_eq!(outcomes(bob, &seen), [Outcome::Cancelled], "the later call never rings");
            assert!(!rings(alice, &seen));
        } else {
            assert_eq!(outcomes(alice, &seen), [Outcome::Cancelled]);
            let last = to(alice, &seen).into_iter().next_back();
            assert!(rings(alice, &seen));
            assert!(matches!(last, Some(Response::Outcome { .. })), "first the call that stays, then the other's end");
        }
        let winner = if first < second { bob } else { alice };
        assert!(go(alice, &lab.ask(winner, answer(1, AnswerKind::Accept))).is_some());
        assert_eq!(lab.state().counts().calls, 0);
    }
}

#[test]
fn calls_for_different_purposes_do_not_cross() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.ask(alice, invite(BOB, 1));
    let callee = person(ALICE);
    let call = |id| Request::Invite {
        id,
        call_id: call_id(2),
        callee,
        purpose: Purpose::Call,
        candidates: vec![],
        device: None,
    };
    assert!(rings(alice, &lab.ask(bob, call)));
    assert_eq!(lab.state().counts().calls, 2);
}

#[test]
fn the_nearer_side_waits() {
    let mut lab = Lab::new();
    let (alice, bob) = friends(&mut lab);
    lab.ask(alice, invite(BOB, 1));
    let path = Path { observed: "192.0.2.1:4433".parse().unwrap(), round_trip: Duration::from_millis(100) };
    let frame = Received::Request(answer(1, AnswerKind::Accept)(5));
    let seen = lab.input(Input::Received { id: bob, path, frame });
    assert!(matches!(go(alice, &seen), Some(Response::Go { delay_ms: 40, .. })), "20 ms here, 100 ms there");
    assert!(matches!(go(bob, &seen), Some(Response::Go { delay_ms: 0, .. })));
}

/// Whoever was sent a frame in which one of these addresses stands, octet for octet.
fn told_an_address(outputs: &[Output], ips: &[[u8; 4]]) -> Vec<ConnectionId> {
    let tells = |frame: &[u8]| ips.iter().any(|ip| frame.windows(ip.len()).any(|octets| octets == ip));
    let told = outputs.iter().filter_map(|output| match output {
        Output::Send { to, frame } => tells(frame).then_some(*to),
        Output::Close { .. } => None,
    });
    told.collect()
}

#[test]
fn no_address_is_told_before_both_agreed_and_then_to_these_two_alone() {
    let (caller_ip, callee_ip) = ([198, 51, 100, 77], [203, 0, 113, 88]);
    let both = [caller_ip, callee_ip];
    for kind in [AnswerKind::Accept, AnswerKind::Decline, AnswerKind::Busy] {
        let mut lab = Lab::new();
        let (alice, phone) = friends(&mut lab);
        let (laptop, carol) = (lab.come(BOB, &[ALICE]), lab.come("carol@example.org", &[ALICE, BOB]));
        let (call_id, purpose) = (call_id(1), Purpose::Call);
        let offered = |ip: [u8; 4]| vec![SocketAddr::new(ip.into(), 4_242)];
        let (callee, candidates) = (person(BOB), offered(caller_ip));
        let mut before =
            lab.bytes_of(alice, Request::Invite { id: 1_001, call_id, callee, purpose, candidates, device: None });
        before.extend(lab.bytes_of(carol, Request::LookUp { id: 1_002, who: person(ALICE) }));
        before.extend(lab.tick());
        assert_eq!(told_an_address(&before, &both), []);

        let candidates = if kind == AnswerKind::Accept { offered(callee_ip) } else { Vec::new() };
        let after = lab.bytes_of(phone, Request::Answer { id: 1_003, call_id, answer: kind, candidates });
        let (to_caller, to_callee) = (told_an_address(&after, &[callee_ip]), told_an_address(&after, &[caller_ip]));
        match kind {
            AnswerKind::Accept => assert_eq!((to_caller, to_callee), (vec![alice], vec![phone])),
            _ => assert_eq!((to_caller, to_callee), (vec![], vec![])),
        }
        let mut later = lab.bytes_of(laptop, Request::Answer { id: 1_004, call_id, answer: kind, candidates: vec![] });
        later.extend(lab.bytes_of(alice, Request::Cancel { id: 1_005, call_id }));
        assert_eq!(told_an_address(&later, &both), []);
    }
}
