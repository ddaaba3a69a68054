//! Where everything stands at a given size of the terminal.

use ratatui::layout::Rect;

use crate::app::{App, Notice, Pane};
use crate::text;

/// The smallest terminal that is drawn on: columns, rows.
pub(crate) const SMALLEST: (u16, u16) = (36, 10);

/// Below this width there is room for one pane: the list or the conversation.
const TWO_PANES: u16 = 64;

/// The input grows to at most this many rows of text.
const MAX_INPUT_ROWS: u16 = 8;

/// The areas of the screen; what is not there now is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Areas {
    pub(crate) list: Option<Rect>,
    pub(crate) talk: Option<Rect>,
    pub(crate) input: Option<Rect>,
    pub(crate) banner: Option<Rect>,
    pub(crate) notice: Option<Rect>,
    pub(crate) status: Rect,
    pub(crate) bar: Rect,
}

impl Areas {
    /// Divides `area`, from the bottom up: keys, status, notice, who knocks; then list and conversation.
    pub(crate) fn new(app: &App, area: Rect) -> Self {
        let mut body = area;
        let bar = cut_bottom(&mut body, 1);
        let status = cut_bottom(&mut body, 1);
        let notice = app.notice.as_ref().map(|notice| cut_bottom(&mut body, notice_rows(notice, area.width).min(3)));
        let banner = (!app.waiting.is_empty() && app.curtain().is_none()).then(|| cut_bottom(&mut body, 1));
        let one_pane = area.width < TWO_PANES;
        let list_only = one_pane && app.pane == Pane::List && app.curtain().is_none();
        let list = (!one_pane || list_only).then(|| {
            let width = if one_pane { body.width } else { list_columns(area.width) };
            let list = Rect { width, ..body };
            body = Rect { x: body.x + width, width: body.width - width, ..body };
            list
        });
        if list_only {
            return Self { list, talk: None, input: None, banner, notice, status, bar };
        }
        let input = app.writable().then(|| cut_bottom(&mut body, input_rows(app, area) + 2));
        Self { list, talk: Some(body), input, banner, notice, status, bar }
    }
}

/// Columns for text in the input at this size of the terminal.
pub(crate) fn input_columns(size: (u16, u16)) -> usize {
    let list = if size.0 < TWO_PANES { 0 } else { list_columns(size.0) };
    // Two columns of frame, two of padding.
    usize::from(size.0.saturating_sub(list + 4))
}

fn list_columns(width: u16) -> u16 {
    (width * 3 / 10).clamp(32, 44)
}

fn input_rows(app: &App, area: Rect) -> u16 {
    let columns = input_columns((area.width, area.height));
    let draft = app.selected.as_ref().and_then(|entry| app.conversation(entry)).map(|conversation| &conversation.draft);
    let rows = draft.map_or(1, |draft| draft.layout(columns).rows.len());
    (rows as u16).clamp(1, MAX_INPUT_ROWS.min(area.height / 3).max(1))
}

fn notice_rows(notice: &Notice, width: u16) -> u16 {
    let (Notice::Said(text) | Notice::Wrong(text)) = notice;
    text::wrap(&text::harmless_line(text), usize::from(width).saturating_sub(4)).len() as u16
}

fn cut_bottom(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    area.height -= rows;
    Rect { y: area.y + area.height, height: rows, ..*area }
}
