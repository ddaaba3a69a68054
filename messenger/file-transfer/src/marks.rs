//! Where a hash had got to, so that what is asked for once more need not be read from the beginning.

use std::collections::VecDeque;

use sha2::Sha256;

/// How far apart they are (bytes).
pub(crate) const STEP: u64 = 1024 * 1024;
/// How many are kept: more than may be under way between two devices.
const KEPT: usize = 64;

/// The last of them, of one file at a time.
#[derive(Default)]
pub(crate) struct Marks {
    entry: u64,
    at: VecDeque<(u64, Sha256)>,
}

impl Marks {
    pub(crate) fn keep(&mut self, entry: u64, offset: u64, state: &Sha256) {
        if self.entry != entry {
            (self.entry, self.at) = (entry, VecDeque::new());
        }
        if self.at.iter().any(|(known, _)| *known == offset) {
            return;
        }
        if self.at.len() == KEPT {
            self.at.pop_front();
        }
        self.at.push_back((offset, state.clone()));
    }

    /// The nearest before an offset.
    pub(crate) fn before(&self, entry: u64, offset: u64) -> Option<(u64, Sha256)> {
        let of_it = self.at.iter().filter(|(at, _)| self.entry == entry && *at <= offset);
        of_it.max_by_key(|(at, _)| *at).cloned()
    }
}
