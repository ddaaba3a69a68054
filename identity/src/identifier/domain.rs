//! Domain names: IDNA2008 (RFC 5891), as lower-case A-labels.

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::shortened;

/// Why a text is no domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct DomainError {
    /// What the grammar asks for.
    pub expected: &'static str,
    /// The text, shortened.
    pub found: String,
}

impl DomainError {
    fn new(expected: &'static str, found: &str) -> Self {
        Self { expected, found: shortened(found) }
    }
}

/// The canonical form of a DNS name: lower-case A-labels, no trailing dot, at most 253 octets. A single label
/// (`localhost`) is a DNS name; an IP address is not.
pub fn canonical_dns_name(text: &str) -> Result<String, DomainError> {
    // Only one dot: "example.org.." names nothing.
    let without_root = text.strip_suffix('.').unwrap_or(text);
    let ascii = to_ascii(without_root)?;
    let last = ascii.rsplit('.').next().unwrap_or_default();
    // RFC 3696 section 2: a top-level label is never all digits, which also keeps IPv4 addresses out.
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DomainError::new("a domain name, not an IP address", text));
    }
    // Only a fixed point is canonical: what is written must be accepted when it is read.
    if to_ascii(&ascii)? != ascii {
        return Err(DomainError::new("a domain name whose ASCII form is stable", text));
    }
    Ok(ascii)
}

/// The domain of an e-mail address: a DNS name of at least two labels (RFC 5321 section 2.3.5).
pub(super) fn canonical_mail_domain(text: &str) -> Result<String, DomainError> {
    let name = canonical_dns_name(text)?;
    if name.contains('.') { Ok(name) } else { Err(DomainError::new("a domain with a dot, like example.org", text)) }
}

fn to_ascii(text: &str) -> Result<String, DomainError> {
    let expected = "a domain name of letters, digits and hyphens (IDNA2008)";
    // Uts46 without transitional processing, with the STD3 rules, joiner and Bidi rules; unassigned code points are
    // disallowed by its table.
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map(Cow::into_owned)
        .map_err(|_| DomainError::new(expected, text))?;
    // UTS 46 admits symbols and emoji that IDNA2008 (RFC 5892) does not.
    if ascii.contains("xn--") {
        let (unicode, result) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if result.is_err() || !unicode.chars().all(|c| c.is_ascii() || is_idna2008(c)) {
            return Err(DomainError::new(expected, text));
        }
    }
    Ok(ascii)
}

/// Whether RFC 5892 admits this non-ASCII character: LetterDigits (section 2.1), its exceptions (2.6), and the joiners
/// (2.8), whose contextual rule `Uts46` has already applied.
fn is_idna2008(c: char) -> bool {
    use GeneralCategory as G;
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
    (letter_or_digit && !disallowed) || exception || matches!(c, '\u{200c}' | '\u{200d}')
}
