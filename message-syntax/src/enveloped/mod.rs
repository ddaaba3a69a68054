//! AuthEnvelopedData (RFC 5083) and EnvelopedData (RFC 5652 section 6): content that is encrypted, and its key once for each
//! recipient.

mod agreement;
mod cipher;
mod gcm;
mod key;
mod read;
mod recipient;
mod transport;
mod write;

pub use key::{AgreeWith, ContentKey, DecryptionKey};
pub use read::Envelope;
pub use recipient::Recipient;
pub use write::{Protection, encrypt};

use const_oid::ObjectIdentifier;

const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const AUTH_ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");

/// Most recipients of a message.
const MOST_RECIPIENTS: usize = 1000;

#[cfg(test)]
mod tests;
