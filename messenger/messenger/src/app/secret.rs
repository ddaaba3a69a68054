//! A passphrase while it is typed: never shown, never moved in memory, wiped when it goes.

use std::fmt;

use key_store::{MAX_PASSPHRASE_BYTES, Passphrase};
use zeroize::{Zeroize, Zeroizing};

/// What was typed so far.
pub(crate) struct Secret(Zeroizing<String>);

impl Default for Secret {
    /// Room for the longest: growing would leave copies behind.
    fn default() -> Self {
        Self(Zeroizing::new(String::with_capacity(MAX_PASSPHRASE_BYTES)))
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.push(&self.0);
        copy
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Adds what was typed; what does not fit is left out.
    pub(crate) fn push(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.0.len() + c.len_utf8() <= MAX_PASSPHRASE_BYTES {
                self.0.push(c);
            }
        }
    }

    pub(crate) fn backspace(&mut self) {
        self.0.pop();
    }

    pub(crate) fn clear(&mut self) {
        self.0.zeroize();
    }

    /// Characters typed so far.
    pub(crate) fn count(&self) -> usize {
        self.0.chars().count()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// What was typed, to be tried; nothing if that is nothing. Nothing is left here.
    pub(crate) fn take(&mut self) -> Option<Passphrase> {
        Passphrase::new(std::mem::take(self).0)
    }
}
