//! The certificate authority of In Person.
//!
//! **What it does.** Proves that somebody controls a mail address or a phone number (ACME, RFC 8555, with the challenges
//! `email-code-00`, `email-reply-00`, `oidc-00` and `sms-code-00`), plans a certificate for it, lints it, has it logged in a
//! public, witnessed log, and only then signs it. It opens every entry under an address to its owner, issues the certificates of its own
//! services, and keeps revocation lists.
//!
//! **What it never does.** It signs nothing unlinted and nothing unlogged: the types of the [`issuance`] core make that
//! unrepresentable. It computes no label for an address whose control was not proven. It tells a stranger nothing that
//! depends on whether an address is known. It writes no address into a log line, and no secret anywhere but into files
//! of mode 0600.
//!
//! The pieces, from the inside out:
//!
//! * [`issuance`]: the core, without I/O: planned → linted → logged → issued.
//! * [`store`]: what is remembered, behind a contract of two methods; SQLite by default.
//! * [`log`]: what is needed of the transparency log.
//! * [`keys`]: root and issuing keys; [`shards`]: the logs, one after the other, each with its label key.
//! * [`recovery`]: the books of a restored backup, brought up to what the log tells.
//! * [`Ca`]: all of it together, with an ACME server as a [`Router`](axum::Router); [`https`] serves it.
//!
//! The protocol is specified in `docs/spec/enrolment.md`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acme;
mod announce;
mod audit;
mod ca;
mod caa;
mod check;
mod code;
mod component;
pub mod config;
mod crl;
mod csr;
mod dns;
mod external;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod https;
pub mod issuance;
mod issue;
mod jws;
mod key_pair;
pub mod keys;
mod limit;
pub mod log;
mod mail;
mod objects;
mod oidc;
pub mod operator;
mod pem;
pub mod proven;
mod random;
pub mod recovery;
pub mod reply;
mod resume;
mod service;
pub mod shards;
mod sms;
mod spent;
pub mod store;
#[cfg(test)]
mod testing;
mod token;
pub mod trail;
mod weak;
mod web;

pub use ca::{Ca, OpenError};
pub use check::check_config;
pub use code::CodeHash;
pub use component::{Component, ComponentError, Connected};
pub use config::{CaConfig, Chaos, Clock, ExternalAccounts, ExternalKeyError, Limits, Mailer, Rate, system_clock};
pub use crl::CrlError;
pub use keys::{AuthorityKeys, InitError, KeysError, init, issuing_certificate, issuing_certificates, sign_policy};
pub use log::Log;
pub use mail::{DkimError, DkimRecord, MailError, POLICIES_FILE, check_smtp_url, new_dkim_key};
pub use objects::ObjectError;
pub use service::ServiceError;
pub use shards::{LabelKey, LabelKeyError, Shard, ShardError, Shards};
pub use token::DigestHash;
pub use token::TokenPart1;
pub use weak::{BlockedKeys, BlockedKeysError};
pub use web::{WebError, check_roots};
