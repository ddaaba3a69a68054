//! What is linted: certificates of every profile and of authorities, and revocation lists.
//!
//! They come from the authority in memory, which plans, lints and encodes by the code of the real one; all names are
//! under example.org, as linters know the names that are reserved for nobody.

use std::fs;
use std::path::{Path, PathBuf};

use identity::profile::{KeyAlgorithm, Profile};
use identity::testing::{Authority, NOON, mail_key};
use identity::{CertificateDer, Identifier};

/// One document in a file.
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) file: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A root or an issuing certificate.
    Authority,
    /// A certificate of a device, a service or a component.
    Leaf,
    /// A certificate of the profile `mail`.
    Mail,
    /// The same, which asserts compliance with the CA/Browser Forum's requirements.
    AssertingMail,
    RevocationList,
}

/// Writes them all into a folder, in PEM.
pub(crate) fn write(folder: &Path) -> Vec<Document> {
    fs::create_dir_all(folder).unwrap();
    let authority = Authority::new(1, NOON);
    let mut documents = Vec::new();
    let mut add = |name, kind, label, der: &[u8]| {
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, pem(label, der)).unwrap();
        documents.push(Document { name, kind, file });
    };
    let policy = authority.policy();
    let certified = &policy.authorities[0];
    add("root", Kind::Authority, "CERTIFICATE", &certified.root.0);
    add("people-ca", Kind::Authority, "CERTIFICATE", &certified.issuers[0].0);
    add("services-ca", Kind::Authority, "CERTIFICATE", &certified.issuers[1].0);

    let mut leaf = |name, kind, chain: Vec<CertificateDer>| add(name, kind, "CERTIFICATE", &chain[0]);
    let person = |text: &str| authority.issue_person(&Identifier::parse(text).unwrap(), NOON).0;
    leaf("device", Kind::Leaf, person("alice@example.org"));
    leaf("device-international", Kind::Leaf, person("jürgen@bücher.example.org"));
    leaf("device-long", Kind::Leaf, person(&format!("{}@example.org", "a".repeat(60))));
    leaf("phone-device", Kind::Leaf, person("+14155552671"));
    leaf("service", Kind::Leaf, authority.issue_service("directory.example.org", NOON).0);
    leaf("component", Kind::Leaf, authority.issue_component("ca.example.org", NOON).0);

    let mail = |profile: &Profile, text: &str, key| {
        authority.issue_mail(profile, &Identifier::parse(text).unwrap(), &mail_key(key), NOON)
    };
    let (plain, asserting) = (Profile::mail(), &Profile::mail().asserting());
    let (long, short) = (format!("{}@example.org", "a".repeat(60)), "alice@example.org");
    leaf("mail-p256", Kind::AssertingMail, mail(asserting, short, KeyAlgorithm::P256));
    leaf("mail-rsa", Kind::AssertingMail, mail(asserting, short, KeyAlgorithm::Rsa));
    leaf("mail-ed25519", Kind::AssertingMail, mail(asserting, short, KeyAlgorithm::Ed25519));
    leaf("mail-long", Kind::AssertingMail, mail(asserting, &long, KeyAlgorithm::P256));
    leaf("mail-international", Kind::AssertingMail, mail(asserting, "jürgen@bücher.example.org", KeyAlgorithm::P256));
    leaf("mail-not-asserting", Kind::Mail, mail(plain, short, KeyAlgorithm::P256));

    let list = "X509 CRL";
    add("crl-empty", Kind::RevocationList, list, &authority.people_crl(1, NOON, &[]));
    add("crl", Kind::RevocationList, list, &authority.people_crl(2, NOON, &[&[0x41; 16], &[0x42; 16]]));
    documents
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
