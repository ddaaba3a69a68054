//! Who may change what of a room (R-18 to R-22 of docs/spec/rooms.md): what is allowed reaches everybody with its author's name,
//! what is not is refused by everybody with it.

use std::time::Duration;

use room_order::Input;

use super::rooms::{last_delivery, leaf, say, view};
use super::world::{World, address};
use crate::api::{Command, Event, Role, RoomChange, RoomId, RoomSuite};
use crate::room::{Deed, Group, GroupError, Joining, MyLeaf, ROOM_VERSION, Wanted};
use crate::time::Now;
use crate::wire::RoomFrame;

const ALL: [&str; 3] = ["alice", "bob", "carol"];

/// What was changed, and by whom.
fn changes(events: &[Event]) -> Vec<(String, RoomChange)> {
    let change = |event: &Event| match event {
        Event::RoomChanged { by, change, .. } => Some((by.to_string(), change.clone())),
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

/// What went wrong, as somebody was told.
fn errors(events: &[Event]) -> Vec<String> {
    let error = |event: &Event| match event {
        Event::Error { message, .. } => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(error).collect()
}

fn topic(room: RoomId, topic: &str) -> Command {
    Command::RoomTopic { room, topic: topic.into() }
}

fn role(room: RoomId, who: &str, role: Role) -> Command {
    Command::RoomRole { room, who: address(who), role }
}

fn remove(room: RoomId, who: &str) -> Command {
    Command::RoomRemove { room, who: address(who) }
}

fn epoch(world: &World, name: &str, room: RoomId) -> u64 {
    world.core_of(name).in_room(room).expect("in the room").0
}

#[test]
fn what_somebody_changes_reaches_everybody_with_her_name() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.forget_events();
    world.command("alice", role(room, "bob", Role::Moderator));
    // Bob hosts nothing: he hands his commits in.
    world.command("bob", topic(room, "green tea"));
    world.command("bob", Command::RoomLock { room, locked: true });
    world.command("alice", Command::RoomName { room, name: "tea house".into() });
    let expected = [
        ("alice", RoomChange::Role { who: address("bob").parse().unwrap(), role: Role::Moderator }),
        ("bob", RoomChange::Topic { topic: "green tea".into() }),
        ("bob", RoomChange::Lock { locked: true }),
        ("alice", RoomChange::Name { name: "tea house".into() }),
    ];
    let expected = expected.map(|(by, change)| (address(by), change)).to_vec();
    for name in ALL {
        let events = world.events(name);
        assert_eq!(changes(&events), expected, "{name}: {:?}", errors(&events));
        let Some(Event::Room { name: called, topic, locked, owners, moderators, .. }) =
            events.iter().rev().find(|event| matches!(event, Event::Room { .. }))
        else {
            panic!("{name} was told nothing of the room")
        };
        assert_eq!((called.as_str(), topic.as_str(), *locked), ("tea house", "green tea", true));
        let named = |people: &[identity::Identifier]| people.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((named(owners), named(moderators)), (vec![address("alice")], vec![address("bob")]));
    }
    // What is so already ends no epoch.
    let before = epoch(&world, "alice", room);
    world.command("bob", topic(room, "green tea"));
    assert_eq!(epoch(&world, "alice", room), before);
    say(&mut world, "carol", room, "and we talk on");
    assert_eq!(last_delivery(&world.events("carol")), (2, vec![]));
}

#[test]
fn who_may_not_is_told_before_anything_is_sent() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    let before = epoch(&world, "carol", room);
    for (command, takes) in [
        (topic(room, "coffee"), "may not set the topic: that takes a moderator"),
        (Command::RoomLock { room, locked: true }, "may not lock the room: that takes a moderator"),
        (Command::RoomName { room, name: "coffee".into() }, "may not name the room: that takes an owner"),
        (role(room, "bob", Role::Owner), "may not give or take a role: that takes an owner"),
        (remove(room, "bob"), "may not remove somebody: that takes a moderator"),
        (role(room, "dave", Role::Owner), "expected a member of the room"),
        (Command::RoomName { room, name: String::new() }, "expected a name"),
        (topic(room, &"x".repeat(513)), "at most 512 bytes"),
    ] {
        world.forget_events();
        world.tapped.clear();
        world.command("carol", command.clone());
        let said = errors(&world.events("carol"));
        assert!(matches!(&said[..], [one] if one.contains(takes)), "{command:?}: {said:?}");
        assert!(world.tapped.is_empty(), "{command:?}");
    }
    assert_eq!(epoch(&world, "carol", room), before);
    // The last owner stays one.
    world.forget_events();
    world.command("alice", role(room, "alice", Role::Member));
    assert!(errors(&world.events("alice"))[0].contains("a room with an owner"));
    world.command("alice", role(room, "carol", Role::Owner));
    world.command("alice", role(room, "alice", Role::Member));
    world.forget_events();
    world.command("alice", topic(room, "mine"));
    assert!(errors(&world.events("alice"))[0].contains("alice@example.org is a member of this room"));
}

/// A member whose program keeps no rules hands in what is not hers to change.
#[test]
fn a_host_offers_nothing_that_its_author_may_not_change_and_names_her() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.forget_events();
    let carol = leaf("carol");
    for name in ["one", "two"] {
        let group = &mut world.core("carol").inside(room).unwrap().group;
        let commit = group.make_regardless(Wanted::Settle(Deed::Name(name.into())), &carol).unwrap().id;
        let commit = group.staged_message(commit).unwrap().to_vec();
        world.inject("carol", "alice", RoomFrame::Propose { room: room.0, commit });
    }
    let said = errors(&world.events("alice"));
    assert_eq!(said.len(), 1, "once in an epoch: {said:?}");
    assert!(said[0].contains("carol@example.org is a member of this room and may not name the room"), "{said:?}");
    assert!(world.events("bob").is_empty());
    // The room goes on, hers too.
    world.command("alice", topic(room, "tea"));
    for name in ALL {
        assert_eq!(changes(&world.events(name)).len(), 1, "{name}");
    }
}

/// A host whose program keeps no rules offers what is not hers to change: nobody follows, and everybody is told who it was.
#[test]
fn every_member_refuses_what_a_host_may_not_change_and_names_her() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol", "dave"]);
    world.command("alice", Command::RoomLeave { room });
    assert_eq!(world.core_of("carol").in_room(room).unwrap().2.identifier.as_str(), address("bob"));
    world.forget_events();
    let (bob, now) = (leaf("bob"), world.now());
    let core = world.core("bob");
    let lock = Wanted::Settle(Deed::Lock(Some([].into())));
    let commit = core.inside(room).unwrap().group.make_regardless(lock, &bob).unwrap();
    core.order(room, Input::Propose(commit), None, now);
    world.settle();
    for name in ["carol", "dave"] {
        let events = world.events(name);
        let said = errors(&events);
        let named = "bob@example.org is a member of this room and may not lock the room: that takes a moderator";
        assert!(said.iter().any(|error| error.contains(named)), "{name}: {said:?}");
        assert!(changes(&events).is_empty(), "{name}");
        assert!(events.iter().any(|event| matches!(event, Event::RoomClosed { reason, .. } if reason.contains(named))));
    }
}

/// The same at the groups alone, for every kind of deed and every role: alice owns and hosts, bob is a moderator, carol a member.
#[test]
fn a_commit_counts_as_its_authors_role_allows() {
    let world = World::of(&["alice"]);
    let (now, credentials) = (world.now(), world.tables["alice"].clone());
    let leaves = ALL.map(leaf);
    let devices = [0, 1, 2].map(|at: usize| leaves[at].device());
    let mut groups = groups(&world, &leaves, now);
    let promote = groups[0].make(Wanted::Settle(Deed::Role(vec![devices[1]], Role::Moderator)), &leaves[0]).unwrap();
    follow(&mut groups, 0, promote.id, &*credentials, now);
    let known = || Some(devices.into());
    let allowed = |deed: Deed| match deed {
        Deed::Topic(_) | Deed::Lock(_) => [true, true, false],
        Deed::Name(_) | Deed::Role(..) => [true, false, false],
        Deed::Remove(devices_removed) => match devices_removed[0] {
            device if device == devices[0] => [false, false, false],
            device if device == devices[1] => [true, false, false],
            _ => [true, true, false],
        },
        Deed::Readmit(_) => unreachable!("nobody was removed"),
    };
    let deeds = [
        Deed::Topic("coffee".into()),
        Deed::Lock(known()),
        Deed::Name("coffee".into()),
        Deed::Role(vec![devices[2]], Role::Moderator),
        Deed::Role(vec![devices[1]], Role::Member),
        Deed::Role(vec![devices[0]], Role::Moderator),
        Deed::Remove(vec![devices[0]]),
        Deed::Remove(vec![devices[1]]),
        Deed::Remove(vec![devices[2]]),
    ];
    for deed in deeds {
        for (at, may) in allowed(deed.clone()).into_iter().enumerate() {
            // Nobody removes herself, and the only owner stays one.
            let Ok(commit) = groups[at].make_regardless(Wanted::Settle(deed.clone()), &leaves[at]) else { continue };
            let message = groups[at].staged_message(commit.id).unwrap().to_vec();
            for judge in (0..3).filter(|judge| *judge != at) {
                groups[judge].make_room(|_| false);
                let judged = groups[judge].stage(&message, &*credentials, now);
                match (judged, may) {
                    (Ok(staged), true) => assert_eq!(staged, commit),
                    (Err(GroupError::Role { who, .. }), false) => assert_eq!(who.as_str(), address(ALL[at])),
                    (judged, _) => panic!("{deed:?} by {}: {judged:?}", ALL[at]),
                }
            }
        }
    }
}

/// A room of three, with the first as owner and host.
pub(super) fn groups(world: &World, leaves: &[MyLeaf; 3], now: Now) -> [Group; 3] {
    let (room, credentials) = (RoomId([7; 16]), world.tables["alice"].clone());
    let mut groups = vec![Group::create(room, ("tea", RoomSuite::Hybrid), &leaves[0], &*credentials, now).unwrap()];
    for guest in &leaves[1..] {
        let (joining, key_package) = Joining::new(room, RoomSuite::Hybrid, guest).unwrap();
        let entering = groups[0].verify_guest(&key_package, guest.device(), &*credentials, now).unwrap();
        let entry = groups[0].make(Wanted::Enter(Box::new(entering)), &leaves[0]).unwrap();
        let welcome = follow(&mut groups, 0, entry.id, &*credentials, now).unwrap();
        let entered = joining.enter((&welcome, entry.id), leaves[0].device(), &*credentials, now).unwrap();
        groups.push(entered);
    }
    groups.try_into().ok().unwrap()
}

/// A commit is decided. Returns the welcome, if somebody enters by it.
fn follow(
    groups: &mut [Group],
    author: usize,
    commit: room_order::CommitId,
    credentials: &dyn crate::room::Credentials,
    now: Now,
) -> Option<Vec<u8>> {
    let message = groups[author].staged_message(commit).unwrap().to_vec();
    let mut welcome = None;
    for (at, group) in groups.iter_mut().enumerate() {
        if at != author {
            group.stage(&message, credentials, now).unwrap();
        }
        let changed = group.merge(commit, now).unwrap();
        welcome = welcome.or(changed.welcome.map(|(_, welcome)| welcome));
    }
    welcome
}

/// who was lost is nobody new, and keeps her role.
#[test]
fn into_a_locked_room_comes_nobody_new_and_who_was_lost_does() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&ALL);
    world.command("alice", role(room, "bob", Role::Moderator));
    world.command("alice", Command::RoomLock { room, locked: true });
    world.forget_events();
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    assert_eq!(errors(&world.events("alice")), ["the room is locked"]);
    // A program that keeps no rules lets him in: no member follows.
    let (dave, alice, now) = (leaf("dave"), leaf("alice"), world.now());
    let (_, key_package) = Joining::new(room, RoomSuite::Hybrid, &dave).unwrap();
    let credentials = world.tables["alice"].clone();
    let group = &mut world.core("alice").inside(room).unwrap().group;
    let guest = group.verify_guest(&key_package, dave.device(), &*credentials, now).unwrap();
    let entry = Wanted::Enter(Box::new(guest));
    let refused = group.make_regardless(entry, &alice).unwrap().id;
    let message = group.staged_message(refused).unwrap().to_vec();
    let judged = world.core("carol").inside(room).unwrap().group.stage(&message, &*credentials, now);
    assert!(matches!(&judged, Err(error) if error.to_string().contains("a room that is locked")), "{judged:?}");
    for other in ["alice", "carol"] {
        world.be_deaf("bob", other);
    }
    world.pass(Duration::from_secs(14));
    assert_eq!(view(&world.events("carol")).2, ["alice", "carol"].map(address));
    for other in ["alice", "carol"] {
        world.end("bob", other);
    }
    world.pass(Duration::from_secs(90));
    assert_eq!(view(&world.events("carol")).2.len(), 3, "bob is back");
    world.forget_events();
    world.command("bob", Command::RoomLock { room, locked: false });
    let opened = (address("bob"), RoomChange::Lock { locked: false });
    assert_eq!(changes(&world.events("carol")), [opened], "and a moderator still");
}

/// who was removed for good does not come back by herself.
#[test]
fn who_is_removed_for_good_is_told_by_whom_and_comes_back_by_a_persons_word_alone() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.command("alice", role(room, "bob", Role::Moderator));
    world.forget_events();
    world.command("alice", remove(room, "bob"));
    let closed = |event: &Event| matches!(event, Event::RoomClosed { reason, .. } if reason == "alice@example.org removed this device from the room");
    assert!(world.events("bob").iter().any(closed));
    for name in ["alice", "carol"] {
        let events = world.events(name);
        let removed = RoomChange::Remove { who: address("bob").parse().unwrap() };
        assert_eq!(changes(&events), [(address("alice"), removed)], "{name}");
        assert_eq!(view(&events).2, ["alice", "carol"].map(address));
    }
    world.send("bob", "alice", "why?", 1);
    world.pass(Duration::from_secs(90));
    assert_eq!(view_of(&world, "carol", room), 2);
    // Carol hosts, and is no moderator: she lets him in no more than she asks him in.
    world.command("alice", role(room, "carol", Role::Owner));
    world.command("alice", role(room, "alice", Role::Member));
    world.forget_events();
    world.command("alice", Command::RoomInvite { room, who: address("bob") });
    let failed = |event: &Event| matches!(event, Event::RoomInvitationFailed { reason, .. } if reason.contains("whom nobody has removed"));
    assert!(world.events("alice").iter().any(failed));
    assert!(world.events("bob").is_empty());
    world.command("carol", role(room, "alice", Role::Moderator));
    world.command("alice", Command::RoomInvite { room, who: address("bob") });
    world.command("bob", Command::RoomAccept { room });
    assert_eq!(view(&world.events("bob")).2.len(), 3);
    let carol = world.events("carol");
    assert!(changes(&carol).contains(&(address("alice"), RoomChange::Readmit)), "{:?}", changes(&carol));
    world.forget_events();
    world.command("bob", topic(room, "I"));
    assert!(errors(&world.events("bob"))[0].contains("is a member"), "his role is gone");
}

fn view_of(world: &World, name: &str, room: RoomId) -> usize {
    world.core_of(name).rooms[&room].group().unwrap().members().count()
}

/// whoever removes the host takes her place.
#[test]
fn an_owner_who_removes_the_host_takes_her_place() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.command("alice", role(room, "carol", Role::Owner));
    world.forget_events();
    world.command("carol", remove(room, "alice"));
    for name in ["bob", "carol"] {
        let (_, _, host) = world.core_of(name).in_room(room).unwrap();
        assert_eq!(host.identifier.as_str(), address("carol"), "{name}");
        assert_eq!(view(&world.events(name)).2, ["bob", "carol"].map(address));
    }
    assert!(world.core_of("alice").in_room(room).is_none());
}

/// that she hosts gives nobody a role, and an owner who comes back has hers.
#[test]
fn who_hosts_is_no_owner_and_an_owner_who_comes_back_is_one() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.command("alice", Command::RoomLeave { room });
    world.forget_events();
    world.command("bob", topic(room, "mine now"));
    assert!(errors(&world.events("bob"))[0].contains("bob@example.org is a member of this room"));
    world.command("bob", Command::RoomInvite { room, who: address("alice") });
    world.command("alice", Command::RoomAccept { room });
    world.command("alice", topic(room, "tea"));
    for name in ALL {
        let changed = (address("alice"), RoomChange::Topic { topic: "tea".into() });
        assert_eq!(changes(&world.events(name)), [changed], "{name}");
    }
}

/// A host who withholds what others hand in is told of to its author.
#[test]
fn a_change_that_the_host_does_not_take_up_is_given_up_with_a_word() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.command("alice", role(room, "bob", Role::Moderator));
    world.forget_events();
    // Her program takes commits of bob's for refused ones.
    let bob = leaf("bob").device();
    world.core("alice").inside(room).unwrap().refused.insert(bob);
    world.command("bob", topic(room, "tea"));
    world.pass(Duration::from_secs(10));
    assert!(errors(&world.events("bob")).is_empty(), "it is handed in again");
    world.pass(Duration::from_secs(12));
    assert!(
        matches!(&errors(&world.events("bob"))[..], [one] if one.contains("alice@example.org, who hosts the room"))
    );
    assert!(changes(&world.events("carol")).is_empty());
    // And one that another commit has overtaken is made again.
    world.core("alice").inside(room).unwrap().refused.insert(bob);
    world.command("bob", topic(room, "coffee"));
    world.command("alice", Command::RoomLock { room, locked: true });
    world.pass(Duration::from_secs(3));
    assert_eq!(changes(&world.events("carol")).len(), 2);
}

/// A former version asks in, and is asked in: neither enters a room whose rules one of the two does not know.
#[test]
fn rooms_of_former_versions_are_declined_with_the_reason() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    let (former, later) = (Some(ROOM_VERSION - 1), Some(ROOM_VERSION + 1));
    for (version, reason) in [(None, "former version"), (former, "former version"), (later, "later version")] {
        world.forget_all();
        let suite = RoomSuite::Hybrid.number();
        let invite = RoomFrame::Invite { room: [9; 16], name: "tea".into(), suite, members: Vec::new(), version };
        world.inject("alice", "bob", invite);
        assert!(world.events("bob").is_empty(), "nobody is asked");
        let declined = super::rooms::tapped(&world, |frame| matches!(frame, RoomFrame::Decline { .. }));
        assert!(matches!(declined, RoomFrame::Decline { reason: found, .. } if found.contains(reason)));
    }
}
