//! Files and folders on their way to another device, as [commands](super::Command) and [events](super::Event) tell of them.

use serde::{Deserialize, Serialize};

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// The other side was asked, or is about to be; told to who offers.
    Offered,
    /// It was accepted and waits: for a place among those that run, or for a connection.
    Waiting,
    /// Bytes go.
    Running,
    /// One of the two put it off, or both did; `by` says who. It goes on when neither wants that any more.
    Paused,
    /// Everything is at the other side, and has the hash that it had here.
    Done,
    /// The one to whom it was offered does not want it, or her device does not take it.
    Refused,
    /// One of the two does not want it any more; `by` says who.
    Cancelled,
    /// The conversation ended before it was done. What has come is kept: if the same is offered again and taken into the same
    /// folder, it goes on there.
    Stopped,
    /// Something went wrong, and `reason` says what.
    Failed,
}

impl TransferState {
    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Cancelled | Self::Stopped | Self::Failed)
    }
}

/// Which way a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From this device.
    Out,
    /// To this device.
    In,
}
