//! What all programs do alike on the command line.
//!
//! **What it does.** Reads the command line, and says what is wrong with it in words or, under `--json`, as an object
//! ([`arguments`]). Tells why a program fails in the same two forms ([`Failure`]). Names the exit codes in the help of every
//! command ([`command`]). Gives every program what completes it in shells, and its manual pages. Prints where nobody may be reading any more ([`say!`], [`complain!`]), and lets no program end well
//! whose result was lost ([`ended`]).
//!
//! **What it never does.** It shows no passphrase that was typed where its source was to be named, nor an address with a
//! password that nobody expected there. It knows no program, and decides no exit code but that of a wrong command line.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod about;
mod arguments;
mod failure;
mod help;
mod manual;
mod say;
pub mod testing;

pub use arguments::arguments;
pub use failure::Failure;
pub use help::command;
pub use say::{announce, ended, lose, lost, print};
