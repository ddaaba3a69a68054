//! The Cryptographic Message Syntax (CMS, RFC 5652), as far as files and mails need it that somebody signs or encrypts
//! (RFC 8551).
//!
//! **What it does.** Writes and reads SignedData as streams, whatever the size of what is signed: [`sign_detached`],
//! [`sign_attached`], [`verify`]. What is to stand beside a signature without being signed is put there between its making
//! and the message's end ([`Unended`]). Signs with Ed25519 (RFC 8419), P-256 and RSA; says by which key of which certificate in
//! the message a signature was made. Encrypts to the P-256 and RSA keys in certificates, as streams too ([`encrypt`]): so that a
//! change is noticed (AuthEnvelopedData, RFC 5083), or, where other programs read nothing else, without that; opens both
//! ([`Envelope`]).
//!
//! **What it never does.** It keeps no key (whoever signs hands in a function that does, whoever decrypts lends hers), opens no
//! file, asks for no time, and does not know whether a certificate is worth anything: [`Signature`] says that somebody has signed
//! with the key in a certificate, and nothing about her. Messages come from strangers: every part but the content has a size
//! limit, and a key that does not fit says nothing of how it does not.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod algorithm;
mod ber;
mod enveloped;
mod error;
mod naming;
mod signed;
mod tlv;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use enveloped::{AgreeWith, ContentKey, DecryptionKey, Envelope, Protection, Recipient, encrypt};
pub use error::CmsError;
pub use signed::{
    SignWith, Signature, Signer, Unended, Unsigned, begin_attached, begin_detached, certificates, sign_attached,
    sign_detached, verify,
};
