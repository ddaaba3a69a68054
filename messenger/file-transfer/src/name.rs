//! Names from elsewhere, made such that they can be nothing but names in one folder, on every system they may be carried to.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The longest that is made (bytes of UTF-8): with what marks a partial file, and a number against a name that is taken, it is
/// still a file's name everywhere.
pub const MAX_SAFE_NAME_BYTES: usize = 200;

/// What takes the place of a character that a name must not have.
const PLACEHOLDER: char = '_';
/// An extension that is longer is part of the name.
const MAX_EXTENSION_BYTES: usize = 32;

/// Marks, selectors and joiners on one character: as many as any writing needs. More of them hide what is above and below.
const MAX_MARKS: usize = 5;

/// Names that are devices on Windows, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// These with one digit, which may be a superscript.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// The name of one file or folder: not empty, in NFC, at most [`MAX_SAFE_NAME_BYTES`] long, without separators, control
/// characters and what reorders or hides text; neither hidden nor a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// The nearest to this one that is harmless. Of a name with separators only what is behind the last one counts.
    pub fn from_offered(offered: &str) -> Self {
        let last = offered.rsplit(['/', '\\']).find(|part| !part.trim_matches(['.', ' ']).is_empty());
        let name = visible(last.unwrap_or_default().nfc());
        // At the beginning a point hides.
        let name = ended(name.trim_start());
        let mut name = match name.strip_prefix('.') {
            Some(hidden) => format!("{PLACEHOLDER}{hidden}"),
            None => name.to_owned(),
        };
        if name.is_empty() {
            "file".clone_into(&mut name);
        }
        if is_device(&name) {
            name.insert(0, PLACEHOLDER);
        }
        Self(clipped(&name, MAX_SAFE_NAME_BYTES))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with a number before its extension, for where this one is taken: `tea (2).txt`.
    pub(crate) fn numbered(&self, number: u32) -> String {
        let (stem, extension) = split(&self.0);
        format!("{stem} ({number}){extension}")
    }

    /// What is the same on a disk that knows no difference between capitals and small letters.
    pub(crate) fn folded(name: &str) -> String {
        name.to_lowercase().nfc().collect()
    }
}

impl std::fmt::Display for SafeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same with a placeholder for what a name must not have, one space where there are several in a row, behind which an
/// extension would stand out of sight, and no more marks on a character than one can see.
fn visible(offered: impl Iterator<Item = char>) -> String {
    let (mut name, mut before, mut marks) = (String::new(), PLACEHOLDER, 0);
    for c in offered {
        marks = if is_combining_mark(c) || is_joiner(c) { marks + 1 } else { 0 };
        let again = c.is_whitespace() && !c.is_control() && before.is_whitespace();
        let astray = is_mongolian_selector(c) && !is_mongolian(before);
        let c = if is_plain(c) && !astray { c } else { PLACEHOLDER };
        if !again && marks <= MAX_MARKS {
            name.push(c);
            before = c;
        }
    }
    name
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Which form a Mongolian letter has; behind any other character it is invisible, and two names look like one.
fn is_mongolian_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}')
}

fn is_mongolian(c: char) -> bool {
    matches!(c, '\u{1820}'..='\u{18aa}')
}

/// Whether a character reorders, hides or annotates its neighbours, or passes for a space (Unicode TR 36, section 2; "Trojan
/// Source", CVE-2021-42574). Joiners and selectors do not: words and pictures need them.
pub fn misleads(c: char) -> bool {
    match c {
        // Marks, embeddings, overrides and isolates of direction; deprecated formatting.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        // Invisible: zero-width space, word joiner and invisible operators, soft hyphen, byte order mark.
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{180e}' => true,
        // Invisible as well: the grapheme joiner, vowels that Khmer does not write, controls of shorthand and of music.
        '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        // Blank letters, and a blank pattern, that can pass for spaces, or make a name of nothing.
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => true,
        // Annotations, tags.
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Whether a character may be in a name: Windows has the shortest list of them, and Unicode of those that people see.
fn is_plain(c: char) -> bool {
    match c {
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => false,
        // Ends of lines; what stands for no character.
        '\u{2028}' | '\u{2029}' | '\u{fffc}' | '\u{fffd}' => false,
        c => !misleads(c) && !c.is_control(),
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |device: &&str| {
        let mut rest = stem.strip_prefix(*device).unwrap_or_default().chars();
        matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.iter().any(numbered)
}

/// Stem and extension; what is too long for one is none.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(point) if point > 0 && name.len() - point <= MAX_EXTENSION_BYTES => name.split_at(point),
        _ => (name, ""),
    }
}

/// Without spaces and points at the end: Windows drops them, so that two names become one, and people see no space of any kind.
fn ended(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// At most so many bytes, with the extension, which says what it is.
fn clipped(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let mut end = most - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", ended(&stem[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The corpus: hostile names, and what becomes of them.
    const CORPUS: &str = include_str!("names.json");

    #[test]
    fn every_hostile_name_of_the_corpus_is_harmless() {
        let corpus: Vec<(String, String)> = serde_json::from_str(CORPUS).unwrap();
        assert!(corpus.len() > 80);
        for (offered, expected) in corpus {
            assert_eq!(SafeName::from_offered(&offered).as_str(), expected, "{offered:?}");
        }
        // Cut at a space of any kind, or ending in several.
        for spaces in ["\u{2003}", "\u{a0}.\u{3000}.", " ."] {
            for length in MAX_SAFE_NAME_BYTES - 10..=MAX_SAFE_NAME_BYTES {
                for rest in ["", "and what is behind it"] {
                    let safe = SafeName::from_offered(&[&"x".repeat(length), spaces, rest].concat());
                    assert!(!safe.as_str().ends_with(|c: char| c == '.' || c.is_whitespace()), "{safe}");
                    assert_eq!(SafeName::from_offered(safe.as_str()), safe, "harmless once is harmless twice");
                }
            }
        }
        let long = format!("{}.tar.gz", "é".repeat(200));
        let safe = SafeName::from_offered(&long);
        assert!(safe.as_str().len() <= MAX_SAFE_NAME_BYTES && safe.as_str().ends_with("é.gz"), "{safe}");
    }

    #[test]
    fn numbers_stand_before_the_extension() {
        for (name, expected) in [("tea.txt", "tea (2).txt"), ("tea", "tea (2)"), ("a.b.c", "a.b (2).c")] {
            assert_eq!(SafeName::from_offered(name).numbered(2), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_offered_becomes_one_harmless_name(offered in any::<String>()) {
            let name = SafeName::from_offered(&offered);
            let name = name.as_str();
            prop_assert!(!name.is_empty() && name.len() <= MAX_SAFE_NAME_BYTES);
            prop_assert!(name.chars().all(is_plain));
            prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']));
            prop_assert!(!is_device(name));
            prop_assert_eq!(std::path::Path::new(name).components().count(), 1);
        }

        #[test]
        fn what_is_harmless_stays_as_it_is(offered in any::<String>()) {
            let once = SafeName::from_offered(&offered);
            prop_assert_eq!(SafeName::from_offered(once.as_str()), once);
        }
    }
}
