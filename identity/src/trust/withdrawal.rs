//! Issuing keys that a policy has withdrawn.
//!
//! An issuing certificate that the root has signed serves whoever sends it, also where the verifier's policy does not list
//! it yet: so an authority can bring in a new issuing CA before everybody has the update. The other side of it: one that was
//! stolen does not end by being struck from the list. It ends by being withdrawn: its key is named in the policy by its
//! digest, and no certificate for that key counts any more, whoever sends it (CHAIN-04).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Authority, Fingerprint, PolicyError, TrustPolicy, authority::Issuer};
use crate::certificate::{Certificate, Tbs};

/// More keys than this are not withdrawn by one policy.
const MAX_WITHDRAWN: usize = 256;

/// SHA-256 of the SubjectPublicKeyInfo: by this a key is withdrawn, however many certificates it has.
pub(super) fn key_digest(tbs: &Tbs) -> Fingerprint {
    Fingerprint(Sha256::digest(tbs.spki_der()).into())
}

/// What a policy withdraws it cannot list, and each key is withdrawn once, so that there is one spelling of it.
pub(super) fn check<'a>(
    withdrawn: &[Fingerprint],
    mut listed: impl Iterator<Item = &'a Issuer>,
) -> Result<(), PolicyError> {
    if withdrawn.len() > MAX_WITHDRAWN {
        return Err(PolicyError::value("withdrawn", format!("at most {MAX_WITHDRAWN}"), withdrawn.len()));
    }
    if !withdrawn.is_sorted_by(|one, next| one < next) {
        return Err(PolicyError::value("withdrawn", "digests of keys in ascending order, each once", "another order"));
    }
    match listed.find(|issuer| withdrawn.contains(&key_digest(issuer.tbs()))) {
        Some(issuer) => Err(PolicyError::value("withdrawn", "no key of a listed certificate", issuer.tbs().subject())),
        None => Ok(()),
    }
}

impl TrustPolicy {
    /// Withdraws in `next`, a later version of this policy, every issuing key that it no longer lists, and those that this
    /// version has withdrawn: for whoever publishes it. Striking a certificate from the list means that it shall not count,
    /// and that takes both.
    pub fn withdraw_what_is_gone(&self, next: &mut Self) {
        for authority in &mut next.authorities {
            let Some(before) = self.authorities.iter().find(|before| before.name == authority.name) else { continue };
            let listed: BTreeSet<_> = keys(authority).collect();
            let gone = keys(before).chain(before.withdrawn.iter().copied()).filter(|key| !listed.contains(key));
            let all: BTreeSet<_> = gone.chain(authority.withdrawn.iter().copied()).collect();
            authority.withdrawn = all.into_iter().collect();
        }
    }
}

/// The keys of an authority's issuing certificates; what does not parse has none.
fn keys(authority: &Authority) -> impl Iterator<Item = Fingerprint> {
    let parsed = authority.issuers.iter().filter_map(|der| Certificate::parse(&der.0).ok());
    parsed.map(|certificate| key_digest(certificate.tbs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority as TestAuthority, NOON};

    #[test]
    fn what_is_struck_from_the_list_is_withdrawn_for_good() {
        let first = TestAuthority::new(1, NOON).policy();
        let other = TestAuthority::new(2, NOON).policy();
        let people = keys(&first.authorities[0]).next().unwrap();
        let mut second = first.clone();
        second.authorities[0].issuers[0] = other.authorities[0].issuers[0].clone();
        first.withdraw_what_is_gone(&mut second);
        assert_eq!(second.authorities[0].withdrawn, [people]);
        TrustPolicy::parse(&second.canonical()).unwrap();
        // A version edited from an older draft does not bring it back.
        let mut third = TrustPolicy { number: 2, ..second.clone() };
        third.authorities[0].withdrawn.clear();
        second.withdraw_what_is_gone(&mut third);
        assert_eq!(third.authorities[0].withdrawn, [people]);
        // Nothing is withdrawn where nothing is gone.
        let mut same = first.clone();
        first.withdraw_what_is_gone(&mut same);
        assert_eq!(same, first);
    }

    #[test]
    fn contradictions_are_refused() {
        let policy = TestAuthority::new(1, NOON).policy();
        let refused = |withdrawn: Vec<Fingerprint>| {
            let mut policy = policy.clone();
            policy.authorities[0].withdrawn = withdrawn;
            TrustPolicy::parse(&policy.canonical()).unwrap_err().to_string()
        };
        let (one, two) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
        assert!(refused(keys(&policy.authorities[0]).take(1).collect()).contains("no key of a listed certificate"));
        assert!(refused(vec![two, one]).contains("ascending"));
        assert!(refused(vec![one, one]).contains("each once"));
        let many = (0..=MAX_WITHDRAWN).map(|n| Fingerprint(Sha256::digest(n.to_be_bytes()).into()));
        assert!(refused(many.collect()).contains("at most 256"));
    }
}
