//! From the model to the screen. Drawing reads the model and changes nothing.

mod bottom;
mod contacts;
mod cover;
mod curtain;
mod delivered;
pub(crate) mod files;
mod found;
mod help;
mod input;
mod layout;
mod lists;
mod locked;
mod mark;
mod markdown;
mod members;
mod page;
mod peer;
mod remarks;
#[cfg(test)]
mod tests;
pub(crate) mod theme;
mod transcript;

use identity::Identifier;
use messenger_engine::{Peer, RoomId};
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph, Wrap};

use crate::app::{App, Cover, Entry, Pane};
use crate::bidi;
use crate::text::{self, fit, fit_middle, harmless_line, wrap};
pub(crate) use contacts::idle_and_words;
pub(crate) use cover::INVITES;
pub(crate) use curtain::{CLASSICAL, SIGNED};
pub(crate) use delivered::Delivered;
pub(crate) use layout::input_columns;
use layout::{Areas, SMALLEST};
use theme::Theme;

/// Columns of a room's title that are neither its name, nor its code, nor what is said of it.
const BESIDE_CODE: usize = 11;
/// Those that a topic needs beside itself, with a gap.
const BESIDE_TOPIC: usize = 6;
/// Of a room's name so much is shown, whatever stands beside it.
const LEAST_NAME: usize = 4;

/// What stands at a place of the screen, for whoever points there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Somebody or something in the list.
    Entry(Entry),
    /// The rest of the list.
    List,
    /// The conversation.
    Talk,
    /// Where one writes.
    Input,
}

/// What stands at this column and row; nothing where something covers the rest.
pub(crate) fn target(app: &App, (column, row): (u16, u16)) -> Option<Target> {
    let (columns, rows) = app.size;
    if columns < SMALLEST.0 || rows < SMALLEST.1 || app.locked.is_some() || app.cover.is_some() {
        return None;
    }
    let areas = Areas::new(app, Rect::new(0, 0, columns, rows));
    let holds = |area: &Option<Rect>| area.is_some_and(|area| area.contains((column, row).into()));
    if holds(&areas.list) {
        let entry = areas.list.and_then(|area| contacts::entry_in_row(app, area, row));
        return Some(entry.map_or(Target::List, Target::Entry));
    }
    if holds(&areas.input) {
        return Some(Target::Input);
    }
    holds(&areas.talk).then_some(Target::Talk)
}

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let words =
            format!("The window is {}×{}; the messenger needs {}×{}.", area.width, area.height, SMALLEST.0, SMALLEST.1);
        frame.render_widget(Paragraph::new(words).wrap(Wrap { trim: true }), area);
        return;
    }
    if let Some(locked) = &app.locked {
        return locked::draw(frame, area, locked, theme);
    }
    let areas = Areas::new(app, area);
    if let Some(list) = areas.list {
        contacts::draw(frame, list, app, theme);
    }
    if let Some(talk) = areas.talk {
        draw_talk(frame, talk, app, theme);
    }
    if let Some(area) = areas.input {
        input::draw(frame, area, app, theme);
    }
    if let Some(area) = areas.banner {
        bottom::banner(frame, area, app, theme);
    }
    if let Some(area) = areas.notice {
        bottom::notice(frame, area, app, theme);
    }
    bottom::status(frame, areas.status, app, theme);
    bottom::bar(frame, areas.bar, app, theme);
    match &app.cover {
        Some(Cover::Help { scroll }) => page::draw(frame, area, " Help ", help::rows(theme), *scroll, theme),
        Some(Cover::Lists { scroll }) => {
            page::draw(frame, area, " Who may what ", lists::rows(app, theme), *scroll, theme);
        }
        Some(Cover::Members { room, scroll }) => {
            page::draw(frame, area, " Who is in this room ", member_rows(app, *room, theme), *scroll, theme);
        }
        Some(Cover::Identity { who, peer, scroll }) => {
            page::draw(frame, area, " Who this is ", peer::rows(app, who, peer.as_deref(), theme), *scroll, theme);
        }
        Some(Cover::Found { needle, found, scroll }) => {
            let rows = found::rows(app, needle, found, theme);
            page::draw(frame, area, " In your history ", rows, *scroll, theme);
        }
        Some(Cover::NewPassphrase(new)) => locked::choose(frame, area, new, theme),
        Some(cover) => cover::draw(frame, area, cover, app, theme),
        None => {}
    }
}

/// Rows of a page of the conversation, and the most it can be scrolled up.
pub(crate) fn scroll_range(app: &App) -> (usize, usize) {
    let (width, height) = app.size;
    let areas = Areas::new(app, Rect::new(0, 0, width, height));
    let (Some(talk), Some(entry)) = (areas.talk, &app.selected) else { return (1, 0) };
    let inner = talk_block(app, Theme::plain(), talk.width).inner(talk);
    let rows = app
        .conversation(entry)
        .map_or(0, |one| transcript::rows(one, inner.width.into(), usize::MAX, Theme::plain()).len());
    let height = usize::from(inner.height);
    (height.saturating_sub(2).max(1), rows.saturating_sub(height))
}

/// How far up the open conversation is to be scrolled so that its line `at` stands in the middle.
pub(crate) fn scroll_to(app: &App, at: usize) -> usize {
    let (page, most) = scroll_range(app);
    let (width, height) = app.size;
    let areas = Areas::new(app, Rect::new(0, 0, width, height));
    let conversation = app.selected.as_ref().and_then(|entry| app.conversation(entry));
    let (Some(talk), Some(conversation)) = (areas.talk, conversation) else { return 0 };
    let theme = Theme::plain();
    let columns = talk_block(app, theme, talk.width).inner(talk).width;
    let below = transcript::rows_from(conversation, at, columns.into(), theme);
    below.saturating_sub(page.div_ceil(2)).min(most)
}

/// Rows of the page that covers the rest, if one does.
pub(crate) fn page_rows(app: &App) -> usize {
    match &app.cover {
        Some(Cover::Help { .. }) => help::rows(Theme::plain()).len(),
        Some(Cover::Lists { .. }) => lists::rows(app, Theme::plain()).len(),
        Some(Cover::Members { room, .. }) => member_rows(app, *room, Theme::plain()).len(),
        Some(Cover::Identity { who, peer, .. }) => peer::rows(app, who, peer.as_deref(), Theme::plain()).len(),
        Some(Cover::Found { needle, found, .. }) => found::rows(app, needle, found, Theme::plain()).len(),
        _ => 0,
    }
}

/// The page of what was found as text.
pub(crate) fn found(app: &App, needle: &str, found: &[crate::app::keeping::Past]) -> Vec<String> {
    as_text(found::rows(app, needle, found, Theme::plain()))
}

fn member_rows(app: &App, room: RoomId, theme: Theme) -> Vec<Line<'static>> {
    app.rooms.get(&room).map(|room| members::rows(app, room, theme)).unwrap_or_default()
}

/// The page of a room's members as text.
pub(crate) fn members(app: &App, room: RoomId) -> Vec<String> {
    as_text(member_rows(app, room, Theme::plain()))
}

/// The page of lists as text.
pub(crate) fn lists(app: &App) -> Vec<String> {
    as_text(lists::rows(app, Theme::plain()))
}

/// The page of somebody's identity as text.
pub(crate) fn identity(app: &App, who: &Identifier, peer: Option<&Peer>) -> Vec<String> {
    as_text(peer::rows(app, who, peer, Theme::plain()))
}

fn as_text(rows: Vec<Line<'_>>) -> Vec<String> {
    rows.iter().map(ToString::to_string).filter(|row| !row.is_empty()).collect()
}

/// A frame with round corners and a title.
pub(crate) fn block<'a>(title: Line<'a>, style: Style) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(style).title(title).padding(Padding::horizontal(1))
}

fn draw_talk(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let block = talk_block(app, theme, area.width);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if let Some(waiting) = app.curtain() {
        return curtain::draw(frame, inner, waiting, theme);
    }
    let Some(entry) = &app.selected else { return welcome(frame, inner, theme) };
    let conversation = app.conversation(entry).filter(|conversation| !conversation.lines.is_empty());
    let Some(conversation) = conversation else { return nothing_said(frame, inner, app, theme) };
    let height = usize::from(inner.height);
    let mut rows = transcript::rows(conversation, inner.width.into(), height + conversation.scroll, theme);
    rows.truncate(rows.len().saturating_sub(conversation.scroll).max(height.min(rows.len())));
    let mut rows = rows.split_off(rows.len().saturating_sub(height));
    if let Some(needle) = app.needle() {
        rows = rows.into_iter().map(|row| mark::marked(row, needle)).collect();
    }
    // Grows from the bottom, where one writes.
    let top = inner.height.saturating_sub(rows.len() as u16);
    let below = Rect { y: inner.y + top, height: inner.height - top, ..inner };
    frame.render_widget(Paragraph::new(rows), below);
}

fn talk_block<'a>(app: &App, theme: Theme, width: u16) -> Block<'a> {
    let width = usize::from(width).saturating_sub(4);
    let title = match &app.selected {
        Some(Entry::Person(who)) => {
            let (sign, word, style) = contacts::presence(app, who, theme);
            let columns = width.saturating_sub(word.len() + 8);
            let called = bidi::line(&harmless_line(&app.called_with_address(who)));
            // Where there is no room for both, the address is what counts.
            let name = if text::width(&called) <= columns { called } else { fit_middle(who.as_str(), columns) };
            let mut spans = vec![Span::styled(format!(" {name} "), theme.strong())];
            if !word.is_empty() {
                spans.push(Span::styled(format!("{sign} {word} "), style));
            }
            let more = idle_and_words(app, who);
            let room = width.saturating_sub(text::width(&name) + word.len() + 8);
            // Half a date says nothing; half of somebody's words do.
            let worth = app.people.get(who).is_some_and(|person| person.online == Some(true)) && room > 8;
            if !more.is_empty() && (worth || text::width(&more) <= room) {
                spans.push(Span::styled(format!("· {} ", fit(&more, room)), theme.quiet()));
            }
            spans
        }
        Some(Entry::Room(id)) => match app.rooms.get(id) {
            Some(room) => {
                let marks = [(room.locked, "locked "), (room.classical, "classical ")];
                let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect::<String>();
                // Beside the code, which is what one compares, and what is said of the room: its name is in the list, too.
                let beside = width.saturating_sub(text::width(&room.code) + text::width(&marks) + BESIDE_CODE);
                let name = fit(&bidi::line(&harmless_line(&room.name)), beside.max(LEAST_NAME).min(width / 2));
                let mut spans = vec![Span::styled(format!(" # {name} "), theme.strong())];
                let columns = beside.saturating_sub(text::width(&name) + BESIDE_TOPIC);
                spans.push(Span::styled(marks, theme.open()));
                if !room.topic.is_empty() && columns > 8 {
                    let topic = fit(&bidi::line(&harmless_line(&room.topic)), columns);
                    spans.push(Span::styled(format!("· {topic} "), theme.quiet()));
                }
                spans
            }
            None => Vec::new(),
        },
        Some(Entry::Knock(_)) => vec![Span::styled(" A knock ", theme.open())],
        Some(Entry::Invitation(_)) => vec![Span::styled(" An invitation ", theme.open())],
        None => vec![Span::styled(" In Person ", theme.strong())],
    };
    let active = app.pane == Pane::Message && !app.writable();
    let mut block = block(Line::from(title), theme.frame(active));
    let mut below = width;
    if let Some(mark) = app.selected.as_ref().and_then(|entry| app.history_mark(entry)) {
        let mark = fit(&format!(" {mark} "), width);
        below = below.saturating_sub(text::width(&mark) + 1);
        block = block.title_bottom(Line::styled(mark, theme.open()));
    }
    if let Some(Entry::Room(id)) = &app.selected
        && let Some(room) = app.rooms.get(id)
        && room.closed.is_none()
    {
        let code = format!(" code {} ", harmless_line(&room.code));
        block = block.title_top(Line::styled(fit(&code, width / 2), theme.quiet()).right_aligned());
        // Where there is no room for both, how often it changed counts more: `/who` tells the roles.
        let all = format!(" {} ", in_the_frame(app, room, true));
        let fitting = if text::width(&all) <= below { all } else { format!(" {} ", in_the_frame(app, room, false)) };
        block = block.title_bottom(Line::styled(fit(&fitting, below), theme.quiet()));
    }
    let below = app.selected.as_ref().and_then(|entry| app.conversation(entry)).filter(|one| one.scroll > 0);
    if let Some(conversation) = below {
        let new = if conversation.unread > 0 {
            format!(" ↓ {} new · PgDn ", conversation.unread)
        } else {
            " ↓ PgDn ".to_owned()
        };
        block = block.title_bottom(Line::styled(new, theme.open()).alignment(Alignment::Right));
    }
    block
}

/// Who is in a room, who may do what there, hosts it and is not reached, and how often it changed.
fn in_the_frame(app: &App, room: &crate::app::Room, roles: bool) -> String {
    let names = room.members.iter().map(|who| {
        let name = if *who == app.me.identifier { "you" } else { who.as_str() };
        let host = (*who == room.host).then_some("host");
        let lost = room.unreached.contains(who).then_some("not reached");
        let is: Vec<_> = host.into_iter().chain(room.role(who).filter(|_| roles)).chain(lost).collect();
        if is.is_empty() { name.to_owned() } else { format!("{name} ({})", is.join(", ")) }
    });
    let names: Vec<_> = names.collect();
    format!("{} · epoch {}", names.join(", "), room.epoch)
}

fn welcome(frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let key = |name: &'static str| Span::styled(name, theme.key());
    let lines = vec![
        Line::styled("Talk with people, not with servers.", theme.strong()),
        Line::default(),
        Line::from(vec!["Press ".into(), key("a"), " to add somebody by e-mail address.".into()]),
        Line::from(vec!["Strangers who would like to write to you knock first.".into()]),
        Line::default(),
        Line::from(vec![key("F1"), " lists every key.".into()]),
    ];
    centred(frame, area, lines);
}

fn nothing_said(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let to = match &app.selected {
        Some(Entry::Room(_)) => "the devices of those in the room".to_owned(),
        Some(Entry::Person(who)) => format!("the device of {who}"),
        _ => return,
    };
    let kept = app.selected.as_ref().is_some_and(|entry| app.history_mark(entry).is_some());
    let stored = if kept { "Of this conversation a history is kept." } else { "Nobody stores it." };
    let mut lines = vec![
        Line::from("Nothing was said yet."),
        Line::default(),
        Line::styled(format!("What you write goes straight to {to}, or nowhere. {stored}"), theme.quiet()),
    ];
    if app.seems_offline() {
        let words = "You see each other once both have added the other. Until then Ctrl-K knocks with what you write.";
        lines.extend([Line::default(), Line::styled(words, theme.quiet())]);
    }
    centred(frame, area, lines);
}

/// Lines in the middle of an area; those that are too long are broken, and keep the style of the whole line.
fn centred(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    let columns = usize::from(area.width);
    let rows: Vec<_> = lines.into_iter().flat_map(|line| broken(line, columns)).collect();
    let top = area.height.saturating_sub(rows.len() as u16) / 2;
    let text = Paragraph::new(rows).alignment(Alignment::Center);
    frame.render_widget(text, Rect { y: area.y + top, height: area.height - top, ..area });
}

fn broken(line: Line<'_>, columns: usize) -> Vec<Line<'_>> {
    if line.width() <= columns {
        return vec![line];
    }
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    wrap(&text, columns).into_iter().map(|row| Line::styled(text[row].trim_end().to_owned(), line.style)).collect()
}
