//! The command palette: every command, found by a few letters of its name or of what it does.

use super::slash;

/// One command of the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// How it is typed, with an example of what may follow.
    pub(crate) typed: &'static str,
    pub(crate) words: &'static str,
}

impl Choice {
    /// The command alone.
    pub(crate) fn name(&self) -> &'static str {
        self.typed.split(' ').next().unwrap_or_default()
    }

    /// Whether something may or must follow it.
    pub(crate) fn takes_more(&self) -> bool {
        self.typed.len() > self.name().len()
    }
}

/// What Enter does with what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entered {
    /// Run this line.
    Run(String),
    /// Put this into the input: something is to follow.
    Complete(String),
}

/// The commands that fit what was typed, the best first.
pub(crate) fn fitting(typed: &str) -> Vec<Choice> {
    let wanted = typed.trim_start().trim_start_matches('/');
    // Once something follows a command, the command is settled.
    let name = wanted.split(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    let settled = wanted.contains(char::is_whitespace);
    let mut fitting: Vec<_> = all()
        .filter_map(|choice| match settled {
            true => exact(&choice, &name).then_some((0, choice)),
            false => Some((distance(&choice, &name)?, choice)),
        })
        .collect();
    // Several words look in what the commands do.
    if fitting.is_empty() && settled {
        let words = wanted.to_lowercase();
        fitting = all().filter_map(|choice| Some((distance(&choice, words.trim())?, choice))).collect();
    }
    fitting.sort_by_key(|(distance, _)| *distance);
    fitting.into_iter().map(|(_, choice)| choice).collect()
}

/// What Enter does: a command that is typed in full runs, else the chosen one is taken.
pub(crate) fn enter(typed: &str, chosen: usize) -> Entered {
    let line = format!("/{}", typed.trim_start().trim_start_matches('/'));
    let name = line.split(char::is_whitespace).next().unwrap_or_default();
    let settled = line.len() > name.len();
    let fitting = fitting(typed);
    if let Some(choice) = fitting.iter().find(|choice| choice.name() == name)
        && (settled || !choice.takes_more())
    {
        return Entered::Run(line.trim().to_owned());
    }
    match fitting.get(chosen) {
        Some(choice) if choice.takes_more() => Entered::Complete(format!("{} ", choice.name())),
        Some(choice) => Entered::Run(choice.name().to_owned()),
        // It says what is wrong with it.
        None => Entered::Run(line.trim().to_owned()),
    }
}

/// Every command on its own; what begins a text with a slash is none.
fn all() -> impl Iterator<Item = Choice> {
    let split = |(typed, words): &(&'static str, &'static str)| {
        let words = *words;
        typed.split(", ").map(move |typed| Choice { typed, words })
    };
    slash::ALL.iter().flat_map(split).filter(|choice| !choice.typed.starts_with("//"))
}

fn exact(choice: &Choice, name: &str) -> bool {
    choice.name()[1..] == *name
}

/// How far a command is from what was typed, smaller is nearer: its name begins so, holds it, what it does holds it, its
/// name has the letters in this order. Nothing if it does not fit at all.
fn distance(choice: &Choice, wanted: &str) -> Option<usize> {
    let (name, words) = (&choice.typed[1..], choice.words.to_lowercase());
    if name.starts_with(wanted) {
        Some(usize::from(!exact(choice, wanted)))
    } else if name.contains(wanted) {
        Some(2)
    } else if words.contains(wanted) {
        Some(3)
    } else {
        in_order(name, wanted).then_some(4)
    }
}

/// Whether the letters of `wanted` stand in `text` in this order.
fn in_order(text: &str, wanted: &str) -> bool {
    let mut letters = text.chars();
    wanted.chars().filter(|letter| !letter.is_whitespace()).all(|letter| letters.any(|found| found == letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(typed: &str) -> &'static str {
        fitting(typed).first().map_or("", Choice::name)
    }

    #[test]
    fn a_few_letters_find_a_command() {
        assert_eq!(first("/bl"), "/block");
        assert_eq!(first("unb"), "/unblock");
        assert_eq!(first("rmv"), "/remove", "letters in order");
        assert_eq!(first("qr code"), "/card", "by what it does");
        assert_eq!(first("/room create pic"), "/room");
        assert_eq!(fitting("xyzzy"), []);
        assert_eq!(fitting("").len(), all().count(), "nothing typed shows everything");
        assert!(all().any(|choice| choice.name() == "/decline"), "each of a pair stands alone");
    }

    #[test]
    fn enter_runs_what_is_whole_and_completes_what_wants_more() {
        assert_eq!(enter("/card", 0), Entered::Run("/card".to_owned()));
        assert_eq!(enter("crd", 0), Entered::Run("/card".to_owned()));
        assert_eq!(enter("add", 0), Entered::Complete("/add ".to_owned()));
        assert_eq!(enter("/add bob@example.org", 0), Entered::Run("/add bob@example.org".to_owned()));
        assert_eq!(enter("/name ", 0), Entered::Run("/name".to_owned()), "what may follow need not");
        assert_eq!(enter("dance", 0), Entered::Run("/dance".to_owned()));
    }
}
