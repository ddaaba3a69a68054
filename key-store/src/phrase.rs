//! A recovery phrase: 24 words of the English list of BIP-39, with its checksum. 256 bits, for paper and for people.

use std::fmt;

use bip39::{Language, Mnemonic};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;

/// So many words make a phrase.
pub const WORDS: usize = 24;
/// So many letters tell every word of the list from all others.
const TELLING: usize = 4;
/// More than any phrase with numbers and spaces has (bytes).
const MAX_TEXT_BYTES: usize = 4096;

/// Why words are no recovery phrase. None of them is in it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PhraseError {
    /// Too few or too many.
    #[error("expected {WORDS} words, found {found}")]
    Count {
        /// How many.
        found: usize,
    },
    /// One is none of the list, nor the beginning of just one.
    #[error("word {number} is none of the list")]
    Unknown {
        /// Which one, counted from 1.
        number: usize,
    },
    /// Each is of the list, and the checksum in the last one is another.
    #[error(
        "each word is one of the list, but their checksum is wrong: at least one is not the one that was written down, or two are in the wrong order"
    )]
    Checksum,
}

/// The words. Zeroized when dropped; its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryPhrase(Mnemonic);

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(…)")
    }
}

impl RecoveryPhrase {
    /// A new one, of 32 bytes of the system's randomness.
    #[must_use]
    pub fn new(random: &Zeroizing<[u8; 32]>) -> Self {
        Self(Mnemonic::from_entropy(&random[..]).expect("BIP-39 has a phrase for every 32 bytes"))
    }

    /// Reads what somebody typed: in any case, with numbers, signs and line breaks between the words, each whole or by its
    /// first four letters at least.
    ///
    /// # Errors
    /// See [`PhraseError`].
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let mut words = Zeroizing::new(String::with_capacity(MAX_TEXT_BYTES));
        let mut found = 0;
        let text = cut(text);
        for typed in typed_words(text) {
            found += 1;
            if found > WORDS {
                continue;
            }
            let word = word(typed).ok_or(PhraseError::Unknown { number: found })?;
            if found > 1 {
                words.push(' ');
            }
            words.push_str(word);
        }
        if found != WORDS {
            return Err(PhraseError::Count { found });
        }
        Mnemonic::parse_in_normalized(Language::English, &words).map(Self).map_err(|_| PhraseError::Checksum)
    }

    /// The words, in their order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// What files are encrypted with: the words with a space between two, as anybody can type them.
    #[must_use]
    pub fn passphrase(&self) -> Passphrase {
        let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT_BYTES));
        for word in self.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        Passphrase::new(text).expect("24 words have at most 215 letters and spaces")
    }
}

/// The words that somebody typed, without what stands between them.
pub fn typed_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

/// The word of the list that was typed, whole or by its beginning; none if it is none, or could be several.
#[must_use]
pub fn word(typed: &str) -> Option<&'static str> {
    let list = Language::English.word_list();
    // Longer than any: it is not copied.
    if typed.len() > 8 {
        return None;
    }
    let typed = Zeroizing::new(typed.to_lowercase());
    let at = list.partition_point(|word| *word < typed.as_str());
    let word = *list.get(at)?;
    let whole = word == typed.as_str();
    let begun = typed.chars().count() >= TELLING && word.starts_with(typed.as_str());
    (whole || begun).then_some(word)
}

/// Words of the list that begin as somebody began; for her alone, who mistyped one.
#[must_use]
pub fn alike(typed: &str) -> Vec<&'static str> {
    let beginning: Zeroizing<String> = Zeroizing::new(typed.to_lowercase().chars().take(3).collect());
    let list = Language::English.word_list();
    list.iter().copied().filter(|word| word.starts_with(beginning.as_str())).take(6).collect()
}

/// At most so much of it; nothing is cut within a character.
fn cut(text: &str) -> &str {
    let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(byte: u8) -> RecoveryPhrase {
        RecoveryPhrase::new(&Zeroizing::new([byte; 32]))
    }

    /// The vectors of BIP-39 for 256 bits.
    #[test]
    fn the_words_are_those_of_the_standard() {
        let zeros = format!("{}art", "abandon ".repeat(23));
        assert_eq!(phrase(0).passphrase().as_str(), zeros);
        let ones = format!("{}vote", "zoo ".repeat(23));
        assert_eq!(phrase(0xff).passphrase().as_str(), ones);
        let vector = "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless";
        assert_eq!(phrase(0x80).passphrase().as_str(), vector);
        assert_eq!(format!("{:?}", phrase(0)), "RecoveryPhrase(…)");
    }

    #[test]
    fn it_is_read_as_people_write_it() {
        let whole = phrase(0x80);
        let words: Vec<_> = whole.words().collect();
        let numbered: String =
            words.iter().zip(1..).map(|(word, at)| format!("{at:2}. {}\n", word.to_uppercase())).collect();
        let short: String = words.iter().map(|word| format!("{},", &word[..4.min(word.len())])).collect();
        for text in [numbered, short, words.join("  \t\r\n")] {
            assert_eq!(RecoveryPhrase::parse(&text), Ok(whole.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_no_word() {
        let zeros = phrase(0).passphrase();
        let with = |at: usize, word: &str| {
            let mut words: Vec<_> = zeros.as_str().split(' ').collect();
            words[at] = word;
            RecoveryPhrase::parse(&words.join(" ")).unwrap_err()
        };
        for (typed, at) in [("xyzzy", 6), ("aba", 0), ("abandonn", 23), ("aaaaaaaaaaaaaaaaaaaaaaaa", 3), ("äbandon", 2)]
        {
            let error = with(at, typed);
            assert_eq!(error, PhraseError::Unknown { number: at + 1 });
            assert!(!error.to_string().contains(typed));
        }
        assert_eq!(with(4, "ability"), PhraseError::Checksum);
        assert_eq!(with(23, ""), PhraseError::Count { found: 23 });
        assert_eq!(RecoveryPhrase::parse(""), Err(PhraseError::Count { found: 0 }));
        assert_eq!(RecoveryPhrase::parse(&"abandon ".repeat(25)), Err(PhraseError::Count { found: 25 }));
        assert!(RecoveryPhrase::parse(&"ä".repeat(1 << 20)).is_err());
    }

    #[test]
    fn four_letters_tell_every_word() {
        for listed in Language::English.word_list() {
            assert_eq!(word(listed), Some(*listed));
            assert_eq!(word(&listed.to_uppercase()), Some(*listed));
            if listed.len() > TELLING {
                assert_eq!(word(&listed[..TELLING]), Some(*listed));
            }
        }
        assert_eq!(alike("ABANDEN"), ["abandon"]);
        assert!(alike("xyz").is_empty() && word("").is_none());
    }
}
