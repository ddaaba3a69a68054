//! From a key to an action. One table both acts and explains: the help page is made of it, so no key is undocumented.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::editor::Edit;
use crate::app::files::Deed;

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Help,
    Quit,
    SwitchPane,
    NextEntry,
    PreviousEntry,
    FirstEntry,
    LastEntry,
    Open,
    ToList,
    AskContact,
    AskRoom,
    AskGuest,
    AskRemove,
    AskCommand,
    AskFind,
    Lock,
    Accept,
    Decline,
    File(Deed),
    PauseOrContinue,
    Send,
    SendAgain,
    Knock,
    Insert(String),
    Edit(Edit),
    ScrollUp,
    ScrollDown,
    Yes,
    NextChoice,
    PreviousChoice,
    Close,
}

/// Where a key is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everywhere except in pages and questions that cover the rest.
    Anywhere,
    /// In the list on the left.
    List,
    /// While writing a message.
    Writing,
    /// Before the curtain: a stranger's knock, or an invitation.
    Curtain,
    /// While answering a question that takes text.
    Asking,
    /// While answering yes or no.
    Confirming,
    /// On the help page.
    Helping,
    /// Before the locked screen.
    Locked,
}

/// One key, what it does, and how the help says so.
pub(crate) struct Binding {
    pub(crate) place: Place,
    code: KeyCode,
    modifiers: KeyModifiers,
    action: fn() -> Action,
    /// How the help names the key; empty for a second spelling that is not listed.
    pub(crate) shown: &'static str,
    pub(crate) words: &'static str,
    /// Short words for the bar at the bottom; empty if it is not shown there.
    pub(crate) bar: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

const fn key(
    place: Place,
    modifiers: KeyModifiers,
    code: KeyCode,
    action: fn() -> Action,
    shown: &'static str,
    words: &'static str,
) -> Binding {
    Binding { place, code, modifiers, action, shown, words, bar: "" }
}

const fn also(place: Place, modifiers: KeyModifiers, code: KeyCode, action: fn() -> Action) -> Binding {
    key(place, modifiers, code, action, "", "")
}

impl Binding {
    const fn bar(mut self, words: &'static str) -> Self {
        self.bar = words;
        self
    }
}

use Place::{Anywhere, Asking, Confirming, Curtain, Helping, List, Locked, Writing};

/// All keys, in the order of the help page.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = &[
    key(Anywhere, NONE, KeyCode::Tab, || Action::SwitchPane, "Tab", "between the list and the message").bar("list ↔ message"),
    also(Anywhere, KeyModifiers::SHIFT, KeyCode::BackTab, || Action::SwitchPane),
    also(Anywhere, NONE, KeyCode::BackTab, || Action::SwitchPane),
    key(Anywhere, ALT, KeyCode::Down, || Action::NextEntry, "Alt-↓", "next in the list"),
    key(Anywhere, ALT, KeyCode::Up, || Action::PreviousEntry, "Alt-↑", "previous in the list"),
    key(Anywhere, CTRL, KeyCode::Char('p'), || Action::AskCommand, "Ctrl-P", "every command, found by a few letters").bar("commands"),
    key(Anywhere, CTRL, KeyCode::Char('f'), || Action::AskFind, "Ctrl-F", "look for words in the conversation"),
    key(Anywhere, CTRL, KeyCode::Char('l'), || Action::Lock, "Ctrl-L", "lock the screen until the passphrase comes"),
    key(Anywhere, NONE, KeyCode::PageUp, || Action::ScrollUp, "PgUp", "earlier messages"),
    key(Anywhere, NONE, KeyCode::PageDown, || Action::ScrollDown, "PgDn", "later messages"),
    key(Anywhere, CTRL, KeyCode::Char('r'), || Action::SendAgain, "Ctrl-R", "send again what was not delivered").bar("send again"),
    key(Anywhere, CTRL, KeyCode::Char('k'), || Action::Knock, "Ctrl-K", "knock at the door of somebody who seems offline").bar("knock"),
    key(Anywhere, NONE, KeyCode::F(2), || Action::Accept, "F2", "accept the first who knocks or invites"),
    key(Anywhere, NONE, KeyCode::F(3), || Action::Decline, "F3", "decline"),
    key(Anywhere, NONE, KeyCode::F(6), || Action::File(Deed::Take), "F6", "take the file that is offered here").bar("take file"),
    key(Anywhere, NONE, KeyCode::F(7), || Action::File(Deed::Refuse), "F7", "refuse it").bar("refuse file"),
    key(Anywhere, NONE, KeyCode::F(8), || Action::PauseOrContinue, "F8", "put off the file on its way here, or let it go on").bar("pause file"),
    key(Anywhere, NONE, KeyCode::F(9), || Action::File(Deed::Cancel), "F9", "end it; what has come of it is deleted").bar("cancel file"),
    key(Anywhere, NONE, KeyCode::F(1), || Action::Help, "F1", "this page (in the list also ?)").bar("help"),
    key(Anywhere, CTRL, KeyCode::Char('q'), || Action::Quit, "Ctrl-Q  Ctrl-C", "end the program; conversations are gone then"),
    also(Anywhere, CTRL, KeyCode::Char('c'), || Action::Quit),

    key(List, NONE, KeyCode::Down, || Action::NextEntry, "↓  j", "next"),
    also(List, NONE, KeyCode::Char('j'), || Action::NextEntry),
    key(List, NONE, KeyCode::Up, || Action::PreviousEntry, "↑  k", "previous"),
    also(List, NONE, KeyCode::Char('k'), || Action::PreviousEntry),
    key(List, NONE, KeyCode::Home, || Action::FirstEntry, "Home", "first"),
    key(List, NONE, KeyCode::End, || Action::LastEntry, "End", "last"),
    key(List, NONE, KeyCode::Enter, || Action::Open, "Enter  →", "write to the chosen one").bar("write"),
    also(List, NONE, KeyCode::Right, || Action::Open),
    key(List, NONE, KeyCode::Char('a'), || Action::AskContact, "a", "add a contact").bar("add contact"),
    key(List, NONE, KeyCode::Char('c'), || Action::AskRoom, "c", "create a room").bar("create room"),
    key(List, NONE, KeyCode::Char('i'), || Action::AskGuest, "i", "invite somebody into the chosen room").bar("invite"),
    key(List, NONE, KeyCode::Char('d'), || Action::AskRemove, "d", "remove the chosen contact, or leave the room").bar("remove"),
    also(List, NONE, KeyCode::Delete, || Action::AskRemove),
    key(List, NONE, KeyCode::Char('/'), || Action::AskCommand, "/", "a command, as Ctrl-P"),
    also(List, NONE, KeyCode::Char('?'), || Action::Help),
    also(List, KeyModifiers::SHIFT, KeyCode::Char('?'), || Action::Help),
    also(List, NONE, KeyCode::Char('q'), || Action::Quit),

    key(Curtain, NONE, KeyCode::Char('y'), || Action::Accept, "y", "accept").bar("accept"),
    key(Curtain, NONE, KeyCode::Char('n'), || Action::Decline, "n", "decline").bar("decline"),

    key(Writing, NONE, KeyCode::Enter, || Action::Send, "Enter", "send").bar("send"),
    key(Writing, ALT, KeyCode::Enter, || Action::Insert("\n".to_owned()), "Alt-Enter  Ctrl-J", "new line").bar("new line"),
    also(Writing, CTRL, KeyCode::Char('j'), || Action::Insert("\n".to_owned())),
    also(Writing, KeyModifiers::SHIFT, KeyCode::Enter, || Action::Insert("\n".to_owned())),
    key(Writing, NONE, KeyCode::Esc, || Action::ToList, "Esc", "back to the list"),
    key(Writing, NONE, KeyCode::Up, || Action::Edit(Edit::Up), "↑ ↓ ← →", "move; with Ctrl by words"),
    also(Writing, NONE, KeyCode::Down, || Action::Edit(Edit::Down)),
    also(Writing, NONE, KeyCode::Left, || Action::Edit(Edit::Left)),
    also(Writing, NONE, KeyCode::Right, || Action::Edit(Edit::Right)),
    also(Writing, CTRL, KeyCode::Left, || Action::Edit(Edit::WordLeft)),
    also(Writing, CTRL, KeyCode::Right, || Action::Edit(Edit::WordRight)),
    also(Writing, ALT, KeyCode::Left, || Action::Edit(Edit::WordLeft)),
    also(Writing, ALT, KeyCode::Right, || Action::Edit(Edit::WordRight)),
    key(Writing, NONE, KeyCode::Home, || Action::Edit(Edit::LineStart), "Home End  Ctrl-A Ctrl-E", "start and end of the line"),
    also(Writing, NONE, KeyCode::End, || Action::Edit(Edit::LineEnd)),
    also(Writing, CTRL, KeyCode::Char('a'), || Action::Edit(Edit::LineStart)),
    also(Writing, CTRL, KeyCode::Char('e'), || Action::Edit(Edit::LineEnd)),
    key(Writing, CTRL, KeyCode::Char('w'), || Action::Edit(Edit::DeleteWord), "Ctrl-W  Ctrl-U", "delete a word; back to the start of the line"),
    also(Writing, CTRL, KeyCode::Char('u'), || Action::Edit(Edit::DeleteToStart)),
    also(Writing, NONE, KeyCode::Backspace, || Action::Edit(Edit::Backspace)),
    also(Writing, CTRL, KeyCode::Char('h'), || Action::Edit(Edit::Backspace)),
    also(Writing, NONE, KeyCode::Delete, || Action::Edit(Edit::Delete)),
    also(Writing, CTRL, KeyCode::Char('d'), || Action::Edit(Edit::Delete)),

    key(Asking, NONE, KeyCode::Enter, || Action::Yes, "Enter", "").bar("do it"),
    key(Asking, NONE, KeyCode::Esc, || Action::Close, "Esc", "").bar("leave it"),
    also(Asking, NONE, KeyCode::F(1), || Action::Help),
    also(Asking, NONE, KeyCode::Down, || Action::NextChoice),
    also(Asking, NONE, KeyCode::Up, || Action::PreviousChoice),
    also(Asking, CTRL, KeyCode::Char('c'), || Action::Close),
    also(Asking, NONE, KeyCode::Left, || Action::Edit(Edit::Left)),
    also(Asking, NONE, KeyCode::Right, || Action::Edit(Edit::Right)),
    also(Asking, NONE, KeyCode::Home, || Action::Edit(Edit::LineStart)),
    also(Asking, NONE, KeyCode::End, || Action::Edit(Edit::LineEnd)),
    also(Asking, NONE, KeyCode::Backspace, || Action::Edit(Edit::Backspace)),
    also(Asking, CTRL, KeyCode::Char('h'), || Action::Edit(Edit::Backspace)),
    also(Asking, NONE, KeyCode::Delete, || Action::Edit(Edit::Delete)),
    also(Asking, CTRL, KeyCode::Char('w'), || Action::Edit(Edit::DeleteWord)),
    also(Asking, CTRL, KeyCode::Char('u'), || Action::Edit(Edit::DeleteToStart)),

    key(Locked, NONE, KeyCode::Enter, || Action::Yes, "Enter", "").bar("open"),
    also(Locked, NONE, KeyCode::Backspace, || Action::Edit(Edit::Backspace)),
    also(Locked, CTRL, KeyCode::Char('h'), || Action::Edit(Edit::Backspace)),
    also(Locked, CTRL, KeyCode::Char('u'), || Action::Edit(Edit::DeleteToStart)),

    key(Confirming, NONE, KeyCode::Char('y'), || Action::Yes, "y", "").bar("yes"),
    key(Confirming, NONE, KeyCode::Char('n'), || Action::Close, "n", "").bar("no"),
    also(Confirming, NONE, KeyCode::Esc, || Action::Close),
    also(Confirming, CTRL, KeyCode::Char('c'), || Action::Close),

    key(Helping, NONE, KeyCode::Down, || Action::ScrollDown, "↓ ↑", "").bar("scroll"),
    also(Helping, NONE, KeyCode::Up, || Action::ScrollUp),
    also(Helping, NONE, KeyCode::PageDown, || Action::ScrollDown),
    also(Helping, NONE, KeyCode::PageUp, || Action::ScrollUp),
    also(Helping, NONE, KeyCode::Char('j'), || Action::ScrollDown),
    also(Helping, NONE, KeyCode::Char('k'), || Action::ScrollUp),
    key(Helping, NONE, KeyCode::Esc, || Action::Close, "Esc", "").bar("close"),
    also(Helping, NONE, KeyCode::F(1), || Action::Close),
    also(Helping, NONE, KeyCode::Char('q'), || Action::Close),
    also(Helping, NONE, KeyCode::Char('?'), || Action::Close),
    also(Helping, KeyModifiers::SHIFT, KeyCode::Char('?'), || Action::Close),
    also(Helping, NONE, KeyCode::Enter, || Action::Close),
    also(Helping, CTRL, KeyCode::Char('c'), || Action::Close),
];

impl Place {
    /// Whether the keys for anywhere work here.
    fn open(self) -> bool {
        matches!(self, List | Writing | Curtain)
    }

    /// Whether characters are text here.
    fn takes_text(self) -> bool {
        matches!(self, Writing | Asking | Locked)
    }
}

/// What `key` asks for at `place`; nothing if it has no meaning there.
pub(crate) fn action(key: KeyEvent, place: Place) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let here = |binding: &&Binding| {
        let place = binding.place == place
            || (binding.place == Anywhere && place.open())
            || (binding.place == List && place == Curtain);
        place && binding.code == key.code && binding.modifiers == key.modifiers
    };
    // The more particular place goes first: at the curtain `n` declines.
    let exact = BINDINGS.iter().filter(here).max_by_key(|binding| binding.place == place);
    if let Some(binding) = exact {
        return Some((binding.action)());
    }
    match key.code {
        KeyCode::Char(c) if place.takes_text() && !key.modifiers.intersects(CTRL | ALT) => {
            Some(Action::Insert(c.to_string()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(place: Place, modifiers: KeyModifiers, code: KeyCode) -> Option<Action> {
        action(KeyEvent::new(code, modifiers), place)
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for (n, one) in BINDINGS.iter().enumerate() {
            for other in &BINDINGS[n + 1..] {
                let same = one.place == other.place && one.code == other.code && one.modifiers == other.modifiers;
                assert!(!same, "{:?} {:?} {:?}", one.place, one.modifiers, one.code);
            }
        }
    }

    #[test]
    fn letters_are_text_only_while_writing() {
        assert_eq!(press(Writing, NONE, KeyCode::Char('a')), Some(Action::Insert("a".to_owned())));
        assert_eq!(press(Writing, NONE, KeyCode::Char('?')), Some(Action::Insert("?".to_owned())));
        assert_eq!(press(Writing, KeyModifiers::SHIFT, KeyCode::Char('A')), Some(Action::Insert("A".to_owned())));
        assert_eq!(press(Writing, CTRL, KeyCode::Char('x')), None);
        assert_eq!(press(List, NONE, KeyCode::Char('a')), Some(Action::AskContact));
        assert_eq!(press(List, NONE, KeyCode::Char('?')), Some(Action::Help));
        assert_eq!(press(List, NONE, KeyCode::Char('/')), Some(Action::AskCommand));
        assert_eq!(press(Writing, NONE, KeyCode::Char('/')), Some(Action::Insert("/".to_owned())));
        assert_eq!(press(Confirming, NONE, KeyCode::Char('x')), None);
    }

    #[test]
    fn the_curtain_has_its_own_keys_and_those_of_the_list() {
        assert_eq!(press(Curtain, NONE, KeyCode::Char('n')), Some(Action::Decline));
        assert_eq!(press(Curtain, NONE, KeyCode::Down), Some(Action::NextEntry));
        assert_eq!(press(Curtain, NONE, KeyCode::F(1)), Some(Action::Help));
    }

    #[test]
    fn what_covers_the_rest_keeps_its_keys() {
        assert_eq!(press(Asking, CTRL, KeyCode::Char('q')), None);
        assert_eq!(press(Asking, CTRL, KeyCode::Char('c')), Some(Action::Close));
        assert_eq!(press(Asking, NONE, KeyCode::F(1)), Some(Action::Help));
        assert_eq!(press(Helping, NONE, KeyCode::Tab), None);
    }
}
