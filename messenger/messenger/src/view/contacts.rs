//! The list on the left: who waits, contacts with their presence, others, rooms.

use identity::Identifier;
use messenger_engine::Status;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::theme::Theme;
use crate::app::{App, Connection, Entry, Group, Pane};
use crate::bidi;
use crate::contacts::about::{About, OwnName};
use crate::text::{fit, fit_middle, harmless_line, width};

/// Sign, word and style of a person's presence: never the colour alone.
pub(super) fn presence(app: &App, who: &Identifier, theme: Theme) -> (&'static str, &'static str, Style) {
    let person = app.people.get(who);
    if person.is_some_and(|person| person.reconnecting) {
        return ("◌", "reconnecting…", theme.open());
    }
    if person.is_some_and(|person| person.typing) {
        return ("●", "typing…", theme.good());
    }
    match person.and_then(|person| person.online) {
        Some(true) => {
            let person = person.expect("its presence is known");
            match person.shows.status {
                None | Some(Status::Available) if person.is_bot() => ("●", "bot", theme.good()),
                Some(Status::Away) if person.is_bot() => ("◐", "bot, away", theme.open()),
                Some(_) if person.is_bot() => ("◐", "bot, busy", theme.open()),
                None | Some(Status::Available) => ("●", person.status_word(), theme.good()),
                Some(_) => ("◐", person.status_word(), theme.open()),
            }
        }
        Some(false) => ("○", "offline", theme.quiet()),
        None if person.is_some_and(|person| person.contact) => ("·", "unknown", theme.quiet()),
        // Of strangers nobody tells.
        None => ("·", "", theme.quiet()),
    }
}

/// Since when somebody who is online has not used her device, and her own words beside her status; of who is not, when she was
/// seen last.
pub(crate) fn idle_and_words(app: &App, who: &Identifier) -> String {
    let Some(person) = app.people.get(who) else { return String::new() };
    if person.online != Some(true) {
        return person.about.seen.map(|seen| format!("last seen {}", seen.words())).unwrap_or_default();
    }
    let idle = person.idle_since.map(|since| format!("idle since {}", since.strftime("%H:%M")));
    let words = (!person.shows.text.is_empty()).then(|| harmless_line(&person.shows.text));
    idle.into_iter().chain(words).collect::<Vec<_>>().join(" · ")
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let active = app.pane == Pane::List && app.cover.is_none();
    let block = super::block(Line::styled(" People ", theme.strong()), theme.frame(active))
        .padding(ratatui::widgets::Padding::ZERO);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let columns = usize::from(inner.width);
    let places = Places::new(app, inner);
    let rows = places.shown().iter().map(|place| match place {
        Place::Gap => Line::default(),
        Place::Heading(group) => heading(app, group, theme),
        Place::Entry(entry) => row(app, entry, columns, active, theme),
    });
    let mut rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        rows.push(Line::styled(" Nobody yet.", theme.quiet()));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

/// The entry that stands in this row of the screen, where the list is drawn in `area`.
pub(super) fn entry_in_row(app: &App, area: Rect, row: u16) -> Option<Entry> {
    // Within the frame.
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let place = row.checked_sub(inner.y).filter(|row| *row < inner.height)?;
    match Places::new(app, inner).shown().get(usize::from(place))? {
        Place::Entry(entry) => Some(entry.clone()),
        Place::Gap | Place::Heading(_) => None,
    }
}

/// What a row of the list is.
enum Place {
    Gap,
    Heading(Group),
    Entry(Entry),
}

/// The rows of the list, and which of them are seen.
struct Places {
    all: Vec<Place>,
    top: usize,
    height: usize,
}

impl Places {
    /// With the chosen one in the middle, where there are more than fit.
    fn new(app: &App, inner: Rect) -> Self {
        let mut all = Vec::new();
        let mut chosen = 0;
        let mut group = None;
        for (its_group, entry) in app.list() {
            if group.as_ref() != Some(&its_group) {
                if group.is_some() {
                    all.push(Place::Gap);
                }
                all.push(Place::Heading(its_group.clone()));
                group = Some(its_group);
            }
            if app.selected.as_ref() == Some(&entry) {
                chosen = all.len();
            }
            all.push(Place::Entry(entry));
        }
        let height = usize::from(inner.height);
        let top = chosen.saturating_sub(height / 2).min(all.len().saturating_sub(height));
        Self { all, top, height }
    }

    fn shown(&self) -> &[Place] {
        &self.all[self.top..(self.top + self.height).min(self.all.len())]
    }
}

fn heading(app: &App, group: &Group, theme: Theme) -> Line<'static> {
    let words = match group {
        Group::Waiting => " Waiting for your answer".to_owned(),
        Group::Contacts => of_contacts(app, None),
        Group::Named(name) => of_contacts(app, Some(name)),
        Group::Others => " Others".to_owned(),
        Group::Rooms => " Rooms".to_owned(),
    };
    Line::styled(words, theme.quiet())
}

/// The heading of a group of contacts, or of those in none.
fn of_contacts(app: &App, group: Option<&str>) -> String {
    let is_in = |about: &About| about.group.as_ref().map(OwnName::as_str) == group;
    let contacts = app.people.values().filter(|person| person.contact && is_in(&person.about));
    let online = contacts.clone().filter(|person| person.online == Some(true)).count();
    let title = group.map_or_else(|| "Contacts".to_owned(), harmless_line);
    match app.connection {
        Connection::Online { .. } => format!(" {title} · {online} of {} online", contacts.count()),
        _ => format!(" {title}"),
    }
}

fn row(app: &App, entry: &Entry, columns: usize, active: bool, theme: Theme) -> Line<'static> {
    let (sign, name, word, style) = match entry {
        Entry::Person(who) => {
            let (sign, word, style) = presence(app, who, theme);
            (sign, bidi::line(&harmless_line(&app.called(who))), word.to_owned(), style)
        }
        Entry::Room(id) => match app.rooms.get(id) {
            Some(room) if room.closed.is_some() => {
                ("#", bidi::line(&harmless_line(&room.name)), "closed".to_owned(), theme.quiet())
            }
            Some(room) => {
                ("#", bidi::line(&harmless_line(&room.name)), format!("{} in", room.members.len()), theme.good())
            }
            None => ("#", String::new(), String::new(), theme.quiet()),
        },
        Entry::Knock(_) | Entry::Invitation(_) => {
            let from = app.waiting.iter().find(|one| one.entry() == *entry).map(|one| one.from().to_string());
            let word = if matches!(entry, Entry::Knock(_)) { "knocks" } else { "invites" };
            ("?", from.unwrap_or_default(), word.to_owned(), theme.open())
        }
    };
    let chosen = app.selected.as_ref() == Some(entry);
    let unread = app.conversation(entry).map_or(0, |conversation| conversation.unread);
    let (word, word_style) = if unread > 0 { (format!("{unread} new"), theme.open()) } else { (word, style) };
    let pointer = if chosen { "▸" } else { " " };
    // Pointer, sign, two spaces, a space at the edge.
    let room = columns.saturating_sub(width(&word) + 6);
    let name = if matches!(entry, Entry::Room(_)) { fit(&name, room) } else { fit_middle(&name, room) };
    let gap = room.saturating_sub(width(&name)) + 1;
    let name_style = if unread > 0 { theme.strong() } else { theme.text() };
    let line = Line::from(vec![
        Span::raw(format!("{pointer} ")),
        Span::styled(format!("{sign} "), style),
        Span::styled(name, name_style),
        Span::raw(" ".repeat(gap)),
        Span::styled(word, word_style),
        Span::raw(" "),
    ]);
    if chosen { line.patch_style(theme.chosen(active)) } else { line }
}
