//! Certificate policies (RFC 5280 section 6.1.3 (d) to (f)) as the graph of RFC 9618: as many nodes as there are policies
//! in the certificates, where the tree of RFC 5280 grows with their power.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;

use super::PathCertificate;
use crate::{
    oid::{ANY_POLICY, extension},
    rules::Rule,
    verify::VerifyError,
};

/// The inputs of section 6.1.1 (c) to (f).
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicySettings<'a> {
    /// The policies that the caller takes, the user-initial-policy-set; `None`: any.
    pub acceptable: Option<&'a [ObjectIdentifier]>,
    /// Whether the path must be valid for one of them in any case.
    pub explicit: bool,
    /// Whether mappings are not followed.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy stands for nothing.
    pub inhibit_any: bool,
}

/// One policy at one depth.
#[derive(Default)]
struct Node {
    /// The policies one certificate above from which it follows; none: it follows from anyPolicy.
    parents: Vec<ObjectIdentifier>,
    /// Whether the certificate's own mappings name it as issuerDomainPolicy.
    mapped: bool,
}

/// The policies of one depth.
#[derive(Default)]
struct Level {
    nodes: BTreeMap<ObjectIdentifier, Node>,
    any: bool,
}

impl Level {
    fn is_null(&self) -> bool {
        self.nodes.is_empty() && !self.any
    }
}

/// What section 6.1.2 counts: certificates that may still pass before a rule holds.
struct Counters {
    explicit: usize,
    mapping: usize,
    any: usize,
}

impl Counters {
    fn step(&mut self) {
        for counter in [&mut self.explicit, &mut self.mapping, &mut self.any] {
            *counter = counter.saturating_sub(1);
        }
    }

    fn limit(&mut self, certificate: &PathCertificate) {
        let least = |counter: &mut usize, stated: Option<u32>| {
            *counter = (*counter).min(stated.map_or(usize::MAX, |n| n as usize));
        };
        if let Some(constraints) = &certificate.extensions.policy_constraints {
            least(&mut self.explicit, constraints.require_explicit_policy);
            least(&mut self.mapping, constraints.inhibit_policy_mapping);
        }
        least(&mut self.any, certificate.extensions.inhibit_any_policy);
    }
}

/// Checks the policies of a path; `certificates` begin with the leaf.
pub(super) fn check(
    anchor: &PathCertificate,
    certificates: &[&PathCertificate],
    settings: &PolicySettings<'_>,
) -> Result<(), VerifyError> {
    let beyond = certificates.len() + 1;
    let start = |inhibited: bool| if inhibited { 0 } else { beyond };
    let mut counters = Counters {
        explicit: start(settings.explicit),
        mapping: start(settings.inhibit_mapping),
        any: start(settings.inhibit_any),
    };
    counters.limit(anchor);
    let mut levels: Vec<Level> = Vec::with_capacity(certificates.len());
    // What the certificate above expects below it; an anchor expects any (6.1.2 (a)).
    let mut expected = Level { any: true, ..Level::default() };
    for (n, certificate) in certificates.iter().enumerate().rev() {
        let last = n == 0;
        check_form(certificate)?;
        let any_allowed = counters.any > 0 || (!last && certificate.is_self_issued());
        let mut level = asserted(certificate, expected, any_allowed);
        if last {
            // 6.1.5 (a) and (b).
            counters.explicit = counters.explicit.saturating_sub(1);
            let constraints = certificate.extensions.policy_constraints.as_ref();
            if constraints.and_then(|c| c.require_explicit_policy) == Some(0) {
                counters.explicit = 0;
            }
            expected = Level::default();
        } else {
            expected = mapped(certificate, &mut level, counters.mapping > 0);
            if !certificate.is_self_issued() {
                counters.step();
            }
            counters.limit(certificate);
        }
        levels.push(level);
    }
    if counters.explicit > 0 || leads_to(&levels, settings.acceptable) {
        return Ok(());
    }
    Err(refused(certificates.first().copied(), settings))
}

/// What makes policies invalid wherever they stand: the same one twice (section 4.2.1.4), mappings from or to anyPolicy
/// (section 6.1.4 (a)), an extension that does not decode.
fn check_form(certificate: &PathCertificate) -> Result<(), VerifyError> {
    let wrong = |expected: &str, found: &str| Err(VerifyError::new(Rule::ChainPolicies, expected, found));
    let extensions = &certificate.extensions;
    let all = [
        extension::CERTIFICATE_POLICIES,
        extension::POLICY_MAPPINGS,
        extension::POLICY_CONSTRAINTS,
        extension::INHIBIT_ANY_POLICY,
    ];
    if all.iter().any(|oid| extensions.is_malformed(*oid)) {
        return wrong("policy extensions in DER", "another");
    }
    if extensions.policies.as_deref().unwrap_or_default().windows(2).any(|pair| pair[0] == pair[1]) {
        return wrong("each policy once in a certificate", "one twice");
    }
    if extensions.mappings.iter().any(|(from, to)| *from == ANY_POLICY || *to == ANY_POLICY) {
        return wrong("no mapping from or to anyPolicy", "one");
    }
    // Section 4.2.1.11: not empty.
    let empty = |c: &x509_cert::ext::pkix::PolicyConstraints| {
        c.require_explicit_policy.is_none() && c.inhibit_policy_mapping.is_none()
    };
    if extensions.policy_constraints.as_ref().is_some_and(empty) {
        return wrong("policy constraints that say something", "empty ones");
    }
    Ok(())
}

/// 6.1.3 (d) and (e): what was expected and the certificate asserts.
fn asserted(certificate: &PathCertificate, expected: Level, any_allowed: bool) -> Level {
    let Some(policies) = &certificate.extensions.policies else { return Level::default() };
    let mut level = expected;
    let (was_any, is_any) = (level.any, any_allowed && policies.binary_search(&ANY_POLICY).is_ok());
    if !is_any {
        level.nodes.retain(|policy, _| policies.binary_search(policy).is_ok());
    }
    if was_any {
        for policy in policies.iter().filter(|policy| **policy != ANY_POLICY) {
            level.nodes.entry(*policy).or_default();
        }
    }
    level.any = was_any && is_any;
    level
}

/// 6.1.4 (b): what the certificate expects below it, after its mappings.
fn mapped(certificate: &PathCertificate, level: &mut Level, allowed: bool) -> Level {
    let mappings = &certificate.extensions.mappings;
    for (from, _) in mappings {
        if !allowed {
            level.nodes.remove(from);
        } else if level.any {
            level.nodes.entry(*from).or_default().mapped = true;
        } else if let Some(node) = level.nodes.get_mut(from) {
            node.mapped = true;
        }
    }
    let mut below = Level { any: level.any, ..Level::default() };
    for (policy, _) in level.nodes.iter().filter(|(_, node)| !node.mapped) {
        below.nodes.entry(*policy).or_default().parents.push(*policy);
    }
    for (from, to) in mappings.iter().filter(|(from, _)| allowed && level.nodes.contains_key(from)) {
        below.nodes.entry(*to).or_default().parents.push(*from);
    }
    below
}

/// 6.1.5 (g): whether a policy that the caller takes leads through all levels (first: below the anchor).
fn leads_to(levels: &[Level], acceptable: Option<&[ObjectIdentifier]>) -> bool {
    let Some(last) = levels.last() else { return false };
    let acceptable = match acceptable {
        Some(list) if !list.contains(&ANY_POLICY) => list,
        _ => return !last.is_null(),
    };
    if last.any {
        return !acceptable.is_empty();
    }
    let mut reached: Vec<ObjectIdentifier> = last.nodes.keys().copied().collect();
    for level in levels.iter().rev() {
        let mut above = Vec::new();
        for policy in &reached {
            match level.nodes.get(policy) {
                // It follows from anyPolicy: this is the policy that the anchor's domain knows.
                Some(node) if node.parents.is_empty() && acceptable.contains(policy) => return true,
                Some(node) => above.extend(&node.parents),
                None => {}
            }
        }
        above.sort_unstable();
        above.dedup();
        reached = above;
    }
    false
}

fn refused(leaf: Option<&PathCertificate>, settings: &PolicySettings<'_>) -> VerifyError {
    let list = |oids: &[ObjectIdentifier]| oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let wanted = settings.acceptable.map_or_else(|| "a policy".to_owned(), |all| format!("the policy {}", list(all)));
    let stated = leaf.and_then(|leaf| leaf.extensions.policies.as_deref()).unwrap_or_default();
    let found = format!("none that leads from the root to the leaf's [{}]", list(stated));
    VerifyError::new(Rule::ChainPolicies, format_args!("{wanted} in every certificate on the path"), found)
}
