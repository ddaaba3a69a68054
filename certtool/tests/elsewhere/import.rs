//! `certtool import`: keys and certificates of other people's authorities, made by OpenSSL, and what is done with them then.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use device::{DeviceKey, MailKeyType};
use serde_json::Value;

use crate::place::{ALICE, Done, P256, PASSPHRASE, Place, fingerprint, run};

/// RSA as long as certificates for mail had it for many years.
const RSA_2048: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
/// When certificates of these tests begin and end.
const LONG_AGO: (&str, &str) = ("20200101000000Z", "20210101000000Z");
const NOW: (&str, &str) = ("20200101000000Z", "20490101000000Z");
const NAME: &str = "subjectAltName=email:Alice@Example.ORG\nextendedKeyUsage=emailProtection\n";

/// Somebody else's authority: what it certified lies in files of these names.
struct Elsewhere<'a> {
    place: &'a Place,
}

impl<'a> Elsewhere<'a> {
    fn new(place: &'a Place) -> Self {
        let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\nrand_serial=yes\nunique_subject=no\npolicy=p\n[p]\ncommonName=supplied\n";
        place.write("ca.cnf", settings.as_bytes());
        place.write("index.txt", b"");
        let elsewhere = Self { place };
        elsewhere.openssl(&["genpkey", "-out", "ca.key", P256[0], P256[1], P256[2], P256[3]]);
        elsewhere.openssl(&["req", "-x509", "-key", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Old CA"]);
        elsewhere
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        let mut command = crate::place::other("openssl", arguments);
        command.current_dir(self.place.path());
        Done::of(command).good()
    }

    /// A key with its certificate: `NAME.key.pem` and `NAME.pem`.
    fn certify(&self, name: &str, kind: &[&str], (begin, end): (&str, &str), extensions: &str) {
        let (key, request, certificate) = (format!("{name}.key.pem"), format!("{name}.csr"), format!("{name}.pem"));
        self.openssl(&[&["genpkey", "-out", &key], kind].concat());
        self.openssl(&["req", "-new", "-key", &key, "-subj", "/CN=Alice", "-out", &request]);
        self.place.write("extensions", extensions.as_bytes());
        let sign = ["ca", "-config", "ca.cnf", "-batch", "-notext", "-cert", "ca.pem", "-keyfile", "ca.key"];
        let what = ["-startdate", begin, "-enddate", end, "-extfile", "extensions", "-in", &request, "-out"];
        self.openssl(&[&sign[..], &what, &[&certificate]].concat());
    }

    /// Both in PKCS#12.
    fn pkcs12(&self, name: &str, file: &str, passphrase: &str, how: &[&str]) -> String {
        let (key, certificate) = (format!("{name}.key.pem"), format!("{name}.pem"));
        let (file, pass) = (self.place.at(file), format!("pass:{passphrase}"));
        let export = ["pkcs12", "-export", "-in", &certificate, "-inkey", &key, "-certfile", "ca.pem", "-out", &file];
        self.openssl(&[&export[..], &["-passout", &pass], how].concat());
        file
    }

    /// A letter that was encrypted for it.
    fn letter(&self, name: &str) {
        self.place.write("clear", b"For Alice alone\n");
        let (certificate, sealed) = (format!("{name}.pem"), format!("{name}.p7m"));
        self.openssl(&[
            "cms",
            "-encrypt",
            "-binary",
            "-aes256",
            "-in",
            "clear",
            "-outform",
            "DER",
            "-out",
            &sealed,
            &certificate,
        ]);
    }
}

impl Place {
    fn import(&self, arguments: &[&str]) -> Done {
        let passphrase = format!("file:{}", self.at("passphrase"));
        self.certtool(&[&["--json", "import"], arguments, &["--file-passphrase", &passphrase]].concat())
    }

    /// Reads a letter with what is exported of `what`.
    fn reads(&self, letter: &str, what: &str, file: &str) {
        self.export("openssl", &[what], "exported").good();
        let (pem, letter) = (self.at(&format!("exported/{file}.pem")), self.at(letter));
        let pass = format!("pass:{PASSPHRASE}");
        let decrypt =
            ["cms", "-decrypt", "-inform", "DER", "-in", &letter, "-recip", &pem, "-inkey", &pem, "-passin", &pass];
        assert_eq!(run("openssl", decrypt).good(), "For Alice alone\n");
        // certtool finds it by itself, also where she has no other key for mail.
        let (mail, aside) = (self.at(&format!("home/mail/{ALICE}")), self.at("aside"));
        fs::rename(&mail, &aside).unwrap();
        assert_eq!(self.decrypted(&letter, &["--unauthenticated"]), b"For Alice alone\n");
        fs::rename(&aside, &mail).unwrap();
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_key_of_another_authority_opens_old_mails_again() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let elsewhere = Elsewhere::new(&place);
    elsewhere.certify("old", RSA_2048, LONG_AGO, NAME);
    elsewhere.certify("newer", P256, NOW, NAME);
    let old = elsewhere.pkcs12("old", "old.p12", PASSPHRASE, &[]);
    let digits = fingerprint(Path::new(&place.at("old.pem")))[..8].to_owned();
    let name = format!("mail:{ALICE}/{digits}");

    let said = json(&place.import(&[&old]).good());
    let key = &said["keys"][0];
    assert_eq!((&said["changed"], &key["new"], &key["ended"]), (&true.into(), &true.into(), &true.into()), "{said}");
    assert_eq!((&key["name"], &key["algorithm"]), (&name.as_str().into(), &"RSA-2048".into()), "{said}");
    assert!(key["issuer"] == "CN=Old CA" && key["authority"].is_null(), "{said}");
    let said = json(&place.import(&[&old]).good());
    assert_eq!((&said["changed"], &said["keys"][0]["new"]), (&false.into(), &false.into()), "{said}");
    let said = place.certtool(&["import", "newer.pem", "--key", "newer.key.pem"]).good();
    assert!(said.contains("Kept for old mails: mail:alice@example.org/"), "{said}");
    assert!(said.contains("none that you pinned") && said.contains("Next:\n  certtool install"), "{said}");

    // It is for her alone, sealed with the others, and shown where they are.
    let below = place.path().join("home/mail/.earlier").join(ALICE);
    let folders: Vec<_> = fs::read_dir(&below).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 2);
    for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!place.path().join("home/.incoming").exists());
    let said = json(&place.certtool(&["--json", "key", "list"]).good());
    let imported: Vec<_> = said["keys"].as_array().unwrap().iter().filter(|key| key["imported"] == true).collect();
    assert!(imported.len() == 2 && imported.iter().any(|key| key["name"] == name.as_str()), "{said}");
    let said = place.certtool(&["key", "list"]).good();
    assert!(said.contains(&format!("in a file, imported ({name})")), "{said}");
    let said = place.certtool(&["status"]).good();
    // In the order of their keys, which are drawn.
    let kept = said.split_once("Kept for old mails\n").map(|(_, kept)| kept).unwrap_or_default();
    assert!(kept.contains(&format!("  {name}: until 2021-01-01")), "{said}");
    assert!(said.contains(", imported\n"), "{said}");

    // It opens what was written to it, and nothing is signed with it.
    elsewhere.letter("old");
    place.reads("old.p7m", &name, &format!("{ALICE}-{digits}"));
    // By its files as well, without being kept.
    let by = ["--unauthenticated", "--by", &place.at("old.pem"), "--key", &place.at("old.key.pem")];
    assert_eq!(place.decrypted(&place.at("old.p7m"), &by), b"For Alice alone\n");
    place.write("letter", b"x");
    place.certtool(&["sign", "letter", "--by", &name]).bad(3);
    // Other programs get it with the others.
    let database = place.at("nss");
    let said = json(&place.certtool(&["--json", "install", "--for", "thunderbird", "--database", &database]).good());
    let keys = said["keys"].as_array().unwrap();
    assert!(keys.len() == 3 && keys[0]["fingerprint"].as_str().unwrap().starts_with(&digits), "{said}");
    let listed = run("certutil", ["-K", "-d", &format!("sql:{database}")]).good();
    assert_eq!(listed.matches("< ").count(), 3, "{listed}");
    // What comes later is sealed as the others are.
    let source = format!("file:{}", place.at("passphrase"));
    place.certtool(&["key", "seal", "--new-passphrase", &source]).good();
    elsewhere.certify("third", P256, NOW, NAME);
    let said = place.import(&["third.pem", "--key", "third.key.pem"]).bad(1);
    assert!(said.contains("passphrase"), "{said}");
    place.certtool(&["--passphrase", &source, "import", "third.pem", "--key", "third.key.pem"]).good();
    let said = json(&place.certtool(&["--json", "key", "list"]).good());
    let kept: Vec<_> = said["keys"].as_array().unwrap().iter().map(|key| key["kept"].as_str().unwrap()).collect();
    assert_eq!(kept, ["sealed"; 5]);
}

#[test]
fn files_of_many_forms_are_read() {
    let forms: [(&str, &[&str]); 3] = [
        ("today", &[]),
        ("old", &["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]),
        ("bare", &["-keypbe", "NONE", "-certpbe", "NONE"]),
    ];
    for (form, how) in forms {
        let place = Place::new();
        let elsewhere = Elsewhere::new(&place);
        elsewhere.certify("one", RSA_2048, NOW, NAME);
        let file = elsewhere.pkcs12("one", "one.p12", PASSPHRASE, how);
        assert_eq!(json(&place.import(&[&file]).good())["changed"], true, "{form}");
    }
    let place = Place::new();
    let elsewhere = Elsewhere::new(&place);
    elsewhere.certify("rsa", RSA_2048, NOW, NAME);
    elsewhere.certify("ec", P256, NOW, NAME);
    // A key without a passphrase; keys as they were written before PKCS#8; one under a passphrase; all in one file.
    let file = elsewhere.pkcs12("rsa", "none.p12", "", &[]);
    assert_eq!(json(&place.certtool(&["--json", "import", &file]).good())["changed"], true);
    for (name, program) in [("rsa", "rsa"), ("ec", "ec")] {
        let (key, other) = (format!("{name}.key.pem"), format!("{name}.other.pem"));
        elsewhere.openssl(&[&[program, "-in", &key, "-out", &other][..], old_form(program)].concat());
        let pem = fs::read_to_string(place.at(&other)).unwrap();
        assert!(pem.contains("-----BEGIN RSA PRIVATE KEY-----") || pem.contains("-----BEGIN EC PRIVATE KEY-----"));
        let both = pem + &fs::read_to_string(place.at(&format!("{name}.pem"))).unwrap();
        let both = place.write(&format!("{name}.both.pem"), both.as_bytes());
        let said = json(&place.import(&[&both]).good());
        assert_eq!(said["changed"], name == "ec", "{said}");
    }
    elsewhere.certify("sealed", P256, NOW, NAME);
    let pass = format!("pass:{PASSPHRASE}");
    elsewhere.openssl(&["pkcs8", "-topk8", "-in", "sealed.key.pem", "-out", "sealed.p8", "-passout", &pass]);
    let said = place.certtool(&["import", "sealed.pem", "--key", "sealed.p8"]).bad(1);
    assert!(said.contains("--file-passphrase"), "{said}");
    assert_eq!(json(&place.import(&["sealed.pem", "--key", "sealed.p8"]).good())["changed"], true);
    // Of a renewed certificate the newer one counts.
    let chain = fs::read_to_string(place.at("ec.pem")).unwrap() + &fs::read_to_string(place.at("ca.pem")).unwrap();
    place.write("chain.pem", chain.as_bytes());
    assert_eq!(json(&place.import(&["chain.pem", "--key", "ec.key.pem"]).good())["changed"], false);
}

fn old_form(program: &str) -> &'static [&'static str] {
    if program == "rsa" { &["-traditional"] } else { &[] }
}

#[test]
fn whose_it_is_is_known_or_asked() {
    let place = Place::new();
    let elsewhere = Elsewhere::new(&place);
    elsewhere.certify("none", P256, NOW, "extendedKeyUsage=emailProtection\n");
    let said = place.import(&["none.pem", "--key", "none.key.pem"]).bad(1);
    assert!(said.contains("names no mail address") && said.contains("--address"), "{said}");
    let said = json(&place.import(&["none.pem", "--key", "none.key.pem", "--address", ALICE]).good());
    assert_eq!(said["keys"][0]["identifier"], ALICE, "{said}");
    elsewhere.certify("two", P256, NOW, "subjectAltName=email:alice@example.org,email:alice@old.example\n");
    let said = place.import(&["two.pem", "--key", "two.key.pem"]).bad(1);
    assert!(said.contains("several addresses: alice@example.org, alice@old.example"), "{said}");
    let said = place.import(&["two.pem", "--key", "two.key.pem", "--address", "bob@example.org"]).bad(1);
    assert!(said.contains("not for bob@example.org"), "{said}");
    let said = json(&place.import(&["two.pem", "--key", "two.key.pem", "--address", "alice@old.example"]).good());
    assert!(said["keys"][0]["name"].as_str().unwrap().starts_with("mail:alice@old.example/"), "{said}");
    // Nothing of hers is needed for it; then it is named.
    assert!(said["next"][0].as_str().unwrap().contains("thunderbird mail:alice@old.example/"), "{said}");
    let said = place.import(&["two.pem", "--key", "two.key.pem", "--address", "+14155550123"]).bad(1);
    assert!(said.contains("no mail address"), "{said}");
}

#[test]
fn what_does_not_go_together_or_does_not_open_is_told() {
    let place = Place::new();
    let elsewhere = Elsewhere::new(&place);
    elsewhere.certify("one", P256, NOW, NAME);
    elsewhere.certify("other", P256, NOW, NAME);
    let whole = elsewhere.pkcs12("one", "one.p12", PASSPHRASE, &[]);
    place.write("wrong", b"battery staple");
    let wrong = format!("file:{}", place.at("wrong"));
    let bytes = fs::read(&whole).unwrap();
    let half = place.write("half.p12", &bytes[..bytes.len() / 2]);
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    let altered = place.write("altered.p12", &altered);
    let bare = place.at("bare.p12");
    let pass = format!("pass:{PASSPHRASE}");
    elsewhere.openssl(&["pkcs12", "-export", "-nokeys", "-in", "one.pem", "-out", &bare, "-passout", &pass]);
    let device = place.write("device.pem", DeviceKey::generate().unwrap().to_pem().unwrap().as_bytes());
    elsewhere.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384.pem"]);
    elsewhere.openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", "short.pem"]);
    elsewhere.openssl(&["genpkey", "-algorithm", "X25519", "-out", "x25519.pem"]);
    place.write("cut.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n");
    place.write("empty", b"");
    place.write("large", &vec![b'x'; (1 << 20) + 1]);
    place.write("text", b"no key at all");
    let pem =
        fs::read_to_string(place.at("one.key.pem")).unwrap() + &fs::read_to_string(place.at("other.pem")).unwrap();
    place.write("mixed.pem", pem.as_bytes());
    elsewhere.openssl(&["rsa", "-in", "short.pem", "-traditional", "-aes128", "-passout", &pass, "-out", "old.pem"]);
    for (arguments, said) in [
        (&["one.p12", "--file-passphrase", &wrong][..], "the passphrase is not the one of one.p12"),
        (&["one.p12"], "--file-passphrase"),
        (&[&half], "neither PKCS#12 nor PEM"),
        (&[&altered, "--file-passphrase", "file:passphrase"], "the passphrase is not the one of"),
        (&["one.pem"], "no private key"),
        (&["one.key.pem"], "no certificate"),
        (&["mixed.pem"], "do not match"),
        (&["other.pem", "--key", "one.key.pem"], "do not match"),
        (&[&bare, "--file-passphrase", "file:passphrase"], "no private key"),
        (&["one.pem", "--key", &device], "Ed25519 key, as devices have"),
        (&["one.pem", "--key", "p384.pem"], "P-256 and of RSA from 2048"),
        (&["one.pem", "--key", "short.pem"], "P-256 and of RSA from 2048"),
        (&["one.pem", "--key", "x25519.pem"], "P-256 and of RSA from 2048"),
        (&["one.pem", "--key", "old.pem"], "openssl pkcs8 -topk8"),
        (&["cut.pem"], "cut short"),
        (&["empty"], "neither PKCS#12 nor PEM"),
        (&["text"], "certtool inspect"),
        (&["large"], "larger than 1 MiB"),
        (&["nowhere"], "cannot be read"),
    ] {
        let found = place.certtool(&[&["import"], arguments].concat()).bad(1);
        assert!(found.contains(said) && !found.contains("panicked"), "{arguments:?}: {found}");
        let found = place.certtool(&[&["--json", "import"], arguments].concat()).bad(1);
        assert_eq!(json(&found)["error"]["exit"], 1, "{found}");
    }
    assert!(!place.path().join("home/mail").exists(), "nothing was kept");
}

#[test]
fn keys_of_other_programs_are_refused_with_the_reason() {
    let place = Place::new();
    run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &place.at("id")]).good();
    place.write("age.txt", b"# created: 2026-01-01T00:00:00Z\n# public key: age1qq\nAGE-SECRET-KEY-1QQ\n");
    place.write("bare.age", b"AGE-SECRET-KEY-1QQ\n");
    place.write("pgp.asc", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFgE\n-----END PGP PRIVATE KEY BLOCK-----\n");
    place.write("wg0.conf", b"[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n");
    place.write("wg.key", b"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n");
    for (file, what, why) in [
        ("id", "a key of OpenSSH", "without a certificate"),
        ("id.pub", "a public key of OpenSSH", "without a certificate"),
        ("age.txt", "a key of age", "never signs"),
        ("bare.age", "a key of age", "never signs"),
        ("pgp.asc", "a key of OpenPGP", "not X.509"),
        ("wg0.conf", "a key of WireGuard", "tunnel"),
        ("wg.key", "a key of WireGuard", "tunnel"),
    ] {
        let said = place.certtool(&["import", file]).bad(1);
        assert!(said.contains(&format!("{file} is {what}")) && said.contains(why), "{said}");
        // And it is told what it is, never the key.
        let said = place.certtool(&["inspect", file]).good();
        assert!(said.contains(what) && !said.contains("QQ") && !said.contains("yAnz"), "{said}");
    }
}
