//! Who sees whom through several nodes, as through one.

use super::*;

#[test]
fn people_on_different_nodes_see_each_other_come_change_and_go() {
    let mut world = World::new(1);
    let alice = world.come(0, "alice", &["bob"]);
    world.pass(ms(200));
    assert!(world.told(alice, "bob").is_empty());
    let bob = world.come(1, "bob", &["alice"]);
    world.pass(ms(50));
    assert_eq!((world.told(alice, "bob"), world.told(bob, "alice")), (vec![true], vec![true]));
    world.appear(bob, Appearance::As(Status::Busy));
    world.pass(ms(50));
    world.appear(bob, Appearance::Invisible);
    world.pass(ms(50));
    assert_eq!(world.told(alice, "bob"), [true, true, false]);
    world.appear(bob, Appearance::As(Status::Available));
    world.pass(ms(50));
    world.leave(bob);
    world.pass(ms(50));
    assert_eq!(world.told(alice, "bob"), [true, true, false, true, false]);
}

#[test]
fn whoever_does_not_let_herself_be_seen_is_seen_by_nobody_on_any_node() {
    let mut world = World::new(2);
    let stranger = world.connect(2, "stranger");
    world.come(0, "alice", &["bob"]);
    world.pass(ms(100));
    let (absent, hidden) = (world.look_up(stranger, "nobody"), world.look_up(stranger, "alice"));
    let asked = world.time();
    world.pass(ms(300));
    for request in [absent, hidden] {
        let (when, answer) = world.answered(stranger, request).unwrap();
        assert_eq!(when - asked, ms(100));
        assert_eq!(*answer, Response::Found { id: request, status: None, details: None });
    }
}

#[test]
fn a_look_up_finds_at_once_and_done_after_a_watch_comes_at_its_deadline() {
    let mut world = World::new(3);
    let alice = world.connect(0, "alice");
    world.come(1, "bob", &["alice"]);
    world.pass(ms(100));
    let (looked, watched) = (world.look_up(alice, "bob"), world.watch(alice, &["bob", "carol", "dave"]));
    let asked = world.time();
    world.pass(ms(300));
    assert!(world.answered(alice, looked).unwrap().0 - asked < ms(20));
    assert_eq!(world.answered(alice, watched).unwrap().0 - asked, ms(100));
    assert_eq!(world.told(alice, "bob"), [true]);
}

#[test]
fn devices_on_different_nodes_are_one_person() {
    let mut world = World::new(4);
    let alice = world.come(0, "alice", &["bob"]);
    let desk = world.come(1, "bob", &["alice"]);
    let phone = world.come(2, "bob", &["alice"]);
    world.pass(ms(200));
    assert_eq!(world.told(alice, "bob"), [true]);
    world.leave(desk);
    world.pass(ms(100));
    assert_eq!(world.told(alice, "bob"), [true]);
    // Whom one device blocks, all block.
    let blocking = world.connect(0, "bob");
    world.ask(blocking, |id| Request::List { id, name: ListName::Blocked, people: vec![person("alice")] });
    world.announce(blocking, Appearance::As(Status::Available), &[]);
    world.pass(ms(100));
    assert_eq!(world.told(alice, "bob"), [true, false]);
    world.leave(phone);
}

#[test]
fn a_person_has_eight_devices_and_one_rate_in_the_whole_cluster() {
    let mut world = World::new(5);
    for device in 0..8 {
        world.connect(device % 3, "alice");
    }
    world.pass(ms(100));
    let ninth = world.connect(1, "alice");
    world.pass(ms(100));
    assert_eq!(
        world.closed.iter().map(|(_, at, code)| (*at, *code)).collect::<Vec<_>>(),
        [(ninth, CloseCode::TooManyDevices)]
    );
    let devices: Vec<At> = world.people.keys().copied().collect();
    let asked: Vec<(At, u32)> =
        (0..400).map(|n| (devices[n % devices.len()], world.look_up(devices[n % devices.len()], "bob"))).collect();
    world.pass(ms(2_000));
    let refused = asked
        .iter()
        .filter(|(at, request)| matches!(world.answered(*at, *request), Some((_, Response::Refused { .. }))));
    let refused = refused.count();
    assert!((90..=100).contains(&refused), "{refused}");
}

#[test]
fn what_nobody_could_answer_costs_nothing() {
    let mut world = World::new(7);
    let alice = world.kept_by(0, "alice");
    let names: Vec<String> =
        (0..).map(|n| format!("far{n}")).filter(|name| world.keeper(name) == 2).take(10_000).collect();
    let far: Vec<&str> = names.iter().map(String::as_str).collect();
    let alice = world.connect(0, &alice);
    world.pass(ms(100));
    // She may ask 300 times, and add 20,000 people to her list.
    for round in 0..2 {
        world.only_beats_of = Some(2);
        let watch = world.watch(alice, &far);
        let asked: Vec<u32> = far.iter().take(300).map(|who| world.look_up(alice, who)).collect();
        world.pass(ms(9_500));
        for request in asked.into_iter().chain([watch]) {
            let (_, answer) = world.answered(alice, request).unwrap();
            let unknown = matches!(answer, Response::Refused { error: ErrorCode::UnknownForNow, .. });
            assert!(unknown, "round {round}: {answer:?}");
        }
        world.only_beats_of = None;
        world.pass(ms(10_000));
    }
    let asked: Vec<u32> = far.iter().take(300).map(|who| world.look_up(alice, who)).collect();
    let watches = [world.watch(alice, &far), world.watch(alice, &far)];
    world.pass(ms(5_000));
    for request in asked {
        assert!(matches!(world.answered(alice, request), Some((_, Response::Found { .. }))));
    }
    for request in watches {
        assert!(matches!(world.answered(alice, request), Some((_, Response::Done { .. }))));
    }
    let more = world.watch(alice, &far);
    world.pass(ms(1_000));
    let refused = world.answered(alice, more).map(|(_, answer)| answer.clone());
    assert!(matches!(refused, Some(Response::Refused { error: ErrorCode::TooOften, .. })), "{refused:?}");
}

#[test]
fn nothing_that_leaves_a_node_names_anybody() {
    let mut world = World::new(6);
    let alice = world.come(0, "alice", &["bob"]);
    world.come(1, "bob", &["alice"]);
    world.pass(ms(500));
    world.call(alice, "bob", [9; 16]);
    world.pass(ms(500));
    assert!(world.bytes.len() > 20);
    for name in ["alice", "bob", "example"] {
        assert!(!world.bytes.iter().any(|b| b.windows(name.len()).any(|window| window == name.as_bytes())));
    }
    assert!(world.bytes.iter().all(|bytes| (bytes.len() - 42) % 256 == 0));
}
