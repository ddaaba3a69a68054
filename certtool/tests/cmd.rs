//! Transcripts of the command line, and the certificates they are about.
//!
//! The files in `tests/cmd/fixtures` come from `identity::testing`, whose keys follow from a seed: the first test makes
//! them again and compares. After a change of the certificate format, write them anew with `FIXTURES=write`, and the
//! transcripts with `TRYCMD=overwrite`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use device::chain_to_pem;
use identity::profile::{KeyAlgorithm, Profile};
use identity::testing::{Authority, NOON, mail_key};
use identity::{Identifier, UnixTime};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/fixtures");

/// What the transcripts are about, by file name.
fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let alice = Identifier::parse("alice@example.org").unwrap();
    let (authority, stranger) = (Authority::new(1, NOON), Authority::new(2, NOON));
    let (chain, _) = authority.issue_person(&alice, NOON);
    let (foreign, _) = stranger.issue_person(&alice, NOON);
    // The first letter is Cyrillic.
    let lookalike = Identifier::parse("\u{430}lice@example.org").unwrap();
    let mail = authority.issue_mail(Profile::mail(), &alice, &mail_key(KeyAlgorithm::P256), NOON);
    let mut altered = chain.clone();
    altered[0] = flip_in_proof(&altered[0]);
    vec![
        ("policy.json", authority.policy().canonical()),
        ("alice.pem", chain_to_pem(&chain).into_bytes()),
        ("alice.der", chain[0].to_vec()),
        ("lookalike.pem", chain_to_pem(&authority.issue_person(&lookalike, NOON).0).into_bytes()),
        ("mail.pem", chain_to_pem(&mail).into_bytes()),
        ("foreign.pem", chain_to_pem(&foreign).into_bytes()),
        ("altered.pem", chain_to_pem(&altered).into_bytes()),
        ("garbage.pem", b"-----BEGIN CERTIFICATE-----\nthis is none\n-----END CERTIFICATE-----\n".to_vec()),
        ("letter.txt", b"Dear Alice,\n".to_vec()),
    ]
}

/// One bit of the certificate's last byte, which is in the authority's signature.
fn flip_in_proof(der: &[u8]) -> rustls_pki_types::CertificateDer<'static> {
    let mut der = der.to_vec();
    if let Some(last) = der.last_mut() {
        *last ^= 1;
    }
    der.into()
}

#[test]
fn fixtures_are_what_the_test_authority_makes() {
    for (name, bytes) in fixtures() {
        let path = Path::new(FIXTURES).join(name);
        if std::env::var("FIXTURES").is_ok_and(|value| value == "write") {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
    }
    assert_eq!(NOON, UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_435_200)));
}

/// The homes that transcripts make. They are there only while this is.
struct Homes;

impl Homes {
    fn removed() -> Self {
        remove_homes();
        Self
    }
}

fn remove_homes() {
    for folder in fs::read_dir("tests/cmd").unwrap() {
        let _ = fs::remove_dir_all(folder.unwrap().path().join("home"));
    }
}

impl Drop for Homes {
    fn drop(&mut self) {
        remove_homes();
    }
}

#[test]
fn transcripts() {
    // Each transcript starts in a folder of its own, with a home that does not exist yet. It is run in place, so what it
    // leaves is removed, before for those that broke off and after for the next.
    let _homes = Homes::removed();
    trycmd::TestCases::new()
        .env("INPERSON_HOME", "home")
        .env("INPERSON_CONFIG", "settings.toml")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case("tests/cmd/*.trycmd")
        .run();
}

#[test]
fn homes_that_cannot_be_written_and_files_that_are_too_large() {
    let temp = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], home: &Path| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_certtool"))
            .args(arguments)
            .env("INPERSON_HOME", home)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let home = temp.path().join("home");

    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let (code, text) = run(&["status"], &file.join("home"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cannot be written") && text.contains("INPERSON_HOME"), "{text}");

    let (code, text) = run(&["status"], &file);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("expected a folder, found a file") && text.contains("INPERSON_HOME"), "{text}");

    let large = temp.path().join("large.pem");
    fs::write(&large, vec![b'x'; (1 << 20) + 1]).unwrap();
    let (code, text) = run(&["verify", large.to_str().unwrap()], &home);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("larger than 1 MiB"), "{text}");
    fs::write(&large, [&[0x30, 0x83, 0x0f, 0xff, 0xfb][..], &vec![0; (1 << 20) - 5]].concat()).unwrap();
    // A certificate by its first byte, larger than any: refused by CHAIN-01.
    assert_eq!(run(&["inspect", large.to_str().unwrap()], &home).0, Some(3));

    let (code, text) = run(&["trust", "add", "http://localhost:1/policy"], &home);
    assert_eq!(code, Some(1), "plain HTTP is no address to fetch: {text}");
}

#[test]
fn what_is_found_and_lost_on_a_full_disk_is_told() {
    let home = tempfile::tempdir().unwrap();
    let certtool = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_certtool"));
        command.args(arguments).env("INPERSON_HOME", home.path().join("home"));
        command
    };
    let (policy, fingerprint) =
        (Path::new(FIXTURES).join("policy.json"), Authority::new(1, NOON).policy().fingerprint());
    let pin = ["trust", "add", policy.to_str().unwrap(), "--fingerprint", &fingerprint.to_string()];
    assert!(certtool(&pin).output().unwrap().status.success());
    for arguments in [&["trust", "list"][..], &["--json", "trust", "list"], &["trust", "show"], &["--help"]] {
        assert_eq!(command_line::testing::faults_of_printing(&mut certtool(arguments)), [""; 0]);
    }
    // What was found counts more than that it could not be told.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let foreign = Path::new(FIXTURES).join("foreign.pem");
    let done = certtool(&["inspect", foreign.to_str().unwrap()]).stdout(full).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(3) && said.contains("could not be written"), "{said}");
}

#[test]
fn a_profile_decides_about_folder_and_identity() {
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("certtool.toml");
    let run = |profile: &[&str], home: Option<&str>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_certtool"));
        command.args(profile).args(["status", "--json"]).env("INPERSON_CONFIG", &settings).env("HOME", place.path());
        command.env_remove("INPERSON_HOME").env_remove("INPERSON_PROFILE").env_remove("XDG_DATA_HOME");
        if let Some(home) = home {
            command.env("INPERSON_HOME", place.path().join(home));
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let home_of = |(code, text): (Option<i32>, String), name: &str| {
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(&format!("\"home\":\"{}\"", place.path().join(name).display())), "{name}: {text}");
    };
    home_of(run(&[], None), ".local/share/inperson");
    assert_eq!(run(&["--profile", "work"], None).0, Some(1), "there are no settings");
    fs::write(&settings, "profile = \"own\"\n[profiles.own]\nhome = \"~/own\"\n[profiles.work]\nhome = \"~/work\"\n")
        .unwrap();
    home_of(run(&[], None), "own");
    home_of(run(&["--profile", "work"], None), "work");
    home_of(run(&["--profile", "work"], Some("said")), "said");
    fs::write(&settings, "[profiles.own]\nhome = \"~/own\"\nhoem = 1\n").unwrap();
    let (code, text) = run(&[], None);
    assert!(code == Some(1) && text.contains("certtool.toml, line 3: unknown field `hoem`"), "{text}");
    let large = fs::File::create(&settings).unwrap();
    large.set_len(1 << 30).unwrap();
    let (code, text) = run(&[], None);
    assert!(code == Some(1) && text.contains("at most 64 KiB"), "{text}");
}
