//! A conversation as rows: who said what and when, and beside every text of one's own how far it got.

use jiff::civil::DateTime;
use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};

use super::delivered::Delivered;
use super::theme::Theme;
use super::{files, markdown, remarks};
use crate::app::conversation::{Conversation, Line, State};
use crate::bidi;
use crate::text::{harmless, harmless_line, width};

/// Text is not set wider than this: longer rows are hard to read.
const MAX_COLUMNS: usize = 110;

/// After this many minutes the time is shown again.
const PAUSE_MINUTES: i64 = 5;

/// The last rows of the conversation at `columns`, oldest first: at least `wanted` of them, if there are so many.
/// Only those lines are laid out that are needed.
pub(super) fn rows(conversation: &Conversation, columns: usize, wanted: usize, theme: Theme) -> Vec<Row<'static>> {
    let columns = columns.min(MAX_COLUMNS);
    let mut parts = Vec::new();
    let mut count = 0;
    for (n, line) in conversation.lines.iter().enumerate().rev() {
        let before = n.checked_sub(1).and_then(|n| conversation.lines.get(n));
        let part = line_rows(line, before, columns, theme);
        count += part.len();
        parts.push(part);
        if count >= wanted {
            break;
        }
    }
    parts.into_iter().rev().flatten().collect()
}

/// Rows from line `at` to the end.
pub(super) fn rows_from(conversation: &Conversation, at: usize, columns: usize, theme: Theme) -> usize {
    let columns = columns.min(MAX_COLUMNS);
    let lines = &conversation.lines;
    let rows = lines.iter().enumerate().skip(at).map(|(n, line)| {
        let before = n.checked_sub(1).and_then(|n| lines.get(n));
        line_rows(line, before, columns, theme).len()
    });
    rows.sum()
}

#[cfg(test)]
thread_local! {
    /// How many lines were laid out in this thread.
    pub(super) static LAID_OUT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn line_rows(line: &Line, before: Option<&Line>, columns: usize, theme: Theme) -> Vec<Row<'static>> {
    #[cfg(test)]
    LAID_OUT.set(LAID_OUT.get() + 1);
    let mut rows = Vec::new();
    let starts = before.is_none_or(|before| new_paragraph(before, line));
    if starts && before.is_some() {
        rows.push(Row::default());
    }
    match line {
        Line::Note { text, at } => {
            let note = format!("— {} · {}", harmless_line(text), clock(*at));
            rows.extend(wrapped(&note, columns, theme.quiet()));
        }
        Line::File { file, at } => rows.extend(files::rows(file, &clock(*at), columns, theme)),
        Line::Theirs { from, text, at, bot, about } => {
            if starts {
                let name = if *bot { format!("{from} (bot)") } else { from.to_string() };
                rows.push(header(name, *at, theme.theirs(), theme));
            }
            rows.extend(remarks::above(about, columns, theme));
            let style = if about.delete { theme.quiet() } else { theme.text() };
            rows.extend(markdown::rows(&harmless(text), columns, style, theme));
            rows.extend(remarks::below(about, false, columns, theme));
        }
        Line::Mine { text, at, state, about, .. } => {
            if starts {
                rows.push(header("You".to_owned(), *at, theme.mine(), theme));
            }
            rows.extend(remarks::above(about, columns, theme));
            let style = if state.failed() { theme.quiet() } else { theme.text() };
            rows.extend(markdown::rows(&harmless(text), columns, style, theme));
            add_state(&mut rows, state, columns, theme);
            rows.extend(remarks::below(about, true, columns, theme));
        }
    }
    rows
}

/// Whether `line` needs a header of its own after `before`.
fn new_paragraph(before: &Line, line: &Line) -> bool {
    let same = match (before, line) {
        (Line::Mine { .. }, Line::Mine { .. }) => true,
        (Line::Theirs { from: one, .. }, Line::Theirs { from: other, .. }) => one == other,
        (Line::Note { .. }, Line::Note { .. }) => return false,
        _ => false,
    };
    !same
        || (at(line) - at(before)).get_minutes() + 60 * i64::from((at(line) - at(before)).get_hours()) >= PAUSE_MINUTES
}

fn at(line: &Line) -> DateTime {
    match line {
        Line::Mine { at, .. } | Line::Theirs { at, .. } | Line::Note { at, .. } | Line::File { at, .. } => *at,
    }
}

fn clock(at: DateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn header(name: String, at: DateTime, style: Style, theme: Theme) -> Row<'static> {
    Row::from(vec![Span::styled(name, style), Span::styled(format!(" · {}", clock(at)), theme.quiet())])
}

fn wrapped(text: &str, columns: usize, style: Style) -> Vec<Row<'static>> {
    bidi::rows(text, columns).into_iter().map(|row| Row::styled(row, style)).collect()
}

/// Puts the state to the right of the last row where it fits, else below.
fn add_state(rows: &mut Vec<Row<'static>>, state: &State, columns: usize, theme: Theme) {
    for (words, style) in state_words(state, theme) {
        let used = rows.last().map_or(0, Row::width);
        let short = !words.contains(':');
        if short && let Some(last) = rows.last_mut().filter(|_| used + 2 + width(&words) <= columns) {
            last.spans.push(Span::raw(" ".repeat(columns - used - width(&words))));
            last.spans.push(Span::styled(words, style));
        } else if short {
            rows.push(Row::from(vec![
                Span::raw(" ".repeat(columns.saturating_sub(width(&words)))),
                Span::styled(words, style),
            ]));
        } else {
            rows.extend(wrapped(&words, columns, style));
        }
    }
}

fn state_words(state: &State, theme: Theme) -> Vec<(String, Style)> {
    match state {
        State::Sending => vec![("… sending".to_owned(), theme.quiet())],
        State::Delivered | State::Past { delivered: true } => vec![("✓ delivered".to_owned(), theme.good())],
        State::Past { delivered: false } => vec![("✗ not delivered then".to_owned(), theme.quiet())],
        State::NotDelivered(reason) => vec![(format!("✗ not delivered: {}", harmless_line(reason)), theme.wrong())],
        State::Unknown(reason) => {
            vec![(
                format!(
                    "? unknown: {}. Ctrl-R sends it again; it is shown once.",
                    harmless_line(reason).trim_end_matches('.')
                ),
                theme.open(),
            )]
        }
        State::Interrupted => {
            let words = "? unknown: the program ended before the answer came. Sent again, it may be shown twice.";
            vec![(words.to_owned(), theme.open())]
        }
        State::Room { delivered, missing, others } => {
            room_words(&Delivered::new(*delivered, missing, *others, ToString::to_string), theme)
        }
    }
}

fn room_words(told: &Delivered, theme: Theme) -> Vec<(String, Style)> {
    let (mark, style) = match (told.pending, told.why.is_empty()) {
        (true, _) => ("…", theme.quiet()),
        (false, true) => ("✓", theme.good()),
        (false, false) => ("✗", theme.open()),
    };
    let why = told.why.iter().map(|why| (format!("✗ {why}"), theme.wrong()));
    std::iter::once((format!("{mark} {}", told.count), style)).chain(why).collect()
}
