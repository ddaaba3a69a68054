//! The locked screen, and the question for a new passphrase: dots, and nothing of anybody.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::cover::frame_of;
use super::theme::Theme;
use crate::app::locking::{Locked, NewPassphrase};
use crate::app::secret::Secret;
use crate::text::fit;

/// Most dots that are drawn.
const MOST_DOTS: usize = 40;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, locked: &Locked, theme: Theme) {
    let hint = "The passphrase of your keys, or the one of this lock:";
    question(frame, area, " Locked ", hint, &locked.typed, locked.wrong.as_deref(), theme);
}

pub(super) fn choose(frame: &mut Frame<'_>, area: Rect, new: &NewPassphrase, theme: Theme) {
    let (title, first) = if new.is_for_history() {
        (" A passphrase for your history ", "Without it nobody can read it, you neither:")
    } else {
        (" A passphrase for the lock ", "What is to open the locked screen?")
    };
    let hint = if new.again() { "The same once more:" } else { first };
    question(frame, area, title, hint, &new.typed, new.wrong.as_deref(), theme);
}

fn question(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    hint: &'static str,
    typed: &Secret,
    wrong: Option<&str>,
    theme: Theme,
) {
    let dots = typed.count().min(MOST_DOTS);
    let inner = frame_of(frame, area, title, 5, theme);
    let columns = usize::from(inner.width);
    let lines = vec![
        Line::from(hint),
        Line::default(),
        Line::from(format!("> {}", "•".repeat(dots))),
        Line::default(),
        Line::styled(fit(wrong.unwrap_or_default(), columns), theme.wrong()),
    ];
    frame.render_widget(Paragraph::new(lines), inner);
    let column = (dots as u16 + 2).min(inner.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(inner.x + column, inner.y + 2));
}
