use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn key() -> Zeroizing<Vec<u8>> {
    use p256::pkcs8::EncodePrivateKey as _;
    let key = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    Zeroizing::new(key.to_pkcs8_der().unwrap().as_bytes().to_vec())
}

fn open_with(pem: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    open(PRIVATE_KEY, pem, &mut || Ok(Some(passphrase(text))))
}

#[test]
fn what_is_sealed_opens_with_its_passphrase_alone() {
    let pem = seal(PRIVATE_KEY, &key(), &passphrase("correct horse"), [9; 32]).unwrap();
    assert!(is_sealed(&pem) && pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(open_with(&pem, "correct horse").unwrap(), key());
    assert!(matches!(open(PRIVATE_KEY, &pem, &mut || Ok(None)), Err(SealError::NoPassphrase)));
    // A wrong passphrase fails by the padding, or, once in a few hundred times, yields something else.
    assert!(open_with(&pem, "correct horse ").map_or(true, |content| content != key()));
    assert!(matches!(open("OTHER", &pem, &mut || Ok(None)), Err(SealError::Form { .. })));
    let other = seal(PRIVATE_KEY, &key(), &passphrase("correct horse"), [10; 32]).unwrap();
    assert_ne!(pem, other);
}

#[test]
fn what_is_not_sealed_asks_for_nothing() {
    let pem = encode_string(PRIVATE_KEY, LineEnding::LF, &key()).unwrap();
    assert!(!is_sealed(&pem));
    assert_eq!(open(PRIVATE_KEY, &pem, &mut || panic!("asked")).unwrap(), key());
    assert!(open(PRIVATE_KEY, "hello", &mut || panic!("asked")).is_err());
    assert!(open(PRIVATE_KEY, &"x".repeat(MAX_FILE_BYTES + 1), &mut || panic!("asked")).is_err());
}

#[test]
fn costs_beyond_the_bounds_are_refused_before_the_passphrase_is_asked_for() {
    let sealed = |scheme| {
        let content = OctetString::new(vec![0; 32]).unwrap();
        let der = NewEncrypted { scheme: EncryptionScheme::Pbes2(scheme), content }.to_der().unwrap();
        encode_string("ENCRYPTED PRIVATE KEY", LineEnding::LF, &der).unwrap()
    };
    let scrypt = |n, r, p| {
        let cost = pkcs5::scrypt::Params::new(n, r, p).unwrap();
        sealed(Parameters::generate_scrypt_aes256cbc(cost, &[1; 16], [2; 16]).unwrap())
    };
    for pem in [
        scrypt(21, 8, 1),
        scrypt(14, 8, 4096),
        sealed(Parameters::generate_pbkdf2_sha256_aes256cbc(MAX_ROUNDS + 1, &[1; 16], [2; 16]).unwrap()),
        sealed(Parameters::generate_pbkdf2_sha256_aes128cbc(1000, &[1; 16], [2; 16]).unwrap()),
    ] {
        assert!(matches!(open(PRIVATE_KEY, &pem, &mut || panic!("asked")), Err(SealError::Scheme(_))));
    }
}

/// `openssl pkcs8` with these arguments, the key on its standard input.
fn openssl(arguments: &[&str], input: &str) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .arg("pkcs8")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn openssl_reads_ours_and_we_read_openssls() {
    let ours = seal(PRIVATE_KEY, &key(), &passphrase("correct horse"), [9; 32]).unwrap();
    let opened = openssl(&["-passin", "pass:correct horse"], &ours);
    assert_eq!(open(PRIVATE_KEY, std::str::from_utf8(&opened).unwrap(), &mut || Ok(None)).unwrap(), key());

    let clear = encode_string(PRIVATE_KEY, LineEnding::LF, &key()).unwrap();
    for how in [
        &["-scrypt"][..],
        &["-v2", "aes-256-cbc", "-iter", "10000"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
    ] {
        let arguments = [&["-topk8", "-passout", "pass:correct horse"], how].concat();
        let theirs = String::from_utf8(openssl(&arguments, &clear)).unwrap();
        assert_eq!(open_with(&theirs, "correct horse").unwrap(), key(), "{how:?}");
    }
}
