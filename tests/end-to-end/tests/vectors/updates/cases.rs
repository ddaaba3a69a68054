//! TRUST-07 to TRUST-11: what must be accepted as the next version, and what must not.

use serde_json::json;

use super::make::{Case, update};
use super::vector::UpdateVector;
use crate::house::{DAY, House, Key, NOON, base64, key_digest};

/// Every vector, freshly made.
pub(super) fn all() -> Vec<UpdateVector> {
    let cases = [good(), asking(), form(), numbers(), previous(), signatures(), proofs(), witnesses(), windows()];
    cases.into_iter().flatten().map(Case::make).collect()
}

fn good() -> Vec<Case> {
    vec![
        update("good-another-name", "Another name, which needs nobody's word."),
        update("good-p384-root", "A root with a P-384 key signs with SHA-384.")
            .house(|| House::named("Large authority", Key::p384)),
        update("good-third-version", "The version after a second one.").before(|_, policy| {
            policy["number"] = 2.into();
            policy["previous"] = "11".repeat(32).into();
        }),
        update("good-another-issuer", "A new issuing certificate: the root stands behind it.").next(|house, policy| {
            let another = crate::house::Ca::another(&house.root, |_| ());
            policy["authorities"][0]["issuers"].as_array_mut().unwrap().push(base64(&another.certificate));
        }),
        update("good-issuer-withdrawn", "An issuing certificate is struck, and its key withdrawn.").next(
            |house, policy| {
                policy["authorities"][0]["issuers"].as_array_mut().unwrap().remove(0);
                policy["authorities"][0]["withdrawn"] = json!([key_digest(&house.people.key)]);
            },
        ),
        update("good-another-address", "Updates are elsewhere.")
            .next(|_, policy| policy["updates"] = "https://ca.example.org/policy".into()),
        update("good-unknown-cosignature-beside", "A cosignature by a key that the policy does not know.")
            .made(|_, making| making.cosigned = vec![(0, NOON), (1, NOON - 60)]),
        update("good-only-entry", "The only entry of the log: an empty path.")
            .made(|_, making| (making.index, making.size) = (0, 1)),
    ]
}

/// What changes whom the person trusts.
fn asking() -> Vec<Case> {
    vec![
        update("good-another-root", "A new root, signed by the old one.")
            .next(|_, policy| {
                let other = House::named("Other authority", Key::p256);
                policy["authorities"][0]["root"] = base64(&other.root.certificate);
                policy["authorities"][0]["issuers"] =
                    json!([base64(&other.people.certificate), base64(&other.services.certificate)]);
            })
            .asks(),
        update("good-another-permission", "One domain only.")
            .next(|_, policy| policy["authorities"][0]["domains"] = json!(["example.org"]))
            .asks(),
        update("good-another-authority", "A second authority.")
            .next(|_, policy| {
                let mut other = House::named("Other authority", Key::p256).policy()["authorities"][0].take();
                other["log"] = policy["authorities"][0]["log"].clone();
                policy["authorities"].as_array_mut().unwrap().push(other);
            })
            .asks(),
        update("good-another-witness", "A second witness, and a quorum of both.")
            .next(|house, policy| {
                policy["tlog_policy"] = house.log_policy(2, "group both all w1 w2\nquorum both\n").into();
            })
            .asks(),
        update("good-a-window", "The witness retires.")
            .next(|house, policy| {
                policy["windows"] = json!([{ "key": house.witnesses[0].vkey().to_string(), "not_after": NOON + DAY }]);
            })
            .asks(),
        update("good-another-label-key", "Another VRF key.")
            .next(|_, policy| {
                let other = House::named("Other authority", Key::p256);
                policy["authorities"][0]["vrf_key"] = base64(&other.vrf.public().to_bytes());
            })
            .asks(),
    ]
}

fn form() -> Vec<Case> {
    vec![
        update("trust-07-no-json", "Text that is no JSON.").last(|text| *text = "hello".to_owned()),
        update("trust-07-space-at-end", "A space behind the document.").last(|text| text.push(' ')),
        update("trust-07-other-order", "The members in another order.").last(|text| {
            let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
            let signature = value.as_object_mut().unwrap().remove("signature").unwrap();
            let rest = value.to_string();
            *text = format!("{{\"signature\":{signature},{}", &rest[1..]);
        }),
        update("trust-07-member-too-many", "A member that nobody knows.")
            .last(|text| *text = text.replacen('{', "{\"comment\":\"\",", 1)),
        update("trust-07-no-signature", "A member is missing.").last(|text| {
            let at = text.find(",\"signature\"").unwrap();
            text.replace_range(at.., "}");
        }),
        update("trust-07-signature-no-base64", "A signature with a space in its base64.")
            .last(|text| *text = text.replacen("\"signature\":\"", "\"signature\":\" ", 1)),
        update("trust-07-previous-in-capitals", "A fingerprint has one spelling, in small letters.")
            .next(|_, policy| policy["previous"] = "AA".repeat(32).into()),
        update("trust-07-policy-spelt-otherwise", "The policy inside has a space too many.")
            .text(|text| *text = text.replacen('{', "{ ", 1)),
        update("trust-07-policy-member-too-many", "A member of the policy that nobody knows.")
            .next(|_, policy| policy["comment"] = "".into()),
        update("trust-07-policy-without-authorities", "A policy of nobody.")
            .next(|_, policy| policy["authorities"] = json!([])),
        update("trust-07-policy-without-previous", "A second version that does not name the first.").next(
            |_, policy| {
                policy.as_object_mut().unwrap().remove("previous");
            },
        ),
        update("trust-07-policy-without-quorum", "Logs that nobody watches.")
            .next(|house, policy| policy["tlog_policy"] = house.log_policy(1, "quorum none\n").into()),
        update("trust-07-policy-lists-what-it-withdraws", "A listed key that is withdrawn.").next(|house, policy| {
            policy["authorities"][0]["withdrawn"] = json!([key_digest(&house.people.key)]);
        }),
    ]
}

fn numbers() -> Vec<Case> {
    vec![
        update("trust-08-skipped", "The number after the next.").next(|_, policy| policy["number"] = 3.into()),
        update("trust-08-the-same", "The number of the version in force.")
            .before(|_, policy| {
                policy["number"] = 2.into();
                policy["previous"] = "11".repeat(32).into();
            })
            .next(|_, policy| policy["number"] = 2.into()),
        update("trust-08-the-first", "A first version once more.").next(|_, policy| {
            policy["number"] = 1.into();
            policy.as_object_mut().unwrap().remove("previous");
        }),
        update("trust-08-older", "A version before the one in force.")
            .before(|_, policy| {
                policy["number"] = 7.into();
                policy["previous"] = "11".repeat(32).into();
            })
            .next(|_, policy| policy["number"] = 6.into()),
    ]
}

fn previous() -> Vec<Case> {
    vec![
        update("trust-09-of-another", "It follows another version.")
            .next(|_, policy| policy["previous"] = "22".repeat(32).into()),
        update("trust-09-of-the-one-before", "It follows the version before the one in force.")
            .before(|_, policy| {
                policy["number"] = 2.into();
                policy["previous"] = "11".repeat(32).into();
            })
            .next(|_, policy| policy["previous"] = "11".repeat(32).into()),
    ]
}

fn signatures() -> Vec<Case> {
    vec![
        update("trust-10-altered", "One bit of the signature.").signature(|bytes| *bytes.last_mut().unwrap() ^= 1),
        update("trust-10-empty", "No signature.").signature(Vec::clear),
        update("trust-10-by-another-root", "By the root of another authority.")
            .made(|_, making| making.signer = House::named("Other authority", Key::p256).root.key),
        update("trust-10-by-an-issuing-ca", "By an issuing CA of the same authority.")
            .made(|house, making| making.signer = house.people.key.clone()),
        update("trust-10-by-the-new-root", "A new root, signed by itself.")
            .next(|_, policy| {
                let other = House::named("Other authority", Key::p256);
                policy["authorities"][0]["root"] = base64(&other.root.certificate);
            })
            .made(|_, making| making.signer = House::named("Other authority", Key::p256).root.key),
        update("trust-10-by-the-second-authority", "The first authority publishes the policy, no other.")
            .before(|_, policy| {
                let mut other = House::named("Other authority", Key::p256).policy()["authorities"][0].take();
                other["log"] = policy["authorities"][0]["log"].clone();
                policy["authorities"].as_array_mut().unwrap().push(other);
            })
            .made(|_, making| making.signer = House::named("Other authority", Key::p256).root.key),
        update("trust-10-without-domain", "Signed is the text alone.").made(|_, making| making.domain.clear()),
        update("trust-10-another-domain", "Signed for something else.")
            .made(|_, making| making.domain = b"inperson-label-v1\0".to_vec()),
    ]
}

fn proofs() -> Vec<Case> {
    vec![
        update("trust-11-no-proof", "No proof.").proof(String::clear),
        update("trust-11-another-text", "The log holds another text.").made(|_, making| making.entry[5] ^= 1),
        update("trust-11-another-kind", "The log holds the hash as that of an issuing certificate.")
            .made(|_, making| making.entry[1] = 0x11),
        update("trust-11-another-log", "A log that the version before does not know.")
            .made(|_, making| making.origin = "log.example.org/2027".to_owned()),
        update("trust-11-another-index", "The place beside it.")
            .proof(|proof| *proof = proof.replacen("index 5", "index 4", 1)),
        update("trust-11-path-too-short", "A hash too few.").proof(|proof| {
            let (head, rest) = proof.split_once("index 5\n").unwrap();
            let (_, rest) = rest.split_once('\n').unwrap();
            *proof = format!("{head}index 5\n{rest}");
        }),
        update("trust-11-no-header", "The proof's first line is missing.")
            .proof(|proof| *proof = proof.split_once('\n').unwrap().1.to_owned()),
    ]
}

fn witnesses() -> Vec<Case> {
    vec![
        update("trust-11-nobody-saw-it", "The log signed it, no witness.").made(|_, making| making.cosigned.clear()),
        update("trust-11-another-witness", "A witness that the policy does not know.")
            .made(|_, making| making.cosigned = vec![(1, NOON)]),
        update("trust-11-one-of-two", "The quorum is two.").before(|house, policy| {
            policy["tlog_policy"] = house.log_policy(2, "group both all w1 w2\nquorum both\n").into();
        }),
        update("trust-11-new-quorum-only", "The witness of the new version alone: it is the old one that counts.")
            .next(|house, policy| {
                let text = house.log_policy(2, "quorum w2\n");
                policy["tlog_policy"] = text.into();
            })
            .made(|_, making| making.cosigned = vec![(1, NOON)]),
        update("trust-11-no-time", "A cosignature of time zero.").made(|_, making| making.cosigned = vec![(0, 0)]),
        update("trust-11-one-wrong-beside-enough", "A wrong cosignature by a known witness spoils the note.")
            .before(|house, policy| {
                policy["tlog_policy"] = house.log_policy(2, "group either any w1 w2\nquorum either\n").into();
            })
            .made(|_, making| making.cosigned = vec![(0, NOON), (1, NOON)])
            .proof(|proof| {
                // The last base64 digit before the padding: a bit of the signature.
                let at = proof.trim_end().trim_end_matches('=').len() - 4;
                let other = if &proof[at..=at] == "A" { "B" } else { "A" };
                proof.replace_range(at..=at, other);
            }),
    ]
}

fn windows() -> Vec<Case> {
    let retired = |key: String, bound: &'static str, time: u64| {
        let mut window = json!({ "key": key });
        window[bound] = time.into();
        json!([window])
    };
    vec![
        update("trust-11-witness-retired", "The witness had retired a second before.").before(move |house, policy| {
            policy["windows"] = retired(house.witnesses[0].vkey().to_string(), "not_after", NOON - 1);
        }),
        update("trust-11-witness-not-yet", "The witness counts from a second later.").before(move |house, policy| {
            policy["windows"] = retired(house.witnesses[0].vkey().to_string(), "not_before", NOON + 1);
        }),
        update("trust-11-log-closed", "The log had closed a second before.").before(move |house, policy| {
            policy["windows"] = retired(house.log.vkey().to_string(), "not_after", NOON - 1);
        }),
        update("good-in-the-last-second", "Log and witness in their last second.").before(|house, policy| {
            policy["windows"] = json!([
                { "key": house.log.vkey().to_string(), "not_after": NOON },
                { "key": house.witnesses[0].vkey().to_string(), "not_after": NOON },
            ]);
        }),
    ]
}
