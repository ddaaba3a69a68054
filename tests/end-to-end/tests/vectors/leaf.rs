//! A leaf of each kind as it must be, in parts that a case can spoil.

use super::der::{self, around, bits, name, number, octets, seq, tlv, utf8};
use super::draft::{
    AUTHORITY_KEY_ID, CRL_POINTS, Draft, EXT_KEY_USAGE, Extension, ISSUER_ACCESS, KEY_USAGE, POLICIES,
    SUBJECT_ALT_NAME, SUBJECT_KEY_ID,
};
use super::house::{self, COMMON_NAME, Ca, DAY, Key, seed};
use super::vector::Kind;

/// The leaf as docs/spec/certificate.md has it, without its transparency extension.
pub(crate) fn leaf(identifier: &str, kind: Kind, begin: u64, ca: &Ca) -> Draft {
    let Profile { key, days, policy, usage, uses } = profile(kind, identifier.starts_with('+'));
    let fits = identifier.chars().count() <= 64;
    let mut draft = Draft {
        version: around(0xa0, [number(2)]),
        serial: der::int(&house::positive(&seed("serial number")[..16])),
        algorithm: ca.key.algorithm(),
        issuer: ca.name.clone(),
        not_before: der::time(begin),
        not_after: der::time(begin + days * DAY - 1),
        subject: if fits { common_name(identifier) } else { seq([]) },
        spki: key.spki(),
        unique_ids: Vec::new(),
        extensions: vec![
            Extension::new(AUTHORITY_KEY_ID, house::authority_key_id(&ca.key)),
            Extension::new(SUBJECT_KEY_ID, octets(&key.id())),
            Extension::critical(KEY_USAGE, usage),
            Extension::new(POLICIES, house::policies(&[policy])),
            Extension {
                oid: SUBJECT_ALT_NAME,
                critical: (!fits).then_some(true),
                value: seq([general_name(identifier, kind)]),
            },
            Extension::new(EXT_KEY_USAGE, house::purposes(uses)),
            Extension::new(CRL_POINTS, crl_points(&["http://ca.example.org/crl"])),
        ],
        outer_algorithm: None,
    };
    if kind == Kind::Mail {
        draft.add(Extension::new(ISSUER_ACCESS, issuer_access("http://ca.example.org/people.cer")));
    }
    draft
}

/// What a leaf of each kind is made of.
struct Profile {
    key: Key,
    days: u64,
    policy: &'static str,
    usage: Vec<u8>,
    uses: &'static [&'static str],
}

fn profile(kind: Kind, is_phone: bool) -> Profile {
    let live: &[&str] = &[house::CLIENT_AUTH, house::LIVE_PERSON];
    let (key, days, policy, uses): (_, _, _, &[&str]) = match kind {
        Kind::Person if is_phone => (Key::ed25519("device"), 14, house::PHONE_DEVICE, live),
        Kind::Person => (Key::ed25519("device"), 14, house::DEVICE, live),
        Kind::Mail => (Key::p256("mail"), 90, house::MAIL, &[house::EMAIL_PROTECTION, house::CLIENT_AUTH]),
        Kind::Service => (Key::p256("service"), 30, house::SERVICE, &[house::SERVER_AUTH]),
        Kind::Component => (Key::p256("component"), 30, house::COMPONENT, &[house::CLIENT_AUTH]),
    };
    // digitalSignature is bit 0, keyAgreement bit 4.
    let usage = if kind == Kind::Mail { bits(3, &[0x88]) } else { bits(7, &[0x80]) };
    Profile { key, days, policy, usage, uses }
}

/// authorityInfoAccess with one caIssuers.
pub(crate) fn issuer_access(url: &str) -> Vec<u8> {
    seq([seq([der::oid("1.3.6.1.5.5.7.48.2"), uri(url)])])
}

pub(crate) fn common_name(text: &str) -> Vec<u8> {
    name(&[(COMMON_NAME, utf8(text))])
}

pub(crate) fn rfc822(text: &str) -> Vec<u8> {
    tlv(0x81, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    tlv(0x82, text.as_bytes())
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, text.as_bytes())
}

/// SmtpUTF8Mailbox (RFC 9598 section 3).
pub(crate) fn mailbox(text: &str) -> Vec<u8> {
    around(0xa0, [der::oid("1.3.6.1.5.5.7.8.9"), around(0xa0, [utf8(text)])])
}

fn general_name(identifier: &str, kind: Kind) -> Vec<u8> {
    match (kind.is_of_people(), identifier.starts_with('+'), identifier.is_ascii()) {
        (false, ..) => dns(identifier),
        (true, true, _) => uri(&format!("tel:{identifier}")),
        (true, false, true) => rfc822(identifier),
        (true, false, false) => mailbox(identifier),
    }
}

pub(crate) fn crl_points(urls: &[&str]) -> Vec<u8> {
    seq(urls.iter().map(|url| seq([around(0xa0, [around(0xa0, [uri(url)])])])))
}
