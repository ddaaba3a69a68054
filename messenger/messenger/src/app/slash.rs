//! Commands typed into the input: `/room create picnic`.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::PathBuf;

use identity::Identifier;
use identity::card::ContactCard;
use messenger_engine::{Audience, OwnStatus};

use super::remarks::{self, Remark};
use crate::contacts::about::{Alert, OwnName};
use crate::settings::Notify;

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
    Visible(Wish),
    Reachable(Wish),
    /// What to call the contact whose conversation is open; nothing to go back to her address.
    Name(Option<OwnName>),
    /// The group she is in; nothing for none.
    Group(Option<OwnName>),
    Alert(Alert),
    /// Who is at the other end, and the code to compare.
    Verify,
    /// It was compared, and is the same.
    Verified,
    /// Everybody who may see one, may knock, is blocked, or is asked about first.
    Lists,
    Lock(LockWish),
    /// What notifications show.
    Notify(Notify),
    /// Look for these words in the conversation that is open.
    Find(String),
    Export(PathBuf),
    Import(PathBuf),
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

/// What is to be with the lock of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockWish {
    /// Lock it.
    Now,
    /// Choose a passphrase that opens it.
    Passphrase,
    /// Lock it by itself after so many minutes without a key, or never.
    After(Option<NonZeroU16>),
}

/// What an audience is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Be(Audience),
    /// These people more, and those less, than are named now.
    Change {
        more: BTreeSet<Identifier>,
        less: BTreeSet<Identifier>,
    },
}

impl Wish {
    /// What it comes to, from what is set now.
    ///
    /// # Errors
    /// Nobody is named now: one line for people.
    pub(crate) fn fulfilled(self, now: &Audience) -> Result<Audience, String> {
        match (self, now) {
            (Self::Be(audience), _) => Ok(audience),
            (Self::Change { more, less }, Audience::Named(named)) => {
                let named: BTreeSet<_> = named.union(&more).filter(|who| !less.contains(*who)).cloned().collect();
                Ok(if named.is_empty() { Audience::Nobody } else { Audience::Named(named) })
            }
            (Self::Change { more, less }, Audience::Nobody) if less.is_empty() => Ok(Audience::Named(more)),
            (Self::Change { .. }, _) => {
                Err("+ and - change a list of people, and there is none: name them, with spaces between them."
                    .to_owned())
            }
        }
    }
}

/// Every command, for the help: how it is typed and what it does.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("/add bob@example.org", "add a contact, by address or by the link of a contact card"),
    ("/card", "your own contact card, as a link and a QR code"),
    ("/remove [bob@example.org]", "remove a contact (this one, if none is named)"),
    ("/room create NAME", "open a room with yourself as host"),
    ("/invite bob@example.org", "ask somebody who is online into this room"),
    ("/leave", "leave this room; it goes on without you"),
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
    remarks::COMMANDS[7],
    ("/status away [WORDS]", "or busy, dnd, invisible, available"),
    ("/find WORDS", "look in this conversation; once more: before that"),
    ("/name [NAME]", "what you call this contact; nobody else sees it"),
    ("/group [NAME]", "the group they stand in"),
    ("/alert once", "tell when they come; on: come or go; off: never"),
    ("/notify who", "desktop notifications: off, who wrote, or their text too"),
    ("/lock [after 10]", "hide everything; never: not by itself; passphrase: choose one"),
    ("/export FILE, /import FILE", "the contact list into a file, or out of one"),
    ("/verify, /verified", "who this is, and a code to compare; it was the same"),
    ("/lists", "who may see you, who may knock, who is blocked"),
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
        "/reply" | "/react" | "/edit" | "/delete" | "/nudge" | "/here" | "/typing" | "/receipts" => {
            remarks::parse(name, rest).map(Slash::Remark)
        }
        "/status" => status(rest).map(Slash::Status),
        "/name" => own_name(rest).map(Slash::Name),
        "/group" => own_name(rest).map(Slash::Group),
        "/alert" => alert(rest).map(Slash::Alert),
        "/verify" => alone(name, rest, Slash::Verify),
        "/verified" => alone(name, rest, Slash::Verified),
        "/lists" => alone(name, rest, Slash::Lists),
        "/lock" => lock(rest).map(Slash::Lock),
        "/notify" => notify(rest).map(Slash::Notify),
        "/find" => Ok(Slash::Find(rest.to_owned())),
        "/export" => file(rest, name).map(Slash::Export),
        "/import" => file(rest, name).map(Slash::Import),
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

fn own_name(rest: &str) -> Result<Option<OwnName>, String> {
    if rest.is_empty() {
        return Ok(None);
    }
    OwnName::try_from(rest.to_owned()).map(Some).map_err(|problem| format!("That cannot be: {problem}."))
}

fn alert(rest: &str) -> Result<Alert, String> {
    match rest {
        "on" => Ok(Alert::Always),
        "off" => Ok(Alert::Never),
        "once" => Ok(Alert::Once),
        _ => Err("/alert is on, off, or once: then you are told when they come online the next time.".to_owned()),
    }
}

fn lock(rest: &str) -> Result<LockWish, String> {
    let wrong = || "/lock alone locks; /lock after 10 (minutes), /lock never, /lock passphrase.".to_owned();
    match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [] => Ok(LockWish::Now),
        ["passphrase"] => Ok(LockWish::Passphrase),
        ["never"] => Ok(LockWish::After(None)),
        ["after", minutes] => minutes.parse().map(|minutes| LockWish::After(Some(minutes))).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn notify(rest: &str) -> Result<Notify, String> {
    match rest {
        "off" => Ok(Notify::Off),
        "who" => Ok(Notify::Who),
        "text" => Ok(Notify::Text),
        _ => Err("/notify is off, who (who wrote, and not what) or text.".to_owned()),
    }
}

fn file(rest: &str, command: &str) -> Result<PathBuf, String> {
    match rest {
        "" => Err(format!("{command} needs a file: {command} contacts.toml")),
        path => Ok(PathBuf::from(path)),
    }
}

fn audience(rest: &str, command: &str) -> Result<Wish, String> {
    Ok(Wish::Be(match rest {
        "" => return Err(format!("{command} is everyone, contacts, nobody, or addresses with spaces between them.")),
        "everyone" => Audience::Everyone,
        "contacts" => Audience::Contacts,
        "nobody" => Audience::Nobody,
        people if people.split_whitespace().all(changes) => return change(people),
        people => {
            let people: Result<BTreeSet<_>, _> = people.split_whitespace().map(identifier).collect();
            Audience::Named(people?)
        }
    }))
}

/// Whether a word changes a list instead of naming somebody. A phone number has a `+` of its own.
fn changes(word: &str) -> bool {
    word.starts_with('-') || word.strip_prefix('+').is_some_and(|rest| rest.starts_with('+') || rest.contains('@'))
}

/// `+bob@example.org -carol@example.org`, `++14155550123`.
fn change(people: &str) -> Result<Wish, String> {
    let (mut more, mut less) = (BTreeSet::new(), BTreeSet::new());
    for one in people.split_whitespace() {
        match one.strip_prefix('-') {
            Some(who) => less.insert(identifier(who)?),
            None => more.insert(identifier(one.strip_prefix('+').unwrap_or(one))?),
        };
    }
    Ok(Wish::Change { more, less })
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
        let named = |people: &[&Identifier]| Audience::Named(people.iter().map(|&who| who.clone()).collect());
        assert_eq!(parse("/visible bob@example.org"), Ok(Slash::Visible(Wish::Be(named(&[&bob])))));
        let carol = Identifier::parse("carol@example.org").unwrap();
        let phone = Identifier::parse("+14155550123").unwrap();
        assert_eq!(parse("/visible +14155550123"), Ok(Slash::Visible(Wish::Be(named(&[&phone])))));
        let Ok(Slash::Reachable(wish)) = parse("/reachable +carol@example.org -bob@example.org") else { panic!() };
        assert_eq!(wish.clone().fulfilled(&named(&[&bob])), Ok(named(&[&carol])));
        assert!(wish.clone().fulfilled(&Audience::Everyone).unwrap_err().contains("there is none"));
        assert_eq!(
            parse("/visible -bob@example.org").map(|one| match one {
                Slash::Visible(wish) => wish.fulfilled(&named(&[&bob])),
                other => panic!("{other:?}"),
            }),
            Ok(Ok(Audience::Nobody))
        );
        for (typed, _) in ALL.iter().filter(|(typed, _)| *typed != "//text") {
            for one in typed.split(", ") {
                let typed = one.replace(['[', ']'], "").replace("NAME", "picnic").replace("FILE", "contacts.toml");
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
            ("/lock after lunch", "/lock after 10"),
            ("/notify loudly", "off, who"),
            ("/alert loudly", "on, off, or once"),
            ("/export", "needs a file"),
            ("/name bob@example.org", "could pass for one"),
            ("/", "There is no command"),
            ("/dance", "F1 lists them"),
        ] {
            let error = parse(typed).unwrap_err();
            assert!(error.contains(hint), "{typed}: {error}");
        }
        assert!(parse(&format!("/room create {}", "x".repeat(300))).unwrap_err().contains("at most"));
    }
}
