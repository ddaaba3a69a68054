//! One case: a dated signature that is right in everything but what the case changes, made as docs/spec/log.md has it.

use data_encoding::BASE64;
use identity::transparency::{Opening, signature_commitment};
use sha2::{Digest, Sha256};
use tlog_proof::{Checkpoint, Hash, NoteSigner, Proof, leaf_hash, root_from_inclusion, sign_checkpoint};

use super::vector::{DateVector, Says};
use crate::case::{self, Case};
use crate::house::{House, NOON, ORIGIN, seed};
use crate::vector::Vector;

type Change<T> = Box<dyn FnOnce(&mut T)>;

/// How the signature is logged.
pub(crate) struct Dating {
    pub(crate) signature: Vec<u8>,
    pub(crate) label: [u8; 32],
    pub(crate) opening: [u8; 32],
    /// The second byte of the entry.
    pub(crate) kind: u8,
    /// Who signs the checkpoint, if not the log of the policy.
    pub(crate) log: Option<NoteSigner>,
    pub(crate) index: u64,
    pub(crate) size: u64,
    /// Numbers of witnesses, and their times.
    pub(crate) cosigned: Vec<(usize, u64)>,
}

/// What the verifier is shown of it.
pub(crate) struct Shown {
    pub(crate) signature: Vec<u8>,
    /// Version, label and opening.
    pub(crate) extra: Option<Vec<u8>>,
    pub(crate) proof: Proof,
}

pub(crate) struct DateCase {
    name: &'static str,
    description: &'static str,
    certificate: Case,
    dating: Vec<Change<Dating>>,
    shown: Vec<Change<Shown>>,
    text: Vec<Change<String>>,
    revocation: &'static str,
    revoked_later: Option<u64>,
}

/// A signature by a mail program, dated an hour after its certificate begins.
pub(crate) fn mail(name: &'static str, description: &'static str) -> DateCase {
    date_of(name, description, case::mail("good-certificate", ""))
}

/// A signature by a device, dated in the same hour.
pub(crate) fn device(name: &'static str, description: &'static str) -> DateCase {
    date_of(name, description, case::person("good-certificate", ""))
}

fn date_of(name: &'static str, description: &'static str, certificate: Case) -> DateCase {
    DateCase {
        name,
        description,
        certificate,
        dating: Vec::new(),
        shown: Vec::new(),
        text: Vec::new(),
        revocation: "unknown",
        revoked_later: None,
    }
}

impl DateCase {
    /// Changes the certificate, the policy or the lists.
    pub(crate) fn certificate(mut self, change: impl FnOnce(Case) -> Case) -> Self {
        self.certificate = change(self.certificate);
        self
    }

    pub(crate) fn logged(mut self, change: impl FnOnce(&mut Dating) + 'static) -> Self {
        self.dating.push(Box::new(change));
        self
    }

    /// Dated so many seconds after noon.
    pub(crate) fn at(self, seconds: u64) -> Self {
        self.logged(move |dating| dating.cosigned = vec![(0, NOON + seconds)])
    }

    pub(crate) fn shown(mut self, change: impl FnOnce(&mut Shown) + 'static) -> Self {
        self.shown.push(Box::new(change));
        self
    }

    /// Changes the proof's text.
    pub(crate) fn text(mut self, change: impl FnOnce(&mut String) + 'static) -> Self {
        self.text.push(Box::new(change));
        self
    }

    pub(crate) fn not_revoked(mut self) -> Self {
        self.revocation = "good";
        self
    }

    pub(crate) fn revoked_at(mut self, time: u64) -> Self {
        (self.revocation, self.revoked_later) = ("good", Some(time));
        self
    }

    pub(crate) fn make(self) -> DateVector {
        let (house, certificate) = (House::new(), self.certificate.make());
        let mut dating = Dating {
            signature: seed("a signature").to_vec(),
            label: seed("label of a signature"),
            opening: seed("opening of a signature"),
            kind: 0x02,
            log: None,
            index: 5,
            size: 7,
            cosigned: vec![(0, NOON + 3600)],
        };
        self.dating.into_iter().for_each(|change| change(&mut dating));
        let entry = entry(&dating);
        let extra = [&[1], dating.label.as_slice(), &dating.opening].concat();
        let mut shown =
            Shown { signature: dating.signature.clone(), extra: Some(extra), proof: proof(&house, &dating, &entry) };
        self.shown.into_iter().for_each(|change| change(&mut shown));
        let mut text = Proof { extra: shown.extra, ..shown.proof }.to_string();
        self.text.into_iter().for_each(|change| change(&mut text));
        let rule = rule(self.name);
        let says = (rule == "ok").then(|| says(&house, &certificate, &dating, self.revocation, self.revoked_later));
        DateVector {
            name: self.name.to_owned(),
            rule: rule.to_owned(),
            description: self.description.to_owned(),
            kind: certificate.kind,
            policy: certificate.policy,
            // The policy has the issuing certificate.
            chain: certificate.chain[..1].to_vec(),
            crls: certificate.crls,
            crls_at: certificate.now,
            signature: BASE64.encode(&shown.signature),
            proof: text,
            says,
            annotated: annotate(&dating, &entry),
        }
    }
}

fn says(house: &House, certificate: &Vector, dating: &Dating, revocation: &str, revoked_later: Option<u64>) -> Says {
    let found = certificate.says.as_ref().unwrap();
    let witnesses = dating.cosigned.iter().map(|(n, _)| house.witnesses[*n].vkey().name().to_owned());
    Says {
        identifier: found.identifier.clone(),
        authority: found.authority.clone(),
        revocation: revocation.to_owned(),
        revoked_later,
        date: dating.cosigned.iter().map(|(_, time)| *time).max().unwrap(),
        origin: ORIGIN.to_owned(),
        index: dating.index,
        witnesses: witnesses.collect(),
    }
}

/// A case's name begins with the rule in lower case, or with `good`.
fn rule(name: &str) -> &'static str {
    if name.starts_with("good-") {
        return "ok";
    }
    let mut rules = identity::rules::Rule::ALL.iter().map(|rule| rule.id());
    rules.find(|id| name.starts_with(&format!("{}-", id.to_lowercase()))).unwrap_or_else(|| panic!("{name}: no rule"))
}

fn value(dating: &Dating) -> [u8; 32] {
    signature_commitment(&Opening::new(dating.opening), &Sha256::digest(&dating.signature).into())
}

fn entry(dating: &Dating) -> Vec<u8> {
    [&[0x01, dating.kind], dating.label.as_slice(), &value(dating)].concat()
}

/// The entry goes into a log of any size: what else is in it are hashes from a seed.
fn proof(house: &House, dating: &Dating, entry: &[u8]) -> Proof {
    let leaf = leaf_hash(entry);
    let (path, root) = (0..=63)
        .find_map(|length| {
            let path: Vec<Hash> = (0..length).map(|level| Hash(seed(&format!("sibling at level {level}")))).collect();
            let root = root_from_inclusion(dating.index, dating.size, &leaf, &path).ok()?;
            Some((path, root))
        })
        .unwrap();
    let log = dating.log.as_ref().unwrap_or(&house.log);
    let checkpoint = Checkpoint { origin: log.vkey().name().to_owned(), size: dating.size, root };
    let mut text = sign_checkpoint(&checkpoint, log);
    for (witness, time) in &dating.cosigned {
        text.push_str(&house.witnesses[*witness].cosign(&checkpoint.to_body(), *time));
    }
    Proof { extra: None, index: dating.index, path, checkpoint: text }
}

fn annotate(dating: &Dating, entry: &[u8]) -> Vec<String> {
    let line = |bytes: &[u8], what: &str| format!("{}  {what}", hex::encode(bytes));
    vec![
        line(&Sha256::digest(&dating.signature), "SHA-256 of the signature"),
        line(&dating.opening, "opening"),
        line(&entry[..1], "entry: version"),
        line(&entry[1..2], "entry: kind, 02 for a signature"),
        line(&dating.label, "entry: label"),
        line(&value(dating), "entry: HMAC-SHA-256 of the first line under the opening"),
        line(&leaf_hash(entry).0, "leaf hash: SHA-256(00 ‖ entry)"),
    ]
}
