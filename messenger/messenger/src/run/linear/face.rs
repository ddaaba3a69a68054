//! What lines mean: commands of the model, a few of this face's own, or text for whoever the prompt names.

use jiff::civil::DateTime;

use super::words;
use crate::app::conversation::Conversation;
use crate::app::slash;
use crate::app::{App, Cover, Effect, Entry, Notice, Person};
use crate::keys::Action;
use crate::text::harmless_line;
use crate::view;

/// Lines of a conversation that `/read` says if no number is given.
const LAST: usize = 10;

/// Commands that only lines need: on a screen one sees what they say.
const OWN: &[(&str, &str)] = &[
    ("/to bob@example.org", "choose to whom you write: an address, a name of yours, a room"),
    ("/who [all]", "who is in this room, and how they are reached; all: who is in the list"),
    ("/read [20]", "the last lines of this conversation"),
    ("/draft [send, drop]", "what came back or was not sent yet; send it, or let go of it"),
];

/// What this face remembers from line to line.
#[derive(Debug, Default)]
pub(super) struct Face {
    /// Lines that ended in a backslash: the beginning of a text of several lines.
    begun: Option<String>,
}

impl Face {
    /// What is said first.
    pub(super) fn greeting(&self, app: &App) -> Vec<String> {
        let mut lines = vec![
            format!("In Person. You are {}, certified by {}.", app.me.identifier, harmless_line(&app.me.authority)),
            "A line is sent to whom the prompt names. /help lists the commands, /who the people.".to_owned(),
        ];
        let waiting = app.unsent();
        lines.extend(waiting.iter().map(|one| format!("Not sent yet: {}", harmless_line(&one.text))));
        lines
    }

    /// What stands before the cursor.
    pub(super) fn prompt(&self, app: &App) -> String {
        if self.begun.is_some() {
            return "… ".to_owned();
        }
        let to = match &app.selected {
            Some(Entry::Person(who)) => app.called(who),
            Some(Entry::Room(room)) => app.rooms.get(room).map(|room| room.name.clone()).unwrap_or_default(),
            _ => return "> ".to_owned(),
        };
        format!("to {}> ", harmless_line(&to))
    }

    /// The person goes, or is made to: what she has begun waits as what is written on a screen does.
    pub(super) fn leave(&mut self, app: &mut App) {
        if let Some(begun) = self.begun.take() {
            app.keep_begun(begun.trim_end_matches('\n'));
        }
    }

    /// Takes a line: what is to be done, and what is said.
    pub(super) fn take(&mut self, app: &mut App, line: &str, now: DateTime) -> (Vec<Effect>, Vec<String>) {
        // Of what takes an answer, a card that was proposed is all that this face opens.
        if let Some(Cover::Confirm { .. } | Cover::Ask { .. }) = app.cover {
            let answer = match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => Action::Yes,
                "n" | "no" | "" => Action::Close,
                // Perhaps a text that was meant for somebody: it is not taken for an answer.
                _ => return (Vec::new(), vec!["That was not sent: first y or n:".to_owned()]),
            };
            return (app.act(answer, now), Vec::new());
        }
        let begun = self.begun.take();
        if let Some(line) = line.strip_suffix('\\') {
            self.begun = Some(begun.unwrap_or_default() + line + "\n");
            return Default::default();
        }
        let command = begun.is_none() && line.starts_with('/') && !line.starts_with("//");
        let text = begun.unwrap_or_default() + line;
        if text.trim().is_empty() {
            return Default::default();
        }
        if !command {
            let text = text.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(&text);
            return (app.write(text, now), Vec::new());
        }
        self.own(app, &text, now).unwrap_or_else(|| {
            let effects = app.command(&text, now);
            let mut lines = self.cover(app);
            if text.starts_with("/find ") {
                lines.extend(app.found_line().into_iter().flat_map(|line| words::of_line(app, line)));
            }
            (effects, lines)
        })
    }

    /// What the model says to the person, once.
    pub(super) fn notice(&self, app: &mut App) -> Option<String> {
        match app.notice.take()? {
            Notice::Said(text) => Some(harmless_line(&text)),
            Notice::Wrong(text) => Some(format!("Attention: {}", harmless_line(&text))),
        }
    }

    /// Commands that only lines need; nothing if it is none of them.
    fn own(&self, app: &mut App, line: &str, now: DateTime) -> Option<(Vec<Effect>, Vec<String>)> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let lines = match (name, rest.trim()) {
            ("/to", rest) => match app.choose(rest) {
                Ok(()) => Vec::new(),
                Err(problem) => vec![format!("Attention: {problem}")],
            },
            ("/lock", _) => {
                vec!["There is no screen to lock: what was said stays in your terminal. End with /quit.".to_owned()]
            }
            ("/history", rest) if rest.starts_with("on") && rest.ends_with("passphrase") => {
                vec!["It would stand here for everybody to read. End with /quit, and type: messenger history create --key passphrase. It asks without showing; then /history on.".to_owned()]
            }
            ("/who", "") if app.room().is_none() => who(app),
            ("/who", "all") => who(app),
            ("/read", rest) => read(app, rest.parse().unwrap_or(LAST)),
            ("/draft", "send") => return Some((app.act(Action::Send, now), Vec::new())),
            ("/draft", "drop") => match app.drop_draft() {
                Some(text) => vec![format!("Gone: {}", harmless_line(&text))],
                None => vec!["Nothing waits here to be sent.".to_owned()],
            },
            ("/draft", _) => match open(app).map(|one| one.draft.text()).filter(|text| !text.is_empty()) {
                Some(text) => vec![format!("Not sent yet: {}. /draft send, or /draft drop.", harmless_line(text))],
                None => vec!["Nothing waits here to be sent.".to_owned()],
            },
            _ => return None,
        };
        Some((Vec::new(), lines))
    }

    /// A page or question that a command opened, said instead of drawn.
    pub(super) fn cover(&self, app: &mut App) -> Vec<String> {
        let lines = match &app.cover {
            Some(Cover::Help { .. }) => {
                // One of them says it for lines.
                let commands = OWN.iter().chain(slash::ALL.iter().filter(|(typed, _)| *typed != "/who"));
                let commands = commands.map(|(typed, words)| format!("{typed}: {words}"));
                commands.chain([format!("A line that ends in {} goes on in the next.", '\\')]).collect()
            }
            Some(Cover::Lists { .. }) => view::lists(app),
            Some(Cover::Members { room, .. }) => view::members(app, *room),
            Some(Cover::Identity { who, peer, .. }) => view::identity(app, who, peer.as_deref()),
            Some(Cover::Found { needle, found, .. }) => view::found(app, needle, found),
            Some(Cover::Card) => vec![match &app.me.card {
                Some(card) => format!("Your contact card: {card}"),
                None => "There is no card: your home server's policy is not pinned any more.".to_owned(),
            }],
            Some(Cover::Invitation { link }) => {
                vec![view::INVITES.to_owned(), format!("The invitation: {}", link.as_str())]
            }
            Some(Cover::Confirm { entry }) => {
                let what = match entry {
                    Entry::Person(who) => format!("Remove {who}? The conversation goes with it."),
                    _ => {
                        "Leave the room? The conversation goes with it; if you host it, another member will.".to_owned()
                    }
                };
                // It stays open for the answer.
                return vec![format!("{what} y or n:")];
            }
            Some(Cover::Ask { .. } | Cover::NewPassphrase(_)) | None => return Vec::new(),
        };
        app.cover = None;
        lines
    }
}

/// The conversation that is open.
fn open(app: &App) -> Option<&Conversation> {
    app.selected.as_ref().and_then(|entry| app.conversation(entry))
}

/// The last lines of the conversation that is open.
fn read(app: &App, most: usize) -> Vec<String> {
    let lines = open(app).map(|one| words::of_conversation(app, one, most)).unwrap_or_default();
    if lines.is_empty() { vec!["Nothing was said here yet.".to_owned()] } else { lines }
}

/// The list, a line each.
fn who(app: &App) -> Vec<String> {
    let lines = app.list().into_iter().map(|(_, entry)| match &entry {
        Entry::Person(who) => {
            let person = app.people.get(who);
            let state = match person.and_then(|person| person.online) {
                Some(true) => person.map_or("online", |person| person.status_word()),
                Some(false) => "offline",
                None => "unknown",
            };
            let more = view::idle_and_words(app, who);
            let more = if more.is_empty() { more } else { format!(", {more}") };
            let unread = app.conversation(&entry).map_or(0, |one| one.unread);
            let unread = if unread > 0 { format!(", {unread} unread") } else { String::new() };
            let bot = if person.is_some_and(Person::is_bot) { "a bot, " } else { "" };
            format!("{}: {bot}{state}{more}{unread}", app.called_with_address(who))
        }
        Entry::Room(room) => {
            let room = app.rooms.get(room);
            let members = room.map_or(0, |room| room.members.len());
            format!("Room {}: {members} in", room.map(|room| harmless_line(&room.name)).unwrap_or_default())
        }
        Entry::Knock(_) | Entry::Invitation(_) => {
            let from = app.waiting.iter().find(|one| one.entry() == entry).map(|one| one.from().to_string());
            format!("{} waits for your answer", from.unwrap_or_default())
        }
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { vec!["Nobody yet. /add bob@example.org adds a contact.".to_owned()] } else { lines }
}

#[cfg(test)]
mod tests;
