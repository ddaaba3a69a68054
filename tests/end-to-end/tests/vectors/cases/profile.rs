//! PROF: a leaf that is not as its profile has it.

use crate::case::{Case, common_name, crl_points, mailbox, person, rfc822, service, uri};
use crate::der::{self, around, bits, int, name, octets, oid, seq, tlv};
use crate::draft::{
    AUTHORITY_KEY_ID, CRL_POINTS, EXT_KEY_USAGE, Extension, KEY_USAGE, POLICIES, SUBJECT_ALT_NAME, SUBJECT_KEY_ID,
    UNKNOWN,
};
use crate::house::{
    CLIENT_AUTH, COMMON_NAME, DAY, DEVICE, EMAIL_PROTECTION, Key, LIVE_PERSON, MAIL, NOON, PHONE_DEVICE, SERVICE,
    key_id, policies, purposes, seed, spki_ec, spki_ed25519,
};

pub(super) fn cases() -> Vec<Case> {
    [policy(), keys(), lifetimes(), usages(), extensions(), subjects(), identifiers(), lists(), serials()]
        .into_iter()
        .flatten()
        .collect()
}

fn policy() -> Vec<Case> {
    let qualified = || {
        let qualifier = seq([oid("1.3.6.1.5.5.7.2.1"), tlv(0x16, b"http://ca.example.org/cps")]);
        seq([seq([oid(DEVICE), seq([qualifier])])])
    };
    vec![
        person("prof-01-no-policy", "No certificatePolicies.").draft(|draft| draft.drop(POLICIES)),
        person("prof-01-of-a-service", "A person's certificate with the policy of services.")
            .set(POLICIES, policies(&[SERVICE])),
        person("prof-01-of-mail", "A certificate for mail is not one for conversations.")
            .set(POLICIES, policies(&[MAIL])),
        person("prof-01-two-policies", "One policy more.").set(POLICIES, policies(&[DEVICE, PHONE_DEVICE])),
        person("prof-01-unknown-policy", "A policy that nobody knows.").set(POLICIES, policies(&[UNKNOWN])),
        person("prof-01-qualifier", "The right policy with a qualifier.").set(POLICIES, qualified()),
        service("prof-01-of-a-person", "A service's certificate with the policy of devices.")
            .set(POLICIES, policies(&[DEVICE])),
    ]
}

/// Another key, with its identifier.
fn key(case: Case, spki: Vec<u8>, public: &[u8]) -> Case {
    let id = octets(&key_id(public));
    case.draft(move |draft| draft.spki = spki).set(SUBJECT_KEY_ID, id)
}

fn keys() -> Vec<Case> {
    let p256 = Key::p256("device");
    let compressed = {
        let point = p256.public();
        [&[2 | point[64] & 1], &point[1..33]].concat()
    };
    let mut off_curve = p256.public();
    off_curve[64] ^= 1;
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let large_y = [&[0xee][..], &[0xff; 30], &[0x7f]].concat();
    // No x fits y = 2 (RFC 8032 section 5.1.3).
    let no_x = [&[2][..], &[0; 31]].concat();
    let curve = "1.2.840.10045.3.1.7";
    vec![
        key(person("prof-02-p256-for-a-person", "People have Ed25519 keys."), p256.spki(), &p256.public()),
        key(
            person("prof-02-small-order", "The identity element, under which any signature fits any message."),
            spki_ed25519(&identity),
            &identity,
        ),
        key(person("prof-02-not-on-the-curve", "No point has this y."), spki_ed25519(&no_x), &no_x),
        key(person("prof-02-not-canonical", "The y coordinate is p + 1."), spki_ed25519(&large_y), &large_y),
        key(
            person("prof-02-parameters", "Ed25519 with NULL as parameters, which RFC 8410 section 3 forbids."),
            seq([seq([oid("1.3.101.112"), tlv(0x05, &[])]), bits(0, &Key::ed25519("device").public())]),
            &Key::ed25519("device").public(),
        ),
        key(
            service("prof-02-ed25519-for-a-service", "Services have P-256 keys."),
            Key::ed25519("service").spki(),
            &Key::ed25519("service").public(),
        ),
        key(service("prof-02-compressed", "A compressed point."), spki_ec(curve, &compressed), &compressed),
        key(service("prof-02-off-the-curve", "A point beside the curve."), spki_ec(curve, &off_curve), &off_curve),
        key(
            service("prof-02-p384", "A key on another curve."),
            Key::p384("service").spki(),
            &Key::p384("service").public(),
        ),
    ]
}

fn lifetimes() -> Vec<Case> {
    vec![
        person("prof-03-a-second-too-long", "30 days and a second, as both ends count.")
            .draft(|draft| draft.not_after = der::time(NOON + 30 * DAY)),
        service("prof-03-service-too-long", "A service's certificate of 31 days.")
            .draft(|draft| draft.not_after = der::time(NOON + 31 * DAY - 1)),
    ]
}

fn usages() -> Vec<Case> {
    vec![
        person("prof-04-key-agreement-too", "digitalSignature and keyAgreement.").set(KEY_USAGE, bits(3, &[0x88])),
        person("prof-04-no-key-usage", "No keyUsage.").draft(|draft| draft.drop(KEY_USAGE)),
        person("prof-06-key-usage-not-critical", "keyUsage that is not critical.")
            .draft(|draft| draft.extension(KEY_USAGE).critical = None),
        person(
            "prof-04-zero-bit-written",
            "digitalSignature with six unused bits: named bits have no zeros at the end.",
        )
        .set(KEY_USAGE, bits(6, &[0x80])),
        person("prof-05-email-protection-too", "A purpose more.")
            .set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH, LIVE_PERSON, EMAIL_PROTECTION])),
        person("prof-05-other-order", "The purposes in the other order.")
            .set(EXT_KEY_USAGE, purposes(&[LIVE_PERSON, CLIENT_AUTH])),
        service("prof-05-client-auth-too", "A service with the purpose of people.")
            .set(EXT_KEY_USAGE, purposes(&["1.3.6.1.5.5.7.3.1", CLIENT_AUTH])),
    ]
}

fn extensions() -> Vec<Case> {
    vec![
        person("prof-06-unknown-extension", "An extension that nobody expects.")
            .draft(|draft| draft.add(Extension::new(UNKNOWN, vec![0x05, 0x00]))),
        person("prof-06-critical-name", "A critical subjectAltName beside a subject.")
            .draft(|draft| draft.extension(SUBJECT_ALT_NAME).critical = Some(true)),
        person("prof-06-name-not-critical", "A subjectAltName that is not critical, and no subject.")
            .name("a-name-that-is-longer-than-most-people-would-like-to-type@mail.example.org")
            .draft(|draft| draft.extension(SUBJECT_ALT_NAME).critical = None),
        person("prof-06-critical-purposes", "A critical extKeyUsage.")
            .draft(|draft| draft.extension(EXT_KEY_USAGE).critical = Some(true)),
        person("prof-06-no-list", "No cRLDistributionPoints.").draft(|draft| draft.drop(CRL_POINTS)),
        person("prof-06-no-subject-key-identifier", "No subjectKeyIdentifier.")
            .draft(|draft| draft.drop(SUBJECT_KEY_ID)),
    ]
}

fn subjects() -> Vec<Case> {
    vec![
        person("prof-07-another-name", "A subject that is not the identifier.")
            .draft(|draft| draft.subject = common_name("Alice")),
        person("prof-07-printable-string", "The subject is a PrintableString.")
            .draft(|draft| draft.subject = name(&[(COMMON_NAME, tlv(0x13, b"alice@example.org"))])),
        person("prof-07-empty-subject", "An empty subject, though the name would fit.").draft(|draft| {
            draft.subject = seq([]);
            draft.extension(SUBJECT_ALT_NAME).critical = Some(true);
        }),
        person("prof-07-two-common-names", "The name, and another.").draft(|draft| {
            draft.subject = name(&[(COMMON_NAME, der::utf8("alice@example.org")), (COMMON_NAME, der::utf8("Alice"))]);
        }),
    ]
}

fn identifiers() -> Vec<Case> {
    let people = Key::p256("Test authority, people");
    let with_issuer = seq([tlv(0x80, &people.id()), tlv(0x82, &[1])]);
    vec![
        person("prof-08-subject-key-identifier", "The identifier of another key.")
            .set(SUBJECT_KEY_ID, octets(&[7; 20])),
        person("prof-08-authority-key-identifier", "The identifier of another issuer's key.")
            .set(AUTHORITY_KEY_ID, seq([tlv(0x80, &[7; 20])])),
        person("prof-08-authority-serial-number", "The issuer's serial number beside its key identifier.")
            .set(AUTHORITY_KEY_ID, with_issuer),
    ]
}

fn lists() -> Vec<Case> {
    let long = format!("http://ca.example.org/{}", "a".repeat(491));
    let reasons =
        seq([seq([around(0xa0, [around(0xa0, [uri("http://ca.example.org/crl")])]), tlv(0x81, &[0x01, 0x40])])]);
    vec![
        person("prof-09-ldap", "A list over LDAP.").set(CRL_POINTS, crl_points(&["ldap://ca.example.org"])),
        person("prof-09-two-points", "Two distribution points.")
            .set(CRL_POINTS, crl_points(&["http://ca.example.org/1", "http://ca.example.org/2"])),
        person("prof-09-513-characters", "An address with a character too many.").set(CRL_POINTS, crl_points(&[&long])),
        person("prof-09-reasons", "A list for some reasons only.").set(CRL_POINTS, reasons),
    ]
}

fn serials() -> Vec<Case> {
    vec![
        person("prof-10-seven-octets", "A serial number that can be guessed.")
            .draft(|draft| draft.serial = int(&[1, 2, 3, 4, 5, 6, 7])),
        person("prof-10-negative", "A negative serial number.")
            .draft(|draft| draft.serial = int(&[&[0x80], &seed("serial")[..15]].concat())),
        // Names that are no one's fault are tested where they come in order: SAN.
        person("san-01-two-names", "Two names, of which the first is the subject.")
            .names([rfc822("alice@example.org"), rfc822("bob@example.org")]),
        person("san-01-no-name", "An empty list of names.").names([]),
        person("san-01-mailbox-and-address", "The same name in both forms.")
            .names([rfc822("alice@example.org"), mailbox("alice@example.org")]),
    ]
}
