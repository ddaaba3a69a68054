//! Addresses that look like others: for warnings, never for refusals.
//!
//! `аlice@example.org` with a Cyrillic `а` is an address of its own, canonical and valid, and somebody may rightly have
//! it. What it is not is `alice@example.org`, and the eye cannot tell. Unicode Technical Standard 39 can.

use std::fmt;

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use unicode_security::{MixedScript, RestrictionLevel, RestrictionLevelDetection, skeleton};

use super::Identifier;

/// Why an address deserves a second look. Its display is one sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookalike {
    /// Every character that is not ASCII looks like one that is.
    Ascii {
        /// The address as it is shown, with its domain in Unicode.
        shown: String,
        /// What it looks like.
        resembles: String,
    },
    /// A part mixes letters of scripts that nobody writes together.
    Mixed {
        /// The address as it is shown, with its domain in Unicode.
        shown: String,
        /// The part: a label of the domain, or letters of the local part.
        part: String,
    },
}

impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascii { shown, resembles } => write!(f, "{shown} looks like {resembles}, but is not"),
            Self::Mixed { shown, part } => {
                write!(
                    f,
                    "{shown} may look like another address, but is not: {part:?} mixes letters of several scripts"
                )
            }
        }
    }
}

impl Identifier {
    /// Whether an eye could take this address for another (UTS 39 sections 4 and 5.2). An address in one script other
    /// than the Latin one is none of these, nor is a Latin one with its accents: they look like themselves.
    pub fn lookalike(&self) -> Option<Lookalike> {
        let (local, domain) = self.split()?;
        let domain = Uts46::new().to_unicode(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check).0;
        let shown = format!("{local}@{domain}");
        if shown.is_ascii() {
            return None;
        }
        if let Some(resembles) = ascii_twin(&shown) {
            return Some(Lookalike::Ascii { shown, resembles });
        }
        // ASCII punctuation separates words, each of which may be in a script of its own.
        let mixed = shown.split(|c: char| c.is_ascii_punctuation()).find(|part| is_mixed(part))?.to_owned();
        Some(Lookalike::Mixed { shown, part: mixed })
    }
}

/// UTS 39 section 5.2: Latin beside Chinese, Japanese or Korean is usual; other mixtures are not.
fn is_mixed(part: &str) -> bool {
    !part.is_single_script() && part.detect_restriction_level() > RestrictionLevel::HighlyRestrictive
}

/// The ASCII text that looks the same, if every character has an ASCII character that looks like it.
fn ascii_twin(text: &str) -> Option<String> {
    text.chars().map(|c| if c.is_ascii() { Some(c) } else { ascii_character(c) }).collect()
}

/// UTS 39 maps what looks alike to one prototype. For `m` that is `rn`; a letter with an accent has two characters, so it
/// looks like itself.
fn ascii_character(c: char) -> Option<char> {
    let mut bytes = [0; 4];
    let prototype: String = skeleton(c.encode_utf8(&mut bytes)).collect();
    match &*prototype {
        "rn" => Some('m'),
        one if one.len() == 1 => one.chars().next().map(|c| c.to_ascii_lowercase()),
        _ => None,
    }
}
