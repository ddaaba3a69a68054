//! What other people's programs make of our certificates and files, and we of theirs; and of what is none of them.
//!
//! They are the real ones: OpenSSL, NSS (Firefox, Thunderbird, Chromium), gpgsm, OpenSSH, nginx and Caddy with curl,
//! PostgreSQL; and with `./test --all` the browsers themselves. `./test` installs them.

#![allow(clippy::unwrap_used, missing_docs)]

mod backup;
mod bad_input;
mod dated;
mod encrypt;
mod export;
mod git;
mod import;
mod install;
mod login;
mod mailbox;
mod nginx;
mod place;
mod postgres;
mod recipes;
mod sign;
mod sshd;
