//! What happened, as whole sentences: for ears and for lines, without signs that mean something by their place.

use jiff::civil::DateTime;
use messenger_engine::{DeliveryState, Event, Purpose, RoomSuite, SessionState, Side};

use super::files;
use crate::app::conversation::{Conversation, Line};
use crate::app::{App, Entry, Person, rooms, ways};
use crate::text::{harmless, harmless_line};
use crate::view::{self, Delivered};

/// Most characters of a text that are said again to tell which one is meant.
const QUOTED: usize = 40;

/// The lines that tell of an event; `before` is the model before it heard of it. What the model itself puts into its notice
/// is not told here.
pub(super) fn of_event(event: &Event, before: &App, now: DateTime) -> Vec<String> {
    let one = |line: String| vec![line];
    match event {
        Event::Online { identifier, directory } => {
            one(format!("You are online at {}, as {identifier}.", harmless_line(directory)))
        }
        Event::Offline { reason } => one(format!("You are offline: {}.", harmless_line(reason))),
        Event::Presence { who, online, seen } => {
            let person = Person { shows: seen.clone(), ..Person::default() };
            let words = seen.status.map_or("online", |_| person.status_word());
            let bot = if person.is_bot() { ", a bot," } else { "" };
            let words = match (online, seen.text.is_empty()) {
                (false, _) => "offline".to_owned(),
                (true, true) => words.to_owned(),
                (true, false) => format!("{words}, and says: {}", harmless_line(&seen.text)),
            };
            let known = before.people.get(who).and_then(|person| person.online);
            // Who is not there when one connects is no news.
            let news = *online || known == Some(true);
            if news { one(format!("{}{bot} is {words}.", before.called_with_address(who))) } else { Vec::new() }
        }
        Event::Incoming { from, purpose, .. } => {
            let what = match purpose {
                Purpose::Text => "to write to you",
                Purpose::Call => "to call you",
                Purpose::Room => "to meet you in a room",
            };
            one(format!("{from} knocks and would like {what}. /accept or /decline; until then they learn nothing."))
        }
        Event::RoomInvitation { name, from, members, suite, .. } => {
            let members: Vec<_> = members.iter().map(ToString::to_string).collect();
            let (name, members) = (harmless_line(name), members.join(", "));
            let classical =
                if *suite == RoomSuite::Classical { format!(" {}", view::CLASSICAL) } else { String::new() };
            one(format!(
                "{from} invites you into the room {name}, where {members} are. {}{classical} /accept or /decline.",
                view::SIGNED
            ))
        }
        Event::FirstSeen { who, authority, .. } => {
            let authority = harmless_line(authority);
            one(format!("{who} is certified by {authority}. From now on nobody else is believed about them."))
        }
        Event::Message { from, text, bot, .. } => {
            let name = if *bot { format!("{from}, a bot,") } else { before.called_with_address(from) };
            said(&format!("{name} at {}", clock(now)), text)
        }
        Event::RoomMessage { room, from, text, .. } => {
            let name = before.rooms.get(room).map(|room| harmless_line(&room.name)).unwrap_or_default();
            said(&format!("{} in {name} at {}", before.called_with_address(from), clock(now)), text)
        }
        Event::MessageState { id, to, state, reason } => {
            let conversation = before.conversation(&Entry::Person(to.clone()));
            // Of what is said about a text the notice tells.
            if !conversation.is_some_and(|one| one.is_mine(*id)) {
                return Vec::new();
            }
            let text = quoted(conversation, *id);
            delivery(&before.called_with_address(to), &text, *state, reason.as_deref()).into_iter().collect()
        }
        Event::RoomReaction { from, emoji, .. } if emoji.is_empty() => {
            one(format!("{} takes a reaction away.", before.called_with_address(from)))
        }
        Event::RoomReaction { room, from, on, emoji } => {
            let text = match &on.from {
                None => quoted(before.conversation(&Entry::Room(*room)), on.id),
                Some(who) if who == from => "a text of theirs".to_owned(),
                Some(who) => format!("a text of {who}"),
            };
            one(format!("{} reacts with {} to {text}.", before.called_with_address(from), harmless_line(emoji)))
        }
        Event::RoomEdited { room, from, text, .. } => {
            let name = before.rooms.get(room).map(|room| harmless_line(&room.name)).unwrap_or_default();
            let from = before.called_with_address(from);
            said(&format!("{from} in {name} asks to read in place of an earlier text"), text)
        }
        Event::RoomDeleteRequested { room, from, .. } => {
            let name = before.rooms.get(room).map(|room| harmless_line(&room.name)).unwrap_or_default();
            one(format!("{} in {name} asks to delete a text of theirs.", before.called_with_address(from)))
        }
        Event::RoomMessageState { room, id, delivered, missing, .. } => {
            let conversation = before.conversation(&Entry::Room(*room));
            // Of what is said about a text the notice tells.
            if !conversation.is_some_and(|one| one.is_mine(*id)) {
                return Vec::new();
            }
            let text = quoted(conversation, *id);
            let others = before.rooms.get(room).map_or(0, |room| room.members.len().saturating_sub(1));
            let others = others.max(delivered.len() + missing.len());
            room_delivery(
                &text,
                &Delivered::new(delivered.len(), missing, others, |who| before.called_with_address(who)),
            )
        }
        Event::Session { who, state, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {}", harmless_line(reason))).unwrap_or_default();
            one(match state {
                SessionState::Reconnecting => format!("Reconnecting to {who}{reason}. What you write waits."),
                SessionState::Resumed => format!("Connected with {who} again."),
                SessionState::Lost => format!("The connection to {who} was lost{reason}."),
            })
        }
        Event::RoomVia { room, via } => {
            let known = before.rooms.get(room).map(|room| room.via.as_slice()).unwrap_or_default();
            let changed = ways::changed(known, via, |who| before.called_with_address(who));
            changed.into_iter().map(|words| format!("{words}.")).collect()
        }
        Event::RoomChanged { by, change, .. } => {
            let words = rooms::change(by.as_str(), change, ToString::to_string);
            one(format!("{}.", harmless_line(&words)))
        }
        Event::Room { room, name, host, members, code, suite, .. } => {
            let names: Vec<_> = members.iter().map(ToString::to_string).collect();
            let (name, code) = (harmless_line(name), harmless_line(code));
            let new = before.rooms.get(room).is_none_or(|known| known.members != *members);
            let classical = if RoomSuite::named(suite) == Some(RoomSuite::Classical) { ", classical" } else { "" };
            let mut line = format!("The room {name}{classical}, host {host}, code {code}: {}.", names.join(", "));
            if !before.rooms.contains_key(room) {
                line = format!("{line} {}", view::SIGNED);
            }
            if new { one(line) } else { Vec::new() }
        }
        Event::RoomInvitationFailed { who, reason, .. } => {
            one(format!("{who} is not coming: {}.", harmless_line(reason)))
        }
        Event::RoomLapsed { who, reason, .. } => {
            let who = before.called_with_address(who);
            one(format!("{who} is not shown in the room any more, and gets nothing: {}.", harmless_line(reason)))
        }
        Event::RoomLeft { who, .. } => one(format!("{who} left the room and cannot read what follows.")),
        Event::RoomClosed { room, reason } if before.rooms.contains_key(room) => {
            one(format!("The room is closed: {}.", harmless_line(reason)))
        }
        Event::Reaction { from, emoji, .. } if emoji.is_empty() => {
            one(format!("{} takes a reaction away.", before.called_with_address(from)))
        }
        Event::Reaction { from, on, emoji } => {
            let text = match on.by {
                Side::Me => quoted(before.conversation(&Entry::Person(from.clone())), on.id),
                Side::Them => "a text of theirs".to_owned(),
            };
            one(format!("{} reacts with {} to {text}.", before.called_with_address(from), harmless_line(emoji)))
        }
        Event::Edited { from, text, .. } => {
            said(&format!("{} asks to read in place of an earlier text", before.called_with_address(from)), text)
        }
        Event::DeleteRequested { from, .. } => {
            one(format!("{} asks to delete a text of theirs.", before.called_with_address(from)))
        }
        Event::Nudge { from } => one(format!("{} nudges you.", before.called_with_address(from))),
        Event::Continued { from } => {
            one(format!("{} goes on with you at another device.", before.called_with_address(from)))
        }
        Event::ContinuedElsewhere { who } => one(format!(
            "The device of {} says that you went on with this at another device of yours. If that was not you, look who else has a certificate in your name: certtool watch {}.",
            before.called_with_address(who),
            before.me.identifier
        )),
        Event::History { who, keeps } => {
            let words = if *keeps { "keeps a history of this conversation" } else { "keeps no history any more" };
            one(format!("{} {words}.", before.called_with_address(who)))
        }
        Event::Read { who, .. } => one(format!("{} has read what you wrote.", before.called_with_address(who))),
        Event::Ringing { who } => one(format!("Calling {}.", before.called_with_address(who))),
        Event::Unanswered { message, remedy, .. } => {
            one(format!("{}. What helps: {}.", harmless_line(message), harmless_line(remedy)))
        }
        Event::Unreachable { who, message, remedy, .. } => {
            let (message, remedy) = (harmless_line(message), harmless_line(remedy));
            one(format!("{who} is there, but {message}. What helps: {remedy}."))
        }
        Event::FileOffered { .. }
        | Event::FileState { .. }
        | Event::RoomFileState { .. }
        | Event::FileProgress { .. } => files::of_event(event, before),
        // The notice tells of these; of every letter that is typed nobody wants to hear.
        Event::Appearance(_)
        | Event::RoomReach { .. }
        | Event::Typing { .. }
        | Event::RoomTyping { .. }
        | Event::Peer(_)
        | Event::IncomingEnded { .. }
        | Event::RoomClosed { .. }
        | Event::Contradiction { .. }
        | Event::Certificate { .. }
        | Event::Watch { .. }
        | Event::MailCertificate(_)
        | Event::NoMailCertificate { .. }
        | Event::Error { .. } => Vec::new(),
    }
}

/// A conversation's last lines, oldest first.
pub(super) fn of_conversation(app: &App, conversation: &Conversation, most: usize) -> Vec<String> {
    let skipped = conversation.lines.len().saturating_sub(most);
    let lines = conversation.lines.iter().skip(skipped);
    lines.flat_map(|line| of_line(app, line)).collect()
}

/// One line of a conversation.
pub(super) fn of_line(app: &App, line: &Line) -> Vec<String> {
    match line {
        Line::Note { text, at } => vec![format!("{} at {}", harmless_line(text), clock(*at))],
        Line::Theirs { from, text, at, bot, .. } => {
            let name = if *bot { format!("{from}, a bot,") } else { app.called_with_address(from) };
            said(&format!("{name} at {}", clock(*at)), text)
        }
        Line::File { file, at } => vec![format!("{} at {}", view::files::sentence(file), clock(*at))],
        Line::Mine { text, at, state, .. } => {
            let state = if state.failed() {
                ", not delivered"
            } else if state.pending() {
                ", on its way"
            } else {
                ""
            };
            said(&format!("You at {}{state}", clock(*at)), text)
        }
    }
}

/// Whoever says it, then what: each further line of the text on a line of its own.
fn said(head: &str, text: &str) -> Vec<String> {
    let text = harmless(text);
    let mut rows = text.split('\n');
    let first = format!("{head}: {}", rows.next().unwrap_or_default());
    std::iter::once(first).chain(rows.map(|row| format!("  {row}"))).collect()
}

fn delivery(to: &str, text: &str, state: DeliveryState, reason: Option<&str>) -> Option<String> {
    let reason = harmless_line(reason.unwrap_or("no reason was given"));
    Some(match state {
        DeliveryState::Sending => return None,
        DeliveryState::Delivered => format!("Delivered to {to}: {text}"),
        DeliveryState::NotDelivered => {
            format!("Not delivered to {to}, it is nowhere but here: {text}. Why: {reason}. /again sends it again.")
        }
        DeliveryState::Unknown => {
            format!("Unknown whether {to} has it: {text}. Why: {reason}. /again sends it again, and it is shown once.")
        }
    })
}

/// Once it is known of all: nobody wants to hear of each device by itself.
fn room_delivery(text: &str, delivered: &Delivered) -> Vec<String> {
    if delivered.pending {
        return Vec::new();
    }
    let mut count = delivered.count.chars();
    let first = count.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let why = delivered.why.iter().map(|why| format!("Why not: {}.", why.trim_end_matches('.')));
    std::iter::once(format!("{first}{}: {text}", count.as_str())).chain(why).collect()
}

/// The beginning of a text of one's own, in one line.
fn quoted(conversation: Option<&Conversation>, wanted: u64) -> String {
    let text = conversation.and_then(|one| {
        one.lines.iter().rev().find_map(|line| match line {
            Line::Mine { id, text, .. } if *id == wanted => Some(harmless_line(text)),
            _ => None,
        })
    });
    let text = text.unwrap_or_default();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn clock(at: DateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}
