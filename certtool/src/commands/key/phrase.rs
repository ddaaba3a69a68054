//! A recovery phrase at the terminal: shown once and asked back, or typed by who has it on paper. It is shown nowhere else.

use std::io;

use key_store::phrase::{RecoveryPhrase, WORDS, alike, typed_words, word};
use key_store::{PassphraseSource, Terminal};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// So many words are asked back.
const ASKED: usize = 3;
/// How often each may be typed.
const TRIES: usize = 3;
/// Words in a line.
const COLUMNS: usize = 4;
/// Empty lines beside words are passed over, but not for ever.
const MAX_LINES: usize = 200;

/// A new phrase.
pub(super) fn generate() -> Result<RecoveryPhrase, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut random[..]).map_err(no_randomness)?;
    Ok(RecoveryPhrase::new(&random))
}

/// The terminal, without which words are neither shown nor asked back.
pub(super) fn terminal(otherwise: &str) -> Result<Terminal, Failure> {
    Terminal::open().map_err(|_| Failure::failed("there is no terminal for the recovery phrase", otherwise))
}

/// Shows it, and asks for some of its words: whoever does not know them has not written it down.
pub(super) fn confirmed(terminal: &mut Terminal, phrase: &RecoveryPhrase) -> Result<(), Failure> {
    show(terminal, phrase).map_err(gone)?;
    let words: Vec<_> = phrase.words().collect();
    for at in positions()? {
        if !is_known(terminal, at + 1, words[at]).map_err(gone)? {
            return Err(Failure::failed(
                format!("word {} was not the one that was shown", at + 1),
                "Nothing was written. Run the command again: it shows new words, to be written down.",
            ));
        }
    }
    Ok(())
}

/// Asks for one word; whoever mistypes it may try again.
fn is_known(terminal: &mut Terminal, number: usize, shown: &str) -> io::Result<bool> {
    for again in 0..TRIES {
        let before = if again == 0 { "" } else { "That is another word. " };
        let typed = terminal.ask_briefly(&format!("{before}Word {number}: "))?;
        if typed_words(&typed).next().and_then(word) == Some(shown) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn show(terminal: &mut Terminal, phrase: &RecoveryPhrase) -> io::Result<()> {
    let words: Vec<_> = phrase.words().collect();
    let rows = WORDS.div_ceil(COLUMNS);
    let mut page = Zeroizing::new(String::with_capacity(2048));
    page.push_str("These words open your backup, and nothing else does. Write them down, in this order:\n\n");
    for row in 0..rows {
        for column in 0..COLUMNS {
            // Downwards, as lists are read.
            let at = column * rows + row;
            page.push_str(&format!("  {:>2} {:<9}", at + 1, words[at]));
        }
        page.push('\n');
    }
    page.push_str("\nWhoever has them and the file has your keys. They are not shown again.\n");
    page.push_str("Press Enter when they are written down: ");
    terminal.ask_briefly(&page).map(drop)
}

/// Which words are asked back: different ones, in their order.
fn positions() -> Result<Vec<usize>, Failure> {
    let mut chosen = Vec::new();
    while chosen.len() < ASKED {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(no_randomness)?;
        // No place is more likely than another: 240 is ten times 24.
        let at = usize::from(byte[0]) % WORDS;
        if byte[0] < 240 && !chosen.contains(&at) {
            chosen.push(at);
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// The phrase of a backup: from where it was said to be, or as it is typed.
pub(super) fn read(source: &PassphraseSource) -> Result<RecoveryPhrase, Failure> {
    let checked = |text: &str| {
        RecoveryPhrase::parse(text).map_err(|error| {
            Failure::failed(
                format!("this is no recovery phrase: {error}"),
                "Compare each word with what you wrote down, and their order. The first four letters of each suffice.",
            )
        })
    };
    if *source != PassphraseSource::Ask {
        let text = source.read("the backup").map_err(|error| Failure::failed(error.to_string(), ELSEWHERE))?;
        return checked(text.as_str());
    }
    let mut terminal = terminal(ELSEWHERE)?;
    let text = typed(&mut terminal).map_err(gone)?;
    checked(&text)
}

/// What to try where nobody can type.
const ELSEWHERE: &str = "Say where the words are: --phrase file:PATH (one line, in a file that you alone can read), fd:NUMBER or credential:NAME (systemd).";

/// Words, in as many lines as they are typed, until there are enough. One that is none of the list is asked for again at once.
fn typed(terminal: &mut Terminal) -> io::Result<Zeroizing<String>> {
    terminal.show("Type the 24 words of the recovery phrase, in one line or in several; the first four letters of each suffice.\n")?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let mut count = 0;
    for _ in 0..MAX_LINES {
        if count >= WORDS {
            break;
        }
        // Nobody types so many words unseen.
        let line = terminal.ask_briefly(&format!("From word {}: ", count + 1))?;
        for typed in typed_words(&line) {
            let Some(word) = word(typed) else {
                let alike = alike(typed);
                let like = if alike.is_empty() { String::new() } else { format!(" It may be {}.", alike.join(", ")) };
                // What comes after it would be counted wrongly.
                terminal.show(&format!(
                    "Word {} is none of the list.{like} Type it again, and what comes after it.\n",
                    count + 1
                ))?;
                break;
            };
            count += 1;
            text.push_str(word);
            text.push(' ');
        }
    }
    Ok(text)
}

fn gone(error: io::Error) -> Failure {
    Failure::failed(format!("the terminal: {error}"), "Nothing was written. Run the command again.")
}

fn no_randomness(error: getrandom::Error) -> Failure {
    Failure::failed(error.to_string(), "Try again; without the system's randomness there is no phrase.")
}
