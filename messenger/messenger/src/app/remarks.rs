//! What is said about texts, and what is no text: answers, reactions, edits and deletions asked for, nudges, who is typing,
//! what was read, at which device one goes on.

use std::collections::BTreeMap;

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::{Command, DeliveryState, RoomOrder, Side, TextRef};

use super::conversation::{Conversation, Line, MAX_LINES, State};
use super::editor::MAX_TEXT_BYTES;
use super::{App, Effect, Entry, room_remarks};
use crate::keys::Action;

/// How much of a text is shown where it is answered, in characters.
const QUOTE: usize = 60;

/// How many remarks of one's own may be under way in a conversation before the oldest is forgotten.
pub(super) const MAX_UNDER_WAY: usize = 256;

/// What is shown with a text beside the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// The number of a text of theirs.
    pub(crate) id: Option<u64>,
    /// The beginning of the text that it answers.
    pub(crate) answers: Option<String>,
    /// One's own reaction, and theirs; empty for none.
    pub(crate) mine: String,
    pub(crate) theirs: String,
    /// Those of the others in a room.
    pub(crate) by_others: BTreeMap<Identifier, String>,
    /// Where a text stands among those of its room.
    pub(crate) place: Option<RoomOrder>,
    /// It is another text than the first one.
    pub(crate) edited: bool,
    /// Its author asks to delete it.
    pub(crate) delete: bool,
    /// They have seen it.
    pub(crate) read: bool,
}

/// A command that says something about the last text, or about nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    Reply(String),
    React(String),
    Edit(String),
    Delete,
    Nudge,
    /// Go on at this device.
    Here,
    /// Whether others are told that one is typing.
    Typing(bool),
    /// Whether others are told what one has read.
    Receipts(bool),
}

/// Every such command, for the help.
pub(crate) const COMMANDS: [(&str, &str); 8] = [
    ("/reply TEXT", "answer their last text"),
    ("/react 👍", "react to their last text; without an emoji: no more"),
    ("/edit TEXT", "ask them to show this in place of your last text"),
    ("/delete", "ask them to delete your last text"),
    ("/nudge", "make yourself noticed"),
    ("/here", "go on here instead of on another device"),
    ("/typing on", "whether they see that you are typing; or off"),
    ("/receipts on", "whether you tell each other what was read; or off"),
];

/// Reads one of them.
///
/// # Errors
/// What would be right, as one line for people.
pub(crate) fn parse(name: &str, rest: &str) -> Result<Remark, String> {
    let switch = || match rest {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{name} is on or off.")),
    };
    match name {
        "/reply" | "/edit" if rest.is_empty() => Err(format!("{name} needs a text after it.")),
        "/reply" => Ok(Remark::Reply(rest.to_owned())),
        "/edit" => Ok(Remark::Edit(rest.to_owned())),
        "/react" => Ok(Remark::React(rest.to_owned())),
        "/typing" => switch().map(Remark::Typing),
        "/receipts" => switch().map(Remark::Receipts),
        _ if !rest.is_empty() => Err(format!("{name} stands alone; found {rest:?} after it.")),
        "/delete" => Ok(Remark::Delete),
        "/here" => Ok(Remark::Here),
        _ => Ok(Remark::Nudge),
    }
}

/// A remark of one's own on its way: what is shown once the other device has it.
#[derive(Debug)]
enum UnderWay {
    Reaction { on: TextRef, emoji: String },
    Edit { of: u64, text: String },
    Delete { of: u64 },
    Nudge,
    Here,
}

/// Remarks of one's own on their way, and texts of theirs that nobody has read.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    under_way: BTreeMap<u64, UnderWay>,
    pub(super) in_room: BTreeMap<u64, room_remarks::UnderWay>,
    unread: Vec<u64>,
}

impl Conversation {
    fn about(&mut self, text: TextRef) -> Option<(&mut String, &mut About)> {
        self.lines.iter_mut().rev().find_map(|line| match line {
            Line::Mine { id, text: words, about, .. } if text.by == Side::Me && *id == text.id => Some((words, about)),
            Line::Theirs { text: words, about, .. } if text.by == Side::Them && about.id == Some(text.id) => {
                Some((words, about))
            }
            _ => None,
        })
    }

    /// What stands over a text that answers this one.
    pub(super) fn quote(&mut self, text: TextRef) -> Option<String> {
        let (words, _) = self.about(text)?;
        Some(shortened(words))
    }

    /// The last text of either side that the other device has.
    fn last(&self, by: Side) -> Option<TextRef> {
        self.lines.iter().rev().find_map(|line| match line {
            Line::Mine { id, state: State::Delivered, .. } if by == Side::Me => Some(TextRef { by, id: *id }),
            Line::Theirs { about: About { id: Some(id), .. }, .. } if by == Side::Them => Some(TextRef { by, id: *id }),
            _ => None,
        })
    }

    fn react(&mut self, on: TextRef, by: Side, emoji: String) {
        if let Some((_, about)) = self.about(on) {
            match by {
                Side::Me => about.mine = emoji,
                Side::Them => about.theirs = emoji,
            }
        }
    }

    fn edit(&mut self, of: TextRef, text: String) {
        if let Some((words, about)) = self.about(of) {
            *words = text;
            about.edited = true;
        }
    }

    fn delete(&mut self, of: TextRef) {
        if let Some((_, about)) = self.about(of) {
            about.delete = true;
        }
    }
}

/// As much of a text as is shown where it is answered.
pub(super) fn shortened(words: &str) -> String {
    let short: String = words.chars().take(QUOTE).collect();
    if short.len() < words.len() { format!("{short}…") } else { short }
}

impl App {
    /// Does one of the commands about the last text of the conversation that is open.
    pub(super) fn remark(&mut self, remark: Remark, now: DateTime) -> Result<Vec<Effect>, String> {
        if let Remark::Reply(text) | Remark::Edit(text) = &remark
            && text.len() > MAX_TEXT_BYTES
        {
            let found = text.len();
            return Err(format!(
                "A message has at most {MAX_TEXT_BYTES} bytes; this one has {found}. Send it in parts."
            ));
        }
        let signals = |typing, read_receipts| vec![Effect::Engine(Command::SetSignals { typing, read_receipts })];
        match remark {
            Remark::Typing(on) => return Ok(signals(Some(on), None)),
            Remark::Receipts(on) => return Ok(signals(None, Some(on))),
            _ => {}
        }
        let who = match self.selected.clone() {
            Some(Entry::Person(who)) => who,
            Some(Entry::Room(room)) => return self.remark_in_room(room, remark, now),
            _ => return Err("That is for conversations: choose one first.".to_owned()),
        };
        let (entry, id) = (Entry::Person(who.clone()), self.next_id);
        let conversation = self.conversation_mut(&entry);
        let last = |by: Side| {
            let none = match by {
                Side::Me => "Nothing of yours is with them that could be changed.",
                Side::Them => "They have not said anything yet.",
            };
            conversation.last(by).ok_or_else(|| none.to_owned())
        };
        let to = who.to_string();
        let (under_way, command) = match remark {
            Remark::Reply(text) => {
                let on = last(Side::Them)?;
                return Ok(self.reply(&who, on, text, now));
            }
            Remark::React(emoji) => {
                let on = last(Side::Them)?;
                (UnderWay::Reaction { on, emoji: emoji.clone() }, Command::React { to, on, emoji, id: Some(id) })
            }
            Remark::Edit(text) => {
                let of = last(Side::Me)?.id;
                (UnderWay::Edit { of, text: text.clone() }, Command::Edit { to, of, text, id: Some(id) })
            }
            Remark::Delete => {
                let of = last(Side::Me)?.id;
                (UnderWay::Delete { of }, Command::Delete { to, of, id: Some(id) })
            }
            Remark::Here => (UnderWay::Here, Command::ContinueHere { to, id: Some(id) }),
            Remark::Nudge | Remark::Typing(_) | Remark::Receipts(_) => {
                (UnderWay::Nudge, Command::Nudge { to, id: Some(id) })
            }
        };
        let remarks = &mut conversation.remarks.under_way;
        remarks.insert(id, under_way);
        if remarks.len() > MAX_UNDER_WAY {
            remarks.pop_first();
        }
        self.next_id += 1;
        Ok(vec![Effect::Engine(command)])
    }

    fn reply(&mut self, who: &Identifier, on: TextRef, text: String, now: DateTime) -> Vec<Effect> {
        let entry = Entry::Person(who.clone());
        let mut effects = self.send_text(&entry, text, None, now);
        if let Some(Effect::Engine(Command::Send { reply_to, .. })) = effects.first_mut() {
            *reply_to = Some(on);
        }
        let conversation = self.conversation_mut(&entry);
        let quote = conversation.quote(on);
        if let Some(Line::Mine { about, .. }) = conversation.lines.back_mut() {
            about.answers = quote;
        }
        effects
    }

    /// How far a remark of one's own got. Returns false if the number stands for something else.
    pub(super) fn hear_of_remark(
        &mut self,
        id: u64,
        to: &Identifier,
        state: DeliveryState,
        reason: Option<&str>,
        now: DateTime,
    ) -> bool {
        let conversation = self.conversation_mut(&Entry::Person(to.clone()));
        if state == DeliveryState::Sending {
            return conversation.remarks.under_way.contains_key(&id);
        }
        let Some(remark) = conversation.remarks.under_way.remove(&id) else { return false };
        if state != DeliveryState::Delivered {
            // What one wanted to read there stands nowhere else.
            if let UnderWay::Edit { text, .. } = &remark
                && conversation.draft.is_empty()
            {
                let _ = conversation.draft.insert(&format!("/edit {text}"));
            }
            let doubt = if state == DeliveryState::Unknown { "may not have arrived" } else { "did not arrive" };
            self.wrong(format!("It {doubt}: {}", reason.unwrap_or("no reason was given")));
            return true;
        }
        match remark {
            UnderWay::Reaction { on, emoji } => conversation.react(on, Side::Me, emoji),
            UnderWay::Edit { of, text } => conversation.edit(TextRef { by: Side::Me, id: of }, text),
            UnderWay::Delete { of } => conversation.delete(TextRef { by: Side::Me, id: of }),
            UnderWay::Nudge => conversation.note("You nudged them", now),
            UnderWay::Here => conversation.note("You go on here: their texts come to this device", now),
        }
        true
    }

    /// Somebody reacts to a text, or takes her reaction away.
    pub(super) fn hear_reaction(&mut self, from: Identifier, on: TextRef, emoji: String) {
        self.conversation_mut(&Entry::Person(from)).react(on, Side::Them, emoji);
    }

    /// Somebody asks to show another text in place of hers.
    pub(super) fn hear_edit(&mut self, from: Identifier, id: u64, text: String) {
        self.conversation_mut(&Entry::Person(from)).edit(TextRef { by: Side::Them, id }, text);
    }

    /// Somebody asks to delete her text. It stays: what was read cannot be unread, and whoever has it decides.
    pub(super) fn hear_deletion(&mut self, from: Identifier, id: u64) {
        self.conversation_mut(&Entry::Person(from)).delete(TextRef { by: Side::Them, id });
    }

    /// Somebody wants to be noticed.
    pub(super) fn hear_nudge(&mut self, from: Identifier, now: DateTime) -> Vec<Effect> {
        self.person_mut(&from);
        let entry = Entry::Person(from.clone());
        let shown = self.shows(&entry);
        let conversation = self.conversation_mut(&entry);
        conversation.note(format!("{from} nudges you"), now);
        if !shown {
            conversation.unread += 1;
        }
        self.bell()
    }

    /// Somebody goes on at another device of hers.
    pub(super) fn hear_continued(&mut self, from: Identifier, now: DateTime) {
        let words = format!("{from} goes on with you at another device");
        self.conversation_mut(&Entry::Person(from)).note(words, now);
    }

    /// One went on at another device oneself, or somebody else did.
    pub(super) fn hear_continued_elsewhere(&mut self, who: Identifier, now: DateTime) -> Vec<Effect> {
        let me = &self.me.identifier;
        let words = format!(
            "{who}'s device says that you went on with this at another device of yours. If that was not you, look who else has \
             a certificate in your name: certtool watch {me}"
        );
        self.conversation_mut(&Entry::Person(who)).note(words, now);
        self.bell()
    }

    /// Somebody is typing, or no longer.
    pub(super) fn hear_typing(&mut self, who: &Identifier, typing: bool) {
        if let Some(person) = self.people.get_mut(who) {
            person.typing = typing;
        }
    }

    /// Somebody has seen texts of one's own.
    pub(super) fn hear_read(&mut self, who: Identifier, ids: Vec<u64>) {
        let conversation = self.conversation_mut(&Entry::Person(who));
        for id in ids {
            if let Some((_, about)) = conversation.about(TextRef { by: Side::Me, id }) {
                about.read = true;
            }
        }
    }

    /// A text of theirs is there to be read.
    pub(super) fn await_reading(&mut self, from: &Identifier, id: u64) {
        if self.settings.read_receipts {
            let unread = &mut self.conversation_mut(&Entry::Person(from.clone())).remarks.unread;
            // Of more than a conversation keeps, the oldest are on no screen any more.
            if unread.len() == MAX_LINES {
                unread.remove(0);
            }
            unread.push(id);
        }
    }

    /// Does what a key asked for at `now`, local time. Whoever presses a key has read what is on the screen, and writes or
    /// does not.
    pub(crate) fn act(&mut self, action: Action, now: DateTime) -> Vec<Effect> {
        // Whoever presses keys at a locked screen reads nothing and writes to nobody.
        if self.locked.is_some() {
            return self.done(action, now);
        }
        let mut effects = self.read_here();
        let edits = matches!(action, Action::Insert(_) | Action::Edit(_));
        effects.extend(self.done(action, now));
        effects.extend(edits.then(|| self.typing_here()).flatten());
        effects
    }

    fn read_here(&mut self) -> Vec<Effect> {
        let Some(Entry::Person(who)) = self.selected.clone().filter(|_| self.cover.is_none()) else {
            return Vec::new();
        };
        let Some(conversation) = self.open_conversation().filter(|one| one.scroll == 0) else { return Vec::new() };
        let ids = std::mem::take(&mut conversation.remarks.unread);
        if ids.is_empty() { Vec::new() } else { vec![Effect::Engine(Command::Read { who: who.to_string(), ids })] }
    }

    fn typing_here(&mut self) -> Option<Effect> {
        let entry = self.selected.clone().filter(|_| self.cover.is_none())?;
        let draft = self.open_conversation()?.draft.text();
        let typing = !draft.is_empty() && (!draft.starts_with('/') || draft.starts_with("//"));
        match entry {
            Entry::Person(who) => Some(Effect::Engine(Command::Typing { to: who.to_string(), typing })),
            Entry::Room(room) => {
                let heard = self.nobody_to_hear(&Entry::Room(room)).is_none();
                heard.then_some(Effect::Engine(Command::RoomTyping { room, typing }))
            }
            Entry::Knock(_) | Entry::Invitation(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_help_lists_and_says_what_would_be_right() {
        for (typed, _) in COMMANDS {
            let (name, rest) = typed.split_once(' ').unwrap_or((typed, ""));
            assert!(parse(name, rest).is_ok(), "{typed}");
        }
        assert_eq!(parse("/react", ""), Ok(Remark::React(String::new())));
        for (name, rest, hint) in [
            ("/reply", "", "needs a text"),
            ("/edit", "", "needs a text"),
            ("/delete", "it", "stands alone"),
            ("/nudge", "bob", "stands alone"),
            ("/here", "please", "stands alone"),
            ("/typing", "maybe", "on or off"),
            ("/receipts", "", "on or off"),
        ] {
            assert!(parse(name, rest).unwrap_err().contains(hint), "{name}");
        }
    }
}
