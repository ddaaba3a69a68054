//! One case: an update that is right in everything but what the case changes, made as docs/spec/trust-policy.md has it.

use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tlog_proof::{Checkpoint, Hash, Proof, leaf_hash, root_from_inclusion, sign_checkpoint};

use super::vector::{Says, UpdateVector};
use crate::house::{House, Key, NOON, ORIGIN, seed};

/// What keeps the root's signature from standing for anything else.
const DOMAIN: &[u8] = b"inperson-trust-policy-v1\0";
/// `01`, and the kind of trust policies.
const ENTRY: [u8; 2] = [0x01, 0x12];

type Change<T> = Box<dyn FnOnce(&House, &mut T)>;
type Alone<T> = Box<dyn FnOnce(&mut T)>;

/// How the next version is signed and logged.
pub(crate) struct Making {
    pub(crate) domain: Vec<u8>,
    /// Who signs: the root of the version before.
    pub(crate) signer: Key,
    pub(crate) entry: Vec<u8>,
    pub(crate) origin: String,
    pub(crate) index: u64,
    pub(crate) size: u64,
    /// Numbers of witnesses, and their times.
    pub(crate) cosigned: Vec<(usize, u64)>,
}

pub(crate) struct Case {
    name: &'static str,
    description: &'static str,
    house: fn() -> House,
    asks: bool,
    before: Vec<Change<Value>>,
    next: Vec<Change<Value>>,
    text: Vec<Alone<String>>,
    making: Vec<Change<Making>>,
    proof: Vec<Alone<String>>,
    signature: Vec<Alone<Vec<u8>>>,
    last: Vec<Alone<String>>,
}

/// An update to number 2 with another name, which needs nobody's word.
pub(crate) fn update(name: &'static str, description: &'static str) -> Case {
    Case {
        name,
        description,
        house: House::new,
        asks: false,
        before: Vec::new(),
        next: Vec::new(),
        text: Vec::new(),
        making: Vec::new(),
        proof: Vec::new(),
        signature: Vec::new(),
        last: Vec::new(),
    }
}

impl Case {
    pub(crate) fn house(mut self, house: fn() -> House) -> Self {
        self.house = house;
        self
    }

    /// The person must have seen it first.
    pub(crate) fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Changes the version in force.
    pub(crate) fn before(mut self, change: impl FnOnce(&House, &mut Value) + 'static) -> Self {
        self.before.push(Box::new(change));
        self
    }

    /// Changes the next version.
    pub(crate) fn next(mut self, change: impl FnOnce(&House, &mut Value) + 'static) -> Self {
        self.next.push(Box::new(change));
        self
    }

    /// Changes the next version's text before it is signed and logged.
    pub(crate) fn text(mut self, change: impl FnOnce(&mut String) + 'static) -> Self {
        self.text.push(Box::new(change));
        self
    }

    pub(crate) fn made(mut self, change: impl FnOnce(&House, &mut Making) + 'static) -> Self {
        self.making.push(Box::new(change));
        self
    }

    /// Changes the proof's text.
    pub(crate) fn proof(mut self, change: impl FnOnce(&mut String) + 'static) -> Self {
        self.proof.push(Box::new(change));
        self
    }

    pub(crate) fn signature(mut self, change: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        self.signature.push(Box::new(change));
        self
    }

    /// Changes the bytes of the update.
    pub(crate) fn last(mut self, change: impl FnOnce(&mut String) + 'static) -> Self {
        self.last.push(Box::new(change));
        self
    }

    pub(crate) fn make(self) -> UpdateVector {
        let house = (self.house)();
        let mut before = house.policy();
        self.before.into_iter().for_each(|change| change(&house, &mut before));
        let current = canonical(&before);
        let mut next = before.clone();
        next["number"] = (before["number"].as_u64().unwrap() + 1).into();
        next["previous"] = hex::encode(Sha256::digest(&current)).into();
        next["name"] = "The next version".into();
        self.next.into_iter().for_each(|change| change(&house, &mut next));
        let mut text = canonical(&next);
        self.text.into_iter().for_each(|change| change(&mut text));

        let digest = Sha256::digest(&text);
        let mut making = Making {
            domain: DOMAIN.to_vec(),
            signer: house.root.key.clone(),
            entry: [&ENTRY[..], &digest].concat(),
            origin: ORIGIN.to_owned(),
            index: 5,
            size: 7,
            cosigned: vec![(0, NOON)],
        };
        self.making.into_iter().for_each(|change| change(&house, &mut making));
        let mut signature = making.signer.sign(&[making.domain.as_slice(), text.as_bytes()].concat());
        self.signature.into_iter().for_each(|change| change(&mut signature));
        let mut proof = proof(&house, &making);
        self.proof.into_iter().for_each(|change| change(&mut proof));
        let annotated = annotate(&making, &text, &signature);
        let whole = json!({"policy": text, "proof": proof, "signature": BASE64.encode(&signature)});
        let mut update = canonical(&whole);
        self.last.into_iter().for_each(|change| change(&mut update));

        let rule = rule(self.name);
        let latest = making.cosigned.iter().map(|(_, time)| *time).max();
        let says = (rule == "ok").then(|| Says {
            number: next["number"].as_u64().unwrap(),
            fingerprint: hex::encode(digest),
            logged_at: latest.unwrap(),
            asks: self.asks,
        });
        UpdateVector {
            name: self.name.to_owned(),
            rule: rule.to_owned(),
            description: self.description.to_owned(),
            current,
            update,
            says,
            annotated,
        }
    }
}

fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap()
}

/// A case's name begins with the rule in lower case, or with `good`.
fn rule(name: &str) -> &'static str {
    if name.starts_with("good-") {
        return "ok";
    }
    let mut rules = identity::rules::Rule::ALL.iter().map(|rule| rule.id());
    rules.find(|id| name.starts_with(&format!("{}-", id.to_lowercase()))).unwrap_or_else(|| panic!("{name}: no rule"))
}

/// The entry goes into a log of any size: what else is in it are hashes from a seed.
fn proof(house: &House, making: &Making) -> String {
    let leaf = leaf_hash(&making.entry);
    let (path, root) = (0..=63)
        .find_map(|length| {
            let path: Vec<Hash> = (0..length).map(|level| Hash(seed(&format!("sibling at level {level}")))).collect();
            let root = root_from_inclusion(making.index, making.size, &leaf, &path).ok()?;
            Some((path, root))
        })
        .unwrap();
    let checkpoint = Checkpoint { origin: making.origin.clone(), size: making.size, root };
    let mut text = sign_checkpoint(&checkpoint, &house.log);
    for (witness, time) in &making.cosigned {
        text.push_str(&house.witnesses[*witness].cosign(&checkpoint.to_body(), *time));
    }
    Proof { extra: None, index: making.index, path, checkpoint: text }.to_string()
}

fn annotate(making: &Making, text: &str, signature: &[u8]) -> Vec<String> {
    let line = |bytes: &[u8], what: &str| format!("{}  {what}", hex::encode(bytes));
    let (domain, zero) = making.domain.split_at(making.domain.len().saturating_sub(1));
    let mut lines = vec![
        line(domain, &format!("signed: {:?}", String::from_utf8_lossy(domain))),
        line(zero, "signed: a zero byte"),
        format!("{}…  signed: the text of policy, {} bytes", hex::encode(&text.as_bytes()[..16]), text.len()),
    ];
    lines.extend(crate::annotate::annotate(signature, false).into_iter().map(|line| format!("signature: {line}")));
    let (kind, digest) = making.entry.split_at(2);
    lines.extend([
        line(&kind[..1], "entry: version"),
        line(&kind[1..], "entry: kind, 12 for a trust policy"),
        line(digest, "entry: SHA-256 of the text of policy"),
        line(&leaf_hash(&making.entry).0, "leaf hash: SHA-256(00 ‖ entry)"),
    ]);
    lines
}
