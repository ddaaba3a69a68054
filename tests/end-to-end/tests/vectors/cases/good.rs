//! What must be accepted.

use ed25519_dalek::SigningKey;
use identity::transparency::VrfSecretKey;
use serde_json::json;
use tlog_proof::NoteSigner;

use crate::case::{Case, crl_points, mail, person, service};
use crate::der;
use crate::draft::CRL_POINTS;
use crate::house::{Ca, DAY, House, Key, NOON, ORIGIN, base64, key_digest, seed};

pub(super) fn cases() -> Vec<Case> {
    [people(), places(), witnesses(), times(), trust(), retired()].into_iter().flatten().collect()
}

fn people() -> Vec<Case> {
    vec![
        person("good-email", "An e-mail address."),
        person("good-email-not-ascii", "A local part that is not ASCII stands in an SmtpUTF8Mailbox.")
            .name("jürgen@xn--bcher-kva.example"),
        person(
            "good-email-of-many-scripts",
            "Greek with a final sigma, Han, and a digit; normalised and in lower case.",
        )
        .name("νίκος.山田7@example.org"),
        person("good-email-of-all-signs", "Every ASCII sign that a local part may have.")
            .name("!#$%&'*+-/=?^_`{|}~@example.org"),
        person("good-email-too-long-for-subject", "More than 64 characters: an empty subject, and a critical name.")
            .name("a-name-that-is-longer-than-most-people-would-like-to-type@mail.example.org"),
        person("good-phone", "A phone number.").name("+14155552671"),
        person("good-phone-elsewhere", "A phone number in Germany.").name("+4930123456"),
        service("good-service", "A service by its DNS name."),
        service("good-service-at-acme", "The host of the authority's ACME server.").name("ca.example.org"),
        service("good-service-at-log", "The host of the authority's log.")
            .name("log.example.org")
            .policy(|house, policy| policy["tlog_policy"] = with_address(&house.log_policy(1, "quorum w1\n")).into()),
        service("good-service-of-one-label", "A name without a dot.").name("localhost"),
        service("good-service-international", "A name with an A-label.").name("xn--bcher-kva.example"),
        service("good-service-asked-in-capitals", "What was asked for is brought into canonical form first.")
            .asked("Directory.EXAMPLE.org"),
    ]
}

fn places() -> Vec<Case> {
    vec![
        person("good-log-of-one", "The only entry of the log: an empty path.").logged(|l| (l.index, l.size) = (0, 1)),
        person("good-log-last-entry", "The last entry of a tree that is not complete.")
            .logged(|l| (l.index, l.size) = (6, 7)),
        person("good-log-of-a-billion", "A path of thirty hashes.")
            .logged(|l| (l.index, l.size) = (123_456_789, 1 << 30)),
        person("good-log-largest", "The largest tree there can be, and its last entry.")
            .logged(|l| (l.index, l.size) = (i64::MAX as u64 - 1, i64::MAX as u64)),
        person("good-slot-31", "The last slot.").logged(|l| l.slot = 31),
    ]
}

/// Two of three witnesses, and a mirror among those who cosigned.
pub(super) const WITH_MIRROR: &str = "group seen 2 w1 w2 w3\ngroup both all seen w4\nquorum both\n";

fn witnesses() -> Vec<Case> {
    let two = "group two 2 w1 w2 w3\nquorum two\n";
    vec![
        person("good-quorum-two-of-three", "Two witnesses, where two of three are the quorum.")
            .logged(|l| l.cosigned = vec![(0, NOON), (2, NOON + 60)])
            .policy(move |house, policy| policy["tlog_policy"] = house.log_policy(3, two).into()),
        person("good-quorum-of-groups", "A group in a group: one of two, and the third.")
            .logged(|l| l.cosigned = vec![(1, NOON), (2, NOON)])
            .policy(|house, policy| {
                policy["tlog_policy"] =
                    house.log_policy(3, "group either any w1 w2\ngroup both all either w3\nquorum both\n").into();
            }),
        person("good-quorum-with-a-mirror", "Two of three witnesses, and the mirror that is demanded besides.")
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON), (3, NOON + 60)])
            .policy(|house, policy| policy["tlog_policy"] = house.log_policy(4, WITH_MIRROR).into()),
        person("good-late-cosignature-beside-enough", "One cosignature is too late to count; the others are enough.")
            .counting(&[0, 2])
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON + DAY + 1), (2, NOON)])
            .policy(move |house, policy| policy["tlog_policy"] = house.log_policy(3, two).into()),
        person(
            "good-unknown-witness-beside",
            "A cosignature by a key that the policy does not know, and is not even right.",
        )
        .counting(&[0])
        .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON)])
        .proof(|proof| proof.cosignatures[1].signature = [0; 64]),
        person(
            "good-known-name-of-unknown-key",
            "A witness has a new key that the policy does not know, and its old one.",
        )
        .counting(&[0])
        .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON)])
        .proof(|proof| proof.cosignatures[1].name = "witness.example.org/w1".to_owned()),
        person("good-cosigned-five-minutes-before", "The earliest time at which a cosignature counts.")
            .logged(|l| l.cosigned = vec![(0, NOON - 300)]),
        person("good-cosigned-a-day-after", "The latest time at which a cosignature counts.")
            .logged(|l| l.cosigned = vec![(0, NOON + DAY)]),
    ]
}

fn times() -> Vec<Case> {
    // 2049-12-30 00:00:00 UTC.
    const NEAR_2050: u64 = 2_524_435_200;
    vec![
        person("good-last-second", "The last second of a certificate is one of its own.").after(14 * DAY - 1),
        person("good-thirty-days", "The longest life that the profile allows.")
            .draft(|draft| draft.not_after = der::time(NOON + 30 * DAY - 1))
            .after(29 * DAY),
        person("good-into-2050", "Begins in UTCTime and ends in GeneralizedTime.")
            .begins(NEAR_2050)
            .by(|house| Ca::another(&house.root, |draft| draft.not_after = der::time(NEAR_2050 + 365 * DAY))),
    ]
}

fn trust() -> Vec<Case> {
    vec![
        person("good-leaf-alone", "The issuing certificate is in the trust policy, and need not be sent.")
            .given(|_, given| given.chain.truncate(1)),
        person("good-issuer-sent", "The issuing certificate is not in the trust policy but is sent, after others.")
            .by(|house| Ca::another(&house.root, |_| ()))
            .given(|house, given| given.chain.insert(1, house.services.certificate.clone())),
        person(
            "good-issuer-sent-another-withdrawn",
            "The policy has withdrawn another key than that of the issuer sent.",
        )
        .by(|house| Ca::another(&house.root, |_| ()))
        .policy(|_, policy| {
            policy["authorities"][0]["withdrawn"] = json!([key_digest(&Key::p256("a withdrawn CA"))]);
        }),
        person("good-bound-to-this-authority", "Alice is known by this very authority.")
            .bound(|house| house.root.clone()),
        person("good-bound-is-somebody-else", "Alice is known by another authority; it is Bob who comes.")
            .name("bob@example.org")
            .bound(|_| House::named("Other authority", Key::p256).root),
        mail("good-mail-bound-to-this-authority", "A binding is to the authority, not to a profile.")
            .bound(|house| house.root.clone()),
        person("good-garbage-sent", "What is sent besides the leaf and leads nowhere is passed over.")
            .given(|_, given| given.chain = vec![given.chain[0].clone(), b"no certificate".to_vec()]),
        person("good-p384", "An authority with P-384 keys.").house(|| House::named("Large authority", Key::p384)),
        person("good-two-authorities", "Two authorities in one policy; the second is the one.").policy(
            |house, policy| {
                let mut other = House::named("Other authority", Key::p256).policy()["authorities"][0].take();
                other["log"] = policy["authorities"][0]["log"].clone();
                policy["authorities"].as_array_mut().unwrap().insert(0, other);
                policy["name"] = format!("{} and another", house.name).into();
            },
        ),
        person("good-list-over-https", "The address of the revocation list may be HTTPS, too.")
            .set(CRL_POINTS, crl_points(&["https://ca.example.org/crl"])),
        person("good-proof-not-last", "Authorities write the transparency extension last; verifiers do not ask.").last(
            |draft| {
                let proof = draft.extensions.pop().unwrap();
                draft.extensions.insert(0, proof);
            },
        ),
        person("good-domain-permitted", "The authority may certify this very domain.")
            .policy(|_, policy| policy["authorities"][0]["domains"] = json!(["example.com", "example.org"])),
        person("good-prefix-permitted", "The authority may certify numbers with this prefix.")
            .name("+14155552671")
            .policy(|_, policy| policy["authorities"][0]["phone_prefixes"] = json!(["+49", "+1415"])),
        person("good-not-revoked", "In a fresh list of its issuer are others.")
            .list(|house, _| house.people.list(1, NOON, &[der::int(&[1, 2, 3])], |_| ()))
            .not_revoked(),
        person("good-list-without-entries", "Nobody is revoked.")
            .list(|house, _| house.people.list(1, NOON, &[], |_| ()))
            .not_revoked(),
        person("good-list-of-seven-days", "The oldest list that still counts.")
            .list(|house, _| house.people.list(1, NOON, &[], |list| list.next_update = der::time(NOON + 10 * DAY)))
            .after(7 * DAY)
            .not_revoked(),
        person(
            "good-revoked-by-another-issuer",
            "The services CA revoked the same serial number: another certificate.",
        )
        .list(|house, serial| house.services.list(1, NOON, &[serial.to_vec()], |_| ())),
    ]
}

/// What is retired still vouches for what it saw.
fn retired() -> Vec<Case> {
    vec![
        person("good-witness-retired-since", "The witness retired in the second in which it cosigned.")
            .policy(|house, policy| {
                policy["windows"] = json!([{ "key": house.witnesses[0].vkey().to_string(), "not_after": NOON }]);
            })
            .after(DAY),
        person("good-log-closed-since", "The log was closed in the second in which the witness cosigned.")
            .policy(|house, policy| {
                policy["windows"] = json!([{
                    "key": house.log.vkey().to_string(), "not_before": NOON, "not_after": NOON,
                }]);
            })
            .after(DAY),
        person("good-earlier-log", "The authority has another log by now, with another VRF key.").policy(
            |house, policy| {
                let other =
                    NoteSigner::new("log.example.org/2027", SigningKey::from_bytes(&seed("log of 2027"))).unwrap();
                let text = house.log_policy(1, &format!("log {}\nquorum w1\n", other.vkey()));
                let authority = &mut policy["authorities"][0];
                authority["earlier_logs"] = json!([{ "log": ORIGIN, "vrf_key": authority["vrf_key"].clone() }]);
                authority["log"] = "log.example.org/2027".into();
                let key = VrfSecretKey::from_bytes(&seed("VRF key of 2027"));
                authority["vrf_key"] = base64(&key.public().to_bytes());
                policy["tlog_policy"] = text.into();
            },
        ),
    ]
}

/// The log's line with where the log is read.
fn with_address(log_policy: &str) -> String {
    log_policy.replacen('\n', " https://Log.example.org:8443/2026\n", 1)
}
