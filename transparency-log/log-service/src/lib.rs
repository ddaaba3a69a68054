//! A transparency log as a service: what the program `transparency-log` runs, and the log's own pages.
//!
//! What it does: it puts the parts of the crate `transparency-log` on ports and into processes, with settings files,
//! keys in files, limits and an orderly end.
//!
//! What it never does: it decides nothing about logs. What a log promises, a witness checks and a monitor finds is in
//! `transparency-log`. It prints and logs no secret.
//!
//! It stands above both `transparency-log` and `identity`, because its pages explain certificates and its log takes
//! entries from authorities that show one; the log itself knows of neither.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | the settings files, one for each command |
//! | [`keys`] | signing keys in files |
//! | [`serving`] | ports, TLS, limits and deadlines |
//! | [`explorer`] | the log's own pages |
//! | [`serve`] | a log as a process, which takes entries from authorities elsewhere |
//! | [`witness`] | a witness as a process |
//! | [`mirror`] | a mirror as a process |
//! | [`monitor`] | a monitor that watches unattended |
//! | [`running`] | binding ports, signals, the line that says where everything is |
//! | [`error`] | what happened, and what to try |
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod error;
pub mod explorer;
pub mod keys;
pub mod mirror;
pub mod monitor;
pub mod running;
pub mod serve;
pub mod serving;
pub mod settings;
pub mod witness;

pub use error::Failure;
