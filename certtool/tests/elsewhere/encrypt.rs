//! `certtool encrypt` and `certtool decrypt`, both ways with OpenSSL, NSS and gpgsm; and what is refused.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use device::MailKeyType;
use serde_json::Value;

use crate::place::{ALICE, Done, P256, PASSPHRASE, Place, RSA, alone, other, run};

const LETTER: &[u8] = b"Yours,\n\0\r\nBob";
const MAIL: &str = "mail:alice@example.org";

impl Place {
    /// What comes out of a message: with the key that these options say.
    pub(crate) fn decrypted(&self, message: &str, options: &[&str]) -> Vec<u8> {
        let out = self.at("clear");
        let _ = fs::remove_file(&out);
        self.certtool(&[&["decrypt", message, "--out", &out], options].concat()).good();
        fs::read(out).unwrap()
    }

    /// Files that were begun and are left.
    fn left(&self) -> usize {
        let begun = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".new-");
        fs::read_dir(self.path()).unwrap().filter(|entry| begun(entry.as_ref().unwrap())).count()
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_we_encrypt_others_decrypt() {
    let place = Place::new();
    place.listed();
    let letter = place.write("letter", LETTER);
    for (kind, options) in [("p256", P256), ("rsa", RSA)] {
        let (certificate, key) = place.mail(kind, options);
        let openssl = |message: &str| {
            let decrypt = ["cms", "-decrypt", "-binary", "-inform", "DER", "-in", message];
            run("openssl", [&decrypt[..], &["-recip", &certificate, "-inkey", &key]].concat()).good()
        };
        for compatible in [&[][..], &["--compatible"]] {
            let sealed = place.at("sealed");
            let encrypt = ["--json", "encrypt", &letter, "--to", &certificate, "--out", &sealed];
            let said = json(&place.certtool(&[&encrypt[..], compatible].concat()).good());
            let to = &said["to"][0];
            assert_eq!((&to["identifier"], &to["revocation_checked"]), (&ALICE.into(), &true.into()), "{said}");
            assert_eq!(said["authenticated"], compatible.is_empty(), "{said}");
            assert!(!fs::read(&sealed).unwrap().windows(5).any(|part| part == b"Yours"));
            assert_eq!(openssl(&sealed).as_bytes(), LETTER, "{kind} {compatible:?}");
        }
        // Of nothing, and of more than is read at once.
        for length in [0, 300_000] {
            let content = vec![b'x'; length];
            let (letter, sealed) = (place.write("large", &content), place.at("large.sealed"));
            place.certtool(&["encrypt", &letter, "--to", &certificate, "--out", &sealed]).good();
            assert_eq!(openssl(&sealed).as_bytes(), content);
        }
    }
    let ((bob, _), (carol, key)) = (place.mail("bob", P256), place.mail("carol", RSA));
    let sealed = place.at("both");
    place.certtool(&["encrypt", &letter, "--to", &bob, "--to", &carol, "--out", &sealed]).good();
    for (certificate, key) in [(&bob, place.at("bob.key.pem")), (&carol, key)] {
        let decrypt = ["cms", "-decrypt", "-binary", "-inform", "DER", "-in", &sealed];
        let read = run("openssl", [&decrypt[..], &["-recip", certificate, "-inkey", &key]].concat()).good();
        assert_eq!(read.as_bytes(), LETTER);
    }
}

#[test]
fn what_others_encrypt_we_decrypt() {
    let place = Place::new();
    let letter = place.write("letter", LETTER);
    let ciphers = ["-aes-128-cbc", "-aes-192-cbc", "-aes-256-cbc", "-aes-128-gcm", "-aes-192-gcm", "-aes-256-gcm"];
    for (kind, options) in [("p256", P256), ("rsa", RSA)] {
        let (certificate, key) = place.mail(kind, options);
        let by = ["--by", certificate.as_str(), "--key", &key];
        let sealed = place.at("sealed");
        let encrypt = |way: &[&str], to: &[&str]| {
            let begin = ["cms", "-encrypt", "-binary", "-in", &letter, "-out", &sealed];
            run("openssl", [&begin[..], way, to].concat()).good();
        };
        let decrypt = |authenticated: bool| {
            if !authenticated {
                let said = place.certtool(&[&["decrypt", &sealed, "--out", &place.at("no")], &by[..]].concat()).bad(3);
                assert!(said.contains("nobody can say") && said.contains("--unauthenticated"), "{said}");
                assert!(!Path::new(&place.at("no")).exists());
            }
            let options = [&by[..], if authenticated { &[] } else { &["--unauthenticated"] }].concat();
            assert_eq!(place.decrypted(&sealed, &options), LETTER);
        };
        for cipher in ciphers {
            for form in [&["-outform", "DER"][..], &["-outform", "DER", "-stream"], &["-outform", "PEM"]] {
                encrypt(&[form, &[cipher]].concat(), &[&certificate]);
                decrypt(cipher.ends_with("gcm"));
            }
        }
        let der = ["-outform", "DER", "-aes-256-gcm"];
        encrypt(&[&der[..], &["-keyid"]].concat(), &[&certificate]);
        decrypt(true);
        let ways: &[&[&str]] = match kind {
            "p256" => &[
                &["-keyopt", "ecdh_kdf_md:sha256"],
                &["-keyopt", "ecdh_kdf_md:sha384"],
                &["-keyopt", "ecdh_kdf_md:sha512"],
                &["-keyopt", "ecdh_cofactor_mode:1"],
            ],
            _ => &[
                &["-keyopt", "rsa_padding_mode:oaep"],
                &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"],
                &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha512"],
            ],
        };
        for way in ways {
            encrypt(&der, &[&["-recip", &certificate], *way].concat());
            decrypt(true);
        }
        let said = place.certtool(&["--json", "inspect", &sealed]).good();
        assert!(said.contains("certtool decrypt FILE --out"), "{said}");
        // A key that is of another certificate, and none of its kind.
        let (stranger, other_key) = place.mail("stranger", options);
        let no = place.at("no");
        let with = |certificate: &str, key: &str| {
            place.certtool(&["decrypt", &sealed, "--out", &no, "--by", certificate, "--key", key]).bad(1)
        };
        assert!(with(&certificate, &other_key).contains("do not match"));
        assert!(with(&stranger, &other_key).contains("a key that is not here"));
        let (_, third) = place.mail("third", if kind == "rsa" { P256 } else { RSA });
        assert!(with(&certificate, &third).contains("expected the certificate's"));
    }
}

#[test]
fn nss_and_gpgsm_read_what_is_compatible_and_are_read() {
    let place = Place::new();
    place.mailbox(MailKeyType::Rsa3072);
    let (letter, sealed, clear) = (place.write("letter", LETTER), place.at("sealed"), place.at("clear"));
    let compatible = ["encrypt", &letter, "--to", MAIL, "--compatible", "--out", &sealed];
    // NSS.
    place.export("openssl", &[MAIL], "openssl").good();
    place.export("firefox", &[MAIL], "firefox").good();
    let (p12, root) = (place.at(&format!("firefox/{ALICE}.p12")), place.at(&format!("firefox/{ALICE}-root.pem")));
    fs::create_dir(place.at("nss")).unwrap();
    let database = format!("sql:{}", place.at("nss"));
    run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
    run("pk12util", ["-d", &database, "-i", &p12, "-W", PASSPHRASE]).good();
    run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
    place.certtool(&compatible).good();
    run("cmsutil", ["-D", "-d", &database, "-i", &sealed, "-o", &clear]).good();
    assert_eq!(fs::read(&clear).unwrap(), LETTER);
    run("cmsutil", ["-E", "-d", &database, "-r", ALICE, "-i", &letter, "-o", &sealed]).good();
    assert_eq!(place.decrypted(&sealed, &["--unauthenticated"]), LETTER);
    // gpgsm, whose sockets have names of few letters.
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let folder = home.path().join("gnupg").to_str().unwrap().to_owned();
    let source = format!("file:{}", place.at("passphrase"));
    let install = ["install", "--for", "gpgsm", "--gnupghome", &folder, "--new-passphrase", &source];
    place.certtool(&install).good();
    let gpgsm = |arguments: &[&str]| {
        let options = ["--homedir", &folder, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase-fd", "0"];
        let offline = ["--disable-dirmngr", "--disable-crl-checks"];
        let command = other("gpgsm", [&options[..], &offline[..], arguments].concat());
        Done::fed(command, fs::File::open(place.at("passphrase")).unwrap())
    };
    place.certtool(&compatible).good();
    gpgsm(&["--output", &clear, "--decrypt", &sealed]).good();
    assert_eq!(fs::read(&clear).unwrap(), LETTER);
    for form in [&[][..], &["--armor"]] {
        gpgsm(&[&["--output", &sealed, "--recipient", ALICE], form, &["--encrypt", &letter]].concat()).good();
        assert_eq!(place.decrypted(&sealed, &["--unauthenticated"]), LETTER, "{form:?}");
    }
    run("gpgconf", ["--homedir", &folder, "--kill", "all"]).good();
}

#[test]
fn who_ends_it_leaves_nothing_half_written() {
    let place = Place::new();
    place.listed();
    let (certificate, key) = place.mail("mail", P256);
    let (endless, out) = (place.at("endless"), place.at("out"));
    run("mkfifo", [&endless]).good();
    let by = ["--by", &certificate, "--key", &key, "--dated", "no", "--attached"];
    let (letter, message) = (place.write("letter", &[7; 2_000_000]), place.at("letter.p7m"));
    place.certtool(&[&["sign", &letter, "--out", &message], &by[..]].concat()).good();
    let message = fs::read(&message).unwrap();
    let commands = [
        ("-INT", vec!["encrypt", &endless, "--to", &certificate], &[7; 1_000_000][..]),
        ("-TERM", [&["sign", &endless], &by[..]].concat(), &[7; 1_000_000]),
        // Its terminal was closed.
        ("-HUP", vec!["verify", &endless, "--signer", ALICE], &message[..1_000_000]),
    ];
    for (signal, arguments, begins) in commands {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_certtool")]).args(arguments);
        let mut running = command.args(["--out", &out]).env("INPERSON_HOME", place.at("home")).spawn().unwrap();
        // A pipe that does not end.
        let mut content = fs::OpenOptions::new().write(true).open(&endless).unwrap();
        content.write_all(begins).unwrap();
        assert_eq!(place.left(), 1, "{signal}");
        run("kill", [signal, &running.id().to_string()]).good();
        assert_eq!(running.wait().unwrap().code(), Some(130), "{signal}");
        assert!(place.left() == 0 && !Path::new(&out).exists(), "{signal}");
    }
}

#[test]
fn keys_from_before_open_what_was_encrypted_to_them() {
    for kind in [MailKeyType::P256, MailKeyType::Rsa3072] {
        let place = Place::new();
        let key = fs::read_to_string(place.mailbox(kind)).unwrap();
        let letter = place.write("letter", LETTER);
        let (today, old) = (place.at("today.p7m"), place.at("old.p7m"));
        for options in [&["--out", today.as_str()][..], &["--out", &old, "--compatible"]] {
            place.certtool(&[&["encrypt", &letter, "--to", ALICE], options].concat()).good();
        }
        // For somebody with an RSA key as well.
        let ((bob, _), both, blind) = (place.mail("bob", RSA), place.at("both.p7m"), place.at("blind.p7m"));
        for options in [&["--out", both.as_str()][..], &["--out", &blind, "--compatible"]] {
            place.certtool(&[&["encrypt", &letter, "--to", &bob, "--to", ALICE], options].concat()).good();
        }
        // Renewed: another certificate for the same key.
        fs::remove_dir_all(place.at(&format!("home/mail/{ALICE}"))).unwrap();
        place.mailbox_with(&key);
        assert_eq!(place.decrypted(&today, &[]), LETTER);
        assert_eq!(place.decrypted(&old, &["--unauthenticated"]), LETTER);
        assert_eq!(place.decrypted(&both, &[]), LETTER);
        // PKCS#1 v1.5 does not say whose of two it is, and nothing is guessed.
        let blind = ["decrypt", &blind, "--unauthenticated", "--out", &place.at("guessed")];
        if kind == MailKeyType::Rsa3072 {
            assert!(place.certtool(&blind).bad(1).contains("2 keys, none of which is here"));
        } else {
            assert_eq!(place.decrypted(blind[1], &["--unauthenticated"]), LETTER);
        }
        // Another key in its place, and the passphrase on all of them.
        let sealed = place.at("renewed.p7m");
        place.certtool(&["encrypt", &letter, "--to", MAIL, "--out", &sealed]).good();
        let digits = place.mailbox_aside();
        place.mailbox(kind);
        let source = format!("file:{}", place.at("passphrase"));
        place.certtool(&["key", "seal", "--new-passphrase", &source]).good();
        let wrong = format!("file:{}", place.write("wrong", b"wrong horse"));
        let said = place.certtool(&["decrypt", &sealed, "--passphrase", &wrong, "--out", &place.at("no")]).bad(1);
        assert!(said.contains("passphrase") && !said.contains("horse"), "{said}");
        let clear = place.at("clear.txt");
        let decrypt = ["--json", "decrypt", &sealed, "--passphrase", &source, "--out", &clear];
        let said = json(&place.certtool(&decrypt).good());
        assert_eq!(said["by"], format!("{MAIL}/{digits}"), "{said}");
        assert_eq!(fs::read(&clear).unwrap(), LETTER);
        assert_eq!(place.decrypted(&today, &["--passphrase", &source]), LETTER);
    }
}

#[test]
fn nothing_is_encrypted_to_a_certificate_that_does_not_hold() {
    let place = Place::new();
    place.enrolled();
    let letter = place.write("letter", LETTER);
    let (certificate, key) = place.mail("alice", P256);
    let out = place.write("out", b"what was there");
    let to = |name: &str| place.certtool(&["encrypt", &letter, "--to", &certificate, "--to", name, "--out", &out]);
    // A device's key signs alone; nobody who is trusted has certified a stranger's.
    assert!(to(&place.device_of("bob@example.org").0).bad(3).contains("is refused by"));
    let (stranger, stranger_key) = (place.at("self.pem"), place.at("self.key"));
    let new = ["req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "2", "-subj", "/CN=alice@example.org"];
    run("openssl", [&new[..], &["-keyout", &stranger_key, "-out", &stranger]].concat()).good();
    let said = to(&stranger).bad(3);
    assert!(said.contains("is refused by") && said.contains("nothing was encrypted"), "{said}");
    let certtool = env!("CARGO_BIN_EXE_certtool");
    let mut later = other("faketime", ["+100 days", certtool, "encrypt", &letter, "--to", &certificate, "--out", &out]);
    later.env("INPERSON_HOME", place.at("home"));
    let said = Done::of(later).bad(3);
    assert!(said.contains("CHAIN-07"), "{said}");
    let ((revoked, _), der) = (place.mail("revoked", P256), place.at("revoked.der"));
    run("openssl", ["x509", "-in", &revoked, "-outform", "DER", "-out", &der]).good();
    place.revoked(0, &[&fs::read(&der).unwrap()]);
    assert!(to(&revoked).bad(3).contains("REV-"));
    // Of whom nothing is kept, where nobody can go online to ask; what is none, and nobody at all.
    let said = to("carol@example.org").bad(1);
    assert!(
        said.contains("no certificate for mail of carol@example.org is kept here") && said.contains("--to FILE"),
        "{said}"
    );
    assert!(to(&letter).bad(1).contains("expected a certificate in PEM, DER or PKCS#7"));
    assert!(to(&place.write("empty", b"")).bad(1).contains("expected a certificate"));
    place.certtool(&["encrypt", place.path().to_str().unwrap(), "--to", &certificate, "--out", &out]).bad(1);
    assert!(to("nowhere.pem").bad(1).contains("neither a file nor an address"));
    place.certtool(&["encrypt", &letter]).bad(2);
    assert_eq!(fs::read(&out).unwrap(), b"what was there");
    assert_eq!(place.left(), 0);

    // In a box with others, in any form.
    let clear = |to: &str| {
        place.certtool(&["encrypt", &letter, "--to", to, "--out", &out]).good();
        assert_eq!(place.decrypted(&out, &["--by", &certificate, "--key", &key]), LETTER, "{to}");
    };
    for form in ["DER", "PEM"] {
        let boxed = place.at(&format!("alice.{form}.p7c"));
        run("openssl", ["crl2pkcs7", "-nocrl", "-certfile", &certificate, "-outform", form, "-out", &boxed]).good();
        clear(&boxed);
    }
    clear(&certificate);
}

#[test]
fn what_was_altered_or_is_nothing_of_the_kind_leaves_what_was_there() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let letter = place.write("letter", &LETTER.repeat(20_000));
    place.certtool(&["encrypt", &letter, "--to", MAIL]).good();
    let sealed = place.at("letter.p7m");
    // Neither takes the place of what nobody has named.
    assert!(place.certtool(&["encrypt", &letter, "--to", MAIL]).bad(1).contains("is there already"));
    assert!(place.certtool(&["decrypt", &sealed]).bad(1).contains("is there already"));
    assert!(place.certtool(&["decrypt", &letter]).bad(1).contains("--out FILE"));
    assert!(place.certtool(&["decrypt", &sealed, "--out", &sealed]).bad(1).contains("take its place"));
    assert!(place.certtool(&["encrypt", &letter, "--to", MAIL, "--out", &letter]).bad(1).contains("take the place"));
    let said = place.certtool(&["inspect", &sealed]).good();
    assert!(said.contains("certtool decrypt FILE"), "{said}");

    let (message, out) = (fs::read(&sealed).unwrap(), place.write("out", b"what was there"));
    let refused = |bytes: &[u8], says: &str| {
        place.write("altered", bytes);
        let said = place.certtool(&["decrypt", "altered", "--out", &out]).bad(3);
        assert!(said.contains(says), "{said}");
        assert_eq!(fs::read(&out).unwrap(), b"what was there");
    };
    for at in [message.len() / 2, message.len() - 10] {
        let mut altered = message.clone();
        altered[at] ^= 1;
        refused(&altered, "was altered");
    }
    for end in [message.len() - 2, message.len() / 2, 100, 1] {
        refused(&message[..end], "cut off");
    }
    refused(&[&message[..], b"more"].concat(), "more bytes");
    refused(b"", "cut off");
    refused(&fs::read(&letter).unwrap(), "expected a CMS message");
    refused(&vec![0x30; 100_000], "expected");
    refused(b"-----BEGIN CMS-----\nthis is none\n-----END CMS-----\n", "expected a message in PEM");
    place
        .certtool(&["sign", &letter, "--by", MAIL, "--attached", "--dated", "no", "--out", &place.at("signed")])
        .good();
    refused(&fs::read(place.at("signed")).unwrap(), "expected an encrypted message");
    // Encrypted to nobody here.
    let (stranger, _) = place.mail("stranger", P256);
    place.certtool(&["encrypt", &letter, "--to", &stranger, "--out", &place.at("theirs")]).good();
    let said = place.certtool(&["decrypt", &place.at("theirs"), "--out", &out]).bad(1);
    assert!(said.contains("a key that is not here"), "{said}");
    // A disk on which there is no room for it.
    let certtool = env!("CARGO_BIN_EXE_certtool");
    for arguments in
        [["decrypt", &sealed, "--out", &out, "-q"], ["encrypt", &letter, "--out", &out, "--to=mail:alice@example.org"]]
    {
        let shell = ["-c", "ulimit -f 100; trap '' XFSZ; exec \"$@\"", "sh", certtool];
        let mut command = other("bash", [&shell[..], &arguments].concat());
        command.env("INPERSON_HOME", place.at("home"));
        alone(&mut command);
        let said = Done::of(command).bad(1);
        assert!(said.contains("nothing was written"), "{said}");
    }
    assert_eq!(fs::read(&out).unwrap(), b"what was there");
    place.certtool(&["decrypt", &sealed, "--out", &out]).good();
    assert_eq!(fs::read(&out).unwrap(), fs::read(&letter).unwrap());
    place.certtool(&["decrypt", &sealed, "--out", "/dev/null"]).good();
    assert_eq!(place.left(), 0);
}

#[test]
fn a_large_file_takes_little_memory() {
    const MOST: &str = "--data=67108864";
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let (large, sealed, clear) = (place.at("large"), place.at("sealed"), place.at("clear"));
    fs::File::create(&large).unwrap().set_len(160 << 20).unwrap();
    let within = |arguments: &[&str]| {
        let mut command = other("prlimit", [&[MOST, env!("CARGO_BIN_EXE_certtool")], arguments].concat());
        command.env("INPERSON_HOME", place.at("home"));
        alone(&mut command);
        Done::of(command).good();
    };
    for (compatible, unauthenticated) in [(&[][..], &[][..]), (&["--compatible"], &["--unauthenticated"])] {
        within(&[&["encrypt", &large, "--to", MAIL, "--out", &sealed], compatible].concat());
        within(&[&["decrypt", &sealed, "--out", &clear], unauthenticated].concat());
        assert_eq!(fs::metadata(&clear).unwrap().len(), 160 << 20);
    }
}
