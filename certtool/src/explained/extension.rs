//! Extensions of certificates, requests and lists: name, value, meaning and section of each.

use const_oid::ObjectIdentifier;
use der::Decode;
use der::asn1::UintRef;
use identity::oid::{self, extension as id};
use identity::transparency::TransparencyExtension;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::DistributionPointName;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName, SubjectKeyIdentifier,
};

use super::Explained;
use super::names::{general, list, object, value};

/// What is known of one kind: its number, what it is called, what it means, where that stands.
type Known = (ObjectIdentifier, &'static str, &'static str, &'static str);

const KNOWN: [Known; 19] = [
    (
        id::SUBJECT_ALT_NAME,
        "names",
        "Whom or what it is about. What stands here counts, the subject does not",
        "RFC 5280, 4.2.1.6",
    ),
    (id::KEY_USAGE, "key may", "What the key may be used for at all", "RFC 5280, 4.2.1.3"),
    (id::EXTENDED_KEY_USAGE, "purposes", "For which purposes; nothing else counts", "RFC 5280, 4.2.1.12"),
    (
        id::BASIC_CONSTRAINTS,
        "is authority",
        "Whether its key may sign other certificates, and how many levels below it",
        "RFC 5280, 4.2.1.9",
    ),
    (id::CERTIFICATE_POLICIES, "policies", "Under which rules it was issued", "RFC 5280, 4.2.1.4"),
    (
        id::SUBJECT_KEY_ID,
        "subject key",
        "The name of its own key, by which certificates below it find it",
        "RFC 5280, 4.2.1.2",
    ),
    (id::AUTHORITY_KEY_ID, "issuer key", "The name of the key that signed it", "RFC 5280, 4.2.1.1"),
    (
        id::CRL_DISTRIBUTION_POINTS,
        "revoked list",
        "Where the list of revoked certificates is to be had",
        "RFC 5280, 4.2.1.13",
    ),
    (
        id::AUTHORITY_INFO_ACCESS,
        "issuer access",
        "Where the issuer's certificate or its answers about revocation are to be had",
        "RFC 5280, 4.2.2.1",
    ),
    (id::NAME_CONSTRAINTS, "constraints", "Which names certificates below it may have", "RFC 5280, 4.2.1.10"),
    (id::POLICY_MAPPINGS, "mappings", "Which policies of others count as its own", "RFC 5280, 4.2.1.5"),
    (id::POLICY_CONSTRAINTS, "policy limits", "From which level on policies are demanded", "RFC 5280, 4.2.1.11"),
    (id::INHIBIT_ANY_POLICY, "no any policy", "From which level on anyPolicy does not count", "RFC 5280, 4.2.1.14"),
    (id::CRL_NUMBER, "number", "The number of the list: a higher one is newer", "RFC 5280, 5.2.3"),
    (
        id::DELTA_CRL_INDICATOR,
        "changes to",
        "It lists only what changed since the list of this number",
        "RFC 5280, 5.2.4",
    ),
    (id::ISSUING_DISTRIBUTION_POINT, "scope", "Which certificates it is about", "RFC 5280, 5.2.5"),
    (
        oid::TRANSPARENCY,
        "log proof",
        "That it stands in a public log which witnesses have seen",
        "docs/spec/certificate.md",
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2"),
        "log promises",
        "Promises of web certificate logs to take it up",
        "RFC 6962, 3.3",
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24"),
        "TLS features",
        "What the server must do in a handshake, such as stapling",
        "RFC 7633, 4",
    ),
];

/// Adds a field for each extension, and what is wrong with them.
pub(super) fn explain(into: &mut Explained, extensions: &[Extension]) {
    for (at, extension) in extensions.iter().enumerate() {
        let known = KNOWN.iter().find(|(number, ..)| *number == extension.extn_id);
        let critical = if extension.critical { ", critical" } else { "" };
        let (name, meaning, standard) = match known {
            Some((_, name, meaning, standard)) => ((*name).to_owned(), *meaning, *standard),
            None => (object(&extension.extn_id), "An extension that is not known here", "RFC 5280, 4.2"),
        };
        let bytes = extension.extn_value.as_bytes();
        let shown = shown(&extension.extn_id, bytes);
        into.check(
            known.is_some() && shown.is_none(),
            || format!("the extension {name} does not decode"),
            "Who reads it must refuse the whole",
            "RFC 5280, 4.2",
        );
        into.check(
            known.is_none() && extension.critical,
            || format!("{name} is critical and not known here"),
            "Who does not know a critical extension must refuse the whole",
            "RFC 5280, 4.2",
        );
        into.check(
            extensions[..at].iter().any(|earlier| earlier.extn_id == extension.extn_id),
            || format!("the extension {name} stands there twice"),
            "Programs differ in which of them they take",
            "RFC 5280, 4.2",
        );
        let shown = shown.unwrap_or_else(|| format!("{} bytes", bytes.len()));
        into.field(name, format!("{shown}{critical}"), meaning, standard);
    }
}

/// The value in words; `None` if it does not decode.
fn shown(kind: &ObjectIdentifier, bytes: &[u8]) -> Option<String> {
    Some(match *kind {
        id::SUBJECT_ALT_NAME => list(&value::<SubjectAltName>(bytes)?.0, general),
        id::KEY_USAGE => list(value::<KeyUsage>(bytes)?.0, |one| lower_first(&format!("{one:?}"))),
        id::EXTENDED_KEY_USAGE => list(&value::<ExtendedKeyUsage>(bytes)?.0, object),
        id::BASIC_CONSTRAINTS => match value::<BasicConstraints>(bytes)? {
            BasicConstraints { ca: false, .. } => "no".to_owned(),
            BasicConstraints { path_len_constraint: None, .. } => "yes".to_owned(),
            BasicConstraints { path_len_constraint: Some(0), .. } => "yes, with no authority below it".to_owned(),
            BasicConstraints { path_len_constraint: Some(levels), .. } => format!("yes, with {levels} levels below it"),
        },
        id::CERTIFICATE_POLICIES => list(&value::<CertificatePolicies>(bytes)?.0, |one| object(&one.policy_identifier)),
        id::SUBJECT_KEY_ID => hex::encode(value::<SubjectKeyIdentifier>(bytes)?.0.as_bytes()),
        id::AUTHORITY_KEY_ID => match value::<AuthorityKeyIdentifier>(bytes)?.key_identifier {
            Some(id) => hex::encode(id.as_bytes()),
            None => "by name and number".to_owned(),
        },
        id::CRL_DISTRIBUTION_POINTS => {
            list(&value::<CrlDistributionPoints>(bytes)?.0, |point| match &point.distribution_point {
                Some(DistributionPointName::FullName(names)) => list(names, general),
                _ => "at the issuer's".to_owned(),
            })
        }
        id::AUTHORITY_INFO_ACCESS => list(&value::<AuthorityInfoAccessSyntax>(bytes)?.0, |one| {
            format!("{}: {}", object(&one.access_method), general(&one.access_location))
        }),
        id::NAME_CONSTRAINTS => {
            let found = value::<NameConstraints>(bytes)?;
            let names = |subtrees: Option<Vec<_>>| {
                list(subtrees.unwrap_or_default(), |one: x509_cert::ext::pkix::constraints::name::GeneralSubtree| {
                    general(&one.base)
                })
            };
            format!("only {}; never {}", names(found.permitted_subtrees), names(found.excluded_subtrees))
        }
        id::CRL_NUMBER | id::DELTA_CRL_INDICATOR => hex::encode(UintRef::from_der(bytes).ok()?.as_bytes()),
        oid::TRANSPARENCY => {
            let proof = TransparencyExtension::from_der(bytes).ok()?;
            format!("entry {} of {}, {} bytes", proof.index, proof.origin, bytes.len())
        }
        _ => format!("{} bytes", bytes.len()),
    })
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}
