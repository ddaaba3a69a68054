//! The state machine of RFC 5280 section 6.1, without policies (see `policy`) and signatures (see `build`).

use rustls_pki_types::UnixTime;

use super::{Leaf, Path, PathCertificate, Settings, constraints::Imposed, policy};
use crate::{
    oid,
    rules::Rule,
    verify::{VerifyError, date},
};

pub(super) fn check(path: &Path<'_>, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let Path { anchor, certificates } = path;
    // One rule after the other, each from the anchor down: of several faults the one that people understand first.
    for certificate in path.downwards().skip(usize::from(!settings.anchor_dates)) {
        check_begun(certificate, settings.time)?;
    }
    for certificate in path.downwards().skip(usize::from(!settings.anchor_dates)) {
        check_not_ended(certificate, settings.time)?;
    }
    if anchor.extensions.purposes.is_some() {
        check_purposes(anchor, settings)?;
    }
    for certificate in certificates.iter().rev() {
        check_purposes(certificate, settings)?;
    }
    check_constraints(path, settings)?;
    match &settings.policies {
        Some(policies) => policy::check(anchor, certificates, policies),
        None => Ok(()),
    }
}

/// Everything but times and purposes.
fn check_constraints(path: &Path<'_>, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let Path { anchor, certificates } = path;
    anchor.check_form(false)?;
    settings.algorithms.check_key(anchor.certificate().tbs().spki())?;
    check_authority(anchor, settings)?;
    let mut imposed = Imposed::default();
    imposed.by(anchor)?;
    // Certificates that are not self-issued may follow (6.1.2 (k)); an anchor may limit them (RFC 5937 section 3.2).
    let mut may_follow = anchor.extensions.basic.as_ref().and_then(|b| b.path_len_constraint).map(usize::from);
    for (n, certificate) in certificates.iter().enumerate().rev() {
        let last = n == 0;
        let profiled = last && settings.leaf == Leaf::Profiled;
        certificate.check_form(profiled)?;
        if !profiled {
            settings.algorithms.check_key(certificate.certificate().tbs().spki())?;
        }
        // 6.1.3 (b) and (c).
        if last || !certificate.is_self_issued() {
            imposed.check(certificate)?;
        }
        if last {
            check_leaf(certificate, settings)?;
        } else {
            check_issuer(certificate, settings, &mut may_follow)?;
            imposed.by(certificate)?;
        }
    }
    Ok(())
}

/// 6.1.3 (a) (2): the first second counts.
fn check_begun(certificate: &PathCertificate, now: UnixTime) -> Result<(), VerifyError> {
    let begin = certificate.certificate().tbs().not_before();
    if now >= begin {
        return Ok(());
    }
    let expected = format_args!("certificates that have begun by {}", date(now));
    Err(VerifyError::new(Rule::ChainNotYetValid, expected, format_args!("one that begins {}", date(begin))))
}

/// 6.1.3 (a) (2): the last second counts.
fn check_not_ended(certificate: &PathCertificate, now: UnixTime) -> Result<(), VerifyError> {
    let end = certificate.certificate().tbs().not_after();
    if now <= end {
        return Ok(());
    }
    let expected = format_args!("certificates that last beyond {}", date(now));
    Err(VerifyError::new(Rule::ChainExpired, expected, format_args!("one that ended {}", date(end))))
}

/// Purposes nest: each certificate below the anchor must have what is asked of the leaf (section 4.2.1.12 says it of the
/// leaf; that issuers limit those below them is what all verifiers do). anyExtendedKeyUsage is no purpose: the section
/// lets applications insist on the very one.
fn check_purposes(certificate: &PathCertificate, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let stated = match &certificate.extensions.purposes {
        Some(stated) => stated.as_slice(),
        None if settings.unstated_purposes => return Ok(()),
        None => &[],
    };
    let missing = settings.purposes.iter().find(|purpose| !stated.contains(purpose));
    missing.map_or(Ok(()), |missing| {
        let missing = oid::purpose_name(missing);
        let expected = format_args!("the purpose {missing} in every certificate on the path");
        let found: Vec<_> = stated.iter().map(oid::purpose_name).collect();
        let found = format_args!("[{}] in that of {}", found.join(", "), certificate.certificate().tbs().subject());
        Err(VerifyError::new(Rule::ChainPurpose, expected, found))
    })
}

/// 6.1.4 (k) to (n).
fn check_issuer(
    certificate: &PathCertificate,
    settings: &Settings<'_>,
    may_follow: &mut Option<usize>,
) -> Result<(), VerifyError> {
    check_authority(certificate, settings)?;
    if !certificate.is_self_issued()
        && let Some(left) = may_follow
    {
        *left = left.checked_sub(1).ok_or_else(|| {
            let found = format_args!("one more, {}", certificate.certificate().tbs().subject());
            refused("no more issuing certificates than pathLenConstraint allows", found)
        })?;
    }
    let stated = certificate.extensions.basic.as_ref().and_then(|b| b.path_len_constraint).map(usize::from);
    *may_follow = [*may_follow, stated].into_iter().flatten().min();
    Ok(())
}

/// That a certificate may issue others (sections 4.2.1.3 and 4.2.1.9).
fn check_authority(certificate: &PathCertificate, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let subject = certificate.certificate().tbs().subject();
    if !certificate.extensions.basic.as_ref().is_some_and(|basic| basic.ca) {
        return Err(refused(
            "issuing certificates with cA in basicConstraints",
            format_args!("none in that of {subject}"),
        ));
    }
    if !certificate.extensions.may_sign_certificates().unwrap_or(!settings.stated_key_usage) {
        return Err(refused(
            "issuing certificates with keyCertSign in keyUsage",
            format_args!("none in that of {subject}"),
        ));
    }
    // Section 4.1.2.6: a CA has a name.
    if certificate.subject.is_empty() {
        return Err(refused("issuing certificates with a subject", "an empty one"));
    }
    Ok(())
}

fn check_leaf(leaf: &PathCertificate, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let authority = leaf.extensions.basic.as_ref().is_some_and(|basic| basic.ca);
    if authority && settings.leaf != Leaf::Any {
        return Err(refused("a leaf that is no CA", "one with cA in basicConstraints"));
    }
    if settings.leaf == Leaf::Profiled {
        return Ok(());
    }
    settings.algorithms.check_point(leaf.certificate().tbs().spki())?;
    // Section 4.2.1.9: without cA, no keyCertSign; section 4.2.1.10: name constraints only in a CA's certificate.
    if !authority && leaf.extensions.may_sign_certificates() == Some(true) {
        return Err(refused("a leaf without keyCertSign", "one with it"));
    }
    if !authority && leaf.extensions.constraints.is_some() {
        return Err(refused("a leaf without name constraints", "one with them"));
    }
    check_uses(leaf, settings)
}

/// Section 4.2.1.12: a key is for a purpose only as far as its key usage, where it is stated, is consistent with it.
fn check_uses(leaf: &PathCertificate, settings: &Settings<'_>) -> Result<(), VerifyError> {
    let Some(usage) = &leaf.extensions.key_usage else { return Ok(()) };
    let (signs, agrees) = (usage.digital_signature(), usage.key_agreement());
    for purpose in settings.purposes {
        let consistent = match *purpose {
            oid::CLIENT_AUTH => signs || agrees,
            oid::SERVER_AUTH => signs || agrees || usage.key_encipherment(),
            oid::EMAIL_PROTECTION => signs || agrees || usage.key_encipherment() || usage.non_repudiation(),
            _ => true,
        };
        if !consistent {
            let purpose = oid::purpose_name(purpose);
            let expected = format_args!("a key usage that is consistent with the purpose {purpose}");
            return Err(VerifyError::new(Rule::ChainPurpose, expected, "another"));
        }
    }
    Ok(())
}

fn refused(expected: impl std::fmt::Display, found: impl std::fmt::Display) -> VerifyError {
    VerifyError::new(Rule::ChainConstraints, expected, found)
}
