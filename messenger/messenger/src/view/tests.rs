//! Whole screens, compared with stored ones in `tests/screens/`. `UPDATE_SCREENS=1` writes them anew: look at the
//! difference before it is committed.

mod files;
mod keeping;
mod rooms;

use std::path::Path;

use identity::Identifier;
use jiff::civil::{DateTime, date};
use messenger_engine::{
    Audience, CallId, Command, DeliveryState, Event, OwnStatus, PresenceSettings, Purpose, RoomId, RoomSuite, Seen,
    SessionState, Side, Status, TextRef,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use super::theme::Theme;
use super::transcript;
use crate::app::peer::tests::peer;
use crate::app::{App, Cover, Effect, Entry, Me};
use crate::keys::{Action, Place};
use crate::text::width;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

fn who(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn at(hour: i8, minute: i8) -> DateTime {
    date(2026, 11, 23).at(hour, minute, 0, 0)
}

const CARD: &str = "inperson:alice@example.org?\
    genesis=5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5\
    &policy=https://home.example.org:8443/policy&directory=home.example.org:8444\
    &key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Alice's messenger as it starts.
fn alice(contacts: &[&str], size: (u16, u16)) -> App {
    let me = Me {
        identifier: who("alice"),
        authority: "Example Home".to_owned(),
        until: "7 Dec 2026".to_owned(),
        directory: "home.example.org".to_owned(),
        card: Some(CARD.parse().unwrap()),
    };
    App::new(me, contacts.iter().map(|name| who(name)), size)
}

fn online(contacts: &[&str], size: (u16, u16)) -> App {
    let mut app = alice(contacts, size);
    app.hear(Event::Online { identifier: who("alice"), directory: "home.example.org".to_owned() }, at(10, 40));
    for (n, name) in contacts.iter().enumerate() {
        app.hear(presence(name, n % 2 == 0), at(10, 40));
    }
    app
}

fn presence(name: &str, online: bool) -> Event {
    let seen = if online { Seen { status: Some(Status::Available), ..Seen::default() } } else { Seen::default() };
    Event::Presence { who: who(name), online, seen }
}

fn write(app: &mut App, text: &str, now: DateTime) {
    if app.place() != Place::Writing {
        app.act(Action::SwitchPane, now);
    }
    app.act(Action::Insert(text.to_owned()), now);
    app.act(Action::Send, now);
}

fn state(id: u64, state: DeliveryState, reason: Option<&str>) -> Event {
    Event::MessageState { id, to: who("bob"), state, reason: reason.map(str::to_owned) }
}

fn says(name: &str, text: &str) -> Event {
    Event::Message { id: 1, from: who(name), text: text.to_owned(), bot: false, reply_to: None }
}

fn knock(name: &str) -> Event {
    Event::Incoming { call: CallId([7; 16]), from: who(name), purpose: Purpose::Text, contact: false }
}

fn room(members: &[&str], epoch: u64) -> Event {
    Event::Room {
        room: RoomId([9; 16]),
        name: "picnic".to_owned(),
        host: who("alice"),
        members: members.iter().map(|name| who(name)).collect(),
        epoch,
        suite: "MLS_256".to_owned(),
        code: "1234 5678 9012".to_owned(),
        topic: String::new(),
        locked: false,
        owners: vec![who("alice")],
        moderators: Vec::new(),
    }
}

/// A conversation in which everything happens that can.
fn conversation(size: (u16, u16)) -> App {
    let mut app = online(&["bob", "carol", "dave"], size);
    write(&mut app, "Hello Bob! Are you coming on Saturday?", at(10, 41));
    app.hear(state(1, DeliveryState::Delivered, None), at(10, 41));
    app.hear(says("bob", "Yes 🎉 — 日本語 too? I can bring bread, cheese, and the long table from the shed if somebody helps me carry it."), at(10, 42));
    app.hear(says("bob", "What time?"), at(10, 42));
    write(&mut app, "At noon.\nBring a hat.", at(10, 43));
    write(&mut app, "And sun cream", at(10, 44));
    app.hear(state(2, DeliveryState::Unknown, Some("the connection was lost before the answer")), at(10, 44));
    app.hear(presence("bob", false), at(10, 50));
    app.hear(says("dave", "psst"), at(10, 51));
    app
}

fn screen(app: &App) -> (String, Buffer) {
    let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
    terminal.draw(|frame| super::draw(frame, app, Theme::plain())).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            // The cell after a wide character is covered by it.
            x += (width(symbol) as u16).max(1);
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    (text, buffer)
}

fn compare(name: &str, app: &App) {
    let (found, _) = screen(app);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name}: expected\n{expected}\nfound\n{found}\nUPDATE_SCREENS=1 takes the new one");
}

#[test]
fn an_alarm_stays_in_the_status_line() {
    let mut app = conversation(SMALL);
    app.hear(
        Event::Contradiction {
            about: "home.example.org:8443/log/2026".to_owned(),
            message: "home.example.org:8443/log/2026 has signed two histories: one was shown to bob@example.org, another one to this device".to_owned(),
            evidence: Some("/home/alice/evidence/1795435200-split-view.json".to_owned()),
            remedy: "show the proof to those who use this log".to_owned(),
        },
        at(10, 52),
    );
    compare("alarm", &app);
    app.act(Action::Insert("x".to_owned()), at(10, 53));
    let (text, _) = screen(&app);
    assert!(text.lines().any(|line| line.contains("alice@example.org") && line.contains("contradict")), "{text}");
}

#[test]
fn first_start() {
    compare("first-start", &alice(&[], SMALL));
}

#[test]
fn the_own_card_at_both_sizes() {
    for (name, size) in [("card-80x24", SMALL), ("card-200x60", LARGE)] {
        let mut app = online(&["bob"], size);
        write(&mut app, "/card", at(12, 0));
        compare(name, &app);
    }
}

#[test]
fn an_invitation_at_both_sizes() {
    for (name, size) in [("invitation-of-a-device-80x24", SMALL), ("invitation-of-a-device-100x60", (100, 60))] {
        let mut app = online(&["bob"], size);
        let card = app.me.card.as_ref().unwrap().to_string();
        app.show_invitation(format!("{card}&invite={}", "0f".repeat(16)).into());
        compare(name, &app);
    }
}

#[test]
fn conversation_at_both_sizes() {
    compare("conversation-80x24", &conversation(SMALL));
    compare("conversation-200x60", &conversation(LARGE));
}

#[test]
fn nothing_said_yet() {
    compare("nothing-said", &online(&["bob"], SMALL));
    let mut app = online(&["bob"], SMALL);
    app.act(Action::ToList, at(12, 0));
    compare("in-the-list", &app);
    let mut app = alice(&["bob"], SMALL);
    app.hear(presence("bob", false), at(10, 40));
    app.act(Action::Insert("Hello?".to_owned()), at(10, 41));
    compare("seems-offline", &app);
}

#[test]
fn how_others_and_oneself_appear() {
    let mut app = online(&["bob", "carol", "dave"], SMALL);
    let shows = |status, text: &str, idle_s| Seen { status: Some(status), text: text.to_owned(), idle_s, can: vec![] };
    let away = shows(Status::Away, "at lunch\u{1b}[2J", Some(600));
    app.hear(Event::Presence { who: who("bob"), online: true, seen: away }, at(12, 0));
    let occupied = shows(Status::DoNotDisturb, "", None);
    app.hear(Event::Presence { who: who("carol"), online: true, seen: occupied }, at(12, 0));
    let settings = PresenceSettings {
        status: OwnStatus::Invisible,
        blocked: [who("mallory")].into(),
        ..PresenceSettings::default()
    };
    app.hear(Event::Appearance(settings), at(12, 0));
    compare("appearance", &app);
}

#[test]
fn what_is_said_about_texts_stands_with_them() {
    let mut app = online(&["bob", "carol"], SMALL);
    write(&mut app, "Are you coming on Saturday?", at(12, 0));
    app.hear(state(1, DeliveryState::Delivered, None), at(12, 0));
    let reply_to = Some(TextRef { by: Side::Me, id: 1 });
    app.hear(Event::Message { id: 7, from: who("bob"), text: "Yes".to_owned(), bot: false, reply_to }, at(12, 1));
    app.hear(
        Event::Message { id: 8, from: who("bob"), text: "Not on Sunday".to_owned(), bot: false, reply_to: None },
        at(12, 1),
    );
    app.hear(Event::Edited { from: who("bob"), id: 7, text: "Yes, at noon".to_owned() }, at(12, 2));
    app.hear(Event::DeleteRequested { from: who("bob"), id: 8 }, at(12, 2));
    let on = TextRef { by: Side::Me, id: 1 };
    let hostile = "👍\u{1b}[2J\u{202e}".to_owned();
    app.hear(Event::Reaction { from: who("bob"), on, emoji: hostile }, at(12, 2));
    app.hear(Event::Read { who: who("bob"), ids: vec![1] }, at(12, 2));
    write(&mut app, "/react 🎉", at(12, 3));
    app.hear(state(2, DeliveryState::Delivered, None), at(12, 3));
    app.hear(Event::Nudge { from: who("bob") }, at(12, 4));
    app.hear(Event::Typing { who: who("bob"), typing: true }, at(12, 4));
    compare("remarks", &app);
}

#[test]
fn a_connection_that_was_lost_is_shown_and_what_may_have_arrived_comes_back() {
    let mut app = online(&["bob"], SMALL);
    write(&mut app, "Lunch?", at(12, 0));
    let session =
        |state, reason: Option<&str>| Event::Session { who: who("bob"), state, reason: reason.map(str::to_owned) };
    app.hear(session(SessionState::Reconnecting, None), at(12, 0));
    compare("reconnecting", &app);
    app.hear(session(SessionState::Lost, Some("no other connection could be made within 30 s")), at(12, 1));
    let reason = "the connection to bob@example.org was lost before the acknowledgement";
    app.hear(state(1, DeliveryState::Unknown, Some(reason)), at(12, 1));
    compare("unknown", &app);
}

#[test]
fn not_delivered_comes_back() {
    let mut app = online(&["bob"], SMALL);
    write(&mut app, "Lunch?", at(12, 0));
    app.hear(state(1, DeliveryState::NotDelivered, Some("bob@example.org is not online")), at(12, 0));
    compare("not-delivered", &app);
}

#[test]
fn several_rows_of_input() {
    let mut app = online(&["bob"], SMALL);
    app.act(Action::Open, at(12, 0));
    app.paste("Dear Bob,\n\nthis is a long letter whose rows are broken where words end, and it goes on for a while.\n\nAlice");
    compare("long-input", &app);
}

#[test]
fn strangers_stand_behind_the_curtain() {
    let mut app = online(&[], SMALL);
    app.hear(knock("mallory"), at(12, 0));
    compare("curtain", &app);
    let mut app = online(&["bob"], SMALL);
    app.hear(knock("mallory"), at(12, 0));
    compare("knock-while-elsewhere", &app);
}

#[test]
fn help_at_both_sizes() {
    for (name, size) in [("help-80x24", SMALL), ("help-200x60", LARGE)] {
        let mut app = online(&["bob"], size);
        app.act(Action::Help, at(12, 0));
        compare(name, &app);
    }
}

#[test]
fn questions() {
    let mut app = online(&["bob"], SMALL);
    app.act(Action::AskContact, at(12, 0));
    app.paste("carol(at)example.org");
    app.act(Action::Yes, at(12, 0));
    compare("add-contact-wrong", &app);
    let mut app = online(&["bob"], SMALL);
    app.act(Action::AskRemove, at(12, 0));
    compare("remove-contact", &app);
}

#[test]
fn small_windows() {
    let mut app = conversation((44, 16));
    compare("narrow-conversation", &app);
    app.act(Action::ToList, at(12, 0));
    compare("narrow-list", &app);
    app.resize(30, 5);
    compare("too-small", &app);
}

#[test]
fn hostile_text_is_drawn_harmless() {
    let mut app = online(&["bob"], SMALL);
    app.hear(says("bob", "\x1b[2J\x1b]0;owned\x07 \u{202e}txt.exe \u{9b}31m a\u{200b}b zalgo\u{301}"), at(12, 0));
    app.hear(says("bob", &format!("e{}", "\u{301}".repeat(500))), at(12, 0));
    let hostile = Event::RoomInvitation {
        room: RoomId([9; 16]),
        name: "a\nb\x1b[31m".to_owned(),
        from: who("bob"),
        members: Vec::new(),
        suite: RoomSuite::Hybrid,
    };
    app.hear(hostile, at(12, 0));
    let message = "x\x1b[1m".to_owned();
    app.hear(Event::Error { about: "\x1b".to_owned(), message, remedy: "\u{202e}".to_owned() }, at(12, 0));
    compare("hostile", &app);
    let (_, buffer) = screen(&app);
    for cell in buffer.content() {
        let symbol = cell.symbol();
        assert!(symbol.chars().all(crate::text::is_harmless), "{symbol:?}");
        assert!(symbol.chars().count() <= 12, "{symbol:?}");
    }
}

#[test]
fn no_size_and_no_text_panics() {
    for width in [1, 2, 36, 40, 64, 65, 300] {
        for height in [1, 2, 10, 11, 70] {
            let mut app = conversation((width, height));
            app.hear(knock("mallory"), at(12, 0));
            for action in [
                Action::ScrollUp,
                Action::Help,
                Action::Close,
                Action::AskContact,
                Action::Close,
                Action::AskRemove,
                Action::Close,
            ] {
                app.act(action, at(12, 0));
                screen(&app);
            }
        }
    }
}

#[test]
fn giant_lines_that_nobody_sees_are_not_laid_out() {
    let laid_out = |count| {
        let mut app = online(&["bob"], LARGE);
        for _ in 0..count {
            app.hear(says("bob", &"x".repeat(messenger_engine::MAX_TEXT_BYTES)), at(12, 0));
        }
        let before = transcript::LAID_OUT.get();
        screen(&app);
        transcript::LAID_OUT.get() - before
    };
    assert_eq!((laid_out(10), laid_out(500)), (1, 1));
}

#[test]
fn who_is_at_the_other_end_and_the_code_to_compare() {
    let mut app = online(&["bob", "carol"], (80, 24));
    app.hear(peer("bob", 1), at(10, 41));
    app.hear(peer("bob", 2), at(10, 42));
    write(&mut app, "/verify", at(10, 43));
    app.act(Action::Close, at(10, 43));
    write(&mut app, "/verified", at(10, 43));
    write(&mut app, "/verify", at(10, 44));
    compare("verify", &app);
}

#[test]
fn names_and_groups_and_when_they_were_seen_last() {
    let mut app = online(&["bob", "carol", "dave"], SMALL);
    for command in ["/name Auntie Carol", "/group Family"] {
        app.selected = Some(Entry::Person(who("carol")));
        write(&mut app, command, at(10, 41));
    }
    app.hear(presence("carol", true), at(10, 42));
    app.hear(presence("carol", false), at(10, 43));
    compare("names-and-groups", &app);
    let settings = PresenceSettings {
        visible_to: Audience::Named([who("bob"), who("carol")].into()),
        blocked: [who("mallory")].into(),
        ..PresenceSettings::default()
    };
    app.hear(Event::Appearance(settings), at(10, 44));
    write(&mut app, "/lists", at(10, 44));
    compare("lists", &app);
}

#[test]
fn a_program_is_called_a_bot_in_the_list() {
    let mut app = online(&["echo"], SMALL);
    let seen =
        Seen { status: Some(Status::Available), can: vec!["text".to_owned(), "bot".to_owned()], ..Seen::default() };
    app.hear(Event::Presence { who: who("echo"), online: true, seen }, at(10, 42));
    let (screen, _) = screen(&app);
    assert!(screen.contains("● echo@example.org      bot │"), "{screen}");
    app.hear(presence("echo", false), at(10, 43));
    assert!(!self::screen(&app).0.contains("bot"), "who is not there shows nothing");
}

#[test]
fn every_command_is_found_by_a_few_letters() {
    let mut app = conversation(SMALL);
    app.act(Action::AskCommand, at(10, 52));
    app.act(Action::NextChoice, at(10, 52));
    compare("palette", &app);
    app.act(Action::Insert("blk".to_owned()), at(10, 52));
    app.act(Action::NextChoice, at(10, 52));
    compare("palette-fuzzy", &app);
    assert_eq!(app.act(Action::Yes, at(10, 52)), []);
    assert!(matches!(&app.cover, Some(Cover::Ask { answer, .. }) if answer.text() == "/unblock "));
    app.act(Action::Insert("bob@example.org".to_owned()), at(10, 52));
    let unblock = Command::Unblock { who: "bob@example.org".to_owned() };
    assert_eq!(app.act(Action::Yes, at(10, 52)), [Effect::Engine(unblock)]);
    assert!(app.cover.is_none());
}

#[test]
fn what_is_found_is_marked() {
    let mut app = conversation(SMALL);
    app.act(Action::AskFind, at(10, 52));
    app.act(Action::Insert("TIME".to_owned()), at(10, 52));
    compare("find", &app);
    app.act(Action::Yes, at(10, 52));
    let (text, buffer) = screen(&app);
    let row = text.lines().position(|row| row.contains("What time?")).unwrap();
    let reversed = (0..buffer.area.width)
        .filter(|x| buffer[(*x, row as u16)].modifier.contains(Modifier::REVERSED))
        .map(|x| buffer[(x, row as u16)].symbol());
    assert_eq!(reversed.collect::<String>(), "time");
}

#[test]
fn a_locked_screen_shows_nothing_of_anybody() {
    let mut app = conversation(SMALL);
    app.hear(knock("mallory"), at(10, 52));
    app.lock();
    app.act(Action::Insert("öpen".to_owned()), at(10, 52));
    app.tried(Err("That is not it.".to_owned()));
    compare("locked", &app);
    for size in [SMALL, LARGE] {
        app.resize(size.0, size.1);
        let (text, _) = screen(&app);
        for private in ["bob", "alice", "mallory", "a hat", "öpen", "online"] {
            assert!(!text.contains(private), "{private}: {text}");
        }
    }
    app.tried(Ok(()));
    assert!(screen(&app).0.contains("Bring a hat."));
}

#[test]
fn a_passphrase_for_the_lock_is_dots() {
    let mut app = online(&["bob"], SMALL);
    write(&mut app, "/lock passphrase", at(10, 41));
    app.act(Action::Insert("open".to_owned()), at(10, 41));
    app.act(Action::Yes, at(10, 41));
    app.act(Action::Insert("ope".to_owned()), at(10, 41));
    compare("lock-passphrase", &app);
}

#[test]
fn hebrew_and_arabic_read_right_and_overrides_move_nothing() {
    let mut app = online(&["bob"], SMALL);
    app.hear(says("bob", "אמר hello לי (בשעה 10:42) ועוד הרבה מאוד מילים שלא נכנסות בשורה אחת"), at(10, 41));
    app.hear(says("bob", "مرحبا bob, \u{202e}gpj.exe\u{202c} is 日本語 👩\u{200d}🌾"), at(10, 41));
    if app.place() != Place::Writing {
        app.act(Action::SwitchPane, at(10, 42));
    }
    app.act(Action::Insert("שלום Bob".to_owned()), at(10, 42));
    compare("right-to-left", &app);
}

#[test]
fn a_long_answer_in_wide_characters_keeps_its_end_and_the_cursor_in_view() {
    let mut app = online(&["bob"], SMALL);
    app.act(Action::AskFind, at(10, 41));
    app.act(Action::Insert("日本語".repeat(15)), at(10, 41));
    compare("find-wide", &app);
    let mut terminal = Terminal::new(TestBackend::new(SMALL.0, SMALL.1)).unwrap();
    terminal.draw(|frame| super::draw(frame, &app, Theme::plain())).unwrap();
    let cursor = terminal.get_cursor_position().unwrap();
    let row = screen(&app).0.lines().nth(usize::from(cursor.y)).unwrap().to_owned();
    let before = &row[..row.rfind('語').unwrap() + '語'.len_utf8()];
    assert_eq!(usize::from(cursor.x), width(before), "{row}");
}
