//! A policy of others that counts for some mail domains alone, whatever it says of itself.

use super::{PolicyError, TrustPolicy};
use crate::identifier::{IdentifierKind, canonical_dns_name};

impl TrustPolicy {
    /// The same policy, whose authorities certify people at these mail domains and nobody else: what they may certify is
    /// what both the policy and `domains` permit. Authorities that are left without any are left out, and phone numbers
    /// count no more. For verification: its fingerprint is another one.
    ///
    /// # Errors
    /// A domain is none in lower-case ASCII form, `domains` is empty, or nobody in this policy may certify any of them.
    pub fn limited_to(&self, domains: &[String]) -> Result<Self, PolicyError> {
        if let Some(found) = domains.iter().find(|domain| canonical_dns_name(domain).as_ref() != Ok(*domain)) {
            return Err(PolicyError::value("domains", "mail domains in lower-case ASCII form, one by one", found));
        }
        let mut limited = self.clone();
        for authority in &mut limited.authorities {
            let permitted = |domain: &&String| authority.domains.iter().any(|own| own == "*" || own == *domain);
            authority.domains = match authority.kinds.contains(&IdentifierKind::Email) {
                true => domains.iter().filter(permitted).cloned().collect(),
                false => Vec::new(),
            };
            authority.kinds = vec![IdentifierKind::Email];
            authority.phone_prefixes.clear();
        }
        limited.authorities.retain(|authority| !authority.domains.is_empty());
        if limited.authorities.is_empty() {
            let expected = format!("domains that {:?} may certify", self.name);
            return Err(PolicyError::value("domains", expected, domains.join(", ")));
        }
        Ok(limited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, NOON};

    #[test]
    fn what_both_permit_counts() {
        let mut policy = Authority::new(1, NOON).policy();
        policy.authorities.push(policy.authorities[0].clone());
        let all = |policy: &TrustPolicy| -> Vec<Vec<String>> {
            policy.authorities.iter().map(|authority| authority.domains.clone()).collect()
        };
        policy.authorities[0].domains = vec!["example.org".to_owned(), "example.net".to_owned()];
        policy.authorities[1].domains = vec!["*".to_owned()];
        policy.authorities[1].kinds = vec![IdentifierKind::Email, IdentifierKind::Phone];
        let limited = policy.limited_to(&["example.net".to_owned(), "example.com".to_owned()]).unwrap();
        assert_eq!(all(&limited), [vec!["example.net"], vec!["example.net", "example.com"]]);
        assert!(limited.authorities.iter().all(|authority| authority.kinds == [IdentifierKind::Email]));
        assert_eq!(all(&policy.limited_to(&["example.com".to_owned()]).unwrap()), [["example.com"]]);
        policy.authorities[1].kinds = vec![IdentifierKind::Phone];
        for wrong in [&["example.com"][..], &[], &["*"], &["Example.net"], &["example.net."], &["example.net", ""]] {
            let wrong: Vec<_> = wrong.iter().map(|&domain| domain.to_owned()).collect();
            assert!(policy.limited_to(&wrong).unwrap_err().to_string().starts_with("domains: expected"), "{wrong:?}");
        }
    }
}
