//! A page of the set-up on a screen: what it is about, what has happened, what is asked, and the keys.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::page::{Note, Page};
use crate::app::editor::Editor;
use crate::bidi;
use crate::text::{fit, harmless, harmless_line, without_first};
use crate::view::block;
use crate::view::theme::Theme;

/// Longer rows are hard to read.
const MAX_COLUMNS: u16 = 78;
/// The window may be smaller; then not all is seen.
const MAX_ROWS: u16 = 26;

/// Draws the page and what is being typed.
pub(super) fn draw(frame: &mut Frame<'_>, page: &Page, typed: &Editor, theme: Theme) {
    let area = frame.area();
    let (width, height) = (MAX_COLUMNS.min(area.width), MAX_ROWS.min(area.height.saturating_sub(1)));
    let outer = Rect { x: (area.width - width) / 2, y: (area.height - 1 - height) / 3, width, height };
    let (step, of) = page.step;
    let title = format!(" In Person · {} · {step} of {of} ", page.title);
    let block = block(Line::styled(title, theme.strong()), theme.frame(true));
    let inner = block.inner(outer);
    frame.render_widget(block, outer);
    let columns = usize::from(inner.width);

    let mut about = vec![Line::default()];
    for words in &page.words {
        about.extend(rows(words, columns, theme.text()));
        about.push(Line::default());
    }
    let mut notes = Vec::new();
    for note in &page.notes {
        let (words, style) = match note {
            Note::Said(words) => (words, theme.quiet()),
            Note::Wrong(words) => (words, theme.wrong()),
        };
        notes.extend(rows(words, columns, style));
    }
    // Question, input and a line between stay in view whatever was said: the oldest notes go.
    let asked = if page.question.is_some() { 3 } else { 2 };
    let room = usize::from(inner.height).saturating_sub(about.len() + asked);
    let mut lines = about;
    lines.extend(notes.split_off(notes.len().saturating_sub(room)));
    lines.push(Line::default());
    match &page.question {
        Some(question) => {
            lines.push(Line::styled(fit(&harmless_line(question), columns), theme.strong()));
            let layout = typed.layout(usize::MAX);
            let hidden = (layout.column + 1).saturating_sub(columns.saturating_sub(2));
            let (shown, hidden) = layout.rows.first().map_or(("", 0), |row| without_first(row, hidden));
            let input = Line::from(vec![Span::styled("> ", theme.mine()), Span::raw(shown.to_owned())]);
            let row = lines.len().min(usize::from(inner.height).saturating_sub(1)) as u16;
            lines.push(input);
            frame.set_cursor_position(Position::new(inner.x + 2 + (layout.column - hidden) as u16, inner.y + row));
        }
        None => lines.push(Line::styled("…", theme.open())),
    }
    let over = lines.len().saturating_sub(inner.height.into());
    frame.render_widget(Paragraph::new(lines.split_off(over)), inner);
    frame.render_widget(keys(page, theme), Rect { y: area.height - 1, height: 1, ..area });
}

fn rows(words: &str, columns: usize, style: Style) -> Vec<Line<'static>> {
    bidi::rows(&harmless(words), columns).into_iter().map(|row| Line::styled(row, style)).collect()
}

fn keys(page: &Page, theme: Theme) -> Line<'static> {
    let back = if page.step.0 > 1 { "back" } else { "leave" };
    let shown = [("Enter", "go on"), ("Esc", back), ("Ctrl-Q", "leave; the next start goes on")];
    let first = usize::from(page.question.is_none());
    let mut spans = Vec::new();
    for (key, words) in &shown[first..] {
        spans.extend([Span::raw(" "), Span::styled(*key, theme.key()), Span::raw(format!(" {words}  "))]);
    }
    Line::from(spans)
}
