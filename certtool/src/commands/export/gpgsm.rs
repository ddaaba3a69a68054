//! What gpgsm 2.2 makes of PKCS#12, and files that it reads as everybody else does.
//!
//! Its derivation of keys (`string_to_key` in GnuPG's sm/minip12.c, still so in 2.2.40) follows RFC 7292 appendix B.2 but
//! for step 6C, the sums I_j = I_j + B + 1: it writes them as numbers, without their leading zeros, so that a sum that
//! begins with a zero byte stands one byte too far to the left. The step is done once for the 24 bytes of a 3DES key, of
//! which one SHA-1 gives 20, and never for the 8 of an initial vector; gpgsm does not look at the authentication of the
//! file. A file has two such keys (certificates, private key), of two sums each: gpgsm cannot open one in 64
//! under the right passphrase. The sums follow from the salt, so for such a file another salt is drawn.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::asn1::OctetStringRef;
use der::{Decode as _, Sequence, SliceReader};
use key_store::Passphrase;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// gpgsm 2.2 refuses longer ones: passphrase and a zero, in two bytes each, fill one block of SHA-1.
const MAX_PASSPHRASE: usize = 31;
/// So often a file is written anew. That all are of the one in 64 does not happen (2^-96).
const DRAWS: usize = 16;
/// pbeWithSHAAnd3-KeyTripleDES-CBC (1.2.840.113549.1.12.1.3) as DER has it.
const SCHEME: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
/// A block of SHA-1.
const BLOCK: usize = 64;

/// What stands behind the name of the scheme (RFC 7292 appendix C).
#[derive(Sequence)]
struct Parameters<'a> {
    salt: &'a OctetStringRef,
    rounds: u32,
}

/// Whether gpgsm can derive keys from this passphrase at all.
///
/// # Errors
/// It is too long, or has characters that gpgsm tries in sixteen character sets, of which a wrong one can seem right.
pub(in crate::commands) fn takes_passphrase(passphrase: &Passphrase) -> Result<(), Failure> {
    let text = passphrase.as_str();
    if text.len() <= MAX_PASSPHRASE && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(());
    }
    Err(Failure::failed(
        format!(
            "gpgsm 2.2 opens no file under this passphrase: it takes at most {MAX_PASSPHRASE} characters, of ASCII alone"
        ),
        "Choose another one: 20 random letters and digits are enough.",
    ))
}

/// A file that gpgsm reads as RFC 7292 says, of those that `write` writes, each with salts of its own.
pub(super) fn read_alike(passphrase: &str, write: impl Fn() -> Result<Vec<u8>, Failure>) -> Result<Vec<u8>, Failure> {
    for _ in 0..DRAWS {
        let file = write()?;
        if is_read_alike(&file, passphrase) {
            return Ok(file);
        }
    }
    Err(Failure::failed("no file came about that gpgsm reads", "Try again."))
}

/// Whether gpgsm derives the very keys of this file, which was written here.
fn is_read_alike(file: &[u8], passphrase: &str) -> bool {
    let places = file.windows(SCHEME.len()).enumerate().filter(|(_, bytes)| *bytes == SCHEME);
    let mut seen = 0;
    for (at, _) in places {
        let Ok(mut reader) = SliceReader::new(&file[at + SCHEME.len()..]) else { return false };
        let Ok(Parameters { salt, rounds }) = Parameters::decode(&mut reader) else { return false };
        if !is_derived_alike(salt.as_bytes(), rounds, passphrase) {
            return false;
        }
        seen += 1;
    }
    seen > 0
}

/// Whether none of the sums begins with a zero.
fn is_derived_alike(salt: &[u8], rounds: u32, passphrase: &str) -> bool {
    // As a BMPString, with a zero at its end (RFC 7292 appendix B.1).
    let characters: Zeroizing<Vec<u8>> = Zeroizing::new(passphrase.bytes().chain([0]).flat_map(|c| [0, c]).collect());
    let repeated = |bytes: &[u8]| Zeroizing::new(bytes.iter().copied().cycle().take(BLOCK).collect::<Vec<u8>>());
    let (salt, characters) = (repeated(salt), repeated(&characters));
    let of_keys = [1; BLOCK];
    let begin = Zeroizing::new([&of_keys[..], &salt, &characters].concat());
    let mut hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &begin);
    for _ in 1..rounds {
        hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, hash.as_ref());
    }
    let b = repeated(hash.as_ref());
    [salt, characters].iter().all(|i| first_byte_of_sum(i, &b) != 0)
}

/// Of i + b + 1, modulo the size of both.
fn first_byte_of_sum(i: &[u8], b: &[u8]) -> u8 {
    // What is carried stands above the byte; the 1 is carried into the last.
    let mut sum = 0x100;
    for (i, b) in i.iter().zip(b).rev() {
        sum = (sum >> 8) + u16::from(*i) + u16::from(*b);
    }
    sum.to_be_bytes()[1]
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use device::{MailKey, MailKeyType};
    use identity::profile::Profile;
    use identity::testing::Authority;
    use identity::{Identifier, UnixTime};

    use super::super::bundle::{Protection, write};
    use super::*;
    use crate::credential::PrivateKey;
    use crate::handed::{Handed, Leaf};

    const PASSPHRASE: &str = "correct horse";

    fn handed() -> Handed {
        let key = MailKey::generate(MailKeyType::Rsa3072).unwrap();
        let identifier = Identifier::parse("alice@example.org").unwrap();
        let now = UnixTime::now();
        let spki = spki(&key);
        let chain = Authority::new(1, now).issue_mail(Profile::mail(), &identifier, &spki, now);
        let leaf = Leaf::of(&chain).unwrap();
        Handed { identifier, chain, root: None, leaf, key: PrivateKey::Mail(key) }
    }

    /// As openssl writes it.
    fn spki(key: &MailKey) -> Vec<u8> {
        let mut openssl = Command::new("openssl");
        openssl.args(["pkey", "-pubout", "-outform", "DER"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut openssl = openssl.spawn().unwrap();
        openssl.stdin.take().unwrap().write_all(key.to_pem().unwrap().as_bytes()).unwrap();
        openssl.wait_with_output().unwrap().stdout
    }

    /// gpgsm with a folder of its own, which is gone with it.
    struct Gpgsm(tempfile::TempDir);

    impl Gpgsm {
        fn new() -> Self {
            // A socket's path has an end, and temporary folders may lie deep.
            Self(tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap())
        }

        /// Whether it opens the file under the passphrase.
        fn opens(&self, file: &[u8]) -> bool {
            let at = |name: &str, bytes: &[u8]| {
                let path = self.0.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                path
            };
            let (file, passphrase) = (at("file.p12", file), at("passphrase", PASSPHRASE.as_bytes()));
            let mut gpgsm = Command::new("gpgsm");
            gpgsm.arg("--homedir").arg(self.0.path()).args(["--batch", "--pinentry-mode", "loopback"]);
            gpgsm.args(["--passphrase-fd", "0", "--disable-dirmngr", "--import"]).arg(file);
            gpgsm.stdin(File::open(passphrase).unwrap()).output().unwrap().status.success()
        }
    }

    impl Drop for Gpgsm {
        fn drop(&mut self) {
            let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
        }
    }

    /// Few rounds: what is looked at is the same, and many files are written.
    fn draw(handed: &Handed) -> Vec<u8> {
        write(handed, Protection::Old, PASSPHRASE, 2).unwrap()
    }

    #[test]
    fn gpgsm_opens_what_is_written_for_it_and_not_what_would_have_been() {
        let (handed, gpgsm) = (handed(), Gpgsm::new());
        // Of 64 one is lost: of so many there are some.
        let drawn = (0..4000).map(|_| draw(&handed));
        let lost: Vec<_> = drawn.filter(|file| !is_read_alike(file, PASSPHRASE)).take(4).collect();
        assert_eq!(lost.len(), 4);
        for file in lost {
            assert!(!gpgsm.opens(&file), "a sum begins with a zero, and gpgsm keeps it");
        }
        for _ in 0..16 {
            let file = read_alike(PASSPHRASE, || Ok(draw(&handed))).unwrap();
            assert!(gpgsm.opens(&file));
        }
    }

    #[test]
    #[ignore = "takes long: gpgsm opens a thousand files (./test --all)"]
    fn gpgsm_opens_the_very_files_that_are_told_apart() {
        let (handed, gpgsm) = (handed(), Gpgsm::new());
        let mut lost = 0;
        for _ in 0..1000 {
            let file = draw(&handed);
            let alike = is_read_alike(&file, PASSPHRASE);
            assert_eq!(gpgsm.opens(&file), alike);
            lost += usize::from(!alike);
        }
        println!("{lost} of 1000 would have been lost");
        assert!((1..64).contains(&lost), "{lost}");
    }

    #[test]
    fn sums_are_those_of_numbers() {
        let sum = |i: [u8; 3], b: [u8; 3]| {
            let number = |bytes: [u8; 3]| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            (number(i) + number(b) + 1).to_be_bytes()[1]
        };
        for (i, b) in
            [([0; 3], [0; 3]), ([0xff; 3], [0; 3]), ([0, 0xff, 0xff], [0; 3]), ([1, 2, 3], [0xfe, 0xfd, 0xfc])]
        {
            assert_eq!(first_byte_of_sum(&i, &b), sum(i, b));
        }
    }

    #[test]
    fn passphrases_that_gpgsm_does_not_take_are_refused() {
        let takes = |text: &str| takes_passphrase(&Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()).is_ok();
        assert!(takes(PASSPHRASE) && takes(&"x".repeat(31)));
        assert!(!takes(&"x".repeat(32)) && !takes("Übung") && !takes("tab\t"));
    }
}
