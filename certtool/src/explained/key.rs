//! Keys: what kind they are, and never what they are.

use const_oid::ObjectIdentifier;
use der::Decode;
use der::asn1::OctetStringRef;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::Explained;
use super::kind::{children, inside};
use super::names::{explain_key, object};

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");

pub(super) const PRIVATE: &str = "private key";
pub(super) const NOT_SHOWN: &str =
    "The key itself is never shown. Who has this file can pass for its owner, unless a passphrase is on it.";

/// Keys that are told by the label of their PEM alone.
pub(super) fn by_label(label: &str, block: &str) -> Option<Explained> {
    let mut explained = match label {
        "RSA PRIVATE KEY" => pkcs1(),
        "EC PRIVATE KEY" => sec1(),
        "DSA PRIVATE KEY" => {
            let mut explained = Explained::new(PRIVATE, "FIPS 186-4, 4");
            explained.fault("it is a DSA key", "DSA makes no new signatures any more", "FIPS 186-5, 1").next(NOT_SHOWN);
            explained
        }
        "EC PARAMETERS" => {
            let mut explained = Explained::new("name of a curve", "RFC 5480, 2.1.1");
            explained.next("OpenSSL writes it before a key; it holds no key.");
            explained
        }
        _ => return None,
    };
    if block.contains("Proc-Type: 4,ENCRYPTED") {
        explained.field(
            "passphrase",
            "yes, in OpenSSL's old form",
            "Whether a passphrase is on it",
            "RFC 1421, 4.6.1.1",
        );
        explained.fault(
            "its passphrase is turned into a key by one round of MD5",
            "Whoever has the file tries billions of passphrases in a second; openssl pkcs8 -topk8 writes it anew",
            "RFC 8018, 5.1",
        );
    }
    Some(explained)
}

/// RSA as PKCS#1 has it.
pub(super) fn pkcs1() -> Explained {
    let mut explained = Explained::new(PRIVATE, "RFC 8017, A.1.2");
    explained.field("key", "RSA", "The algorithm of the key", "RFC 8017, 3").next(NOT_SHOWN);
    explained
}

/// A key of an elliptic curve, as SEC 1 has it.
pub(super) fn sec1() -> Explained {
    let mut explained = Explained::new(PRIVATE, "RFC 5915, 3");
    explained.field("key", "elliptic curve", "The algorithm of the key", "RFC 5480, 2").next(NOT_SHOWN);
    explained
}

/// PKCS#8, in clear.
pub(super) fn private(der: &[u8]) -> Option<Explained> {
    let children = children(der)?;
    let algorithm: AlgorithmIdentifierOwned = children.get(1)?.decode_as().ok()?;
    children.get(2)?.decode_as::<&OctetStringRef>().ok()?;
    let mut explained = Explained::new(PRIVATE, "RFC 5958, 2");
    let parameters = super::names::curve(&algorithm).map(|curve| format!(", {}", object(&curve))).unwrap_or_default();
    explained
        .field("key", format!("{}{parameters}", object(&algorithm.oid)), "The algorithm of the key", "RFC 5958, 2")
        .field("passphrase", "none", "Whether a passphrase is on it", "RFC 5958, 3")
        .next(NOT_SHOWN)
        .next("To put a passphrase on the keys of an enrolment: certtool key seal");
    Some(explained)
}

/// PKCS#8 under a passphrase.
pub(super) fn encrypted(der: &[u8]) -> Option<Explained> {
    let children = children(der)?;
    let scheme: AlgorithmIdentifierOwned = children.first()?.decode_as().ok()?;
    children.get(1)?.decode_as::<&OctetStringRef>().ok()?;
    let mut explained = Explained::new("private key under a passphrase", "RFC 5958, 3");
    explained.field("passphrase", "yes", "Whether a passphrase is on it", "RFC 5958, 3");
    if !explain_scheme(&mut explained, children.first().copied()) {
        explained.fault(
            format!("it is encrypted with {}", object(&scheme.oid)),
            "The old schemes are broken by trying passphrases; openssl pkcs8 -topk8 writes it anew",
            "RFC 8018, 6.1",
        );
    }
    explained
        .next(NOT_SHOWN)
        .next("To open it: openssl pkey -in FILE -noout -text_pub, which asks for the passphrase.");
    Some(explained)
}

/// How a passphrase is turned into a key, and what encrypts with that; `false` if not as RFC 8018 recommends.
pub(super) fn explain_scheme(into: &mut Explained, algorithm: Option<der::asn1::AnyRef<'_>>) -> bool {
    let parts = |of: der::asn1::AnyRef<'_>| -> Option<(ObjectIdentifier, Option<_>)> {
        let inside = inside_owned(of)?;
        Some((inside.0, inside.1))
    };
    let Some((scheme, Some(parameters))) = algorithm.and_then(parts) else { return false };
    if scheme != PBES2 {
        return false;
    }
    let named = |at: usize| {
        let of = children(&parameters)?.get(at).copied()?;
        inside(of)?.first()?.decode_as::<ObjectIdentifier>().ok()
    };
    for (at, name, meaning, standard) in [
        (0, "stretched by", "What makes trying passphrases slow", "RFC 8018, 5.2; RFC 7914"),
        (1, "encrypted by", "What encrypts the content", "RFC 8018, 6.2"),
    ] {
        if let Some(found) = named(at) {
            into.field(name, object(&found), meaning, standard);
        }
    }
    true
}

/// Number and parameters of an AlgorithmIdentifier.
fn inside_owned(of: der::asn1::AnyRef<'_>) -> Option<(ObjectIdentifier, Option<Vec<u8>>)> {
    use der::Encode as _;
    let parts = inside(of)?;
    let number = parts.first()?.decode_as().ok()?;
    Some((number, parts.get(1).and_then(|parameters| parameters.to_der().ok())))
}

/// A public key by itself.
pub(super) fn public(der: &[u8]) -> Option<Explained> {
    let spki = SubjectPublicKeyInfoOwned::from_der(der).ok()?;
    let mut explained = Explained::new("public key", "RFC 5280, 4.1.2.7");
    explain_key(&mut explained, &spki);
    Some(explained)
}
