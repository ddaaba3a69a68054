//! LOG, SLOT and WIT: proofs that do not prove it.

use identity::transparency::{ExtCosignature, VrfProof, VrfSecretKey};
use serde_json::json;
use tlog_proof::Hash;

use crate::case::{Case, person, service};
use crate::der::{self, seq};
use crate::draft::TRANSPARENCY;
use crate::house::{DAY, House, Key, NOON, ORIGIN, base64, seed};

pub(super) fn cases() -> Vec<Case> {
    [presence(), encodings(), slots(), labels(), paths(), signatures(), witnesses(), times(), windows()]
        .into_iter()
        .flatten()
        .collect()
}

fn presence() -> Vec<Case> {
    vec![
        person("log-01-no-proof", "No transparency extension.").last(|draft| draft.drop(TRANSPARENCY)),
        person("log-01-twice", "The transparency extension twice.").last(|draft| {
            let proof = draft.extension(TRANSPARENCY).clone();
            draft.add(proof);
        }),
    ]
}

fn encodings() -> Vec<Case> {
    vec![
        person("log-02-no-extension", "An empty sequence.").value(|value| *value = seq([])),
        person("log-02-trailing-byte", "A byte after the extension's value.").value(|value| value.push(0)),
        person("log-02-integer-not-minimal", "A slot with a zero byte too many.").value(|value| {
            // Header of four bytes, origin, period; then 02 01 07.
            let at = 4 + 2 + ORIGIN.len() + 4;
            assert_eq!(value[at..at + 3], [2, 1, 7]);
            let body = [&value[4..at], &[2, 2, 0, 7], &value[at + 3..]].concat();
            *value = der::tlv(der::SEQUENCE, &body);
        }),
        person("log-02-negative-period", "A period before the epoch.").value(|value| {
            let at = 4 + 2 + ORIGIN.len();
            assert_eq!(value[at..at + 2], [2, 2]);
            value[at + 2] |= 0x80;
        }),
        person("log-02-path-of-64", "A hash too many.").proof(|proof| proof.path = vec![Hash([0; 32]); 64]),
        person("log-02-index-at-size", "The first index behind the tree.").proof(|proof| proof.index = 7),
        person("log-02-size-2-to-the-63", "A tree that is too large.").proof(|proof| proof.tree_size = 1 << 63),
        person("log-02-sixteen-cosignatures", "With the log's own more signatures than a note may carry.")
            .proof(|proof| proof.cosignatures = (0..16).map(cosignature).collect()),
        person("log-02-witness-twice", "Two cosignatures by one key.")
            .proof(|proof| proof.cosignatures.push(proof.cosignatures[0].clone())),
        person("log-02-origin-of-256", "An origin with a byte too many.").proof(|proof| proof.origin = "a".repeat(256)),
        person("log-03-another-log", "The log of another year.")
            .logged(|l| l.origin = ORIGIN.to_owned())
            .proof(|proof| proof.origin = "log.example.org/2025".to_owned()),
    ]
}

fn cosignature(n: usize) -> ExtCosignature {
    ExtCosignature { name: format!("witness.example.net/w{n}"), key_id: [7; 4], time: NOON, signature: [7; 64] }
}

fn slots() -> Vec<Case> {
    vec![
        person("slot-01-person-without-label", "A person's certificate without VRF proof.")
            .proof(|proof| proof.vrf_proof = None),
        service("slot-01-service-with-label", "A service's certificate with a VRF proof.")
            .proof(|proof| proof.vrf_proof = Some(VrfProof::from_bytes([0; 80]))),
        person("slot-02-slot-32", "The first slot that there is not, with its right label.").logged(|l| l.slot = 32),
        service("slot-02-service-in-slot-1", "A service in a slot.").logged(|l| l.slot = 1),
        person("slot-03-next-period", "The label of the period after.").logged(|l| l.period = Some(2969)),
        person("slot-03-period-before", "The label of the period before.").logged(|l| l.period = Some(2967)),
        service("slot-03-service-next-period", "A service's proof says another period.")
            .logged(|l| l.period = Some(2969)),
    ]
}

fn labels() -> Vec<Case> {
    vec![
        person("slot-04-vrf-of-another-slot", "The extension says slot 8, the label is of slot 7.")
            .proof(|proof| proof.slot = 8),
        person("slot-04-vrf-of-another-person", "The label is bob's: alice would not find the entry.")
            .logged(|l| l.identifier = "bob@example.org".to_owned()),
        person("slot-04-vrf-of-another-key", "The policy pins another VRF key.").policy(|_, policy| {
            let other = VrfSecretKey::from_bytes(&seed("another VRF key"));
            policy["authorities"][0]["vrf_key"] = base64(&other.public().to_bytes());
        }),
        person("slot-04-altered", "One bit of the proof's c.").proof(|proof| alter(proof, |bytes| bytes[40] ^= 1)),
        person("slot-04-s-not-reduced", "The same s with the group order added: the same proof in another encoding.")
            .proof(|proof| alter(proof, add_order)),
        person("slot-04-gamma-is-no-point", "Gamma is not on the curve.")
            .proof(|proof| alter(proof, |bytes| bytes[..32].copy_from_slice(&[&[2][..], &[0; 31]].concat()))),
        person("slot-04-zeros", "A proof of zeros.").proof(|proof| alter(proof, |bytes| bytes.fill(0))),
    ]
}

fn alter(proof: &mut identity::transparency::TransparencyExtension, change: impl FnOnce(&mut [u8; 80])) {
    let mut bytes = *proof.vrf_proof.as_ref().unwrap().as_bytes();
    change(&mut bytes);
    proof.vrf_proof = Some(VrfProof::from_bytes(bytes));
}

/// Adds the order of edwards25519 to s, the last 32 bytes, little-endian.
fn add_order(bytes: &mut [u8; 80]) {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, more) in bytes[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

fn paths() -> Vec<Case> {
    vec![
        person("log-04-path-too-short", "The last hash of the path is missing.").proof(|proof| {
            proof.path.pop();
        }),
        person("log-04-path-too-long", "A hash more than the tree is high.")
            .proof(|proof| proof.path.push(Hash(seed("more")))),
        person("log-05-unknown-key", "The log's name, and a key that the policy does not know.")
            .proof(|proof| proof.log_key_id = [7; 4]),
        person("log-05-retired-key", "The policy has another key for this log.").policy(|house, policy| {
            let other = House::named("Other authority", Key::p256).log.vkey();
            let text = house.log_policy(1, "quorum w1\n");
            let text = text.replace(&house.log.vkey().to_string(), &other.to_string());
            policy["tlog_policy"] = text.into();
        }),
    ]
}

fn signatures() -> Vec<Case> {
    vec![
        person("log-06-signature-altered", "One bit of the log's signature.")
            .proof(|proof| proof.log_signature[0] ^= 1),
        person("log-06-path-altered", "One bit of the path.").proof(|proof| proof.path[0].0[0] ^= 1),
        person("log-06-another-opening", "The commitment was made with another opening.")
            .proof(|proof| proof.opening = [9; 32].into()),
        person("log-06-another-place", "The same path from another leaf.").proof(|proof| proof.index = 4),
        person("log-06-another-size", "Another size with a path of the same length.")
            .proof(|proof| proof.tree_size = 8),
        person("log-06-another-certificate", "Changed after it was logged: it ends a day later.")
            .last(|draft| draft.not_after = der::time(NOON + 15 * DAY - 1)),
        person("log-06-entry-of-a-service", "The entry in the log is of the kind for services.")
            .logged(|l| l.swapped_kind = true),
        service("log-06-another-service", "The entry in the log is for another name.")
            .logged(|l| l.identifier = "example.org".to_owned()),
    ]
}

fn witnesses() -> Vec<Case> {
    vec![
        person("wit-01-signature-altered", "One bit of a cosignature.")
            .proof(|proof| proof.cosignatures[0].signature[0] ^= 1),
        person("wit-01-time-altered", "A second more than was cosigned.")
            .proof(|proof| proof.cosignatures[0].time += 1),
        person("wit-01-one-wrong-beside-enough", "The quorum is there, and one more that is wrong.")
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON)])
            .policy(|house, policy| policy["tlog_policy"] = house.log_policy(2, "quorum w1\n").into())
            .proof(|proof| proof.cosignatures[1].signature[0] ^= 1),
        person("wit-02-no-cosignature", "Nobody cosigned.").logged(|l| l.cosigned.clear()),
        person("wit-02-unknown-witness", "A witness cosigned whom the policy does not know.")
            .logged(|l| l.cosigned = vec![(1, NOON)]),
        person("wit-02-one-of-two", "One witness, where two of three are the quorum.")
            .logged(|l| l.cosigned = vec![(1, NOON)])
            .policy(|house, policy| {
                policy["tlog_policy"] = house.log_policy(3, "group two 2 w1 w2 w3\nquorum two\n").into();
            }),
        person("wit-02-without-the-mirror", "All witnesses, but not the mirror that is demanded besides.")
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON), (2, NOON)])
            .policy(|house, policy| policy["tlog_policy"] = house.log_policy(4, super::good::WITH_MIRROR).into()),
        person("wit-02-the-mirror-and-one", "The mirror and one witness, where two witnesses are demanded besides it.")
            .logged(|l| l.cosigned = vec![(1, NOON), (3, NOON)])
            .policy(|house, policy| policy["tlog_policy"] = house.log_policy(4, super::good::WITH_MIRROR).into()),
        person("wit-02-half-of-each-group", "One of each of two groups that want both.")
            .logged(|l| l.cosigned = vec![(0, NOON), (2, NOON)])
            .policy(|house, policy| {
                policy["tlog_policy"] =
                    house.log_policy(3, "group a all w1 w2\ngroup b any w3\ngroup c all a b\nquorum c\n").into();
            }),
    ]
}

fn times() -> Vec<Case> {
    vec![
        person("wit-03-too-early", "Five minutes and a second before the beginning.")
            .logged(|l| l.cosigned = vec![(0, NOON - 301)]),
        person("wit-03-too-late", "A day and a second after the beginning: backdated.")
            .logged(|l| l.cosigned = vec![(0, NOON + DAY + 1)]),
        person("wit-03-no-time", "A cosignature without time.").logged(|l| l.cosigned = vec![(0, 0)]),
        person("wit-03-one-of-two-too-late", "Two witnesses are the quorum; one of them cosigned too late.")
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON + DAY + 1)])
            .policy(|house, policy| {
                policy["tlog_policy"] = house.log_policy(2, "group both all w1 w2\nquorum both\n").into();
            }),
    ]
}

/// A window that closed, or opened, a second too early or too late.
fn windows() -> Vec<Case> {
    vec![
        person("trust-04-log-closed", "The log was closed a second before the witness cosigned.").policy(
            |house, policy| {
                policy["windows"] = json!([{ "key": house.log.vkey().to_string(), "not_after": NOON - 1 }]);
            },
        ),
        person("trust-04-log-not-open", "The log was opened a second after the witness cosigned.").policy(
            |house, policy| {
                policy["windows"] = json!([{ "key": house.log.vkey().to_string(), "not_before": NOON + 1 }]);
            },
        ),
        person("trust-05-witness-retired", "The witness had retired a second before it cosigned.").policy(
            |house, policy| {
                policy["windows"] = json!([{ "key": house.witnesses[0].vkey().to_string(), "not_after": NOON - 1 }]);
            },
        ),
        person("trust-05-witness-not-yet", "The witness counts from a second after it cosigned.").policy(
            |house, policy| {
                policy["windows"] = json!([{ "key": house.witnesses[0].vkey().to_string(), "not_before": NOON + 1 }]);
            },
        ),
        person("trust-05-one-of-two-retired", "Two witnesses are the quorum; one of them had retired.")
            .logged(|l| l.cosigned = vec![(0, NOON), (1, NOON)])
            .policy(|house, policy| {
                policy["tlog_policy"] = house.log_policy(2, "group both all w1 w2\nquorum both\n").into();
                policy["windows"] = json!([{ "key": house.witnesses[1].vkey().to_string(), "not_after": NOON - 1 }]);
            }),
    ]
}
