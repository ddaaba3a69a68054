//! What was found in the history: a page of texts, newest first.

use ratatui::text::{Line, Span};

use super::page::COLUMNS;
use super::theme::Theme;
use crate::app::App;
use crate::app::keeping::Past;
use crate::bidi;
use crate::text::{harmless, harmless_line};

/// The rows of the page.
pub(super) fn rows(app: &App, needle: &str, found: &[Past], theme: Theme) -> Vec<Line<'static>> {
    let columns = usize::from(COLUMNS) - 4;
    let texts = if found.len() == 1 { "1 text".to_owned() } else { format!("{} texts", found.len()) };
    let title = format!("{texts} with {}, the newest first:", harmless_line(needle));
    let mut rows = vec![Line::styled(title, theme.quiet())];
    for past in found {
        let name = past.from.as_ref().map_or_else(|| "You".to_owned(), |from| harmless_line(&app.called(from)));
        let at = past.at.strftime("%-d %B %Y, %H:%M").to_string();
        rows.push(Line::default());
        rows.push(Line::from(vec![
            Span::styled(name, theme.strong()),
            Span::styled(format!(" · {at}"), theme.quiet()),
        ]));
        let text = bidi::rows(&harmless(&past.text), columns).into_iter();
        rows.extend(text.map(|row| super::mark::marked(Line::from(row), needle)));
    }
    rows
}
