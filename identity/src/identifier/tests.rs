mod properties;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn becomes(spelling: &str, canonical: &str) {
    let identifier = Identifier::parse(spelling).unwrap_or_else(|e| panic!("{spelling:?}: {e}"));
    assert_eq!(identifier.as_str(), canonical);
    assert_eq!(Identifier::from_canonical(canonical).unwrap(), identifier);
    if spelling != canonical {
        assert!(matches!(Identifier::from_canonical(spelling), Err(IdentifierError::NotCanonical { .. })));
    }
}

#[test]
fn spellings_of_one_address_become_one() {
    becomes("alice@example.org", "alice@example.org");
    becomes("Alice@EXAMPLE.org.", "alice@example.org");
    becomes("o'hara+tag@a-b.example", "o'hara+tag@a-b.example");
    becomes("JÜRGEN@BÜCHER.example", "jürgen@xn--bcher-kva.example");
    becomes("ju\u{308}rgen@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example");
    // IDNA2008, not 2003: ß is a letter of its own.
    becomes("a@straße.example", "a@xn--strae-oqa.example");
    becomes("δοκιμή@παράδειγμα.δοκιμή", "δοκιμή@xn--hxajbheg2az3al.xn--jxalpdlp");
}

#[test]
fn a_glance_is_enough_for_plain_addresses_alone() {
    let longest = |local, label| format!("{}@{}.example", "a".repeat(local), "b".repeat(label));
    for text in ["alice@example.org", "o'hara+tag@a-b.4.example", &longest(64, 63)] {
        assert!(email::is_plain(text), "{text}");
        becomes(text, text);
    }
    let long = |local, labels| format!("{}@{}example.org", "a".repeat(local), "b.".repeat(labels));
    assert!(email::is_plain(&long(20, 111)), "254 octets");
    for text in [long(21, 111), long(64, 121), long(1, 122)] {
        assert!(!email::is_plain(&text) && Identifier::from_canonical(&text).is_err(), "{} octets", text.len());
    }
    for text in [
        "Alice@example.org",
        "alice@Example.org",
        "alice@example.org.",
        "ü@example.org",
        "a@ü.example",
        "alice@example",
        "a@xn--bcher-kva.example",
        "a@a--b.example",
        "a@-b.example",
        "a@b-.example",
        "a@b..example",
        "a@1.2",
        "@example.org",
        "a..b@example.org",
        ".a@example.org",
        "a.@example.org",
        "a@b@example.org",
        "a b@example.org",
        "example.org",
        "+14155552671",
        &longest(65, 1),
        &longest(1, 64),
    ] {
        assert!(!email::is_plain(text), "{text}");
    }
}

#[test]
fn spellings_of_one_number_become_one() {
    becomes("+14155552671", "+14155552671");
    becomes("+1 (415) 555-2671", "+14155552671");
    becomes("+49 30 123456", "+4930123456");
    becomes("+44 (0)20 7946 0018", "+442079460018");
    assert_eq!(Identifier::parse("+14155552671").unwrap().kind(), IdentifierKind::Phone);
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "alice",
        "@",
        "@example.org",
        "alice@",
        "a@b@example.org",
        "alice@localhost",
        "alice@[127.0.0.1]",
        "alice@127.0.0.1",
        "\"alice\"@example.org",
        "alice(comment)@example.org",
        "al ice@example.org",
        ".alice@example.org",
        "alice.@example.org",
        "al..ice@example.org",
        "alice@example..org",
        "alice@example.org..",
        "alice@-example.org",
        "alice@exa_mple.org",
        "alice@☕.example",
        "alice@example.org\n",
        " alice@example.org",
        "al\u{200b}ice@example.org",
        "al\u{e000}ice@example.org",
        "al\u{378}ice@example.org",
        "\u{301}a@example.org",
        "\u{1d400}@example.org",
        "al\u{fe0f}ice@example.org",
        "alice\u{0}@example.org",
        "a@xn--a.example",
        "+",
        "+1",
        "+999999999999",
        "4155552671",
        "+1415555267100000000",
        "+14155552671;ext=5",
        "+1415555CALL",
        "tel:+14155552671",
    ] {
        assert!(Identifier::parse(text).is_err(), "{text:?} was accepted");
    }
    assert!(Identifier::parse(&format!("{}@example.org", "a".repeat(65))).is_err());
    assert!(Identifier::parse(&format!("a@{}org", "abcdefgh.".repeat(29))).is_err());
    assert!(matches!(Identifier::parse(&"é@".repeat(200)), Err(IdentifierError::TooLong { .. })));
}

#[test]
fn the_parts_are_named() {
    let alice = Identifier::parse("alice@example.org").unwrap();
    assert_eq!((alice.local_part(), alice.domain()), (Some("alice"), Some("example.org")));
    assert_eq!(Identifier::parse("+14155552671").unwrap().domain(), None);
}

#[test]
fn json_takes_the_canonical_spelling_only() {
    let alice: Identifier = serde_json::from_str("\"alice@example.org\"").unwrap();
    assert_eq!(serde_json::to_string(&alice).unwrap(), "\"alice@example.org\"");
    assert!(serde_json::from_str::<Identifier>("\"Alice@example.org\"").is_err());
}

/// Lower-casing comes from the standard library, normalisation and categories from crates: an upgrade of one of them
/// could change what is canonical, so it must be seen. That the standard library is a version behind does no harm, as a
/// capital letter that it cannot fold is refused.
#[test]
fn unicode_versions_are_pinned() {
    assert_eq!(char::UNICODE_VERSION, (17, 0, 0));
    assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
    assert_eq!(unicode_properties::UNICODE_VERSION, (18, 0, 0));
    assert_eq!(unicode_script::UNICODE_VERSION, (18, 0, 0));
    // Not about what is canonical: an upgrade changes warnings.
    assert_eq!(unicode_security::UNICODE_VERSION, (18, 0, 0));
}

#[test]
fn what_looks_like_something_else_is_told() {
    let told = |text: &str| Identifier::parse(text).unwrap().lookalike().map(|l| l.to_string());
    for (text, shown, resembles) in [
        ("\u{430}lice@example.org", "\u{430}lice@example.org", "alice@example.org"),
        ("alice@ex\u{430}mple.org", "alice@ex\u{430}mple.org", "alice@example.org"),
        // A whole label in Cyrillic, once as it is seen and once as it is written.
        (
            "a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.example",
            "a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.example",
            "a@apple.example",
        ),
        ("a@xn--80ak6aa92e.example", "a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.example", "a@apple.example"),
        ("\u{131}van@example.org", "\u{131}van@example.org", "ivan@example.org"),
    ] {
        assert_eq!(told(text).unwrap(), format!("{shown} looks like {resembles}, but is not"));
    }
    // Not all of it looks like ASCII, but nobody writes ж between Latin letters.
    let mixed = told("ali\u{436}e@example.org").unwrap();
    assert!(mixed.ends_with("\"ali\u{436}e\" mixes letters of several scripts"), "{mixed}");
    for honest in [
        "alice@example.org",
        "rn1l0@example.org",
        "+14155552671",
        "jürgen@bücher.example",
        "weiß+søren.łukasz@example.org",
        "δοκιμή@παράδειγμα.δοκιμή",
        "иван+shop@пример.example",
        "иван@example.org",
        "山田taro@例え.example",
        "名前@example.org",
        "김@example.org",
        "नमस्ते@example.org",
    ] {
        assert_eq!(told(honest), None, "{honest}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,40}") {
        if let Ok(identifier) = Identifier::parse(&text) {
            prop_assert_eq!(Identifier::from_canonical(identifier.as_str()).unwrap(), identifier);
        }
    }

    /// What is canonical at a glance is so by all rules.
    #[test]
    fn a_glance_says_what_the_rules_say(text in "[a-zA-Z0-9.@_+ü-]{0,12}@([a-z0-9A-Zü-]{0,6}\\.?){0,4}") {
        if email::is_plain(&text) {
            prop_assert_eq!(Identifier::parse(&text).unwrap(), Identifier::from_canonical(&text).unwrap());
        }
    }

    #[test]
    fn addresses_are_idempotent(local in "[\\p{L}\\p{M}\\p{N}.+-]{1,12}", domain in "[\\p{L}\\p{M}\\p{N}-]{1,10}\\.(org|ORG|δοκιμή)") {
        if let Ok(identifier) = Identifier::parse(&format!("{local}@{domain}")) {
            prop_assert_eq!(Identifier::from_canonical(identifier.as_str()).unwrap(), identifier);
        }
    }

    #[test]
    fn numbers_are_idempotent(text in "\\+[0-9 ().-]{3,20}") {
        if let Ok(identifier) = Identifier::parse(&text) {
            prop_assert_eq!(Identifier::from_canonical(identifier.as_str()).unwrap(), identifier);
        }
    }

    #[test]
    fn ascii_case_never_matters(local in "[a-z0-9+_-]{1,20}", domain in "[a-z][a-z0-9]{0,10}\\.org") {
        let address = format!("{local}@{domain}");
        prop_assert_eq!(Identifier::parse(&address.to_uppercase()), Identifier::parse(&address));
    }
}

#[test]
fn the_numbering_plan_tells_what_a_number_is_for() {
    let of = |text: &str| Identifier::parse(text).unwrap().numbering().map(|n| (n.country_code, n.line));
    assert_eq!(of("+4915112345678"), Some((49, Line::Mobile)));
    assert_eq!(of("+493012345678"), Some((49, Line::Fixed)));
    assert_eq!(of("+499001234567"), Some((49, Line::Premium)), "premium rate");
    assert_eq!(of("+447012345678"), Some((44, Line::Premium)), "a personal number that its holder earns by");
    assert_eq!(of("+14155552671"), Some((1, Line::FixedOrMobile)));
    assert_eq!(of("+18005552671"), Some((1, Line::Other)), "toll free");
    assert_eq!(of("+19005552671"), Some((1, Line::Premium)));
    assert_eq!(of("+881612345678"), Some((881, Line::Global)), "a satellite");
    assert_eq!(of("+886912345678"), Some((886, Line::Mobile)), "Taiwan is a country in this sense");
    assert_eq!(of("alice@example.org"), None);
}
