//! What can be wrong with a message.

use std::io;

use aws_lc_rs::error::Unspecified;

/// Why a message was not written, or does not count.
#[derive(Debug, thiserror::Error)]
pub enum CmsError {
    /// The content cannot be read, or the message not written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No message of the kind that is read, or beyond a limit.
    #[error("expected {expected}, found {found}")]
    Form {
        /// What there should be.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// The message holds its content, or it does not, and that is not what is needed.
    #[error("{0}")]
    Content(&'static str),
    /// An algorithm that is not known here, or not allowed.
    #[error("expected {expected}, found {found}")]
    Algorithm {
        /// What is known.
        expected: &'static str,
        /// Its object identifier.
        found: String,
    },
    /// The content is not what was signed.
    #[error("the content is not what was signed: it was altered, or it is another one")]
    Altered,
    /// The signature is not by the certificate's key.
    #[error("the signature does not fit the certificate's key")]
    Signature,
    /// The certificate that the signature names is not in the message.
    #[error("the certificate that the signature names is not in the message")]
    NoCertificate,
    /// It does not open: that it was altered looks the same as that the key is another one.
    #[error("it does not open: it was altered, cut off, or encrypted to another key")]
    Closed,
    /// The library failed, or there is no randomness.
    #[error("the cryptographic library failed")]
    Library,
    /// A key that lies elsewhere did not do its part.
    #[error("the key did not open it: {0}")]
    Agree(String),
    /// The key did not sign.
    #[error("the key did not sign: {0}")]
    Sign(String),
}

impl From<Unspecified> for CmsError {
    fn from(_: Unspecified) -> Self {
        Self::Library
    }
}

impl CmsError {
    pub(crate) fn form(expected: &'static str, found: impl ToString) -> Self {
        Self::Form { expected, found: found.to_string() }
    }
}
