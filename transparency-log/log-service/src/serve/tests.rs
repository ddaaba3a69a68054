//! Whom a log takes entries from.

use std::path::Path;
use std::sync::Arc;

use identity::UnixTime;
use identity::transparency::service_name_digest;
use rustls::server::danger::ClientCertVerifier as _;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Entry, KeyKind, ObjectKind, VerifierKey};

use super::{Admission, Signers, Submitter, policy, with_every_key};
use crate::settings::{Read, ServeSettings};

/// Settings whose `[[authority]]` has this key; its trust policy is that of the vectors.
fn read(folder: &Path, change: impl Fn(String) -> String) -> Read<ServeSettings> {
    let text = "origin = \"log.example.org/2026\"\nfolder = \"x\"\nown_witness = \"log.example.org/w\"\n\
                [port]\nlisten = \"127.0.0.1:0\"\n[submission]\nlisten = \"127.0.0.1:0\"\n\
                [[authority]]\nname = \"ca.example.org\"\ntrust_policy = \"policy.json\"\n";
    let path = folder.join("serve.toml");
    std::fs::write(&path, change(text.to_owned())).unwrap();
    Read::open(&path).unwrap()
}

#[test]
fn the_own_key_and_witness_stand_before_the_settings_policy() {
    let place = tempfile::tempdir().unwrap();
    let own = policy(&read(place.path(), |text| text)).unwrap();
    assert_eq!((own.logs.len(), own.witnesses.len()), (1, 1));
    assert_eq!(own.logs[0].vkey.name(), "log.example.org/2026");
    let w1 = "witness w1 witness.example.org/w1+7f7f9cd7+BIN6wWDOGDiwMzjrCluwFlo5fucwz4Q+zoghJ3Vhg3IJ";
    let with = |text: &str| {
        let line = format!("policy = '''\n{text}'''\n");
        policy(&read(place.path(), |settings| settings.replacen("[port]", &format!("{line}[port]"), 1)))
    };
    let both = with(&format!("{w1} https://w.example\ngroup both all own w1\nquorum both\n")).unwrap();
    assert_eq!(both.witnesses.len(), 2);
    let sample = place.path().join("sample.toml");
    let text = include_str!("../../samples/serve.toml").replace("/var/lib/transparency-log", "sample");
    std::fs::write(&sample, text).unwrap();
    assert_eq!(policy(&Read::open(&sample).unwrap()).unwrap().witnesses.len(), 3);
    for wrong in ["quorum none\n", "quorum w1\n", "", &format!("log {}\nquorum own\n", own.logs[0].vkey)] {
        assert!(with(wrong).unwrap_err().is_usage(), "{wrong:?}");
    }
}

#[test]
fn the_own_witness_has_a_key_of_each_kind_and_people_pin_the_one_that_certificates_carry() {
    let place = tempfile::tempdir().unwrap();
    let settings = read(place.path(), |text| text);
    let keys = Signers::open(&settings).unwrap().witness_keys();
    assert_eq!(keys.iter().map(VerifierKey::kind).collect::<Vec<_>>(), [KeyKind::CosignatureV1, KeyKind::SubtreeV1]);
    assert_eq!(Signers::open(&settings).unwrap().witness_keys(), keys, "made once");
    let pinned = policy(&settings).unwrap();
    assert_eq!((pinned.witnesses.len(), &pinned.witnesses[0].vkey), (1, &keys[0]));
    let gathered = with_every_key(pinned.clone(), &keys);
    assert_eq!((gathered.witnesses.len(), &gathered.witnesses[1].vkey), (2, &keys[1]));
    assert_eq!(gathered.quorum, pinned.quorum, "nobody demands it");
    assert_eq!(with_every_key(gathered.clone(), &keys), gathered, "one that the settings name already");
    let none = read(place.path(), |text| text.replace("own_witness = \"log.example.org/w\"\n", ""));
    assert!(Signers::open(&none).unwrap().witness_keys().is_empty());
}

#[test]
fn a_log_without_anybody_to_take_entries_from_does_not_start() {
    let place = tempfile::tempdir().unwrap();
    let refused =
        Admission::open(&read(place.path(), |text| text.replace("[[authority]]", "[[authority]]\nkey = \"0g\"")));
    assert!(refused.unwrap_err().to_string().contains("policy.json"));
    let none = |text: String| text.split("[[authority]]").next().unwrap().to_owned();
    let refused = Admission::open(&read(place.path(), none)).unwrap_err();
    assert!(refused.to_string().contains("expected one [[authority]], found none"), "{refused}");
    let unnamed = |text: String| text.replace("ca.example.org", "not a name");
    let refused = Admission::open(&read(place.path(), unnamed)).unwrap_err();
    assert!(refused.to_string().contains("expected a DNS name"), "{refused}");
}

#[test]
fn two_authorities_do_not_share_a_log() {
    let place = tempfile::tempdir().unwrap();
    let second = "[[authority]]\nname = \"ca.example.net\"\ntrust_policy = \"other.json\"\n";
    let refused = Admission::open(&read(place.path(), |text| text + second)).unwrap_err();
    assert!(refused.is_usage());
    assert!(refused.to_string().contains("expected one [[authority]], found 2"), "{refused}");
}

#[test]
fn a_component_logs_services_of_its_own_name_alone() {
    let admission = Admission::of_key("ca.example.org", [1; 32]);
    let service = |name: &str| Entry::Service { name_digest: service_name_digest(name), commitment: [2; 32] };
    let certificate = Entry::Certificate { label: [3; 32], commitment: [4; 32] };
    let list = Entry::Object { kind: ObjectKind::Crl, hash: [5; 32] };
    let (own, other) = (service("ca.example.org"), service("ca.example.net"));
    let everything = [own.clone(), certificate.clone(), list.clone()];
    assert_eq!(admission.permits(Submitter::Component, &everything), Ok(()));
    assert_eq!(admission.permits(Submitter::Beginner, std::slice::from_ref(&own)), Ok(()));
    for submitter in [Submitter::Component, Submitter::Beginner] {
        let refused = admission.permits(submitter, &[own.clone(), other.clone()]).unwrap_err();
        assert!(refused.contains("service certificates of ca.example.org alone"), "{refused}");
    }
    for early in [certificate, list] {
        let refused = admission.permits(Submitter::Beginner, &[own.clone(), early]).unwrap_err();
        assert!(refused.contains("before ca.example.org has a certificate"), "{refused}");
    }
}

#[test]
fn nobody_is_known_by_a_certificate_that_anybody_can_make() {
    // Without any authority that could verify: what remains is the key that the operator was told.
    let made = rcgen::generate_simple_self_signed(vec!["ca.example.org".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["ca.example.org".to_owned()]).unwrap();
    let digest: [u8; 32] = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&made.signing_key)).into();
    let admission = Arc::new(Admission::of_key("ca.example.org", digest));
    let now = UnixTime::now();
    assert_eq!(admission.recognise(&[made.cert.der().clone()], now), Ok(Submitter::Beginner));
    assert!(admission.recognise(&[other.cert.der().clone()], now).is_err());
    assert!(admission.recognise(&[made.cert.der().clone(), made.cert.der().clone()], now).is_err());
    assert!(admission.recognise(&[vec![1, 2, 3].into()], now).is_err());
    assert!(admission.recognise(&[], now).is_err());
    assert!(admission.verify_client_cert(other.cert.der(), &[], now).is_err());
}
