//! Whom to trust, and what happened to trust: trust policies, evidence, contact cards.

use std::time::Duration;

use identity::UnixTime;
use identity::card::ContactCard;
use identity::evidence::{Claim, Evidence, MAX_EVIDENCE_BYTES};
use identity::trust::{MAX_POLICY_BYTES, TrustPolicy};
use serde_json::Value;

use super::Explained;
use super::names::list;
use crate::text;

/// A trust policy or evidence; the error says what was found instead.
pub(super) fn json(bytes: &[u8], now: UnixTime) -> Result<Explained, String> {
    // No other JSON is known here, and both have this limit; a larger one is not even looked at.
    const { assert!(MAX_POLICY_BYTES == MAX_EVIDENCE_BYTES) };
    if bytes.len() > MAX_POLICY_BYTES {
        return Err(format!("JSON of more than {} MiB", MAX_POLICY_BYTES >> 20));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("JSON that is damaged: {error}"))?;
    if value.get("claim").is_some() {
        let evidence = Evidence::parse(bytes).map_err(|error| format!("evidence that is damaged: {error}"))?;
        return Ok(of_evidence(&evidence));
    }
    if value.get("authorities").is_some() {
        let policy = TrustPolicy::parse(bytes).map_err(|error| format!("a trust policy that is damaged: {error}"))?;
        return Ok(policy_of(&policy, now));
    }
    Err("JSON of another kind".to_owned())
}

fn policy_of(policy: &TrustPolicy, now: UnixTime) -> Explained {
    const SPEC: &str = "docs/spec/trust-policy.md";
    let mut explained = Explained::new("trust policy", SPEC);
    let into = &mut explained;
    into.field("name", &policy.name, "What it is called", SPEC)
        .field("version", policy.number, "Its number: each version is signed by the one before", SPEC)
        .field(
            "fingerprint",
            text::groups(&policy.fingerprint().to_string(), 4),
            "Its digest, to compare by phone or face to face",
            SPEC,
        );
    for authority in &policy.authorities {
        let domains = list(&authority.domains, ToString::to_string);
        let prefixes = list(&authority.phone_prefixes, ToString::to_string);
        let value =
            format!("{} (domains: {domains}; phone prefixes: {prefixes}; log: {})", authority.name, authority.log);
        into.field("authority", value, "Who may certify whom, and in which log it has to stand", SPEC);
        for der in [&authority.root].into_iter().chain(&authority.issuers) {
            let Some(of) = super::certificate::explain(&der.0, now) else {
                into.fault(
                    format!("a certificate of {} does not decode", authority.name),
                    "Nothing can be verified by it",
                    "RFC 5280, 4",
                );
                continue;
            };
            let subject = of.fields.iter().find(|field| field.name == "subject").map(|field| field.value.clone());
            let subject = subject.unwrap_or_default();
            for fault in of.faults {
                into.faults
                    .push(super::Fault { what: format!("the certificate of {subject}: {}", fault.what), ..fault });
            }
        }
    }
    into.field(
        "directories",
        list(&policy.directories, |one| format!("{} at {}", one.name, one.address)),
        "Where its people are found",
        SPEC,
    );
    into.field("updates", policy.updates.as_deref().unwrap_or("none"), "Where later versions are to be had", SPEC);
    into.next("To trust by it, once its fingerprint was compared: certtool trust add FILE --fingerprint HEX");
    explained
}

fn of_evidence(evidence: &Evidence) -> Explained {
    const SPEC: &str = "docs/spec/evidence.md";
    let made = UnixTime::since_unix_epoch(Duration::from_secs(evidence.made));
    let claim = match &evidence.claim {
        Claim::Certificate { refused: Some(refusal), .. } => {
            format!("an authority signed a certificate that breaks {}", refusal.rule)
        }
        Claim::Certificate { refused: None, .. } => "an authority signed a certificate".to_owned(),
        Claim::Entries { .. } => "entries stand in a log under one label".to_owned(),
        Claim::SplitView { .. } => "a log signed two histories".to_owned(),
    };
    let mut explained = Explained::new("evidence", SPEC);
    explained
        .field("claims", claim, "What it is to prove; nothing was checked here", SPEC)
        .field("made", text::time(made), "When it was gathered", SPEC)
        .field("policies", evidence.policies.len(), "Versions of the trust policy by which it is judged", SPEC)
        .next("What it proves: certtool verify --evidence FILE");
    explained
}

/// A contact card.
pub(super) fn card(card: &ContactCard) -> Explained {
    const SPEC: &str = "docs/spec/contact-card.md";
    let mut explained = Explained::new("contact card", SPEC);
    explained
        .field("person", &card.identifier, "Whose card it is", SPEC)
        .field("policy", text::groups(&card.genesis.to_string(), 4), "The trust policy by which she is certified", SPEC)
        .field(
            "directory",
            format!("{} at {}", card.directory.name, card.directory.address),
            "Where she is found",
            SPEC,
        );
    for key in &card.keys {
        explained.field("key", text::groups(&hex::encode(key), 4), "A device that is hers", SPEC);
    }
    explained.next("It proves nothing by itself: it is worth what the way is worth on which it came. To take it: certtool trust add LINK");
    explained
}
