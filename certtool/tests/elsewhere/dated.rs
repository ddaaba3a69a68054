//! Messages with the date of their signature in them: what other programs make of them, and what `certtool verify` does
//! when the certificate has ended or was revoked. (That an authority dates what `certtool sign` signs is tried end to end.)

use std::fs;
use std::path::Path;
use std::time::Duration;

use device::{DeviceKey, MailKey, OwnKey, chain_from_pem};
use identity::oid::SIGNATURE_DATE;
use message_syntax::{Algorithm, Signer, Unsigned, begin_attached, begin_detached};

use crate::place::{ALICE, Done, P256, Place, RSA, alone, other, run};

const LETTER: &[u8] = b"Yours,\nAlice\n";
const LATER: u64 = 3600;

/// What stands beside a signature.
type Beside<'a> = Box<dyn Fn(&[u8]) -> Vec<Unsigned> + 'a>;

/// A certificate with its key.
pub(crate) struct By<K> {
    pub(crate) chain: Vec<Vec<u8>>,
    key: K,
    algorithm: Algorithm,
}

impl<K: OwnKey> By<K> {
    pub(crate) fn read(chain: &Path, key: &Path, algorithm: Algorithm) -> Self {
        let chain = chain_from_pem(&fs::read(chain).unwrap()).unwrap();
        let key = K::from_pem(&fs::read_to_string(key).unwrap()).unwrap();
        Self { chain: chain.iter().map(|der| der.to_vec()).collect(), key, algorithm }
    }

    /// Signs as `certtool sign` does, and puts beside the signature what `beside` makes of it.
    pub(crate) fn signed(
        &self,
        content: &[u8],
        attached: bool,
        beside: impl FnOnce(&[u8]) -> Vec<Unsigned>,
    ) -> Vec<u8> {
        let chain: Vec<&[u8]> = self.chain.iter().map(Vec::as_slice).collect();
        let by_key = |message: &[u8]| self.key.sign(message).map_err(|error| error.to_string());
        let time = Duration::from_secs(identity::UnixTime::now().as_secs());
        let signer = Signer { chain: &chain, algorithm: self.algorithm, time, sign: &by_key };
        let mut message = Vec::new();
        let mut signed = match attached {
            true => begin_attached(&mut &content[..], &signer, &mut message).unwrap(),
            false => begin_detached(&mut &content[..], &signer).unwrap(),
        };
        for unsigned in beside(signed.value()) {
            signed.add(unsigned);
        }
        signed.end(&mut message).unwrap();
        message
    }
}

/// Alice's device.
pub(crate) fn device(place: &Place) -> By<DeviceKey> {
    let key = place.enrolled();
    By::read(&key.with_file_name("chain.pem"), &key, Algorithm::Ed25519)
}

/// What certtool puts beside a signature that was dated.
pub(crate) fn dated(place: &Place, signature: &[u8]) -> Vec<Unsigned> {
    vec![Unsigned::text(SIGNATURE_DATE, &place.proof(signature, LATER))]
}

/// `certtool --json verify`, forty days from now: a device's certificate has two weeks.
fn verified_later(place: &Place, more: &[&str]) -> Done {
    let certtool = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let letter = place.at("letter");
    let mut command = other("faketime", [&["+40 days", certtool, "--json", "verify", &letter], more].concat());
    command.env("INPERSON_HOME", place.at("home"));
    alone(&mut command);
    Done::of(command)
}

#[test]
fn others_verify_a_message_that_holds_a_date() {
    let place = Place::new();
    let (letter, root) = place.letter_and_root(LETTER);
    for (kind, options, algorithm) in [("p256", P256, Algorithm::EcdsaP256), ("rsa", RSA, Algorithm::Rsa)] {
        let (certificate, key) = place.mail(kind, options);
        let alice = By::<MailKey>::read(Path::new(&certificate), Path::new(&key), algorithm);
        let message = |attached: bool| alice.signed(LETTER, attached, |signature| dated(&place, signature));
        let detached = place.write(&format!("{kind}.p7s"), &message(false));
        let attached = place.write(&format!("{kind}.p7m"), &message(true));
        // They hold what is looked at here.
        let shown = run("openssl", ["cms", "-cmsout", "-print", "-inform", "DER", "-in", &detached]).good();
        assert!(shown.contains("1.3.6.1.4.1.32473.4.1") && shown.contains("c2sp.org/tlog-proof@v1"), "{shown}");

        let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-CAfile", &root];
        let of_file = [&verify[..], &["-in", &detached, "-content", &letter]].concat();
        assert_eq!(run("openssl", of_file).good().as_bytes(), LETTER);
        assert_eq!(run("openssl", [&verify[..], &["-in", &attached]].concat()).good().as_bytes(), LETTER);
        let database = format!("sql:{}", place.at(&format!("nss-{kind}")));
        fs::create_dir(place.at(&format!("nss-{kind}"))).unwrap();
        run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
        run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
        let content = place.at("content");
        run("cmsutil", ["-D", "-d", &database, "-i", &attached, "-o", &content]).good();
        assert_eq!(fs::read(&content).unwrap(), LETTER);
        gpgsm_verifies(&place, &root, &detached, &letter);
        let said = place.certtool(&["--json", "verify", &letter, "--signer", ALICE, "--signature", &detached]).good();
        assert!(said.contains(r#""dated":"#) && said.contains(r#""dated_by":"entry "#), "{said}");
    }
}

fn gpgsm_verifies(place: &Place, root: &str, signature: &str, letter: &str) {
    // A socket's path has an end, and temporary folders may lie deep.
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let home_path = home.path().to_str().unwrap();
    let fingerprint = run("openssl", ["x509", "-in", root, "-noout", "-fingerprint", "-sha1"]).good();
    let fingerprint = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "");
    fs::write(home.path().join("trustlist.txt"), format!("{fingerprint} S relax\n")).unwrap();
    let gpgsm = |arguments: &[&str]| {
        let options = ["--homedir", home_path, "--batch", "--disable-dirmngr", "--disable-crl-checks"];
        Done::of(other("gpgsm", [&options[..], arguments].concat()))
    };
    gpgsm(&["--import", root]).good();
    gpgsm(&["--verify", signature, letter]).good();
    let altered = place.write("altered", b"another letter\n");
    let (good, said) = gpgsm(&["--verify", signature, &altered]).either();
    assert!(!good, "{said}");
    run("gpgconf", ["--homedir", home_path, "--kill", "all"]).good();
}

#[test]
fn a_date_in_the_message_outlives_the_certificate() {
    let place = Place::new();
    let alice = device(&place);
    place.write("letter", LETTER);
    let by_alice = ["--signer", ALICE];
    place.write("letter.p7s", &alice.signed(LETTER, false, |signature| dated(&place, signature)));
    let said = verified_later(&place, &by_alice).good();
    assert!(said.contains(r#""dated":"#) && !said.contains("good_until"), "{said}");
    verified_later(&place, &["--signer", "bob@example.org"]).bad(3);
    // The log's time counts, and not when somebody looks: as of a time that is named, the certificate had ended.
    let said = verified_later(&place, &["--signer", ALICE, "--at", "2099-01-01"]).bad(3);
    assert!(said.contains("CHAIN-07"), "{said}");
    let attached = alice.signed(LETTER, true, |signature| dated(&place, signature));
    let (message, out) = (place.write("letter.p7m", &attached), place.at("out"));
    let certtool = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let words = ["+40 days", certtool, "--home", &place.at("home"), "verify", &message, "--signer", ALICE, "-o", &out];
    let said = Done::of(other("faketime", words)).good();
    assert!(said.contains("dated by a public log: it was there at"), "{said}");
    assert_eq!(fs::read(out).unwrap(), LETTER);

    // The certificate stands in the log as well, with a time; that says nothing of the signature.
    place.write("letter.p7s", &alice.signed(LETTER, false, |_| Vec::new()));
    let said = verified_later(&place, &by_alice).bad(3);
    assert!(
        said.contains("CHAIN-07") && said.contains("is not dated: nothing proves that it was made before"),
        "{said}"
    );
    let said = place.certtool(&["verify", &place.at("letter"), "--signer", ALICE]).good();
    assert!(said.contains("not dated: good until the certificate ends"), "{said}");

    // What dates another signature of hers, half of a date, two of them, one with another opening, one too late, no text.
    let mut another = Vec::new();
    alice.signed(b"Another letter\n", false, |signature| {
        another = signature.to_vec();
        Vec::new()
    });
    let cut = |text: String| text[..40].to_owned();
    let text = |text: &str| Unsigned::text(SIGNATURE_DATE, text);
    let cases: [(&str, Beside<'_>); 6] = [
        ("DATE-02", Box::new(|_| vec![text(&place.proof(&another, LATER))])),
        ("DATE-01", Box::new(|signature| vec![text(&cut(place.proof(signature, LATER)))])),
        ("several", Box::new(|signature| [dated(&place, signature), vec![text("and another")]].concat())),
        ("DATE-0", Box::new(|signature| vec![text(&place.proof(signature, LATER).replacen("index ", "index 1", 1))])),
        ("DATE-03", Box::new(|signature| vec![text(&place.proof(signature, 20 * 86_400))])),
        ("no text", Box::new(|_| vec![Unsigned { kind: SIGNATURE_DATE, value: vec![5, 0] }])),
    ];
    for (rule, beside) in cases {
        place.write("letter.p7s", &alice.signed(LETTER, false, beside));
        let said = verified_later(&place, &by_alice).bad(3);
        assert!(said.contains(rule), "{rule}: {said}");
        // Nor does it count while the certificate holds: what was altered is not passed over.
        place.certtool(&["verify", &place.at("letter"), "--signer", ALICE]).bad(3);
    }
    // What somebody else puts beside a signature is nobody's concern.
    let other = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
    let beside =
        |signature: &[u8]| [dated(&place, signature), vec![Unsigned { kind: other, value: vec![5, 0] }]].concat();
    place.write("letter.p7s", &alice.signed(LETTER, false, beside));
    verified_later(&place, &by_alice).good();
}

#[test]
fn a_revocation_counts_from_its_time_on() {
    let place = Place::new();
    let alice = device(&place);
    let letter = place.write("letter", LETTER);
    place.write("letter.p7s", &alice.signed(LETTER, false, |signature| dated(&place, signature)));
    let certtool = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let two_hours_later = || {
        let mut command = other("faketime", ["+2 hours", certtool, "verify", &letter, "--signer", ALICE]);
        command.env("INPERSON_HOME", place.at("home"));
        Done::of(command)
    };
    place.revoked(LATER + 1, &[&alice.chain[0]]);
    let said = two_hours_later().good();
    assert!(said.contains("revoked later, at"), "{said}");
    for second in [LATER, LATER - 1] {
        place.revoked(second, &[&alice.chain[0]]);
        let said = two_hours_later().bad(3);
        assert!(said.contains("DATE-04"), "{said}");
    }
    // Without a date it counts whenever it came.
    place.write("letter.p7s", &alice.signed(LETTER, false, |_| Vec::new()));
    let said = two_hours_later().bad(3);
    assert!(said.contains("REV-01") && said.contains("is not dated"), "{said}");
}

#[test]
fn who_is_not_answered_signs_without_a_date_or_not_at_all() {
    let place = Place::new();
    place.enrolled();
    let letter = place.write("letter", LETTER);
    let said = place.certtool(&["--json", "sign", &letter, "--dated", "required"]).bad(4);
    assert!(said.contains("nothing was signed, as it cannot be dated"), "{said}");
    assert!(!Path::new(&place.at("letter.p7s")).exists());
    place.certtool(&["sign", &letter, "--dated", "required", "--attached"]).bad(4);
    let left = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().contains("p7m")).count(), 0, "nothing that was begun is left");
    let said = place.certtool(&["--json", "sign", &letter]).good();
    assert!(said.contains(r#""not_dated":"https://ca.example.org"#) && !said.contains(r#""dated""#), "{said}");
    let said = place.certtool(&["sign", &letter]).good();
    assert!(said.contains("not dated: https://ca.example.org"), "{said}");
    assert!(said.contains("certtool date request"), "{said}");
    // Nobody is asked.
    let said = place.certtool(&["--json", "sign", &letter, "--dated", "no"]).good();
    assert!(!said.contains("dated"), "{said}");
    // By the settings, unless it is said otherwise.
    let settings = place.write("settings.toml", b"profile = \"a\"\n[profiles.a]\ndated = \"required\"\n");
    let by_settings = |more: &[&str]| {
        let mut command = place.command(&[&["sign", &letter], more].concat());
        command.env("INPERSON_CONFIG", &settings);
        Done::of(command)
    };
    by_settings(&[]).bad(4);
    by_settings(&["--dated", "if-possible"]).good();
}
