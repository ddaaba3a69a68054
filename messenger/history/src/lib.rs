//! A person's own history of her conversations, on her own device, for those conversations alone of which she asked for it.
//!
//! **What it does.** Keeps texts with their marks in one SQLCipher database ([`History`]); finds them by words
//! ([`History::search`]), page by page ([`History::page`]), and all of them ([`History::export`]); erases them for good
//! ([`History::erase`], [`History::expire`]), or everything with its key ([`Folder::forget`]). The database's key is random,
//! and lies in the keyring of her session or in a file that her passphrase seals ([`KeyPlace`]).
//!
//! **What it never does.** It writes nothing in clear. It asks no clock and draws no randomness. It decides about no
//! conversation: one that was not switched on ([`History::keep`]) takes nothing. It leaves nothing half-written: each change
//! is one transaction, and a history is made beside its place and then put there.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod conversation;
mod entry;
mod erase;
mod error;
mod export;
mod folder;
mod key;
mod schema;
mod search;
mod store;
#[cfg(test)]
mod tests;

pub use conversation::{Conversation, Kept, MAX_DAYS, MAX_NAME_BYTES};
pub use entry::{Earlier, Entry, New, Number, State};
pub use erase::Erase;
pub use error::HistoryError;
pub use export::Form;
pub use folder::Folder;
pub use key::KeyPlace;
pub use search::{Found, MAX_NEEDLE_BYTES};
pub use store::History;

/// The largest text that is kept: as large as one that is sent (bytes).
pub const MAX_TEXT_BYTES: usize = 32 * 1024;
/// Most entries that one page, or one search, gives.
pub const MAX_PAGE: usize = 500;
