use identity::Identifier;
use identity::testing::{Authority, NOON};

use super::*;

fn alice() -> Vec<u8> {
    let alice = Identifier::parse("alice@example.org").unwrap();
    Authority::new(1, NOON).issue_person(&alice, NOON).0[0].to_vec()
}

#[test]
fn every_field_has_a_meaning_and_a_place_in_a_standard() {
    let explained = certificate::explain(&alice(), NOON).unwrap();
    assert_eq!(explained.faults, []);
    for Field { name, meaning, standard, .. } in &explained.fields {
        assert!(
            !name.is_empty() && meaning.len() > 5 && standard.chars().any(|c| c.is_ascii_digit() || c == '/'),
            "{name}"
        );
    }
    let value = |name: &str| explained.fields.iter().find(|field| field.name == name).unwrap().value.clone();
    assert_eq!(value("names"), "mail address alice@example.org");
    assert_eq!((value("key"), value("key may")), ("Ed25519".to_owned(), "digitalSignature, critical".to_owned()));
    assert!(value("log proof").starts_with("entry 0 of log.example.org/2026, "), "{}", value("log proof"));
    assert_eq!(value("policies"), "a person's device (profile device)");
}

#[test]
fn what_is_wrong_with_times_follows_the_clock() {
    let faults = |now: u64| {
        let now = identity::UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
        certificate::explain(&alice(), now).unwrap().faults
    };
    let noon = NOON.as_secs();
    assert!(faults(noon - 3_600)[0].what.contains("begins in 1 hour"), "{:?}", faults(noon - 3_600));
    assert!(faults(noon + 30 * 86_400)[0].what.contains("ended"), "{:?}", faults(noon + 30 * 86_400));
}

#[test]
fn no_bytes_make_it_panic() {
    let policy = Authority::new(1, NOON).policy().canonical();
    let entry = [&[1, 1][..], &[7; 64]].concat();
    assert!(
        matches!(&parts(&entry, NOON).unwrap()[..], [Part::Other(explained)] if explained.kind == "entry of a log")
    );
    assert!(matches!(&parts(&policy, NOON).unwrap()[..], [Part::Other(explained)] if explained.kind == "trust policy"));
    for whole in [alice(), policy, entry] {
        for cut in 0..whole.len().min(2_000) {
            let _ = parts(&whole[..cut], NOON);
        }
        for at in 0..whole.len().min(1_500) {
            let mut altered = whole.clone();
            altered[at] ^= 0x21;
            let _ = parts(&altered, NOON).map(|parts| {
                for part in parts {
                    if let Part::Chain(chain) = part {
                        let _ = certificate::explain(&chain[0], NOON);
                    }
                }
            });
        }
    }
    // Structures that nest as deep as they are long.
    let _ = parts(&[0x30, 0x80].repeat(10_000), NOON);
    let nested = (0..60).fold(vec![0x05, 0x00], |inner: Vec<u8>, _| {
        let length = u8::try_from(inner.len()).unwrap_or(0x7f);
        [vec![0x30, length], inner].concat()
    });
    let _ = parts(&nested, NOON);
}

#[test]
fn what_is_none_of_the_kinds_is_told_by_what_it_is() {
    let found = |bytes: &[u8]| parts(bytes, NOON).map(|_| ()).unwrap_err();
    assert_eq!(found(b""), "nothing: the file is empty");
    assert_eq!(found(b"Dear Alice,\n"), "text of another kind");
    assert_eq!(found(b"0 is how this text begins, and it is no DER\n"), "text of another kind");
    assert_eq!(found(&[0xfe; 500]), "bytes that are neither DER nor text");
    assert_eq!(found(b"{\"a\": 1}"), "JSON of another kind");
    assert!(found(b"{\"a\": ").starts_with("JSON that is damaged"));
    assert!(found(b"-----BEGIN PRIVATE KEY-----\nAAAA\n").starts_with("PEM that is cut short"));
    assert_eq!(found(b"-----BEGIN NOVEL-----\nAAAA\n-----END NOVEL-----\n"), "PEM of another kind: \"NOVEL\"");
    assert!(found(b"c2sp.org/tlog-proof@v1\nindex x\n").starts_with("a proof that is damaged"));
}
