//! Certification path validation after RFC 5280 section 6: is there a chain from this certificate to one of these
//! anchors, at this time, within every constraint on the way?
//!
//! [`find`] takes certificates in any order, searches for paths (section 6.1 leaves that to the reader), validates the
//! first that holds, and names the broken rule where none does. The work is bounded before it begins: length of a path,
//! number of signatures, number of steps, number of names compared.
//!
//! | module | what it holds |
//! |---|---|
//! | `certificate` | a certificate with its extensions decoded once |
//! | `name` | distinguished names in the form in which they compare (section 7.1) |
//! | `algorithm` | which keys and signatures are good enough |
//! | `build` | the bounded search for paths |
//! | `validate` | the state machine of section 6.1 |
//! | `constraints` | name constraints (section 4.2.1.10, RFC 9598 section 6) |
//! | `policy` | certificate policies, as the graph of RFC 9618 |
//! | `crl`, `revocation` | revocation lists and what they say (sections 5 and 6.3) |
//!
//! What differs from RFC 5280, always to the stricter side: an anchor is a certificate, whose own constraints and key usage
//! count (RFC 5937); key identifiers, where they are stated, must fit; duplicate extensions, unknown critical ones and extensions that do not decode are
//! refused wherever they stand; and nobody says of herself that she is not revoked.

mod algorithm;
mod build;
mod certificate;
mod constraints;
mod crl;
mod name;
mod policy;
mod revocation;
mod validate;

use const_oid::ObjectIdentifier;
use rustls_pki_types::UnixTime;

pub use algorithm::AlgorithmPolicy;
pub use certificate::PathCertificate;
pub use crl::RevocationList;
pub use policy::PolicySettings;

use crate::{MAX_CHAIN, verify::VerifyError};

/// What a path must keep; see [`Settings::strict`] and [`Settings::wide`].
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The moment at which everything on the path must be valid.
    pub time: UnixTime,
    /// Certificates on a path, leaf and anchor included.
    pub max_chain: usize,
    /// Signatures that one search may check.
    pub max_signature_checks: usize,
    /// Keys and signatures that are good enough.
    pub algorithms: &'a AlgorithmPolicy,
    /// Every certificate below the anchor must be for all of these purposes (section 4.2.1.12).
    pub purposes: &'a [ObjectIdentifier],
    /// Whether a certificate that does not state its purposes serves for all of them, as RFC 5280 has it.
    pub unstated_purposes: bool,
    /// Whether an anchor's own dates count. Section 6.1.1 (d) takes name and key of an anchor alone; others look at its dates.
    pub anchor_dates: bool,
    /// Whether issuers must state their key usage. Where they do, it must contain keyCertSign either way.
    pub stated_key_usage: bool,
    /// What may stand at the end of the path.
    pub leaf: Leaf,
    /// How certificate policies are judged; `None`: not at all here, see [`Path::check_policies`].
    pub policies: Option<PolicySettings<'a>>,
    /// Lists, all of which say together that no certificate is revoked; `None`: revocation is not looked at.
    pub revocation: Option<&'a [RevocationList]>,
}

/// What may stand at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A leaf whose own extensions and key the caller checks to the last byte, with rules that say more.
    Profiled,
    /// Not a CA.
    EndEntity,
    /// Anything.
    Any,
}

impl<'a> Settings<'a> {
    /// What we ask of our own authorities.
    pub fn strict(time: UnixTime, purposes: &'a [ObjectIdentifier]) -> Self {
        Self {
            time,
            max_chain: MAX_CHAIN,
            max_signature_checks: 24,
            algorithms: &AlgorithmPolicy::STRICT,
            purposes,
            unstated_purposes: false,
            anchor_dates: false,
            stated_key_usage: true,
            leaf: Leaf::Profiled,
            policies: None,
            revocation: None,
        }
    }

    /// What RFC 5280 asks of anybody's, with keys of today's strength.
    pub fn wide(time: UnixTime, purposes: &'a [ObjectIdentifier]) -> Self {
        Self {
            max_chain: 12,
            max_signature_checks: 100,
            algorithms: &AlgorithmPolicy::WIDE,
            unstated_purposes: true,
            anchor_dates: true,
            stated_key_usage: false,
            leaf: Leaf::Any,
            policies: Some(PolicySettings::default()),
            ..Self::strict(time, purposes)
        }
    }
}

/// A path that holds.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    anchor: &'a PathCertificate,
    /// Leaf first; never empty.
    certificates: Vec<&'a PathCertificate>,
}

impl<'a> Path<'a> {
    /// The certificates from the leaf on, without the anchor.
    pub fn certificates(&self) -> &[&'a PathCertificate] {
        &self.certificates
    }

    /// The anchor.
    pub fn anchor(&self) -> &'a PathCertificate {
        self.anchor
    }

    /// The anchor, and what stands below it.
    fn downwards(&self) -> impl Iterator<Item = &'a PathCertificate> {
        [self.anchor].into_iter().chain(self.certificates.iter().rev().copied())
    }

    /// The last second in which every certificate below the anchor is valid.
    pub fn not_after(&self) -> UnixTime {
        let ends = self.certificates.iter().map(|c| c.certificate().tbs().not_after());
        ends.min().expect("a path has a leaf")
    }

    /// Whether the policies of the path hold (section 6.1.3 (d) to (f)).
    pub fn check_policies(&self, settings: &PolicySettings<'_>) -> Result<(), VerifyError> {
        policy::check(self.anchor, &self.certificates, settings)
    }
}

/// Searches for a path from `leaf` over some of `issuers` to one of `anchors`, and validates it. Where none holds, the
/// error is that of the path that came furthest.
pub fn find<'a>(
    leaf: &'a PathCertificate,
    issuers: &[&'a PathCertificate],
    anchors: &[&'a PathCertificate],
    settings: &Settings<'a>,
) -> Result<Path<'a>, VerifyError> {
    build::find(leaf, issuers, anchors, settings)
}
