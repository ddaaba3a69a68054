//! The codes of `email-code-00` and `sms-code-00`: what is sent, what is stored, what a typed one is compared with.
//!
//! By mail, 24 base32 characters (RFC 4648) in six groups of four: 120 random bits. The CA/Browser Forum's S/MIME Baseline
//! Requirements ask for at least 112 (section 3.2.2.2). By text message, ten in two groups of five: 50 bits, which nobody
//! guesses with any number of accounts, so that it need not be counted how often a number is guessed at by everybody
//! together: such a count would let a stranger shut its owner out. Only a code's hash is kept.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Characters in a mailed code, without hyphens, and in each group of them.
const MAILED: (usize, usize) = (24, 4);
/// The same of one in a text message.
const TEXTED: (usize, usize) = (10, 5);
/// A typed code longer than this, with all its spaces, is not looked at.
const MAX_TYPED: usize = 256;

/// A code on its way into a message. Neither `Debug` nor a log line shows it.
pub(crate) struct Code {
    text: Zeroizing<Vec<u8>>,
    group: usize,
}

impl Code {
    /// A new code for a mail, from 120 random bits.
    pub(crate) fn new(random: [u8; 15]) -> Self {
        Self::of(&random, MAILED)
    }

    /// A new code for a text message, from the first 50 of these random bits.
    pub(crate) fn short(random: [u8; 7]) -> Self {
        Self::of(&random, TEXTED)
    }

    fn of(random: &[u8], (characters, group): (usize, usize)) -> Self {
        let mut text = Zeroizing::new(vec![0; BASE32_NOPAD.encode_len(random.len())]);
        BASE32_NOPAD.encode_mut(random, text.as_mut_slice());
        text.truncate(characters);
        Self { text, group }
    }

    /// What may be stored of it.
    pub(crate) fn hash(&self) -> CodeHash {
        CodeHash::of(self.text.as_slice())
    }

    /// As it stands in the message: `ABCD-EFGH-IJKL-MNOP-QRST-UVWX`, or `ABCDE-FGHIJ`.
    pub(crate) fn grouped(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(2 * self.text.len()));
        for (at, character) in self.text.iter().enumerate() {
            if at > 0 && at.is_multiple_of(self.group) {
                out.push('-');
            }
            out.push(char::from(*character));
        }
        out
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The stored hash of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeHash(pub [u8; 32]);

impl CodeHash {
    fn of(characters: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"inperson-code-v1\0");
        hash.update(characters);
        Self(hash.finalize().into())
    }

    /// Whether `typed` is the code, in constant time. Case, spaces and hyphens do not count, and neither do the digits
    /// 0, 1 and 8 that base32 leaves out because they are read as O, I (or L) and B: they are taken for the letters O,
    /// I and B.
    pub(crate) fn matches(&self, typed: &str) -> bool {
        if typed.len() > MAX_TYPED {
            return false;
        }
        let characters: Zeroizing<Vec<u8>> = Zeroizing::new(
            typed
                .bytes()
                .filter(|b| !b.is_ascii_whitespace() && *b != b'-')
                .map(|b| match b.to_ascii_uppercase() {
                    b'0' => b'O',
                    b'1' => b'I',
                    b'8' => b'B',
                    other => other,
                })
                .collect(),
        );
        // The hash is over all of them: a code of another length is another code.
        Self::of(&characters).0.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_groups_of_four() {
        assert_eq!(*Code::new([0; 15]).grouped(), "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA");
        assert_eq!(*Code::new([0xff; 15]).grouped(), "7777-7777-7777-7777-7777-7777");
    }

    #[test]
    fn two_groups_of_five() {
        let code = Code::short([0xff; 7]);
        assert_eq!(*code.grouped(), "77777-77777");
        assert!(
            code.hash().matches("7777777777")
                && !code.hash().matches("777777777")
                && !code.hash().matches("77777777777")
        );
        // The fifty-first bit does not count.
        assert_eq!(Code::short([0, 0, 0, 0, 0, 0, 0b0011_1111]).hash(), Code::short([0; 7]).hash());
    }

    #[test]
    fn case_spaces_and_hyphens_do_not_count() {
        let code = Code::new([0x5a; 15]);
        let hash = code.hash();
        let grouped = code.grouped();
        assert!(hash.matches(&grouped));
        assert!(hash.matches(&format!("  {} \n", grouped.to_lowercase().replace('-', " "))));
        assert!(hash.matches(&grouped.replace('-', "").replace('I', "1").replace('O', "0").replace('B', "8")));
    }

    #[test]
    fn anything_else_does_not_match() {
        let hash = Code::new([0x5a; 15]).hash();
        for wrong in ["", "AAAA", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", "💥", &"A".repeat(100_000)] {
            assert!(!hash.matches(wrong));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Code::new([7; 15])), "Code(…)");
    }
}
