//! What is done about a room beside talking in it: its name and topic, roles, the lock, somebody removed.

use identity::Identifier;
use messenger_engine::{Command, MAX_ROOM_TOPIC_BYTES, Role, RoomChange, RoomId};

use super::slash::{identifier, room_name};
use super::{App, Effect};

/// How the commands are typed, and what they do.
pub(crate) const COMMANDS: [(&str, &str); 5] = [
    ("/topic [WORDS]", "what this room is about; none takes it away"),
    ("/role [WHO moderator]", "or owner, or member: who may change this room"),
    ("/room lock, /room unlock", "let nobody new in; let people in again"),
    ("/room remove WHO", "remove somebody for good from this room"),
    ("/room name NAME", "call this room otherwise"),
];

/// A change of the room that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoomWish {
    Name(String),
    Topic(String),
    Lock(bool),
    Role(Identifier, Role),
    Remove(Identifier),
}

/// Reads what follows `/topic`.
///
/// # Errors
/// One line for people.
pub(crate) fn topic(rest: &str) -> Result<RoomWish, String> {
    match rest.len() {
        found if found > MAX_ROOM_TOPIC_BYTES => {
            Err(format!("A room's topic has at most {MAX_ROOM_TOPIC_BYTES} bytes, this one has {found}. Shorten it."))
        }
        _ => Ok(RoomWish::Topic(rest.to_owned())),
    }
}

/// Reads what follows `/role`.
///
/// # Errors
/// One line for people.
pub(crate) fn role(rest: &str) -> Result<RoomWish, String> {
    let wrong = || "/role needs somebody and a role: /role bob@example.org owner, moderator or member.".to_owned();
    let (who, role) = rest.rsplit_once(char::is_whitespace).ok_or_else(wrong)?;
    let role = match role {
        "owner" => Role::Owner,
        "moderator" => Role::Moderator,
        "member" => Role::Member,
        _ => return Err(wrong()),
    };
    Ok(RoomWish::Role(identifier(who)?, role))
}

/// Reads what follows `/room`, but for `create`; none if it is something else.
pub(crate) fn parse(word: &str, rest: &str) -> Option<Result<RoomWish, String>> {
    Some(match (word, rest) {
        ("name", name) => room_name(name).map(RoomWish::Name),
        ("lock", "") => Ok(RoomWish::Lock(true)),
        ("unlock", "") => Ok(RoomWish::Lock(false)),
        ("remove", who) => identifier(who).map(RoomWish::Remove),
        _ => return None,
    })
}

/// What somebody has changed of a room, as one sentence without its end.
pub(crate) fn change(by: &str, change: &RoomChange, name: impl Fn(&Identifier) -> String) -> String {
    match change {
        RoomChange::Name { name } => format!("{by} calls the room {name} from now on"),
        RoomChange::Topic { topic } if topic.is_empty() => format!("{by} took the topic away"),
        RoomChange::Topic { topic } => format!("{by} set the topic: {topic}"),
        RoomChange::Lock { locked: true } => format!("{by} locked the room: nobody new comes in"),
        RoomChange::Lock { locked: false } => format!("{by} opened the room again"),
        RoomChange::Role { who, role } => format!("{by} made {} {role}", name(who)),
        RoomChange::Remove { who } => format!("{by} removed {} for good", name(who)),
        RoomChange::Readmit => format!("{by} let somebody come back who had been removed"),
    }
}

impl App {
    pub(super) fn wish_for_room(&self, room: RoomId, wish: RoomWish) -> Vec<Effect> {
        vec![Effect::Engine(match wish {
            RoomWish::Name(name) => Command::RoomName { room, name },
            RoomWish::Topic(topic) => Command::RoomTopic { room, topic },
            RoomWish::Lock(locked) => Command::RoomLock { room, locked },
            RoomWish::Role(who, role) => Command::RoomRole { room, who: who.to_string(), role },
            RoomWish::Remove(who) => Command::RoomRemove { room, who: who.to_string() },
        })]
    }

    /// Who may do what in a room, in the bottom line: in its frame there is not always space for that.
    pub(super) fn tell_roles(&mut self, room: RoomId) {
        let Some(room) = self.rooms.get(&room) else { return };
        let list = |what: &str, who: &[Identifier]| {
            let names: Vec<&str> = who.iter().map(|who| self.or_you(who, "you")).collect();
            if names.is_empty() { String::new() } else { format!("{what}: {}. ", names.join(", ")) }
        };
        let nobody = if room.owners.is_empty() { "No owner is in the room. " } else { "" };
        let locked = if room.locked { "It is locked." } else { "It is open." };
        let (owners, moderators) = (list("Owners", &room.owners), list("Moderators", &room.moderators));
        self.said(format!("{nobody}{owners}{moderators}{locked}"));
    }

    /// Somebody in a room, as its notes name her; oneself by this word.
    pub(crate) fn or_you<'a>(&self, who: &'a Identifier, you: &'a str) -> &'a str {
        if *who == self.me.identifier { you } else { who.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::slash::{self, Slash};

    #[test]
    fn what_is_typed_about_a_room() {
        let bob = Identifier::parse("bob@example.org").unwrap();
        for (typed, wish) in [
            ("/topic green tea", RoomWish::Topic("green tea".to_owned())),
            ("/topic", RoomWish::Topic(String::new())),
            ("/role bob@example.org moderator", RoomWish::Role(bob.clone(), Role::Moderator)),
            ("/room name tea house", RoomWish::Name("tea house".to_owned())),
            ("/room lock", RoomWish::Lock(true)),
            ("/room unlock", RoomWish::Lock(false)),
            ("/room remove Bob@example.org", RoomWish::Remove(bob)),
        ] {
            assert_eq!(slash::parse(typed), Ok(Slash::Room(wish)), "{typed}");
        }
        for (typed, hint) in [
            ("/role bob@example.org", "needs somebody and a role"),
            ("/role bob@example.org king", "owner, moderator or member"),
            ("/role bob owner", "That is no address"),
            ("/room remove", "That is no address"),
            ("/room name", "needs a name"),
            ("/room lock now", "/room create NAME"),
        ] {
            let error = slash::parse(typed).unwrap_err();
            assert!(error.contains(hint), "{typed}: {error}");
        }
        assert!(slash::parse(&format!("/topic {}", "x".repeat(513))).unwrap_err().contains("at most 512"));
    }

    #[test]
    fn a_change_is_a_sentence_with_its_author() {
        let bob = Identifier::parse("bob@example.org").unwrap();
        let said = |what: RoomChange| change("you", &what, ToString::to_string);
        assert_eq!(said(RoomChange::Topic { topic: "tea".into() }), "you set the topic: tea");
        let promoted = RoomChange::Role { who: bob, role: Role::Moderator };
        assert_eq!(said(promoted), "you made bob@example.org a moderator");
    }
}
