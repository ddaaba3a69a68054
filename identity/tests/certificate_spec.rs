//! The worked example in `docs/spec/certificate.md` is what the code makes.
#![allow(clippy::unwrap_used)]

use identity::{
    Identifier,
    certificate::Certificate,
    testing::{Authority, NOON},
    transparency::{LabelInput, commitment},
    verify::verify_person,
};
use tlog_proof::{Entry, leaf_hash, root_from_inclusion};

const PAGE: &str = include_str!("../../docs/spec/certificate.md");

/// The lines of the first fenced block after this text.
fn block(after: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(after).unwrap_or_else(|| panic!("no {after:?} in the page"));
    rest.lines()
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .collect()
}

fn digits(lines: &[&str]) -> Vec<u8> {
    let hex: String = lines.iter().flat_map(|line| line.chars().take(64)).filter(|c| !c.is_whitespace()).collect();
    hex::decode(&hex).unwrap()
}

#[test]
fn the_worked_example_is_true() {
    let authority = Authority::new(1, NOON);
    let alice = Identifier::parse("alice@example.org").unwrap();
    authority.issue_person(&Identifier::parse("bob@example.org").unwrap(), NOON);
    let (chain, _) = authority.issue_person(&alice, NOON);

    let bytes: Vec<&str> = block("### The certificate").iter().map(|line| line.get(..47).unwrap_or(line)).collect();
    assert_eq!(hex::encode(digits(&bytes)), hex::encode(&chain[0]), "the certificate");
    assert!(verify_person(&[digits(&bytes).into()], &authority.trust(), NOON).is_ok());

    assert_eq!(block("as tlog-policy:").join("\n") + "\n", authority.log().policy_text());
    assert_eq!(digits(&block("VRF key:")), authority.vrf().public().to_bytes());

    let leaf = Certificate::parse(&chain[0]).unwrap();
    let proof = leaf.tbs().transparency().unwrap().unwrap();
    let input = LabelInput { origin: &proof.origin, identifier: &alice, period: proof.period, slot: proof.slot };
    let (label, _) = authority.vrf().evaluate(&input);
    let commitment = commitment(&proof.opening, &leaf.tbs().without_transparency().encode());
    let hash = leaf_hash(&Entry::Certificate { label, commitment }.encode());
    let derived = block("### From it");
    let part = |name: &str, next: &str| {
        let begin = derived.iter().position(|line| *line == name).unwrap() + 1;
        let end = derived.iter().position(|line| *line == next).unwrap_or(derived.len());
        digits(&derived[begin..end])
    };
    assert_eq!(part("input", "label"), input.encode());
    assert_eq!(part("label", "commitment"), label);
    assert_eq!(part("commitment", "leaf hash"), commitment);
    assert_eq!(part("leaf hash", ""), hash.0);

    let root = root_from_inclusion(proof.index, proof.tree_size, &hash, &proof.path).unwrap();
    assert_eq!(block("log and witness signed:").join("\n") + "\n", proof.checkpoint(&root));
}
