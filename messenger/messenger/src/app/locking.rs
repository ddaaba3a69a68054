//! The locked screen: nothing of conversations on it, no key but those of the passphrase.

use key_store::Passphrase;

use super::keeping::Deed;
use super::secret::Secret;
use super::slash::LockWish;
use super::{App, Cover, Effect, Entry};
use crate::app::editor::Edit;
use crate::keys::Action;

/// A screen that is locked.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    pub(crate) typed: Secret,
    pub(crate) wrong: Option<String>,
}

/// A new passphrase while it is chosen: typed twice.
#[derive(Debug, Default, Clone)]
pub(crate) struct NewPassphrase {
    /// For the history of this conversation; else for the lock.
    history: Option<Entry>,
    first: Option<Secret>,
    pub(crate) typed: Secret,
    pub(crate) wrong: Option<String>,
}

impl NewPassphrase {
    /// One for a history that begins with this conversation.
    pub(super) fn of_history(entry: Entry) -> Self {
        Self { history: Some(entry), ..Self::default() }
    }

    /// Whether it is for the history, and not for the lock.
    pub(crate) fn is_for_history(&self) -> bool {
        self.history.is_some()
    }

    /// Whether it is typed for the second time.
    pub(crate) fn again(&self) -> bool {
        self.first.is_some()
    }
}

impl App {
    /// Hides everything until the passphrase comes.
    pub(crate) fn lock(&mut self) {
        // Whatever was being asked is no business of whoever sits there now.
        self.cover = None;
        self.beneath = None;
        self.notice = None;
        self.locked.get_or_insert_default();
    }

    /// What came of a passphrase that was tried: open, or why not.
    pub(crate) fn tried(&mut self, opened: Result<(), String>) {
        match (opened, &mut self.locked) {
            (Ok(()), _) => self.locked = None,
            (Err(problem), Some(locked)) => locked.wrong = Some(problem),
            (Err(_), None) => {}
        }
    }

    /// After how many minutes without a key the screen is to be locked.
    pub(crate) fn lock_after_minutes(&self) -> Option<u16> {
        self.behaviour.lock_after_minutes.map(Into::into).filter(|_| self.locked.is_none())
    }

    pub(super) fn wish_lock(&mut self, wish: LockWish) -> Vec<Effect> {
        match wish {
            LockWish::Now => vec![Effect::Lock],
            LockWish::Passphrase => {
                self.cover = Some(Cover::NewPassphrase(NewPassphrase::default()));
                Vec::new()
            }
            LockWish::After(minutes) => {
                self.behaviour.lock_after_minutes = minutes;
                self.said(match minutes {
                    Some(minutes) => format!("The screen is locked after {minutes} minutes without a key."),
                    None => "The screen is locked by Ctrl-L alone.".to_owned(),
                });
                let mut effects = vec![Effect::Behave(self.behaviour.clone())];
                if minutes.is_some() {
                    effects.push(Effect::CheckLock);
                }
                effects
            }
        }
    }

    /// A key while the screen is locked.
    pub(super) fn act_locked(&mut self, action: Action) -> Vec<Effect> {
        let Some(locked) = &mut self.locked else { return Vec::new() };
        if action == Action::Yes {
            locked.wrong = None;
            return locked.typed.take().map(Effect::Unlock).into_iter().collect();
        }
        type_into(&mut locked.typed, action);
        Vec::new()
    }

    /// A key while a passphrase is chosen.
    pub(super) fn act_on_passphrase(&mut self, action: Action) -> Vec<Effect> {
        let Some(Cover::NewPassphrase(new)) = &mut self.cover else { return Vec::new() };
        match action {
            Action::Yes => match chosen(new) {
                Some(passphrase) => {
                    let history = new.history.take();
                    self.cover = None;
                    return vec![match history {
                        Some(entry) => Effect::History(Deed::Begin { passphrase: Some(passphrase), entry }),
                        None => Effect::ChooseLock(passphrase),
                    }];
                }
                None => return Vec::new(),
            },
            Action::Close => self.cover = None,
            action => type_into(&mut new.typed, action),
        }
        Vec::new()
    }

    /// Pasted text goes into a passphrase as typed text does. Whether one was being typed.
    pub(super) fn paste_secret(&mut self, text: &str) -> bool {
        match (&mut self.locked, &mut self.cover) {
            (Some(locked), _) => locked.typed.push(text),
            (None, Some(Cover::NewPassphrase(new))) => new.typed.push(text),
            _ => return false,
        }
        true
    }
}

/// The passphrase, if it was typed twice alike.
fn chosen(new: &mut NewPassphrase) -> Option<Passphrase> {
    if new.typed.count() == 0 {
        new.wrong = Some("A passphrase has at least one character.".to_owned());
        return None;
    }
    match new.first.take() {
        None => {
            new.first = Some(std::mem::take(&mut new.typed));
            new.wrong = None;
            None
        }
        Some(first) if first.is_same(&new.typed) => new.typed.take(),
        Some(_) => {
            new.typed.clear();
            new.wrong = Some("The two were not alike. Once more from the beginning:".to_owned());
            None
        }
    }
}

fn type_into(secret: &mut Secret, action: Action) {
    match action {
        Action::Insert(text) => secret.push(&text),
        Action::Edit(Edit::Backspace) => secret.backspace(),
        Action::Edit(Edit::DeleteToStart | Edit::DeleteWord) => secret.clear(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use messenger_engine::Event;

    use super::*;
    use crate::app::tests::{app, now, typed, who};
    use crate::keys::Place;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned().into()).unwrap()
    }

    #[test]
    fn what_comes_behind_the_lock_waits_to_be_looked_at() {
        let mut app = app(&["bob"]);
        app.select(Entry::Person(who("bob")));
        app.lock();
        app.hear(Event::Nudge { from: who("bob") }, now());
        assert_eq!(app.conversation(&Entry::Person(who("bob"))).unwrap().unread, 1);
    }

    #[test]
    fn a_locked_screen_takes_nothing_but_the_passphrase() {
        let mut app = app(&["bob"]);
        app.act(Action::Insert("half".to_owned()), now());
        assert_eq!(app.act(Action::Lock, now()), [Effect::Lock]);
        app.lock();
        assert_eq!(app.place(), Place::Locked);
        for action in [Action::Quit, Action::Send, Action::Help, Action::AskCommand, Action::Lock] {
            assert_eq!(app.act(action, now()), []);
        }
        // Not even that somebody types, or has read what came behind it.
        assert_eq!(app.act(Action::Insert("wrong".to_owned()), now()), []);
        assert_eq!(app.act(Action::Yes, now()), [Effect::Unlock(passphrase("wrong"))]);
        app.tried(Err("No.".to_owned()));
        app.paste("open");
        app.act(Action::Insert("x".to_owned()), now());
        app.act(Action::Edit(Edit::Backspace), now());
        assert_eq!(app.act(Action::Yes, now()), [Effect::Unlock(passphrase("open"))]);
        app.tried(Ok(()));
        assert_eq!(app.place(), Place::Writing);
        assert_eq!(app.conversation(&app.selected.clone().unwrap()).unwrap().draft.text(), "half");
    }

    #[test]
    fn behind_a_lock_notifications_say_nothing_at_all() {
        let mut app = app(&["bob"]);
        typed(&mut app, "/notify text");
        app.lock();
        let heard = app
            .hear(Event::Message { id: 1, from: who("bob"), text: "hi".to_owned(), bot: false, reply_to: None }, now());
        let [Effect::Notify(shown)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((shown.title.as_str(), shown.body.as_str()), ("Something came for you", ""));
    }

    #[test]
    fn a_passphrase_is_chosen_by_typing_it_twice() {
        let mut app = app(&["bob"]);
        let enter = |app: &mut App, text: &str| {
            app.act(Action::Insert(text.to_owned()), now());
            app.act(Action::Yes, now())
        };
        typed(&mut app, "/lock passphrase");
        assert_eq!(enter(&mut app, ""), []);
        assert_eq!(enter(&mut app, "sesame"), []);
        assert_eq!(enter(&mut app, "sesam"), []);
        assert!(matches!(&app.cover, Some(Cover::NewPassphrase(new)) if new.wrong.is_some() && !new.again()));
        assert_eq!(enter(&mut app, "sesame"), []);
        assert_eq!(enter(&mut app, "sesame"), [Effect::ChooseLock(passphrase("sesame"))]);
        assert!(app.cover.is_none());
    }
}
