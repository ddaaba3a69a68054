//! Gossip: what devices that meet tell each other of the logs and policies that both trust (docs/spec/peer.md).
//!
//! The engine carries it and knows nothing of logs: it looks at no checkpoint, compares nothing, fetches nothing. It
//! goes out after the texts that wait, and what came in is handed on without waiting for anything.

use identity::Identifier;

pub use crate::wire::{Contradiction, PolicyView, Views};

/// Most Views that are listened to on one connection.
pub(crate) const MAX_HEARD: u8 = 16;

/// What holds the views of this device, and compares those of others. No method may block.
pub trait Gossip: Send + Sync {
    /// What may be told to a peer certified by the authority of this name; nothing if there is nothing to tell.
    fn views(&self, authority: &str) -> Option<Views>;

    /// Grows whenever there is something that even those who were told before should hear.
    fn revision(&self) -> u64;

    /// Takes what a peer told. It must be dropped if there is no place for it now.
    fn heard(&self, from: &Identifier, views: Views);
}
