//! The search for a path: depth first, from the leaf upwards, within a budget.

use std::collections::HashMap;

use super::{Leaf, Path, PathCertificate, Settings, algorithm::KeyParts, revocation, validate};
use crate::{rules::Rule, verify::VerifyError};

/// Certificates looked at in one search, however they are named and crossed.
const MAX_STEPS: usize = 2_000;
/// How deep paths of those who sign revocation lists may hang on each other.
const MAX_NESTING: usize = 3;

pub(super) fn find<'a>(
    leaf: &'a PathCertificate,
    issuers: &[&'a PathCertificate],
    anchors: &[&'a PathCertificate],
    settings: &Settings<'a>,
) -> Result<Path<'a>, VerifyError> {
    let mut budget = Budget { signatures: settings.max_signature_checks, steps: MAX_STEPS, checked: HashMap::new() };
    Search { issuers, anchors, settings, nesting: 0 }.find(leaf, &mut budget)
}

/// What a search may still spend, and what it knows already.
pub(super) struct Budget {
    signatures: usize,
    steps: usize,
    /// Signatures by certificate (or list), by its address, which outlives the search, and by key: an issuer that others
    /// have certified many times has one.
    checked: HashMap<(usize, KeyParts), Result<(), VerifyError>>,
}

impl Budget {
    /// Checks a signature, unless its result is known.
    pub(super) fn check<T>(
        &mut self,
        signed: &T,
        issuer: &PathCertificate,
        check: impl FnOnce() -> Result<(), VerifyError>,
    ) -> Result<(), VerifyError> {
        let key = (std::ptr::from_ref(signed).addr(), issuer.key.clone());
        if let Some(known) = self.checked.get(&key) {
            return known.clone();
        }
        self.signatures = self.signatures.checked_sub(1).ok_or_else(|| exhausted("signatures"))?;
        let result = check();
        self.checked.insert(key, result.clone());
        result
    }

    fn step(&mut self) -> Result<(), VerifyError> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| exhausted("certificates"))?;
        Ok(())
    }
}

fn exhausted(what: &str) -> VerifyError {
    let expected = format_args!("a path within the bounds of the search");
    VerifyError::new(Rule::ChainPath, expected, format_args!("more {what} than may be tried"))
}

/// What stays the same while one path is searched for.
#[derive(Clone, Copy)]
pub(super) struct Search<'s, 'a> {
    pub(super) issuers: &'s [&'a PathCertificate],
    pub(super) anchors: &'s [&'a PathCertificate],
    pub(super) settings: &'s Settings<'a>,
    nesting: usize,
}

impl<'s, 'a> Search<'s, 'a> {
    fn find(&self, leaf: &'a PathCertificate, budget: &mut Budget) -> Result<Path<'a>, VerifyError> {
        let mut best = None;
        let mut chain = vec![leaf];
        match self.climb(&mut chain, budget, &mut best) {
            Some(path) => Ok(path),
            None => Err(best.unwrap_or_else(|| {
                let found = format_args!("none from the issuer {}", leaf.certificate().tbs().issuer());
                VerifyError::new(Rule::ChainPath, "a path to a trusted root", found)
            })),
        }
    }

    /// A path of somebody who signs a revocation list: under one anchor, without purposes, otherwise as strict.
    pub(super) fn find_list_signer(
        &self,
        signer: &'a PathCertificate,
        anchor: &'a PathCertificate,
        budget: &mut Budget,
    ) -> Result<(), VerifyError> {
        if self.nesting >= MAX_NESTING {
            return Err(exhausted("signers of revocation lists"));
        }
        let settings = Settings { leaf: Leaf::Any, purposes: &[], policies: None, ..*self.settings };
        let search =
            Search { anchors: &[anchor], settings: &settings, issuers: self.issuers, nesting: self.nesting + 1 };
        search.find(signer, budget).map(drop)
    }

    /// Tries every issuer of the last certificate in `chain`, anchors first.
    fn climb(
        &self,
        chain: &mut Vec<&'a PathCertificate>,
        budget: &mut Budget,
        best: &mut Option<VerifyError>,
    ) -> Option<Path<'a>> {
        let child = *chain.last().expect("a chain begins with its leaf");
        for anchor in candidates(self.anchors, child) {
            match self.complete(anchor, child, chain, budget) {
                Ok(path) => return Some(path),
                Err(error) => keep(best, error),
            }
        }
        // With the next issuer and an anchor above it.
        if chain.len() + 2 > self.settings.max_chain {
            return None;
        }
        for issuer in candidates(self.issuers, child) {
            let again = chain.iter().chain(self.anchors).any(|other| other.is_same_authority(issuer));
            if again {
                continue;
            }
            let step = budget.step().and_then(|()| self.check_issued(child, issuer, chain.len() == 1, budget));
            if let Err(error) = step {
                keep(best, error);
                continue;
            }
            chain.push(issuer);
            let path = self.climb(chain, budget, best);
            chain.pop();
            if path.is_some() {
                return path;
            }
        }
        None
    }

    /// Whether `issuer`, whose name fits, has issued `child`.
    fn check_issued(
        &self,
        child: &PathCertificate,
        issuer: &PathCertificate,
        is_leaf: bool,
        budget: &mut Budget,
    ) -> Result<(), VerifyError> {
        budget.check(child, issuer, || child.check_signature(issuer, self.settings.algorithms))?;
        // The caller's own rule says more about a profiled leaf's key identifier.
        let profiled = is_leaf && self.settings.leaf == Leaf::Profiled;
        if profiled || child.may_be_by(issuer) {
            return Ok(());
        }
        let expected = format_args!("the key identifiers of its issuer in {}", child.certificate().tbs().subject());
        Err(VerifyError::new(Rule::ChainConstraints, expected, "others"))
    }

    fn complete(
        &self,
        anchor: &'a PathCertificate,
        child: &'a PathCertificate,
        chain: &[&'a PathCertificate],
        budget: &mut Budget,
    ) -> Result<Path<'a>, VerifyError> {
        self.check_issued(child, anchor, chain.len() == 1, budget)?;
        let path = Path { anchor, certificates: chain.to_vec() };
        validate::check(&path, self.settings)?;
        if let Some(lists) = self.settings.revocation {
            revocation::check(&path, lists, self, budget)?;
        }
        Ok(path)
    }
}

/// Those whose name is that of the issuer; first those whose key identifiers fit, too.
fn candidates<'a>(
    of: &[&'a PathCertificate],
    child: &PathCertificate,
) -> impl Iterator<Item = &'a PathCertificate> + use<'a> {
    let mut named: Vec<_> = of.iter().copied().filter(|issuer| issuer.subject == child.issuer).collect();
    named.sort_by_key(|issuer| !child.may_be_by(issuer));
    named.into_iter()
}

/// Of several errors the one that says most: what a whole path broke, before a signature, before no path.
fn keep(best: &mut Option<VerifyError>, error: VerifyError) {
    let weight = |error: &VerifyError| match error.rule {
        Rule::ChainPath => 0,
        Rule::ChainSignature | Rule::ChainAlgorithm => 1,
        _ => 2,
    };
    if best.as_ref().is_none_or(|known| weight(known) < weight(&error)) {
        *best = Some(error);
    }
}

#[cfg(test)]
mod tests;
