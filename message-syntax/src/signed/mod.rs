//! SignedData (RFC 5652 section 5).

mod attributes;
mod info;
mod read;
mod unsigned;
mod write;

pub use read::{Signature, verify};
pub use unsigned::Unsigned;
pub use write::{SignWith, Signer, Unended, begin_attached, begin_detached, sign_attached, sign_detached};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

/// The type of the content: any bytes.
const DATA: ObjectIdentifier = ID_DATA;
/// The type of the message.
const SIGNED_DATA: ObjectIdentifier = ID_SIGNED_DATA;
/// So much of the content is held at a time.
const PORTION: usize = 64 * 1024;

#[cfg(test)]
mod tests;
