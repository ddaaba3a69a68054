//! How algorithms, keys, names and times are called.

use std::net::{Ipv4Addr, Ipv6Addr};

use const_oid::ObjectIdentifier;
use der::Decode;
use der::asn1::{UintRef, Utf8StringRef};
use identity::UnixTime;
use identity::certificate::{Certificate, key_algorithm, key_id};
use identity::oid;
use identity::profile::KeyAlgorithm;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::Explained;
use super::kind::children;
use crate::text;

/// Numbers that const-oid has no name for.
const MORE: [(ObjectIdentifier, &str); 12] = [
    (oid::LIVE_PERSON, "livePerson, live conversation with a person"),
    (oid::POLICY_DEVICE, "a person's device (profile device)"),
    (oid::POLICY_PHONE_DEVICE, "a person's device, by a phone number (profile phone-device)"),
    (oid::POLICY_MAIL, "a person's mail (profile mail)"),
    (oid::POLICY_SERVICE, "a service (profile service)"),
    (oid::POLICY_COMPONENT, "a part of an authority (profile component)"),
    (oid::CLIENT_AUTH, "clientAuth, to log in at a server"),
    (oid::SERVER_AUTH, "serverAuth, to be a server"),
    (oid::EMAIL_PROTECTION, "emailProtection, mail"),
    (oid::ANY_POLICY, "anyPolicy"),
    (ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11"), "scrypt"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13"), "PBES2"),
];

/// What a number means, and the number where nobody here knows.
pub(crate) fn object(number: &ObjectIdentifier) -> String {
    let ours = MORE.iter().find(|(known, _)| known == number).map(|(_, name)| (*name).to_owned());
    let name = ours.or_else(|| const_oid::db::DB.by_oid(number).map(|name| name.trim_start_matches("id-").to_owned()));
    name.unwrap_or_else(|| number.to_string())
}

/// A key's algorithm and size.
pub(super) fn key(spki: &SubjectPublicKeyInfoOwned) -> String {
    match spki.algorithm.oid {
        oid::ED25519 => "Ed25519".to_owned(),
        oid::RSA_ENCRYPTION => rsa_bits(spki).map_or("RSA, damaged".to_owned(), |bits| format!("RSA, {bits} bits")),
        oid::EC_PUBLIC_KEY => match curve(&spki.algorithm) {
            Some(oid::P256) => "elliptic curve P-256".to_owned(),
            Some(oid::P384) => "elliptic curve P-384".to_owned(),
            Some(other) => format!("elliptic curve {}", object(&other)),
            None => "elliptic curve, not named".to_owned(),
        },
        other => object(&other),
    }
}

pub(super) fn curve(algorithm: &AlgorithmIdentifierOwned) -> Option<ObjectIdentifier> {
    algorithm.parameters.as_ref()?.decode_as().ok()
}

/// The kind of a certificate's key; also RSA of fewer bits than a certificate of ours may have: how many, was looked at when
/// the key was taken.
pub(crate) fn key_algorithm_of(leaf: &Certificate) -> Option<KeyAlgorithm> {
    let spki = leaf.tbs().spki();
    let of_elsewhere = || (spki.algorithm.oid == oid::RSA_ENCRYPTION).then_some(KeyAlgorithm::Rsa);
    key_algorithm(spki).ok().or_else(of_elsewhere)
}

/// How many bits the modulus of an RSA key has.
pub(crate) fn rsa_bits(spki: &SubjectPublicKeyInfoOwned) -> Option<usize> {
    let children = children(spki.subject_public_key.as_bytes()?)?;
    let modulus = children.first()?.decode_as::<UintRef<'_>>().ok()?;
    let first = modulus.as_bytes().first()?;
    Some(modulus.as_bytes().len() * 8 - first.leading_zeros() as usize)
}

/// The fields of a public key, and what is wrong with it.
pub(super) fn explain_key(into: &mut Explained, spki: &SubjectPublicKeyInfoOwned) {
    into.field(
        "key",
        key(spki),
        "The public key: whoever has the private half of it can prove that this is about her",
        "RFC 5280, 4.1.2.7",
    );
    into.field(
        "key id",
        text::groups(&hex::encode(key_id(spki)), 4),
        "A digest of the public key, by which two files can be told to have the same one",
        "RFC 7093, 2",
    );
    if let Some(bits) = rsa_bits(spki).filter(|_| spki.algorithm.oid == oid::RSA_ENCRYPTION) {
        into.check(
            bits < 2048,
            || format!("the RSA key has {bits} bits; at least 2048 are needed"),
            "Shorter ones can be broken by who has enough computers",
            "NIST SP 800-131A, 3",
        );
    }
}

/// The algorithm of a signature, and whether it can be relied on.
pub(super) fn explain_signature(into: &mut Explained, algorithm: &AlgorithmIdentifierOwned, standard: &'static str) {
    into.field(
        "signed with",
        object(&algorithm.oid),
        "The algorithm of the signature over everything else in it",
        standard,
    );
    let name = object(&algorithm.oid).to_lowercase();
    into.check(
        name.contains("md5") || name.contains("md2") || name.contains("sha1") || name.contains("sha-1"),
        || format!("it is signed with {}", object(&algorithm.oid)),
        "Two documents with one such digest can be made, so the signature proves little",
        "RFC 6194; RFC 6151",
    );
}

/// A name of a person, a machine or anything else.
pub(super) fn general(name: &GeneralName) -> String {
    match name {
        GeneralName::Rfc822Name(mail) => format!("mail address {}", mail.as_str()),
        GeneralName::DnsName(host) => format!("DNS name {}", host.as_str()),
        GeneralName::UniformResourceIdentifier(uri) => match uri.as_str().strip_prefix("tel:") {
            Some(number) => format!("phone number {number}"),
            None => format!("address {}", uri.as_str()),
        },
        GeneralName::IpAddress(octets) => match octets.as_bytes() {
            bytes if bytes.len() == 4 => {
                let four: [u8; 4] = bytes.try_into().expect("four bytes are four");
                format!("IP address {}", Ipv4Addr::from(four))
            }
            bytes if bytes.len() == 16 => {
                let sixteen: [u8; 16] = bytes.try_into().expect("sixteen bytes are sixteen");
                format!("IP address {}", Ipv6Addr::from(sixteen))
            }
            bytes => format!("IP address of {} bytes", bytes.len()),
        },
        GeneralName::DirectoryName(name) => format!("directory name {name}"),
        GeneralName::OtherName(other) if other.type_id == oid::SMTP_UTF8_MAILBOX => {
            match Utf8StringRef::try_from(&other.value) {
                Ok(mail) => format!("mail address {}", mail.as_str()),
                Err(_) => "a damaged mail address".to_owned(),
            }
        }
        GeneralName::OtherName(other) => format!("a name of kind {}", object(&other.type_id)),
        GeneralName::RegisteredId(id) => format!("registered id {id}"),
        GeneralName::EdiPartyName(_) => "an EDI party name".to_owned(),
    }
}

pub(super) fn list<T>(things: impl IntoIterator<Item = T>, name: impl Fn(T) -> String) -> String {
    let names: Vec<_> = things.into_iter().map(name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) fn unix(time: Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

/// The value of an extension, if it is one.
pub(super) fn value<T: for<'a> Decode<'a>>(bytes: &[u8]) -> Option<T> {
    T::from_der(bytes).ok()
}
