//! What happens outside the core, as the tasks report it to the driver.

use directory_protocol::DirectoryEvent;
use identity::Identifier;
use quinn::{Connection, RecvStream};

use super::{files, gate};
use crate::api::CallId;
use crate::core::{ConnectionId, Loss, NotReached};
use crate::room::{AnotherAuthority, Person};
use crate::whereabouts::{NotFound, Whereabouts};
use crate::wire::{FileHead, RoomFrame, TalkFrame};

/// What tasks report to the core's owner.
pub(super) enum Happening {
    DirectoryUp,
    DirectoryDown(String),
    NotAnnounced(String),
    Directory(DirectoryEvent),
    /// Of the link to another directory that has this number.
    Elsewhere {
        number: u64,
        what: Box<Happening>,
    },
    Found {
        who: Identifier,
        found: Result<Whereabouts, NotFound>,
    },
    /// Asked again, while she was found in the directory to which the link of this number leads.
    FoundAgain {
        who: Identifier,
        number: u64,
        found: Result<Whereabouts, NotFound>,
    },
    CallFailed {
        call: CallId,
        reason: String,
    },
    Connected {
        connection: Connection,
        pass: gate::Pass,
        person: Person,
        dialled: Option<CallId>,
    },
    NotReached {
        call: CallId,
        why: NotReached,
    },
    Talk {
        connection: ConnectionId,
        frame: TalkFrame,
    },
    Rooms {
        connection: ConnectionId,
        frame: RoomFrame,
    },
    /// On the channel of files, and what of it came with its head.
    Stream {
        connection: ConnectionId,
        head: FileHead,
        stream: RecvStream,
        rest: Vec<u8>,
    },
    File(files::Report),
    Misbehaved {
        connection: ConnectionId,
        reason: String,
    },
    Lost {
        connection: ConnectionId,
        loss: Loss,
        reason: String,
    },
    NetworkChanged,
    AnotherAuthority(AnotherAuthority),
}
