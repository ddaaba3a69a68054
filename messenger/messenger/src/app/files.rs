//! Files on their way: offered, taken, refused, put off and ended, and how far they are.

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::{Command, Direction, Event, Missing, RoomId, Side, TransferId, TransferState};

use super::conversation::{Conversation, Line};
use super::{App, Effect, Entry, paths};
use crate::text::harmless_line;

/// A file or a folder on its way to another device, as it stands in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    /// By which the person names it, counted while the program runs.
    pub(crate) number: u32,
    /// Oneself, of what one offers to all in a room.
    pub(crate) with: Identifier,
    pub(crate) direction: Direction,
    /// Whether it was offered in a room: then who offers it has to be said.
    pub(crate) in_room: bool,
    /// Of what one offers to all in a room, under which id it is told how many have the offer.
    pub(crate) told_as: Option<u64>,
    /// As sent: whoever shows it makes it harmless.
    pub(crate) name: String,
    pub(crate) folder: bool,
    pub(crate) files: u64,
    /// Not known of what this device offers until bytes go.
    pub(crate) bytes: Option<u64>,
    pub(crate) media_type: Option<String>,
    /// How many links and devices of a folder are not offered.
    pub(crate) left_out: u64,
    pub(crate) state: TransferState,
    pub(crate) by: Option<Side>,
    pub(crate) reason: Option<String>,
    /// Where it is to be, or is.
    pub(crate) place: String,
    /// The same, as it is shown.
    pub(crate) shown: String,
    pub(crate) done: u64,
    pub(crate) rate: u64,
    pub(crate) left_s: Option<u64>,
}

/// Names that are shown of those that a path may go on to be.
const SHOWN: usize = 8;

/// What can be done with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Take,
    Refuse,
    Pause,
    Continue,
    Cancel,
}

impl Deed {
    /// How it is typed.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Take => "/take",
            Self::Refuse => "/refuse",
            Self::Pause => "/pause",
            Self::Continue => "/continue",
            Self::Cancel => "/cancel",
        }
    }

    fn participle(self) -> &'static str {
        match self {
            Self::Take => "taken",
            Self::Refuse => "refused",
            Self::Pause => "put off",
            Self::Continue => "continued",
            Self::Cancel => "cancelled",
        }
    }
}

impl Transfer {
    /// Whether one offers it to all in a room: each who takes it has a transfer of her own.
    pub(crate) fn is_to_all(&self) -> bool {
        self.in_room && self.direction == Direction::Out
    }

    /// Whether this can be done with it now.
    pub(crate) fn allows(&self, deed: Deed) -> bool {
        use TransferState::{Offered, Paused, Running, Waiting};
        let offered_to_me = self.state == Offered && self.direction == Direction::In;
        match deed {
            Deed::Take | Deed::Refuse => offered_to_me,
            Deed::Pause => matches!(self.state, Waiting | Running),
            // Whoever did not put it off can only wait; the engine says by whom, or that it were both.
            Deed::Continue => self.state == Paused,
            Deed::Cancel => !self.state.is_over() && !offered_to_me,
        }
    }

    fn command(&self, deed: Deed) -> Command {
        let transfer = self.id;
        match deed {
            Deed::Take => Command::FileAccept { transfer, into: self.place.clone() },
            Deed::Refuse => Command::FileRefuse { transfer, reason: None },
            Deed::Pause => Command::FilePause { transfer },
            Deed::Continue => Command::FileContinue { transfer },
            Deed::Cancel => Command::FileCancel { transfer },
        }
    }
}

impl Conversation {
    fn transfer_mut(&mut self, wanted: TransferId) -> Option<&mut Transfer> {
        self.lines.iter_mut().rev().find_map(|line| match line {
            Line::File { file, .. } if file.id == wanted => Some(&mut **file),
            _ => None,
        })
    }

    /// Its files, the last first.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.lines.iter().rev().filter_map(|line| match line {
            Line::File { file, .. } => Some(&**file),
            _ => None,
        })
    }
}

impl App {
    /// The same, on a device that has its folders there.
    pub(crate) fn placed(self, places: crate::places::Places) -> Self {
        Self { places, ..self }
    }

    /// Where what comes is put.
    pub(crate) fn downloads(&self) -> &std::path::Path {
        self.behaviour.downloads.as_deref().unwrap_or(&self.places.downloads)
    }

    /// The same, as it is shown.
    pub(crate) fn shown_downloads(&self) -> String {
        self.places.shorten(self.downloads())
    }

    /// The transfer of which an event tells.
    pub(crate) fn transfer(&self, id: TransferId) -> Option<&Transfer> {
        let entry = self.transfers.get(&id)?;
        self.conversation(entry)?.transfers().find(|file| file.id == id)
    }

    /// How many have what one offers to all in a room. Returns false if the number stands for something else.
    pub(super) fn hear_of_offer_to_all(&mut self, room: RoomId, id: u64, missing: &[Missing], is_over: bool) -> bool {
        let conversation = self.conversation(&Entry::Room(room));
        let file = conversation.and_then(|one| one.transfers().find(|file| file.told_as == Some(id)));
        let Some(name) = file.map(|file| harmless_line(&file.name)) else { return false };
        if let Some(Missing { who, reason }) = missing.first().filter(|_| is_over) {
            let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
            self.wrong(format!("{name} is not offered to {who}{more}: {reason}"));
        }
        true
    }

    /// Transfers that would end with the program.
    pub(super) fn transfers_under_way(&self) -> usize {
        let under_way = |id: &&TransferId| {
            self.transfer(**id).is_some_and(|file| file.allows(Deed::Pause) || file.allows(Deed::Continue))
        };
        self.transfers.keys().filter(under_way).count()
    }

    /// Offers what the paths name to whom the conversation is with.
    pub(super) fn offer_files(&mut self, typed: &[String]) -> Result<Vec<Effect>, String> {
        let entry = self.selected.clone().filter(|_| self.writable());
        let Some(entry) = entry else { return Err("Choose first to whom it goes.".to_owned()) };
        if let Some(reason) = self.nobody_to_hear(&entry) {
            return Err(reason);
        }
        if let Entry::Room(_) = entry {
            self.said(
                "It is offered to everybody here who is reached; how far it gets stands in the conversation with each.",
            );
        }
        let offer = |path: &String| {
            let path = std::path::absolute(self.places.expand(path)).map_err(|error| format!("{path}: {error}"))?;
            let path = path.into_os_string().into_string();
            let path = path.map_err(|_| "The name of that file is no UTF-8: rename it first.".to_owned())?;
            Ok(Effect::Engine(match &entry {
                Entry::Room(room) => Command::RoomFileOffer { room: *room, path },
                Entry::Person(who) => {
                    Command::FileOffer { to: who.to_string(), path, transfer: None, device: None, media_type: None }
                }
                Entry::Knock(_) | Entry::Invitation(_) => return Err("Choose first to whom it goes.".to_owned()),
            }))
        };
        typed.iter().map(offer).collect()
    }

    /// Does something with the transfer of that number, or with the last in the open conversation that it can be done with.
    pub(super) fn deal_with_file(&mut self, deed: Deed, number: Option<u32>) -> Result<Vec<Effect>, String> {
        let found = match number {
            Some(number) => self.transfers.keys().find_map(|id| self.transfer(*id).filter(|one| one.number == number)),
            None => {
                let open = self.selected.as_ref().and_then(|entry| self.conversation(entry));
                open.and_then(|open| open.transfers().find(|file| file.allows(deed)))
            }
        };
        match found {
            Some(file) if file.allows(deed) => Ok(vec![Effect::Engine(file.command(deed))]),
            _ => Err(format!("There is no such file here that could be {}.", deed.participle())),
        }
    }

    /// The key that puts off what goes, and lets go on what was put off.
    pub(super) fn pause_or_continue(&mut self) -> Result<Vec<Effect>, String> {
        self.deal_with_file(Deed::Pause, None).or_else(|_| self.deal_with_file(Deed::Continue, None))
    }

    /// What a key asked for, or why not.
    pub(super) fn done_with_file(
        &mut self,
        deed: impl FnOnce(&mut Self) -> Result<Vec<Effect>, String>,
    ) -> Vec<Effect> {
        deed(self).unwrap_or_else(|problem| {
            self.wrong(problem);
            Vec::new()
        })
    }

    /// The path that is being typed after `/file`, if it is: there Tab goes on with it.
    pub(super) fn path_begun(&self) -> Option<String> {
        let open = self.selected.as_ref().and_then(|entry| self.conversation(entry));
        let open = open.filter(|_| self.pane == super::Pane::Message && self.cover.is_none())?;
        let rest = open.draft.text().strip_prefix("/file ")?;
        // A word that is done is none that is begun.
        let begun = if rest.ends_with(' ') && !rest.ends_with("\\ ") { None } else { paths::words(rest).ok()?.pop() };
        Some(begun.unwrap_or_default())
    }

    /// Goes on with a path as far as only one way leads.
    pub(crate) fn completed(&mut self, begun: &str, found: &[String]) {
        let Some(first) = found.first() else { return self.said("Nothing there begins so.") };
        let common = found.iter().fold(first.as_str(), |common, one| paths::common(common, one));
        let Some(more) = common.strip_prefix(begun) else { return };
        if more.is_empty() && found.len() > 1 {
            let name = |path: &String| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            let names: Vec<_> = found.iter().take(SHOWN).map(name).collect();
            let rest = if found.len() > SHOWN { " …" } else { "" };
            return self.said(format!("{}{rest}", names.join("  ")));
        }
        // What was typed stays as it was typed; what is a file is done.
        let end = if found.len() == 1 && !common.ends_with('/') { " " } else { "" };
        let more = paths::quoted(more) + end;
        if let Some(conversation) = self.open_conversation()
            && let Err(most) = conversation.draft.insert(&more)
        {
            self.wrong(format!("That is too long: {most} bytes."));
        }
    }

    /// Chooses where what comes is put from now on, or says where.
    pub(super) fn choose_downloads(&mut self, typed: Option<String>) -> Result<Vec<Effect>, String> {
        let Some(typed) = typed else {
            let folder = self.shown_downloads();
            self.said(format!("What comes is put into {folder}. /downloads FOLDER chooses another."));
            return Ok(Vec::new());
        };
        let folder = std::path::absolute(self.places.expand(&typed)).map_err(|error| format!("{typed}: {error}"))?;
        if folder.to_str().is_none() {
            return Err("The name of that folder is no UTF-8: choose another.".to_owned());
        }
        self.behaviour.downloads = Some(folder);
        let (place, shown) = (self.downloads().display().to_string(), self.shown_downloads());
        // What waits for an answer says where it would go, and has to be right.
        for id in self.transfers.keys().copied().collect::<Vec<_>>() {
            self.change_file(id, |file| {
                if file.allows(Deed::Take) {
                    (file.place, file.shown) = (place.clone(), shown.clone());
                }
            });
        }
        self.said(format!("What comes is put into {shown} from now on."));
        Ok(vec![Effect::Behave(self.behaviour.clone())])
    }

    pub(super) fn hear_file(&mut self, event: Event, now: DateTime) -> Vec<Effect> {
        match event {
            Event::FileOffered { transfer, from, room, name, folder, files, bytes, media_type, device: _ } => {
                let (place, shown) = (self.downloads().display().to_string(), self.shown_downloads());
                let (number, with) = (self.number_file(), from.clone());
                let file = Transfer {
                    in_room: room.is_some(),
                    folder,
                    files,
                    bytes: Some(bytes),
                    media_type,
                    place,
                    shown,
                    ..Transfer::new(transfer, number, with, Direction::In, name)
                };
                return self.hear_offer(file, room, now);
            }
            Event::FileState { transfer, with, direction, name, state, by, reason, path, left_out } => {
                if self.transfer(transfer).is_none() {
                    let number = self.number_file();
                    self.people.entry(with.clone()).or_default();
                    let entry = Entry::Person(with.clone());
                    self.put_file(entry, Transfer::new(transfer, number, with, direction, name), now);
                }
                let place = path.map(|path| (self.places.shorten(path.as_ref()), path));
                self.change_file(transfer, |file| {
                    (file.state, file.by, file.reason) = (state, by, reason);
                    file.left_out = left_out.unwrap_or_default();
                    if let Some(place) = place {
                        (file.shown, file.place) = place;
                    }
                });
                if state.is_over() {
                    self.transfers.remove(&transfer);
                }
            }
            Event::RoomFileState { room, transfer, name, state, reason, left_out, id } => {
                if self.transfer(transfer).is_none() {
                    let (number, me) = (self.number_file(), self.me.identifier.clone());
                    let file = Transfer::new(transfer, number, me, Direction::Out, name);
                    self.put_file(Entry::Room(room), Transfer { in_room: true, ..file }, now);
                }
                self.change_file(transfer, |file| {
                    (file.state, file.reason, file.told_as) = (state, reason, id);
                    file.by = (state == TransferState::Cancelled).then_some(Side::Me);
                    file.left_out = left_out.unwrap_or_default();
                });
                if state.is_over() {
                    self.transfers.remove(&transfer);
                }
            }
            Event::FileProgress { transfer, done, bytes, rate, left_s, .. } => {
                self.change_file(transfer, |file| {
                    (file.done, file.bytes, file.rate, file.left_s) = (done, Some(bytes), rate, left_s);
                });
            }
            _ => {}
        }
        Vec::new()
    }

    fn hear_offer(&mut self, file: Transfer, room: Option<RoomId>, now: DateTime) -> Vec<Effect> {
        let from = file.with.clone();
        let entry = match room.filter(|room| self.rooms.contains_key(room)) {
            Some(room) => Entry::Room(room),
            None => {
                self.people.entry(from.clone()).or_default();
                Entry::Person(from.clone())
            }
        };
        let what = if file.folder { "folder" } else { "file" };
        let announced = self.announce_offer(&entry, &from, what);
        let shown = self.shows(&entry);
        self.put_file(entry.clone(), file, now);
        let conversation = self.conversation_mut(&entry);
        if !shown || conversation.scroll > 0 {
            conversation.unread += 1;
        }
        announced
    }

    /// The number that the next file gets.
    pub(crate) fn next_file(&self) -> u32 {
        self.last_file.wrapping_add(1)
    }

    fn number_file(&mut self) -> u32 {
        self.last_file = self.next_file();
        self.last_file
    }

    fn put_file(&mut self, entry: Entry, file: Transfer, now: DateTime) {
        self.transfers.insert(file.id, entry.clone());
        self.conversation_mut(&entry).push(Line::File { file: Box::new(file), at: now });
    }

    fn change_file(&mut self, id: TransferId, change: impl FnOnce(&mut Transfer)) {
        let Some(entry) = self.transfers.get(&id).cloned() else { return };
        if let Some(file) = self.conversation_mut(&entry).transfer_mut(id) {
            change(file);
        }
    }
}

impl Transfer {
    pub(crate) fn new(id: TransferId, number: u32, with: Identifier, direction: Direction, name: String) -> Self {
        Self {
            id,
            number,
            with,
            direction,
            in_room: false,
            told_as: None,
            name,
            folder: false,
            files: 1,
            bytes: None,
            media_type: None,
            left_out: 0,
            state: TransferState::Offered,
            by: None,
            reason: None,
            place: String::new(),
            shown: String::new(),
            done: 0,
            rate: 0,
            left_s: None,
        }
    }
}

/// Reads `/file` and what follows.
///
/// # Errors
/// One line for people.
pub(super) fn parse_paths(rest: &str) -> Result<Vec<String>, String> {
    match paths::words(rest)? {
        none if none.is_empty() => Err("/file needs a path: /file ~/picture.jpg".to_owned()),
        some => Ok(some),
    }
}

/// Reads the number of a file.
///
/// # Errors
/// One line for people.
pub(super) fn parse_number(rest: &str, deed: Deed) -> Result<Option<u32>, String> {
    let typed = deed.command();
    match rest {
        "" => Ok(None),
        rest => rest.parse().map(Some).map_err(|_| {
            format!("{typed} alone is about the last file here; {typed} 2 about the one with that number.")
        }),
    }
}

#[cfg(test)]
mod tests;
