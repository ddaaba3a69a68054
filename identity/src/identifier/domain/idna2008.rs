//! What RFC 5892 admits in a U-label, beyond what UTS 46 asks for.

use unicode_properties::{GeneralCategory as G, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// Whether a label, as people read it, is one of IDNA2008: each character admitted by itself, and where it stands.
pub(super) fn admits(label: &str) -> bool {
    let chars: Vec<char> = label.chars().collect();
    chars.iter().enumerate().all(|(at, c)| c.is_ascii() || is_admitted(*c) && in_context(&chars, at))
        // RFC 5892 appendices A.8 and A.9: Arabic-Indic digits and extended ones are not mixed.
        && !(chars.iter().any(|c| is_arabic_digit(*c)) && chars.iter().any(|c| is_extended_arabic_digit(*c)))
}

/// LetterDigits (section 2.1), the exceptions (2.6), and the joiners (2.8), whose contextual rule UTS 46 has applied
/// already. Unassigned and unstable characters (2.2) are refused by its table.
fn is_admitted(c: char) -> bool {
    let letter_or_digit = matches!(
        c.general_category(),
        G::LowercaseLetter
            | G::UppercaseLetter
            | G::OtherLetter
            | G::DecimalNumber
            | G::ModifierLetter
            | G::NonspacingMark
            | G::SpacingMark
    );
    let exception = matches!(
        c,
        '\u{b7}' | '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' | '\u{3007}' | '\u{30fb}'
    );
    let disallowed =
        matches!(c, '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}');
    let ignorable_block = matches!(c, '\u{20d0}'..='\u{20ff}' | '\u{1d100}'..='\u{1d24f}');
    letter_or_digit && !disallowed && !ignorable_block && !is_old_hangul(c)
        || exception
        || matches!(c, '\u{200c}' | '\u{200d}')
}

/// OldHangulJamo (section 2.9): what is left of them once NFC has made syllables of the modern ones.
fn is_old_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{d7b0}'..='\u{d7c6}' | '\u{d7cb}'..='\u{d7fb}')
}

/// The rules for characters of the class CONTEXTO (appendices A.3 to A.7).
fn in_context(label: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| label[at]);
    let after = label.get(at + 1).copied();
    let is = |c: Option<char>, script| c.is_some_and(|c| c.script() == script);
    match label[at] {
        // MIDDLE DOT: in Catalan, between two l.
        '\u{b7}' => before == Some('l') && after == Some('l'),
        // GREEK LOWER NUMERAL SIGN (keraia): before a Greek letter.
        '\u{375}' => is(after, Script::Greek),
        // HEBREW PUNCTUATION GERESH and GERSHAYIM: after a Hebrew letter.
        '\u{5f3}' | '\u{5f4}' => is(before, Script::Hebrew),
        // KATAKANA MIDDLE DOT: where anything in the label is Japanese or Han.
        '\u{30fb}' => label.iter().any(|c| matches!(c.script(), Script::Hiragana | Script::Katakana | Script::Han)),
        _ => true,
    }
}

fn is_arabic_digit(c: char) -> bool {
    matches!(c, '\u{660}'..='\u{669}')
}

fn is_extended_arabic_digit(c: char) -> bool {
    matches!(c, '\u{6f0}'..='\u{6f9}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_where_it_must_not_is_refused() {
        for (good, bad) in [
            ("col\u{b7}legi", "a\u{b7}b"),
            ("col\u{b7}legi", "l\u{b7}"),
            ("\u{3b1}\u{375}\u{3b2}", "\u{3b1}\u{375}b"),
            ("\u{5d0}\u{5f3}", "\u{5f3}\u{5d0}"),
            ("\u{30a2}\u{30fb}\u{30a2}", "a\u{30fb}b"),
            ("\u{660}\u{661}", "\u{660}\u{6f1}"),
            ("\u{ac00}", "\u{1100}"),
            ("\u{301}", "\u{20d0}"),
        ] {
            assert!(admits(good), "{good:?}");
            assert!(!admits(bad), "{bad:?}");
        }
        // The whole label of a real registry's example.
        assert!(crate::identifier::canonical_dns_name("col\u{b7}lecci\u{f3}.example").is_ok());
        assert!(crate::identifier::canonical_dns_name("a\u{b7}b.example").is_err());
    }
}
