//! The vocabulary of In Person: who a person is, what her certificate looks like, and how a stranger's bytes become a
//! [`VerifiedPerson`](verify::VerifiedPerson).
//!
//! The front door is [`verify::verify_person`]: certificate bytes, a [`trust::Trust`] and a time go in; a
//! `VerifiedPerson`, or an error that names the numbered [rule](rules::Rule) with what it expected and what it found,
//! comes out. The same modules write what they read: a CA plans a certificate with [`plan`], and the verifier checks it
//! against the same [`profile`] and the same lints, so that nothing can be issued here which is refused there.
//!
//! This crate never opens a file or a socket, never asks a clock and never draws a random number: time and randomness
//! are arguments. It never panics on bytes from outside, and every size from outside is bounded.
//!
//! | module | what it holds |
//! |---|---|
//! | [`card`] | contact cards: the link by which people find each other |
//! | [`identifier`] | e-mail addresses and phone numbers in their one canonical form |
//! | [`oid`] | our object identifiers, under one arc |
//! | [`profile`] | certificate profiles, loaded from `policies/profiles/*.toml` |
//! | [`certificate`] | X.509 certificates in strict DER, and how to assemble them |
//! | [`path`] | certification path validation after RFC 5280 section 6 |
//! | [`plan`] | the write side: planned certificates, revocation lists, lints |
//! | [`transparency`] | labels, commitments and the transparency extension |
//! | [`trust`] | the trust policy a person pins, and what verification needs of it |
//! | [`verify`] | the read side: [`verify_person`](verify::verify_person) and [`verify_service`](verify::verify_service) |
//! | [`endorsement`] | what one device of a person says of another |
//! | [`evidence`] | what convinces a third party of misbehaviour |
//! | [`rules`] | the numbers of the rules, as in `policies/rules.md` |
//! | [`tls`] | the verifiers as rustls wants them |

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod card;
pub mod certificate;
pub mod endorsement;
pub mod evidence;
pub mod identifier;
pub mod oid;
pub mod path;
pub mod plan;
pub mod profile;
pub mod rules;
#[doc(hidden)]
pub mod testing;
pub mod tls;
pub mod transparency;
pub mod trust;
pub mod verify;

pub use identifier::{Identifier, IdentifierKind, Line, Numbering};
/// A certificate as it travels: DER bytes.
pub type CertificateDer = rustls_pki_types::CertificateDer<'static>;
pub use rustls_pki_types::UnixTime;

/// A certificate larger than this is refused before it is parsed (bytes).
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;
/// A chain of more certificates than this is refused.
pub const MAX_CHAIN: usize = 6;
