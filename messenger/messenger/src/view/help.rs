//! The help page: every key, every command, every sign, from the tables that act on them.

use ratatui::text::{Line, Span};

use super::page::COLUMNS;
use super::theme::Theme;
use crate::app::slash;
use crate::keys::{BINDINGS, Place};
use crate::text::{fit, pad};

/// Columns of the first column.
const KEY_COLUMNS: usize = 27;

/// What the signs mean.
const SIGNS: &[(&str, &str)] = &[
    ("● online", "a device of theirs is connected now"),
    ("◐ away, busy, …", "so is it, and they say how they are"),
    ("○ offline", "away, or not visible to you: both look the same"),
    ("· unknown", "you are offline, or the directory has not said"),
    ("… sending", "on its way"),
    ("✓ delivered", "their device has it"),
    ("✗ not delivered", "it is nowhere but here; the reason stands beside it"),
    ("↑ ↓ a file", "on its way out, on its way in; its number is for /take and so on"),
    ("? unknown", "the acknowledgement was lost; sent again, it is shown once"),
];

/// The page as rows.
pub(super) fn rows(theme: Theme) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    for (place, title) in [
        (Place::Anywhere, "Anywhere"),
        (Place::Writing, "Writing"),
        (Place::List, "In the list"),
        (Place::Curtain, "Before a knock or an invitation"),
    ] {
        let keys = BINDINGS.iter().filter(|one| one.place == place && !one.shown.is_empty());
        section(&mut rows, title, keys.map(|one| (one.shown, one.words)), theme);
    }
    section(&mut rows, "Commands, typed as a message", slash::ALL.iter().copied(), theme);
    section(&mut rows, "Signs", SIGNS.iter().copied(), theme);
    rows
}

fn section(
    rows: &mut Vec<Line<'static>>,
    title: &'static str,
    lines: impl Iterator<Item = (&'static str, &'static str)>,
    theme: Theme,
) {
    if !rows.is_empty() {
        rows.push(Line::default());
    }
    rows.push(Line::styled(title, theme.mine()));
    for (left, right) in lines {
        let left = Span::styled(pad(left, KEY_COLUMNS), theme.key());
        rows.push(Line::from(vec![left, Span::raw(fit(right, usize::from(COLUMNS) - KEY_COLUMNS - 4))]));
    }
}
