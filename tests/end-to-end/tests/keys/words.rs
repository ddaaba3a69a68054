//! The words of a backup at a real terminal: what stands on the screen of whoever shows and types them.

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::terminal::Terminal;

use crate::mailbox;

/// As many columns as a page of words has, so that what is typed takes several rows.
const SIZE: (u16, u16) = (60, 30);

/// The word after a number on the page.
fn word(page: &str, number: &str) -> Option<String> {
    let mut tokens = page.split_whitespace().skip_while(|token| *token != number);
    tokens.nth(1).map(str::to_owned)
}

/// Whether any of the words stand there as they do on the page, or as they are typed. Alone many of them stand in any text.
fn are_shown(screen: &str, words: &[String]) -> bool {
    let tokens: Vec<_> = screen.split_whitespace().collect();
    let mut pairs = tokens.windows(2).map(|pair| (pair[0].trim_end_matches(':'), pair[1]));
    let places = words.iter().zip(1..).map(|(word, number)| (number.to_string(), word.clone()));
    let row = words.windows(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    let of_words: Vec<_> = places.chain(row).collect();
    pairs.any(|(one, other)| of_words.iter().any(|(first, second)| one == first && other == second))
}

#[test]
fn words_go_from_the_screen_once_they_are_typed() {
    if !Terminal::possible() {
        story::skipped("tmux is missing (on Debian: apt-get install tmux)");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    alice.enroll_with(&["--for", "mail"], &server.outbox()).unwrap();
    let before = std::fs::read(mailbox(&alice)).unwrap();
    let backup = place.path().join("keys.p12").display().to_string();
    let home = alice.home().display().to_string();
    let at = |name: &str, arguments: &[&str]| {
        let folder = place.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let variables = [("INPERSON_HOME", home.as_str()), ("INPERSON_CONFIG", "/nonexistent/certtool.toml")];
        Terminal::start(&folder, SIZE, &variables, ("certtool", arguments)).unwrap()
    };

    let terminal = at("a", &["key", "backup", "--out", &backup]);
    let page = terminal.await_text("Press Enter").unwrap();
    let words: Vec<_> = (1..=24).map(|number| word(&page, &number.to_string()).unwrap()).collect();
    terminal.press(&["Enter"]).unwrap();
    let mut asked: Vec<usize> = Vec::new();
    while asked.len() < 3 {
        let number = |screen: &str| screen.rsplit("Word ").next()?.split(':').next()?.parse::<usize>().ok();
        let is_next = |screen: &str| number(screen).is_some_and(|number| !asked.contains(&number));
        let screen = terminal.await_screen("the next question", is_next).unwrap();
        assert!(!are_shown(&screen, &words), "{screen}");
        let number = number(&screen).unwrap();
        terminal.write(&words[number - 1]).unwrap();
        terminal.press(&["Enter"]).unwrap();
        asked.push(number);
    }
    let (code, screen) = terminal.ended().unwrap();
    assert!(code.is_none_or(|code| code == 0) && screen.contains("Backed up: 1 key"), "{screen}");
    assert!(!are_shown(&screen, &words), "{screen}");

    // Typed back on a computer that has nothing, in two lines of which each takes more than one row.
    std::fs::remove_dir_all(alice.home()).unwrap();
    let terminal = at("b", &["key", "restore", &backup]);
    for (half, from) in words.chunks(12).zip(["From word 1: ", "From word 13: "]) {
        let screen = terminal.await_screen(from, |screen| screen.trim_end().ends_with(from.trim_end())).unwrap();
        assert!(!are_shown(&screen, &words) && screen.contains("Type the 24 words"), "{screen}");
        terminal.write(&half.join(" ")).unwrap();
        // Whoever types them sees them.
        let last = half.last().unwrap();
        terminal.await_screen(last, |screen| screen.replace('\n', "").contains(last)).unwrap();
        terminal.press(&["Enter"]).unwrap();
    }
    let (code, screen) = terminal.ended().unwrap();
    assert!(code.is_none_or(|code| code == 0) && screen.contains("used again"), "{screen}");
    assert!(!are_shown(&screen, &words) && screen.contains("Type the 24 words"), "{screen}");
    assert_eq!(std::fs::read(mailbox(&alice)).unwrap(), before);
    let listed: Value = alice.certtool_json(&["key", "list"]).unwrap();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2, "{listed}");
    server.stop().unwrap();
}
