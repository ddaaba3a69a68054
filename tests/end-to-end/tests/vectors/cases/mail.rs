//! Certificates for mail: the profile after the CA/Browser Forum's S/MIME requirements, and what is none of it.

use identity::profile::KeyAlgorithm;
use identity::testing::mail_key;

use crate::case::{Case, crl_points, issuer_access, mail, person, uri};
use crate::der::{self, bits, int, number, oid, seq, tlv};
use crate::draft::{CRL_POINTS, EXT_KEY_USAGE, Extension, ISSUER_ACCESS, KEY_USAGE, POLICIES, SUBJECT_KEY_ID};
use crate::house::{
    CLIENT_AUTH, DAY, DEVICE, EMAIL_PROTECTION, Key, LIVE_PERSON, MAIL, NOON, SERVER_AUTH, key_id, policies, purposes,
    seed,
};
use crate::vector::Kind;

/// The CA/Browser Forum's policy for mailbox-validated multipurpose certificates, and the strict one beside it.
const ASSERTED: &str = "2.23.140.1.5.1.2";
const STRICT: &str = "2.23.140.1.5.1.3";

pub(super) fn cases() -> Vec<Case> {
    [good(), uses(), policy(), keys(), usages(), addresses()].into_iter().flatten().collect()
}

fn good() -> Vec<Case> {
    vec![
        mail("good-mail", "A certificate for mail, with a P-256 key."),
        rsa(mail("good-mail-rsa", "An RSA key, which signs and takes keys."), spki_of_ours()),
        key(
            mail("good-mail-ed25519", "An Ed25519 key, which only signs."),
            Key::ed25519("mail").spki(),
            &Key::ed25519("mail").public(),
        )
        .set(KEY_USAGE, bits(7, &[0x80])),
        mail("good-mail-not-ascii", "A local part that is not ASCII.").name("jürgen@example.org"),
        mail("good-mail-of-90-days", "The longest life that the profile allows.")
            .draft(|draft| draft.not_after = der::time(NOON + 90 * DAY - 1))
            .after(85 * DAY),
        mail(
            "good-mail-asserted",
            "The operator asserts the CA/Browser Forum's requirements: their policy behind ours.",
        )
        .set(POLICIES, policies(&[MAIL, ASSERTED])),
    ]
}

fn uses() -> Vec<Case> {
    vec![
        person("chain-08-device-taken-for-mail", "A device's certificate is none for mail.")
            .taken_for(Kind::Mail, None),
        mail("chain-08-mail-taken-for-device", "A certificate for mail is none of a device.")
            .taken_for(Kind::Person, None),
        mail("chain-08-mail-without-client-auth", "emailProtection alone: log-ins ask for clientAuth.")
            .set(EXT_KEY_USAGE, purposes(&[EMAIL_PROTECTION])),
        mail("prof-05-mail-other-order", "The purposes in the other order.")
            .set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH, EMAIL_PROTECTION])),
        mail("prof-05-mail-live-person-too", "A key for mail never speaks in a conversation.")
            .set(EXT_KEY_USAGE, purposes(&[EMAIL_PROTECTION, CLIENT_AUTH, LIVE_PERSON])),
        mail("prof-05-mail-server-auth-too", "serverAuth, which the requirements forbid.")
            .set(EXT_KEY_USAGE, purposes(&[EMAIL_PROTECTION, CLIENT_AUTH, SERVER_AUTH])),
    ]
}

fn policy() -> Vec<Case> {
    vec![
        mail("prof-01-mail-of-a-device", "A certificate for mail with the policy of devices.")
            .set(POLICIES, policies(&[DEVICE])),
        mail("prof-01-mail-asserted-first", "The policy of others before ours.")
            .set(POLICIES, policies(&[ASSERTED, MAIL])),
        mail("prof-01-mail-asserts-another", "The policy of the strict generation, which forbids clientAuth.")
            .set(POLICIES, policies(&[MAIL, STRICT])),
        person("prof-01-device-asserts", "Nobody asserts S/MIME requirements for a device.")
            .set(POLICIES, policies(&[DEVICE, ASSERTED])),
        mail("prof-03-mail-too-long", "90 days and a second.")
            .draft(|draft| draft.not_after = der::time(NOON + 90 * DAY)),
    ]
}

/// Another key, with its identifier.
fn key(case: Case, spki: Vec<u8>, public: &[u8]) -> Case {
    let id = der::octets(&key_id(public));
    case.draft(move |draft| draft.spki = spki).set(SUBJECT_KEY_ID, id)
}

/// An RSA key, with its identifier and its key usage: digitalSignature and keyEncipherment, bits 0 and 2.
fn rsa(case: Case, spki: Vec<u8>) -> Case {
    // SEQUENCE, AlgorithmIdentifier, BIT STRING: each header but the second has four bytes.
    let algorithm = 2 + usize::from(spki[5]);
    let public = spki[4 + algorithm + 5..].to_vec();
    key(case, spki, &public).set(KEY_USAGE, bits(5, &[0xa0]))
}

fn spki_of_ours() -> Vec<u8> {
    mail_key(KeyAlgorithm::Rsa)
}

/// An RSA key of this modulus and exponent.
fn spki_rsa(modulus: &[u8], exponent: u64) -> Vec<u8> {
    let key = seq([int(modulus), number(exponent)]);
    seq([seq([oid("1.2.840.113549.1.1.1"), tlv(0x05, &[])]), bits(0, &key)])
}

/// An odd number of so many bits without a small factor, near enough to a modulus: nobody has its private key.
fn modulus(bits: usize) -> Vec<u8> {
    let random = (0..).flat_map(|n| seed(&format!("modulus, part {n}")));
    let mut modulus: Vec<u8> = std::iter::once(0).chain(random.take(bits / 8)).collect();
    modulus[1] |= 0x80;
    let last = modulus.len() - 1;
    modulus[last] |= 1;
    let rest = |divisor: u32| modulus_rest(&modulus, divisor);
    // The last two bytes are free to be chosen.
    let step = (0..0x7fff_u32).map(|n| 2 * n).find(|step| {
        (3..752).all(|divisor| !(rest(divisor) + step).is_multiple_of(divisor))
            && u32::from(modulus[last - 1]) * 256 + u32::from(modulus[last]) + step < 0x1_0000
    });
    let end = u32::from(modulus[last - 1]) * 256 + u32::from(modulus[last]) + step.unwrap();
    modulus[last - 1..].copy_from_slice(&(end as u16).to_be_bytes());
    modulus
}

fn modulus_rest(modulus: &[u8], divisor: u32) -> u32 {
    modulus.iter().fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % divisor)
}

fn keys() -> Vec<Case> {
    let even = {
        let mut even = modulus(3072);
        *even.last_mut().unwrap() ^= 1;
        even
    };
    let no_parameters = {
        let whole = spki_of_ours();
        let bit_string = whole[whole.len() - 399 - 4..].to_vec();
        seq([seq([oid("1.2.840.113549.1.1.1")]), bit_string])
    };
    vec![
        key(
            mail("prof-02-mail-p384", "A key on another curve."),
            Key::p384("mail").spki(),
            &Key::p384("mail").public(),
        ),
        rsa(mail("prof-02-mail-rsa-2048", "A modulus of 2048 bits."), spki_rsa(&modulus(2048), 65_537)),
        rsa(mail("prof-02-mail-rsa-exponent-3", "The exponent 3."), spki_rsa(&modulus(3072), 3)),
        rsa(mail("prof-02-mail-rsa-even-exponent", "An even exponent."), spki_rsa(&modulus(3072), 65_538)),
        rsa(mail("prof-02-mail-rsa-even-modulus", "A modulus that two divides."), spki_rsa(&even, 65_537)),
        key(
            mail("prof-02-mail-rsa-no-parameters", "RSA without NULL as parameters (RFC 3279 section 2.3.1)."),
            no_parameters.clone(),
            &no_parameters[no_parameters.len() - 398..],
        )
        .set(KEY_USAGE, bits(5, &[0xa0])),
    ]
}

fn usages() -> Vec<Case> {
    vec![
        mail("prof-04-mail-signs-only", "A P-256 key without keyAgreement: nobody could write to her in secret.")
            .set(KEY_USAGE, bits(7, &[0x80])),
        rsa(mail("prof-04-mail-rsa-key-agreement", "An RSA key with keyAgreement."), spki_of_ours())
            .set(KEY_USAGE, bits(3, &[0x88])),
    ]
}

fn addresses() -> Vec<Case> {
    vec![
        mail("prof-06-mail-without-issuer-address", "No authorityInfoAccess: strangers' programs find no path.")
            .draft(|draft| draft.drop(ISSUER_ACCESS)),
        mail("prof-06-mail-issuer-over-https", "The issuing certificate behind TLS.")
            .set(ISSUER_ACCESS, issuer_access("https://ca.example.org/people.cer")),
        mail("prof-06-mail-ocsp", "An address of another kind.")
            .set(ISSUER_ACCESS, seq([seq([oid("1.3.6.1.5.5.7.48.1"), uri("http://ca.example.org/ocsp")])])),
        person("prof-06-device-with-issuer-address", "A device's certificate with authorityInfoAccess.")
            .draft(|draft| draft.add(Extension::new(ISSUER_ACCESS, issuer_access("http://ca.example.org/people.cer")))),
        mail("prof-09-mail-list-over-https", "The revocation list behind TLS.")
            .set(CRL_POINTS, crl_points(&["https://ca.example.org/crl"])),
        mail("san-01-mail-for-a-number", "A telephone number under the policy of mail.")
            .spelled(uri("tel:+14155552671"), "+14155552671"),
        mail("san-02-mail-capital-letter", "A capital letter.")
            .spelled(crate::case::rfc822("Alice@example.org"), "Alice@example.org"),
    ]
}
