//! `certtool export`, and the programs it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::place::{ALICE, Done, P256, PASSPHRASE, Place, RSA, other, run};

#[test]
fn openssl_takes_every_kind_of_key() {
    let place = Place::new();
    place.enrolled();
    let (p256, p256_key) = place.mail("p256", P256);
    let (rsa, rsa_key) = place.mail("rsa", RSA);
    let cases: [(&str, &[&str]); 3] =
        [("Ed25519", &[ALICE]), ("P-256", &[&p256, "--key", &p256_key]), ("RSA-3072", &[&rsa, "--key", &rsa_key])];
    for (kind, what) in cases {
        let said = place.export("openssl", what, kind).good();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&said["key"], &said["identifier"]), (&kind.into(), &ALICE.into()), "{said}");
        let file = |end: &str| place.at(&format!("{kind}/{ALICE}{end}"));
        let (p12, pem, root) = (file(".p12"), file(".pem"), file("-root.pem"));
        for path in [&p12, &pem, &root] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
        }
        // Nothing lies in clear, and the passphrase opens it.
        assert!(!fs::read_to_string(&pem).unwrap().contains("BEGIN PRIVATE KEY"));
        let pass = format!("pass:{PASSPHRASE}");
        run("openssl", ["pkey", "-in", &pem, "-passin", "pass:wrong", "-noout"]).bad(1);
        let public = run("openssl", ["pkey", "-in", &pem, "-passin", &pass, "-pubout"]).good();
        assert_eq!(run("openssl", ["x509", "-in", &pem, "-noout", "-pubkey"]).good(), public);
        run("openssl", ["verify", "-purpose", "sslclient", "-CAfile", &root, "-untrusted", &pem, &pem]).good();
        // The whole chain is in the file, and its key is that of the certificate.
        run("openssl", ["pkcs12", "-in", &p12, "-passin", "pass:wrong", "-nodes"]).bad(1);
        let content = run("openssl", ["pkcs12", "-in", &p12, "-passin", &pass, "-nodes", "-info"]).either().1;
        assert_eq!(content.matches("BEGIN CERTIFICATE").count(), 3, "{content}");
        assert!(content.contains("AES-256-CBC") && content.contains("hmacWithSHA256") && content.contains(ALICE));
        let key = place.write("key-of-p12", content.as_bytes());
        assert_eq!(run("openssl", ["pkey", "-in", &key, "-pubout"]).good(), public);
    }
}

#[test]
fn nss_takes_mail_certificates_and_signs_with_them() {
    let place = Place::new();
    place.enrolled();
    for (kind, options) in [("p256", P256), ("rsa", RSA)] {
        let (certificate, key) = place.mail(kind, options);
        for program in ["firefox", "chromium", "thunderbird"] {
            place.export(program, &[&certificate, "--key", &key], kind).good();
        }
        let (p12, root) = (place.at(&format!("{kind}/{ALICE}.p12")), place.at(&format!("{kind}/{ALICE}-root.pem")));
        let folder = place.at(&format!("nss-{kind}"));
        fs::create_dir(&folder).unwrap();
        let database = format!("sql:{folder}");
        run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
        run("pk12util", ["-d", &database, "-i", &p12, "-W", "wrong"]).either();
        assert!(!run("certutil", ["-K", "-d", &database]).either().1.contains(ALICE), "a wrong passphrase");
        run("pk12util", ["-d", &database, "-i", &p12, "-W", PASSPHRASE]).good();
        run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
        assert!(run("certutil", ["-K", "-d", &database]).good().contains(ALICE));
        let listed = run("certutil", ["-L", "-d", &database]).good();
        let line = listed.lines().find(|line| line.ends_with("u,u,u")).unwrap_or_else(|| panic!("{listed}"));
        let name = line.trim_end_matches("u,u,u").trim();
        // A client of TLS, a signer of mails, and who gets encrypted ones.
        for usage in ["C", "S", "R"] {
            let valid = run("certutil", ["-V", "-d", &database, "-n", name, "-u", usage]).good();
            assert!(valid.contains("certificate is valid"), "{usage}: {valid}");
        }
        let (letter, signed) = (place.write("letter", b"Yours, Alice\n"), place.at(&format!("letter-{kind}.cms")));
        run("cmsutil", ["-S", "-d", &database, "-N", name, "-i", &letter, "-o", &signed]).good();
        let verify = ["cms", "-verify", "-inform", "DER", "-in", &signed, "-CAfile", &root];
        assert_eq!(run("openssl", verify).good(), "Yours, Alice\n");
    }
}

#[test]
fn gpgsm_takes_rsa_and_signs_with_it() {
    let place = Place::new();
    let (certificate, key) = place.mail("rsa", RSA);
    let said = place.export("gpgsm", &[&certificate, "--key", &key], "out").good();
    assert!(said.contains("3DES"), "{said}");
    let (p12, root) = (place.at(&format!("out/{ALICE}.p12")), place.at(&format!("out/{ALICE}-root.pem")));
    // A socket's path has an end, and temporary folders may lie deep.
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let home_path = home.path().to_str().unwrap();
    let fingerprint = run("openssl", ["x509", "-in", &root, "-noout", "-fingerprint", "-sha1"]).good();
    let fingerprint = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "");
    fs::write(home.path().join("trustlist.txt"), format!("{fingerprint} S relax\n")).unwrap();
    fs::write(home.path().join("gpg-agent.conf"), "allow-loopback-pinentry\n").unwrap();
    let gpgsm = |arguments: &[&str]| {
        let options = ["--homedir", home_path, "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0"];
        let offline = ["--disable-dirmngr", "--disable-crl-checks"];
        let command = other("gpgsm", [&options[..], &offline[..], arguments].concat());
        Done::fed(command, fs::File::open(place.at("passphrase")).unwrap())
    };
    gpgsm(&["--import", &root]).good();
    gpgsm(&["--import", &p12]).good();
    let keys = gpgsm(&["--list-secret-keys"]).good();
    assert!(keys.contains(ALICE) && keys.contains("3072 bit RSA"), "{keys}");
    let (letter, signed) = (place.write("letter", b"Yours, Alice\n"), place.at("letter.cms"));
    gpgsm(&["--yes", "--output", &signed, "--sign", &letter]).good();
    let verify = ["cms", "-verify", "-inform", "DER", "-in", &signed, "-CAfile", &root];
    assert_eq!(run("openssl", verify).good(), "Yours, Alice\n");
    run("gpgconf", ["--homedir", home_path, "--kill", "all"]).good();
}

#[test]
fn what_a_program_does_not_take_is_said_and_nothing_is_written() {
    let place = Place::new();
    place.enrolled();
    let (certificate, key) = place.mail("p256", P256);
    let cases: [(&str, &[&str]); 5] = [
        ("firefox", &[ALICE]),
        ("chromium", &[ALICE]),
        ("thunderbird", &[]),
        ("gpgsm", &[ALICE]),
        ("gpgsm", &[&certificate, "--key", &key]),
    ];
    for (program, what) in cases {
        let said = place.export(program, what, "out").bad(1);
        assert!(said.contains("does not take") && said.contains(r#""try":"#), "{said}");
    }
    assert!(!Path::new(&place.at("out")).exists());
}

#[test]
fn ssh_takes_the_public_key() {
    let place = Place::new();
    place.enrolled();
    for (kind, options, shown) in [("p256", P256, "ECDSA"), ("rsa", RSA, "RSA")] {
        let (certificate, key) = place.mail(kind, options);
        // The certificate suffices: a server has no key of hers.
        let line = place.certtool(&["export", "--for", "ssh", &certificate, "--out", "-"]).good();
        let of_key = run("ssh-keygen", ["-y", "-f", &key]).good();
        assert_eq!(line.trim().rsplit_once(' '), Some((of_key.trim(), ALICE)));
        let file = place.write("line", line.as_bytes());
        assert!(run("ssh-keygen", ["-l", "-f", &file]).good().contains(shown));
    }
    place.certtool(&["export", "--for", "ssh", "--out", &place.at("out")]).good();
    let file = place.at(&format!("out/{ALICE}.pub"));
    let shown = run("ssh-keygen", ["-l", "-f", &file]).good();
    assert!(shown.contains("(ED25519)") && shown.contains(ALICE), "{shown}");
}

#[test]
fn what_is_wrong_is_said_and_leaves_what_was_there() {
    let place = Place::new();
    place.enrolled();
    let (p256, p256_key) = place.mail("p256", P256);
    let (rsa, rsa_key) = place.mail("rsa", RSA);
    let (_, other_key) = place.mail("other", P256);
    let sealed = place.at("sealed.key.pem");
    let pass = format!("pass:{PASSPHRASE}");
    run("openssl", ["pkcs8", "-topk8", "-in", &p256_key, "-out", &sealed, "-passout", &pass]).good();
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = format!("file:{}", place.write("wrong", b"battery staple"));
    let right = format!("file:{}", place.at("passphrase"));
    let garbage = place.write("garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let open = place.write("open", &fs::read(&p256_key).unwrap());
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();

    let before = place.write(&format!("out/{ALICE}.p12"), b"what was there");
    let cases: [(&[&str], &str); 8] = [
        (&[&p256, "--key", &other_key], "do not match"),
        (&[&p256, "--key", &rsa_key], "expected the certificate's P-256 key"),
        (&[&rsa, "--key", &p256_key], "expected the certificate's RSA-3072 key"),
        (&[&p256, "--key", &garbage], "garbage"),
        (&[&p256, "--key", &open], "600"),
        (&[&p256], "--key FILE"),
        (&[&p256, "--key", &sealed], "terminal"),
        (&[&p256, "--key", &sealed, "--passphrase", &wrong], "passphrase is not the one"),
    ];
    for (what, expected) in cases {
        let said = place.export("openssl", what, "out").bad(1);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains(PASSPHRASE) && !said.contains("battery"), "{said}");
    }
    // No terminal to ask for the new passphrase.
    let said = place.certtool(&["export", "--for", "openssl", ALICE, "--out", &place.at("out")]).bad(1);
    assert!(said.contains("there is no terminal") && said.contains("--new-passphrase"), "{said}");
    // A certificate that does not hold is given to nobody.
    let stranger = fs::read_to_string(&p256).unwrap().replacen("MII", "MIJ", 1);
    let stranger = place.write("stranger.pem", stranger.as_bytes());
    place.export("openssl", &[&stranger, "--key", &p256_key], "out").bad(3);
    assert_eq!(fs::read(&before).unwrap(), b"what was there");

    // Nowhere to write.
    let said = place.export("openssl", &[ALICE], "passphrase/below").bad(1);
    assert!(said.contains("--out"), "{said}");
    let said = place.certtool(&["export", "--for", "firefox", &p256, "--key", &p256_key, "--out", "-"]).bad(1);
    assert!(said.contains("only the public key"), "{said}");
    // Of several files none is changed if one cannot be written.
    let kept = place.write(&format!("other/{ALICE}.p12"), b"what was there");
    fs::create_dir(place.at(&format!("other/{ALICE}.pem"))).unwrap();
    place.export("openssl", &[&p256, "--key", &sealed, "--passphrase", &right], "other").bad(1);
    assert_eq!(fs::read(kept).unwrap(), b"what was there");
    place.export("openssl", &[&p256, "--key", &sealed, "--passphrase", &right], "out").good();
    assert_ne!(fs::read(&before).unwrap(), b"what was there");
}
