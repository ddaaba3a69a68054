//! What revocation lists say of a path (RFC 5280 section 6.3).
//!
//! Lists together must cover every reason for every certificate; what they leave open is a refusal.

use x509_cert::ext::pkix::{
    crl::dp::{DistributionPoint, IssuingDistributionPoint},
    name::{DistributionPointName, GeneralName},
};

use super::{
    Path, PathCertificate, RevocationList,
    build::{Budget, Search},
    crl::Entry,
    name::NameKey,
};
use crate::{rules::Rule, verify::VerifyError};

/// The reasons of section 4.2.1.13, without the unused bit: all of them.
const ALL_REASONS: u16 = 0b1_1111_1110;

pub(super) fn check<'a>(
    path: &Path<'a>,
    lists: &'a [RevocationList],
    search: &Search<'_, 'a>,
    budget: &mut Budget,
) -> Result<(), VerifyError> {
    let issuers = path.certificates.iter().skip(1).copied().chain([path.anchor]);
    for (certificate, issuer) in path.certificates.iter().zip(issuers) {
        Question { certificate, issuer, anchor: path.anchor, lists, search }.ask(budget)?;
    }
    Ok(())
}

/// Whether one certificate is revoked.
struct Question<'q, 's, 'a> {
    certificate: &'a PathCertificate,
    issuer: &'a PathCertificate,
    anchor: &'a PathCertificate,
    lists: &'a [RevocationList],
    search: &'q Search<'s, 'a>,
}

impl Question<'_, '_, '_> {
    fn ask(&self, budget: &mut Budget) -> Result<(), VerifyError> {
        // After those that it names, the place that follows from its issuer (end of section 6.3.3).
        let implied = DistributionPoint { distribution_point: None, reasons: None, crl_issuer: None };
        let points = self.certificate.extensions.distribution_points.iter().chain([&implied]);
        let mut covered = 0;
        let mut fault = None;
        for point in points {
            for list in self.lists.iter().filter(|list| !list.is_delta()) {
                let reasons = self.covers(point, list) & !covered;
                if reasons == 0 {
                    continue;
                }
                match self.usable(list, budget) {
                    Ok(()) if self.is_revoked_by(list, budget) => return Err(self.revoked()),
                    Ok(()) => covered |= reasons,
                    Err(error) => fault = fault.or(Some(error)),
                }
            }
        }
        if covered == ALL_REASONS {
            return Ok(());
        }
        Err(fault.unwrap_or_else(|| {
            let tbs = self.certificate.certificate().tbs();
            let expected = format_args!("revocation lists that cover the certificate of {}", tbs.subject());
            let found = if covered == 0 { "none" } else { "some, for some reasons only" };
            VerifyError::new(Rule::RevocationFresh, expected, found)
        }))
    }

    /// What a complete list says, brought up to date by deltas that are usable themselves (6.3.3 (i) and (j)): of
    /// several, each is asked, and one that revokes is enough.
    fn is_revoked_by(&self, list: &RevocationList, budget: &mut Budget) -> bool {
        let mut revoked = list.entry(self.certificate) == Entry::Revoked;
        let mut removed = false;
        for delta in self.lists.iter().filter(|delta| delta.updates(list)) {
            if self.usable(delta, budget).is_ok() {
                match delta.entry(self.certificate) {
                    Entry::Revoked => return true,
                    Entry::Removed => removed = true,
                    Entry::Absent => {}
                }
            }
        }
        revoked &= !removed;
        revoked
    }

    /// The reasons for which a list speaks of this certificate, as its distribution point has it (6.3.3 (b) to (d)).
    fn covers(&self, point: &DistributionPoint, list: &RevocationList) -> u16 {
        let scope = list.scope.as_ref();
        let indirect = scope.is_some_and(|scope| scope.indirect_crl);
        let by_right_issuer = match &point.crl_issuer {
            Some(names) => indirect && directory_names(names).any(|name| name == list.issuer),
            None => list.issuer == self.certificate.issuer,
        };
        if !by_right_issuer {
            return 0;
        }
        let stated = point.reasons.map_or(ALL_REASONS, |reasons| reasons.bits());
        let Some(scope) = scope else { return stated & ALL_REASONS };
        if !self.is_of_scope_kind(scope) || !self.is_at_place(point, list, scope) {
            return 0;
        }
        stated & scope.only_some_reasons.map_or(ALL_REASONS, |reasons| reasons.bits()) & ALL_REASONS
    }

    fn is_of_scope_kind(&self, scope: &IssuingDistributionPoint) -> bool {
        let authority = self.certificate.extensions.basic.as_ref().is_some_and(|basic| basic.ca);
        !(scope.only_contains_attribute_certs
            || scope.only_contains_user_certs && authority
            || scope.only_contains_ca_certs && !authority)
    }

    /// 6.3.3 (b) (2) (i): the list's place, where it has one, is one of the certificate's.
    fn is_at_place(&self, point: &DistributionPoint, list: &RevocationList, scope: &IssuingDistributionPoint) -> bool {
        let Some(place) = &scope.distribution_point else { return true };
        let listed = places(place, &list.issuer);
        let wanted = match (&point.distribution_point, &point.crl_issuer) {
            (Some(place), names) => {
                let named = names.iter().flat_map(|names| directory_names(names)).next();
                places(place, &named.unwrap_or_else(|| self.certificate.issuer.clone()))
            }
            (None, Some(names)) => names.iter().map(place_of).collect(),
            (None, None) => vec![Place::Directory(self.certificate.issuer.clone())],
        };
        listed.iter().any(|place| wanted.contains(place))
    }

    /// Whether a list is current and by somebody who may speak for the certificate's issuer (6.3.3 (a), (f) and (g)).
    fn usable(&self, list: &RevocationList, budget: &mut Budget) -> Result<(), VerifyError> {
        list.check_time(self.search.settings.time)?;
        let candidates = [self.issuer, self.anchor].into_iter().chain(self.search.issuers.iter().copied());
        let mut fault = None;
        for signer in candidates.filter(|signer| list.may_be_by(signer)) {
            let signed = budget.check(list, signer, || list.check_signature(signer, self.search.settings.algorithms));
            let known = std::ptr::eq(signer, self.issuer) || std::ptr::eq(signer, self.anchor);
            let result = match signed {
                Ok(()) if known => Ok(()),
                Ok(()) => self.search.find_list_signer(signer, self.anchor, budget),
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return Ok(()),
                Err(error) => fault = Some(error),
            }
        }
        Err(fault.unwrap_or_else(|| {
            let expected = "a revocation list by a certificate with cRLSign and the list's issuer as subject";
            VerifyError::new(Rule::RevocationIssuer, expected, format_args!("{list:?}"))
        }))
    }

    fn revoked(&self) -> VerifyError {
        let tbs = self.certificate.certificate().tbs();
        let found =
            format_args!("serial number {} of {} in its issuer's revocation list", tbs.serial_hex(), tbs.subject());
        VerifyError::new(Rule::RevocationRevoked, "certificates that are not revoked", found)
    }
}

/// Where a list is published, ready for comparison.
#[derive(PartialEq)]
enum Place {
    Directory(NameKey),
    Other(GeneralName),
}

fn place_of(name: &GeneralName) -> Place {
    match name {
        GeneralName::DirectoryName(name) => Place::Directory(NameKey::new(name)),
        other => Place::Other(other.clone()),
    }
}

fn places(name: &DistributionPointName, issuer: &NameKey) -> Vec<Place> {
    match name {
        DistributionPointName::FullName(names) => names.iter().map(place_of).collect(),
        DistributionPointName::NameRelativeToCRLIssuer(relative) => vec![Place::Directory(issuer.with(relative))],
    }
}

fn directory_names(names: &[GeneralName]) -> impl Iterator<Item = NameKey> {
    names.iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(NameKey::new(name)),
        _ => None,
    })
}
