//! One case: a certificate that is right in everything but what the case changes, made the way an authority makes it:
//! drafted, logged, cosigned, signed.

use data_encoding::BASE64;
use identity::Identifier;
use identity::transparency::{LabelInput, Opening, TransparencyExtension, VrfProof, commitment, service_name_digest};
use serde_json::{Value, json};
use tlog_proof::{Checkpoint, Entry, Hash, Proof, leaf_hash, root_from_inclusion, sign_checkpoint};

use super::annotate;
use super::der::{self, around, bits, name, number, octets, seq, tlv, utf8};
use super::draft::{
    AUTHORITY_KEY_ID, CRL_POINTS, Draft, EXT_KEY_USAGE, Extension, KEY_USAGE, POLICIES, SUBJECT_ALT_NAME,
    SUBJECT_KEY_ID, TRANSPARENCY,
};
use super::house::{self, COMMON_NAME, Ca, DAY, House, Key, NOON, ORIGIN, seed};
use super::vector::{Kind, Says, Vector};

const PERIOD: u64 = 7 * DAY;

type Change<T> = Box<dyn FnOnce(&House, &mut T)>;
type Alone<T> = Box<dyn FnOnce(&mut T)>;

/// Where the entry stands, and who cosigned when.
#[derive(Clone)]
pub(crate) struct Logging {
    pub(crate) origin: String,
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) slot: u8,
    /// Whose label it is.
    pub(crate) identifier: String,
    /// What the label is for, if not the period of the beginning.
    pub(crate) period: Option<u32>,
    /// Numbers of witnesses, and their times.
    pub(crate) cosigned: Vec<(usize, u64)>,
    /// The third byte says what kind of entry: a service's in place of a person's.
    pub(crate) swapped_kind: bool,
}

/// What verification is given besides the leaf.
pub(crate) struct Given {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) policy: Value,
    pub(crate) crls: Vec<Vec<u8>>,
    /// The serial number of the leaf, in DER.
    pub(crate) serial: Vec<u8>,
}

pub(crate) struct Case {
    name: &'static str,
    rule: &'static str,
    description: &'static str,
    now: u64,
    /// What it is issued as.
    issued: Kind,
    /// What it is taken for.
    kind: Kind,
    identifier: String,
    asked: Option<String>,
    begin: u64,
    ca: Option<fn(&House) -> Ca>,
    house: fn() -> House,
    draft: Vec<Change<Draft>>,
    logging: Vec<Alone<Logging>>,
    proof: Vec<Change<TransparencyExtension>>,
    value: Vec<Alone<Vec<u8>>>,
    last: Vec<Change<Draft>>,
    given: Vec<Change<Given>>,
    revocation: &'static str,
    /// The witnesses whose cosignatures count, if not all that cosigned.
    counting: Option<Vec<usize>>,
    about_list: bool,
}

/// A person's certificate.
pub(crate) fn person(name: &'static str, description: &'static str) -> Case {
    case(name, description, Kind::Person, "alice@example.org")
}

/// A service's certificate.
pub(crate) fn service(name: &'static str, description: &'static str) -> Case {
    let mut case = case(name, description, Kind::Service, "directory.example.org");
    case.asked = Some(case.identifier.clone());
    case.policy(|_, policy| {
        let names = ["directory.example.org", "localhost", "xn--bcher-kva.example"];
        let directories = names.map(|name| json!({"name": name, "address": format!("{name}:8444")}));
        policy["directories"] = directories.to_vec().into();
    })
}

fn case(name: &'static str, description: &'static str, kind: Kind, identifier: &str) -> Case {
    Case {
        name,
        rule: rule(name),
        description,
        now: NOON,
        issued: kind,
        kind,
        identifier: identifier.to_owned(),
        asked: None,
        begin: NOON,
        ca: None,
        house: House::new,
        draft: Vec::new(),
        logging: Vec::new(),
        proof: Vec::new(),
        value: Vec::new(),
        last: Vec::new(),
        given: Vec::new(),
        revocation: "unknown",
        counting: None,
        about_list: false,
    }
}

/// A case's name begins with the rule in lower case, or with `good`.
fn rule(name: &str) -> &'static str {
    if name.starts_with("good-") {
        return "ok";
    }
    let rules = identity::rules::Rule::ALL.iter().map(|rule| rule.id());
    let mut found = rules.filter(|id| name.starts_with(&format!("{}-", id.to_lowercase())));
    found.next().unwrap_or_else(|| panic!("{name} names no rule"))
}

impl Case {
    /// For whom.
    pub(crate) fn name(mut self, identifier: &str) -> Self {
        self.identifier = identifier.to_owned();
        if self.kind == Kind::Service {
            self.asked = Some(identifier.to_owned());
        }
        self
    }

    /// The service that was asked for.
    pub(crate) fn asked(mut self, name: &str) -> Self {
        self.asked = Some(name.to_owned());
        self
    }

    /// Verified so many seconds after it began.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.now = self.begin + seconds;
        self
    }

    /// Verified so many seconds before it began.
    pub(crate) fn before(mut self, seconds: u64) -> Self {
        self.now = self.begin - seconds;
        self
    }

    /// Begins, and is verified, at another time.
    pub(crate) fn begins(mut self, time: u64) -> Self {
        (self.begin, self.now) = (time, time);
        self
    }

    /// Verified as a person's or service's certificate, whatever it is.
    pub(crate) fn taken_for(mut self, kind: Kind, asked: Option<&str>) -> Self {
        self.asked = asked.map(str::to_owned);
        self.kind = kind;
        self
    }

    pub(crate) fn house(mut self, house: fn() -> House) -> Self {
        self.house = house;
        self
    }

    /// By another CA, whose certificate is sent.
    pub(crate) fn by(mut self, ca: fn(&House) -> Ca) -> Self {
        self.ca = Some(ca);
        self
    }

    /// Changes the draft before it is logged.
    pub(crate) fn draft(mut self, change: impl FnOnce(&mut Draft) + 'static) -> Self {
        self.draft.push(Box::new(|_, draft| change(draft)));
        self
    }

    /// Gives an extension another value.
    pub(crate) fn set(self, oid: &'static str, value: Vec<u8>) -> Self {
        self.draft(move |draft| draft.set(oid, value))
    }

    /// Another subjectAltName, of these names.
    pub(crate) fn names(self, names: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let value = seq(names);
        self.set(SUBJECT_ALT_NAME, value)
    }

    /// Another name, in the subject, too.
    pub(crate) fn spelled(self, name: Vec<u8>, subject: &'static str) -> Self {
        self.names([name]).draft(move |draft| draft.subject = common_name(subject))
    }

    /// Changes how it is logged.
    pub(crate) fn logged(mut self, change: impl FnOnce(&mut Logging) + 'static) -> Self {
        self.logging.push(Box::new(change));
        self
    }

    /// Changes the transparency extension.
    pub(crate) fn proof(mut self, change: impl FnOnce(&mut TransparencyExtension) + 'static) -> Self {
        self.proof.push(Box::new(|_, proof| change(proof)));
        self
    }

    /// Changes the DER of the transparency extension's value.
    pub(crate) fn value(mut self, change: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        self.value.push(Box::new(change));
        self
    }

    /// Changes the certificate after it was logged and before it is signed.
    pub(crate) fn last(mut self, change: impl FnOnce(&mut Draft) + 'static) -> Self {
        self.last.push(Box::new(|_, draft| change(draft)));
        self
    }

    /// Changes what the verifier is given.
    pub(crate) fn given(mut self, change: impl FnOnce(&House, &mut Given) + 'static) -> Self {
        self.given.push(Box::new(change));
        self
    }

    /// Changes the leaf's bytes.
    pub(crate) fn bytes(self, change: impl FnOnce(&mut Vec<u8>) + 'static) -> Self {
        self.given(|_, given| change(&mut given.chain[0]))
    }

    pub(crate) fn policy(self, change: impl FnOnce(&House, &mut Value) + 'static) -> Self {
        self.given(|house, given| change(house, &mut given.policy))
    }

    /// A revocation list came in before.
    pub(crate) fn list(self, list: impl FnOnce(&House, &[u8]) -> Vec<u8> + 'static) -> Self {
        self.given(|house, given| {
            let made = list(house, &given.serial);
            given.crls.push(made);
        })
    }

    /// The last revocation list is what the case is about.
    pub(crate) fn about_list(mut self) -> Self {
        self.about_list = true;
        self
    }

    /// The cosignatures of these witnesses alone count.
    pub(crate) fn counting(mut self, witnesses: &[usize]) -> Self {
        self.counting = Some(witnesses.to_vec());
        self
    }

    pub(crate) fn not_revoked(mut self) -> Self {
        self.revocation = "good";
        self
    }

    /// The good case that this one differs from.
    pub(crate) fn twin(&self) -> &'static str {
        match self.issued {
            Kind::Service => "good-service",
            Kind::Person if self.identifier.starts_with('+') => "good-phone",
            Kind::Person => "good-email",
        }
    }

    pub(crate) fn make(self) -> Vector {
        let house = (self.house)();
        let is_person = self.issued == Kind::Person;
        let other = self.ca.map(|make| make(&house));
        let ca = other.as_ref().unwrap_or(if is_person { &house.people } else { &house.services });
        let mut draft = leaf(&self.identifier, is_person, self.begin, ca);
        self.draft.into_iter().for_each(|change| change(&house, &mut draft));
        let mut logging = Logging {
            origin: ORIGIN.to_owned(),
            index: 5,
            size: 7,
            slot: if is_person { 7 } else { 0 },
            identifier: self.identifier.clone(),
            period: None,
            cosigned: vec![(0, self.begin)],
            swapped_kind: false,
        };
        self.logging.into_iter().for_each(|change| change(&mut logging));
        let mut proof = log(&house, &logging, &draft, is_person, self.begin);
        self.proof.into_iter().for_each(|change| change(&house, &mut proof));
        let mut value = proof.to_der();
        self.value.into_iter().for_each(|change| change(&mut value));
        draft.add(Extension::new(TRANSPARENCY, value));
        self.last.into_iter().for_each(|change| change(&house, &mut draft));
        let signed = draft.signed(|tbs| ca.key.sign(tbs));
        let mut given = Given {
            chain: vec![signed, ca.certificate.clone()],
            policy: house.policy(),
            crls: Vec::new(),
            serial: draft.serial.clone(),
        };
        self.given.into_iter().for_each(|change| change(&house, &mut given));
        // The policy has the issuing certificate: most faults need not send it, which keeps the files small.
        if self.rule != "ok" && other.is_none() && given.chain.len() == 2 && given.chain[1] == ca.certificate {
            given.chain.truncate(1);
        }
        let base64 = |list: &[Vec<u8>]| list.iter().map(|der| BASE64.encode(der)).collect();
        let says = (self.rule == "ok").then(|| Says {
            identifier: self.identifier,
            authority: house.name.to_owned(),
            origin: proof.origin,
            index: proof.index,
            witnesses: if is_person { witnesses(&house, &logging, self.counting) } else { Vec::new() },
            revocation: if is_person { self.revocation.to_owned() } else { String::new() },
        });
        let subject = if self.about_list { given.crls.last() } else { given.chain.first() };
        Vector {
            name: self.name.to_owned(),
            rule: self.rule.to_owned(),
            description: self.description.to_owned(),
            now: self.now,
            kind: self.kind,
            service: self.asked,
            policy: serde_json_canonicalizer::to_string(&given.policy).unwrap(),
            chain: base64(&given.chain),
            crls: base64(&given.crls),
            annotated: subject.map(|der| annotate::annotate(der, self.about_list)).unwrap_or_default(),
            says,
        }
    }
}

fn witnesses(house: &House, logging: &Logging, counting: Option<Vec<usize>>) -> Vec<String> {
    let counting = counting.unwrap_or_else(|| logging.cosigned.iter().map(|(n, _)| *n).collect());
    counting.into_iter().map(|n| house.witnesses[n].vkey().name().to_owned()).collect()
}

/// The leaf as docs/spec/certificate.md has it, without its transparency extension.
fn leaf(identifier: &str, is_person: bool, begin: u64, ca: &Ca) -> Draft {
    let key = if is_person { Key::ed25519("device") } else { Key::p256("service") };
    let days = if is_person { 14 } else { 30 };
    let (policy, uses): (_, &[&str]) = match (is_person, identifier.starts_with('+')) {
        (true, false) => (house::DEVICE, &[house::CLIENT_AUTH, house::LIVE_PERSON]),
        (true, true) => (house::PHONE_DEVICE, &[house::CLIENT_AUTH, house::LIVE_PERSON]),
        (false, _) => (house::SERVICE, &[house::SERVER_AUTH]),
    };
    let fits = identifier.chars().count() <= 64;
    Draft {
        version: around(0xa0, [number(2)]),
        serial: der::int(&house::positive(&seed("serial number")[..16])),
        algorithm: ca.key.algorithm(),
        issuer: ca.name.clone(),
        not_before: der::time(begin),
        not_after: der::time(begin + days * DAY - 1),
        subject: if fits { common_name(identifier) } else { seq([]) },
        spki: key.spki(),
        unique_ids: Vec::new(),
        extensions: vec![
            Extension::new(AUTHORITY_KEY_ID, house::authority_key_id(&ca.key)),
            Extension::new(SUBJECT_KEY_ID, octets(&key.id())),
            Extension::critical(KEY_USAGE, bits(7, &[0x80])),
            Extension::new(POLICIES, house::policies(&[policy])),
            Extension {
                oid: SUBJECT_ALT_NAME,
                critical: (!fits).then_some(true),
                value: seq([general_name(identifier, is_person)]),
            },
            Extension::new(EXT_KEY_USAGE, house::purposes(uses)),
            Extension::new(CRL_POINTS, crl_points(&["http://ca.example.org/crl"])),
        ],
        outer_algorithm: None,
    }
}

pub(crate) fn common_name(text: &str) -> Vec<u8> {
    name(&[(COMMON_NAME, utf8(text))])
}

pub(crate) fn rfc822(text: &str) -> Vec<u8> {
    tlv(0x81, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    tlv(0x82, text.as_bytes())
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, text.as_bytes())
}

/// SmtpUTF8Mailbox (RFC 9598 section 3).
pub(crate) fn mailbox(text: &str) -> Vec<u8> {
    around(0xa0, [der::oid("1.3.6.1.5.5.7.8.9"), around(0xa0, [utf8(text)])])
}

fn general_name(identifier: &str, is_person: bool) -> Vec<u8> {
    match (is_person, identifier.starts_with('+'), identifier.is_ascii()) {
        (false, ..) => dns(identifier),
        (true, true, _) => uri(&format!("tel:{identifier}")),
        (true, false, true) => rfc822(identifier),
        (true, false, false) => mailbox(identifier),
    }
}

pub(crate) fn crl_points(urls: &[&str]) -> Vec<u8> {
    seq(urls.iter().map(|url| seq([around(0xa0, [around(0xa0, [uri(url)])])])))
}

/// The entry goes into a log of any size: what else is in it are hashes from a seed.
fn log(house: &House, logging: &Logging, draft: &Draft, is_person: bool, begin: u64) -> TransparencyExtension {
    let period = logging.period.unwrap_or((begin / PERIOD) as u32);
    let opening = Opening::new(seed("opening"));
    let commitment = commitment(&opening, &draft.tbs());
    let (entry, vrf_proof) = entry(house, logging, is_person, period, commitment);
    let mut bytes = entry.encode();
    if logging.swapped_kind {
        bytes[1] ^= 0x02;
    }
    let leaf = leaf_hash(&bytes);
    let (path, root) = (0..=63)
        .find_map(|length| {
            let path: Vec<Hash> = (0..length).map(|level| Hash(seed(&format!("sibling at level {level}")))).collect();
            let root = root_from_inclusion(logging.index, logging.size, &leaf, &path).ok()?;
            Some((path, root))
        })
        .unwrap();
    let checkpoint = Checkpoint { origin: logging.origin.clone(), size: logging.size, root };
    let mut text = sign_checkpoint(&checkpoint, &house.log);
    for (witness, time) in &logging.cosigned {
        text.push_str(&house.witnesses[*witness].cosign(&checkpoint.to_body(), *time));
    }
    let proof = Proof { extra: None, index: logging.index, path, checkpoint: text };
    TransparencyExtension::build(period, logging.slot, vrf_proof, opening, &proof).unwrap()
}

fn entry(
    house: &House,
    logging: &Logging,
    is_person: bool,
    period: u32,
    commitment: [u8; 32],
) -> (Entry, Option<VrfProof>) {
    if !is_person {
        return (Entry::Service { name_digest: service_name_digest(&logging.identifier), commitment }, None);
    }
    let identifier = Identifier::from_canonical(&logging.identifier).unwrap();
    let input = LabelInput { origin: &logging.origin, identifier: &identifier, period, slot: logging.slot };
    let (label, proof) = house.vrf.evaluate(&input);
    (Entry::Certificate { label, commitment }, Some(proof))
}
