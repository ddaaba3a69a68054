//! Certificates of another authority, altered in any byte, or without their place in the log; and logs that were
//! tampered with.

use std::path::Path;

use identity::certificate::{Certificate, assemble};
use identity::trust::{Trust, TrustPolicy};
use identity::verify::verify_person;
use identity::{CertificateDer, UnixTime};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use rustls::pki_types::pem::PemObject;
use story::homeserver::Homeserver;
use story::person::Person;

use super::{House, refused};

/// Her certificate alone, without the issuing authority's.
fn leaf(person: &Person) -> CertificateDer {
    CertificateDer::from_pem_file(person.device().join("chain.pem")).unwrap()
}

fn write_pem(path: &Path, der: &[u8]) {
    let body = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let text = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    std::fs::write(path, text).unwrap();
}

fn trust(server: &Homeserver) -> Trust {
    let policy = std::fs::read(server.folder().join("policy.json")).unwrap();
    Trust::new(vec![TrustPolicy::parse(&policy).unwrap()]).unwrap()
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let mut house = House::new();
    let elsewhere = House::new();
    let mallory = elsewhere.member("alice");
    let alice = house.member("alice");
    let stranger = house.path().join("stranger.pem");
    std::fs::copy(mallory.device().join("chain.pem"), &stranger).unwrap();
    let done = alice.certtool(&["verify", stranger.to_str().unwrap()]).unwrap();
    refused(&done, &[3], &["expected", "found"]);
    house.lives_on("witness");
}

#[test]
fn a_certificate_altered_in_any_byte_is_refused() {
    let house = House::new();
    let alice = house.member("alice");
    let good = leaf(&alice);
    let trust = trust(&house.server);
    let now = UnixTime::now();
    verify_person(std::slice::from_ref(&good), &trust, now).unwrap();
    for at in 0..good.len() {
        for change in [0x01, 0x80] {
            let mut bad = good.to_vec();
            bad[at] ^= change;
            let verified = verify_person(&[CertificateDer::from(bad)], &trust, now);
            assert!(verified.is_err(), "byte {at} of {} can be changed by {change:#04x}", good.len());
        }
    }
    // And through the program, at every fiftieth byte.
    let altered = house.path().join("altered.pem");
    for at in (0..good.len()).step_by(50) {
        let mut bad = good.to_vec();
        bad[at] ^= 0x01;
        write_pem(&altered, &bad);
        let done = alice.certtool(&["verify", altered.to_str().unwrap()]).unwrap();
        refused(&done, &[1, 3], &["expected", "found"]);
    }
    write_pem(&altered, &good);
    alice.certtool(&["verify", altered.to_str().unwrap()]).unwrap().expect(0, "verify").unwrap();
}

#[test]
fn an_authority_that_signs_without_logging_is_not_believed() {
    let house = House::new();
    let alice = house.member("alice");
    let logged = leaf(&alice);
    let certificate = Certificate::parse(&logged).unwrap();
    // The authority's own key, used behind the log's back.
    let key = people_key(house.server.folder());
    let tbs = certificate.tbs().without_transparency();
    let signature: DerSignature = key.sign(&tbs.encode());
    let unlogged = assemble(&tbs, certificate.tbs().signature_algorithm().unwrap(), signature.as_bytes());
    let error =
        verify_person(&[CertificateDer::from(unlogged.clone())], &trust(&house.server), UnixTime::now()).unwrap_err();
    println!("{error}");

    let file = house.path().join("unlogged.pem");
    write_pem(&file, &unlogged);
    refused(&alice.certtool(&["verify", file.to_str().unwrap()]).unwrap(), &[3], &["LOG-", "expected", "found"]);
}

fn people_key(folder: &Path) -> SigningKey {
    let path = folder.join("keys").join("people.key.pem");
    SigningKey::from_pkcs8_pem(
        &std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
    .unwrap()
}

#[test]
fn a_log_with_a_missing_or_altered_entry_fails_the_audit() {
    let house = House::new();
    let alice = house.member("alice");
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    let log = house.server.folder().join("log");
    let bundles = files_below(&log.join("tile").join("entries"));
    let newest = bundles.iter().max_by_key(|file| std::fs::metadata(file).unwrap().len()).unwrap();
    let good = std::fs::read(newest).unwrap();

    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    for bad in [altered, good[..good.len() - 1].to_vec(), Vec::new()] {
        std::fs::write(newest, &bad).unwrap();
        let done = alice.certtool(&["audit", "--from-start"]).unwrap();
        refused(&done, &[3], &["the log does not keep its promise", "tile/entries"]);
    }
    std::fs::remove_file(newest).unwrap();
    let done = alice.certtool(&["audit", "--from-start"]).unwrap();
    refused(&done, &[3, 4], &["tile/entries"]);
    std::fs::write(newest, good).unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit").unwrap();
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_file_that_is_no_certificate_is_refused() {
    let house = House::new();
    let alice = house.newcomer("alice");
    let file = house.path().join("file");
    let contents: [&[u8]; 5] =
        [b"", b"hello", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[b'-'; 1 << 20], &[0xff; 1 << 20]];
    for content in contents {
        std::fs::write(&file, content).unwrap();
        for command in ["verify", "inspect"] {
            refused(&alice.certtool(&[command, file.to_str().unwrap()]).unwrap(), &[1, 3], &["expected", "found"]);
        }
    }
    refused(&alice.certtool(&["verify", "/nowhere/at/all.pem"]).unwrap(), &[1, 2], &["/nowhere/at/all.pem"]);
    let wrong = "0".repeat(64);
    let done = alice.certtool(&["trust", "add", &house.server.ready().policy, "--fingerprint", &wrong]).unwrap();
    refused(&done, &[3], &["expected", &wrong, "found", &house.server.ready().fingerprint]);
}
