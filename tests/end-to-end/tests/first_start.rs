//! From an empty folder to the first message, as somebody does it who has nothing but an invitation: on a screen and line
//! by line, in a real terminal, with a real home server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::terminal::Terminal;

const MAIL: Duration = Duration::from_secs(120);

/// Bob, enrolled and online, with alice among his contacts; and a home server. Nothing where there is no tmux.
fn bob() -> Option<(tempfile::TempDir, Homeserver, Person, Messenger)> {
    if !Terminal::possible() {
        story::skipped("the messenger did not run in a terminal: there is no tmux");
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let bob = Person::new(place.path(), "bob@example.org");
    bob.join(server.ready(), &server.outbox()).unwrap();
    let mut messenger = bob.messenger().unwrap();
    messenger.expect(&json!({ "event": "online" })).unwrap();
    messenger.tell(&json!({ "do": "add_contact", "who": "alice@example.org" })).unwrap();
    Some((place, server, bob, messenger))
}

fn messenger(place: &Path, name: &str, alice: &Person, arguments: &[&str]) -> Terminal {
    let folder = place.join(name);
    std::fs::create_dir(&folder).unwrap();
    let home = alice.home().display().to_string();
    Terminal::start(&folder, (80, 24), &[("INPERSON_HOME", &home)], ("messenger", arguments)).unwrap()
}

fn line(terminal: &Terminal, text: &str) {
    terminal.write(text).unwrap();
    terminal.press(&["Enter"]).unwrap();
}

/// The code in the newest mail to alice, of which there are more than `seen`.
fn code(server: &Homeserver, seen: usize) -> String {
    server.outbox().await_mail("alice@example.org", seen, MAIL).unwrap().code().unwrap()
}

#[test]
fn from_a_contact_card_to_the_first_message_on_a_screen() {
    let Some((place, server, bob, mut of_bob)) = bob() else { return };
    let card = bob.certtool_json(&["card"]).unwrap()["link"].as_str().unwrap().to_owned();
    let alice = Person::new(place.path(), "alice@example.org");
    // She has opened the link of a card: it is proposed, and another one can be given in its place.
    let first = messenger(place.path(), "first", &alice, &[&card]);
    first.await_text("You opened a card of bob@example.org").unwrap();
    first.press(&["C-u"]).unwrap();
    line(&first, "inperson:half-a-card");
    first.await_text("That is no contact card").unwrap();
    first.paste(&card).unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("bob@example.org is your first contact").unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("Your address · 2 of 5").unwrap();
    // Back, and on again: what is trusted stays so.
    first.press(&["Escape"]).unwrap();
    first.await_text("Whom you trust · 1 of 5").unwrap();
    first.await_text("You opened a card").unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("is your first contact").unwrap();
    first.press(&["Enter"]).unwrap();
    first.await_text("Your address · 2 of 5").unwrap();
    line(&first, "alice@example.org");
    first.await_text("The code in it").unwrap();
    line(&first, "nonsense");
    first.await_text("no try was spent").unwrap();
    // Broken off, it goes on where it was: with the same address, and the same code.
    first.press(&["C-q"]).unwrap();
    let (ended, said) = first.ended().unwrap();
    assert!(ended.is_none_or(|code| code == 1) && said.contains("goes on where you left"), "{said}");

    let second = messenger(place.path(), "second", &alice, &[]);
    second.await_text("> alice@example.org").unwrap();
    second.press(&["Enter"]).unwrap();
    second.await_text("it is still good").unwrap();
    second.await_text("The code in it").unwrap();
    line(&second, &code(&server, 0));
    second.await_text("A few words · 3 of 5").unwrap();
    line(&second, "Alice, Bern");
    second.await_text("Who sees you · 4 of 5").unwrap();
    line(&second, "1");
    let screen = second.await_text("Enter opens the messenger").unwrap();
    assert!(screen.contains("agrees with the home server's"), "{screen}");
    second.press(&["Enter"]).unwrap();
    second.await_text("● online").unwrap();
    second.await_text("Write to bob@example.org").unwrap();
    let seen = of_bob.expect(&json!({ "event": "presence", "who": "alice@example.org", "online": true })).unwrap();
    assert_eq!(seen["text"], "Alice, Bern");
    line(&second, "hello Bob");
    second.await_text("✓ delivered").unwrap();
    of_bob.expect(&json!({ "event": "message", "from": "alice@example.org", "text": "hello Bob" })).unwrap();
    second.press(&["C-q"]).unwrap();
    second.ended().unwrap();
    assert!(!alice.home().join("messenger/setup.toml").exists());
    // The next start asks nothing.
    let third = messenger(place.path(), "third", &alice, &[&card]);
    third.await_text("is among your contacts").unwrap();
    third.await_text("● online").unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn from_an_address_and_a_fingerprint_to_the_first_message_line_by_line() {
    let Some((place, server, _bob, mut of_bob)) = bob() else { return };
    let alice = Person::new(place.path(), "alice@example.org");
    let terminal = messenger(place.path(), "linear", &alice, &["--linear"]);
    terminal.await_text("Card or address:").unwrap();
    let policy = &server.ready().policy;
    line(&terminal, policy.strip_prefix("https://").unwrap().strip_suffix("/policy").unwrap());
    terminal.await_text("The fingerprint you were given:").unwrap();
    line(&terminal, &"0".repeat(64));
    terminal.await_text("Nothing is trusted").unwrap();
    line(&terminal, &server.ready().fingerprint);
    terminal.await_text("Enter goes on:").unwrap();
    line(&terminal, "");
    terminal.await_text("Your address:").unwrap();
    line(&terminal, "alice@example.org");
    terminal.await_text("The code in it").unwrap();
    // Another one is asked for by an empty line.
    let first = code(&server, 0);
    line(&terminal, "");
    let second = code(&server, 1);
    assert_ne!(first, second);
    terminal.await_screen("the question once more", |screen| screen.matches("The code in it").count() == 2).unwrap();
    line(&terminal, &second);
    terminal.await_text("Your words:").unwrap();
    line(&terminal, "/back");
    terminal.await_text("Your address [alice@example.org]:").unwrap();
    // The certificate is there already.
    line(&terminal, "");
    terminal.await_screen("the words again", |screen| screen.matches("Your words").count() == 2).unwrap();
    line(&terminal, "");
    terminal.await_text("1, 2 or 3:").unwrap();
    line(&terminal, "");
    terminal.await_text("Enter opens the messenger:").unwrap();
    line(&terminal, "");
    terminal.await_text("You are online at localhost").unwrap();
    line(&terminal, "/add bob@example.org");
    terminal.await_text("bob@example.org is online.").unwrap();
    line(&terminal, "hello");
    terminal.await_text("Delivered to bob@example.org: hello").unwrap();
    of_bob.expect(&json!({ "event": "message", "text": "hello" })).unwrap();
    terminal.press(&["C-d"]).unwrap();
    terminal.ended().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}
