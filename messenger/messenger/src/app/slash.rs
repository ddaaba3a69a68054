//! Commands typed into the input, such as `/room create picnic`: what they ask for, and how the help names them.

mod reading;

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::PathBuf;

use identity::Identifier;
use identity::card::ContactCard;
use messenger_engine::{Audience, OwnStatus, RoomSuite};

use super::devices::{self, DevicesWish};
use super::files::Deed;
use super::keeping::{self, HistoryWish};
use super::remarks::{self, Remark};
use super::rooms::{self, RoomWish};
use crate::contacts::about::{Alert, OwnName};
use crate::settings::Notify;

pub(crate) use reading::{identifier, is_link, link, newcomer, on_card, parse, room_name};

/// Somebody to add: an address as typed, all that a contact card says, or the path of a picture of one's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Newcomer {
    Named(Identifier),
    OnCard(Box<ContactCard>),
    Pictured(String),
}

/// What a line beginning with `/` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slash {
    Add(Newcomer),
    Card,
    /// The named person, or the one whose conversation is open.
    Remove(Option<Identifier>),
    CreateRoom(String, RoomSuite),
    Invite(Identifier),
    /// A change of the room that is open.
    Room(RoomWish),
    /// Who may do what in the room that is open.
    Roles,
    /// Who is in it, and how they are reached.
    Who,
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
    /// Whether others are told one's certificate for mail.
    Mail(bool),
    /// Look for these words in the conversation that is open.
    Find(String),
    /// Offer these files and folders in the conversation that is open.
    Files(Vec<String>),
    /// Something about the last file it can be done with there, or about the one of this number.
    File(Deed, Option<u32>),
    /// Where what comes is put; nothing asks where.
    Downloads(Option<String>),
    /// Something about the history on this device.
    History(HistoryWish),
    /// Something about one's own other devices.
    Devices(DevicesWish),
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
    ("/add bob@example.org", "add a contact, by address or contact card"),
    ("/card", "your own contact card, as a link and a QR code"),
    ("/remove [bob@example.org]", "remove a contact (this one, if none is named)"),
    ("/room create NAME", "open a room with yourself as host"),
    ("/room classical NAME", "one for programs without post-quantum keys"),
    ("/invite bob@example.org", "ask somebody who is online into this room"),
    ("/who", "who is in this room, who hosts it, who is reached, and the code"),
    ("/leave", "leave this room; it goes on without you"),
    ("/accept, /decline", "answer the first who knocks or invites"),
    rooms::COMMANDS[0],
    rooms::COMMANDS[1],
    rooms::COMMANDS[2],
    rooms::COMMANDS[3],
    rooms::COMMANDS[4],
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
    ("/file PATH", "offer a file or a folder, or several; Tab goes on with a path"),
    ("/take [N], /refuse [N]", "answer to an offered file (the last, or number N)"),
    ("/pause [N], /continue [N]", "put a file off; let it go on"),
    ("/cancel [N]", "end it; what has come of it is deleted"),
    ("/downloads [FOLDER]", "where what comes is put"),
    ("/status away [WORDS]", "or busy, dnd, invisible, available"),
    ("/find WORDS", "look in this conversation; once more: before that"),
    keeping::COMMANDS[0],
    keeping::COMMANDS[1],
    keeping::COMMANDS[2],
    ("/name [NAME]", "what you call this contact; nobody else sees it"),
    ("/group [NAME]", "the group they stand in"),
    ("/alert once", "tell when they come; on: come or go; off: never"),
    ("/notify who", "desktop notifications: off, who wrote, or their text too"),
    ("/mail off", "tell nobody your certificate for mail; on: whom you know"),
    ("/lock [after 10]", "hide everything; never: not by itself; passphrase: choose one"),
    ("/export FILE, /import FILE", "the contact list into a file, or out of one"),
    devices::COMMAND,
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
