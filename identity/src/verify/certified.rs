//! What every certificate of a person proves, whatever it is for.

use std::{cell::Cell, sync::Arc};

use const_oid::ObjectIdentifier;
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};

use super::{
    VerifyError, check_revocation, dated, log, path, read_leaf,
    tenure::{Lasting, Tenure},
    with_each_authority,
};
use crate::{
    CertificateDer,
    certificate::{Certificate, SubjectName, Tbs},
    identifier::Identifier,
    path::PathCertificate,
    plan::lint,
    profile::Profile,
    rules::Rule,
    trust::{Issued, Revocation, Trust, TrustedAuthority},
};

/// Whom a certificate names, and how it is proven. What the key may be used for is said by the type around it:
/// [`VerifiedPerson`](super::VerifiedPerson) or [`VerifiedMailbox`](super::VerifiedMailbox).
///
/// It is what was true at the time of verification: whoever holds it longer looks at
/// [`not_after`](Self::not_after) and asks [`Trust::revocation`] again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    lasting: Lasting,
    profile: String,
    key_digest: [u8; 32],
    leaf: CertificateDer,
    not_after: UnixTime,
    origin: String,
    index: u64,
    logged_at: UnixTime,
    witnesses: Vec<String>,
    only_operator: bool,
    revocation: Revocation,
}

/// What is known of the revocation of a certificate, or the rule it breaks.
type AskRevocation<'a> = dyn Fn(&Issued<'_>) -> Result<Revocation, VerifyError> + 'a;

/// What a person's certificate is wanted for.
pub(super) struct Use {
    /// Required of every certificate on the path.
    pub(super) purposes: &'static [ObjectIdentifier],
    /// Which profiles serve.
    pub(super) fits: fn(&Profile) -> bool,
    /// They in words.
    pub(super) expected: &'static str,
}

/// Every rule for people's certificates, but for the wanted use.
pub(super) fn certify(
    chain: &[CertificateDer],
    wanted: &Use,
    trust: &Trust,
    now: UnixTime,
) -> Result<(Certified, Certificate), VerifyError> {
    let leaf = read_leaf(chain)?;
    let revocation = |issued: &Issued<'_>| check_revocation(trust, issued, now);
    let certified =
        with_each_authority(trust, |authority| under(authority, &leaf, chain, wanted, trust, now, &revocation))?;
    Ok((certified, leaf.into_certificate()))
}

/// Every rule for people's certificates as they held when a signature was dated; and when the certificate was revoked, if
/// it was later.
pub(super) fn certify_dated(
    chain: &[CertificateDer],
    wanted: &Use,
    trust: &Trust,
    time: UnixTime,
) -> Result<(Certified, Option<UnixTime>), VerifyError> {
    let leaf = read_leaf(chain)?;
    let tbs = leaf.certificate().tbs();
    let not_after = tbs.not_after();
    dated::check_life(tbs.not_before(), not_after, time)?;
    let later = Cell::new(None);
    let revocation = |issued: &Issued<'_>| {
        let (status, revoked_later) = dated::check_revocation_then(trust, issued, not_after, time)?;
        later.set(revoked_later);
        Ok(status)
    };
    let certified =
        with_each_authority(trust, |authority| under(authority, &leaf, chain, wanted, trust, time, &revocation))?;
    Ok((certified, later.get()))
}

fn under(
    authority: &TrustedAuthority,
    leaf: &PathCertificate,
    chain: &[CertificateDer],
    wanted: &Use,
    trust: &Trust,
    now: UnixTime,
    revocation: &AskRevocation<'_>,
) -> Result<Certified, VerifyError> {
    let path = path::find(leaf, chain, authority, wanted.purposes, now)?;
    let tbs = leaf.certificate().tbs();
    let profile = profile(tbs, wanted)?;
    path.policies?;
    if let Some(finding) = lint(tbs, profile).into_iter().next() {
        return Err(finding.into());
    }
    let identifier = identifier(tbs)?;
    authority.permits(&identifier)?;
    let logged = log::check(leaf.certificate(), &log::Subject::Person(&identifier), authority)?;
    // The lints have made sure that there is one.
    let list_url = tbs.crl_urls().into_iter().next().unwrap_or_default();
    let issued =
        Issued { root: &authority.root, issuer_key: &path.issuer_key, serial: tbs.serial(), list_url: &list_url };
    trust.want_list(&issued, now);
    let revocation = revocation(&issued)?;
    trust.check_binding(&identifier, &authority.name, &authority.root)?;
    let lasting = Lasting {
        identifier,
        authority: authority.name.as_str().into(),
        authority_root: authority.root,
        not_before: tbs.not_before(),
        path_not_after: path.not_after,
        serial: tbs.serial().into(),
        issuer_key: path.issuer_key,
        list_url: list_url.into(),
    };
    Ok(Certified {
        lasting,
        profile: profile.name().to_owned(),
        key_digest: Sha256::digest(tbs.spki_der()).into(),
        leaf: chain[0].clone(),
        not_after: tbs.not_after(),
        origin: logged.origin,
        index: logged.index,
        logged_at: logged.time,
        witnesses: logged.witnesses,
        only_operator: logged.only_operator,
        revocation,
    })
}

/// The first policy names the profile; that no other stands behind it than the profile allows, is for the lints.
fn profile(tbs: &Tbs, wanted: &Use) -> Result<&'static Profile, VerifyError> {
    let policies = tbs.policies();
    let profile = policies.first().and_then(|policy| Profile::by_policy(*policy));
    profile.filter(|p| p.subject().identifier_kind().is_some() && (wanted.fits)(p)).ok_or_else(|| {
        let found: Vec<_> = policies.iter().map(ToString::to_string).collect();
        VerifyError::new(Rule::ProfilePolicy, wanted.expected, format_args!("[{}]", found.join(", ")))
    })
}

/// The lints have made sure that there is one name, and that it is canonical.
fn identifier(tbs: &Tbs) -> Result<Identifier, VerifyError> {
    let names = tbs.subject_names();
    let [SubjectName::Email(text) | SubjectName::InternationalEmail(text) | SubjectName::Phone(text)] = &*names else {
        return Err(VerifyError::new(Rule::SanOne, "one name of a person", format_args!("{names:?}")));
    };
    Identifier::from_canonical(text)
        .map_err(|e| VerifyError::new(Rule::SanCanonical, "a canonical identifier", e.found()))
}

impl Certified {
    /// Whom the certificate names.
    pub fn identifier(&self) -> &Identifier {
        &self.lasting.identifier
    }

    /// The name of the authority that certified her, as the trust policy calls it.
    pub fn authority(&self) -> &str {
        &self.lasting.authority
    }

    /// SHA-256 of the SubjectPublicKeyInfo of that authority's root: names may be alike, keys are not.
    pub fn authority_root(&self) -> &[u8; 32] {
        &self.lasting.authority_root
    }

    /// The name of the certificate's profile.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo in DER: by this a device is told from another.
    pub fn key_digest(&self) -> &[u8; 32] {
        &self.key_digest
    }

    /// Her certificate.
    pub fn leaf(&self) -> &CertificateDer {
        &self.leaf
    }

    /// When her certificate begins.
    pub fn not_before(&self) -> UnixTime {
        self.lasting.not_before
    }

    /// The last second of her certificate.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The last second in which every certificate on the path is valid: not after [`not_after`](Self::not_after).
    pub fn path_not_after(&self) -> UnixTime {
        self.lasting.path_not_after
    }

    /// The serial number, big-endian.
    pub fn serial(&self) -> &[u8] {
        &self.lasting.serial
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex::encode(&self.lasting.serial)
    }

    /// The origin of the log in which it stands.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where it stands there, counted from zero.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// When the last witness of the quorum had seen it there.
    pub fn logged_at(&self) -> UnixTime {
        self.logged_at
    }

    /// The key names of the witnesses that cosigned in time.
    pub fn witnesses(&self) -> &[String] {
        &self.witnesses
    }

    /// Whether all of them are run by the authority's own operator.
    pub fn witnessed_only_by_operator(&self) -> bool {
        self.only_operator
    }

    /// What is known about revocation; never [`Revocation::Revoked`], which is refused.
    pub fn revocation(&self) -> Revocation {
        self.revocation
    }

    /// Where the revocation list is that speaks for her certificate.
    pub fn list_url(&self) -> &str {
        &self.lasting.list_url
    }

    /// What a look at another time needs of it; `trust` is the one under which it was verified.
    pub(crate) fn tenure(&self, trust: Arc<Trust>) -> Tenure {
        Tenure::new(trust, self.lasting.clone())
    }

    pub(crate) fn issued(&self) -> Issued<'_> {
        self.lasting.issued()
    }

    /// The same person at another time: for a cache. Only what depends on the time is checked again.
    pub(crate) fn still(&self, trust: &Trust, now: UnixTime) -> Result<Self, VerifyError> {
        Ok(Self { revocation: self.lasting.still(trust, now)?, ..self.clone() })
    }
}
