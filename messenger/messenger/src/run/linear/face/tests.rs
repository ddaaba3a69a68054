//! Lines in, sentences out.

use messenger_engine::{CallId, Command, DeliveryState, Event, Purpose, RoomSuite, Seen, Status};

use super::*;
use crate::app::tests::{app, not_delivered, now, presence, room, who};
use crate::view;

/// What is typed, and what is said because of it.
fn typed(face: &mut Face, app: &mut App, line: &str) -> (Vec<Effect>, Vec<String>) {
    let (effects, mut lines) = face.take(app, line, now());
    lines.extend(face.notice(app));
    (effects, lines)
}

fn told(app: &mut App, event: Event) -> Vec<String> {
    let lines = words::of_event(&event, app, now());
    app.hear(event, now());
    lines
}

fn send(text: &str, id: u64) -> Effect {
    Effect::Engine(Command::Send {
        to: "bob@example.org".to_owned(),
        text: text.to_owned(),
        id: Some(id),
        reply_to: None,
    })
}

#[test]
fn whom_one_has_chosen_stays_chosen_whoever_comes_online() {
    let mut app = app(&["bob", "carol"]);
    let mut face = Face::default();
    assert_eq!(typed(&mut face, &mut app, "/to carol@example.org"), (vec![], vec![]));
    told(&mut app, presence("bob", true));
    told(&mut app, presence("carol", true));
    let sent = typed(&mut face, &mut app, "for you alone").0;
    assert!(matches!(&sent[..], [Effect::Engine(Command::Send { to, .. })] if to == "carol@example.org"), "{sent:?}");
}

#[test]
fn a_card_that_was_opened_waits_for_a_yes() {
    let card = format!("inperson:dora@example.org?genesis={}&directory=localhost:1", "5f".repeat(32));
    let (mut app, mut face) = (app(&["bob"]), Face::default());
    for (answer, added) in [("n", false), ("y", true)] {
        app.propose(&card.parse().unwrap());
        assert!(face.notice(&mut app).unwrap().contains("Add dora@example.org"));
        let (effects, lines) = typed(&mut face, &mut app, "hello?");
        assert!(effects.is_empty() && lines[0].contains("first y or n"), "{effects:?} {lines:?}");
        typed(&mut face, &mut app, answer);
        assert_eq!(app.people.contains_key(&who("dora")), added);
    }
}

#[test]
fn what_was_begun_is_kept_when_the_program_ends() {
    let mut app = app(&["bob"]);
    let mut face = Face::default();
    for line in ["one\\", "two\\"] {
        assert_eq!(typed(&mut face, &mut app, line), (vec![], vec![]));
    }
    assert_eq!(app.at_stake(), 0);
    face.leave(&mut app);
    let unsent: Vec<_> = app.unsent().into_iter().map(|one| one.text).collect();
    assert_eq!((app.at_stake(), unsent), (1, vec!["one\ntwo".to_owned()]));
}

#[test]
fn what_happens_is_a_sentence() {
    let mut app = app(&["bob"]);
    let seen = Seen { status: Some(Status::Away), text: "at\u{202e} lunch".to_owned(), ..Seen::default() };
    let robot = Seen { can: vec!["bot".to_owned()], ..seen.clone() };
    let away = Event::Presence { who: who("bob"), online: true, seen };
    assert_eq!(told(&mut app, presence("bob", false)), [""; 0], "how things stand is no news");
    assert_eq!(told(&mut app, away), ["bob@example.org is away, and says: at\u{fffd} lunch."]);
    let robot = Event::Presence { who: who("bob"), online: true, seen: robot };
    assert_eq!(told(&mut app, robot), ["bob@example.org, a bot, is away, and says: at\u{fffd} lunch."]);
    assert_eq!(super::who(&app), ["bob@example.org: a bot, away, at\u{fffd} lunch"]);
    let message =
        Event::Message { id: 1, from: who("bob"), text: "one\n\x1b[2Jtwo".to_owned(), bot: false, reply_to: None };
    assert_eq!(told(&mut app, message), ["bob@example.org at 10:42: one", "  ␛[2Jtwo"]);
    let knock = Event::Incoming { call: CallId([7; 16]), from: who("mallory"), purpose: Purpose::Text, contact: false };
    assert!(told(&mut app, knock)[0].contains("mallory@example.org knocks and would like to write to you. /accept"));
    let members = told(&mut app, room("alice", &["alice", "bob"]));
    let said = "The room picnic, host alice@example.org, code 12: alice@example.org, bob@example.org.";
    assert_eq!(members, [format!("{said} {}", view::SIGNED)], "who comes in learns that texts are signed");
    let mut classical = room("alice", &["alice"]);
    if let Event::Room { suite, .. } = &mut classical {
        *suite = RoomSuite::Classical.name();
    }
    assert_eq!(
        told(&mut app, classical),
        ["The room picnic, classical, host alice@example.org, code 12: alice@example.org."]
    );
}

#[test]
fn a_line_goes_to_whom_the_prompt_names_and_how_far_it_got_is_said() {
    let mut app = app(&["bob", "carol"]);
    let mut face = Face::default();
    assert!(typed(&mut face, &mut app, "/to dave@example.org").1[0].contains("Nobody in the list"));
    assert_eq!(typed(&mut face, &mut app, "/to bob@example.org"), (vec![], vec![]));
    assert_eq!(face.prompt(&app), "to bob@example.org> ");
    typed(&mut face, &mut app, "/name Robert");
    assert_eq!(face.prompt(&app), "to Robert> ");
    typed(&mut face, &mut app, "/to carol@example.org");
    typed(&mut face, &mut app, "/to robert");
    assert_eq!(face.prompt(&app), "to Robert> ", "by a name of one's own too");

    assert_eq!(typed(&mut face, &mut app, "one \\"), (vec![], vec![]));
    assert_eq!(face.prompt(&app), "… ");
    assert_eq!(typed(&mut face, &mut app, "/two").0, [send("one \n/two", 1)]);
    assert_eq!(typed(&mut face, &mut app, "//etc").0, [send("/etc", 2)]);
    let delivered = Event::MessageState { id: 2, to: who("bob"), state: DeliveryState::Delivered, reason: None };
    assert_eq!(told(&mut app, delivered), ["Delivered to Robert (bob@example.org): /etc"]);
    let failed = told(&mut app, not_delivered(1));
    assert_eq!(
        failed,
        [
            "Not delivered to Robert (bob@example.org), it is nowhere but here: one ␊/two. Why: bob is not online. /again sends it again."
        ]
    );
    assert_eq!(typed(&mut face, &mut app, "later").0, [send("later", 3)], "what came back is in nobody's way");
    assert!(typed(&mut face, &mut app, "/draft").1[0].contains("one ␊/two"));
    assert_eq!(typed(&mut face, &mut app, "/again").0, [send("one \n/two", 1)]);
    assert_eq!(typed(&mut face, &mut app, "/read 1").1, ["You at 10:42, on its way: one ", "  /two"]);
}

#[test]
fn pages_and_questions_are_said() {
    let mut app = app(&["bob"]);
    let mut face = Face::default();
    let help = typed(&mut face, &mut app, "/help").1.join("\n");
    assert!(help.contains("/to bob@example.org") && help.contains("/alert once"), "{help}");
    assert!(typed(&mut face, &mut app, "/card").1[0].contains("inperson:alice@example.org"));
    assert!(typed(&mut face, &mut app, "/lists").1.contains(&"  your contacts".to_owned()));
    assert_eq!(typed(&mut face, &mut app, "/who").1, ["bob@example.org: unknown"]);
    assert!(typed(&mut face, &mut app, "/lock").1[0].contains("no screen to lock"));
    assert!(typed(&mut face, &mut app, "/dance").1[0].starts_with("Attention: There is no command /dance"));
    app.hear(Event::Message { id: 1, from: who("bob"), text: "bread".to_owned(), bot: false, reply_to: None }, now());
    assert_eq!(typed(&mut face, &mut app, "/find BREAD").1[0], "bob@example.org at 10:42: bread");
    let next = typed(&mut face, &mut app, "/alert off").1;
    assert!(next.iter().all(|line| !line.contains("bread")), "once: {next:?}");

    assert!(typed(&mut face, &mut app, "/remove").1[0].contains("Remove bob@example.org?"));
    assert_eq!(typed(&mut face, &mut app, "no"), (vec![], vec![]));
    assert!(app.people.contains_key(&who("bob")));
    typed(&mut face, &mut app, "/remove");
    assert_eq!(typed(&mut face, &mut app, "Y").0.len(), 2);
    assert!(!app.people.contains_key(&who("bob")));
}

#[test]
fn leaving_asks_once_and_no_command_costs_a_draft() {
    let mut app = app(&["bob"]);
    let mut face = Face::default();
    app.act(Action::Insert("half a sen".to_owned()), now());
    assert!(face.greeting(&app).contains(&"Not sent yet: half a sen".to_owned()));
    assert!(typed(&mut face, &mut app, "/quit").1[0].contains("would be lost"));
    typed(&mut face, &mut app, "/again");
    assert_eq!(typed(&mut face, &mut app, "/draft").1, ["Not sent yet: half a sen. /draft send, or /draft drop."]);
    assert_eq!(typed(&mut face, &mut app, "/draft send").0, [send("half a sen", 1)]);
    typed(&mut face, &mut app, "/quit");
    assert_eq!(typed(&mut face, &mut app, "/quit").0, [Effect::Engine(Command::Quit), Effect::Quit]);
}

/// What is heard of a text in a room is heard once, when it is known of every device; and who is in it is said by name.
#[test]
fn of_a_room_one_hears_who_has_a_text_and_who_is_reached() {
    let mut app = app(&["bob"]);
    let mut face = Face::default();
    told(&mut app, room("alice", &["alice", "bob", "carol"]));
    typed(&mut face, &mut app, "/to picnic");
    typed(&mut face, &mut app, "tea?");
    let state = |delivered: &[&str], missing| Event::RoomMessageState {
        room: crate::app::tests::ROOM,
        id: 1,
        delivered: delivered.iter().map(|name| who(name)).collect(),
        missing,
        order: None,
    };
    assert_eq!(told(&mut app, state(&["bob"], Vec::new())), [""; 0], "carol's device has not answered");
    let missing = vec![messenger_engine::Missing { who: who("carol"), reason: "gone".to_owned() }];
    let said = ["On 1 of 2 devices; not carol@example.org's: tea?", "Why not: carol@example.org: gone."];
    assert_eq!(told(&mut app, state(&["bob"], missing)), said);
    let reach = Event::RoomReach { room: crate::app::tests::ROOM, not_reached: vec![who("carol")] };
    assert_eq!(told(&mut app, reach), [""; 0]);
    let listed = typed(&mut face, &mut app, "/who").1.join("\n");
    assert!(listed.contains("alice@example.org · you, host, owner"), "{listed}");
    assert!(listed.contains("bob@example.org · reached") && listed.contains("carol@example.org · not reached"));
    assert!(listed.contains("Code 12 · epoch 1"), "{listed}");
    assert!(typed(&mut face, &mut app, "/who all").1.iter().any(|line| line.starts_with("Room picnic: 3 in")));
    let reason = "CHAIN-05".to_owned();
    let lapsed = told(&mut app, Event::RoomLapsed { room: crate::app::tests::ROOM, who: who("carol"), reason });
    assert_eq!(lapsed, ["carol@example.org is not shown in the room any more, and gets nothing: CHAIN-05."]);
    told(&mut app, room("alice", &["alice", "bob"]));
    assert!(!typed(&mut face, &mut app, "/who").1.join(" ").contains("carol"), "she is in it no longer");
}
