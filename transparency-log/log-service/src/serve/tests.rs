//! Whom a log takes entries from.

use std::path::Path;
use std::sync::Arc;

use identity::UnixTime;
use rustls::server::danger::ClientCertVerifier as _;
use sha2::{Digest as _, Sha256};

use super::{Admission, Submitter, policy};
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
fn a_log_without_anybody_to_take_entries_from_does_not_start() {
    let place = tempfile::tempdir().unwrap();
    let refused =
        Admission::open(&read(place.path(), |text| text.replace("[[authority]]", "[[authority]]\nkey = \"0g\"")));
    assert!(refused.unwrap_err().to_string().contains("policy.json"));
    let none = |text: String| text.split("[[authority]]").next().unwrap().to_owned();
    assert!(Admission::open(&read(place.path(), none)).unwrap_err().to_string().contains("[[authority]]"));
}

#[test]
fn nobody_is_known_by_a_certificate_that_anybody_can_make() {
    // Without any authority that could verify: what remains is the key that the operator was told.
    let made = rcgen::generate_simple_self_signed(vec!["ca.example.org".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["ca.example.org".to_owned()]).unwrap();
    let digest: [u8; 32] = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&made.signing_key)).into();
    let admission = Arc::new(Admission::of_key("ca.example.org", digest));
    let now = UnixTime::now();
    let beginner = Submitter::Beginner { name: "ca.example.org".to_owned() };
    assert_eq!(admission.recognise(&[made.cert.der().clone()], now), Ok(beginner));
    assert!(admission.recognise(&[other.cert.der().clone()], now).is_err());
    assert!(admission.recognise(&[made.cert.der().clone(), made.cert.der().clone()], now).is_err());
    assert!(admission.recognise(&[vec![1, 2, 3].into()], now).is_err());
    assert!(admission.recognise(&[], now).is_err());
    assert!(admission.verify_client_cert(other.cert.der(), &[], now).is_err());
}
