//! CHAIN: what comes before anything in the certificate is believed.

use crate::case::{Case, person, rfc822, service};
use crate::der::{self, around, bits, int, number, octets, oid, seq, tlv, utf8};
use crate::draft::{
    BASIC_CONSTRAINTS, Draft, EXT_KEY_USAGE, Extension, KEY_USAGE, NAME_CONSTRAINTS, SUBJECT_KEY_ID, TRANSPARENCY,
    UNKNOWN,
};
use crate::house::{
    CLIENT_AUTH, COMMON_NAME, Ca, DAY, EMAIL_PROTECTION, House, Key, LIVE_PERSON, NOON, PEOPLE_POLICIES, PEOPLE_USES,
    SERVER_AUTH, ca_name, key_digest, purposes, seed,
};
use crate::vector::Kind;
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    [sizes(), encodings(), algorithms(), paths(), signatures(), times(), uses(), constraints()]
        .into_iter()
        .flatten()
        .collect()
}

fn sizes() -> Vec<Case> {
    vec![
        person("chain-01-no-certificate", "An empty chain.").given(|_, given| given.chain.clear()),
        person("chain-01-seven-certificates", "One more than six.").given(|_, given| {
            let issuer = given.chain[1].clone();
            given.chain.resize(7, issuer);
        }),
        person("chain-01-leaf-over-16-kib", "A leaf of more than 16 KiB, otherwise without a fault up to PROF-06.")
            .draft(|draft| draft.add(Extension::new(UNKNOWN, octets(&[0; 16 * 1024])))),
    ]
}

fn encodings() -> Vec<Case> {
    vec![
        person("chain-02-no-certificate", "Text in place of a certificate.")
            .given(|_, given| given.chain = vec![b"hello".to_vec()]),
        person("chain-02-truncated", "The last byte is missing.").bytes(|leaf| {
            leaf.pop();
        }),
        person("chain-02-trailing-byte", "A byte after the certificate.").bytes(|leaf| leaf.push(0)),
        person("chain-02-length-not-minimal", "The outermost length in three bytes where two are enough.").bytes(
            |leaf| {
                leaf[1] = 0x83;
                leaf.insert(2, 0);
            },
        ),
        person("chain-02-critical-false-written", "The default of critical is written out, which DER leaves out.")
            .draft(|draft| draft.extension(SUBJECT_KEY_ID).critical = Some(false)),
        person("chain-02-version-2", "X.509 v2.").draft(|draft| draft.version = around(0xa0, [number(1)])),
        person("chain-02-unique-identifier", "A subjectUniqueID of X.509 v2.")
            .draft(|draft| draft.unique_ids = tlv(0x82, &[0, 1])),
        person("chain-02-serial-not-minimal", "A serial number with a zero byte too many.")
            .draft(|draft| draft.serial = int(&[&[0, 0], &seed("serial")[..14]].concat())),
        person("chain-02-subject-not-sorted", "A subject with two attributes in one set, in the wrong order.").draft(
            |draft| {
                let attribute = |text: &str| seq([oid(COMMON_NAME), utf8(text)]);
                let set = around(der::SET, [attribute("alice@example.org"), attribute("a")]);
                draft.subject = seq([set]);
            },
        ),
        person("chain-02-time-without-seconds", "A UTCTime without seconds, which BER allows.")
            .draft(|draft| draft.not_before = tlv(der::UTC_TIME, b"2611231200Z")),
        person("chain-02-generalized-time-before-2050", "RFC 5280 wants UTCTime for it.")
            .draft(|draft| draft.not_before = der::generalized_time(NOON)),
    ]
}

fn algorithms() -> Vec<Case> {
    vec![
        person("chain-03-inner-and-outer-differ", "Outside it says P-384 with SHA-384.")
            .draft(|draft| draft.outer_algorithm = Some(Key::p384("any").algorithm())),
        person("chain-03-sha1", "ECDSA with SHA-1.").draft(|draft| draft.algorithm = seq([oid("1.2.840.10045.4.1")])),
        person("chain-03-parameters", "ECDSA with NULL as parameters, which are absent in RFC 5758.")
            .draft(|draft| draft.algorithm = seq([oid("1.2.840.10045.4.3.2"), tlv(0x05, &[])])),
        person("chain-03-ed25519", "An issuing CA with an Ed25519 key.").by(|house| {
            let name = ca_name("Test authority", "In Person Ed25519 CA");
            Ca::issuing(name, Key::ed25519("Ed25519 CA"), PEOPLE_USES, PEOPLE_POLICIES, &house.root, |_| ())
        }),
    ]
}

fn paths() -> Vec<Case> {
    vec![
        person("chain-04-unknown-authority", "Another authority, which the policy does not list.")
            .policy(|_, policy| *policy = House::named("Other authority", Key::p256).policy()),
        person("chain-04-issuer-not-sent", "The issuing certificate is neither in the policy nor sent.")
            .by(|house| Ca::another(&house.root, |_| ()))
            .given(|_, given| given.chain.truncate(1)),
        person("chain-04-issuer-withdrawn", "The issuing certificate is sent, but the policy has withdrawn its key.")
            .by(|house| Ca::another(&house.root, |_| ()))
            .policy(|house, policy| {
                let another = Ca::another(&house.root, |_| ());
                policy["authorities"][0]["withdrawn"] = json!([key_digest(&another.key)]);
            }),
        person("chain-04-root-sent", "A root of its own is sent; roots count only if the policy has them.").given(
            |_, given| {
                let other = House::named("Other authority", Key::p256);
                given.chain.push(other.root.certificate);
                given.policy = House::named("Third authority", Key::p256).policy();
            },
        ),
    ]
}

fn signatures() -> Vec<Case> {
    vec![
        person("chain-05-signature-altered", "One bit of the signature.").bytes(|leaf| *leaf.last_mut().unwrap() ^= 1),
        person("chain-05-certificate-altered", "One bit of the serial number.").bytes(|leaf| leaf[20] ^= 1),
        person("chain-05-another-key", "A CA with the name of the issuing CA and another key.")
            .by(|house| {
                let name = house.people.name.clone();
                let other = House::named("Other authority", Key::p256).root;
                Ca::issuing(name, Key::p256("impostor"), PEOPLE_USES, PEOPLE_POLICIES, &other, |_| ())
            })
            .given(|_, given| given.chain.truncate(1)),
        person(
            "chain-05-issuer-not-by-root",
            "The root's name stands in the issuing certificate, but it did not sign.",
        )
        .by(|house| {
            let mut other = House::named("Other authority", Key::p256).root;
            other.name.clone_from(&house.root.name);
            Ca::another(&other, |_| ())
        }),
    ]
}

fn times() -> Vec<Case> {
    vec![
        person("chain-06-not-yet-valid", "A second before it begins.").begins(NOON + DAY).before(1),
        person("chain-06-issuer-not-yet-valid", "The issuing certificate begins a second later.")
            .by(|house| Ca::another(&house.root, |draft| draft.not_before = der::time(NOON + 1))),
        person("chain-07-expired", "A second after it has ended.").after(14 * DAY),
        person("chain-07-issuer-expired", "The issuing certificate ended a second ago.")
            .by(|house| Ca::another(&house.root, |draft| draft.not_after = der::time(NOON - 1 + DAY)))
            .after(DAY),
    ]
}

fn uses() -> Vec<Case> {
    vec![
        person("chain-08-no-live-person", "clientAuth alone.").set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH])),
        person("chain-08-no-client-auth", "livePerson alone.").set(EXT_KEY_USAGE, purposes(&[LIVE_PERSON])),
        person("chain-08-person-taken-for-service", "A person's certificate is none of a service.")
            .taken_for(Kind::Service, Some("example.org")),
        service("chain-08-service-taken-for-person", "A service's certificate is none of a person.")
            .taken_for(Kind::Person, None),
        person("chain-08-issuer-for-services", "The services CA has made a person's certificate.").by(|house| Ca {
            name: house.services.name.clone(),
            key: Key::p256("Test authority, services"),
            certificate: house.services.certificate.clone(),
        }),
        person("chain-08-issuer-without-live-person", "The issuing certificate has clientAuth alone.").by(|house| {
            Ca::another(&house.root, |draft| draft.set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH, EMAIL_PROTECTION])))
        }),
        service("chain-08-issuer-for-people", "The people CA has made a service's certificate.").by(|house| Ca {
            name: house.people.name.clone(),
            key: Key::p256("Test authority, people"),
            certificate: house.people.certificate.clone(),
        }),
        service("chain-08-no-server-auth", "A service's certificate with clientAuth.")
            .set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH])),
        person("chain-08-leaf-without-purposes", "No extKeyUsage in the leaf: any purpose for others, none for us.")
            .draft(|draft| draft.drop(EXT_KEY_USAGE)),
        person("chain-08-issuer-without-purposes", "No extKeyUsage in the issuing certificate.")
            .by(|house| Ca::another(&house.root, |draft| draft.drop(EXT_KEY_USAGE))),
        person("chain-08-any-purpose", "anyExtendedKeyUsage is no purpose.")
            .set(EXT_KEY_USAGE, purposes(&["2.5.29.37.0", SERVER_AUTH])),
    ]
}

fn constraints() -> Vec<Case> {
    vec![
        person("chain-09-critical-proof", "A critical transparency extension: path validation does not know it.")
            .last(|draft| draft.extension(TRANSPARENCY).critical = Some(true)),
        person("chain-09-unknown-critical-extension", "A critical extension that nobody knows, in the leaf.")
            .draft(|draft| draft.add(Extension::critical(UNKNOWN, vec![0x05, 0x00]))),
        person(
            "chain-09-issuer-with-unknown-critical-extension",
            "A critical extension that nobody knows, in the issuer.",
        )
        .by(|house| Ca::another(&house.root, |draft| draft.add(Extension::critical(UNKNOWN, vec![0x05, 0x00])))),
        person("chain-09-under-the-root", "The root itself has made the leaf.").by(|house| Ca {
            name: house.root.name.clone(),
            key: Key::p256("Test authority, root"),
            certificate: house.root.certificate.clone(),
        }),
        person("chain-09-issuer-is-no-ca", "The issuer's certificate has no basicConstraints.")
            .by(|house| Ca::another(&house.root, |draft| draft.drop(BASIC_CONSTRAINTS))),
        person("chain-09-issuer-may-not-sign", "The issuer's keyUsage is cRLSign alone.")
            .by(|house| Ca::another(&house.root, |draft| draft.set(KEY_USAGE, bits(1, &[0x02])))),
        person("chain-09-leaf-is-a-ca", "A leaf with basicConstraints that make it a CA.").draft(|draft| {
            draft.add(Extension::critical(BASIC_CONSTRAINTS, seq([tlv(der::BOOLEAN, &[0xff])])));
        }),
        person("chain-09-path-too-long", "A CA under the issuing CA, whose pathLen is 0.")
            .by(below_people)
            .given(|house, given| given.chain.push(house.people.certificate.clone())),
        person("chain-09-name-constraint", "The issuing certificate permits addresses of another domain only.")
            .by(|house| Ca::another(&house.root, |draft| draft.add(constraint("example.com")))),
    ]
}

fn below_people(house: &House) -> Ca {
    let name = ca_name("Test authority", "Below the people CA");
    Ca::issuing(name, Key::p256("below"), PEOPLE_USES, PEOPLE_POLICIES, &house.people, |_: &mut Draft| ())
}

/// permittedSubtrees with one host for e-mail addresses.
fn constraint(host: &str) -> Extension {
    Extension::critical(NAME_CONSTRAINTS, seq([around(0xa0, [seq([rfc822(host)])])]))
}
