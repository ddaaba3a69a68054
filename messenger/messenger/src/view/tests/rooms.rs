//! Rooms on the screen.

use messenger_engine::{Event, Missing, RoomId, RoomOrder, RoomSuite, RoomTextRef, TransferId, TransferState, Via};

use super::*;

/// Alice's messenger, in which she has opened the room *picnic*.
fn picnic(contacts: &[&str], size: (u16, u16)) -> App {
    let mut app = online(contacts, size);
    app.act(Action::AskRoom, at(12, 0));
    app.paste("picnic");
    app.act(Action::Yes, at(12, 0));
    app
}

/// In a room each has a name, and texts stand in the order that all agree on.
#[test]
fn what_is_said_about_texts_in_a_room() {
    let mut app = picnic(&["bob", "carol"], SMALL);
    app.hear(room(&["alice", "bob", "carol"], 2), at(12, 0));
    let room = RoomId([9; 16]);
    let order = |count, leaf, id| RoomOrder { epoch: 2, count, leaf, id };
    let delivered = |id, order| {
        let delivered = vec![who("bob"), who("carol")];
        Event::RoomMessageState { room, id, delivered, missing: Vec::new(), order }
    };
    let text = |from, id, text: &str, order, reply_to| Event::RoomMessage {
        room,
        id,
        from: who(from),
        text: text.to_owned(),
        order,
        reply_to,
    };
    write(&mut app, "Who brings the tea?", at(12, 0));
    app.hear(delivered(1, Some(order(1, 0, 1))), at(12, 0));
    let on_mine = || RoomTextRef { from: None, id: 1 };
    app.hear(text("carol", 7, "Me too", order(3, 2, 7), None), at(12, 1));
    app.hear(text("bob", 7, "Me!", order(2, 1, 7), Some(on_mine())), at(12, 1));
    write(&mut app, "/reply Then bring the cake", at(12, 1));
    app.hear(delivered(2, Some(order(4, 0, 2))), at(12, 1));
    for (from, emoji) in [("bob", "👍"), ("carol", "🍰\u{1b}[2J\u{202e}")] {
        app.hear(Event::RoomReaction { room, from: who(from), on: on_mine(), emoji: emoji.to_owned() }, at(12, 2));
    }
    app.hear(Event::RoomEdited { room, from: who("carol"), id: 7, text: "Me, too".to_owned() }, at(12, 2));
    app.hear(Event::RoomTyping { room, who: who("bob"), typing: true }, at(12, 3));
    compare("room_remarks", &app);
}

#[test]
fn invitation() {
    let mut app = online(&[], SMALL);
    let members = vec![who("bob"), who("carol")];
    app.hear(
        Event::RoomInvitation {
            room: RoomId([9; 16]),
            name: "picnic".to_owned(),
            from: who("bob"),
            members,
            suite: RoomSuite::Hybrid,
        },
        at(12, 0),
    );
    compare("invitation", &app);
}

#[test]
fn room_with_its_facts() {
    let mut app = picnic(&["bob", "carol"], SMALL);
    app.hear(room(&["alice"], 0), at(12, 0));
    app.hear(room(&["alice", "bob", "carol"], 2), at(12, 1));
    write(&mut app, "Welcome!", at(12, 2));
    let id = 1;
    let delivered = vec![who("bob"), who("carol")];
    app.hear(
        Event::RoomMessageState { room: RoomId([9; 16]), id, delivered, missing: Vec::new(), order: None },
        at(12, 2),
    );
    app.hear(
        Event::RoomMessage {
            room: RoomId([9; 16]),
            id: 4,
            from: who("carol"),
            text: "Hi all".to_owned(),
            order: RoomOrder { epoch: 2, count: 2, leaf: 2, id: 4 },
            reply_to: None,
        },
        at(12, 2),
    );
    write(&mut app, "Who brings the tea?", at(12, 3));
    let missing = vec![Missing { who: who("bob"), reason: "the connection is gone".to_owned() }];
    app.hear(
        Event::RoomMessageState { room: RoomId([9; 16]), id: 2, delivered: vec![who("carol")], missing, order: None },
        at(12, 3),
    );
    let via = vec![Via { who: who("bob"), by: who("carol") }];
    app.hear(Event::RoomVia { room: RoomId([9; 16]), via }, at(12, 3));
    compare("room-via", &app);
    app.hear(Event::RoomVia { room: RoomId([9; 16]), via: Vec::new() }, at(12, 4));
    app.hear(Event::RoomLeft { room: RoomId([9; 16]), who: who("bob") }, at(12, 4));
    app.hear(room(&["alice", "carol"], 3), at(12, 4));
    compare("room", &app);
}

#[test]
fn a_classical_room_says_so_for_as_long_as_it_is_there() {
    let mut app = online(&["bob"], SMALL);
    write(&mut app, "/room classical picnic", at(12, 0));
    let mut event = room(&["alice", "bob"], 2);
    if let Event::Room { suite, topic, locked, .. } = &mut event {
        *suite = RoomSuite::Classical.name();
        *topic = "who brings what on Saturday".to_owned();
        *locked = true;
    }
    app.hear(event, at(12, 1));
    compare("room-classical", &app);
}

/// Who may do what, who hosts it, whom this device reaches, and what was on four of five devices.
#[test]
fn who_is_in_a_room_at_both_sizes() {
    for (name, size) in [("who-80x24", SMALL), ("who-200x60", LARGE)] {
        let mut app = picnic(&["bob", "carol"], size);
        let mut event = room(&["alice", "bob", "carol", "dave", "dave", "erin"], 7);
        if let Event::Room { moderators, topic, .. } = &mut event {
            moderators.push(who("carol"));
            "who brings what on Saturday".clone_into(topic);
        }
        app.hear(event, at(12, 1));
        let not_reached = vec![who("carol"), who("dave")];
        app.hear(Event::RoomReach { room: RoomId([9; 16]), not_reached }, at(12, 1));
        let via = vec![Via { who: who("erin"), by: who("bob") }];
        app.hear(Event::RoomVia { room: RoomId([9; 16]), via }, at(12, 1));
        write(&mut app, "Who brings the tea?", at(12, 3));
        let missing = vec![Missing { who: who("carol"), reason: "no direct connection".to_owned() }];
        let delivered = ["bob", "dave", "dave", "erin"].map(who).to_vec();
        app.hear(Event::RoomMessageState { room: RoomId([9; 16]), id: 1, delivered, missing, order: None }, at(12, 3));
        let reason = "CHAIN-05: the certificate has ended".to_owned();
        app.hear(Event::RoomLapsed { room: RoomId([9; 16]), who: who("erin"), reason }, at(12, 4));
        compare(&format!("room-{}", &name[4..]), &app);
        write(&mut app, "/who", at(12, 5));
        compare(name, &app);
    }
}

/// One's own offer to all in a large room stands in the room, and says how it is withdrawn.
#[test]
fn what_is_offered_to_all_is_shown_as_such() {
    let mut app = picnic(&["bob"], LARGE);
    app.hear(room(&["alice", "bob"], 2), at(12, 0));
    let (room, transfer, name) = (RoomId([9; 16]), TransferId([5; 16]), "\u{202e}tea\x1b[2J".to_owned());
    let (state, id, reason, left_out) = (TransferState::Offered, Some(9), None, Some(2));
    app.hear(Event::RoomFileState { room, transfer, id, name, state, reason, left_out }, at(12, 1));
    let (text, _) = screen(&app);
    assert!(text.contains("· to all ·") && !text.contains("from alice"), "{text}");
    assert!(text.contains("/cancel 1 withdraws it") && text.contains("without 2 links"), "{text}");
    assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
}
