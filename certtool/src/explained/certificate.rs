//! A certificate (RFC 5280, 4), any one: each field, and what is wrong with it by itself. Whether it holds is another question,
//! which the pinned trust policies answer.

use der::{Decode, Encode};
use identity::UnixTime;
use identity::oid::extension as id;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner, Version};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::names::{explain_key, explain_signature, list, unix, value};
use super::{Explained, extension};
use crate::text;

/// Explains one; `None` if it is none.
pub(crate) fn explain(der: &[u8], now: UnixTime) -> Option<Explained> {
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    let tbs = certificate.tbs_certificate();
    let mut explained = Explained::new("certificate", "RFC 5280, 4");
    let into = &mut explained;
    let version = match tbs.version() {
        Version::V1 => 1,
        Version::V2 => 2,
        Version::V3 => 3,
    };
    into.field("version", version, "Of the format; extensions exist since version 3", "RFC 5280, 4.1.2.1");
    let serial = tbs.serial_number().as_bytes();
    into.field(
        "serial",
        hex::encode(serial),
        "The number by which its issuer tells it from all others",
        "RFC 5280, 4.1.2.2",
    );
    into.field("issuer", name(tbs.issuer()), "Who signed it", "RFC 5280, 4.1.2.4");
    let (from, to) = (unix(tbs.validity().not_before), unix(tbs.validity().not_after));
    into.field("valid from", text::time(from), "Its first second", "RFC 5280, 4.1.2.5");
    into.field("valid to", text::time(to), "Its last second", "RFC 5280, 4.1.2.5");
    into.field(
        "subject",
        name(tbs.subject()),
        "Whose it is, as a directory would say it; programs go by the names",
        "RFC 5280, 4.1.2.6",
    );
    explain_key(into, tbs.subject_public_key_info());
    explain_signature(into, certificate.signature_algorithm(), "RFC 5280, 4.1.1.2");
    extension::explain(into, tbs.extensions().map_or(&[], Vec::as_slice));
    into.check(
        tbs.signature() != certificate.signature_algorithm(),
        || "the algorithm of the signature differs inside and outside".to_owned(),
        "Somebody may have changed the outer one, which is not signed",
        "RFC 5280, 4.1.1.2",
    );
    times(into, from, to, now);
    form(into, tbs, serial);
    authority(into, tbs);
    Some(explained)
}

/// A name, where there is one.
fn name(name: &x509_cert::name::Name) -> String {
    if name.is_empty() { "(empty)".to_owned() } else { name.to_string() }
}

fn times(into: &mut Explained, from: UnixTime, to: UnixTime, now: UnixTime) {
    let standard = "RFC 5280, 4.1.2.5";
    into.check(to < from, || "it ends before it begins".to_owned(), "It is valid at no time", standard);
    into.check(
        now < from && from <= to,
        || format!("it begins {}", text::relative(from, now)),
        "It does not count yet; or this computer's clock is wrong",
        standard,
    );
    into.check(
        to < now && from <= to,
        || format!("it ended {}", text::relative(to, now)),
        "It counts no more; or this computer's clock is wrong",
        standard,
    );
}

fn form(into: &mut Explained, tbs: &TbsCertificateInner<Raw>, serial: &[u8]) {
    into.check(
        tbs.version() != Version::V3,
        || "it is of an old version, without extensions".to_owned(),
        "So nothing says what it may be used for",
        "RFC 5280, 4.1.2.1",
    );
    let negative = serial.first().is_some_and(|first| first & 0x80 != 0);
    into.check(
        negative || serial.iter().all(|byte| *byte == 0) || serial.len() > 20,
        || "the serial number is negative, zero, or longer than 20 bytes".to_owned(),
        "Programs differ in how they read such a number, so a revocation may miss it",
        "RFC 5280, 4.1.2.2",
    );
    into.check(
        tbs.issuer().is_empty(),
        || "the issuer has no name".to_owned(),
        "Nobody can tell who signed it",
        "RFC 5280, 4.1.2.4",
    );
    let named = extensions(tbs).any(|one| one.extn_id == id::SUBJECT_ALT_NAME);
    into.check(
        !named && !is_authority(tbs),
        || "there are no names (subjectAltName)".to_owned(),
        "What stands in the subject alone counts for no mail program and no browser",
        "RFC 5280, 4.2.1.6; RFC 9525, 2",
    );
}

fn authority(into: &mut Explained, tbs: &TbsCertificateInner<Raw>) {
    let usage = of_kind::<KeyUsage>(tbs, id::KEY_USAGE);
    let may_sign = usage.is_some_and(|usage| usage.key_cert_sign());
    let is_authority = is_authority(tbs);
    into.check(
        is_authority && usage.is_some() && !may_sign,
        || "it is an authority's, and its key may not sign certificates".to_owned(),
        "What it signs is refused",
        "RFC 5280, 4.2.1.9",
    );
    into.check(
        may_sign && !is_authority,
        || "its key may sign certificates, though it is no authority's".to_owned(),
        "A program that looks at one of the two alone would take it for an authority",
        "RFC 5280, 4.2.1.9",
    );
    let marked = extensions(tbs).find(|one| one.extn_id == id::BASIC_CONSTRAINTS).is_some_and(|one| one.critical);
    into.check(
        is_authority && !marked,
        || "basicConstraints of an authority is not critical".to_owned(),
        "A program that does not know it would overlook the limits in it",
        "RFC 5280, 4.2.1.9",
    );
}

fn is_authority(tbs: &TbsCertificateInner<Raw>) -> bool {
    of_kind::<BasicConstraints>(tbs, id::BASIC_CONSTRAINTS).is_some_and(|constraints| constraints.ca)
}

fn extensions(tbs: &TbsCertificateInner<Raw>) -> impl Iterator<Item = &x509_cert::ext::Extension> {
    tbs.extensions().into_iter().flatten()
}

fn of_kind<T: for<'a> Decode<'a>>(tbs: &TbsCertificateInner<Raw>, kind: const_oid::ObjectIdentifier) -> Option<T> {
    value(extensions(tbs).find(|one| one.extn_id == kind)?.extn_value.as_bytes())
}

/// Subjects and issuers of certificates in a bag of them.
pub(super) fn subjects(bag: &[Vec<u8>]) -> String {
    let decoded = bag.iter().filter_map(|der| CertificateInner::<Raw>::from_der(der).ok());
    list(decoded, |one| {
        format!("{} by {}", name(one.tbs_certificate().subject()), name(one.tbs_certificate().issuer()))
    })
}

/// Whether two certificates are of the same key.
pub(crate) fn same_key(one: &[u8], other: &[u8]) -> bool {
    let key = |der: &[u8]| {
        CertificateInner::<Raw>::from_der(der).ok()?.tbs_certificate().subject_public_key_info().to_der().ok()
    };
    key(one).is_some_and(|found| key(other).is_some_and(|other| other == found))
}
