//! Pictures of the messenger's screens (`docs/screens`), made from a real terminal. `UPDATE_PICTURES=1` makes them anew: look
//! at them before they are committed. Without it they are made all the same, and thrown away.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use serde_json::json;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::picture::{Ground, svg};
use story::terminal::Terminal;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/screens")
}

/// Whether any cell has a colour that is not the terminal's own for letters or ground.
fn has_colours(screen: &str) -> bool {
    let sequences = screen.split("\u{1b}[").skip(1).filter_map(|part| part.split_once('m'));
    let mut numbers = sequences.flat_map(|(numbers, _)| numbers.split(';')).filter_map(|number| number.parse().ok());
    numbers.any(|number: u8| matches!(number, 30..=38 | 40..=48 | 90..=107))
}

/// Keeps a picture of what stands on the terminal, which must have these words in it.
fn picture(terminal: &Terminal, name: &str, size: (u16, u16), ground: Ground, words: &[&str]) {
    terminal.await_still(words).unwrap();
    let screen = terminal.coloured().unwrap();
    let drawn = svg(&screen, size, ground);
    assert_eq!(has_colours(&screen), !name.contains("no-colour"), "{name}: {screen:?}");
    let path = folder().join(format!("{name}.svg"));
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, &drawn).unwrap();
    }
    assert!(path.is_file(), "{} is missing: UPDATE_PICTURES=1 makes it", path.display());
}

fn messenger(place: &Path, name: &str, size: (u16, u16), home: &Path, arguments: &[&str], colour: bool) -> Terminal {
    let folder = place.join(name);
    std::fs::create_dir(&folder).unwrap();
    let home = home.display().to_string();
    // Of whoever runs this nothing is to be seen, and nothing put into her folders.
    let own = folder.display().to_string();
    let own = [("HOME", own.as_str()), ("XDG_CONFIG_HOME", own.as_str())];
    let mut variables = vec![("INPERSON_HOME", home.as_str()), ("TZ", "UTC"), own[0], own[1]];
    if !colour {
        variables.push(("NO_COLOR", "1"));
    }
    Terminal::start(&folder, size, &variables, ("messenger", arguments)).unwrap()
}

/// Something is said between alice, whose terminal this is, and bob.
fn converse(terminal: &Terminal, of_bob: &mut Messenger) {
    terminal.await_text("bob@example.org ● online").unwrap();
    let say = |text: &str| {
        terminal.paste(text).unwrap();
        terminal.press(&["Enter"]).unwrap();
    };
    say("Are you coming on Saturday?");
    terminal.await_text("✓ delivered").unwrap();
    of_bob.expect(&json!({ "event": "message", "text": "Are you coming on Saturday?" })).unwrap();
    let text = "**Yes**, at noon 🎉\n> bring something\n- bread\n- `ssh garden` for the _music_";
    of_bob.tell(&json!({ "do": "send", "to": "alice@example.org", "text": text })).unwrap();
    terminal.await_text("- bread").unwrap();
    say("日本語 and שלום (both) stand right");
    terminal.await_screen("a second text", |screen| screen.matches("✓ delivered").count() == 2).unwrap();
    terminal.write("I'll bring half a sen").unwrap();
    terminal.await_text("half a sen").unwrap();
}

/// Bob offers three files: one is taken, one put off on its way, and one waits for an answer.
fn give(terminal: &Terminal, of_bob: &mut Messenger, place: &Path) {
    terminal.await_text("bob@example.org ● online").unwrap();
    let mut offer = |name: &str, bytes: u64| {
        let path = place.join(name);
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        of_bob.tell(&json!({ "do": "file_offer", "to": "alice@example.org", "path": path })).unwrap();
        terminal.await_text(name).unwrap();
    };
    offer("picnic.jpg", 2_400_000);
    terminal.press(&["F6"]).unwrap();
    terminal.await_text("✓ is in ~/Downloads/picnic.jpg").unwrap();
    offer("holiday in the mountains.mkv", 400_000_000);
    terminal.press(&["F6"]).unwrap();
    terminal.await_text(" of 400 MB").unwrap();
    terminal.press(&["F8"]).unwrap();
    terminal.await_text("‖ put off by you").unwrap();
    offer("the long table.jpg", 3_100_000);
    terminal.await_text("F6 takes it into ~/Downloads").unwrap();
}

#[test]
fn the_screens_have_pictures() {
    if !Terminal::possible() {
        return story::skipped("no pictures of the messenger's screens were made: there is no tmux");
    }
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let server = Homeserver::start(&place.join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place, address));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    let mut of_alice = alice.messenger().unwrap();
    for who in ["bob@example.org", "carol@example.org", "dave@example.org"] {
        of_alice.tell(&json!({ "do": "add_contact", "who": who })).unwrap();
    }
    of_alice.quit().unwrap();
    let mut of_bob = bob.messenger().unwrap();
    of_bob.tell(&json!({ "do": "add_contact", "who": "alice@example.org" })).unwrap();
    of_bob.tell(&json!({ "do": "set_status", "status": "available", "text": "in the garden" })).unwrap();

    for (name, size, theme, ground, colour) in [
        ("conversation-dark-80x24", SMALL, "dark", Ground::Dark, true),
        ("conversation-light-80x24", SMALL, "light", Ground::Light, true),
        ("conversation-16-colours-80x24", SMALL, "terminal", Ground::Dark, true),
        ("conversation-16-colours-light-80x24", SMALL, "terminal", Ground::Light, true),
        ("conversation-no-colour-80x24", SMALL, "auto", Ground::Dark, false),
        ("conversation-dark-200x60", LARGE, "dark", Ground::Dark, true),
        ("conversation-light-200x60", LARGE, "light", Ground::Light, true),
    ] {
        let terminal = messenger(place, name, size, alice.home(), &["--theme", theme], colour);
        converse(&terminal, &mut of_bob);
        picture(&terminal, name, size, ground, &["✓ delivered", "half a sen", "● online"]);
        if size == LARGE || theme == "dark" {
            terminal.press(&["F1"]).unwrap();
            // A large screen names Ctrl-P without the help, too; its last row is drawn last.
            picture(&terminal, &name.replace("conversation", "help"), size, ground, &["╭ Help ", "Esc close"]);
            terminal.press(&["Escape"]).unwrap();
            // With the next key right behind it, it would be one of Alt's.
            terminal.await_screen("no help", |screen| !screen.contains("╭ Help ")).unwrap();
        }
        terminal.press(&["C-q"]).unwrap();
        terminal.await_text("would be lost").unwrap();
        terminal.press(&["C-q"]).unwrap();
        terminal.ended().unwrap();
    }

    let files = messenger(place, "files", SMALL, alice.home(), &["--theme", "dark"], true);
    give(&files, &mut of_bob, place);
    picture(&files, "files-dark-80x24", SMALL, Ground::Dark, &["put off by you", "take file", "✓ is in"]);
    drop(files);

    let lines = messenger(place, "linear-no-colour", SMALL, alice.home(), &["--linear"], false);
    lines.await_text("bob@example.org is online").unwrap();
    for (line, then) in
        [("Are you coming?", "Delivered to bob@example.org: Are you coming?"), ("/who", "carol@example.org:")]
    {
        lines.write(line).unwrap();
        lines.press(&["Enter"]).unwrap();
        lines.await_text(then).unwrap();
    }
    picture(&lines, "linear-no-colour-80x24", SMALL, Ground::Dark, &["Delivered to"]);
    drop(lines);

    let first = messenger(place, "first", SMALL, &place.join("nobody"), &["--theme", "dark"], true);
    first.await_text("Card or address").unwrap();
    picture(&first, "first-start-dark-80x24", SMALL, Ground::Dark, &["Whom you trust"]);
    of_bob.quit().unwrap();
    server.stop().unwrap();
}
