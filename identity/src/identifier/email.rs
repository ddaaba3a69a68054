//! E-mail addresses: the addr-spec of RFC 5321 as extended by RFC 6531, without comments, quoted strings or address
//! literals.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::{IdentifierError, MAX_IDENTIFIER_BYTES, domain, domain::canonical_mail_domain, shortened};

/// RFC 5321 section 4.5.3.1.1, in octets.
const MAX_LOCAL_PART: usize = 64;

/// Local part in NFC and lower case, domain as lower-case A-labels.
///
/// RFC 5321 section 2.4 leaves the case of a local part to its host; no host of any size distinguishes it, and an owner
/// must find certificates for every spelling under one label. The challenge is sent to the canonical spelling, so on a
/// host that does distinguish, `Bob` cannot win a certificate that says `bob`.
pub(super) fn canonical(text: &str) -> Result<String, IdentifierError> {
    let (local, domain) = text.rsplit_once('@').ok_or_else(|| IdentifierError::Neither { found: shortened(text) })?;
    let local = canonical_local(local)?;
    let domain = canonical_mail_domain(domain)?;
    Ok(format!("{local}@{domain}"))
}

/// Whether it is seen at a glance that a text is a canonical address, as it is of most: small letters of ASCII, digits and
/// signs. Of such a text [`canonical`] is a copy; where many are read, most of the work is spared.
pub(super) fn is_plain(text: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(|c| c.is_ascii() && is_atext(c));
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        text.len() <= MAX_IDENTIFIER_BYTES
            && local.len() <= MAX_LOCAL_PART
            && local.split('.').all(is_atom)
            && domain::is_plain_mail_domain(domain)
    })
}

fn canonical_local(text: &str) -> Result<String, IdentifierError> {
    let canonical = fold(text);
    // A few characters fold to something that folds again; none of them is needed in an address.
    if fold(&canonical) != canonical {
        return Err(error("characters with a stable lower-case form", text));
    }
    if canonical.len() > MAX_LOCAL_PART {
        return Err(error("at most 64 octets", text));
    }
    for atom in canonical.split('.') {
        if atom.is_empty() {
            return Err(error("no empty part between dots", text));
        }
        if atom.starts_with(|c: char| c.general_category_group() == GeneralCategoryGroup::Mark) {
            return Err(error("no part that begins with a combining mark", text));
        }
    }
    if !canonical.chars().all(|c| c == '.' || is_atext(c)) {
        return Err(error("letters, digits and !#$%&'*+-/=?^_`{|}~ between dots", text));
    }
    Ok(canonical)
}

/// NFC, lower case, NFC again, because lower-casing can leave a sequence that composes.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let normal: String = text.nfc().collect();
    normal.to_lowercase().nfc().collect()
}

/// `atext` of RFC 5322 section 3.2.3 with UTF8-non-ascii of RFC 6531 section 3.3, less what nobody can see or type:
/// controls, formatting and private characters, separators, variation selectors and unassigned code points (which a
/// later Unicode version might fold). After folding, what is still a capital letter has no small form, or none that this
/// version of Unicode knows of; it is refused, too.
fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    if matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}')
    {
        return false;
    }
    !matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
            | GeneralCategory::UppercaseLetter
            | GeneralCategory::TitlecaseLetter
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

fn error(expected: &'static str, found: &str) -> IdentifierError {
    IdentifierError::LocalPart { expected, found: shortened(found) }
}
