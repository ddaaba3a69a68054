//! REV: revoked certificates, revocation lists that are none, and lists that are parts.

use crate::case::{Case, person, uri};
use crate::der::{self, around, int, number, seq, tlv};
use crate::draft::{
    AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, CRL_NUMBER, CRL_PLACE, DELTA_CRL, Extension, KEY_USAGE, ListDraft,
};
use crate::house::{Ca, DAY, House, Key, NOON, authority_key_id, base64};

pub(super) fn cases() -> Vec<Case> {
    [certificates(), encodings(), issuers(), order(), parts(), places()].into_iter().flatten().collect()
}

fn certificates() -> Vec<Case> {
    vec![
        person("rev-01-revoked", "Its serial number stands in the list of its issuer.")
            .list(|house, serial| house.people.list(1, NOON, &[int(&[1, 2, 3]), serial.to_vec()], |_| ())),
        person("rev-02-revoked-in-a-list-too-old", "A list older than seven days is refused, whatever it says.")
            .list(|house, serial| house.people.list(1, NOON, &[serial.to_vec()], |_| ()))
            .after(8 * DAY),
        person("rev-02-list-too-old", "The list is older than seven days by a second.")
            .list(|house, _| house.people.list(1, NOON, &[], |list| list.next_update = der::time(NOON + 10 * DAY)))
            .after(7 * DAY + 1),
        person("rev-01-revoked-in-its-part", "In the list of the very place that the certificate names.")
            .list(|house, serial| house.people.list(1, NOON, &[serial.to_vec()], |list| list.at(PLACE))),
        person("rev-01-revoked-in-the-complete-list", "Not in the newer list of its place, but in the complete one.")
            .list(|house, serial| house.people.list(1, NOON, &[serial.to_vec()], |_| ()))
            .list(|house, _| house.people.list(2, NOON + 60, &[], |list| list.at(PLACE)))
            .after(60),
    ]
}

/// What the certificates of these cases name.
pub(super) const PLACE: &str = "http://ca.example.org/crl";
/// What others name.
pub(super) const ELSEWHERE: &str = "http://ca.example.org/crl/7";

/// Parts of another kind than by place.
fn parts() -> Vec<Case> {
    let part = |name, description, fields: fn() -> Vec<Vec<u8>>| {
        person(name, description)
            .list(move |house, _| {
                house.people.list(1, NOON, &[], |list| {
                    list.extensions.push(Extension::critical(CRL_PLACE, seq(fields())));
                })
            })
            .about_list()
    };
    vec![
        part("rev-06-without-a-place", "For certificates of people and machines, wherever.", || vec![truth(0x81)]),
        part("rev-06-certificates-of-authorities", "For issuing certificates only.", || vec![place(), truth(0x82)]),
        part("rev-06-some-reasons", "For compromised keys only.", || vec![place(), tlv(0x83, &[6, 0x40])]),
        part("rev-06-indirect", "In the name of other issuers, too.", || vec![place(), truth(0x84)]),
        part("rev-06-attribute-certificates", "For attribute certificates only.", || vec![place(), truth(0x85)]),
        part("rev-06-two-places", "Two addresses.", || {
            vec![around(0xa0, [around(0xa0, [uri(PLACE), uri(ELSEWHERE)])])]
        }),
        part("rev-06-name-of-a-directory", "A place that is no address: a name.", || {
            vec![around(0xa0, [around(0xa0, [around(0xa4, [crate::case::common_name("lists")])])])]
        }),
        spoiled("rev-06-not-critical", "Whoever does not know of places would take the part for the whole.", |list| {
            list.extensions.push(Extension::new(CRL_PLACE, seq([place()])));
        }),
        part("rev-06-default-written", "onlyContainsUserCerts is FALSE, and written.", || {
            vec![place(), tlv(0x81, &[0])]
        }),
    ]
}

fn truth(tag: u8) -> Vec<u8> {
    tlv(tag, &[0xff])
}

fn place() -> Vec<u8> {
    around(0xa0, [around(0xa0, [uri(PLACE)])])
}

/// Lists of the right form that speak for others.
fn places() -> Vec<Case> {
    vec![
        person("good-list-of-its-place", "The list of the place that the certificate names.")
            .list(|house, _| house.people.list(1, NOON, &[int(&[1, 2, 3])], |list| list.at(PLACE)))
            .not_revoked(),
        person("good-list-of-people-at-its-place", "The list says, too, that it is about no issuing certificates.")
            .list(|house, _| {
                house.people.list(1, NOON, &[], |list| {
                    list.extensions.push(Extension::critical(CRL_PLACE, seq([place(), tlv(0x81, &[0xff])])));
                })
            })
            .not_revoked(),
        person("good-list-of-another-place", "It says nothing of this certificate, whose number stands in it.")
            .list(|house, serial| house.people.list(1, NOON, &[serial.to_vec()], |list| list.at(ELSEWHERE))),
        person("good-lists-of-two-places", "Each place counts its lists by itself.")
            .list(|house, _| house.people.list(9, NOON, &[], |list| list.at(ELSEWHERE)))
            .list(|house, _| house.people.list(1, NOON - 60, &[], |list| list.at(PLACE)))
            .not_revoked(),
        person("good-complete-list-beside-its-place", "A list of its place, and an older, complete one.")
            .list(|house, _| house.people.list(2, NOON, &[], |list| list.at(PLACE)))
            .list(|house, _| house.people.list(1, NOON - 60, &[int(&[1, 2, 3])], |_| ()))
            .not_revoked(),
    ]
}

/// A list that is spoiled.
fn spoiled(name: &'static str, description: &'static str, change: fn(&mut ListDraft)) -> Case {
    person(name, description).list(move |house, _| house.people.list(1, NOON, &[], change)).about_list()
}

fn encodings() -> Vec<Case> {
    let altered = |name, description, change: fn(&mut Vec<u8>)| {
        let list = move |house: &House, _: &[u8]| {
            let mut list = house.people.list(1, NOON, &[], |_| ());
            change(&mut list);
            list
        };
        person(name, description).list(list).about_list()
    };
    vec![
        altered("rev-03-no-list", "Text in place of a list.", |list| *list = b"hello".to_vec()),
        altered("rev-03-trailing-byte", "A byte after the list.", |list| list.push(0)),
        altered("rev-03-length-not-minimal", "The outermost length in a byte more than is needed.", |list| {
            list[1] += 1;
            list.insert(2, 0);
        }),
        spoiled("rev-03-version-1", "A v1 list has no extensions.", |list| {
            list.version.clear();
            list.extensions.clear();
        }),
        spoiled("rev-03-no-number", "No cRLNumber.", |list| list.drop(CRL_NUMBER)),
        spoiled("rev-03-no-key-identifier", "No authorityKeyIdentifier.", |list| list.drop(AUTHORITY_KEY_ID)),
        spoiled("rev-03-no-next-update", "No nextUpdate.", |list| list.next_update.clear()),
        spoiled("rev-03-delta", "A delta list: its indicator is critical.", |list| {
            list.extensions.push(Extension::critical(DELTA_CRL, number(1)));
        }),
        spoiled("rev-03-critical-in-entry", "A critical extension of an entry.", |list| {
            let extension = seq([der::oid("2.5.29.29"), tlv(der::BOOLEAN, &[0xff]), der::octets(&[0x05, 0x00])]);
            list.revoked.push(seq([int(&[1, 2, 3]), der::time(NOON), seq([extension])]));
        }),
    ]
}

fn issuers() -> Vec<Case> {
    let by = |name, description, make: fn(&House) -> Vec<u8>| {
        person(name, description).list(move |house, _| make(house)).about_list()
    };
    vec![
        by("rev-04-unknown-issuer", "By the people CA of another authority.", |_| {
            House::named("Other authority", Key::p256).people.list(1, NOON, &[], |_| ())
        }),
        by(
            "rev-04-by-the-root",
            "A root's list: roots and issuing certificates are withdrawn by the policy.",
            |house| house.root.list(1, NOON, &[], |_| ()),
        ),
        by("rev-04-signature-altered", "One bit of the signature.", |house| {
            let mut list = house.people.list(1, NOON, &[], |_| ());
            *list.last_mut().unwrap() ^= 1;
            list
        }),
        by("rev-04-signed-by-another-issuer", "In the name of the people CA, signed by the services CA.", |house| {
            house.services.list(1, NOON, &[], |list| {
                list.issuer.clone_from(&house.people.name);
                list.extensions[0] = Extension::new(AUTHORITY_KEY_ID, authority_key_id(&house.people.key));
            })
        }),
        by("rev-04-other-key-identifier", "The right name and signature, the identifier of another key.", |house| {
            house.people.list(1, NOON, &[], |list| {
                list.extensions[0] = Extension::new(AUTHORITY_KEY_ID, authority_key_id(&house.services.key));
            })
        }),
        person("rev-04-may-not-sign-lists", "An issuing certificate of the policy without cRLSign.")
            .list(|house, _| without_crl_sign(house).list(1, NOON, &[], |_| ()))
            .policy(|house, policy| {
                let issuers = policy["authorities"][0]["issuers"].as_array_mut().unwrap();
                issuers.push(base64(&without_crl_sign(house).certificate));
            })
            .about_list(),
    ]
}

fn without_crl_sign(house: &House) -> Ca {
    Ca::another(&house.root, |draft| {
        // keyCertSign alone.
        draft.set(KEY_USAGE, der::bits(2, &[0x04]));
        draft.extension(BASIC_CONSTRAINTS).critical = Some(true);
    })
}

fn order() -> Vec<Case> {
    let lists = |name, description, lists: [(u64, u64); 2]| {
        let list = |(count, time)| move |house: &House, _: &[u8]| house.people.list(count, time, &[], |_| ());
        person(name, description).list(list(lists[0])).list(list(lists[1])).after(DAY).about_list()
    };
    vec![
        person("rev-05-from-the-future", "Five minutes and a second ahead.")
            .list(|house, _| house.people.list(1, NOON + 301, &[], |_| ()))
            .about_list(),
        lists(
            "rev-05-smaller-number",
            "A list with a smaller number than the one before.",
            [(2, NOON), (1, NOON + 60)],
        ),
        lists("rev-05-older", "A list with a larger number that was made earlier.", [(1, NOON + 60), (2, NOON)]),
    ]
}
