//! What making an account takes of the person who is to hold it: her agreement to terms (RFC 8555 section 7.3.3), and a
//! binding to an account elsewhere (section 7.3.4). An account that is there already needs neither.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

/// As short as an authority takes one: as long as the hash (RFC 7518 section 3.2).
const MIN_KEY_BYTES: usize = 32;

/// Whoever is to hold an account.
pub trait Holder: Send {
    /// Whether she has read the terms at this address and agrees to them. Nobody agrees in her place.
    fn agrees<'a>(&'a mut self, _terms: &'a str) -> BoxFuture<'a, bool> {
        async { false }.boxed()
    }

    /// The account elsewhere to which hers is to be bound.
    fn elsewhere(&self) -> Option<&ExternalAccount> {
        None
    }
}

/// Nobody is there to be asked: an account is made only where none has to be.
pub(crate) struct Nobody;

impl Holder for Nobody {}

/// An account elsewhere, as its operator has handed it out. `Debug` shows the name alone.
#[derive(Clone)]
pub struct ExternalAccount {
    name: String,
    key: Zeroizing<Vec<u8>>,
}

/// A key that none is. It is not shown.
#[derive(Debug, thiserror::Error)]
#[error("expected a key of at least {MIN_KEY_BYTES} bytes in base64url, as the authority's operator gave it")]
pub struct NoExternalKey;

impl ExternalAccount {
    /// A name and its key in base64url.
    ///
    /// # Errors
    /// It is no such key.
    pub fn new(name: String, key: &str) -> Result<Self, NoExternalKey> {
        let key = URL_SAFE_NO_PAD.decode(key.trim().trim_end_matches('=')).map_err(|_| NoExternalKey)?;
        let key = Zeroizing::new(key);
        if key.len() < MIN_KEY_BYTES { Err(NoExternalKey) } else { Ok(Self { name, key }) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("name", &self.name).finish_non_exhaustive()
    }
}
