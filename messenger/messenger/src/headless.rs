//! `messenger headless`: commands as JSON lines on standard input, events as JSON lines on standard output
//! (docs/headless.md). A line that cannot be understood is answered with an `error` event; nothing a line holds ends
//! the program but `quit`.

use std::path::Path;
use std::time::Duration;

use identity::card::ContactCard;
use identity::trust::Trust;
use messenger_engine::{Command, Engine, Event, Events};
use tokio::io::AsyncWriteExt;

use crate::acquaintance::{self, Kept};
use crate::app::slash::{self, Newcomer};
use crate::appearance;
use crate::contacts::{ContactBook, ContactsError};
use crate::failure::Failure;
use crate::keeping::{self, Keeper, now_ms};
use crate::lines::{self, Line, MAX_LINE_BYTES};
use crate::own_devices::{Step, Wish};
use crate::picture;
use crate::run::ended_by_signal;
use crate::start::Prepared;
use crate::text;

/// How long leaving may take: rooms are left, connections closed.
const LEAVING: Duration = Duration::from_secs(5);

/// Runs until `quit`, the end of standard input, or a signal.
pub(crate) async fn run(prepared: Result<Prepared, Failure>, ephemeral: bool) -> Result<(), Failure> {
    let started = prepared.and_then(|prepared| prepared.start(false).map(|started| (prepared, started)));
    let (prepared, (engine, mut events)) = match started {
        Ok(started) => started,
        Err(failure) => {
            let event = Event::Error {
                about: "start".to_owned(),
                message: failure.happened.clone(),
                remedy: failure.remedy.clone(),
            };
            let _ = print(&event).await;
            return Err(failure);
        }
    };
    let (mut keeper, unopened) = match ephemeral {
        true => (Keeper::none(&prepared.home), None),
        false => Keeper::open(&prepared.home, prepared.history_passphrase.as_ref(), now_ms()),
    };
    if let Some(error) = unopened {
        let message = format!("no history is kept in this run: {error}");
        let event = Event::Error { about: "history".to_owned(), message, remedy: error.remedy().to_owned() };
        let _ = print(&event).await;
    }
    let mut looking = keeping::looking();
    for command in keeper.to_tell() {
        engine.send(command).await;
    }
    let (mut desk, unread) = prepared.desk(ephemeral);
    if let Some(problem) = unread {
        let _ = print(&problem).await;
    }
    let (home, trust, finder) = (prepared.book.home().clone(), prepared.trust.clone(), prepared.finder.clone());
    let learn = |card: &ContactCard| finder.learn(card);
    let kept = if ephemeral { Kept::InMemory } else { Kept::InFolder };
    let book = (!ephemeral).then_some(prepared.book);
    let mut read = lines::typed();
    let mut signal = std::pin::pin!(ended_by_signal());
    loop {
        tokio::select! {
            line = read.recv() => match line.map(|line| about_devices(&line).unwrap_or_else(|| understand(&line).map(|command| command.map(Asked::Engine)))) {
                None | Some(Ok(Some(Asked::Engine(Command::Quit)))) => break,
                Some(Ok(None)) => {}
                Some(Ok(Some(Asked::Devices(wish)))) => if carry_out(&engine, desk.wish(wish)).await.is_err() { break },
                Some(Ok(Some(Asked::Engine(mut command)))) => {
                    if let Some(problem) = of_card(&home, (&trust, &learn), kept, &mut command) && print(&problem).await.is_err() { break }
                    let problem = book.as_ref().and_then(|book| remember(book, &command));
                    let unkept = keeper.hear_command(&mut command, now_ms());
                    engine.send(command).await;
                    if say(problem.into_iter().chain(unkept)).await.is_err() { break }
                }
                Some(Err(problem)) => if print(&problem).await.is_err() { break },
            },
            event = events.recv() => match event {
                // Whoever read the events is gone: that is an end like any other. (A full disk is none: `lose`.)
                Some(event) => {
                    let kept = |book: &ContactBook| {
                        acquaintance::keep(book.home(), &event).or_else(|| appearance::keep_as_told(book.home(), &event))
                    };
                    let problem = book.as_ref().and_then(kept);
                    let unkept = keeper.hear_event(&event, now_ms());
                    let said = keeper.hear_who_comes(&event);
                    if !desk.hides(&event) && print(&event).await.is_err() {
                        events.not_taken();
                        break;
                    }
                    // The line is written: whoever sent a text may be told so, even if this ends now.
                    events.taken();
                    let unsaid = say_kept(&engine, &mut keeper, said.into_iter().collect()).await;
                    if say(problem.into_iter().chain(unkept).chain(unsaid)).await.is_err() { break }
                    if carry_out(&engine, desk.hear(&event)).await.is_err() { break }
                }
                None => return Err(Failure::new("the engine ended by itself", "start again; RUST_LOG=debug says more")),
            },
            () = &mut signal => break,
            _ = looking.tick(), if keeper.is_open() => {
                let (changed, problem) = keeper.take_up();
                let changed = changed.into_iter().flatten();
                let said = changed.filter_map(|(conversation, keeps)| keeper.to_say(&conversation, keeps)).collect();
                let unkept = say_kept(&engine, &mut keeper, said).await;
                if say(problem.into_iter().chain(unkept)).await.is_err() { break }
            }
        }
    }
    leave(&engine, &mut events).await;
    Ok(())
}

/// Says to others that a history is kept; what could not be kept of that, as events.
async fn say_kept(engine: &Engine, keeper: &mut Keeper, said: Vec<Command>) -> Vec<Event> {
    let mut unkept = Vec::new();
    for mut command in said {
        unkept.extend(keeper.hear_command(&mut command, now_ms()));
        engine.send(command).await;
    }
    unkept
}

/// Prints problems.
async fn say(problems: impl Iterator<Item = Event>) -> std::io::Result<()> {
    for problem in problems {
        print(&problem).await?;
    }
    Ok(())
}

/// What a line asks for: something of the engine, or something about one's own other devices.
enum Asked {
    Engine(Command),
    Devices(Wish),
}

/// The line, if it is about one's own devices.
fn about_devices(line: &Line) -> Option<Result<Option<Asked>, Box<Event>>> {
    let read = Wish::read(std::str::from_utf8(line.as_ref().ok()?).ok()?)?;
    Some(read.map(|wish| Some(Asked::Devices(wish))).map_err(no_command))
}

/// Does what is to be done about one's own devices.
async fn carry_out(engine: &Engine, steps: Vec<Step>) -> std::io::Result<()> {
    for step in steps {
        match step {
            Step::Engine(command) => {
                engine.send(command).await;
            }
            Step::Tell(note) => print(&note).await?,
            Step::Wrong(event) => print(&event).await?,
        }
    }
    Ok(())
}

/// Leaves rooms and closes connections; what the engine says meanwhile is still printed.
async fn leave(engine: &Engine, events: &mut Events) {
    engine.send(Command::Quit).await;
    let rest = async {
        while let Some(event) = events.recv().await {
            if print(&event).await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LEAVING, rest).await;
}

/// The command in a line; nothing for an empty one; what is wrong with it as an `error` event.
fn understand(line: &Line) -> Result<Option<Command>, Box<Event>> {
    let problem = |message: String, remedy: &str| {
        Err(Box::new(Event::Error { about: "input".to_owned(), message, remedy: remedy.to_owned() }))
    };
    let bytes = match line {
        Ok(bytes) => bytes,
        Err(found) => {
            return problem(
                format!("expected a line of at most {MAX_LINE_BYTES} bytes, found {found}"),
                "send long texts in parts",
            );
        }
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return problem("expected UTF-8, found other bytes".to_owned(), "write JSON in UTF-8, one object per line");
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut command = serde_json::from_str(text).map_err(no_command)?;
    if let Command::AddContact { who } = &mut command {
        match slash::newcomer(who) {
            Ok(Newcomer::Pictured(path)) => match picture::link(Path::new(&path)).and_then(slash::on_card) {
                Ok(Newcomer::OnCard(card)) => *who = card.to_string(),
                Ok(_) => {}
                Err(message) => return problem(message, "give a picture of a contact card's code, in PNG or JPEG"),
            },
            // A link that is no card may be an invitation, and so a secret: it goes no further, where it would be quoted.
            Err(message) if slash::is_link(who) => {
                return problem(message, "give the link of a contact card, whole");
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Some(command))
}

fn no_command(error: serde_json::Error) -> Box<Event> {
    Box::new(Event::Error {
        about: "input".to_owned(),
        message: format!("expected a command, found what is none: {error}"),
        remedy: "one JSON object per line, such as {\"do\":\"send\",\"to\":\"bob@example.org\",\"text\":\"hi\"}"
            .to_owned(),
    })
}

/// A contact may be added by her card: then she is known by its authority, and the engine is told her address. What could
/// not be taken from the card comes back as an `error` event; she is a contact in any case.
fn of_card(
    home: &device::Home,
    (trust, learn): (&Trust, &impl Fn(&ContactCard)),
    kept: Kept,
    command: &mut Command,
) -> Option<Event> {
    let Command::AddContact { who } = command else { return None };
    let Ok(Newcomer::OnCard(card)) = slash::newcomer(who) else { return None };
    *who = card.identifier.to_string();
    let taken = acquaintance::take(home, trust, &card, kept);
    if taken.is_ok() {
        learn(&card);
    }
    let (message, remedy) = taken.err()?;
    Some(Event::Error { about: card.identifier.to_string(), message, remedy })
}

/// Keeps or removes a contact in the folder. The engine judges addresses; what it will refuse is not kept.
fn remember(book: &ContactBook, command: &Command) -> Option<Event> {
    let change: fn(&ContactBook, &identity::Identifier) -> Result<(), ContactsError> = match command {
        Command::AddContact { .. } => ContactBook::add,
        Command::RemoveContact { .. } => ContactBook::remove,
        _ => return None,
    };
    let (Command::AddContact { who } | Command::RemoveContact { who }) = command else { return None };
    let who = slash::identifier(who).ok()?;
    change(book, &who).err().map(|error| Event::Error {
        about: command.name().to_owned(),
        message: format!("not kept in the contact list: {error}"),
        remedy: "mend the file, or start with --ephemeral".to_owned(),
    })
}

/// Prints an event as one line, at once.
async fn print(event: &impl serde::Serialize) -> std::io::Result<()> {
    let mut line = encode(event);
    line.push('\n');
    let mut stdout = tokio::io::stdout();
    let printing = async {
        stdout.write_all(line.as_bytes()).await?;
        stdout.flush().await
    };
    printing.await.inspect_err(command_line::lose)
}

/// The event as JSON that is harmless on a terminal too: what could reorder or hide text, or control the terminal, is
/// escaped. (serde_json escapes only what RFC 8259 section 7 demands.)
fn encode(event: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(event).expect("events hold nothing that has no JSON form");
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if text::is_harmless(c) {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        match understand(&Ok(line.as_bytes().to_vec())) {
            Err(event) => encode(&event),
            Ok(command) => panic!("{line}: {command:?}"),
        }
    }

    #[test]
    fn understands_every_command() {
        for (line, name) in [
            (r#"{"do":"add_contact","who":"bob@example.org"}"#, "add_contact"),
            (r#"{"do":"send","to":"bob@example.org","text":"hi","id":7}"#, "send"),
            (r#" {"text":"hi","to":"bob@example.org","do":"send"} "#, "send"),
            (r#"{"do":"send","to":"bob@example.org","text":"hi","reply_to":{"by":"them","id":7}}"#, "send"),
            (r#"{"do":"react","to":"bob@example.org","on":{"by":"me","id":7},"emoji":"👍"}"#, "react"),
            (r#"{"do":"edit","to":"bob@example.org","of":7,"text":"hi"}"#, "edit"),
            (r#"{"do":"delete","to":"bob@example.org","of":7}"#, "delete"),
            (r#"{"do":"nudge","to":"bob@example.org"}"#, "nudge"),
            (r#"{"do":"typing","to":"bob@example.org","typing":true}"#, "typing"),
            (r#"{"do":"read","who":"bob@example.org","ids":[7]}"#, "read"),
            (r#"{"do":"set_signals","typing":false,"read_receipts":true}"#, "set_signals"),
            (r#"{"do":"accept","call":"00112233445566778899aabbccddeeff"}"#, "accept"),
            (r#"{"do":"room_create","name":"picnic"}"#, "room_create"),
            (r#"{"do":"set_status","status":"do_not_disturb","text":"in a meeting"}"#, "set_status"),
            (r#"{"do":"set_idle","seconds":300}"#, "set_idle"),
            (r#"{"do":"set_audience","visible_to":"nobody","may_knock":["bob@example.org"]}"#, "set_audience"),
            (r#"{"do":"block","who":"mallory@example.org"}"#, "block"),
            (r#"{"do":"unblock","who":"mallory@example.org"}"#, "unblock"),
            (r#"{"do":"go_offline"}"#, "go_offline"),
            (r#"{"do":"quit"}"#, "quit"),
        ] {
            let command = understand(&Ok(line.as_bytes().to_vec())).unwrap().unwrap();
            assert_eq!(command.name(), name);
        }
        assert!(understand(&Ok(b"  ".to_vec())).unwrap().is_none());
    }

    #[test]
    fn a_card_is_taken_and_the_folder_left_alone_if_it_shall_be() {
        use identity::testing::{Authority, NOON};
        let folder = tempfile::tempdir().unwrap();
        let home = device::Home::at(folder.path()).unwrap();
        let policy = Authority::new(1, NOON).policy();
        home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        let trust = home.trust_at(NOON).unwrap();
        let card = ContactCard {
            identifier: identity::Identifier::parse("bob@example.org").unwrap(),
            genesis: policy.fingerprint(),
            policy: None,
            directory: identity::trust::DirectoryEntry { name: "localhost".into(), address: "127.0.0.1:1".into() },
            keys: Vec::new(),
        };
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let learnt = std::cell::Cell::new(0);
        let learn = |learning: &ContactCard| learnt.set(learnt.get() + usize::from(*learning == card));
        let mut command = Command::AddContact { who: card.to_string() };
        assert_eq!(of_card(&home, (&trust, &learn), Kept::InMemory, &mut command), None);
        assert_eq!(command, Command::AddContact { who: "bob@example.org".to_owned() });
        assert!(trust.bindings().get(&card.identifier).is_some(), "known while the program runs");
        assert_eq!(names(), before);
        assert_eq!(
            of_card(&home, (&trust, &learn), Kept::InFolder, &mut Command::AddContact { who: card.to_string() }),
            None
        );
        assert!(home.bindings().unwrap().get(&card.identifier).is_some());
        assert_eq!(learnt.get(), 2, "she is looked for where the card says");
    }

    #[test]
    fn a_contact_is_added_by_a_picture_of_her_card() {
        let add = |path: &str| understand(&Ok(format!(r#"{{"do":"add_contact","who":"{path}"}}"#).into_bytes()));
        let Ok(Some(Command::AddContact { who })) = add(picture::tests::BOB) else { panic!("added") };
        assert!(who.starts_with("inperson:bob@example.org?genesis=5f1c"), "{who}");
        let refused = serde_json::to_string(&add("/nowhere/bob.png").unwrap_err()).unwrap();
        assert!(refused.contains("/nowhere/bob.png: No such file") && refused.contains("PNG or JPEG"), "{refused}");
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        assert!(wrong("hello").contains("expected a command"));
        assert!(wrong("{}").contains("do"));
        assert!(wrong(r#"{"do":"dance"}"#).contains("dance"));
        assert!(wrong(r#"{"do":"send","to":"bob@example.org"}"#).contains("text"));
        assert!(wrong(r#"{"do":"send","to":"b@e.org","text":"x","colour":"red"}"#).contains("colour"));
        assert!(wrong(r#"{"do":"accept","call":"xyz"}"#).contains("32"));
        assert!(wrong(r#"{"do":"set_audience","visible_to":"all"}"#).contains("everyone"));
        assert!(wrong(r#"{"do":"set_status","status":"asleep"}"#).contains("invisible"));
        assert!(wrong("[1]").contains("expected a command"));
        assert!(understand(&Ok(vec![0xff])).is_err());
        let key = "07".repeat(32);
        let invitation = format!(
            "inperson:alice@example.org?genesis={key}&directory=localhost:1&key={key}&invite={}",
            "0f".repeat(16)
        );
        let refused =
            understand(&Ok(format!(r#"{{"do":"add_contact","who":"{invitation}"}}"#).into_bytes())).unwrap_err();
        let refused = serde_json::to_string(&refused).unwrap();
        assert!(refused.contains("invitation for a new device") && !refused.contains("0f0f"), "{refused}");
        assert!(understand(&Err(MAX_LINE_BYTES + 1)).is_err());
    }

    #[test]
    fn events_are_harmless_on_a_terminal_and_read_back() {
        let text = "a\x1b[2J\u{9b}31m\u{202e}b\u{e0041}👍";
        let event = Event::Error { about: "x".to_owned(), message: text.to_owned(), remedy: String::new() };
        let line = encode(&event);
        assert!(line.chars().all(text::is_harmless), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
