//! A page that covers the rest and can be longer than the window: the help, lists.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use super::theme::Theme;

/// Columns of the page.
pub(super) const COLUMNS: u16 = 78;

/// Draws the rows of a page over the rest, from row `scroll` on.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    mut rows: Vec<Line<'_>>,
    scroll: usize,
    theme: Theme,
) {
    // Without a rim of what lies below, which would look torn.
    let width = if area.width < COLUMNS + 8 { area.width } else { COLUMNS };
    let height = (rows.len() as u16 + 2).min(area.height.saturating_sub(1));
    let area = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - 1 - height) / 2, width, height };
    let block = super::block(Line::styled(title, theme.strong()), theme.frame(true));
    let inner = block.inner(area);
    let hidden = rows.len().saturating_sub(inner.height.into());
    let top = scroll.min(hidden);
    let block = match hidden - top {
        0 => block,
        more => block.title_bottom(Line::styled(format!(" ↓ {more} more rows "), theme.open()).right_aligned()),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(rows.split_off(top)), inner);
}
