//! An ACME client (RFC 8555) for people: identifiers `email` and `tel`, a challenge answered by a typed code.
//!
//! [`jws`] signs requests and does no I/O, [`messages`] are the JSON objects on the wire, [`AcmeClient`] sends them:
//! it fetches nonces, repeats a request whose nonce was refused, and bounds every answer.

mod client;
pub mod jws;
pub mod messages;

pub use client::{AcmeClient, AcmeError};
