//! Certificates for mail that certtool made, kept in its own folder: what it does with them by an address alone, and what
//! other people's programs do with what it exports.

use std::fs;
use std::net::TcpListener;

use device::MailKeyType;

use crate::nginx::nginx;
use crate::place::{ALICE, Done, PASSPHRASE, Place, other, run};

const MAIL: &str = "mail:alice@example.org";

#[test]
fn an_address_is_enough() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    // Where there is no device, the one for mail is meant.
    for what in [&["verify", ALICE][..], &["verify", MAIL, "--for", "mail"], &["inspect"], &["lint", MAIL]] {
        place.certtool(what).good();
    }
    place.certtool(&["verify", MAIL, "--for", "live"]).bad(3);
    place.enrolled();
    let said = place.certtool(&["--json", "inspect", ALICE]).good();
    assert!(said.contains("(profile device)"), "{said}");
    let said = place.certtool(&["--json", "inspect", MAIL]).good();
    assert!(said.contains("(profile mail)"), "{said}");
    let said = place.certtool(&["status"]).good();
    assert!(
        said.contains("\n  alice@example.org: valid") && said.contains("\n  mail:alice@example.org: valid"),
        "{said}"
    );
    let said: serde_json::Value = serde_json::from_str(&place.certtool(&["--json", "status"]).good()).unwrap();
    assert_eq!(
        (&said["devices"][0]["identifier"], &said["mail"][0]["verified"]),
        (&ALICE.into(), &true.into()),
        "{said}"
    );
    // To others it is proven as what it is.
    let file = place.at("evidence.json");
    for evidence in [&["evidence", MAIL, "-o", &file][..], &["verify", "--evidence", &file]] {
        let said = place.certtool(evidence).good();
        assert!(said.contains("certified alice@example.org for mail, with the key whose SHA-256 is"), "{said}");
        assert!(!said.contains("breaks the rule"), "{said}");
    }
    let said = place.certtool(&["renew", ALICE, "--for", "mail"]).good();
    assert!(said.contains("Nothing to do for mail:alice@example.org"), "{said}");
    let said = place.certtool(&["renew", "bob@example.org", "--for", "mail"]).bad(1);
    assert!(said.contains("certtool enroll bob@example.org --for mail"), "{said}");
    let said = place.certtool(&["enroll", ALICE, "--key-type", "rsa3072"]).bad(1);
    assert!(said.contains("--for mail"), "{said}");
    // Its key is sealed with the others.
    let source = format!("file:{}", place.at("passphrase"));
    place.certtool(&["key", "seal", "--new-passphrase", &source]).good();
    for file in ["key.pem", "account.pem"] {
        let pem = fs::read_to_string(place.at(&format!("home/mail/{ALICE}/{file}"))).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{file}");
    }
    let letter = place.write("letter", b"Yours, Alice\n");
    place.certtool(&["sign", &letter, "--by", MAIL]).bad(1);
    place.certtool(&["--passphrase", &source, "sign", &letter, "--by", MAIL]).good();
    let said = place.certtool(&["verify", &letter, "--signer", ALICE]).good();
    assert!(said.contains("signed by alice@example.org"), "{said}");
}

#[test]
fn nss_takes_it_and_letters_are_encrypted_for_it() {
    for (kind, name) in [(MailKeyType::P256, "p256"), (MailKeyType::Rsa3072, "rsa")] {
        let place = Place::new();
        place.enrolled();
        place.mailbox(kind);
        // The one for mail is found by the program it is for.
        place.export("thunderbird", &[], "out").good();
        place.export("openssl", &[MAIL], "openssl").good();
        let (p12, root) = (place.at(&format!("out/{ALICE}.p12")), place.at(&format!("out/{ALICE}-root.pem")));
        let pem = place.at(&format!("openssl/{ALICE}.pem"));
        let folder = place.at("nss");
        fs::create_dir(&folder).unwrap();
        let database = format!("sql:{folder}");
        run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
        run("pk12util", ["-d", &database, "-i", &p12, "-W", PASSPHRASE]).good();
        run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
        let listed = run("certutil", ["-L", "-d", &database]).good();
        let line = listed.lines().find(|line| line.ends_with("u,u,u")).unwrap_or_else(|| panic!("{listed}"));
        let nickname = line.trim_end_matches("u,u,u").trim();
        for usage in ["C", "S", "R"] {
            let valid = run("certutil", ["-V", "-d", &database, "-n", nickname, "-u", usage]).good();
            assert!(valid.contains("certificate is valid"), "{name} {usage}: {valid}");
        }
        let letter = place.write("letter", b"For Alice alone\n");
        let pass = format!("pass:{PASSPHRASE}");
        // What openssl encrypts it decrypts itself; with an RSA key it goes both ways with NSS, which knows no key agreement
        // (RFC 5753) in 3.87.
        let sealed = place.at("letter.p7m");
        let encrypt =
            ["cms", "-encrypt", "-binary", "-aes256", "-in", &letter, "-outform", "DER", "-out", &sealed, &pem];
        run("openssl", encrypt).good();
        let decrypt =
            ["cms", "-decrypt", "-inform", "DER", "-in", &sealed, "-recip", &pem, "-inkey", &pem, "-passin", &pass];
        assert_eq!(run("openssl", decrypt).good(), "For Alice alone\n");
        if kind == MailKeyType::Rsa3072 {
            let clear = place.at("letter.clear");
            run("cmsutil", ["-D", "-d", &database, "-i", &sealed, "-o", &clear]).good();
            assert_eq!(fs::read_to_string(&clear).unwrap(), "For Alice alone\n");
            run("cmsutil", ["-E", "-d", &database, "-r", ALICE, "-i", &letter, "-o", &sealed]).good();
            assert_eq!(run("openssl", decrypt).good(), "For Alice alone\n");
        }
        let signed = place.at("letter.cms");
        run("cmsutil", ["-S", "-d", &database, "-N", nickname, "-i", &letter, "-o", &signed]).good();
        let verify = ["cms", "-verify", "-inform", "DER", "-in", &signed, "-CAfile", &root];
        assert_eq!(run("openssl", verify).good(), "For Alice alone\n");
        // And certtool's signature by it is one that openssl reads.
        let own = place.at("letter.p7s");
        place.certtool(&["sign", &letter, "--by", MAIL, "--out", &own]).good();
        let verify =
            ["cms", "-verify", "-binary", "-inform", "DER", "-in", &own, "-content", &letter, "-CAfile", &root];
        assert_eq!(run("openssl", verify).good(), "For Alice alone\n");
    }
}

#[test]
fn gpgsm_takes_an_rsa_key_and_not_the_other() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let said = place.export("gpgsm", &[], "out").bad(1);
    assert!(said.contains("--key-type rsa3072"), "{said}");
    let place = Place::new();
    place.mailbox(MailKeyType::Rsa3072);
    place.export("gpgsm", &[], "out").good();
    let (p12, root) = (place.at(&format!("out/{ALICE}.p12")), place.at(&format!("out/{ALICE}-root.pem")));
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let home_path = home.path().to_str().unwrap();
    fs::write(home.path().join("gpg-agent.conf"), "allow-loopback-pinentry\n").unwrap();
    for file in [&root, &p12] {
        let options = ["--homedir", home_path, "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0"];
        let import = ["--disable-dirmngr", "--disable-crl-checks", "--import", file];
        let command = other("gpgsm", [&options[..], &import].concat());
        Done::fed(command, fs::File::open(place.at("passphrase")).unwrap()).good();
    }
    let keys = run("gpgsm", ["--homedir", home_path, "--batch", "--list-secret-keys"]).good();
    assert!(keys.contains(ALICE) && keys.contains("3072 bit RSA"), "{keys}");
    run("gpgconf", ["--homedir", home_path, "--kill", "all"]).good();
}

#[test]
fn nginx_lets_her_in_by_it_and_git_signs_with_it() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    place.export("openssl", &[ALICE], "out").good();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let root = place.at(&format!("out/{ALICE}-root.pem"));
    let settings = format!("ssl_client_certificate {root};\nssl_verify_client on;\nssl_verify_depth 2;");
    let _server = nginx(&place, port, &settings);
    let (url, server, pem) =
        (format!("https://localhost:{port}/"), place.at("server.pem"), place.at(&format!("out/{ALICE}.pem")));
    let again = ["-sS", "--retry", "60", "--retry-connrefused", "--retry-max-time", "120", "--cacert", &server];
    let seen = run("curl", [&again[..], &["--cert", &pem, "--pass", PASSPHRASE, &url]].concat()).good();
    assert_eq!(seen, format!("SUCCESS CN={ALICE}"));

    let repository = place.at("repository");
    run("git", ["init", "-q", &repository]).good();
    let mut install = place.command(&["install", "--for", "git", MAIL, "--local"]);
    install.current_dir(&repository);
    Done::of(install).good();
    let git = |arguments: &[&str]| {
        let who = ["-C", &repository, "-c", "user.name=Alice", "-c", "user.email=alice@example.org"];
        run("git", [&who[..], arguments].concat())
    };
    git(&["commit", "-q", "-S", "--allow-empty", "-m", "By the certificate for mail"]).good();
    assert!(git(&["config", "user.signingkey"]).good().contains(MAIL));
    git(&["verify-commit", "HEAD"]).good();
}
