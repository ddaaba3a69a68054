//! Where one writes: grows with the text, says what came back and why.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::theme::Theme;
use crate::app::conversation::Conversation;
use crate::app::{App, Entry};
use crate::keys::Place;
use crate::text::{fit, harmless_line, width};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let Some(entry) = &app.selected else { return };
    let active = app.place() == Place::Writing;
    let conversation = app.conversation(entry);
    let columns = usize::from(area.width).saturating_sub(4);
    let title = match conversation.and_then(|one| one.returned.as_ref()) {
        Some(returned) => {
            let what = if returned.unknown { "? Unknown" } else { "✗ Not delivered" };
            let long = format!(" {what}: {} · Ctrl-R sends again ", harmless_line(&returned.reason));
            // The reason also stands above, with the text.
            let short = format!(" {what} · Ctrl-R sends it again ");
            let words = if width(&long) <= columns { &long } else { &short };
            Line::styled(fit(words, columns), theme.wrong())
        }
        None => Line::styled(" Message ", if active { theme.strong() } else { theme.quiet() }),
    };
    let block = super::block(title, theme.frame(active));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    match conversation.filter(|one| !one.draft.is_empty()) {
        Some(conversation) => draw_draft(frame, inner, conversation, active, theme),
        None => {
            frame.render_widget(
                Paragraph::new(Line::styled(fit(&invitation(app, entry, active), columns), theme.quiet())),
                inner,
            );
            if active {
                frame.set_cursor_position(Position::new(inner.x, inner.y));
            }
        }
    }
}

fn draw_draft(frame: &mut Frame<'_>, inner: Rect, conversation: &Conversation, active: bool, theme: Theme) {
    let mut layout = conversation.draft.layout(inner.width.into());
    let height = usize::from(inner.height);
    let top = layout.row.saturating_sub(height.saturating_sub(1));
    let rows: Vec<Line<'_>> = layout.rows.drain(..).skip(top).take(height).map(Line::from).collect();
    frame.render_widget(Paragraph::new(rows).style(theme.text()), inner);
    if active {
        frame.set_cursor_position(Position::new(inner.x + layout.column as u16, inner.y + (layout.row - top) as u16));
    }
}

/// What stands in the empty input.
fn invitation(app: &App, entry: &Entry, active: bool) -> String {
    if !active {
        return "Press Enter to write.".to_owned();
    }
    match entry {
        Entry::Person(who) => format!("Write to {who}"),
        Entry::Room(room) => {
            format!("Write to {}", app.rooms.get(room).map(|room| harmless_line(&room.name)).unwrap_or_default())
        }
        Entry::Knock(_) | Entry::Invitation(_) => String::new(),
    }
}
