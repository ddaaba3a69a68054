//! The other logs of the same authority, which its pages lead to: logs come while a server runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The logs of one server by their prefixes. Cheap to clone: all see the same.
#[derive(Debug, Clone, Default)]
pub struct Siblings(Arc<RwLock<BTreeMap<String, String>>>);

impl Siblings {
    /// One more log: below this prefix are the pages of the log called `origin`.
    pub fn add(&self, prefix: &str, origin: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(prefix.to_owned(), origin.to_owned());
    }

    /// Prefix and words for each log but the one below `prefix`.
    pub(super) fn others(&self, prefix: &str) -> Vec<(String, String)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let others = all.iter().filter(|(other, _)| *other != prefix);
        others.map(|(prefix, origin)| (prefix.clone(), format!("Log {origin}"))).collect()
    }
}
