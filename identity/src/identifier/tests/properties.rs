//! What holds of every identifier: one spelling, made and read by the same rules.

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use x509_cert::ext::pkix::name::GeneralName;

use super::*;
use crate::{
    certificate::Certificate,
    plan::{lint, person_name},
    testing::{Authority, NOON},
};

/// Local parts in many scripts, with what is easily lost on the way: accents in both forms, final sigma, dotted capitals.
fn local() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}",
        "[a-zà-öø-ÿ]{1,10}",
        "[α-ωάέήίόύώ]{1,10}",
        "[а-яё]{1,10}",
        "[가-힣]{1,6}",
        "[ぁ-んァ-ヴ一-龠]{1,6}",
        "[א-ת]{1,8}",
        "[क-ह][ा-ौ]?",
        "[ạ-ỹ]{1,6}",
    ];
    proptest::collection::vec(words, 1..3).prop_map(|words| words.join("."))
}

fn domain() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        "[a-z][a-z0-9]{0,12}",
        "[a-z]{1,4}-[a-z0-9]{1,4}",
        "[à-öø-ÿ]{1,6}",
        "[α-ω]{1,6}",
        "[а-я]{1,6}",
        "[一-龠]{1,4}"
    ];
    (label, prop_oneof![Just("org"), Just("example"), Just("рф"), Just("δοκιμή")]).prop_map(|(l, t)| format!("{l}.{t}"))
}

/// Other spellings of an address: case, NFC and NFD, U-labels and A-labels, a trailing dot.
fn spellings(local: &str, domain: &str) -> Vec<String> {
    let a_labels = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, idna::uts46::DnsLength::Verify)
        .map(|ascii| ascii.into_owned())
        .unwrap_or_else(|_| domain.to_owned());
    let mut locals = vec![local.to_owned(), local.nfc().collect(), local.nfd().collect()];
    // Upper case only where it comes back: ß becomes SS, which is another address.
    let upper = local.to_uppercase();
    if upper.to_lowercase().nfc().eq(local.to_lowercase().nfc()) {
        locals.extend([upper.nfd().collect(), upper]);
    }
    let mut domains = vec![domain.to_owned(), domain.nfd().collect(), a_labels.to_uppercase(), a_labels];
    let upper = domain.to_uppercase();
    if upper.to_lowercase() == domain {
        domains.push(upper);
    }
    let dotted: Vec<_> = domains.iter().map(|domain| format!("{domain}.")).collect();
    domains.extend(dotted);
    locals.iter().flat_map(|local| domains.iter().map(move |domain| format!("{local}@{domain}"))).collect()
}

proptest! {
    #[test]
    fn spellings_become_one(local in local(), domain in domain()) {
        let Ok(identifier) = Identifier::parse(&format!("{local}@{domain}")) else { return Ok(()) };
        for spelling in spellings(&local, &domain) {
            // An upper-case spelling can be too long for a mailbox; then it is refused, never another address.
            match Identifier::parse(&spelling) {
                Ok(other) => prop_assert_eq!(&other, &identifier, "{}", spelling),
                Err(error) => prop_assert!(spelling.len() > MAX_IDENTIFIER_BYTES, "{}: {}", spelling, error),
            }
        }
    }

    /// Canonical once is canonical for ever, and the only spelling that is.
    #[test]
    fn canonical_of_canonical_is_canonical(text in prop_oneof![
        (local(), domain()).prop_map(|(local, domain)| format!("{local}@{domain}")),
        "\\PC{1,20}@\\PC{1,15}\\.org",
        "\\+[0-9]{6,15}",
    ]) {
        if let Ok(identifier) = Identifier::parse(&text) {
            let again = Identifier::parse(identifier.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), identifier.as_str());
            prop_assert_eq!(Identifier::from_canonical(&text).is_ok(), identifier.as_str() == text);
        }
    }

    /// Nothing that is refused when written is accepted when read: not as an identifier, not from JSON, and not from a
    /// certificate, whatever name form it stands in.
    #[test]
    fn what_cannot_be_written_cannot_be_read(text in prop_oneof![
        "\\PC{1,24}@\\PC{1,16}",
        "[a-zA-Zé.\"@ ]{1,10}@[a-zA-Zü.-]{1,10}(\\.org)?",
        "\\+[0-9 -]{3,16}",
    ]) {
        let canonical = Identifier::parse(&text).is_ok_and(|identifier| identifier.as_str() == text);
        prop_assert_eq!(Identifier::from_canonical(&text).is_ok(), canonical);
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<Identifier>(&json).is_ok(), canonical);
        prop_assert_eq!(readable_in_a_certificate(&text), canonical);
    }
}

/// Whether a certificate that names this text passes the lints that the verifier reads names by.
fn readable_in_a_certificate(text: &str) -> bool {
    use crate::{certificate::Tbs, oid, oid::extension, profile::Profile, rules::Rule};
    use der::{Any, Encode, Tag, asn1::Ia5String, asn1::OctetString};
    use std::sync::LazyLock;
    use x509_cert::ext::pkix::{SubjectAltName, name::OtherName};

    static DEVICES: LazyLock<[Tbs; 2]> = LazyLock::new(|| {
        let authority = Authority::new(1, NOON);
        ["alice@example.org", "+14155552671"].map(|text| {
            let (chain, _) = authority.issue_person(&Identifier::parse(text).unwrap(), NOON);
            Certificate::parse(&chain[0]).unwrap().tbs().clone()
        })
    });
    let uri = format!("tel:{text}");
    let other = Any::new(Tag::Utf8String, text.as_bytes()).unwrap();
    let names = [
        Ia5String::new(text).ok().map(GeneralName::Rfc822Name),
        Some(GeneralName::OtherName(OtherName { type_id: oid::SMTP_UTF8_MAILBOX, value: other })),
        Ia5String::new(&uri).ok().map(GeneralName::UniformResourceIdentifier),
    ];
    let reads = |name: &GeneralName, tbs: &Tbs, profile: &Profile| {
        let mut parts = tbs.to_parts();
        let san = parts.extensions.iter_mut().find(|e| e.extn_id == extension::SUBJECT_ALT_NAME).unwrap();
        san.extn_value = OctetString::new(SubjectAltName(vec![name.clone()]).to_der().unwrap()).unwrap();
        let findings = lint(&Tbs::from_parts(parts).unwrap(), profile);
        !findings.iter().any(|finding| [Rule::SanOne, Rule::SanCanonical].contains(&finding.rule))
    };
    let [mail, phone] = &*DEVICES;
    let forms: Vec<_> = names
        .iter()
        .flatten()
        .filter(|name| reads(name, mail, Profile::device()) || reads(name, phone, Profile::phone_device()))
        .collect();
    // And in no other form than the one in which it is written.
    if let [form] = &*forms {
        assert_eq!(**form, person_name(&Identifier::parse(text).unwrap()).unwrap());
    }
    assert!(forms.len() <= 1, "{text:?} in several forms");
    forms.len() == 1
}

/// Every numbering plan: an example number of every kind, in every format.
#[test]
fn numbers_of_every_country() {
    use phonenumber::{Mode, metadata::DATABASE};
    let (mut regions, mut without) = (0, Vec::new());
    for metadata in DATABASE.iter() {
        let kinds = metadata.descriptors();
        let more = [kinds.fixed_line(), kinds.mobile(), kinds.toll_free(), kinds.voip()];
        let examples =
            std::iter::once(kinds.general()).chain(more.into_iter().flatten()).filter_map(|kind| kind.example());
        let mut taken = 0;
        for example in examples {
            let e164 = format!("+{}{example}", metadata.country_code());
            let Ok(identifier) = Identifier::parse(&e164) else { continue };
            let number = phonenumber::parse(None, &e164).unwrap();
            for mode in [Mode::E164, Mode::International] {
                let spelling = number.format().mode(mode).to_string();
                assert_eq!(Identifier::parse(&spelling), Ok(identifier.clone()), "{spelling}");
            }
            assert_eq!(Identifier::from_canonical(identifier.as_str()), Ok(identifier));
            taken += 1;
        }
        if taken == 0 {
            without.push(format!("{} (+{})", metadata.id(), metadata.country_code()));
        }
        regions += 1;
    }
    // No country: international premium rate numbers, of which nobody is the owner.
    assert_eq!(without, ["001 (+979)"], "no number is taken");
    assert!(regions > 240, "{regions} regions");
}
