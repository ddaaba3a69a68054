//! What is said in rooms beside plain texts, as between two: answers, reactions, edits and deletions asked for, and who is
//! writing; and in which order texts stand, which is the same for all members.

use std::collections::BTreeMap;
use std::time::Duration;

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::{Command, Missing, RoomId, RoomOrder, RoomTextRef};

use super::conversation::{Conversation, Line, State};
use super::remarks::{About, MAX_UNDER_WAY, Remark, shortened};
use super::{App, Effect, Entry};

/// What has been on the screen for so long is not moved any more (R-25 of docs/spec/rooms.md).
const SETTLES: Duration = Duration::from_secs(2);

/// A remark of one's own on its way: what is shown once another device has it.
#[derive(Debug, Clone)]
pub(super) enum UnderWay {
    Reaction {
        on: RoomTextRef,
        emoji: String,
    },
    Edit {
        of: u64,
        text: String,
    },
    Delete {
        of: u64,
    },
    /// It is shown already, and may not have come to everybody.
    Shown,
}

impl Line {
    /// Where it stands among the texts of its room; nothing for what has no place.
    fn place(&self) -> Option<RoomOrder> {
        match self {
            Self::Mine { about, .. } | Self::Theirs { about, .. } => about.place,
            Self::Note { .. } | Self::File { .. } => None,
        }
    }

    /// When it came, or was written.
    fn at(&self) -> DateTime {
        match self {
            Self::Mine { at, .. } | Self::Theirs { at, .. } | Self::Note { at, .. } | Self::File { at, .. } => *at,
        }
    }
}

impl Conversation {
    /// Adds a line where its place is: before what stands after it, unless that has stood there for too long to be moved.
    pub(super) fn put(&mut self, line: Line, now: DateTime) {
        self.push(line);
        let Some(line) = self.lines.pop_back() else { return };
        let at = line.place().map_or(self.lines.len(), |place| self.before_what_follows(place, now));
        self.lines.insert(at, line);
    }

    fn before_what_follows(&self, place: RoomOrder, now: DateTime) -> usize {
        let recent = self.lines.iter().enumerate().rev().take_while(|(_, line)| !is_settled(line, now));
        let after = recent.filter(|(_, line)| line.place().is_some_and(|other| other > place));
        after.map(|(at, _)| at).last().unwrap_or(self.lines.len())
    }

    /// A text of one's own has been sealed: now its place is known.
    pub(super) fn placed(&mut self, id: u64, place: RoomOrder, now: DateTime) {
        let mine = |line: &Line| matches!(line, Line::Mine { id: found, .. } if *found == id);
        let Some(at) = self.lines.iter().rposition(mine) else { return };
        let Line::Mine { about, .. } = &mut self.lines[at] else { return };
        if about.place.replace(place).is_some() || is_settled(&self.lines[at], now) {
            return;
        }
        if let Some(line) = self.lines.remove(at) {
            let at = self.before_what_follows(place, now);
            self.lines.insert(at, line);
        }
    }

    fn about_in_room(&mut self, text: &RoomTextRef) -> Option<(&mut String, &mut About)> {
        self.lines.iter_mut().rev().find_map(|line| match (line, &text.from) {
            (Line::Mine { id, text: words, about, .. }, None) if *id == text.id => Some((words, about)),
            (Line::Theirs { from, text: words, about, .. }, Some(who)) if from == who && about.id == Some(text.id) => {
                Some((words, about))
            }
            _ => None,
        })
    }

    /// What stands over a text that answers this one.
    pub(super) fn quote_in_room(&mut self, text: &RoomTextRef) -> Option<String> {
        self.about_in_room(text).map(|(words, _)| shortened(words))
    }

    /// The last text of somebody else's.
    fn last_of_others(&self) -> Option<RoomTextRef> {
        self.lines.iter().rev().find_map(|line| match line {
            Line::Theirs { from, about: About { id: Some(id), .. }, .. } => {
                Some(RoomTextRef { from: Some(from.clone()), id: *id })
            }
            _ => None,
        })
    }

    /// The last text of one's own that somebody has.
    fn last_of_mine(&self) -> Option<u64> {
        self.lines.iter().rev().find_map(|line| match line {
            Line::Mine { id, state: State::Room { delivered: 1.., .. }, .. } => Some(*id),
            _ => None,
        })
    }

    fn react_in_room(&mut self, on: &RoomTextRef, by: Option<Identifier>, emoji: String) {
        let Some((_, about)) = self.about_in_room(on) else { return };
        match by {
            None => about.mine = emoji,
            Some(who) if emoji.is_empty() => {
                about.by_others.remove(&who);
            }
            Some(who) => {
                about.by_others.insert(who, emoji);
            }
        }
    }

    fn edit_in_room(&mut self, of: &RoomTextRef, text: String) {
        if let Some((words, about)) = self.about_in_room(of) {
            *words = text;
            about.edited = true;
        }
    }

    fn delete_in_room(&mut self, of: &RoomTextRef) {
        if let Some((_, about)) = self.about_in_room(of) {
            about.delete = true;
        }
    }
}

fn is_settled(line: &Line, now: DateTime) -> bool {
    now.duration_since(line.at()).unsigned_abs() >= SETTLES
}

/// One of one's own.
fn mine(id: u64) -> RoomTextRef {
    RoomTextRef { from: None, id }
}

impl App {
    /// Does one of the commands about the last text of a room.
    pub(super) fn remark_in_room(
        &mut self,
        room: RoomId,
        remark: Remark,
        now: DateTime,
    ) -> Result<Vec<Effect>, String> {
        let (entry, id) = (Entry::Room(room), self.next_id);
        if let Some(reason) = self.nobody_to_hear(&entry) {
            return Err(reason);
        }
        let conversation = self.conversation_mut(&entry);
        let theirs = || conversation.last_of_others().ok_or("Nobody else has said anything yet.");
        let own = || conversation.last_of_mine().ok_or("Nothing of yours is with anybody that could be changed.");
        let numbered = Some(id);
        let (under_way, command) = match remark {
            Remark::Reply(text) => {
                let on = theirs()?;
                return Ok(self.reply_in_room(room, on, text, now));
            }
            Remark::React(emoji) => {
                let on = theirs()?;
                let command = Command::RoomReact { room, on: on.clone(), emoji: emoji.clone(), id: numbered };
                (UnderWay::Reaction { on, emoji }, command)
            }
            Remark::Edit(text) => {
                let of = own()?;
                (UnderWay::Edit { of, text: text.clone() }, Command::RoomEdit { room, of, text, id: numbered })
            }
            Remark::Delete => {
                let of = own()?;
                (UnderWay::Delete { of }, Command::RoomDelete { room, of, id: numbered })
            }
            _ => return Err("That is for conversations with one person, not for rooms.".to_owned()),
        };
        let remarks = &mut conversation.remarks.in_room;
        remarks.insert(id, under_way);
        if remarks.len() > MAX_UNDER_WAY {
            remarks.pop_first();
        }
        self.next_id += 1;
        Ok(vec![Effect::Engine(command)])
    }

    fn reply_in_room(&mut self, room: RoomId, on: RoomTextRef, text: String, now: DateTime) -> Vec<Effect> {
        let entry = Entry::Room(room);
        let mut effects = self.send_text(&entry, text, None, now);
        let conversation = self.conversation_mut(&entry);
        let quote = conversation.quote_in_room(&on);
        if let Some(Line::Mine { about, .. }) = conversation.lines.back_mut() {
            about.answers = quote;
        }
        if let Some(Effect::Engine(Command::RoomSend { reply_to, .. })) = effects.first_mut() {
            *reply_to = Some(on);
        }
        effects
    }

    /// How far a remark of one's own got in a room. Returns false if the number stands for something else.
    pub(super) fn hear_of_room_remark(
        &mut self,
        room: RoomId,
        id: u64,
        (delivered, missing): (usize, &[Missing]),
        others: usize,
    ) -> bool {
        let conversation = self.conversation_mut(&Entry::Room(room));
        let remarks: &mut BTreeMap<u64, UnderWay> = &mut conversation.remarks.in_room;
        let Some(remark) = remarks.get(&id).cloned() else { return false };
        let is_over = delivered + missing.len() >= others;
        if is_over {
            remarks.remove(&id);
        } else if delivered > 0 {
            remarks.insert(id, UnderWay::Shown);
        }
        if delivered > 0 {
            match remark {
                UnderWay::Reaction { on, emoji } => conversation.react_in_room(&on, None, emoji),
                UnderWay::Edit { of, text } => conversation.edit_in_room(&mine(of), text),
                UnderWay::Delete { of } => conversation.delete_in_room(&mine(of)),
                UnderWay::Shown => {}
            }
        } else if let UnderWay::Edit { text, .. } = remark
            && is_over
            && conversation.draft.is_empty()
        {
            // What one wanted to read there stands nowhere else.
            let _ = conversation.draft.insert(&format!("/edit {text}"));
        }
        if let Some(Missing { who, reason }) = missing.first().filter(|_| is_over) {
            let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
            self.wrong(format!("It did not arrive at {who}{more}: {reason}"));
        }
        true
    }

    /// Somebody reacts to a text in a room, or takes her reaction away.
    pub(super) fn hear_room_reaction(&mut self, room: RoomId, from: Identifier, on: &RoomTextRef, emoji: String) {
        self.conversation_mut(&Entry::Room(room)).react_in_room(on, Some(from), emoji);
    }

    /// Somebody asks to show another text in place of hers.
    pub(super) fn hear_room_edit(&mut self, room: RoomId, of: &RoomTextRef, text: String) {
        self.conversation_mut(&Entry::Room(room)).edit_in_room(of, text);
    }

    /// Somebody asks to delete her text. It stays, as between two.
    pub(super) fn hear_room_deletion(&mut self, room: RoomId, of: &RoomTextRef) {
        self.conversation_mut(&Entry::Room(room)).delete_in_room(of);
    }

    /// Somebody is writing in a room, or no longer.
    pub(super) fn hear_room_typing(&mut self, room: RoomId, who: Identifier, typing: bool) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.typing.retain(|one| *one != who);
            room.typing.extend(typing.then_some(who));
        }
    }

    /// Who is writing in a room, as one sentence; empty if nobody is.
    pub(crate) fn who_types(&self, room: &super::Room) -> String {
        match &room.typing[..] {
            [] => String::new(),
            [one] => format!("{} is typing…", self.called(one)),
            [one, other] => format!("{} and {} are typing…", self.called(one), self.called(other)),
            more => format!("{} are typing…", more.len()),
        }
    }
}
