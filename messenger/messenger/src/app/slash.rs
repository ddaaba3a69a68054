//! Commands typed into the input: `/room create picnic`.

use std::collections::BTreeSet;

use identity::Identifier;
use identity::card::ContactCard;
use messenger_engine::{Audience, OwnStatus};

use super::remarks::{self, Remark};

/// Somebody to add: an address as typed, or all that a contact card says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Newcomer {
    Named(Identifier),
    OnCard(Box<ContactCard>),
}

impl Newcomer {
    /// Who it is.
    pub(crate) fn identifier(&self) -> &Identifier {
        match self {
            Self::Named(who) => who,
            Self::OnCard(card) => &card.identifier,
        }
    }
}

/// What a line beginning with `/` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slash {
    Add(Newcomer),
    Card,
    /// The named person, or the one whose conversation is open.
    Remove(Option<Identifier>),
    CreateRoom(String),
    Invite(Identifier),
    Leave,
    Accept,
    Decline,
    Again,
    Knock,
    /// Something about the last text.
    Remark(Remark),
    /// How to appear, and the words beside it; nothing asks how one does.
    Status(Option<(OwnStatus, String)>),
    Visible(Audience),
    Reachable(Audience),
    /// The named person, or the one whose conversation is open.
    Block(Option<Identifier>),
    Unblock(Identifier),
    /// Be asked before the named person, or the one whose conversation is open, is connected with.
    Ask(Option<Identifier>),
    Unask(Identifier),
    Offline,
    Online,
    Help,
    Quit,
}

/// Every command, for the help: how it is typed and what it does.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("/add bob@example.org", "add a contact, by address or by the link of a contact card"),
    ("/card", "your own contact card, as a link and a QR code"),
    ("/remove [bob@example.org]", "remove a contact (this one, if none is named)"),
    ("/room create NAME", "open a room with yourself as host"),
    ("/invite bob@example.org", "ask somebody who is online into this room"),
    ("/leave", "leave this room; if you host it, it closes for everybody"),
    ("/accept, /decline", "answer the first who knocks or invites"),
    ("/again", "send again what was not delivered"),
    ("/knock", "send it as a stranger would: they are asked whether to accept"),
    remarks::COMMANDS[0],
    remarks::COMMANDS[1],
    remarks::COMMANDS[2],
    remarks::COMMANDS[3],
    remarks::COMMANDS[4],
    remarks::COMMANDS[5],
    remarks::COMMANDS[6],
    ("/status away [WORDS]", "or busy, dnd, invisible, available"),
    ("/visible contacts", "who may see: everyone, contacts, nobody, names"),
    ("/reachable everyone", "who may knock, in the same words"),
    ("/block [bob@example.org]", "be never there for them (this one, if unnamed)"),
    ("/unblock bob@example.org", "the contrary"),
    ("/ask [bob@example.org]", "be asked before they connect for text or a room"),
    ("/unask bob@example.org", "the contrary"),
    ("/offline, /online", "leave the directory; come back"),
    ("/help, /quit", "this page; end the program"),
    ("//text", "send text that begins with a slash"),
];

/// Reads a line beginning with `/`.
///
/// # Errors
/// What was wrong and what would be right, as one line for people.
pub(crate) fn parse(line: &str) -> Result<Slash, String> {
    let mut words = line.trim().splitn(2, char::is_whitespace);
    let name = words.next().unwrap_or_default();
    let rest = words.next().unwrap_or_default().trim();
    match name {
        "/add" if rest.is_empty() => Err("/add needs an address, or a contact card: /add bob@example.org".to_owned()),
        "/add" => newcomer(rest).map(Slash::Add),
        "/card" => alone(name, rest, Slash::Card),
        "/remove" if rest.is_empty() => Ok(Slash::Remove(None)),
        "/remove" => person(rest, "/remove").map(|who| Slash::Remove(Some(who))),
        "/invite" => person(rest, "/invite").map(Slash::Invite),
        "/room" => room(rest),
        "/leave" => alone(name, rest, Slash::Leave),
        "/accept" => alone(name, rest, Slash::Accept),
        "/decline" => alone(name, rest, Slash::Decline),
        "/again" => alone(name, rest, Slash::Again),
        "/knock" => alone(name, rest, Slash::Knock),
        "/reply" | "/react" | "/edit" | "/delete" | "/nudge" | "/typing" | "/receipts" => {
            remarks::parse(name, rest).map(Slash::Remark)
        }
        "/status" => status(rest).map(Slash::Status),
        "/visible" => audience(rest, "/visible").map(Slash::Visible),
        "/reachable" => audience(rest, "/reachable").map(Slash::Reachable),
        "/block" if rest.is_empty() => Ok(Slash::Block(None)),
        "/block" => person(rest, "/block").map(|who| Slash::Block(Some(who))),
        "/unblock" => person(rest, "/unblock").map(Slash::Unblock),
        "/ask" if rest.is_empty() => Ok(Slash::Ask(None)),
        "/ask" => person(rest, "/ask").map(|who| Slash::Ask(Some(who))),
        "/unask" => person(rest, "/unask").map(Slash::Unask),
        "/offline" => alone(name, rest, Slash::Offline),
        "/online" => alone(name, rest, Slash::Online),
        "/help" => alone(name, rest, Slash::Help),
        "/quit" => alone(name, rest, Slash::Quit),
        other => Err(format!(
            "There is no command {other}. F1 lists them; begin with // to send a text that starts with a slash."
        )),
    }
}

fn person(text: &str, command: &str) -> Result<Identifier, String> {
    if text.is_empty() {
        return Err(format!("{command} needs an address: {command} bob@example.org"));
    }
    identifier(text)
}

/// An e-mail address or phone number as somebody types it.
///
/// # Errors
/// One line for people.
pub(crate) fn identifier(text: &str) -> Result<Identifier, String> {
    Identifier::parse(text.trim())
        .map_err(|error| format!("That is no address: {error}. Write bob@example.org, or +14155550123."))
}

/// Somebody to add, as typed or pasted: an address, or the link of a contact card.
///
/// # Errors
/// One line for people.
pub(crate) fn newcomer(text: &str) -> Result<Newcomer, String> {
    let text = text.trim();
    if !text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("inperson:")) {
        return identifier(text).map(Newcomer::Named);
    }
    let card = text.parse().map(|card| Newcomer::OnCard(Box::new(card)));
    card.map_err(|error| format!("That is no contact card: {error}. Copy the whole link, from inperson: to its end."))
}

fn status(rest: &str) -> Result<Option<(OwnStatus, String)>, String> {
    let (word, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let status = match word {
        "" => return Ok(None),
        "available" => OwnStatus::Available,
        "away" => OwnStatus::Away,
        "busy" => OwnStatus::Busy,
        "dnd" => OwnStatus::DoNotDisturb,
        "invisible" => OwnStatus::Invisible,
        _ => return Err("/status is available, away, busy, dnd or invisible, and a few words if you like.".to_owned()),
    };
    Ok(Some((status, words.trim().to_owned())))
}

fn audience(rest: &str, command: &str) -> Result<Audience, String> {
    Ok(match rest {
        "" => return Err(format!("{command} is everyone, contacts, nobody, or addresses with spaces between them.")),
        "everyone" => Audience::Everyone,
        "contacts" => Audience::Contacts,
        "nobody" => Audience::Nobody,
        people => {
            let people: Result<BTreeSet<_>, _> = people.split_whitespace().map(identifier).collect();
            Audience::Named(people?)
        }
    })
}

fn room(rest: &str) -> Result<Slash, String> {
    match rest.split_once(char::is_whitespace) {
        Some(("create", name)) => room_name(name).map(Slash::CreateRoom),
        _ => Err("/room create NAME opens a room; /invite bob@example.org asks somebody in; /leave leaves.".to_owned()),
    }
}

/// A room's name as somebody types it.
///
/// # Errors
/// One line for people.
pub(crate) fn room_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    let most = messenger_engine::MAX_ROOM_NAME_BYTES;
    match name.len() {
        0 => Err("A room needs a name: picnic, for example.".to_owned()),
        found if found > most => {
            Err(format!("A room's name has at most {most} bytes, this one has {found}. Shorten it."))
        }
        _ => Ok(name.to_owned()),
    }
}

fn alone(name: &str, rest: &str, command: Slash) -> Result<Slash, String> {
    if rest.is_empty() { Ok(command) } else { Err(format!("{name} stands alone; found {rest:?} after it.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_help_lists() {
        let bob = Identifier::parse("bob@example.org").unwrap();
        assert_eq!(parse("/add  Bob@Example.org "), Ok(Slash::Add(Newcomer::Named(bob.clone()))));
        assert_eq!(parse("/remove"), Ok(Slash::Remove(None)));
        assert_eq!(parse("/room create summer picnic"), Ok(Slash::CreateRoom("summer picnic".to_owned())));
        assert_eq!(parse("/invite bob@example.org"), Ok(Slash::Invite(bob.clone())));
        let away = (OwnStatus::Away, "at lunch".to_owned());
        assert_eq!(parse("/status away  at lunch"), Ok(Slash::Status(Some(away))));
        assert_eq!(parse("/visible bob@example.org"), Ok(Slash::Visible(Audience::Named([bob].into()))));
        for (typed, _) in ALL.iter().filter(|(typed, _)| *typed != "//text") {
            for one in typed.split(", ") {
                let typed = one.replace(['[', ']'], "").replace("NAME", "picnic");
                assert!(parse(&typed).is_ok(), "{typed}");
            }
        }
    }

    #[test]
    fn says_what_would_be_right() {
        for (typed, hint) in [
            ("/add", "needs an address"),
            ("/add bob", "That is no address"),
            ("/room", "/room create NAME"),
            ("/room create  ", "/room create NAME"),
            ("/leave now", "stands alone"),
            ("/status asleep", "dnd or invisible"),
            ("/visible", "contacts, nobody"),
            ("/reachable all", "That is no address"),
            ("/", "There is no command"),
            ("/dance", "F1 lists them"),
        ] {
            let error = parse(typed).unwrap_err();
            assert!(error.contains(hint), "{typed}: {error}");
        }
        assert!(parse(&format!("/room create {}", "x".repeat(300))).unwrap_err().contains("at most"));
    }
}
