//! An ACME client (RFC 8555) for people: identifiers `email` and `tel`, a challenge answered by a typed code.
//!
//! [`jws`] signs requests and does no I/O, [`messages`] are the JSON objects on the wire, [`AcmeClient`] sends them:
//! it fetches nonces, repeats a request whose nonce was refused, and bounds every answer. [`renewal_window`] asks when a
//! certificate is to be renewed (RFC 9773).

mod client;
pub mod date;
mod holder;
pub mod jws;
pub mod messages;
mod patience;
mod renewal;

pub use client::{AcmeClient, AcmeError};
pub use holder::{ExternalAccount, Holder, NoExternalKey};
pub use renewal::{Window, certificate_id, renewal_window};
