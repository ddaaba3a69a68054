//! What is shown with a text: what it answers, reactions, and what was asked about it.

use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use crate::app::remarks::About;
use crate::text::{fit, harmless_line};

/// The columns that a reaction may take. It has no blanks, not even such as are drawn like signs: it could pass for what stands
/// beside it.
const REACTION_COLUMNS: usize = 12;

/// The row over a text that answers another one.
pub(super) fn above(about: &About, columns: usize, theme: Theme) -> Option<Row<'static>> {
    let quote = about.answers.as_ref()?;
    Some(Row::styled(fit(&format!("│ {}", harmless_line(quote)), columns), theme.quiet()))
}

/// The row under a text about which something was said.
pub(super) fn below(about: &About, mine: bool, columns: usize, theme: Theme) -> Option<Row<'static>> {
    let reaction = |emoji: &str, who: &str| {
        let sign: String = harmless_line(emoji).chars().filter(|c| !c.is_whitespace() && *c != '\u{2800}').collect();
        (!emoji.is_empty()).then(|| format!("{} {who}", fit(&sign, REACTION_COLUMNS)))
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
    .chain(about.by_others.iter().filter_map(|(who, emoji)| reaction(emoji, &format!("by {who}"))))
    .collect();
    let row = fit(&format!("  {}", words.join(" · ")), columns);
    (!words.is_empty()).then(|| Row::from(Span::styled(row, theme.quiet())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_passes_for_nothing_else() {
        let about = About { theirs: "👍 by them · read\u{2800}\u{2800}\u{3000}".to_owned(), ..About::default() };
        let row = below(&about, true, 60, Theme::plain()).unwrap().to_string();
        assert_eq!(row, "  👍bythem·re… by them");
        let about = About { theirs: "👍".to_owned(), mine: "🎉".to_owned(), read: true, ..About::default() };
        assert_eq!(below(&about, true, 60, Theme::plain()).unwrap().to_string(), "  👍 by them · 🎉 by you · read");
    }

    #[test]
    fn in_a_room_each_has_a_name() {
        let mut about = About { mine: "🎉".to_owned(), ..About::default() };
        for (who, emoji) in [("carol@example.org", "👍"), ("bob@example.org", "☕")] {
            about.by_others.insert(who.parse().unwrap(), emoji.to_owned());
        }
        let row = below(&about, false, 80, Theme::plain()).unwrap().to_string();
        assert_eq!(row, "  🎉 by you · ☕ by bob@example.org · 👍 by carol@example.org");
    }
}
