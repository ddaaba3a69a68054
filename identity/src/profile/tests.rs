use super::*;
use crate::oid;

#[test]
fn embedded_profiles_are_found_by_name_and_policy() {
    for profile in Profile::all() {
        assert_eq!(Profile::by_name(profile.name()), Some(profile));
        assert_eq!(Profile::by_policy(profile.policy()), Some(profile));
        assert!(profile.policy().to_string().starts_with(&format!("{}.3.", oid::ARC)));
    }
    assert_eq!(Profile::device().policy(), oid::POLICY_DEVICE);
    assert_eq!(Profile::phone_device().policy(), oid::POLICY_PHONE_DEVICE);
    assert_eq!(Profile::mail().policy(), oid::POLICY_MAIL);
    assert_eq!(Profile::service().policy(), oid::POLICY_SERVICE);
    assert_eq!(Profile::component().policy(), oid::POLICY_COMPONENT);
    assert_eq!(Profile::device().lifetime(), Duration::from_secs(14 * DAY));
    assert_eq!(Profile::by_name("Device"), None);
}

/// A file that nobody loads would look like a rule and be none.
#[test]
fn every_file_is_a_profile() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/profiles");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut loaded: Vec<_> = Profile::all().iter().map(|profile| profile.name()).collect();
    files.sort();
    loaded.sort_unstable();
    assert_eq!(files, loaded);
}

#[test]
fn people_in_live_conversation_have_devices() {
    let live: Vec<_> = Profile::all().into_iter().filter(|p| p.is_live()).map(Profile::name).collect();
    assert_eq!(live, ["device", "phone-device"]);
}

#[test]
fn mail_follows_the_kind_of_key() {
    use KeyUse::{DigitalSignature, KeyAgreement, KeyEncipherment};
    let mail = Profile::mail();
    assert_eq!(mail.keys()[0], KeyAlgorithm::P256);
    assert_eq!(mail.key_usage(KeyAlgorithm::P256), [DigitalSignature, KeyAgreement]);
    assert_eq!(mail.key_usage(KeyAlgorithm::Rsa), [DigitalSignature, KeyEncipherment]);
    assert_eq!(mail.key_usage(KeyAlgorithm::Ed25519), [DigitalSignature]);
    assert_eq!(Profile::device().key_usage(KeyAlgorithm::P256), []);
    assert_eq!((mail.lifetime(), mail.max_lifetime()), (Duration::from_secs(90 * DAY), Duration::from_secs(90 * DAY)));
}

#[test]
fn compliance_is_asserted_by_the_operator_alone() {
    let mail = Profile::mail();
    assert_eq!(mail.written_policies(), [oid::POLICY_MAIL]);
    assert_eq!(mail.asserting().written_policies(), [oid::POLICY_MAIL, mail.may_assert()[0]]);
    assert_eq!(Profile::device().asserting().written_policies(), [oid::POLICY_DEVICE]);
}

#[test]
fn unknown_fields_and_contradictions_are_refused() {
    let text = include_str!("../../../policies/profiles/device.toml");
    assert!(Profile::from_toml(text).is_ok());
    for (from, to) in [
        ("subject =", "extra = 1\nsubject ="),
        ("algorithm =", "extra = 1\nalgorithm ="),
        ("14", "31"),
        ("= 30", "= 826"),
        ("\"Ed25519\"", "\"Ed448\""),
        ("\"digitalSignature\"", ""),
        ("\"digitalSignature\"", "\"keyEncipherment\""),
        ("\"clientAuth\", \"livePerson\"", ""),
        ("\"http\", ", "\"ldap\", "),
        ("\"1.3.6.1.4.1.32473.3.1\"", "\"device\""),
        ("[[keys]]", "[[keys]]\nalgorithm = \"Ed25519\"\nkey_usage = [\"digitalSignature\"]\n[[keys]]"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        assert!(Profile::from_toml(&changed).is_err(), "{from} → {to}");
    }
}
