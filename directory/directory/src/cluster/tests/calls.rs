//! Calls between nodes.

use super::*;

const CALL: CallId = [5; 16];

fn rang(seen: &[Response], call: CallId) -> bool {
    seen.iter().any(|response| matches!(response, Response::Incoming { call_id, .. } if *call_id == call))
}

fn gone(seen: &[Response]) -> Vec<(directory_protocol::message::Role, [u8; 32])> {
    let go = |response: &Response| match response {
        Response::Go { role, probe_key, .. } => Some((*role, probe_key.0)),
        _ => None,
    };
    seen.iter().filter_map(go).collect()
}

#[test]
fn a_call_between_nodes_is_accepted_and_both_go() {
    use directory_protocol::message::Role;
    let mut world = World::new(11);
    let alice = world.come(0, "alice", &["bob"]);
    let (desk, phone) = (world.come(1, "bob", &["alice"]), world.come(2, "bob", &["alice"]));
    world.pass(ms(300));
    world.call(alice, "bob", CALL);
    world.pass(ms(50));
    assert_eq!(world.outcomes(alice, CALL), [Outcome::Ringing]);
    assert!(rang(&world.take(desk), CALL));
    let answered = world.answer(phone, CALL, AnswerKind::Accept);
    world.pass(ms(10));
    let late = world.answer(desk, CALL, AnswerKind::Accept);
    world.pass(ms(50));
    let (caller, callee) =
        (gone(&world.take(alice)), gone(&world.seen[&phone].iter().map(|(_, r)| r.clone()).collect::<Vec<_>>()));
    assert_eq!((caller[0].0, callee[0].0), (Role::Dialler, Role::Listener));
    assert_eq!(caller[0].1, callee[0].1);
    assert_eq!(*world.answered(phone, answered).unwrap().1, Response::Done { id: answered });
    assert!(matches!(world.answered(desk, late).unwrap().1, Response::Refused { .. }));
    // The one that was too late was told by that refusal, or by this.
    assert!(world.outcomes(desk, CALL).iter().all(|outcome| *outcome == Outcome::Cancelled));
}

#[test]
fn a_call_to_oneself_rings_on_the_device_at_another_node() {
    let mut world = World::new(13);
    let (desk, phone) = (world.come(1, "bob", &[]), world.come(2, "bob", &[]));
    world.pass(ms(300));
    let asked = world.call(desk, "bob", CALL);
    world.pass(ms(50));
    assert_eq!(*world.answered(desk, asked).unwrap().1, Response::Done { id: asked });
    assert_eq!(world.outcomes(desk, CALL), [Outcome::Ringing]);
    assert!(rang(&world.take(phone), CALL) && !rang(&world.take(desk), CALL));
    world.answer(phone, CALL, AnswerKind::Accept);
    world.pass(ms(50));
    assert_eq!((gone(&world.take(desk)).len(), gone(&world.take(phone)).len()), (1, 1));
}

#[test]
fn a_quiet_call_ends_at_exactly_thirty_seconds_in_the_same_bytes_whatever_the_callee_does() {
    let mut world = World::new(12);
    let stranger = world.connect(0, "stranger");
    let (declines, ignores) = (world.come(1, "declines", &[]), world.come(2, "ignores", &[]));
    let blocks = world.connect(1, "blocks");
    world.ask(blocks, |id| Request::List { id, name: ListName::Blocked, people: vec![person("stranger")] });
    world.announce(blocks, Appearance::As(Status::Available), &[]);
    world.pass(ms(300));
    let calls = ["declines", "ignores", "blocks", "nobody"];
    let called = world.time();
    let asked: Vec<u32> = (1..).zip(calls).map(|(n, who)| world.call(stranger, who, [n; 16])).collect();
    world.pass(ms(1_000));
    assert!(rang(&world.take(declines), [1; 16]) && rang(&world.take(ignores), [2; 16]));
    assert!(!rang(&world.take(blocks), [3; 16]));
    world.answer(declines, [1; 16], AnswerKind::Decline);
    world.pass(Duration::from_secs(31));
    for (n, request) in (1..).zip(asked) {
        assert_eq!(world.outcomes(stranger, [n; 16]), [Outcome::Ringing, Outcome::NoAnswer]);
        let over = world.seen[&stranger]
            .iter()
            .find(|(_, response)| *response == Response::Outcome { call_id: [n; 16], outcome: Outcome::NoAnswer });
        assert_eq!(over.unwrap().0 - called, Duration::from_secs(30));
        assert!(world.answered(stranger, request).unwrap().0 - called < ms(20));
    }
    assert_eq!(world.outcomes(ignores, [2; 16]), [Outcome::Cancelled]);
}

#[test]
fn an_open_call_is_declined_withdrawn_and_ended_by_leaving_at_once() {
    let mut world = World::new(13);
    let (alice, bob) = (world.come(0, "alice", &["bob"]), world.come(1, "bob", &["alice"]));
    world.pass(ms(300));
    world.call(alice, "bob", [1; 16]);
    world.pass(ms(50));
    world.answer(bob, [1; 16], AnswerKind::Decline);
    world.pass(ms(50));
    assert_eq!(world.outcomes(alice, [1; 16]), [Outcome::Ringing, Outcome::Declined]);
    world.call(alice, "bob", [2; 16]);
    world.pass(ms(50));
    world.ask(alice, |id| Request::Cancel { id, call_id: [2; 16] });
    world.pass(ms(50));
    assert_eq!(world.outcomes(bob, [2; 16]), [Outcome::Cancelled]);
    world.call(alice, "bob", [3; 16]);
    world.pass(ms(50));
    world.leave(bob);
    world.pass(ms(50));
    assert_eq!(world.outcomes(alice, [3; 16]), [Outcome::Ringing, Outcome::Offline]);
}

#[test]
fn an_invisible_caller_shows_herself_to_her_callee_alone() {
    let mut world = World::new(14);
    let (alice, bob) = (world.come(0, "alice", &["bob"]), world.come(1, "bob", &["alice"]));
    world.pass(ms(300));
    world.appear(alice, Appearance::Invisible);
    world.pass(ms(50));
    world.call(alice, "bob", CALL);
    world.pass(ms(50));
    assert_eq!(world.told(bob, "alice"), [true, false]);
    world.answer(bob, CALL, AnswerKind::Decline);
    world.pass(ms(50));
    // The call was open: she is told.
    assert_eq!(world.outcomes(alice, CALL), [Outcome::Ringing, Outcome::Declined]);
}

/// What both sides of two calls that cross must find, however they cross: one call rings, the other is cancelled, and never
/// before the one that stays is known.
fn one_stays(world: &World, (alice, hers): (At, CallId), (bob, his): (At, CallId)) {
    let (winner, loser, stays, ends) = if hers < his { (alice, bob, hers, his) } else { (bob, alice, his, hers) };
    assert_eq!(world.outcomes(winner, stays), [Outcome::Ringing]);
    assert_eq!(world.outcomes(loser, ends).last(), Some(&Outcome::Cancelled));
    let seen = &world.seen[&loser];
    let rings = seen.iter().position(|(_, r)| matches!(r, Response::Incoming { call_id, .. } if *call_id == stays));
    let over = seen
        .iter()
        .position(|(_, response)| *response == Response::Outcome { call_id: ends, outcome: Outcome::Cancelled });
    assert!(rings.unwrap() < over.unwrap(), "{seen:?}");
}

#[test]
fn calls_that_cross_are_one_call_whichever_comes_first() {
    for seed in 0..10 {
        for gap in [0, 1, 3, 50] {
            let mut world = World::new(100 + seed);
            let (alice, bob) = (world.come(0, "alice", &["bob"]), world.come(1, "bob", &["alice"]));
            world.pass(ms(300));
            let (hers, his) = if seed % 2 == 0 { ([1; 16], [2; 16]) } else { ([2; 16], [1; 16]) };
            world.call(alice, "bob", hers);
            world.pass(ms(gap));
            world.call(bob, "alice", his);
            world.pass(ms(300));
            one_stays(&world, (alice, hers), (bob, his));
        }
    }
}

#[test]
fn a_call_for_one_device_rings_on_no_other_on_any_node() {
    let mut world = World::new(16);
    let alice = world.come(0, "alice", &["bob"]);
    let devices: Vec<At> = (0..3).map(|node| world.come(node, "bob", &["alice"])).collect();
    world.pass(ms(300));
    for (n, meant) in (1..).zip(&devices) {
        world.call_device(alice, "bob", Some(*meant), [n; 16]);
        world.pass(ms(50));
        for device in &devices {
            assert_eq!(rang(&world.take(*device), [n; 16]), device == meant);
        }
        world.answer(*meant, [n; 16], AnswerKind::Accept);
        world.pass(ms(50));
        assert_eq!(gone(&world.take(alice)).len(), 1);
    }
    // Its keeper dies before it is answered: the next one lets it ring nowhere else.
    let keeper = world.keeper("bob");
    let left: Vec<At> = devices.into_iter().filter(|device| device.0 != keeper).collect();
    let alice = world.come((keeper + 1) % 3, "alice", &["bob"]);
    world.pass(ms(300));
    world.call_device(alice, "bob", Some(left[0]), [9; 16]);
    world.kill(keeper);
    world.pass(ms(3_000));
    assert_eq!(left.iter().map(|device| rang(&world.take(*device), [9; 16])).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn calls_cross_only_between_the_two_devices_that_are_meant() {
    for (hers, his) in [([1; 16], [2; 16]), ([2; 16], [1; 16])] {
        for gap in [0, 50] {
            let mut world = World::new(17);
            let alice = world.come(0, "alice", &["bob"]);
            let (desk, phone) = (world.come(1, "bob", &["alice"]), world.come(2, "bob", &["alice"]));
            world.pass(ms(300));
            // She wants the desk, and the phone calls her: two calls.
            world.call_device(alice, "bob", Some(desk), hers);
            world.pass(ms(gap));
            world.call(phone, "alice", his);
            world.pass(ms(300));
            assert_eq!(world.outcomes(alice, hers), [Outcome::Ringing]);
            assert_eq!(world.outcomes(phone, his), [Outcome::Ringing]);
            let (at_alice, at_desk, at_phone) = (world.take(alice), world.take(desk), world.take(phone));
            assert!(rang(&at_alice, his) && rang(&at_desk, hers) && !rang(&at_phone, hers));
        }
    }
    for gap in [0, 50] {
        let mut world = World::new(18);
        let alice = world.come(0, "alice", &["bob"]);
        let (desk, phone) = (world.come(1, "bob", &["alice"]), world.come(2, "bob", &["alice"]));
        world.pass(ms(300));
        world.call_device(alice, "bob", Some(phone), [1; 16]);
        world.pass(ms(gap));
        world.call(phone, "alice", [2; 16]);
        world.pass(ms(300));
        one_stays(&world, (alice, [1; 16]), (phone, [2; 16]));
        assert!(!rang(&world.take(desk), [1; 16]));
    }
}

#[test]
fn a_call_back_rings_at_the_caller_even_if_she_blocks_him() {
    let mut world = World::new(15);
    let alice = world.connect(0, "alice");
    world.ask(alice, |id| Request::List { id, name: ListName::Blocked, people: vec![person("bob")] });
    world.announce(alice, Appearance::As(Status::Available), &["bob"]);
    let bob = world.come(1, "bob", &["alice"]);
    world.pass(ms(300));
    world.call(alice, "bob", [2; 16]);
    world.pass(ms(50));
    world.call(bob, "alice", [1; 16]);
    world.pass(ms(100));
    one_stays(&world, (alice, [2; 16]), (bob, [1; 16]));
}

/// How a call that rings comes to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Accepted,
    Declined,
    Withdrawn,
}

/// However long a packet is lost, nobody waits for longer: it is sent again after less than half a second.
const SOON: Duration = Duration::from_secs(2);

/// Lets time pass until it is so; the test has failed if it is not so soon.
fn until(world: &mut World, what: &str, is_so: impl Fn(&World) -> bool) {
    let began = world.time();
    while !is_so(world) {
        assert!(world.time() - began < SOON, "{what} takes too long; the lost one is {:?}", world.lost);
        world.pass(ms(5));
    }
}

/// The caller, the callee and the callee's keeper are at three nodes; this packet of the call is lost. How many there are.
fn call_with_a_loss(end: End, lost: Option<u64>) -> u64 {
    use directory_protocol::message::Role;
    let mut world = World::new(19);
    let bob = world.kept_by(2, "bob");
    let (caller, callee) = (world.come(0, "alice", &[&bob]), world.come(1, &bob, &["alice"]));
    world.pass(ms(500));
    let before = world.thrown;
    world.lost = lost.map(|number| before + number);
    let seen = |world: &World, at: At| -> Vec<Response> {
        world.seen.get(&at).into_iter().flatten().map(|(_, response)| response.clone()).collect()
    };
    let rings = |world: &World| rang(&seen(world, callee), CALL);
    let asked = world.call(caller, &bob, CALL);
    until(&mut world, "ringing", rings);
    let ended = match end {
        End::Accepted => world.answer(callee, CALL, AnswerKind::Accept),
        End::Declined => world.answer(callee, CALL, AnswerKind::Decline),
        End::Withdrawn => world.ask(caller, |id| Request::Cancel { id, call_id: CALL }),
    };
    let (ends_with, told) = match end {
        End::Accepted => (vec![Outcome::Ringing], caller),
        End::Declined => (vec![Outcome::Ringing, Outcome::Declined], caller),
        End::Withdrawn => (vec![Outcome::Cancelled], callee),
    };
    until(&mut world, "the end", |world| match end {
        End::Accepted => [caller, callee].iter().all(|at| !gone(&seen(world, *at)).is_empty()),
        _ => world.outcomes(told, CALL) == ends_with,
    });
    let packets = world.thrown - before;
    // Whatever is sent again changes nothing more, and after the time of a call nothing is left of it.
    world.pass(Duration::from_secs(35));
    let case = format!("{end:?}, {lost:?} lost");
    assert_eq!(world.outcomes(told, CALL), ends_with, "{case}");
    let incoming = |response: &&Response| matches!(response, Response::Incoming { .. });
    assert_eq!(seen(&world, callee).iter().filter(incoming).count(), 1, "{case}");
    for (at, request) in [(caller, asked), (if told == caller { callee } else { caller }, ended)] {
        assert_eq!(
            world.answered(at, request).map(|(_, answer)| answer),
            Some(&Response::Done { id: request }),
            "{case}"
        );
    }
    let (hers, his) = (gone(&seen(&world, caller)), gone(&seen(&world, callee)));
    match (end, &hers[..], &his[..]) {
        (End::Accepted, [(Role::Dialler, key)], [(Role::Listener, same)]) => assert_eq!(key, same, "{case}"),
        (End::Declined | End::Withdrawn, [], []) => {}
        _ => panic!("{case}: {hers:?}, {his:?}"),
    }
    assert_eq!(world.closed, [], "{case}: nobody is sent away");
    assert_eq!((world.told(caller, &bob), world.told(callee, "alice")), (vec![true], vec![true]), "{case}");
    packets
}

/// INVITE, ANSWER, CANCEL and GO go from node to node and are acknowledged there; each of those packets is lost once.
#[test]
fn a_call_comes_to_its_end_whichever_packet_of_it_is_lost() {
    for end in [End::Accepted, End::Declined, End::Withdrawn] {
        let packets = call_with_a_loss(end, None);
        assert!(packets >= 4, "{end:?}: at least the way there and back by its keeper, found {packets}");
        for lost in 1..=packets {
            call_with_a_loss(end, Some(lost));
        }
    }
}
