//! Nodes that end, and networks that fail: nobody is said to be offline who is there, or online for long who is not.

use super::*;

/// The longest that anybody who has gone may seem to be there.
const DETECTED: Duration = Duration::from_secs(45);

#[test]
fn a_hand_over_is_not_seen_and_never_says_offline() {
    let mut world = World::new(21);
    // Watcher, watched, and the watched person's keeper are three nodes, in every arrangement.
    for dies in 0..3 {
        let (left, right) = ((dies + 1) % 3, (dies + 2) % 3);
        let bob = world.kept_by(dies, "bob");
        let watcher = world.come(left, "alice", &[&bob]);
        let watched = world.come(right, &bob, &["alice"]);
        world.pass(ms(300));
        assert_eq!(world.told(watcher, &bob), [true]);
        world.kill(dies);
        world.pass(ms(3_000));
        assert_eq!(world.told(watcher, &bob), [true]);
        // What changes after the hand-over is told by the new keeper.
        world.appear(watched, Appearance::As(Status::Away));
        world.pass(ms(1_000));
        assert_eq!(world.told(watcher, &bob), [true, true]);
        let found = world.look_up(watcher, &bob);
        world.pass(ms(1_000));
        assert!(matches!(world.answered(watcher, found).unwrap().1, Response::Found { status: Some(_), .. }));
        world.boot(dies);
        world.pass(ms(3_000));
        assert_eq!(world.told(watcher, &bob), [true, true]);
        world.leave(watched);
        world.pass(ms(100));
        assert_eq!(world.told(watcher, &bob), [true, true, false]);
        world.leave(watcher);
    }
}

#[test]
fn absence_is_not_told_before_the_dead_node_can_have_nobody_left() {
    let mut world = World::new(22);
    let nobody = world.kept_by(2, "nobody");
    let alice = world.connect(0, "alice");
    world.pass(ms(100));
    world.kill(2);
    let killed = world.time();
    world.pass(ms(2_500));
    let asked = world.look_up(alice, &nobody);
    world.pass(ms(9_000));
    let (when, answer) = world.answered(alice, asked).unwrap();
    assert_eq!(*answer, Response::Found { id: asked, status: None, details: None });
    assert!(when - killed >= ClusterTiming::DEFAULT.lost, "{:?}", when - killed);
}

#[test]
fn who_was_connected_to_a_dead_node_is_said_to_have_gone_in_time_unless_she_is_back() {
    let mut world = World::new(23);
    let alice = world.come(0, "alice", &["bob", "carol"]);
    world.come(2, "bob", &["alice"]);
    world.come(2, "carol", &["alice"]);
    world.pass(ms(300));
    world.kill(2);
    let killed = world.time();
    world.pass(ms(4_000));
    world.come(1, "carol", &["alice"]);
    world.pass(Duration::from_secs(41));
    assert_eq!(world.told(alice, "carol"), [true], "she was back before she was lost");
    assert_eq!(world.told(alice, "bob"), [true, false]);
    let gone = world.seen[&alice].iter().rev().find(|(_, r)| matches!(r, Response::Presence { status: None, .. }));
    assert!(gone.unwrap().0 - killed < DETECTED);
}

#[test]
fn a_node_that_is_cut_off_lets_its_people_go_before_others_say_so() {
    let mut world = World::new(24);
    let alice = world.come(0, "alice", &["bob"]);
    let bob = world.come(2, "bob", &["alice"]);
    world.pass(ms(300));
    world.cut_off(2);
    world.pass(ms(20_000));
    let closed = world.closed.iter().find(|(_, at, _)| *at == bob).unwrap();
    assert_eq!(closed.2, CloseCode::Stopping);
    let gone = world.seen[&alice].iter().find(|(_, r)| matches!(r, Response::Presence { status: None, .. }));
    assert!(closed.0 < gone.unwrap().0, "let go at {:?}, said to be gone at {:?}", closed.0, gone.unwrap().0);
    assert!(!world.nodes[2].as_ref().unwrap().accepts());
    world.heal();
    world.pass(ms(3_000));
    world.come(2, "bob", &["alice"]);
    world.pass(ms(500));
    assert_eq!(world.told(alice, "bob"), [true, false, true]);
}

#[test]
fn a_short_interruption_is_seen_by_nobody() {
    for length in [300, 1_200, 2_000, 2_800] {
        let mut world = World::new(25 + length);
        let alice = world.come(0, "alice", &["bob", "carol"]);
        let bob = world.come(2, "bob", &["alice"]);
        let carol = world.come(1, "carol", &["alice"]);
        world.pass(ms(300));
        for node in 0..3 {
            world.cut_off(node);
        }
        world.pass(ms(length / 2));
        // She goes while nobody can be told; he says that he is away.
        world.leave(carol);
        world.appear(bob, Appearance::As(Status::Away));
        world.pass(ms(length / 2));
        world.heal();
        world.pass(ms(5_000));
        assert_eq!(world.closed, [], "after {length} ms");
        assert_eq!(world.told(alice, "bob"), [true, true], "after {length} ms");
        assert_eq!(world.told(alice, "carol"), [true, false], "after {length} ms");
    }
}

#[test]
fn without_a_majority_nothing_is_said_about_anybody() {
    let mut world = World::new(26);
    let alice = world.come(0, "alice", &["bob"]);
    world.come(2, "bob", &["alice"]);
    world.pass(ms(300));
    world.kill(1);
    world.kill(2);
    world.pass(ms(2_000));
    let asked = world.look_up(alice, "bob");
    world.pass(ms(60_000));
    assert_eq!(world.told(alice, "bob"), [true]);
    assert!(world.answered(alice, asked).is_none_or(|(_, answer)| matches!(answer, Response::Refused { .. })));
    assert_eq!(world.closed.len(), 1, "she is sent to look for another node");
}

#[test]
fn a_call_survives_the_death_of_its_keeper() {
    let mut world = World::new(27);
    let bob = world.kept_by(2, "bob");
    let (alice, callee) = (world.come(0, "alice", &[&bob]), world.come(1, &bob, &["alice"]));
    world.pass(ms(300));
    world.call(alice, &bob, [1; 16]);
    world.pass(ms(100));
    world.kill(2);
    world.pass(ms(1_000));
    let answered = world.answer(callee, [1; 16], AnswerKind::Accept);
    world.pass(ms(10_000));
    assert_eq!(*world.answered(callee, answered).unwrap().1, Response::Done { id: answered });
    for at in [alice, callee] {
        assert!(world.seen[&at].iter().any(|(_, response)| matches!(response, Response::Go { .. })));
    }
}

#[test]
fn a_node_that_leaves_is_believed_at_once() {
    let mut world = World::new(28);
    let alice = world.come(0, "alice", &["bob"]);
    let bob = world.come(2, "bob", &["alice"]);
    world.pass(ms(300));
    world.leave(bob);
    world.input(2, ClusterInput::Leave);
    world.input(2, ClusterInput::Here(Input::Tick));
    world.kill(2);
    world.pass(ms(1_000));
    assert_eq!(world.told(alice, "bob"), [true, false]);
    let asked = world.look_up(alice, "bob");
    world.pass(ms(1_000));
    assert!(matches!(world.answered(alice, asked).unwrap().1, Response::Found { status: None, .. }));
}

#[test]
fn a_keeper_speaks_again_to_a_door_that_had_another_view_for_a_moment() {
    let mut world = World::of(&FIVE, 29);
    let names: Vec<String> = (0..20).map(|n| format!("person{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    names.iter().enumerate().for_each(|(n, name)| _ = world.come(n % 5, name, &[]));
    world.pass(ms(500));
    // The others hear both, and their view stays.
    world.cut.extend([(0, 1), (1, 0)]);
    world.pass(ms(3_000));
    world.heal();
    world.pass(ms(3_000));
    for node in 0..5 {
        let newcomer = world.connect(node, &format!("newcomer{node}"));
        let asked = world.watch(newcomer, &all);
        world.pass(ms(1_000));
        let answer = world.answered(newcomer, asked).map(|(_, answer)| answer.clone());
        assert_eq!(answer, Some(Response::Done { id: asked }), "at node {node}");
    }
}

#[test]
fn who_goes_after_her_keeper_was_cut_off_for_a_moment_is_said_to_have_gone() {
    for comes_meanwhile in [false, true] {
        let mut world = World::new(30);
        let bob = world.kept_by(2, "bob");
        let hers = world.kept_by(1, "alice");
        let alice = world.come(1, &hers, &[&bob]);
        let there = (!comes_meanwhile).then(|| world.come(1, &bob, &[&hers]));
        world.pass(ms(500));
        world.cut_off(2);
        world.pass(ms(2_000));
        let at = there.unwrap_or_else(|| world.come(1, &bob, &[&hers]));
        world.appear(at, Appearance::As(Status::Away));
        world.pass(ms(1_000));
        world.heal();
        world.pass(ms(5_000));
        world.leave(at);
        world.pass(ms(1_000));
        let told = world.told(alice, &bob);
        assert_eq!(told.last(), Some(&false), "comes meanwhile: {comes_meanwhile}; {told:?}");
        assert!(told[..told.len() - 1].iter().all(|there| *there), "comes meanwhile: {comes_meanwhile}; {told:?}");
    }
}

#[test]
fn a_node_that_was_alone_does_not_count_the_time_in_which_it_could_hear_nobody() {
    let mut world = World::new(31);
    let bob = world.kept_by(2, "bob");
    let alice = world.come(1, "alice", &[&bob]);
    world.come(0, &bob, &["alice"]);
    world.pass(ms(500));
    world.cut_off(2);
    world.pass(ms(10_000));
    world.cut_off(0);
    world.pass(ms(2_500));
    // Node 2 is back, and has heard nothing of node 0 for long; that one is alone for less than people notice.
    world.cut.retain(|(from, to)| [*from, *to].contains(&0));
    world.pass(ms(700));
    world.heal();
    world.pass(ms(20_000));
    assert!(world.closed.iter().all(|(_, at, _)| at.0 == 2));
    assert_eq!(world.told(alice, &bob), [true]);
}

#[test]
fn nobody_is_said_to_be_absent_who_came_where_her_keeper_was_not_heard() {
    let mut world = World::new(32);
    // Her own keeper is where she is: her questions wait for nothing else.
    let hers = world.kept_by(2, "alice");
    let alice = world.connect(2, &hers);
    let of_0: Vec<String> = (0..100).map(|n| format!("bob{n}")).filter(|name| world.keeper(name) == 0).collect();
    world.cut.extend([(0, 1), (1, 0)]);
    world.pass(ms(2_500));
    let routes = &world.nodes[1].as_ref().unwrap().routes;
    let bob = of_0.into_iter().find(|name| routes.keeper(&person(name)) == Some(1)).unwrap();
    let at = world.connect(1, &bob);
    let announced = world.announce(at, Appearance::As(Status::Available), &[&hers]);
    world.pass(ms(500));
    world.heal();
    world.delay = ms(200);
    let mut asked = Vec::new();
    for _ in 0..150 {
        if world.answered(at, announced).is_some() {
            asked.push(world.look_up(alice, &bob));
        }
        world.pass(ms(20));
    }
    world.pass(ms(3_000));
    assert!(asked.len() > 10);
    for request in asked {
        let answer = world.answered(alice, request).map(|(_, answer)| answer.clone());
        assert!(matches!(answer, Some(Response::Found { status: Some(_), .. })), "{answer:?}");
    }
}

#[test]
fn who_is_asked_for_again_is_not_said_to_have_gone() {
    let mut world = World::new(33);
    let bob = world.kept_by(2, "bob");
    let nobody = world.kept_by(2, "nobody");
    let alice = world.connect(1, "alice");
    world.come(1, &bob, &["alice", "carol"]);
    world.pass(ms(500));
    world.kill(2);
    world.pass(ms(3_000));
    // Whether others are at the node that died is not known yet, and all of this list is asked for again until it is.
    let both = world.watch(alice, &[&bob, &nobody]);
    world.pass(ms(2_000));
    assert_eq!((world.told(alice, &bob), world.answered(alice, both)), (vec![true], None));
    let carol = world.connect(1, "carol");
    world.pass(ms(500));
    let asked = world.watch(carol, &[&bob]);
    world.pass(ms(1_000));
    assert!(world.answered(carol, asked).is_some(), "of who is there all is known");
    world.pass(ms(8_000));
    assert_eq!(world.answered(alice, both).map(|(_, answer)| answer.clone()), Some(Response::Done { id: both }));
    assert_eq!(world.told(alice, &bob), [true]);
}
