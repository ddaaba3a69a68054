//! People verified before.

use std::{fmt, num::NonZeroUsize, sync::Mutex};

use lru::LruCache;

use crate::verify::VerifiedPerson;

/// A bounded cache; the key is the SHA-256 of the leaf. It belongs to one [`Trust`](crate::trust::Trust).
pub(super) struct Cache(Mutex<LruCache<[u8; 32], VerifiedPerson>>);

impl Cache {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(capacity)))
    }

    pub(super) fn get(&self, key: &[u8; 32]) -> Option<VerifiedPerson> {
        self.lock().get(key).cloned()
    }

    pub(super) fn put(&self, key: [u8; 32], person: VerifiedPerson) {
        self.lock().put(key, person);
    }

    pub(super) fn remove(&self, key: &[u8; 32]) {
        self.lock().pop(key);
    }

    /// How many people it remembers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], VerifiedPerson>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} people)", self.lock().len())
    }
}
