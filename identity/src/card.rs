//! Contact cards: what one person gives another so that they can find each other, as one link (docs/spec/contact-card.md).
//!
//! A card says who somebody is, under which trust policy she is certified, in which directory she is found, and which
//! key her device has. Nothing in it is proven: it is worth what the way is worth on which it came. It replaces no
//! verification; it says beforehand what verification must find.

mod invitation;

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    Identifier,
    trust::{DirectoryEntry, Fingerprint, PolicyError},
};

pub use invitation::{CLAIM_BYTES, Invitation, Link, SECRET_BYTES};

/// A longer link is refused before it is read (bytes).
pub const MAX_CARD_BYTES: usize = 2048;
/// More keys than this are refused: one for each device.
pub const MAX_CARD_KEYS: usize = 8;

/// The scheme of the link, in lower case.
const SCHEME: &str = "inperson";

/// What stands unescaped in the identifier: the unreserved characters of RFC 3986 section 2.3, and what addresses have.
const IDENTIFIER: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b'+');
/// What stands unescaped in a value. A plus sign does not: many readers of queries take it for a space.
const VALUE: &AsciiSet = &IDENTIFIER.remove(b':').remove(b'/').remove(b'[').remove(b']').add(b'+');

/// What a person gives to those who are to find her. Reads and writes `inperson:alice@example.org?genesis=…&directory=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactCard {
    /// Who.
    pub identifier: Identifier,
    /// The fingerprint of the genesis policy under which she is certified.
    pub genesis: Fingerprint,
    /// Where that policy can be fetched: an `https` address. What comes from there counts only with the fingerprint.
    pub policy: Option<String>,
    /// The directory in which she is found.
    pub directory: DirectoryEntry,
    /// The keys of her devices (Ed25519, RFC 8032), as far as she says: at most [`MAX_CARD_KEYS`].
    pub keys: Vec<[u8; 32]>,
}

/// Why a link is no card.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// Longer than [`MAX_CARD_BYTES`].
    #[error("expected a contact card of at most {MAX_CARD_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// Another link, or none.
    #[error("expected a link that begins with inperson:, found {0:?}")]
    Scheme(String),
    /// Not an identifier in canonical form.
    #[error("expected an address in canonical form, found {0:?}")]
    Identifier(String),
    /// A link that is no contact card, but an invitation for a new device.
    #[error(
        "expected a contact card, found an invitation: a secret between two devices of one person, and nobody else's"
    )]
    Invitation,
    /// A parameter that must be there and is not.
    #[error("expected the parameter {0:?}, found none")]
    Missing(&'static str),
    /// A parameter that stands there too often.
    #[error("expected at most {most} of the parameter {name:?}, found more")]
    Repeated {
        /// Which.
        name: &'static str,
        /// How often it may stand there.
        most: usize,
    },
    /// A parameter with a value that it cannot have.
    #[error("{name}: expected {expected}, found {found:?}")]
    Value {
        /// Which.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Not a directory.
    #[error(transparent)]
    Directory(#[from] PolicyError),
}

impl FromStr for ContactCard {
    type Err = CardError;

    fn from_str(link: &str) -> Result<Self, CardError> {
        let link = link.trim();
        if link.len() > MAX_CARD_BYTES {
            return Err(CardError::TooLong(link.len()));
        }
        // RFC 3986 section 3.1: schemes are compared without regard to case.
        let rest = match link.split_once(':') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(CardError::Scheme(shortened(link))),
        };
        // A fragment says nothing to a card (RFC 3986 section 3.5).
        let rest = rest.split('#').next().unwrap_or_default();
        let (who, query) = rest.split_once('?').unwrap_or((rest, ""));
        let who = decoded("identifier", who)?;
        let identifier = Identifier::from_canonical(&who).map_err(|_| CardError::Identifier(shortened(&who)))?;
        Parameters::read(query)?.card(identifier)
    }
}

/// What stands behind the question mark, each still alone.
#[derive(Default)]
struct Parameters {
    genesis: Option<Fingerprint>,
    policy: Option<String>,
    directory: Option<String>,
    at: Option<String>,
    keys: Vec<[u8; 32]>,
}

impl Parameters {
    /// Unknown parameters are passed over: later cards may say more.
    fn read(query: &str) -> Result<Self, CardError> {
        let mut found = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "genesis" => once(&mut found.genesis, "genesis", Fingerprint(digits("genesis", value)?))?,
                "policy" => once(&mut found.policy, "policy", policy_address(decoded("policy", value)?)?)?,
                "directory" => once(&mut found.directory, "directory", decoded("directory", value)?)?,
                "at" => once(&mut found.at, "at", decoded("at", value)?)?,
                "key" if found.keys.len() == MAX_CARD_KEYS => {
                    return Err(CardError::Repeated { name: "key", most: MAX_CARD_KEYS });
                }
                "key" => found.keys.push(digits("key", value)?),
                _ => {}
            }
        }
        Ok(found)
    }

    fn card(self, identifier: Identifier) -> Result<ContactCard, CardError> {
        let genesis = self.genesis.ok_or(CardError::Missing("genesis"))?;
        let directory = self.directory.ok_or(CardError::Missing("directory"))?;
        let directory = match self.at {
            Some(address) => DirectoryEntry { name: directory, address },
            None => {
                let name = directory.rsplit_once(':').map_or("", |(name, _)| name).to_owned();
                DirectoryEntry { name, address: directory }
            }
        };
        directory.check()?;
        Ok(ContactCard { identifier, genesis, policy: self.policy, directory, keys: self.keys })
    }
}

impl fmt::Display for ContactCard {
    /// The link, with the parameters in the order of the page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DirectoryEntry { name, address } = &self.directory;
        let escaped = |text| utf8_percent_encode(text, VALUE);
        write!(f, "{SCHEME}:{}", utf8_percent_encode(self.identifier.as_str(), IDENTIFIER))?;
        write!(f, "?genesis={}", self.genesis)?;
        if let Some(policy) = &self.policy {
            write!(f, "&policy={}", escaped(policy))?;
        }
        match address.rsplit_once(':') {
            Some((host, _)) if host == name => write!(f, "&directory={}", escaped(address))?,
            _ => write!(f, "&directory={}&at={}", escaped(name), escaped(address))?,
        }
        self.keys.iter().try_for_each(|key| write!(f, "&key={}", hex::encode(key)))
    }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), CardError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CardError::Repeated { name, most: 1 }),
    }
}

fn decoded(name: &'static str, text: &str) -> Result<String, CardError> {
    let value = percent_decode_str(text).decode_utf8();
    value.map(String::from).map_err(|_| CardError::Value { name, expected: "UTF-8", found: shortened(text) })
}

/// Exactly 64 hexadecimal digits: what people copy by hand is for [`Fingerprint`] itself, a link is written by programs.
fn digits(name: &'static str, value: &str) -> Result<[u8; 32], CardError> {
    let mut bytes = [0; 32];
    match hex::decode_to_slice(value, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(CardError::Value { name, expected: "64 hexadecimal digits", found: shortened(value) }),
    }
}

fn policy_address(address: String) -> Result<String, CardError> {
    let rest = address.strip_prefix("https://").unwrap_or_default();
    match rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && rest.chars().all(|c| c.is_ascii_graphic())
    {
        true => Ok(address),
        false => Err(CardError::Value { name: "policy", expected: "an https address", found: shortened(&address) }),
    }
}

/// The beginning of what was found, for a message.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINK: &str = "inperson:alice@example.org?\
        genesis=5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5\
        &policy=https://chat.example.org:8443/policy\
        &directory=chat.example.org:8444\
        &key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn card(identifier: &str) -> ContactCard {
        ContactCard { identifier: Identifier::parse(identifier).unwrap(), ..LINK.parse().unwrap() }
    }

    fn refused(link: &str) -> String {
        link.parse::<ContactCard>().unwrap_err().to_string()
    }

    #[test]
    fn reads_what_it_writes() {
        let read: ContactCard = LINK.parse().unwrap();
        assert_eq!(read.to_string(), LINK);
        assert_eq!(read.directory.name, "chat.example.org");
        let mut other = card("+4915112345678");
        other.directory = DirectoryEntry { name: "localhost".to_owned(), address: "[::1]:8444".to_owned() };
        other.policy = None;
        other.keys = vec![[7; 32]; MAX_CARD_KEYS];
        assert!(other.to_string().starts_with("inperson:+4915112345678?genesis="));
        assert!(other.to_string().contains("&directory=localhost&at=[::1]:8444&key="), "{other}");
        assert_eq!(other.to_string().parse::<ContactCard>().unwrap(), other);
    }

    #[test]
    fn addresses_of_all_scripts_are_escaped_and_read_back() {
        for name in ["пётр@example.org", "a&b@example.org", "a%41@example.org", "a?b=c@example.org", "a#b@example.org"]
        {
            let card = card(name);
            let link = card.to_string();
            assert!(link.is_ascii() && link.matches(['?', '#']).count() == 1, "{link}");
            assert_eq!(link.parse::<ContactCard>().unwrap(), card, "{link}");
        }
    }

    #[test]
    fn takes_what_other_programs_may_write() {
        let expected: ContactCard = LINK.parse().unwrap();
        let (head, tail) = LINK.split_once('?').unwrap();
        for link in [
            format!("  {LINK}\n"),
            format!("INPERSON{}", &LINK[8..]),
            format!("{LINK}&colour=red&&note#part"),
            format!("{}?{tail}", head.replace('@', "%40")),
            format!("{head}?{}", tail.replace("https://", "https%3A%2F%2F")),
            format!("{head}?{}", tail.split('&').rev().collect::<Vec<_>>().join("&")),
        ] {
            assert_eq!(link.parse::<ContactCard>().unwrap(), expected, "{link}");
        }
    }

    #[test]
    fn says_what_was_expected() {
        for (from, to, says) in [
            ("inperson:", "mailto:", "begins with inperson:"),
            ("alice@example.org", "Alice@Example.org", "canonical form, found \"Alice@Example.org\""),
            ("alice@example.org", "", "canonical form, found \"\""),
            ("alice@", "%ff@", "identifier: expected UTF-8"),
            ("genesis=5f1c", "genesis=5f1", "genesis: expected 64 hexadecimal digits"),
            ("genesis=5f1c", "genesis=5g1c", "genesis: expected 64 hexadecimal digits"),
            ("genesis=", "origin=", "expected the parameter \"genesis\", found none"),
            ("directory=", "folder=", "expected the parameter \"directory\", found none"),
            ("directory=chat.example.org:8444", "directory=chat.example.org", "a DNS name"),
            ("directory=chat.example.org:8444", "directory=chat.example.org:0", "an address like"),
            ("directory=chat.example.org:8444", "directory=localhost&at=localhost", "an address like"),
            ("https:", "http:", "policy: expected an https address"),
            ("https://chat", "https:// chat", "policy: expected an https address"),
            ("&key=", "&genesis=", "at most 1 of the parameter \"genesis\""),
        ] {
            let error = refused(&LINK.replacen(from, to, 1));
            assert!(error.contains(says), "{from} -> {to}: {error}");
        }
        let key = LINK.rsplit('&').next().unwrap();
        assert!(
            refused(&format!("{LINK}{}", format!("&{key}").repeat(MAX_CARD_KEYS)))
                .contains("at most 8 of the parameter")
        );
        assert!(refused(&format!("{LINK}&{}", "x".repeat(MAX_CARD_BYTES))).contains("at most 2048 bytes"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_read_again(text in "(inperson:)?\\PC{0,40}(@example\\.org)?\\PC{0,200}") {
            if let Ok(card) = text.parse::<ContactCard>() {
                prop_assert_eq!(card.to_string().parse::<ContactCard>().unwrap(), card);
            }
        }
    }
}
