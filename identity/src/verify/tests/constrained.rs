//! Authorities whose certificates say for whom they may speak.

use der::{
    Encode,
    asn1::{Ia5String, OctetString},
};
use x509_cert::ext::{
    Extension,
    pkix::{NameConstraints, constraints::name::GeneralSubtree, name::GeneralName},
};

use super::*;
use crate::oid::extension;

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

fn ia5(text: &str) -> Ia5String {
    Ia5String::new(text).unwrap()
}

/// An organisation's authority: mailboxes at and below its domain, and nothing else that names a person or a machine.
fn organisation(permitted: &[&str], excluded: &[&str]) -> Authority {
    let mail = |text: &&str| subtree(GeneralName::Rfc822Name(ia5(text)));
    let nowhere = [
        GeneralName::UniformResourceIdentifier(ia5("")),
        GeneralName::DnsName(ia5("")),
        GeneralName::IpAddress(OctetString::new([0; 8]).unwrap()),
        GeneralName::IpAddress(OctetString::new([0; 32]).unwrap()),
    ];
    let constraints = NameConstraints {
        permitted_subtrees: Some(permitted.iter().map(mail).collect()),
        excluded_subtrees: Some(excluded.iter().map(mail).chain(nowhere.map(subtree)).collect()),
    };
    let value = OctetString::new(constraints.to_der().unwrap()).unwrap();
    let mut authority = Authority::new(1, NOON);
    authority.change_people(|parts| {
        parts.extensions.push(Extension { extn_id: extension::NAME_CONSTRAINTS, critical: true, extn_value: value });
    });
    authority
}

fn verified(authority: &Authority, identifier: &str) -> Result<VerifiedPerson, VerifyError> {
    let (chain, _) = authority.issue_person(&Identifier::parse(identifier).unwrap(), NOON);
    verify_person(&chain, &authority.trust(), NOON)
}

#[test]
fn an_organisation_certifies_its_own_people() {
    let authority = organisation(&["example.org", ".example.org"], &[]);
    for own in ["alice@example.org", "alice@mail.example.org", "jürgen@example.org"] {
        assert!(verified(&authority, own).is_ok(), "{own}");
    }
    for foreign in ["alice@example.com", "alice@badexample.org", "jürgen@example.com", "+14155552671"] {
        assert_eq!(verified(&authority, foreign).unwrap_err().rule, Rule::ChainConstraints, "{foreign}");
    }
}

#[test]
fn one_mailbox_can_be_left_out_or_be_all() {
    let authority = organisation(&["example.org"], &["Root@example.org"]);
    assert!(verified(&authority, "alice@example.org").is_ok());
    assert!(verified(&authority, "root@example.org").is_err());
    let authority = organisation(&["alice@example.org"], &[]);
    assert!(verified(&authority, "alice@example.org").is_ok());
    assert!(verified(&authority, "bob@example.org").is_err());
}

#[test]
fn a_refusal_says_which_constraint() {
    let error = verified(&organisation(&["example.org", ".example.org"], &[]), "alice@example.com").unwrap_err();
    assert_eq!(
        error.to_string(),
        "CHAIN-09: expected a rfc822Name within the permitted \"example.org\" or \".example.org\", \
         as CN=In Person people CA,O=Test authority 1 has it, found alice@example.com"
    );
    let error = verified(&organisation(&["example.org"], &[]), "+14155552671").unwrap_err();
    assert_eq!(
        error.to_string(),
        "CHAIN-09: expected a URI that can be held against name constraints, \
         as CN=In Person people CA,O=Test authority 1 has it, found tel:+14155552671"
    );
}
