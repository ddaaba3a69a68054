//! What the core asks its driver to do about files, and what comes of it.

use crate::api::TransferId;
use crate::core::ConnectionId;
use crate::wire::{Outline, Wanted};

/// One thing to do about a transfer.
pub enum FileTask {
    /// Look at what is to be offered; answer with [`crate::core::Core::file_looked_at`].
    Look {
        /// The transfer.
        transfer: TransferId,
        /// Where it is.
        path: String,
    },
    /// Make ready to take it; answer with [`crate::core::Core::file_begun`].
    Begin {
        /// The transfer.
        transfer: TransferId,
        /// The folder.
        into: String,
        /// What comes.
        what: Outline,
        /// From whom: nobody goes on with what another one began.
        from: String,
    },
    /// Send what the other side has asked for, on a stream of its own; answer with [`crate::core::Core::file_served`].
    Serve {
        /// The transfer.
        transfer: TransferId,
        /// The request that is answered.
        request: u64,
        /// Where.
        connection: ConnectionId,
        /// What is wanted.
        wanted: Wanted,
    },
    /// Take the stream that answers this request; answer with [`crate::core::Core::file_fetched`].
    Fetch {
        /// The transfer.
        transfer: TransferId,
        /// The request.
        request: u64,
        /// Where it comes.
        connection: ConnectionId,
        /// What was asked for.
        wanted: Wanted,
    },
    /// Break off the stream of a transfer; the answer comes all the same.
    Halt {
        /// The transfer.
        transfer: TransferId,
    },
    /// It is over: break off its stream, forget it.
    Forget {
        /// The transfer.
        transfer: TransferId,
        /// Whether what has come stays, to go on with it after another offer.
        keep: bool,
    },
}

impl FileTask {
    /// The connection that it needs, if it needs one.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Serve { connection, .. } | Self::Fetch { connection, .. } => Some(*connection),
            Self::Look { .. } | Self::Begin { .. } | Self::Halt { .. } | Self::Forget { .. } => None,
        }
    }
}

/// What is to be offered, as it was found.
#[derive(Clone)]
pub struct LookedAt {
    /// What is offered.
    pub what: Outline,
    /// How many links, devices, pipes and sockets of a folder are not.
    pub left_out: u64,
}

/// How a stream that was sent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServeEnd {
    /// All is on its way, and has arrived as far as QUIC can tell.
    Sent,
    /// It broke off: halted by either side, or the connection was lost.
    Cut,
    /// It cannot be read; for people.
    Failed(String),
}

/// How a stream that was taken ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEnd {
    /// Something is left, from here on; the stream may have broken off before it brought anything.
    Left(Wanted),
    /// Everything is there, at this path.
    Done(String),
    /// It cannot be written, or is not what was offered; for people.
    Failed(String),
}
