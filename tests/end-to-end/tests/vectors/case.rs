//! One case: a certificate that is right in everything but what the case changes, made the way an authority makes it:
//! drafted, logged, cosigned, signed.

use data_encoding::BASE64;
use identity::transparency::TransparencyExtension;
use serde_json::{Map, Value, json};

use super::annotate;
use super::der::seq;
use super::draft::{Draft, Extension, SUBJECT_ALT_NAME, TRANSPARENCY};
use super::house::{Ca, House, NOON, ORIGIN, key_digest};
use super::leaf::leaf;
use super::logging::{Logging, log};
use super::vector::{Kind, Says, Vector};

pub(crate) use super::leaf::{common_name, crl_points, dns, issuer_access, mailbox, rfc822, uri};

type Change<T> = Box<dyn FnOnce(&House, &mut T)>;
type Alone<T> = Box<dyn FnOnce(&mut T)>;

/// What verification is given besides the leaf.
pub(crate) struct Given {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) policy: Value,
    pub(crate) crls: Vec<Vec<u8>>,
    pub(crate) bindings: Map<String, Value>,
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

/// A person's certificate for mail.
pub(crate) fn mail(name: &'static str, description: &'static str) -> Case {
    case(name, description, Kind::Mail, "alice@example.org")
}

/// A component's certificate.
pub(crate) fn component(name: &'static str, description: &'static str) -> Case {
    let mut case = case(name, description, Kind::Component, "ca.example.org");
    case.asked = Some(case.identifier.clone());
    case
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
        if !self.kind.is_of_people() {
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

    /// Verified as a certificate of this kind, whatever it is.
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

    /// Alice is known by the authority of this CA already.
    pub(crate) fn bound(self, root: impl FnOnce(&House) -> Ca + 'static) -> Self {
        self.given(|house, given| {
            let binding = json!({"authority": "Test authority", "root": key_digest(&root(house).key), "since": NOON});
            given.bindings.insert("alice@example.org".to_owned(), binding);
        })
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
            Kind::Mail => "good-mail",
            Kind::Service => "good-service",
            Kind::Component => "good-component",
            Kind::Person if self.identifier.starts_with('+') => "good-phone",
            Kind::Person => "good-email",
        }
    }

    pub(crate) fn make(self) -> Vector {
        let house = (self.house)();
        let is_person = self.issued.is_of_people();
        let other = self.ca.map(|make| make(&house));
        let ca = other.as_ref().unwrap_or(if is_person { &house.people } else { &house.services });
        let mut draft = leaf(&self.identifier, self.issued, self.begin, ca);
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
            bindings: Map::new(),
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
            bindings: given.bindings,
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
