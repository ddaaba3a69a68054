//! Tells the story: headings, sentences, the commands as one would type them, and what they really printed.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const TYPED: Style = AnsiColor::Cyan.on_default();
const PRINTED: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// Prints to standard output; with colours only on a terminal, and never against `NO_COLOR`.
#[derive(Debug)]
pub struct Narrator {
    colours: bool,
    chapter: u32,
    replace: Vec<(String, String)>,
}

impl Narrator {
    /// A narrator at the beginning of the story.
    #[must_use]
    pub fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, chapter: 0, replace: Vec::new() }
    }

    /// From now on shows `shown` wherever programs print `long`: temporary folders make long lines.
    pub fn shorten(&mut self, long: impl Into<String>, shown: impl Into<String>) {
        self.replace.push((long.into(), shown.into()));
    }

    /// The next chapter.
    pub fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let number = self.chapter;
        self.line("");
        self.styled(HEADING, &format!("{number}. {title}"));
    }

    /// A sentence or two.
    pub fn tell(&self, text: impl Display) {
        for line in text.to_string().lines() {
            self.line(&format!("   {line}"));
        }
    }

    /// Something that has been shown to be true.
    pub fn shown(&self, text: impl Display) {
        self.styled(GOOD, &format!("   ✓ {text}"));
    }

    /// A command as a person would type it.
    pub fn typed(&self, command: impl Display) {
        self.styled(TYPED, &format!("   $ {command}"));
    }

    /// What a program printed.
    pub fn printed(&self, output: &str) {
        for line in output.lines() {
            self.styled(PRINTED, &format!("     {line}"));
        }
    }

    /// A line as it is, for instance the last one.
    pub fn line(&self, text: &str) {
        // Whoever closed our output does not want to hear the rest.
        let _ = writeln!(std::io::stdout(), "{}", self.shortened(text));
    }

    fn styled(&self, style: Style, text: &str) {
        if self.colours && !text.trim().is_empty() {
            self.line(&format!("{style}{text}{style:#}"));
        } else {
            self.line(text.trim_end());
        }
    }

    fn shortened(&self, text: &str) -> String {
        self.replace.iter().fold(text.to_owned(), |text, (long, shown)| text.replace(long, shown))
    }
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_folders_are_shown_short() {
        let mut narrator = Narrator::new();
        narrator.shorten("/tmp/inperson-x1/alice", "~alice");
        assert_eq!(narrator.shortened("in /tmp/inperson-x1/alice/devices"), "in ~alice/devices");
    }
}
