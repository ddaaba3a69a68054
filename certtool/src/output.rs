//! The one place that prints: for people, or one JSON object for programs.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::{Exit, Failure};

/// What a command found, in both forms.
pub(crate) trait Report: Serialize {
    /// The form for people.
    fn page(&self, page: &mut Page);
}

/// Prints reports, failures and steps as the options want it.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Self { json, quiet, verbose }
    }

    /// Whether details are wanted.
    pub(crate) fn verbose(&self) -> bool {
        self.verbose
    }

    /// Whether a program reads.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether progress may be shown: on a terminal that a person looks at.
    pub(crate) fn progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Prints what was found, on standard output.
    pub(crate) fn report(&self, report: &impl Report) {
        if self.json {
            let text = serde_json::to_string(report).expect("reports are plain structures");
            command_line::print(format_args!("{text}\n"));
        } else {
            let mut page = Page::new(colours(&io::stdout()));
            report.page(&mut page);
            command_line::print(format_args!("{}", page.text));
        }
    }

    /// Prints what went wrong and what to try: on standard error, or as JSON on standard output.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            return command_line::print(format_args!("{}\n", failure.object()));
        }
        complain(&failure.what, &failure.remedy);
    }

    /// How the program ends, having done all there was to do: with `exit`, but never well if a part of what it found could
    /// not be printed.
    pub(crate) fn ended(exit: Exit) -> ExitCode {
        let Some(lost) = command_line::lost() else { return exit.into() };
        complain(&lost.what, &lost.remedy);
        if exit == Exit::Ok { Exit::Failed } else { exit }.into()
    }

    /// Something beside the result did not work; on standard error, also when quiet.
    pub(crate) fn warning(&self, text: &str) {
        let mut page = Page::new(colours(&io::stderr()));
        page.warning(&format!("warning: {text}"));
        print_aside(&page.text);
    }

    /// Tells a program of something on the way that it has to act on: one line of JSON on standard output.
    pub(crate) fn event(&self, event: &serde_json::Value) {
        if self.json {
            command_line::print(format_args!("{event}\n"));
        }
    }

    /// Tells a step on the way, on standard error; not to programs and not if quiet.
    pub(crate) fn step(&self, text: &str) {
        if !self.quiet && !self.json {
            print_aside(&format!("{}\n", harmless(text)));
        }
    }
}

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const SHINING: Style = AnsiColor::BrightWhite.on_default().bg_color(Some(anstyle::Color::Ansi(AnsiColor::Black)));
const BOLD: Style = Style::new().bold();

/// Text for people: lines, and label–value pairs in two columns.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    colours: bool,
}

/// Width of the column of labels.
const LABELS: usize = 14;

impl Page {
    fn new(colours: bool) -> Self {
        Self { text: String::new(), colours }
    }

    /// What a report says, without colours.
    pub(crate) fn of(report: &impl Report) -> String {
        let mut page = Self::new(false);
        report.page(&mut page);
        page.text
    }

    /// One line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.push(harmless(text.as_ref()));
    }

    /// A line as it is, with colours in it.
    fn push(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// A heading, after an empty line unless it is the first.
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let text = self.paint(BOLD, text);
        self.push(text);
    }

    /// A label and its value.
    pub(crate) fn field(&mut self, label: &str, value: impl std::fmt::Display) {
        let label = self.paint(DIM, &format!("{label:LABELS$}"));
        let value = harmless(&value.to_string());
        writeln!(self.text, "  {label}{value}").expect("writing to a string does not fail");
    }

    /// A label of any length and its value.
    pub(crate) fn entry(&mut self, label: &str, value: &str) {
        let label = if label.chars().count() < LABELS { format!("{label:LABELS$}") } else { format!("{label}  ") };
        let label = self.paint(DIM, &label);
        writeln!(self.text, "  {label}{}", harmless(value)).expect("writing to a string does not fail");
    }

    /// What explains the line before.
    pub(crate) fn aside(&mut self, text: &str) {
        let text = self.paint(DIM, text);
        writeln!(self.text, "  {:LABELS$}{text}", "").expect("writing to a string does not fail");
    }

    /// A QR code: what shines in it is white on black, whatever the terminal's own colours are, so that cameras read it.
    pub(crate) fn code(&mut self, code: &str) {
        self.push("");
        for line in code.lines() {
            let line = self.paint(SHINING, line);
            self.push(line);
        }
    }

    /// Something good.
    pub(crate) fn good(&mut self, text: &str) {
        let text = self.paint(GREEN, text);
        self.push(text);
    }

    /// Something to look at.
    pub(crate) fn warning(&mut self, text: &str) {
        let text = self.paint(YELLOW, text);
        self.push(text);
    }

    /// Something bad.
    pub(crate) fn bad(&mut self, text: &str) {
        let text = self.paint(RED, text);
        self.push(text);
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let text = harmless(text);
        if self.colours { format!("{style}{text}{style:#}") } else { text }
    }
}

/// Names, reasons and certificates come from other people: what would move the cursor, colour the screen or turn the
/// direction of writing is shown as a replacement character. Line ends stay.
pub(crate) fn harmless(text: &str) -> String {
    let moves = |c: char| c.is_control() && c != '\n';
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if moves(c) || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// Colours only on a terminal, and not where <https://no-color.org> forbids them.
fn colours(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !forbidden && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// What went wrong and what to try, for people.
fn complain(what: &str, remedy: &str) {
    let mut page = Page::new(colours(&io::stderr()));
    let red = page.paint(RED, "error:");
    page.push(format!("{red} {}", harmless(what)));
    if !remedy.is_empty() {
        let bold = page.paint(BOLD, "try:");
        page.push(format!("{bold}   {}", harmless(remedy)));
    }
    print_aside(&page.text);
}

/// On standard error, if anybody reads it.
fn print_aside(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let evil = "fine\u{1b}[2K\r\u{9b}1A\u{202e}good\nand more\t";
        let shown = "fine\u{fffd}[2K\u{fffd}\u{fffd}1A\u{fffd}good\nand more\u{fffd}";
        let mut page = Page::new(false);
        page.line(evil);
        page.field("x", evil);
        page.heading(evil);
        page.good(evil);
        assert_eq!(page.text.matches(shown).count(), 4, "{:?}", page.text);
        assert!(Page::new(true).paint(RED, "\u{1b}").starts_with("\u{1b}["), "colours of our own stay");
    }
}
