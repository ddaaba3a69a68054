//! What is told to whom after a node has gone or come: all of it, before anything is said.

use super::*;

/// People who are there and are told anew everything by their keepers must be heard on all nodes.
fn all_is_well(world: &mut World, node: usize) {
    let alice = world.come(node, "alice", &["bob"]);
    let bob = world.come((node + 1) % 3, "bob", &["alice"]);
    world.pass(ms(300));
    assert_eq!((world.told(alice, "bob"), world.told(bob, "alice")), (vec![true], vec![true]));
    let asked: Vec<u32> = (0..20).map(|n| world.look_up(alice, &format!("nobody{n}"))).collect();
    world.pass(ms(500));
    for request in asked {
        let answer = world.answered(alice, request).map(|(_, answer)| answer.clone());
        assert_eq!(answer, Some(Response::Found { id: request, status: None, details: None }));
    }
    world.leave(alice);
    world.leave(bob);
}

/// Many messages between all nodes.
fn much_is_said(world: &mut World) {
    let all: Vec<At> = (0..3).map(|node| world.come(node, &format!("busy{node}"), &[])).collect();
    for n in 0..60 {
        all.iter().for_each(|at| _ = world.look_up(*at, &format!("nobody{n}")));
        world.pass(ms(200));
    }
    all.iter().for_each(|at| world.leave(*at));
    world.pass(ms(500));
}

#[test]
fn a_node_that_left_in_order_and_comes_back_is_heard() {
    let mut world = World::new(41);
    much_is_said(&mut world);
    for node in 0..3 {
        world.input(node, ClusterInput::Leave);
        world.input(node, ClusterInput::Here(Input::Tick));
        world.pass(ms(100));
        world.kill(node);
        world.pass(ms(1_000));
        world.boot(node);
        world.pass(ms(2_000));
        all_is_well(&mut world, node);
    }
}

#[test]
fn a_node_that_was_dead_for_long_and_comes_back_is_heard() {
    let mut world = World::new(42);
    much_is_said(&mut world);
    for _ in 0..2 {
        world.kill(1);
        world.pass(ms(12_000));
        world.boot(1);
        world.pass(ms(2_000));
        all_is_well(&mut world, 1);
    }
}

/// More than may wait for one node (bounds are small in tests).
#[test]
fn more_is_handed_over_than_the_way_to_a_node_holds() {
    let mut world = World::new(43);
    let names: Vec<String> = (0..90).map(|n| format!("somebody-with-a-long-name-{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let people: Vec<At> = names.iter().enumerate().map(|(n, name)| world.come(n % 2, name, &all)).collect();
    world.pass(ms(5_000));
    let told = |world: &World| -> usize {
        people.iter().map(|at| names.iter().filter(|name| world.told(*at, name) == [true]).count()).sum()
    };
    assert_eq!(told(&world), 90 * 90);
    world.kill(2);
    world.pass(ms(14_000));
    // Nobody seemed to leave, and what changes is told by the new keepers.
    assert_eq!(told(&world), 90 * 90);
    people.iter().for_each(|at| _ = world.appear(*at, Appearance::As(Status::Busy)));
    world.pass(ms(2_000));
    let changed = people.iter().all(|at| names.iter().zip(&people).all(|(n, _)| world.told(*at, n) == [true; 2]));
    assert!(changed);
    let asked = world.look_up(people[0], "nobody");
    world.pass(ms(500));
    assert!(matches!(world.answered(people[0], asked), Some((_, Response::Found { status: None, .. }))));
}

#[test]
fn nobody_is_said_to_have_gone_before_all_her_devices_are_known() {
    for dies in 0..3 {
        let mut world = World::new(44);
        let (left, right) = ((dies + 1) % 3, (dies + 2) % 3);
        let bob = world.kept_by(dies, "bob");
        let alice = world.come(left, "alice", &[&bob]);
        let (phone, _desk) = (world.come(left, &bob, &["alice"]), world.come(right, &bob, &["alice"]));
        world.pass(ms(300));
        // The other door is late with what it has to tell.
        world.kill(dies);
        world.pass(ms(1_400));
        world.delay = ms(300);
        world.pass(ms(200));
        world.leave(phone);
        world.pass(ms(3_000));
        world.delay = ms(2);
        world.pass(ms(12_000));
        assert_eq!(world.told(alice, &bob), [true], "the desk is there");
    }
}

#[test]
fn whom_one_device_blocks_does_not_see_the_others_at_a_hand_over() {
    for dies in 0..3 {
        let mut world = World::new(45);
        let (left, right) = ((dies + 1) % 3, (dies + 2) % 3);
        let bob = world.kept_by(dies, "bob");
        for blocking in [left, right] {
            let at = world.connect(blocking, &bob);
            world.ask(at, |id| Request::List { id, name: ListName::Blocked, people: vec![person("mallory")] });
            world.announce(at, Appearance::As(Status::Available), &["mallory"]);
            let other = world.connect(if blocking == left { right } else { left }, &bob);
            world.announce(other, Appearance::As(Status::Available), &["mallory"]);
        }
        world.pass(ms(500));
        let mallory = world.come(left, "mallory", &[&bob]);
        world.pass(ms(500));
        world.delay = ms(200);
        world.kill(dies);
        for _ in 0..30 {
            let asked = world.look_up(mallory, &bob);
            world.pass(ms(500));
            let answer = world.answered(mallory, asked).map(|(_, answer)| answer.clone());
            assert!(!matches!(answer, Some(Response::Found { status: Some(_), .. })));
        }
        assert!(world.told(mallory, &bob).is_empty());
    }
}

#[test]
fn a_call_rings_on_all_devices_after_its_keeper_has_died_and_where_it_rang_no_second_time() {
    let mut world = World::new(46);
    let bob = world.kept_by(2, "bob");
    let alice = world.come(0, "alice", &[&bob]);
    let devices = [world.come(0, &bob, &["alice"]), world.come(1, &bob, &["alice"])];
    world.pass(ms(300));
    world.call(alice, &bob, [1; 16]);
    world.pass(ms(100));
    world.kill(2);
    world.pass(ms(4_000));
    let rang = |world: &World, at: At, call: CallId| {
        let of = |r: &&(Duration, Response)| matches!(&r.1, Response::Incoming { call_id, .. } if *call_id == call);
        world.seen[&at].iter().filter(of).count()
    };
    assert_eq!(devices.map(|at| rang(&world, at, [1; 16])), [1, 1]);
    let answered = world.answer(devices[1], [1; 16], AnswerKind::Accept);
    world.pass(ms(500));
    assert_eq!(*world.answered(devices[1], answered).unwrap().1, Response::Done { id: answered });
    assert_eq!(world.outcomes(devices[0], [1; 16]), [Outcome::Cancelled]);

    // Declined by somebody whom the caller does not see, it waits on, and rings no more, whoever keeps it.
    world.boot(2);
    world.pass(ms(2_000));
    let carol = world.kept_by(2, "carol");
    let at = world.come(1, &carol, &[]);
    world.pass(ms(300));
    world.call(alice, &carol, [2; 16]);
    world.pass(ms(200));
    world.answer(at, [2; 16], AnswerKind::Decline);
    world.pass(ms(200));
    world.kill(2);
    world.pass(Duration::from_secs(31));
    assert_eq!(rang(&world, at, [2; 16]), 1);
    assert_eq!(world.outcomes(alice, [2; 16]), [Outcome::Ringing, Outcome::NoAnswer]);
}

#[test]
fn a_keeper_that_was_in_another_view_for_a_moment_is_told_again_what_it_forgot() {
    let mut world = World::new(47);
    world.kill(2);
    world.pass(ms(12_000));
    let bob = (0..).map(|n| format!("bob{n}")).find(|name| world.keeper(name) == 0).unwrap();
    let alice = world.come(1, "alice", &[&bob]);
    let watched = world.come(1, &bob, &["alice"]);
    world.pass(ms(500));
    assert_eq!(world.told(alice, &bob), [true]);
    // A node that node 0 hears, and node 1 does not, and that ends at once.
    for _ in 0..3 {
        world.cut.extend([(1, 2), (2, 1)]);
        world.boot(2);
        world.pass(ms(700));
        world.kill(2);
        world.heal();
        world.pass(ms(12_000));
    }
    assert_eq!(world.told(alice, &bob), [true]);
    world.appear(watched, Appearance::As(Status::Busy));
    world.pass(ms(500));
    world.leave(watched);
    world.pass(ms(500));
    assert_eq!(world.told(alice, &bob), [true, true, false]);
}

#[test]
fn a_node_that_messages_do_not_reach_lets_its_people_go_before_others_say_so() {
    let mut world = World::new(48);
    let alice = world.come(0, "alice", &["bob"]);
    let bob = world.come(2, "bob", &["alice"]);
    world.pass(ms(300));
    // Whoever carries them lets beats pass, which are short, and nothing else.
    world.only_beats_of = Some(2);
    world.appear(bob, Appearance::As(Status::Away));
    world.pass(ms(30_000));
    let closed = world.closed.iter().find(|(_, at, _)| *at == bob).expect("he is let go");
    let gone = world.seen[&alice].iter().find(|(_, r)| matches!(r, Response::Presence { status: None, .. }));
    assert!(closed.0 < gone.expect("it is told").0);
    world.only_beats_of = None;
    world.pass(ms(12_000));
    all_is_well(&mut world, 2);
}

#[test]
fn requests_behind_one_that_waits_are_bounded_and_all_refused_one_after_another() {
    let mut world = World::new(49);
    let alice = world.connect(0, "alice");
    world.kill(1);
    world.kill(2);
    world.pass(ms(1_600));
    // From nowhere: each is refused by her own node, as soon as the first is answered.
    world.announce(alice, Appearance::As(Status::Available), &[]);
    let (call_id, purpose, candidates, device) = ([1; 16], Purpose::Call, vec!["0.0.0.0:0".parse().unwrap()], None);
    let nowhere =
        |id| Request::Invite { id, call_id, callee: person("bob"), purpose, candidates: candidates.clone(), device };
    let calls: Vec<u32> = (0..500).map(|_| world.ask(alice, nowhere)).collect();
    world.boot(1);
    world.pass(ms(2_500));
    for request in calls {
        let refused = world.answered(alice, request).map(|(_, answer)| answer.clone());
        assert!(matches!(refused, Some(Response::Refused { error: ErrorCode::BadCandidates, .. })), "{refused:?}");
    }
    assert_eq!(world.closed, []);
    world.kill(1);
    world.pass(ms(1_600));
    (0..600).for_each(|_| _ = world.announce(alice, Appearance::As(Status::Available), &[]));
    assert_eq!(world.closed.first().map(|(_, at, code)| (*at, *code)), Some((alice, CloseCode::Flood)));
}

const CALL: CallId = [6; 16];

/// Calls somebody whose keeper is, or will be, `node`, until when `change` is done to that node; and hangs up, or goes, so long after.
fn hangs_up_when_the_keeper_changes(node: usize, dead: bool, change: fn(&mut World, usize), after: u64) {
    for (leaves, far) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut world = World::new(61);
        let bob = world.kept_by(node, "bob");
        if dead {
            world.kill(node);
            world.pass(ms(12_000));
        }
        let (hers, his) = ((node + 1) % 3, (node + if far { 2 } else { 1 }) % 3);
        let (alice, at) = (world.come(hers, "alice", &[&bob]), world.come(his, &bob, &["alice"]));
        world.pass(ms(300));
        world.call(alice, &bob, CALL);
        world.pass(ms(50));
        assert!(world.take(at).iter().any(|seen| matches!(seen, Response::Incoming { .. })));
        // Slow ways: what one node knows already others do not.
        world.delay = ms(100);
        change(&mut world, node);
        world.pass(ms(after));
        match leaves {
            true => world.leave(alice),
            false => _ = world.ask(alice, |id| Request::Cancel { id, call_id: CALL }),
        }
        // Far less than a call rings.
        world.pass(ms(6_000));
        assert_eq!(world.outcomes(at, CALL), [Outcome::Cancelled], "after {after} ms; leaves: {leaves}, far: {far}");
    }
}

#[test]
fn who_hangs_up_while_the_callees_keeper_dies_rings_no_more() {
    for after in (0..=3_000).step_by(300) {
        hangs_up_when_the_keeper_changes(0, false, World::kill, after);
    }
}

#[test]
fn who_hangs_up_while_the_callee_gets_another_keeper_rings_no_more() {
    for after in (0..=1_000).step_by(50) {
        hangs_up_when_the_keeper_changes(2, true, World::boot, after);
    }
}
