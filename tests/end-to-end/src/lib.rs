//! The whole system as people meet it: this crate starts the real programs (`homeserver`, `certtool`, `messenger`) as
//! child processes over real sockets, plays one true story with them, and offers the same parts to the integration
//! tests.
//!
//! What it does:
//! * [`homeserver`] starts a home server in a folder and waits until it says that it is ready;
//! * [`person`] is somebody with a home folder of her own, a `certtool` and a mailbox to read codes from ([`mail`]);
//! * [`terminal`] is a real one with a program in it, and [`picture`] draws what stands there;
//! * [`company`] is people who know each other, and a room of three of them;
//! * [`headless`] speaks JSON lines with a person's messenger;
//! * [`keyring`] is a session in which programs keep secrets;
//! * [`python`] sets up other people's Python programs, which judge ours;
//! * [`node`] does the same for Node's;
//! * [`install`] is how both do it: one at a time, in time, and again after a hiccup;
//! * [`apart`] makes a part of this machine for a test alone, and [`disk`] a disk there that can be full;
//! * [`counted`] is what the kernel counts of a process: the memory that it held, the bytes that it wrote;
//! * [`crash`] kills a home server while somebody enrols, and reckons afterwards;
//! * [`memory`] searches files and the memory of processes for words that must not be there;
//! * [`witness`] is a witness in a process of its own, and how people come to demand it;
//! * [`skipped`] says that a test cannot be played here;
//! * [`tale`] is the story told by `./demo`, in eight chapters.
//!
//! What it never does: it calls no function of the programs it watches, it skips no check of theirs, it sleeps nowhere
//! where something can be awaited, and no child outlives it (see [`guard`] and [`process`]).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apart;
pub mod company;
pub mod counted;
pub mod crash;
pub mod disk;
pub mod failure;
pub mod guard;
pub mod headless;
pub mod homeserver;
pub mod install;
pub mod keyring;
pub mod mail;
pub mod memory;
pub mod narrator;
pub mod node;
pub mod person;
pub mod picture;
pub mod ports;
pub mod process;
pub mod python;
pub mod random;
mod skipped;
pub mod tale;
pub mod terminal;
pub mod witness;

pub use failure::{Context, Failure};
pub use skipped::skipped;
