//! SignedData (RFC 5652 section 5).

mod attributes;
mod info;
mod read;
mod unsigned;
mod write;

pub use read::{Signature, certificates, verify};
pub use unsigned::Unsigned;
pub use write::{SignWith, Signer, Unended, begin_attached, begin_detached, sign_attached, sign_detached};

pub(crate) use write::portions;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

/// The type of the content: any bytes.
pub(crate) const DATA: ObjectIdentifier = ID_DATA;
/// The type of the message.
const SIGNED_DATA: ObjectIdentifier = ID_SIGNED_DATA;
/// So much of the content is held at a time.
pub(crate) const PORTION: usize = 64 * 1024;

#[cfg(test)]
mod tests;
