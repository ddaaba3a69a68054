//! SAN and TRUST: whom the certificate names, and whether this authority may.

use crate::case::{Case, dns, mail, mailbox, person, rfc822, service, uri};
use crate::der::{around, oid, utf8};
use crate::house::{House, Key};
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    [forms(), addresses(), local_parts(), others(), trust()].into_iter().flatten().collect()
}

fn forms() -> Vec<Case> {
    let other = around(0xa0, [oid("1.3.6.1.4.1.311.20.2.3"), around(0xa0, [utf8("alice@example.org")])]);
    vec![
        person("san-01-host-for-a-person", "A DNS name in a person's certificate.")
            .spelled(dns("example.org"), "example.org"),
        person("san-01-number-for-an-address", "A telephone number under the policy of e-mail addresses.")
            .spelled(uri("tel:+14155552671"), "+14155552671"),
        person("san-01-address-for-a-number", "An e-mail address under the policy of numbers.")
            .name("+14155552671")
            .spelled(rfc822("alice@example.org"), "alice@example.org"),
        person("san-01-other-name", "An otherName of another kind.").names([other]),
        person("san-01-other-uri", "A URI that is no telephone number.")
            .name("+14155552671")
            .spelled(uri("sip:+14155552671"), "sip:+14155552671"),
    ]
}

fn addresses() -> Vec<Case> {
    let address =
        |name, description, spelling: &'static str| person(name, description).spelled(rfc822(spelling), spelling);
    vec![
        address("san-02-capital-letter", "A capital letter.", "Alice@example.org"),
        address("san-02-capital-letter-in-domain", "A capital letter in the domain.", "alice@Example.org"),
        address("san-02-dot-at-end", "A dot at the end of the domain.", "alice@example.org."),
        address("san-02-no-address", "No address at all.", "no address"),
        address("san-02-quoted", "A quoted local part.", "\"alice\"@example.org"),
        address("san-02-empty-part", "Two dots in a row.", "a..lice@example.org"),
        address("san-02-domain-of-one-label", "A domain without a dot.", "alice@localhost"),
        address("san-02-address-literal", "An IP address in place of a domain.", "alice@[192.0.2.1]"),
        address("san-02-all-digits-at-end", "A last label of digits only.", "alice@example.123"),
        address("san-02-broken-a-label", "An A-label that decodes to nothing allowed.", "alice@xn--a.example"),
        address("san-02-a-label-of-ascii", "An A-label for what is ASCII.", "alice@xn--example-.org"),
        address(
            "san-02-middle-dot",
            "U+00B7 that does not stand between two l (RFC 5892 appendix A.3).",
            "alice@xn--ab-0ea.example",
        ),
        address("san-02-old-hangul", "A conjoining Jamo (RFC 5892 section 2.9).", "alice@xn--ypd.example"),
        address("san-02-hyphens", "Two hyphens in third and fourth place, and no A-label.", "alice@ab--c.example"),
        address(
            "san-02-local-part-of-65",
            "A local part with a character too many.",
            "a2345678901234567890123456789012345678901234567890123456789012345@example.org",
        )
        .draft(|draft| {
            draft.subject = crate::der::seq([]);
            draft.extension(crate::draft::SUBJECT_ALT_NAME).critical = Some(true);
        }),
    ]
}

fn local_parts() -> Vec<Case> {
    let spelled =
        |name, description, spelling: &'static str| person(name, description).spelled(mailbox(spelling), spelling);
    vec![
        spelled("san-02-ascii-in-mailbox", "An ASCII local part in the form for others.", "alice@example.org"),
        spelled(
            "san-02-not-normalised",
            "A letter and a combining mark that NFC makes one.",
            "ju\u{308}rgen@example.org",
        ),
        spelled("san-02-capital-umlaut", "A capital letter that is not ASCII.", "Ümit@example.org"),
        spelled("san-02-zero-width-joiner", "A character that nobody sees.", "jür\u{200d}gen@example.org"),
        spelled("san-02-variation-selector", "A variation selector.", "jü\u{fe0f}rgen@example.org"),
        spelled("san-02-unassigned", "A code point that Unicode has not assigned.", "jü\u{378}@example.org"),
        spelled("san-02-private-use", "A code point for private use.", "jü\u{e000}@example.org"),
        spelled("san-02-combining-mark-first", "A combining mark at the beginning.", "\u{301}x@example.org"),
        spelled("san-02-no-break-space", "A space.", "jü\u{a0}x@example.org"),
        spelled("san-02-domain-in-u-labels", "The domain as people read it.", "jürgen@bücher.example"),
    ]
}

fn others() -> Vec<Case> {
    let number = |name, description, spelling: &'static str, subject: &'static str| {
        person(name, description).name("+14155552671").spelled(uri(spelling), subject)
    };
    let host = |name, description, spelling: &'static str| {
        service(name, description).spelled(dns(spelling), spelling).asked(spelling)
    };
    vec![
        number("san-02-number-with-separators", "A number with hyphens.", "tel:+1-415-555-2671", "+1-415-555-2671"),
        number("san-02-number-without-country", "A number without a country.", "tel:4155552671", "4155552671"),
        number("san-02-number-that-cannot-be", "A number that no plan has.", "tel:+14155", "+14155"),
        number(
            "san-02-number-with-parameter",
            "A number with a parameter.",
            "tel:+14155552671;ext=1",
            "+14155552671;ext=1",
        ),
        host("san-02-service-capital-letter", "A capital letter in a service's name.", "Directory.example.org"),
        host("san-02-service-wildcard", "A wildcard.", "*.example.org").asked("www.example.org"),
        service("san-03-another-service", "Another name was asked for.").asked("example.org"),
        service("san-03-parent-domain", "The name below what was asked for.").asked("www.directory.example.org"),
        service("san-03-address", "An IP address was asked for.").asked("127.0.0.1"),
    ]
}

fn trust() -> Vec<Case> {
    vec![
        person("trust-01-no-addresses", "The authority may certify numbers only.")
            .policy(|_, policy| policy["authorities"][0]["kinds"] = json!(["phone"])),
        person("trust-01-no-numbers", "The authority may certify addresses only.")
            .name("+14155552671")
            .policy(|_, policy| policy["authorities"][0]["kinds"] = json!(["email"])),
        person("trust-02-another-domain", "The authority may certify another domain.")
            .policy(|_, policy| policy["authorities"][0]["domains"] = json!(["example.com"])),
        person("trust-02-parent-domain", "A domain permits none below it.")
            .name("alice@mail.example.org")
            .policy(|_, policy| policy["authorities"][0]["domains"] = json!(["example.org"])),
        person("trust-02-end-of-domain", "A domain is no ending.")
            .policy(|_, policy| policy["authorities"][0]["domains"] = json!(["ample.org"])),
        person("trust-03-another-prefix", "The authority may certify numbers of another country.")
            .name("+14155552671")
            .policy(|_, policy| policy["authorities"][0]["phone_prefixes"] = json!(["+49"])),
        person("trust-06-another-authority", "Alice is known by another authority, and has confirmed no other.")
            .bound(|_| House::named("Other authority", Key::p256).root),
        mail("trust-06-mail-of-another-authority", "The same of a certificate for mail.")
            .bound(|_| House::named("Other authority", Key::p256).root),
        service("trust-12-no-service-of-the-policy", "The trust policy names no such service.")
            .policy(|_, policy| policy["directories"] = json!([])),
        service("trust-12-below-a-service", "A name permits none below it.").name("below.directory.example.org"),
    ]
}
