//! Notifications on the desktop: for what the person does not see, and no more than one until she looks.

use device::desktop::{Notification, Urgency};
use identity::Identifier;
use messenger_engine::OwnStatus;

use super::{App, Effect, Entry};
use crate::settings::{Notify, Settings};
use crate::text::{fit, harmless_line};

/// Columns of a text that a notification shows.
const TEXT_COLUMNS: usize = 200;

impl App {
    /// The same, behaving as was decided before.
    pub(crate) fn behaving(self, behaviour: Settings) -> Self {
        Self { behaviour, ..self }
    }

    /// Behaves as was decided elsewhere from now on.
    pub(crate) fn behave(&mut self, behaviour: Settings) {
        self.behaviour = behaviour;
    }

    /// Whether the terminal has the keys now, if it tells at all.
    pub(crate) fn focus(&mut self, focused: bool) {
        self.focused = focused;
        self.looked();
    }

    /// Whether the conversation under `entry` is what the screen shows.
    pub(super) fn shows(&self, entry: &Entry) -> bool {
        self.selected.as_ref() == Some(entry) && self.cover.is_none() && self.locked.is_none()
    }

    /// What is on the screen is seen.
    pub(super) fn looked(&mut self) {
        if let Some(conversation) = self.selected.as_ref().and_then(|entry| self.conversations.get_mut(entry)) {
            conversation.announced = false;
        }
    }

    pub(super) fn set_notify(&mut self, notify: Notify) -> Vec<Effect> {
        self.behaviour.notify = notify;
        self.said(match notify {
            Notify::Off => "No notifications.",
            Notify::Who => "Notifications say who wrote or knocks, and not what.",
            Notify::Text => "Notifications show what was written, to whoever sees this desktop.",
        });
        vec![Effect::Behave(self.behaviour.clone())]
    }

    /// A text came to `entry`.
    pub(super) fn announce_text(&mut self, entry: &Entry, from: &Identifier, text: &str) -> Vec<Effect> {
        if !self.is_news(entry) {
            return Vec::new();
        }
        let place = match entry {
            Entry::Room(room) => self.rooms.get(room).map(|room| format!(" in {}", harmless_line(&room.name))),
            _ => None,
        };
        let title = format!("{} wrote{}", self.called_with_address(from), place.unwrap_or_default());
        let body = match self.behaviour.notify {
            Notify::Text => fit(&harmless_line(text), TEXT_COLUMNS),
            Notify::Who | Notify::Off => String::new(),
        };
        self.announce(title, body)
    }

    /// Somebody offers a file, or a folder: its name is content.
    pub(super) fn announce_offer(&mut self, entry: &Entry, from: &Identifier, what: &str) -> Vec<Effect> {
        if !self.is_news(entry) {
            return Vec::new();
        }
        self.announce(format!("{} offers a {what}", self.called_with_address(from)), String::new())
    }

    /// Whether she is to be told of what came to `entry`: she does not see it, and was not told since she looked. A flood is
    /// one notification.
    fn is_news(&mut self, entry: &Entry) -> bool {
        let seen = self.focused && self.shows(entry);
        !seen && !std::mem::replace(&mut self.conversation_mut(entry).announced, true)
    }

    /// Something else that she may want to know at once.
    pub(super) fn announce(&self, title: String, body: String) -> Vec<Effect> {
        let wanted = self.behaviour.notify != Notify::Off && self.settings.status != OwnStatus::DoNotDisturb;
        // Whoever looks at a locked screen is perhaps not she.
        let (title, body) = match self.locked {
            Some(_) => ("Something came for you".to_owned(), String::new()),
            None => (harmless_line(&title), body),
        };
        if wanted { vec![Effect::Notify(Notification { title, body, urgency: Urgency::Normal })] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use messenger_engine::{CallId, Event, Purpose};

    use super::*;
    use crate::app::tests::{app, now, typed, who};
    use crate::keys::Action;

    fn says(app: &mut App, name: &str, text: &str) -> Vec<(String, String)> {
        let heard = app
            .hear(Event::Message { id: 1, from: who(name), text: text.to_owned(), bot: false, reply_to: None }, now());
        shown(heard)
    }

    fn shown(effects: Vec<Effect>) -> Vec<(String, String)> {
        let shown = effects.into_iter().filter_map(|effect| match effect {
            Effect::Notify(Notification { title, body, .. }) => Some((title, body)),
            _ => None,
        });
        shown.collect()
    }

    #[test]
    fn what_is_not_seen_is_announced_once_and_without_content() {
        let mut app = app(&["bob", "carol"]);
        let wrote = |name: &str, body: &str| vec![(format!("{name}@example.org wrote"), body.to_owned())];
        assert_eq!(says(&mut app, "bob", "on the screen"), []);
        assert_eq!(says(&mut app, "carol", "secret"), wrote("carol", ""));
        assert_eq!(says(&mut app, "carol", "more"), [], "a flood is one notification");
        app.select(Entry::Person(who("carol")));
        app.focus(false);
        assert_eq!(says(&mut app, "carol", "secret"), wrote("carol", ""), "the window is not looked at");
        app.focus(true);
        assert_eq!(says(&mut app, "carol", "seen"), []);
        let settings = Settings { notify: Notify::Text, ..Settings::default() };
        assert_eq!(typed(&mut app, "/notify text"), [Effect::Behave(settings)]);
        assert_eq!(says(&mut app, "bob", "\x1b[2Jhi"), wrote("bob", "␛[2Jhi"));
        app.act(Action::PreviousEntry, now());
        app.act(Action::NextEntry, now());
        typed(&mut app, "/notify off");
        assert_eq!(says(&mut app, "bob", "hi"), []);
    }

    #[test]
    fn a_knock_is_announced_unless_one_is_not_to_be_disturbed() {
        let knock = |call| Event::Incoming {
            call: CallId([call; 16]),
            from: who("mallory"),
            purpose: Purpose::Text,
            contact: false,
        };
        let mut app = app(&["bob"]);
        let knocks = ("mallory@example.org knocks".to_owned(), String::new());
        assert_eq!(shown(app.hear(knock(1), now())), [knocks]);
        assert_eq!(shown(app.hear(knock(2), now())), [], "one is enough to make her look");
        app.act(Action::Decline, now());
        app.act(Action::Decline, now());
        app.settings.status = OwnStatus::DoNotDisturb;
        assert_eq!(shown(app.hear(knock(3), now())), []);
    }
}
