//! The code that two devices show and compare (docs/spec/peer.md, "Comparing"), as a person types it.

/// Its letters and digits.
const CHARACTERS: usize = 24;

/// Without what only helps to read it.
pub(super) fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Whether somebody has typed a whole one.
pub(crate) fn is_one(typed: &str) -> bool {
    plain(typed).len() == CHARACTERS
}
