//! Reads commands as they are typed, and says what would be right where they are not.

use std::collections::BTreeSet;
use std::path::PathBuf;

use identity::Identifier;
use identity::card::Link;
use messenger_engine::{Audience, OwnStatus, RoomSuite};

use super::{LockWish, Newcomer, Slash, Wish};
use crate::app::files::{self, Deed};
use crate::app::{devices, keeping, remarks, rooms};
use crate::contacts::about::{Alert, OwnName};
use crate::picture;
use crate::settings::Notify;

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
        "/topic" => rooms::topic(rest).map(Slash::Room),
        "/role" if rest.is_empty() => Ok(Slash::Roles),
        "/role" => rooms::role(rest).map(Slash::Room),
        "/leave" => alone(name, rest, Slash::Leave),
        "/accept" => alone(name, rest, Slash::Accept),
        "/decline" => alone(name, rest, Slash::Decline),
        "/again" => alone(name, rest, Slash::Again),
        "/knock" => alone(name, rest, Slash::Knock),
        "/reply" | "/react" | "/edit" | "/delete" | "/nudge" | "/here" | "/typing" | "/receipts" => {
            remarks::parse(name, rest).map(Slash::Remark)
        }
        "/file" => files::parse_paths(rest).map(Slash::Files),
        "/take" => deed(rest, Deed::Take),
        "/refuse" => deed(rest, Deed::Refuse),
        "/pause" => deed(rest, Deed::Pause),
        "/continue" => deed(rest, Deed::Continue),
        "/cancel" => deed(rest, Deed::Cancel),
        "/downloads" => Ok(Slash::Downloads((!rest.is_empty()).then(|| rest.to_owned()))),
        "/status" => status(rest).map(Slash::Status),
        "/name" => own_name(rest).map(Slash::Name),
        "/group" => own_name(rest).map(Slash::Group),
        "/alert" => alert(rest).map(Slash::Alert),
        "/verify" => alone(name, rest, Slash::Verify),
        "/verified" => alone(name, rest, Slash::Verified),
        "/who" => alone(name, rest, Slash::Who),
        "/lists" => alone(name, rest, Slash::Lists),
        "/lock" => lock(rest).map(Slash::Lock),
        "/notify" => notify(rest).map(Slash::Notify),
        "/mail" => mail(rest).map(Slash::Mail),
        "/find" => Ok(Slash::Find(rest.to_owned())),
        "/history" => keeping::parse(rest).map(Slash::History),
        "/devices" => devices::parse(rest).map(Slash::Devices),
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

/// Somebody to add, as typed, pasted or dropped: an address, the link of a contact card, or the path of a picture of its code.
///
/// # Errors
/// One line for people.
pub(crate) fn newcomer(text: &str) -> Result<Newcomer, String> {
    let text = text.trim();
    if is_link(text) {
        return link(text).and_then(on_card);
    }
    // What has an @ is an address, unless it lies in a folder.
    let path = || files::parse_paths(text).ok().and_then(|paths| <[String; 1]>::try_from(paths).ok());
    match path() {
        Some([path]) if picture::ends_as_one(&path) && (path.contains('/') || !path.contains('@')) => {
            Ok(Newcomer::Pictured(path))
        }
        _ => identifier(text).map(Newcomer::Named),
    }
}

/// Whom a link is a card of.
///
/// # Errors
/// One line for people.
pub(crate) fn on_card(link: Link) -> Result<Newcomer, String> {
    match link {
        Link::Card(card) => Ok(Newcomer::OnCard(Box::new(card))),
        Link::Invitation(invitation) => Err(format!(
            "That is no contact card, but an invitation for a new device of {} alone. Ask for the card: /card shows it.",
            invitation.card().identifier
        )),
    }
}

/// Whether a link of ours begins here.
pub(crate) fn is_link(text: &str) -> bool {
    text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("inperson:"))
}

/// A contact card or an invitation, as pasted.
///
/// # Errors
/// One line for people.
pub(crate) fn link(text: &str) -> Result<Link, String> {
    let link = text.parse();
    link.map_err(|error| format!("That is no contact card: {error}. Copy the whole link, from inperson: to its end."))
}

fn deed(rest: &str, deed: Deed) -> Result<Slash, String> {
    files::parse_number(rest, deed).map(|number| Slash::File(deed, number))
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

fn mail(rest: &str) -> Result<bool, String> {
    match rest {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("/mail is on (whom you know is told your certificate for mail) or off.".to_owned()),
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
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let wrong = || "/room create NAME opens a room, /room classical NAME one without post-quantum keys; /room lock, unlock, name NAME and remove bob@example.org change it.";
    match word {
        "create" if !more.trim().is_empty() => room_name(more).map(|name| Slash::CreateRoom(name, RoomSuite::Hybrid)),
        "classical" if !more.trim().is_empty() => {
            room_name(more).map(|name| Slash::CreateRoom(name, RoomSuite::Classical))
        }
        _ => rooms::parse(word, more.trim()).unwrap_or_else(|| Err(wrong().to_owned())).map(Slash::Room),
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
    use super::super::ALL;
    use super::*;

    #[test]
    fn reads_what_the_help_lists() {
        let bob = Identifier::parse("bob@example.org").unwrap();
        assert_eq!(parse("/add  Bob@Example.org "), Ok(Slash::Add(Newcomer::Named(bob.clone()))));
        for (typed, path) in [("bob.png", "bob.png"), ("'my card.JPG'", "my card.JPG"), ("./b@b.jpeg", "./b@b.jpeg")] {
            assert_eq!(parse(&format!("/add {typed}")), Ok(Slash::Add(Newcomer::Pictured(path.to_owned()))));
        }
        assert!(matches!(parse("/add bob@example.png"), Ok(Slash::Add(Newcomer::Named(_)))));
        assert_eq!(parse("/remove"), Ok(Slash::Remove(None)));
        let room = |suite| Ok(Slash::CreateRoom("summer picnic".to_owned(), suite));
        assert_eq!(parse("/room create summer picnic"), room(RoomSuite::Hybrid));
        assert_eq!(parse("/room classical summer picnic"), room(RoomSuite::Classical));
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
                let typed = one
                    .replace(['[', ']'], "")
                    .replace("NAME", "picnic")
                    .replace("FILE", "contacts.toml")
                    .replace("WHO", "bob@example.org")
                    .replace('N', "2");
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
            ("/room classical", "/room create NAME"),
            ("/leave now", "stands alone"),
            ("/status asleep", "dnd or invisible"),
            ("/visible", "contacts, nobody"),
            ("/reachable all", "That is no address"),
            ("/lock after lunch", "/lock after 10"),
            ("/notify loudly", "off, who"),
            ("/mail me", "/mail is on"),
            ("/alert loudly", "on, off, or once"),
            ("/export", "needs a file"),
            ("/file", "needs a path"),
            ("/file 'open", "no second one"),
            ("/cancel all", "/cancel 2"),
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
