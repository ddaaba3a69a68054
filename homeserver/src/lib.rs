//! A home server: the authority, its log, a witness and the directory in one process, on embedded defaults. What a
//! family, a club or a firm of fifty starts with.
//!
//! What it does: it makes keys and a genesis trust policy at the first start, keeps its settings in its folder, binds
//! one HTTPS port (`/acme`, `/log`, `/policy`) and one UDP port (the directory), lets the parts know each other, and
//! stops them in order.
//!
//! What it never does: it has no logic of its own. What an authority decides is in `ca`, what a log promises in
//! `transparency-log`, what a directory says in `directory`. It prints and logs no secret.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | what can be given on the command line |
//! | [`settings`] | what `homeserver.toml` remembers of it |
//! | [`folder`] | the folder, its lock, its files |
//! | [`keys`] | the signing keys of log and witness |
//! | [`genesis`] | the trust policy made at the first start |
//! | `founding` | how every start begins: settings, keys, policy; what goes again if a first one fails |
//! | [`introduce`] | what a log elsewhere must be told of this authority |
//! | [`policies`] | the versions of the trust policy that follow |
//! | [`shards`] | further logs: keys, and the version of the policy that announces them |
//! | `foreign`, `names` | other home servers' people in this directory; mail domains whose directory this is |
//! | [`neighbours`] | home servers that witness one another |
//! | [`ports`] | the two ports |
//! | [`pages`] | `/` and `/policy` |
//! | `figures` | the directory's figures, for this machine alone |
//! | [`server`] | all parts together |
//! | `ready` | where everything is, told when the server answers |
//! | [`init`], [`check`] | a new authority, not yet started; whether settings are in order |
//! | [`backup`], [`restore`] | everything in another folder; a log that goes on only once it is certain how far it got |
//! | [`supervisor`] | systemd is told when it is ready, and when it stops |
//! | [`clock`] | whether the clock can be right |
//! | [`error`] | why it does not start, and what to try |
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backup;
pub mod check;
pub mod clock;
pub mod database;
pub mod error;
mod figures;
mod files;
pub mod folder;
mod following;
mod foreign;
mod founding;
pub mod genesis;
pub mod init;
pub mod introduce;
pub mod keys;
mod log;
mod log_store;
mod logs;
mod names;
pub mod neighbours;
pub mod options;
pub mod pages;
pub mod policies;
pub mod ports;
mod ready;
pub mod restore;
pub mod server;
pub mod settings;
pub mod shards;
pub mod supervisor;
#[cfg(test)]
mod testing;

pub use error::StartError;
pub use logs::later_logs;
pub use options::Options;
pub use ready::Ready;
pub use server::Homeserver;
