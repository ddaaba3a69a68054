//! One directory on several nodes: what a node does, without I/O.
//!
//! [`Cluster::handle`] takes one [`ClusterInput`] and the time, and appends [`ClusterOutput`]s, as `State` does for a
//! directory that is alone (which has nothing of this). People fall into shards by a keyed hash of their identifiers; each
//! shard is *kept* by one node, which knows where its people are connected and what they show to whom; the node that somebody
//! is connected to is her *door*. `docs/spec/cluster.md` is the protocol between nodes.
//!
//! What it never does: say that somebody is offline, or online, because a node or the way to it has failed; write anything to
//! a disk; send anything that whoever carries it can read.
//!
//! | module | what it holds |
//! |---|---|
//! | `node` | one node: its halves, and its ways to others |
//! | `shards` | whose keeper is which node |
//! | `membership` | which nodes are there, and since when one is not |
//! | `link` | messages to one other node, in order, each once |
//! | `seal` | what leaves a node, encrypted |
//! | `message`, `wire` | what nodes say to each other |
//! | `keeper` | what a node does for the people of its shards |
//! | `door` | what a node does for the people who are connected to it |
//! | `carrier` | the one part with I/O: what brings packets to other nodes, NATS |

mod carrier;
mod door;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod keeper;
mod link;
mod membership;
mod message;
mod node;
#[cfg(test)]
mod samples;
mod seal;
mod shards;
#[cfg(test)]
mod tests;
mod wire;

use crate::config::ClusterTiming;
use crate::state::{Input, Output};

pub use carrier::CarrierConfig;
pub(crate) use carrier::{Departing, carry, departures};
pub use node::Cluster;
pub use shards::{NodeId, SHARDS};

/// What a node is told at its start.
#[derive(Clone)]
pub struct ClusterConfig {
    /// This node's name, one of `nodes`.
    pub name: String,
    /// The names of all nodes, the same everywhere. A majority of them decides.
    pub nodes: Vec<String>,
    /// Shared by all nodes and known to nobody else.
    pub key: [u8; 32],
    /// Greater at every start of this node: milliseconds of the clock do.
    pub incarnation: u64,
    /// Drawn at random at every start.
    pub salt: [u8; 16],
    /// When a node is silent, lost, or lets its people go.
    pub timing: ClusterTiming,
}

/// Why nodes are no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Not among the nodes.
    #[error("this node's name, {found:?}, is not among the nodes of the cluster")]
    NotAMember {
        /// The name.
        found: String,
    },
    /// One name twice.
    #[error("two nodes of the cluster have the name {found:?}")]
    Twice {
        /// The name.
        found: String,
    },
    /// More than can be named.
    #[error("a cluster has at most {} nodes, this one {found}", u16::MAX)]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Something happened.
#[derive(Debug)]
pub enum ClusterInput {
    /// To a connection of this node, or nothing but time.
    Here(Input),
    /// Another node's packet has come; whatever it is.
    Packet(Vec<u8>),
    /// Everybody who was connected has been let go: say goodbye.
    Leave,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterOutput {
    /// For a connection of this node.
    Here(Output),
    /// Bring this to another node. If it is lost, it is sent again.
    Packet {
        /// To whom.
        to: NodeId,
        /// What nobody can read.
        sealed: Vec<u8>,
    },
}
