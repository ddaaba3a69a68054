//! What the core asks its driver to do.

use std::net::SocketAddr;
use std::time::Duration;

use directory_protocol::Role;
use identity::Identifier;

use super::{FileTask, Presenting};
use crate::api::{CallId, Purpose};
use crate::punch::{Obstacle, ProbeKey};
use crate::room::Person;
use crate::wire::{Channel, Close};

/// Names one connection to a peer; drawn by the driver, never used twice.
pub type ConnectionId = u64;

/// Names a session inside the core: it has the name of its first connection, and keeps it on later ones.
pub(super) type SessionId = u64;

/// How a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The other side ended it, or its program is another one now: the session ends with it.
    Ended,
    /// The other side ended it before it read anything.
    Unread,
    /// The network carried it no longer, or the session moved: it may go on on another connection.
    Broken,
}

/// One thing to do. The driver does them in order.
pub enum Action {
    /// Connect to the directory and stay connected.
    GoOnline,
    /// Leave the directory.
    GoOffline,
    /// The network has changed: look whether the directory is still reached, and where this device is now.
    FollowNetwork,
    /// Connect to the directories anew, with the certificate that is shown now, before the connections that stand are closed.
    Reintroduce,
    /// Ask the directory for something.
    Ask(Ask),
    /// Connect with an introduced peer; answer with [`super::Core::connected`] or [`super::Core::not_reached`].
    Connect {
        /// The call it belongs to.
        call: CallId,
        /// Whom to find there.
        expected: Introduction,
        /// How.
        meeting: Meeting,
    },
    /// Nothing is to be done any more to connect for this call, and nobody is to be let in for it.
    Settled {
        /// The call.
        call: CallId,
    },
    /// Put frames on a channel.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The channel.
        channel: Channel,
        /// The frames, encoded and padded, one after another.
        bytes: Vec<u8>,
        /// How many.
        frames: usize,
    },
    /// Do something about a file.
    File(FileTask),
    /// Close a connection after what was put on it has gone out.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        code: Close,
    },
    /// The engine ends.
    End,
}

/// A request to the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Be present like this, from now on and on every later connection.
    Announce(Box<Presenting>),
    /// Watch one more person.
    Watch {
        /// The person.
        who: Identifier,
    },
    /// Watch one person less.
    Unwatch {
        /// The person.
        who: Identifier,
    },
    /// Call somebody; a failure comes back through [`super::Core::call_failed`].
    Invite {
        /// The call.
        call: CallId,
        /// The person.
        callee: Identifier,
        /// What for.
        purpose: Purpose,
        /// The one device of theirs that is meant, by the hash of its key; `None` if any will do.
        device: Option<[u8; 32]>,
    },
    /// Take a call.
    Accept {
        /// The call.
        call: CallId,
    },
    /// Refuse a call.
    Decline {
        /// The call.
        call: CallId,
    },
    /// Leave a call to the other devices: this one cannot take it.
    Busy {
        /// The call.
        call: CallId,
    },
    /// Withdraw a call of one's own.
    Cancel {
        /// The call.
        call: CallId,
    },
}

impl Ask {
    /// Which call this places, if it is an [`Ask::Invite`].
    pub(crate) fn invited(&self) -> Option<CallId> {
        if let Self::Invite { call, .. } = self { Some(*call) } else { None }
    }
}

/// How two devices that were introduced find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// Whether to dial or to await the other.
    pub role: Role,
    /// Where the other device says it can be reached; at most eight.
    pub candidates: Vec<SocketAddr>,
    /// By what the two know each other's probes.
    pub key: ProbeKey,
    /// How long to wait before the first packet, so that both begin together.
    pub delay: Duration,
}

/// Why an introduced peer was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReached {
    /// Nothing came through.
    Obstacle(Obstacle),
    /// Something did, and it did not become a connection; for people.
    Failed(String),
}

/// Whom the directory introduced: person and device, both of which the peer's certificate must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The person.
    pub who: Identifier,
    /// SHA-256 of the SubjectPublicKeyInfo of the device's key.
    pub key: [u8; 32],
}

impl Introduction {
    /// Whether a verified peer is the one introduced.
    pub fn is(&self, person: &Person) -> bool {
        self.who == person.identifier && self.key == person.device.spki_digest()
    }
}
