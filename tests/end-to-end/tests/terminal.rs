//! The messenger in a real terminal, as a person sees it and types into it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::terminal::Terminal;

const SMALL: (u16, u16) = (80, 24);

/// Alice with a certificate, at a home server of her own; nothing where there is no tmux.
fn alice() -> Option<(tempfile::TempDir, Homeserver, Person)> {
    if !Terminal::possible() {
        story::skipped("the messenger did not run in a terminal: there is no tmux");
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    Some((place, server, alice))
}

/// Her messenger in a terminal of its own.
fn messenger(place: &Path, name: &str, alice: &Person, arguments: &[&str]) -> Terminal {
    let folder = place.join(name);
    std::fs::create_dir(&folder).unwrap();
    let home = alice.home().display().to_string();
    Terminal::start(&folder, SMALL, &[("INPERSON_HOME", &home)], ("messenger", arguments)).unwrap()
}

/// Bob, enrolled at the same server and online with alice among his contacts.
fn bob(place: &Path, server: &Homeserver) -> Messenger {
    let bob = Person::new(place, "bob@example.org");
    bob.join(server.ready(), &server.outbox()).unwrap();
    let mut messenger = bob.messenger().unwrap();
    messenger.expect(&json!({ "event": "online" })).unwrap();
    messenger.tell(&json!({ "do": "add_contact", "who": "alice@example.org" })).unwrap();
    messenger
}

fn drafts(alice: &Person) -> usize {
    std::fs::read_dir(alice.home().join("messenger/drafts")).map_or(0, Iterator::count)
}

#[test]
fn no_signal_and_no_closed_terminal_loses_a_draft() {
    let Some((place, server, alice)) = alice() else { return };
    let first = messenger(place.path(), "first", &alice, &[]);
    first.await_text("● online").unwrap();
    first.write("a").unwrap();
    first.await_text("Add a contact").unwrap();
    first.write("bob@example.org").unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("Write to bob@example.org").unwrap();
    first.write("never sent").unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("✗ not delivered").unwrap();
    first.press(&["C-u"]).unwrap();
    first.write("half a sen").unwrap();
    first.await_text("half a sen").unwrap();
    assert_eq!(drafts(&alice), 0, "nothing is on the disk while it runs");
    first.signal(Signal::TERM).unwrap();
    let (code, said) = first.ended().unwrap();
    assert!(code.is_none_or(|code| code == 0), "{said}");
    assert!(said.contains("2 texts, nowhere but here, sealed"), "{said}");
    assert_eq!(drafts(&alice), 1);

    let second = messenger(place.path(), "second", &alice, &[]);
    let screen = second.await_text("2 texts that were nowhere else are back").unwrap();
    assert!(screen.contains("half a sen") && screen.contains("never sent"), "{screen}");
    assert_eq!(drafts(&alice), 0, "given back, they are in memory alone");
    second.write("tence").unwrap();
    second.await_text("half a sentence").unwrap();
    // The window is closed: the terminal goes, and with it a SIGHUP.
    drop(second);
    let kept = || (drafts(&alice) == 1).then_some(());
    story::process::await_sight("the drafts of a closed window", std::time::Duration::from_secs(60), kept).unwrap();

    let third = messenger(place.path(), "third", &alice, &[]);
    third.await_text("half a sentence").unwrap();
    // Whoever leaves by herself is told, and then it is gone.
    third.press(&["C-q"]).unwrap();
    third.await_text("nowhere but here and would be lost").unwrap();
    third.press(&["C-q"]).unwrap();
    assert!(third.ended().unwrap().0.is_none_or(|code| code == 0));
    assert_eq!(drafts(&alice), 0);
    let fourth = messenger(place.path(), "fourth", &alice, &[]);
    let screen = fourth.await_still(&["● online"]).unwrap();
    assert!(!screen.contains("half a sentence"), "{screen}");
    server.stop().unwrap();
}

#[test]
fn line_by_line_everything_is_a_sentence_and_no_screen_is_taken_over() {
    let Some((place, server, alice)) = alice() else { return };
    let mut of_bob = bob(place.path(), &server);

    let terminal = messenger(place.path(), "linear", &alice, &["--linear"]);
    let line = |text: &str| {
        terminal.write(text).unwrap();
        terminal.press(&["Enter"]).unwrap();
    };
    terminal.await_text("You are online at localhost, as alice@example.org.").unwrap();
    line("/add bob@example.org");
    terminal.await_text("bob@example.org is online.").unwrap();
    line("hello");
    terminal.await_text("Delivered to bob@example.org: hello").unwrap();
    of_bob.expect(&json!({ "event": "message", "text": "hello" })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": "alice@example.org", "text": "hi\u{1b}[2J there", "id": 1 })).unwrap();
    let screen = terminal.await_text(": hi␛[2J there").unwrap();
    assert!(screen.contains("Delivered to bob@example.org: hello"), "nothing was wiped away: {screen}");
    assert_eq!(screen.lines().filter(|line| line.matches("> ").count() > 1).count(), 0, "one prompt a line: {screen}");
    assert_eq!(terminal.ask("#{alternate_on}").unwrap(), "0");
    terminal.press(&["C-d"]).unwrap();
    assert!(terminal.ended().unwrap().0.is_none_or(|code| code == 0));
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn a_locked_screen_opens_by_its_passphrase_alone_and_keeps_drafts() {
    let Some((place, server, alice)) = alice() else { return };
    let terminal = messenger(place.path(), "lock", &alice, &[]);
    let line = |text: &str| {
        terminal.write(text).unwrap();
        terminal.press(&["Enter"]).unwrap();
    };
    terminal.await_text("● online").unwrap();
    terminal.press(&["C-l"]).unwrap();
    terminal.await_text("Nothing would open it again").unwrap();
    terminal.write("/").unwrap();
    terminal.await_text("Commands").unwrap();
    line("lock passphrase");
    terminal.await_text("What is to open the locked screen?").unwrap();
    line("open sesame");
    terminal.await_text("The same once more").unwrap();
    line("open sesame");
    terminal.await_text("this passphrase opens it").unwrap();
    terminal.write("a").unwrap();
    terminal.await_text("Add a contact").unwrap();
    line("bob@example.org");
    terminal.await_text("Write to bob@example.org").unwrap();
    terminal.write("half a sen").unwrap();
    terminal.press(&["C-l"]).unwrap();
    let locked = terminal.await_still(&["Locked"]).unwrap();
    assert!(!locked.contains("bob") && !locked.contains("half"), "{locked}");
    terminal.press(&["C-q", "C-c", "Escape", "F1"]).unwrap();
    line("wrong");
    let locked = terminal.await_still(&["That is not it."]).unwrap();
    assert!(!locked.contains("bob") && !locked.contains("wrong"), "{locked}");
    line("open sesame");
    terminal.await_text("half a sen").unwrap();
    terminal.press(&["C-l"]).unwrap();
    terminal.await_text("Locked").unwrap();
    terminal.signal(Signal::HUP).unwrap();
    terminal.ended().unwrap();
    assert_eq!(drafts(&alice), 1);
    server.stop().unwrap();
}

#[test]
fn what_others_send_moves_nothing_and_pastes_stay_whole() {
    let Some((place, server, alice)) = alice() else { return };
    let mut of_bob = bob(place.path(), &server);

    let terminal = messenger(place.path(), "hostile", &alice, &[]);
    terminal.await_text("● online").unwrap();
    terminal.write("a").unwrap();
    terminal.await_text("Add a contact").unwrap();
    terminal.write("bob@example.org").unwrap();
    terminal.press(&["Enter"]).unwrap();
    terminal.await_text("bob@example.org ● online").unwrap();
    of_bob.expect(&json!({ "event": "presence", "who": "alice@example.org", "online": true })).unwrap();
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}live שלום (10:42)";
    of_bob.tell(&json!({ "do": "send", "to": "alice@example.org", "text": text, "id": 1 })).unwrap();
    let screen = terminal.await_text("␛]0;owned␇␛[2J\u{fffd}live (10:42) םולש").unwrap();
    assert!(screen.contains("╭ People"), "{screen}");
    assert!(!terminal.ask("#{pane_title}").unwrap().contains("owned"));

    terminal.paste("one\n/quit\ttwo").unwrap();
    terminal.await_text("/quit    two").unwrap();
    terminal.press(&["Enter"]).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": "one\n/quit    two" })).unwrap();
    let long = "x".repeat(20_000);
    terminal.paste(&long).unwrap();
    terminal.await_screen("a long paste", |screen| screen.matches('x').count() > 200).unwrap();
    terminal.paste(&long).unwrap();
    terminal.await_text("A message has at most 32768 bytes").unwrap();
    terminal.press(&["Enter"]).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": long })).unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn the_mouse_chooses_if_it_is_wanted_and_is_the_terminals_if_not() {
    let Some((place, server, alice)) = alice() else { return };
    let mut of_alice = alice.messenger().unwrap();
    for who in ["bob@example.org", "carol@example.org"] {
        of_alice.tell(&json!({ "do": "add_contact", "who": who })).unwrap();
    }
    of_alice.quit().unwrap();
    let terminal = messenger(place.path(), "mouse", &alice, &["--mouse"]);
    terminal.await_text("Write to bob@example.org").unwrap();
    assert_eq!(terminal.ask("#{mouse_any_flag}").unwrap(), "1");
    // As a terminal tells of a click in column 6, row 4 (SGR 1006, both counted from 1).
    terminal.write("\u{1b}[<0;6;4M\u{1b}[<0;6;4m").unwrap();
    terminal.await_text("Write to carol@example.org").unwrap();
    terminal.press(&["C-q"]).unwrap();
    terminal.ended().unwrap();
    assert_eq!(terminal.ask("#{mouse_any_flag}").unwrap(), "0", "it was given back");
    let terminal = messenger(place.path(), "none", &alice, &[]);
    terminal.await_text("Write to bob@example.org").unwrap();
    assert_eq!(terminal.ask("#{mouse_any_flag}").unwrap(), "0");
    server.stop().unwrap();
}
