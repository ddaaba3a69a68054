//! Distinguished names in the form in which they are compared (RFC 5280 section 7.1).

use der::{
    Encode, Tag, Tagged,
    asn1::{Any, BmpString},
};
use unicode_normalization::UnicodeNormalization;
use x509_cert::name::{Name, RelativeDistinguishedName};

/// A name whose equality is that of section 7.1: attributes of one RDN in any order, text without regard to its string
/// type, case, compatibility forms and superfluous spaces (RFC 4518); anything else byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct NameKey(Vec<Vec<u8>>);

impl NameKey {
    pub(super) fn new(name: &Name) -> Self {
        Self(name.iter_rdn().map(rdn).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name stands in the subtree below `base` (section 4.2.1.10): `base` is a prefix of it.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// A nameRelativeToCRLIssuer (section 4.2.1.13) made whole.
    pub(super) fn with(&self, relative: &RelativeDistinguishedName) -> Self {
        let mut all = self.0.clone();
        all.push(rdn(relative));
        Self(all)
    }
}

fn rdn(rdn: &RelativeDistinguishedName) -> Vec<u8> {
    let mut attributes: Vec<Vec<u8>> = (rdn.iter())
        .map(|attribute| {
            let mut bytes = attribute.oid.as_bytes().to_vec();
            bytes.push(0);
            bytes.extend(value(&attribute.value));
            bytes
        })
        .collect();
    attributes.sort_unstable();
    // With lengths, so that no two lists of attributes run into each other.
    attributes.iter().flat_map(|a| (a.len() as u64).to_be_bytes().into_iter().chain(a.iter().copied())).collect()
}

fn value(any: &Any) -> Vec<u8> {
    let bytes = any.value();
    let text = match any.tag() {
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::PrintableString | Tag::Ia5String | Tag::VisibleString if bytes.is_ascii() => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        Tag::BmpString => BmpString::from_ucs2(bytes).ok().map(|text| text.to_string()),
        _ => None,
    };
    match text {
        Some(text) => [&b"t"[..], prepared(&text).as_bytes()].concat(),
        // Never equal to text, as that begins with another letter.
        None => [&b"b"[..], &any.to_der().unwrap_or_default()].concat(),
    }
}

/// RFC 4518, as far as text from certificates needs it: compatibility forms, case, spaces.
fn prepared(text: &str) -> String {
    let folded = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
    };
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn key(text: &str) -> NameKey {
        NameKey::new(&Name::from_str(text).unwrap())
    }

    #[test]
    fn case_spaces_and_order_within_an_rdn_do_not_matter() {
        assert_eq!(key("CN=Good CA,O=Test"), key("CN=good   ca,O= TEST"));
        assert_eq!(key("CN=x+OU=y"), key("OU=y+CN=x"));
        assert_eq!(key("CN=\u{fb01}n"), key("CN=Fin"));
        assert_ne!(key("CN=a,O=b"), key("O=b,CN=a"));
        assert_ne!(key("CN=a"), key("O=a"));
    }

    #[test]
    fn string_types_do_not_matter_for_text() {
        let text = |tag| prepared_value(tag, b"Test CA");
        assert_eq!(text(Tag::Utf8String), text(Tag::PrintableString));
        assert_ne!(text(Tag::Utf8String), text(Tag::OctetString));
    }

    fn prepared_value(tag: Tag, bytes: &[u8]) -> Vec<u8> {
        value(&Any::new(tag, bytes).unwrap())
    }

    #[test]
    fn a_subtree_is_a_prefix_of_whole_rdns() {
        // RFC 4514 writes the last RDN first.
        assert!(key("CN=a,OU=b,O=c").is_within(&key("OU=b,O=c")));
        assert!(!key("CN=a,OU=bb,O=c").is_within(&key("OU=b,O=c")));
        assert!(key("O=c").is_within(&NameKey::default()));
        assert!(!key("O=c").is_within(&key("CN=a,O=c")));
    }
}
