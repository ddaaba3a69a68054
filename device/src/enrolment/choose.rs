//! Which authority certifies whom: the one whose trust policy permits the identifier.

use identity::Identifier;
use identity::trust::{Authority, TrustPolicy};

/// The authority an enrolment goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name in the policy.
    pub authority: String,
    /// URL of its ACME directory object.
    pub acme: String,
    /// Fingerprint of the policy that lists it, 64 hex digits.
    pub policy: String,
}

/// Why no authority could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// Nobody is trusted yet.
    #[error("no trust policy is pinned yet")]
    NoPolicy,
    /// Authorities are there, but none for this person.
    #[error("no pinned authority may certify {identifier}; pinned: {found}")]
    NotPermitted {
        /// For whom.
        identifier: Identifier,
        /// Who is there, with what they may certify.
        found: String,
    },
    /// The authority named does not exist or may not certify this person.
    #[error("expected {expected:?} to be a pinned authority that may certify {identifier}, found: {found}")]
    NoSuch {
        /// The name given.
        expected: String,
        /// For whom.
        identifier: Identifier,
        /// Who may.
        found: String,
    },
    /// More than one could.
    #[error("more than one authority may certify {identifier}: {found}")]
    Several {
        /// For whom.
        identifier: Identifier,
        /// Their names.
        found: String,
    },
}

/// The authority for `identifier`: the only one that may certify it, or the one called `name`, which may also be the address
/// of its ACME directory or of the server that has it.
pub fn choose_authority(
    policies: &[TrustPolicy],
    identifier: &Identifier,
    name: Option<&str>,
) -> Result<Choice, ChooseError> {
    if policies.is_empty() {
        return Err(ChooseError::NoPolicy);
    }
    let all = || policies.iter().flat_map(|policy| policy.authorities.iter().map(move |authority| (policy, authority)));
    let permitted: Vec<_> = all().filter(|(_, authority)| permits(authority, identifier)).collect();
    let names = |found: &[String]| if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    let permitted_names: Vec<_> = permitted.iter().map(|(_, authority)| authority.name.clone()).collect();
    let chosen = match (name, permitted.as_slice()) {
        (Some(name), _) => {
            permitted.iter().find(|(_, authority)| is_called(authority, name)).ok_or_else(|| ChooseError::NoSuch {
                expected: name.to_owned(),
                identifier: identifier.clone(),
                found: names(&permitted_names),
            })?
        }
        (None, [one]) => one,
        (None, []) => {
            let found: Vec<_> =
                all().map(|(_, authority)| format!("{} for {}", authority.name, authority.domains.join(" "))).collect();
            return Err(ChooseError::NotPermitted { identifier: identifier.clone(), found: names(&found) });
        }
        (None, _) => {
            return Err(ChooseError::Several { identifier: identifier.clone(), found: names(&permitted_names) });
        }
    };
    let (policy, authority) = chosen;
    Ok(Choice {
        authority: authority.name.clone(),
        acme: authority.acme.clone(),
        policy: policy.fingerprint().to_string(),
    })
}

/// Whether somebody who says `text` means this authority.
fn is_called(authority: &Authority, text: &str) -> bool {
    let server = |url: &str| url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
    let same_server = server(text).is_some_and(|asked| server(&authority.acme) == Some(asked));
    authority.name == text || authority.acme == text || same_server
}

/// Whether the policy lets this authority certify this person, so that no code is sent for nothing. What counts is the
/// verifier's own check (rules TRUST-01 to TRUST-03), which every certificate has to pass.
pub(crate) fn permits(authority: &Authority, identifier: &Identifier) -> bool {
    let listed = |list: &[String], fits: &dyn Fn(&str) -> bool| list.iter().any(|item| item == "*" || fits(item));
    authority.kinds.contains(&identifier.kind())
        && match identifier.domain() {
            Some(domain) => listed(&authority.domains, &|item| item == domain),
            None => listed(&authority.phone_prefixes, &|item| identifier.as_str().starts_with(item)),
        }
}

#[cfg(test)]
mod tests {
    use identity::IdentifierKind;

    use super::*;

    fn policy(name: &str, domains: &[&str]) -> TrustPolicy {
        let authority = Authority {
            name: name.to_owned(),
            acme: format!("https://{name}/acme/directory"),
            root: vec![].into(),
            issuers: vec![],
            withdrawn: vec![],
            kinds: vec![IdentifierKind::Email],
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            phone_prefixes: vec![],
            vrf_key: vec![].into(),
            log: "log".to_owned(),
            earlier_logs: Vec::new(),
        };
        TrustPolicy {
            version: 1,
            number: 1,
            previous: None,
            name: name.to_owned(),
            authorities: vec![authority],
            directories: vec![],
            tlog_policy: String::new(),
            operator_witnesses: vec![],
            windows: Vec::new(),
            updates: None,
        }
    }

    fn alice() -> Identifier {
        Identifier::parse("alice@example.org").unwrap()
    }

    #[test]
    fn the_only_one_permitted_is_chosen() {
        let policies = [policy("firm", &["example.com"]), policy("club", &["example.org"])];
        assert_eq!(choose_authority(&policies, &alice(), None).unwrap().authority, "club");
        assert!(matches!(choose_authority(&policies, &alice(), Some("firm")), Err(ChooseError::NoSuch { .. })));
    }

    #[test]
    fn several_have_to_be_told_apart() {
        let policies = [policy("all", &["*"]), policy("club", &["example.org"])];
        assert!(matches!(choose_authority(&policies, &alice(), None), Err(ChooseError::Several { .. })));
        assert_eq!(choose_authority(&policies, &alice(), Some("all")).unwrap().authority, "all");
    }

    #[test]
    fn an_authority_is_found_by_its_address_too() {
        let policies = [policy("all", &["*"]), policy("club", &["example.org"])];
        let called = |text| choose_authority(&policies, &alice(), Some(text)).map(|choice| choice.authority).ok();
        for text in ["club", "https://club/acme/directory", "https://club", "https://club/policy"] {
            assert_eq!(called(text).as_deref(), Some("club"), "{text}");
        }
        for text in ["https://clu", "https://club.example", "http://club/policy", "clu", ""] {
            assert_eq!(called(text), None, "{text}");
        }
    }

    #[test]
    fn nobody_and_nobody_suitable_are_different() {
        assert!(matches!(choose_authority(&[], &alice(), None), Err(ChooseError::NoPolicy)));
        let firm = [policy("firm", &["example.com"])];
        assert!(matches!(choose_authority(&firm, &alice(), None), Err(ChooseError::NotPermitted { .. })));
        let phone = Identifier::parse("+14155550123").unwrap();
        assert!(matches!(choose_authority(&firm, &phone, None), Err(ChooseError::NotPermitted { .. })));
    }
}
