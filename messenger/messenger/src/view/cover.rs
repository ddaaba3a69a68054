//! Questions in the middle of the screen: one line of text, or yes or no.

use device::card::qr;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::theme::Theme;
use crate::app::palette::{self, Choice};
use crate::app::{App, Cover, Entry, Question};
use crate::text::{fit, harmless_line, pad, width, without_first, wrap};

const COLUMNS: u16 = 60;
const WIDE_COLUMNS: u16 = 76;

/// Commands that the palette shows at once.
const MOST_CHOICES: usize = 8;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, cover: &Cover, app: &App, theme: Theme) {
    match cover {
        Cover::Help { .. }
        | Cover::Lists { .. }
        | Cover::Members { .. }
        | Cover::Found { .. }
        | Cover::Identity { .. }
        | Cover::NewPassphrase(_) => {}
        Cover::Card => card(frame, area, app, theme),
        Cover::Invitation { link } => code(frame, area, (" A new device of yours ", INVITES), link.as_str(), theme),
        Cover::Confirm { entry } => confirm(frame, area, entry, app, theme),
        Cover::Ask { question, answer, wrong } => {
            let (title, hint) = match question {
                Question::Contact => (" Add a contact ", "Their e-mail address, as on their certificate:"),
                Question::RoomName => (" Create a room ", "What is it called?"),
                Question::Command { .. } => (" Commands ", "A few letters of what you want; ↑ ↓ choose, Enter takes:"),
                Question::Find => (" Find ", "Words in this conversation; once more: the one before:"),
                Question::Guest(_) => (" Invite into the room ", "Their e-mail address; they must be online:"),
            };
            let below = wrong.as_deref().unwrap_or("");
            let wide = if matches!(question, Question::Command { .. }) { WIDE_COLUMNS } else { COLUMNS };
            let columns = usize::from(wide.min(area.width)) - 4;
            let text = harmless_line(below);
            let problems: Vec<_> =
                wrap(&text, columns).into_iter().map(|row| text[row].trim_end().to_owned()).collect();
            let choices = match question {
                Question::Command { chosen } => choices(answer.text(), *chosen, columns, theme),
                _ => Vec::new(),
            };
            let rows = (problems.len() + choices.len()) as u16 + 4;
            let inner = frame_of_size(frame, area, title, (wide, rows), theme);
            let layout = answer.layout(usize::MAX);
            // The end of a long answer stays in view.
            let hidden = (layout.column + 1).saturating_sub(columns.saturating_sub(2));
            let (shown, hidden) = layout.rows.first().map_or(("", 0), |row| without_first(row, hidden));
            let shown = shown.to_owned();
            let mut lines = vec![
                Line::from(hint),
                Line::default(),
                Line::from(vec![Span::styled("> ", theme.mine()), Span::raw(shown)]),
                Line::default(),
            ];
            lines.extend(choices);
            lines.extend(problems.into_iter().map(|row| Line::styled(row, theme.wrong())));
            frame.render_widget(Paragraph::new(lines), inner);
            frame.set_cursor_position(Position::new(inner.x + 2 + (layout.column - hidden) as u16, inner.y + 2));
        }
    }
}

/// The commands that fit, around the chosen one.
fn choices(typed: &str, chosen: usize, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let fitting = palette::fitting(typed);
    let top = (chosen + 1).saturating_sub(MOST_CHOICES);
    let width = fitting.iter().map(|choice| width(choice.typed)).max().unwrap_or_default().min(columns / 2);
    let row = |(n, choice): (usize, Choice)| {
        let pointer = if n == chosen { "▸ " } else { "  " };
        let typed = Span::styled(pad(choice.typed, width), theme.key());
        let words = fit(choice.words, columns.saturating_sub(width + 4));
        let line = Line::from(vec![Span::raw(pointer), typed, Span::raw("  "), Span::raw(words)]);
        if n == chosen { line.patch_style(theme.chosen(true)) } else { line }
    };
    let mut rows: Vec<_> = fitting.iter().copied().enumerate().skip(top).take(MOST_CHOICES).map(row).collect();
    let below = fitting.len().saturating_sub(top + MOST_CHOICES);
    if below > 0 {
        rows.push(Line::styled(format!("  ↓ {below} more"), theme.quiet()));
    }
    rows
}

/// What an invitation is for.
pub(crate) const INVITES: &str = "On the new device, start the messenger in an empty folder and give it this link where it asks whom you trust. Then it \
                                  calls: accept here. Good for an hour, for one device, while this messenger runs; show it to nobody else.";

/// One's own contact card.
fn card(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let Some(card) = &app.me.card else {
        let words = "There is no card: your home server's policy is not pinned any more.";
        let inner = frame_of(frame, area, " Your contact card ", 1, theme);
        return frame.render_widget(Paragraph::new(words), inner);
    };
    code(frame, area, (" Your contact card ", ""), &card.to_string(), theme);
}

/// A link: the code as large as it must be, if the window is, and the link in any case, under what is to be said of it.
fn code(frame: &mut Frame<'_>, area: Rect, (title, words): (&'static str, &str), link: &str, theme: Theme) {
    let code = qr::text_for_terminal(link).unwrap_or_default();
    let rows: Vec<&str> = code.lines().collect();
    let columns = rows.first().map_or(0, |row| row.chars().count());
    let width = usize::from(area.width).saturating_sub(4);
    let of_link =
        |columns: usize| link.as_bytes().chunks(columns.max(1)).map(|row| String::from_utf8_lossy(row).into_owned());
    let of_words = |words: &str, columns: usize| -> Vec<String> {
        wrap(words, columns)
            .into_iter()
            .map(|row| words[row].trim_end().to_owned())
            .filter(|row| !row.is_empty())
            .collect()
    };
    let needed = rows.len() + of_words(words, columns).len() + of_link(columns).count() + 3;
    let with_code = columns <= width && needed <= usize::from(area.height);
    let columns = if with_code { columns } else { width.min(usize::from(COLUMNS) - 4) };
    let mut lines: Vec<Line<'_>> = of_words(words, columns).into_iter().map(Line::from).collect();
    if with_code {
        lines.extend(rows.into_iter().map(|row| Line::styled(row, theme.code())));
    } else {
        let small = "The window is too small for the QR code: make it larger, or `certtool card`.";
        let small = if words.is_empty() { small } else { "The window is too small for the QR code: make it larger." };
        lines.extend(of_words(small, columns).into_iter().map(|row| Line::styled(row, theme.quiet())));
    }
    lines.push(Line::default());
    lines.extend(of_link(columns).map(Line::from));
    let inner = frame_of_size(frame, area, title, (columns as u16 + 4, lines.len() as u16), theme);
    frame.render_widget(Paragraph::new(lines), inner);
}

fn confirm(frame: &mut Frame<'_>, area: Rect, entry: &Entry, app: &App, theme: Theme) {
    let (title, question, what) = match entry {
        Entry::Person(who) => (
            " Remove ",
            format!("Remove {who}?"),
            "The conversation goes with it. Their next text will knock like a stranger's.",
        ),
        Entry::Room(id) => {
            let room = app.rooms.get(id);
            let name = room.map(|room| harmless_line(&room.name)).unwrap_or_default();
            let mine = room.is_some_and(|room| room.host == app.me.identifier && room.closed.is_none());
            let what = match mine {
                true => "You are its host: another member will be. The conversation goes with it.",
                false => "The conversation goes with it.",
            };
            (" Leave ", format!("Leave # {name}?"), what)
        }
        Entry::Knock(_) | Entry::Invitation(_) => return,
    };
    let columns = usize::from(COLUMNS.min(area.width)) - 4;
    let mut lines: Vec<_> = wrap(&question, columns)
        .into_iter()
        .map(|row| Line::styled(question[row].to_owned(), theme.strong()))
        .collect();
    lines.extend(wrap(what, columns).into_iter().map(|row| Line::from(&what[row])));
    lines.push(Line::default());
    let key = |name: &'static str| Span::styled(name, theme.key());
    lines.push(Line::from(vec![key("y"), " yes     ".into(), key("n"), " no".into()]));
    let inner = frame_of(frame, area, title, lines.len() as u16, theme);
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Clears a box for `rows` rows in the middle and returns its inside.
pub(super) fn frame_of(frame: &mut Frame<'_>, area: Rect, title: &'static str, rows: u16, theme: Theme) -> Rect {
    frame_of_size(frame, area, title, (COLUMNS, rows), theme)
}

/// As [`frame_of`], so many columns wide, its frame counted.
fn frame_of_size(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    (columns, rows): (u16, u16),
    theme: Theme,
) -> Rect {
    let (width, height) = (columns.min(area.width), (rows + 2).min(area.height));
    let area = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    let block = super::block(Line::styled(title, theme.strong()), theme.frame(true));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}
