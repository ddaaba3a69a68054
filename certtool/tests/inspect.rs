//! `inspect`, `lint` and `diff` with files of every kind, most of them made by OpenSSL.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/fixtures");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

/// A folder with a home in it, and what OpenSSL makes there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn openssl(&self, line: &str) {
        let done = Command::new("openssl").args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn certtool(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certtool"));
        command.args(arguments).current_dir(self.0.path()).env("INPERSON_HOME", self.0.path().join("home"));
        command.output().unwrap()
    }

    /// Looks at a file in both forms; what the object says, all that was said, and the exit code.
    fn inspect(&self, file: &str) -> (Vec<Value>, String, i32) {
        let (words, object) = (self.certtool(&["inspect", "-v", file]), self.certtool(&["inspect", "--json", file]));
        assert_eq!(words.status.code(), object.status.code(), "{file}");
        let text = |output: &Output| String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
        let objects = text(&object).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (objects, text(&words) + &text(&object), words.status.code().unwrap())
    }

    fn kind(&self, file: &str) -> (String, Vec<String>, i32) {
        let (objects, said, exit) = self.inspect(file);
        let object = objects.first().unwrap();
        let kind = object["kind"].as_str().unwrap_or_else(|| panic!("{file}: {said}"));
        let faults =
            object["faults"].as_array().unwrap().iter().map(|fault| fault["what"].as_str().unwrap().to_owned());
        for field in object["fields"].as_array().unwrap() {
            assert!(
                !field["meaning"].as_str().unwrap().is_empty() && !field["standard"].as_str().unwrap().is_empty(),
                "{field}"
            );
        }
        (kind.to_owned(), faults.collect(), exit)
    }
}

#[test]
fn requests_lists_and_stores_of_openssl_are_known() {
    let place = Place::new();
    place.openssl("req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Authority");
    place.openssl("req -new -key ca.key -subj /CN=someone -addext subjectAltName=email:a@example.org,DNS:example.org -out request.pem");
    place.openssl("req -in request.pem -outform DER -out request.der");
    for file in ["request.pem", "request.der"] {
        let (kind, faults, exit) = place.kind(file);
        assert_eq!(
            (kind.as_str(), faults.as_slice(), exit),
            ("certificate request (PKCS#10, CSR)", &[][..], 0),
            "{file}"
        );
        assert!(place.inspect(file).1.contains("mail address a@example.org, DNS name example.org"));
    }
    fs::write(place.0.path().join("index.txt"), "").unwrap();
    let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n";
    let with_extensions = "crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n";
    fs::write(place.0.path().join("v1.cnf"), settings).unwrap();
    fs::write(place.0.path().join("v2.cnf"), format!("{settings}{with_extensions}")).unwrap();
    let list = |settings: &str, times: &str, name: &str| {
        place.openssl(&format!("ca -config {settings} -gencrl -keyfile ca.key -cert ca.pem {times} -out {name}"));
        let (kind, faults, exit) = place.kind(name);
        assert_eq!(kind, "revocation list (CRL)");
        (faults, exit)
    };
    let long_ago = "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z";
    assert_eq!(list("v2.cnf", "-crldays 10", "new.crl"), (vec![], 0));
    let (faults, exit) = list("v2.cnf", long_ago, "old.crl");
    assert!(exit == 3 && faults.len() == 1 && faults[0].contains("the time is over"), "{faults:?}");
    let (faults, exit) = list("v1.cnf", "-crldays 10", "first.crl");
    assert!(exit == 3 && faults.len() == 1 && faults[0].contains("version 1"), "{faults:?}");

    place.openssl("crl2pkcs7 -nocrl -certfile ca.pem -outform DER -out box.p7b");
    assert!(place.inspect("box.p7b").1.contains("CN=Authority by CN=Authority"));
    fs::write(place.0.path().join("letter"), "Dear Alice").unwrap();
    place.openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.pem -days 30 -subj /CN=EC",
    );
    place.openssl("cms -sign -in letter -signer ec.pem -inkey ec.key -outform PEM -out signed.pem");
    place.openssl("cms -encrypt -in letter -aes-256-cbc -outform DER -out sealed.der ec.pem");
    place.openssl("cms -encrypt -in letter -aes-256-gcm -outform DER -out authentic.der ec.pem");
    for (file, faults_of_it) in [("box.p7b", 0), ("signed.pem", 0), ("sealed.der", 1), ("authentic.der", 0)] {
        let (kind, faults, _) = place.kind(file);
        assert_eq!((kind.as_str(), faults.len()), ("message in CMS (PKCS#7)", faults_of_it), "{file}: {faults:?}");
    }

    place.openssl("pkcs12 -export -in ec.pem -inkey ec.key -passout pass:secret-word -out new.p12");
    place.openssl("pkcs12 -export -legacy -in ec.pem -inkey ec.key -passout pass:secret-word -out old.p12");
    let (kind, faults, exit) = place.kind("new.p12");
    assert_eq!((kind.as_str(), faults.as_slice(), exit), ("key store (PKCS#12, .p12, .pfx)", &[][..], 0));
    let (_, faults, exit) = place.kind("old.p12");
    assert!(exit == 3 && faults.iter().any(|fault| fault.contains("encrypted with")), "{faults:?}");

    // With its passphrase, what is in it; of the key only its kind.
    place.openssl("pkcs12 -export -in ec.pem -inkey ec.key -name mine -passout pass:secret-word -out named.p12");
    for (name, passphrase) in [("right", "secret-word"), ("wrong", "other")] {
        let path = place.0.path().join(name);
        fs::write(&path, passphrase).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let inspect = |file: &str, passphrase: &str| {
        let source = format!("file:{}", place.0.path().join(passphrase).display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_certtool"));
        command.args(["inspect", file, "--file-passphrase", &source]).current_dir(place.0.path());
        let output = command.env("INPERSON_HOME", place.0.path().join("home")).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    for file in ["named.p12", "old.p12"] {
        let (code, said) = inspect(file, "right");
        assert!(code == Some(3) && said.contains("CN=EC"), "{said}");
        assert!(
            said.contains("Private key: RFC 5958") && said.contains("secp256r1") && said.contains("never shown"),
            "{said}"
        );
        assert!(!said.contains("secret-word") && !said.contains("PRIVATE KEY-----"), "{said}");
        let (code, said) = inspect(file, "wrong");
        assert!(code == Some(1) && said.contains("the passphrase is not the one of"), "{said}");
    }
    assert!(inspect("named.p12", "right").1.contains("mine"));
    let whole = fs::read(place.0.path().join("named.p12")).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut altered = whole.clone();
        altered[at] ^= 0x21;
        fs::write(place.0.path().join("altered.p12"), altered).unwrap();
        assert!(inspect("altered.p12", "right").0.is_some_and(|code| code == 1 || code == 3), "{at}");
    }
}

#[test]
fn of_a_key_only_its_kind_is_shown() {
    let place = Place::new();
    place.openssl("genpkey -algorithm ed25519 -out ed.key");
    place.openssl("genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ec.key");
    place.openssl("pkey -in ec.key -traditional -out ec-old.key");
    place.openssl("genrsa -traditional -out rsa-old.key 2048");
    place.openssl("pkey -in ed.key -outform DER -out ed.der");
    place.openssl("pkcs8 -topk8 -in ec.key -scrypt -passout pass:secret-word -out sealed.key");
    place.openssl("pkcs8 -topk8 -in ec.key -v1 PBE-SHA1-3DES -passout pass:secret-word -out weak.key");
    place.openssl("ec -in ec.key -aes128 -passout pass:secret-word -out sealed-old.key");
    place.openssl("pkey -in ec.key -pubout -out public.pem");
    fs::write(place.0.path().join("age.txt"), format!("AGE-SECRET-KEY-1{}\n", "Q".repeat(58))).unwrap();
    let expected = [
        ("ed.key", "private key", 0),
        ("ec.key", "private key", 0),
        ("ec-old.key", "private key", 0),
        ("rsa-old.key", "private key", 0),
        ("ed.der", "private key", 0),
        ("sealed.key", "private key under a passphrase", 0),
        ("weak.key", "private key under a passphrase", 3),
        ("sealed-old.key", "private key", 3),
        ("public.pem", "public key", 0),
        ("age.txt", "private key", 0),
    ];
    for (file, expected, expected_exit) in expected {
        let (kind, faults, exit) = place.kind(file);
        assert_eq!((kind.as_str(), exit), (expected, expected_exit), "{file}: {faults:?}");
        let said = place.inspect(file).1;
        // No line of its PEM is said again, and no run of its bytes.
        let bytes = fs::read(place.0.path().join(file)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().filter(|line| line.len() > 20 && !line.starts_with("-----")) {
            assert!(file == "public.pem" || !said.contains(line), "{file}: {said}");
        }
        assert!(!said.contains("secret-word"));
    }
    assert!(place.inspect("sealed.key").1.contains("scrypt"), "{}", place.inspect("sealed.key").1);
}

#[test]
fn what_is_wrong_with_a_strangers_certificate_is_flagged() {
    let place = Place::new();
    place.openssl("req -x509 -newkey rsa:1024 -sha1 -nodes -keyout k -out weak.pem -days 30 -subj /CN=example.org");
    let (_, faults, exit) = place.kind("weak.pem");
    for fault in ["the RSA key has 1024 bits", "it is signed with sha1", "it is an authority's"] {
        let known = faults.iter().any(|found| found.to_lowercase().contains(&fault.to_lowercase()));
        // OpenSSL's own certificates are authorities' without a key usage: nothing is wrong with that.
        assert_eq!(known, !fault.contains("authority"), "{fault}: {faults:?}");
    }
    assert_eq!(exit, 3, "nobody here trusts it");
    place.openssl("req -x509 -newkey ed25519 -nodes -keyout k -out bare.pem -days 30 -subj /CN=example.org -addext basicConstraints=CA:false -addext keyUsage=keyCertSign -addext 1.2.3.4=critical,DER:0500");
    let (_, faults, _) = place.kind("bare.pem");
    for fault in ["there are no names", "its key may sign certificates", "1.2.3.4 is critical"] {
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault}: {faults:?}");
    }
    let linted = place.certtool(&["lint", "bare.pem"]);
    assert!(linted.status.code() == Some(3) && String::from_utf8_lossy(&linted.stderr).contains("--as"), "{linted:?}");
    let linted = place.certtool(&["lint", "bare.pem", "--as", "device", "--json"]);
    let object: Value = serde_json::from_slice(&linted.stdout).unwrap();
    let rules: Vec<_> =
        object["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert!(linted.status.code() == Some(3) && rules.contains(&"PROF-01") && rules.contains(&"PROF-05"), "{rules:?}");
}

#[test]
fn a_persons_own_certificate_is_clean_and_a_renewed_one_differs_in_few_fields() {
    let place = Place::new();
    let (alice, mail) = (fixture("alice.pem"), fixture("mail.pem"));
    let [alice, mail] = [&alice, &mail].map(|path| path.to_str().unwrap());
    for file in [alice, mail] {
        let linted = place.certtool(&["lint", file]);
        assert_eq!(linted.status.code(), Some(0), "{file}: {linted:?}");
    }
    assert_eq!(place.certtool(&["lint", mail, "--as", "device"]).status.code(), Some(3));
    assert_eq!(place.certtool(&["lint", mail, "--as", "none"]).status.code(), Some(2));
    let same = place.certtool(&["diff", alice, fixture("alice.der").to_str().unwrap()]);
    assert!(
        same.status.success() && String::from_utf8_lossy(&same.stdout).contains("are the same certificate"),
        "{same:?}"
    );
    let differ = place.certtool(&["diff", alice, mail, "--json"]);
    let object: Value = serde_json::from_slice(&differ.stdout).unwrap();
    let names: Vec<_> =
        object["differences"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((differ.status.code(), &object["same_key"]), (Some(3), &Value::Bool(false)));
    assert!(names.contains(&"key") && names.contains(&"purposes") && !names.contains(&"names"), "{names:?}");
    let none = place.certtool(&["diff", alice, fixture("garbage.pem").to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
}

#[test]
fn what_comes_from_a_log_is_known() {
    let place = Place::new();
    let policy = fixture("policy.json");
    let fingerprint = identity::testing::Authority::new(1, identity::testing::NOON).policy().fingerprint().to_string();
    let pinned = place.certtool(&["trust", "add", policy.to_str().unwrap(), "--fingerprint", &fingerprint]);
    assert!(pinned.status.success(), "{pinned:?}");
    let alice = fixture("alice.pem");
    let made = place.certtool(&["proof", "export", alice.to_str().unwrap(), "-o", "proof", "--entry", "entry"]);
    assert!(made.status.success(), "{made:?}");
    let made = place.certtool(&["evidence", alice.to_str().unwrap(), "--at", "2026-11-24", "-o", "evidence.json"]);
    assert!(made.status.success(), "{made:?}");
    let proof = fs::read_to_string(place.0.path().join("proof")).unwrap();
    fs::write(place.0.path().join("checkpoint"), &proof[proof.find("log.example.org/2026\n").unwrap()..]).unwrap();
    let policy = policy.to_str().unwrap();
    for (file, kind) in [
        ("proof", "proof of a log"),
        ("entry", "entry of a log"),
        ("checkpoint", "checkpoint of a log"),
        ("evidence.json", "evidence"),
        (policy, "trust policy"),
    ] {
        let found = place.kind(file);
        assert_eq!((found.0.as_str(), found.1.as_slice()), (kind, &[][..]), "{file}");
    }
    let card = "inperson:alice@example.org?genesis=";
    let damaged = place.certtool(&["inspect", card]);
    assert!(
        damaged.status.code() == Some(1) && String::from_utf8_lossy(&damaged.stderr).contains("whole link"),
        "{damaged:?}"
    );
}

#[test]
fn a_file_of_ten_gibibytes_and_other_strangers_are_refused_at_once() {
    let place = Place::new();
    let large = fs::File::create(place.0.path().join("large")).unwrap();
    large.set_len(10 << 30).unwrap();
    fs::write(place.0.path().join("noise"), [0xfd; 4_000]).unwrap();
    fs::create_dir(place.0.path().join("folder")).unwrap();
    for (file, says) in [
        ("large", "larger than 4 MiB"),
        ("noise", "neither DER nor text"),
        ("folder", "cannot be read"),
        ("/dev/null", "the file is empty"),
    ] {
        let done = place.certtool(&["inspect", file]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && said.contains(says) && said.contains("try:"), "{file}: {said}");
    }
}
