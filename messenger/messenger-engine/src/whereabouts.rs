//! In which directory somebody is found (docs/spec/directory.md, "Other people's directories").
//!
//! The engine asks, and connects to what it is told; it knows nothing of policies, cards and the domain name system.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use identity::Identifier;

/// The directory in which somebody is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// The one this device is online at.
    Here,
    /// Another one.
    At(DirectoryElsewhere),
}

/// Another directory than one's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryElsewhere {
    /// The DNS name that its certificate must carry.
    pub name: String,
    /// Where it listens, each `host:port` (UDP), in the order in which to try them.
    pub addresses: Vec<String>,
}

/// Why nobody knows where somebody is found, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub remedy: String,
}

/// A search that may take its time.
pub type Search = Pin<Box<dyn Future<Output = Result<Whereabouts, NotFound>> + Send>>;

/// Who knows where people are found.
pub trait Find: Send + Sync {
    /// Looks for this person. What is known without asking anybody is ready at the first poll; no poll may block. Two
    /// people of one domain who are found in one directory are told of the same addresses.
    fn find(&self, who: &Identifier) -> Search;

    /// The same, for somebody who was found before: what others said longer ago than `at_most` will not do.
    fn find_again(&self, who: &Identifier, at_most: Duration) -> Search;

    /// The directory that was said for this person is not reached. If somebody else may know better: what counts instead
    /// from now on, for people; then it is worth looking for her again.
    fn not_reached(&self, who: &Identifier, directory: &DirectoryElsewhere) -> Option<String>;

    /// This device was cut off: that a directory was said to be not reached within this time before now counts no more.
    fn was_cut_off(&self, lately: Duration);
}
