//! Domain names: IDNA2008 (RFC 5891), as lower-case A-labels.

mod idna2008;

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::shortened;

/// RFC 1035 section 2.3.4, in octets; of a name as it is written, without the root's dot.
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

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

/// Whether it is seen at a glance that [`canonical_mail_domain`] of this is a copy: two or more labels of small letters, digits
/// and single hyphens.
pub(super) fn is_plain_mail_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !(label.starts_with('-') || label.ends_with('-') || label.contains("--"))
    };
    text.len() <= MAX_NAME
        && text.split('.').all(is_label)
        && text.rsplit_once('.').is_some_and(|(_, last)| !last.bytes().all(|b| b.is_ascii_digit()))
}

fn to_ascii(text: &str) -> Result<String, DomainError> {
    let expected = "a domain name of letters, digits and hyphens (IDNA2008)";
    // Uts46 without transitional processing, with the STD3 rules, joiner and Bidi rules; unassigned code points are
    // disallowed by its table.
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map(Cow::into_owned)
        .map_err(|_| DomainError::new(expected, text))?;
    // UTS 46 admits symbols, emoji and contexts that IDNA2008 (RFC 5892) does not.
    if ascii.contains("xn--") {
        let (unicode, result) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if result.is_err() || !unicode.split('.').all(idna2008::admits) {
            return Err(DomainError::new(expected, text));
        }
    }
    Ok(ascii)
}
