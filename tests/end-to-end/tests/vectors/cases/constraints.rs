//! CHAIN-09 and CHAIN-10: whom and what an issuing certificate may certify.

use crate::case::{Case, person, rfc822};
use crate::der::{around, oid, seq, tlv};
use crate::draft::{Extension, NAME_CONSTRAINTS, POLICIES, POLICY_MAPPINGS};
use crate::house::{Ca, DEVICE, House, MAIL, PHONE_DEVICE, policies};

const ANY_POLICY: &str = "2.5.29.32.0";

pub(super) fn cases() -> Vec<Case> {
    [names(), certificate_policies()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    vec![
        person("good-name-constraint", "An organisation's CA: addresses at its domain, no URI, DNS or IP names.")
            .by(organisation),
        person("good-name-constraint-below", "A constraint with a leading period permits what is below.")
            .name("alice@mail.example.org")
            .by(organisation),
        person("good-name-constraint-not-ascii", "Constraints on rfc822Name hold for SmtpUTF8Mailbox (RFC 9598).")
            .name("jürgen@example.org")
            .by(organisation),
        person("good-name-constraint-mailbox", "One mailbox permitted, another excluded.")
            .by(|house| constrained(house, &[rfc822("alice@example.org")], &[rfc822("bob@example.org")])),
        person("chain-09-name-constraint-not-below", "A host permits no address on a host below it.")
            .name("alice@mail.example.org")
            .by(|house| constrained(house, &[rfc822("example.org")], &[])),
        person("chain-09-name-constraint-not-at", "With a leading period the domain itself is not permitted.")
            .by(|house| constrained(house, &[rfc822(".example.org")], &[])),
        person("chain-09-name-constraint-not-ascii", "An SmtpUTF8Mailbox outside of what is permitted.")
            .name("jürgen@xn--bcher-kva.example")
            .by(organisation),
        person("chain-09-name-constraint-excluded", "The very mailbox is excluded from the domain.")
            .by(|house| constrained(house, &[rfc822("example.org")], &[rfc822("alice@example.org")])),
        person("chain-09-name-constraint-phone", "A number where URIs are excluded.")
            .name("+14155552671")
            .by(organisation),
        person("chain-09-name-constraint-minimum", "A subtree with minimum 1, which has no meaning.").by(|house| {
            let subtree = seq([rfc822("example.org"), tlv(0x80, &[1])]);
            let value = seq([around(0xa0, [subtree])]);
            Ca::another(&house.root, |draft| draft.add(Extension::critical(NAME_CONSTRAINTS, value)))
        }),
    ]
}

/// A CA for people at one domain and below it.
fn organisation(house: &House) -> Ca {
    constrained(house, &[rfc822("example.org"), rfc822(".example.org")], &nowhere())
}

fn constrained(house: &House, permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Ca {
    let list = |tag, bases: &[Vec<u8>]| match bases {
        [] => Vec::new(),
        bases => around(tag, bases.iter().map(|base| seq([base.clone()]))),
    };
    let value = seq([list(0xa0, permitted), list(0xa1, excluded)]);
    Ca::another(&house.root, |draft| draft.add(Extension::critical(NAME_CONSTRAINTS, value)))
}

/// Every URI, every DNS name, every IPv4 and IPv6 address.
fn nowhere() -> Vec<Vec<u8>> {
    vec![tlv(0x86, b""), tlv(0x82, b""), tlv(0x87, &[0; 8]), tlv(0x87, &[0; 32])]
}

fn certificate_policies() -> Vec<Case> {
    vec![
        person("good-any-policy", "A CA with anyPolicy may issue under each.")
            .by(|house| Ca::another(&house.root, |draft| draft.set(POLICIES, policies(&[ANY_POLICY])))),
        person("chain-10-policy-not-of-issuer", "The CA is for numbers and mail, the certificate for a device.")
            .by(|house| Ca::another(&house.root, |draft| draft.set(POLICIES, policies(&[PHONE_DEVICE, MAIL])))),
        person("chain-10-issuer-without-policies", "The CA has no policy at all.")
            .by(|house| Ca::another(&house.root, |draft| draft.drop(POLICIES))),
        person("chain-10-policy-mapped", "The CA has the policy for mail and maps it to that of devices.").by(
            |house| {
                Ca::another(&house.root, |draft| {
                    draft.set(POLICIES, policies(&[MAIL]));
                    let mapping = seq([seq([oid(MAIL), oid(DEVICE)])]);
                    draft.add(Extension::critical(POLICY_MAPPINGS, mapping));
                })
            },
        ),
    ]
}
