//! Lints: whether a certificate is what its profile says, to the last extension.

use der::Encode;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, CertificatePolicies, CrlDistributionPoints, SubjectAltName,
    name::GeneralName,
};

use super::{parts, subject_kind_name};
use crate::{
    certificate::{KeyError, SubjectName, Tbs, key_algorithm, key_id},
    identifier::{Identifier, canonical_dns_name},
    oid::{self, extension},
    profile::{KeyAlgorithm, Profile, SubjectKind},
    rules::Rule,
};

/// One thing that is not as the profile says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: expected {expected}, found {found}")]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// What the rule asks for.
    pub expected: String,
    /// What stands in the certificate.
    pub found: String,
}

/// The extensions of the profiles, in the order in which we write them, and whether each is critical; the
/// subjectAltName follows the subject.
const EXTENSIONS: [(const_oid::ObjectIdentifier, &str, bool); 8] = [
    (extension::AUTHORITY_KEY_ID, "authorityKeyIdentifier", false),
    (extension::SUBJECT_KEY_ID, "subjectKeyIdentifier", false),
    (extension::KEY_USAGE, "keyUsage", true),
    (extension::CERTIFICATE_POLICIES, "certificatePolicies", false),
    (extension::SUBJECT_ALT_NAME, "subjectAltName", false),
    (extension::EXTENDED_KEY_USAGE, "extKeyUsage", false),
    (extension::CRL_DISTRIBUTION_POINTS, "cRLDistributionPoints", false),
    (extension::AUTHORITY_INFO_ACCESS, "authorityInfoAccess", false),
];

/// Everything in which a certificate differs from its profile; nothing, if it is clean. The transparency extension may
/// be there or not: whether it must is a question of verification.
pub fn lint(tbs: &Tbs, profile: &Profile) -> Vec<Finding> {
    let mut lint = Lint { tbs, profile, key: key_algorithm(tbs.spki()), findings: Vec::new() };
    lint.policy();
    lint.key();
    lint.lifetime();
    lint.usage();
    lint.extensions();
    lint.issuer_access();
    lint.key_ids();
    lint.crl();
    lint.serial();
    lint.name();
    lint.findings
}

struct Lint<'a> {
    tbs: &'a Tbs,
    profile: &'a Profile,
    /// Decoding a point is dear: once for all lints.
    key: Result<KeyAlgorithm, KeyError>,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn check(&mut self, ok: bool, rule: Rule, expected: impl FnOnce() -> String, found: impl FnOnce() -> String) {
        if !ok {
            self.findings.push(Finding { rule, expected: expected(), found: found() });
        }
    }

    fn policy(&mut self) {
        let policies =
            self.tbs.value::<CertificatePolicies>(extension::CERTIFICATE_POLICIES).map(|p| p.0).unwrap_or_default();
        let plain = policies.iter().all(|p| p.policy_qualifiers.is_none());
        let found: Vec<_> = policies.iter().map(|p| p.policy_identifier).collect();
        let (expected, qualifiers) = (self.profile.policy(), if plain { "" } else { " with qualifiers" });
        // What an operator may assert stands behind ours as a whole or not at all.
        let (ours, asserted) = found.split_at(found.len().min(1));
        let fits = ours == [expected] && (asserted.is_empty() || asserted == self.profile.may_assert());
        self.check(
            plain && fits,
            Rule::ProfilePolicy,
            || format!("the one policy {expected}"),
            || format!("{}{qualifiers}", list(&found)),
        );
    }

    fn key(&mut self) {
        let names = self.profile.keys().iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
        let (ok, found) = match &self.key {
            Ok(algorithm) => (self.profile.keys().contains(algorithm), algorithm.name().to_owned()),
            Err(error) => (false, error.to_string()),
        };
        self.check(ok, Rule::ProfileKey, || names, || found);
    }

    fn lifetime(&mut self) {
        let (begin, end) = (self.tbs.not_before().as_secs(), self.tbs.not_after().as_secs());
        let seconds = end.checked_sub(begin).and_then(|difference| difference.checked_add(1));
        let max = self.profile.max_lifetime().as_secs();
        self.check(
            seconds.is_some_and(|seconds| seconds <= max),
            Rule::ProfileLifetime,
            || format!("at most {max} seconds"),
            || seconds.map_or_else(|| "an end before the beginning".to_owned(), |s| format!("{s} seconds")),
        );
    }

    fn usage(&mut self) {
        // A key that the profile does not take has its own finding; its usage is measured by the default.
        let algorithm = self.key.as_ref().ok().copied().filter(|a| self.profile.keys().contains(a));
        let expected = self.profile.key_usage(algorithm.unwrap_or(self.profile.keys()[0]));
        let found = self.tbs.key_usage();
        self.check(
            found == Some(parts::key_usages(expected)),
            Rule::ProfileKeyUsage,
            || format!("{expected:?}"),
            || found.map_or_else(|| "none".to_owned(), |usage| format!("{:?}", usage.0)),
        );
        let expected: Vec<_> = self.profile.extended_key_usage().iter().map(|p| p.oid()).collect();
        let found = self.tbs.purposes();
        let named = |purposes: &[const_oid::ObjectIdentifier]| match purposes {
            [] => "none".to_owned(),
            purposes => purposes.iter().map(oid::purpose_name).collect::<Vec<_>>().join(", "),
        };
        self.check(found == expected, Rule::ProfilePurpose, || named(&expected), || named(&found));
    }

    fn extensions(&mut self) {
        let empty_subject = self.tbs.subject().is_empty();
        for (oid, name, critical) in EXTENSIONS {
            if !self.is_expected(oid) {
                continue;
            }
            let critical = critical || (oid == extension::SUBJECT_ALT_NAME && empty_subject);
            let found: Vec<bool> =
                self.tbs.extensions().iter().filter(|e| e.extn_id == oid).map(|e| e.critical).collect();
            self.check(
                found == [critical],
                Rule::ProfileExtensions,
                || format!("{name} once, {}", criticality(critical)),
                || match &*found {
                    [] => format!("no {name}"),
                    [critical] => format!("{name}, {}", criticality(*critical)),
                    more => format!("{name} {} times", more.len()),
                },
            );
        }
        for extension in self.tbs.extensions() {
            let oid = extension.extn_id;
            if oid == oid::TRANSPARENCY || EXTENSIONS.iter().any(|(known, ..)| *known == oid) && self.is_expected(oid) {
                continue;
            }
            let (expected, found) = ("no other extension", extension.extn_id.to_string());
            self.check(false, Rule::ProfileExtensions, || expected.to_owned(), || found);
        }
    }

    /// Of the extensions that we write, only the address of the issuing certificate is not in every profile.
    fn is_expected(&self, oid: const_oid::ObjectIdentifier) -> bool {
        oid != extension::AUTHORITY_INFO_ACCESS || !self.profile.issuer_schemes().is_empty()
    }

    /// Part of PROF-06: an extension of the profile's whose content is not.
    fn issuer_access(&mut self) {
        let schemes = self.profile.issuer_schemes();
        if !self.is_expected(extension::AUTHORITY_INFO_ACCESS) {
            return;
        }
        let access =
            self.tbs.value::<AuthorityInfoAccessSyntax>(extension::AUTHORITY_INFO_ACCESS).map(|access| access.0);
        let ok = access.as_deref().is_some_and(|access| match access {
            [one] if one.access_method == oid::CA_ISSUERS => match &one.access_location {
                GeneralName::UniformResourceIdentifier(url) => parts::is_url(url.as_str(), schemes),
                _ => false,
            },
            _ => false,
        });
        self.check(
            ok,
            Rule::ProfileExtensions,
            || format!("one address of the issuing certificate, by {}", schemes.join(" or ")),
            || format!("{} of another kind", access.map_or(0, |access| access.len())),
        );
    }

    fn key_ids(&mut self) {
        let expected = key_id(self.tbs.spki());
        let found = self.tbs.subject_key_id();
        self.check(
            found.as_deref() == Some(&expected),
            Rule::ProfileKeyIds,
            || format!("the subject key identifier {}", hex::encode(expected)),
            || found.as_deref().map_or_else(|| "none".to_owned(), hex::encode),
        );
        // CA/B Forum S/MIME BR 7.1.2.3: the key identifier only.
        let authority = self.tbs.value::<AuthorityKeyIdentifier>(extension::AUTHORITY_KEY_ID);
        let plain = authority.as_ref().is_some_and(|id| {
            id.key_identifier.is_some()
                && id.authority_cert_issuer.is_none()
                && id.authority_cert_serial_number.is_none()
        });
        self.check(
            plain,
            Rule::ProfileKeyIds,
            || "an authority key identifier with keyIdentifier only".to_owned(),
            || if authority.is_some() { "other fields" } else { "none" }.to_owned(),
        );
    }

    fn crl(&mut self) {
        let points = self.tbs.value::<CrlDistributionPoints>(extension::CRL_DISTRIBUTION_POINTS).map(|p| p.0.len());
        let urls = self.tbs.crl_urls();
        let schemes = self.profile.crl_schemes();
        let ok = points == Some(1) && matches!(&*urls, [url] if parts::is_url(url, schemes));
        let expected = || format!("one distribution point with one address, by {}", schemes.join(" or "));
        self.check(ok, Rule::ProfileCrl, expected, || format!("{} with {urls:?}", points.unwrap_or_default()));
    }

    fn serial(&mut self) {
        let serial = self.tbs.serial();
        // The bytes of a negative number begin with a set bit; those of a positive one that does, with a zero byte.
        let negative = self.tbs.serial_is_negative();
        self.check(
            !negative && (8..=20).contains(&serial.len()),
            Rule::ProfileSerial,
            || "a positive number of 8 to 20 octets".to_owned(),
            || format!("{} octets{}", serial.len(), if negative { ", negative" } else { "" }),
        );
    }

    /// One name, of the right form, in its canonical spelling, in the one encoding that we write; and the subject that
    /// follows from it.
    fn name(&mut self) {
        let wanted = subject_kind_name(self.profile.subject());
        let names = self.tbs.subject_names();
        let (text, expected) = match (self.profile.subject(), &*names) {
            (SubjectKind::Email, [SubjectName::Email(text) | SubjectName::InternationalEmail(text)])
            | (SubjectKind::Phone, [SubjectName::Phone(text)]) => (
                text,
                Identifier::from_canonical(text)
                    .map_err(|e| e.found())
                    .and_then(|identifier| parts::person_name(&identifier).map_err(|e| e.to_string())),
            ),
            (SubjectKind::Dns, [SubjectName::Dns(text)]) => (
                text,
                canonical_dns_name(text).map_err(|e| format!("none ({e})")).and_then(|name| {
                    if name == *text {
                        parts::service_name(text).map_err(|e| e.to_string())
                    } else {
                        Err(format!("the name {name} spelt {text}"))
                    }
                }),
            ),
            _ => {
                let found = if names.is_empty() { "none".to_owned() } else { format!("{names:?}") };
                return self.check(false, Rule::SanOne, || format!("exactly one name, {wanted}"), || found);
            }
        };
        match expected {
            Err(found) => self.check(false, Rule::SanCanonical, || format!("{wanted} in canonical spelling"), || found),
            Ok(name) => {
                let written = SubjectAltName(vec![name]).to_der().ok();
                let stands = self.tbs.extension(extension::SUBJECT_ALT_NAME).map(|e| e.extn_value.as_bytes());
                self.check(
                    written.as_deref() == stands,
                    Rule::SanCanonical,
                    || format!("{wanted} in the name form of its own"),
                    || "another name form".to_owned(),
                );
                let subject = parts::subject(text).unwrap_or_default();
                self.check(
                    *self.tbs.subject() == subject,
                    Rule::ProfileSubject,
                    || format!("the subject \"{subject}\""),
                    || format!("\"{}\"", self.tbs.subject()),
                );
            }
        }
    }
}

fn criticality(critical: bool) -> &'static str {
    if critical { "critical" } else { "not critical" }
}

fn list(oids: &[const_oid::ObjectIdentifier]) -> String {
    if oids.is_empty() {
        return "none".to_owned();
    }
    oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
