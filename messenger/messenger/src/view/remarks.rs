//! What is shown with a text: what it answers, reactions, and what was asked about it.

use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use crate::app::remarks::About;
use crate::text::{fit, harmless_line};

/// The row over a text that answers another one.
pub(super) fn above(about: &About, columns: usize, theme: Theme) -> Option<Row<'static>> {
    let quote = about.answers.as_ref()?;
    Some(Row::styled(fit(&format!("│ {}", harmless_line(quote)), columns), theme.quiet()))
}

/// The row under a text about which something was said.
pub(super) fn below(about: &About, mine: bool, columns: usize, theme: Theme) -> Option<Row<'static>> {
    let reaction = |emoji: &str, who: &str| {
        let words = (!emoji.is_empty()).then(|| format!("{} {who}", harmless_line(emoji)))?;
        Some(words)
    };
    let asked = if mine { "you asked to delete this" } else { "they ask to delete this" };
    let words: Vec<String> = [
        about.edited.then(|| "edited".to_owned()),
        about.delete.then(|| asked.to_owned()),
        reaction(&about.theirs, "by them"),
        reaction(&about.mine, "by you"),
        about.read.then(|| "read".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let row = fit(&format!("  {}", words.join(" · ")), columns);
    (!words.is_empty()).then(|| Row::from(Span::styled(row, theme.quiet())))
}
