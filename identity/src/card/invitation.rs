//! Invitations: what one device of a person shows so that a new one can be added to hers, as one link
//! (docs/spec/contact-card.md, "Invitations").
//!
//! It is her contact card, with the key of the device that shows it and a secret. Whoever has the link can be taken for her new
//! device, once: it is shown to nobody else, and what is said of one (`Debug`, errors) leaves the secret out.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{CardError, ContactCard, once};
use crate::tls::device_fingerprint;
use crate::trust::Fingerprint;

/// What a claim is computed over begins so.
const CONTEXT: &[u8] = b"inperson-device-claim-v1\0";

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 16;
/// Bytes of a claim.
pub const CLAIM_BYTES: usize = 32;

/// By which a new device of a person is added to the one that shows it. Reads and writes
/// `inperson:alice@example.org?genesis=…&directory=…&key=…&invite=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    card: ContactCard,
    key: [u8; 32],
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl Invitation {
    /// Of the device whose key stands on this card, and no other's.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn new(card: ContactCard, secret: [u8; SECRET_BYTES]) -> Result<Self, CardError> {
        match card.keys[..] {
            [key] => Ok(Self { card, key, secret: Zeroizing::new(secret) }),
            [] => Err(CardError::Missing("key")),
            _ => Err(CardError::Repeated { name: "key", most: 1 }),
        }
    }

    /// Whose device is added, where she is found, and whom she trusts.
    #[must_use]
    pub fn card(&self) -> &ContactCard {
        &self.card
    }

    /// The device that shows it: SHA-256 of the SubjectPublicKeyInfo of its key.
    #[must_use]
    pub fn by(&self) -> Fingerprint {
        device_fingerprint(&self.key)
    }

    /// The link, with the secret in it.
    #[must_use]
    pub fn link(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}&invite={}", self.card, hex::encode(*self.secret)))
    }

    /// What the new device `of`, which has the link, shows to the one that invites.
    #[must_use]
    pub fn claim(&self, of: Fingerprint) -> [u8; CLAIM_BYTES] {
        mac(&self.secret, self.by(), of).finalize().into_bytes().into()
    }

    /// Whether the device `of` has the link, as its claim says; in constant time.
    #[must_use]
    pub fn is_claimed(&self, of: Fingerprint, claim: &[u8]) -> bool {
        mac(&self.secret, self.by(), of).verify_slice(claim).is_ok()
    }
}

/// Over both devices: a claim of one of them is worth nothing to another, nor elsewhere.
fn mac(secret: &[u8; SECRET_BYTES], by: Fingerprint, of: Fingerprint) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.chain_update(CONTEXT).chain_update(by.0).chain_update(of.0)
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("card", &self.card).finish_non_exhaustive()
    }
}

impl FromStr for Invitation {
    type Err = CardError;

    fn from_str(link: &str) -> Result<Self, CardError> {
        match link.parse::<Link>()? {
            Link::Invitation(invitation) => Ok(invitation),
            Link::Card(_) => Err(CardError::Missing("invite")),
        }
    }
}

/// What a link of the scheme says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A person, to those who are to find her.
    Card(ContactCard),
    /// A new device of a person, to be one of hers.
    Invitation(Invitation),
}

impl Link {
    /// The card in either.
    #[must_use]
    pub fn card(&self) -> &ContactCard {
        match self {
            Self::Card(card) => card,
            Self::Invitation(invitation) => invitation.card(),
        }
    }
}

impl TryFrom<Link> for ContactCard {
    type Error = CardError;

    fn try_from(link: Link) -> Result<Self, CardError> {
        match link {
            Link::Card(card) => Ok(card),
            Link::Invitation(_) => Err(CardError::Invitation),
        }
    }
}

impl FromStr for Link {
    type Err = CardError;

    fn from_str(link: &str) -> Result<Self, CardError> {
        let card: ContactCard = link.parse()?;
        Ok(match secret(link)? {
            Some(secret) => Self::Invitation(Invitation::new(card, *secret)?),
            None => Self::Card(card),
        })
    }
}

/// The parameter of a link that is a card otherwise.
fn secret(link: &str) -> Result<Option<Zeroizing<[u8; SECRET_BYTES]>>, CardError> {
    let link = link.split('#').next().unwrap_or_default();
    let (_, query) = link.split_once('?').unwrap_or_default();
    let mut found = None;
    for value in query.trim_end().split('&').filter_map(|parameter| parameter.strip_prefix("invite=")) {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        hex::decode_to_slice(value, &mut *bytes).map_err(|_| CardError::Value {
            name: "invite",
            expected: "32 hexadecimal digits",
            // It may be most of a secret.
            found: format!("{} characters that are not", value.chars().count()),
        })?;
        once(&mut found, "invite", bytes)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "inperson:alice@example.org?\
        genesis=5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5\
        &policy=https://chat.example.org:8443/policy&directory=chat.example.org:8444\
        &key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

    fn invitation() -> Invitation {
        format!("{CARD}&invite={SECRET}").parse().unwrap()
    }

    #[test]
    fn reads_what_it_writes_and_is_a_card_to_whoever_knows_no_invitations() {
        let invitation = invitation();
        assert_eq!(*invitation.link(), format!("{CARD}&invite={SECRET}"));
        assert_eq!(invitation.link().parse::<ContactCard>().unwrap(), *invitation.card());
        assert_eq!(CARD.parse::<Link>().unwrap(), Link::Card(invitation.card().clone()));
        assert!(matches!(ContactCard::try_from(Link::Invitation(invitation.clone())), Err(CardError::Invitation)));
        let (head, key) = CARD.rsplit_once('&').unwrap();
        let turned = format!(" {head}&invite={}&{key}#part \n", SECRET.to_uppercase());
        assert_eq!(turned.parse::<Link>().unwrap(), Link::Invitation(invitation.clone()));
        let shown = format!("{invitation:?}");
        assert!(!shown.contains("secret") && !shown.contains("0, 1, 2, 3"), "{shown}");
        assert_eq!(invitation.by(), device_fingerprint(&invitation.card().keys[0]));
    }

    #[test]
    fn says_what_was_expected_and_nothing_of_the_secret() {
        let key = CARD.rsplit('&').next().unwrap();
        for (link, says) in [
            (CARD.to_owned(), "the parameter \"invite\", found none"),
            (format!("{CARD}&invite={}", &SECRET[1..]), "32 hexadecimal digits, found \"31 characters"),
            (format!("{CARD}&invite="), "32 hexadecimal digits"),
            (format!("{CARD}&invite={SECRET}&invite={SECRET}"), "at most 1 of the parameter \"invite\""),
            (format!("{CARD}&{key}&invite={SECRET}"), "at most 1 of the parameter \"key\""),
            (format!("{}&invite={SECRET}", CARD.rsplit_once('&').unwrap().0), "the parameter \"key\", found none"),
        ] {
            let error = link.parse::<Invitation>().unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("0102"), "{link}: {error}");
        }
    }

    /// The example of docs/spec/peer.md.
    #[test]
    fn a_claim_is_of_one_device_to_one_other() {
        let [by, of] = [Fingerprint([0xa1; 32]), Fingerprint([0xb0; 32])];
        let secret = hex::decode(SECRET).unwrap().try_into().unwrap();
        let example = mac(&secret, by, of).finalize().into_bytes();
        assert_eq!(hex::encode(example), "acd49b214a7d57416089326a9aad9b69dfd2d0ce406c78a5c7996e7532298159");

        let invitation = invitation();
        let claim = invitation.claim(of);
        assert!(invitation.is_claimed(of, &claim));
        assert!(!invitation.is_claimed(by, &claim), "another device has heard it");
        let other = Invitation::new(invitation.card().clone(), [7; SECRET_BYTES]).unwrap();
        assert!(!other.is_claimed(of, &claim), "by another invitation");
        let mut elsewhere = invitation.card().clone();
        elsewhere.keys = vec![[7; 32]];
        let elsewhere = Invitation::new(elsewhere, *invitation.secret).unwrap();
        assert!(!elsewhere.is_claimed(of, &claim), "to another device");
        for wrong in [&claim[1..], &[], &[0; CLAIM_BYTES], &[&claim[..], &[0]].concat()] {
            assert!(!invitation.is_claimed(of, wrong));
        }
    }
}
