//! Contact cards of the people in this folder, and what it means to take somebody else's (docs/spec/contact-card.md).

pub mod qr;

use identity::UnixTime;
use identity::card::ContactCard;
use identity::certificate::{Certificate, CertificateError};
use identity::trust::{Authority, Bindings, Fingerprint, TrustPolicy};
use rustls_pki_types::CertificateDer;

use crate::enrolment::permits;
use crate::https::{FetchError, fetch_to_compare_by_fingerprint};
use crate::{Enrolment, Home, HomeError};

/// Why there is no card of a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardFailure {
    /// The folder cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The policy under which the device was enrolled is not pinned any more.
    #[error("expected the trust policy {policy} under which {identifier} was enrolled, found none of that fingerprint")]
    NotPinned {
        /// Whose device.
        identifier: String,
        /// The fingerprint of the policy.
        policy: String,
    },
    /// Without a directory nobody can be found.
    #[error("the trust policy {policy:?} names no directory, so nobody can be found by it")]
    NoDirectory {
        /// The policy's name.
        policy: String,
    },
    /// The stored certificate cannot be read.
    #[error("the certificate of {identifier} cannot be read: {source}")]
    Certificate {
        /// Whose.
        identifier: String,
        /// What is wrong with it.
        source: CertificateError,
    },
}

/// The card of the person who has this chain and was enrolled so: certified under the policy that was pinned, found in its first directory.
pub fn own(home: &Home, chain: &[CertificateDer<'static>], enrolment: &Enrolment) -> Result<ContactCard, CardFailure> {
    let identifier = &enrolment.identifier;
    let enrolled = |version: &Fingerprint| version.to_string() == enrolment.policy;
    let pinned = home.pinned_policies()?.into_iter().find(|pinned| pinned.versions().any(enrolled));
    let pinned = pinned.ok_or_else(|| CardFailure::NotPinned {
        identifier: identifier.to_string(),
        policy: enrolment.policy.clone(),
    })?;
    let directory = pinned.policy.directories.first().cloned();
    let leaf = Certificate::parse(chain.first().map_or(&[][..], |leaf| leaf))
        .map_err(|source| CardFailure::Certificate { identifier: identifier.to_string(), source })?;
    let key = leaf.tbs().spki().subject_public_key.raw_bytes().try_into();
    Ok(ContactCard {
        identifier: identifier.clone(),
        genesis: pinned.pinned,
        // The pinned version is served where the later ones are.
        policy: pinned.policy.updates.filter(|address| address.starts_with("https://")),
        directory: directory.ok_or(CardFailure::NoDirectory { policy: pinned.policy.name })?,
        // Devices have keys of Ed25519; a certificate for mail may have another, which is no device's.
        keys: key.into_iter().collect(),
    })
}

/// Why the policy on a card could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinFailure {
    /// The card does not say where it is.
    #[error("the card does not say where its policy is")]
    NoAddress,
    /// It was not served.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It is another one than on the card, or the folder cannot be written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Pins the trust policy on a card by the fingerprint on it; one that is pinned already stays as it is.
pub async fn pin(home: &Home, card: &ContactCard) -> Result<TrustPolicy, PinFailure> {
    let known = home.pinned_policies()?.into_iter().find(|pinned| pinned.pinned == card.genesis);
    match (known, &card.policy) {
        (Some(pinned), _) => Ok(pinned.policy),
        (None, Some(address)) => Ok(home.add_trust(&fetch_to_compare_by_fingerprint(address).await?, &card.genesis)?),
        (None, None) => Err(PinFailure::NoAddress),
    }
}

/// What it came to when a card was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// She is known by this authority, from now on or since before: another's certificate for her is refused (TRUST-06).
    Known {
        /// The authority's name.
        authority: String,
        /// Whether it is so from now on.
        newly: bool,
    },
    /// She is known by another authority than the card's. Nothing was changed.
    Other {
        /// By whom she is known.
        known: String,
        /// Who certifies her, by the card.
        card: String,
    },
    /// The card's policy is not pinned here. Nothing was changed.
    NotPinned,
    /// The policy lets nobody certify her, or several. Nothing was changed.
    Open {
        /// How many authorities may.
        permitted: usize,
    },
}

/// Knows the person on the card by the authority of the card's policy, where that is pinned here, and looks for her in the
/// card's directory from now on; on disk when this returns.
pub fn take(home: &Home, card: &ContactCard, now: UnixTime) -> Result<Taken, HomeError> {
    match speaker(home, card)? {
        Ok((authority, root)) => {
            let taken = home.change_bindings(|bindings| known(bindings, card, authority, root, now))?;
            if matches!(taken, Taken::Known { .. }) {
                home.keep_directory(card)?;
            }
            Ok(taken)
        }
        Err(open) => Ok(open),
    }
}

/// As [`take`], but the person is known in these bindings alone: the folder stays as it is.
pub fn take_into(bindings: &mut Bindings, home: &Home, card: &ContactCard, now: UnixTime) -> Result<Taken, HomeError> {
    Ok(match speaker(home, card)? {
        Ok((authority, root)) => known(bindings, card, authority, root, now),
        Err(open) => open,
    })
}

/// The one authority that may speak for the person on the card, and its root; else what the card comes to.
fn speaker(home: &Home, card: &ContactCard) -> Result<Result<(String, Fingerprint), Taken>, HomeError> {
    let pinned = home.pinned_policies()?;
    let Some(pinned) = pinned.iter().find(|pinned| pinned.pinned == card.genesis) else {
        return Ok(Err(Taken::NotPinned));
    };
    let permitted = permitted(&pinned.policy, card);
    let &[authority] = permitted.as_slice() else { return Ok(Err(Taken::Open { permitted: permitted.len() })) };
    let root = authority.root_digest().expect("a policy that was read has certificates for roots");
    Ok(Ok((authority.name.clone(), root)))
}

fn known(bindings: &mut Bindings, card: &ContactCard, authority: String, root: Fingerprint, now: UnixTime) -> Taken {
    let newly = bindings.bind(&card.identifier, &authority, &root.0, now);
    match bindings.get(&card.identifier) {
        Some(binding) if binding.root != root => Taken::Other { known: binding.authority.clone(), card: authority },
        _ => Taken::Known { authority, newly },
    }
}

fn permitted<'a>(policy: &'a TrustPolicy, card: &ContactCard) -> Vec<&'a Authority> {
    policy.authorities.iter().filter(|authority| permits(authority, &card.identifier)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;
    use identity::testing::{Authority as TestAuthority, NOON};
    use identity::trust::DirectoryEntry;

    fn card(policy: &TrustPolicy, who: &str) -> ContactCard {
        ContactCard {
            identifier: Identifier::parse(who).unwrap(),
            genesis: policy.fingerprint(),
            policy: None,
            directory: DirectoryEntry { name: "localhost".to_owned(), address: "127.0.0.1:8444".to_owned() },
            keys: Vec::new(),
        }
    }

    #[test]
    fn who_is_on_a_card_is_known_by_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let [first, second] = [1, 2].map(|seed| TestAuthority::new(seed, NOON).policy());
        let bob = card(&first, "bob@example.org");
        assert_eq!(take(&home, &bob, NOON).unwrap(), Taken::NotPinned);
        assert!(home.bindings().unwrap().get(&bob.identifier).is_none());
        for policy in [&first, &second] {
            home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        }
        let authority = first.authorities[0].name.clone();
        for newly in [true, false] {
            assert_eq!(take(&home, &bob, NOON).unwrap(), Taken::Known { authority: authority.clone(), newly });
        }
        let other = take(&home, &card(&second, "bob@example.org"), NOON).unwrap();
        assert_eq!(other, Taken::Other { known: authority.clone(), card: second.authorities[0].name.clone() });
        assert_eq!(home.bindings().unwrap().get(&bob.identifier).unwrap().authority, authority);

        // Into memory alone.
        let (carol, mut memory) = (card(&second, "carol@example.org"), Bindings::default());
        let taken = take_into(&mut memory, &home, &carol, NOON).unwrap();
        assert_eq!(taken, Taken::Known { authority: second.authorities[0].name.clone(), newly: true });
        assert!(memory.get(&carol.identifier).is_some());
        assert!(home.bindings().unwrap().get(&carol.identifier).is_none());
    }

    #[test]
    fn who_may_be_certified_by_nobody_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let mut policy = TestAuthority::new(1, NOON).policy();
        policy.authorities[0].domains = vec!["example.org".to_owned()];
        home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        let stranger = card(&policy, "bob@example.net");
        assert_eq!(take(&home, &stranger, NOON).unwrap(), Taken::Open { permitted: 0 });
        assert!(home.bindings().unwrap().get(&stranger.identifier).is_none());
    }
}
