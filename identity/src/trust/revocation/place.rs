//! REV-06: the place of a partitioned list (issuingDistributionPoint, RFC 5280 section 5.2.5).

use std::fmt;

use der::{Decode, Encode};
use x509_cert::ext::{
    Extension,
    pkix::{
        crl::dp::IssuingDistributionPoint,
        name::{DistributionPointName, GeneralName},
    },
};

use super::encoding;
use crate::{oid::extension, rules::Rule, verify::VerifyError};

/// The place a list names; `None` for a complete one. Parts by reason or by kind of certificate, and lists in the name of
/// others, are refused: who took one for the list of a place would miss what stands in another.
pub(super) fn read(extensions: &[Extension]) -> Result<Option<String>, VerifyError> {
    let mut all = extensions.iter().filter(|e| e.extn_id == extension::ISSUING_DISTRIBUTION_POINT);
    let found = match (all.next(), all.next()) {
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(encoding("extension issuingDistributionPoint once", "more")),
        (Some(found), None) => found,
    };
    if !found.critical {
        return Err(refused("a critical issuingDistributionPoint", "one that is not"));
    }
    let der = found.extn_value.as_bytes();
    let scope =
        IssuingDistributionPoint::from_der(der).map_err(|e| refused("an issuingDistributionPoint in DER", e))?;
    // A default that is written out is not DER, which the decoder does not tell.
    if scope.to_der().ok().as_deref() != Some(der) {
        return Err(refused("the one DER encoding of the issuingDistributionPoint", "another"));
    }
    let narrower = scope.only_contains_ca_certs
        || scope.only_contains_attribute_certs
        || scope.only_some_reasons.is_some()
        || scope.indirect_crl;
    // onlyContainsUserCerts says what is so in any case: revoked issuing certificates are withdrawn by the policy.
    if narrower {
        return Err(refused("a list for every reason, of its issuer's own certificates of people or machines", "less"));
    }
    match scope.distribution_point.as_ref() {
        Some(DistributionPointName::FullName(names)) => match &**names {
            [GeneralName::UniformResourceIdentifier(url)] => Ok(Some(url.as_str().to_owned())),
            names => Err(refused("one place, by its address", format_args!("{} names", names.len()))),
        },
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
            Err(refused("one place, by its address", "a name relative to the issuer's"))
        }
        None => Err(refused("one place, by its address", "none")),
    }
}

fn refused(expected: impl fmt::Display, found: impl fmt::Display) -> VerifyError {
    VerifyError::new(Rule::RevocationPlace, expected, found)
}
