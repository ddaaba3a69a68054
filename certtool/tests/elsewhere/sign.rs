//! `certtool sign` and `certtool verify --signer`, both ways with OpenSSL, NSS and gpgsm's kind of message.

use std::fs;
use std::path::Path;

use crate::place::{ALICE, Done, P256, Place, RSA, alone, other, run};

const LETTER: &[u8] = b"Yours,\n\0\r\nAlice";

#[test]
fn what_we_sign_others_verify() {
    let place = Place::new();
    let (letter, root) = place.letter_and_root(LETTER);
    for (kind, options) in [("p256", P256), ("rsa", RSA)] {
        let (certificate, key) = place.mail(kind, options);
        let by = ["sign", &letter, "--by", &certificate, "--key", &key];
        place.certtool(&by).good();
        place.certtool(&[&by[..], &["--attached"]].concat()).good();
        let (detached, attached) = (place.at("letter.p7s"), place.at("letter.p7m"));
        let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-CAfile", &root];
        assert_eq!(
            run("openssl", [&verify[..], &["-in", &detached, "-content", &letter]].concat()).good().as_bytes(),
            LETTER
        );
        assert_eq!(run("openssl", [&verify[..], &["-in", &attached]].concat()).good().as_bytes(), LETTER);
        run("openssl", [&verify[..], &["-in", &detached, "-content", &certificate]].concat()).bad(4);
        // NSS, by its own database.
        let database = format!("sql:{}", place.at(&format!("nss-{kind}")));
        fs::create_dir(place.at(&format!("nss-{kind}"))).unwrap();
        run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
        run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
        let content = place.at("content");
        run("cmsutil", ["-D", "-d", &database, "-i", &attached, "-o", &content]).good();
        assert_eq!(fs::read(&content).unwrap(), LETTER);
    }
}

#[test]
fn what_others_sign_we_verify() {
    let place = Place::new();
    let letter = place.write("letter", LETTER);
    for (kind, options) in [("p256", P256), ("rsa", RSA)] {
        let (certificate, key) = place.mail(kind, options);
        let signed = place.at("other.p7m");
        let sign =
            ["cms", "-sign", "-binary", "-in", &letter, "-signer", &certificate, "-inkey", &key, "-out", &signed];
        let ways: [&[&str]; 5] = [
            &["-nodetach", "-outform", "DER"],
            &["-nodetach", "-outform", "DER", "-stream"],
            &["-nodetach", "-outform", "PEM", "-md", "sha384"],
            &["-nodetach", "-outform", "DER", "-keyid", "-nosmimecap"],
            &["-nodetach", "-outform", "DER", "-cades"],
        ];
        for way in ways {
            run("openssl", [&sign[..], way].concat()).good();
            let out = place.at("held");
            let said = place.certtool(&["--json", "verify", &signed, "--signer", ALICE, "--out", &out]).good();
            assert!(said.contains(r#""verified":true"#) && said.contains(r#""claimed""#), "{said}");
            assert_eq!(fs::read(&out).unwrap(), LETTER, "{way:?}");
            fs::remove_file(out).unwrap();
        }
        run("openssl", [&sign[..], &["-outform", "DER"]].concat()).good();
        place.certtool(&["verify", &letter, "--signature", &signed, "--signer", ALICE]).good();
        run("openssl", [&sign[..], &["-outform", "DER", "-noattr"]].concat()).good();
        let said = place.certtool(&["verify", &letter, "--signature", &signed, "--signer", ALICE]).bad(3);
        assert!(said.contains("signed attributes"), "{said}");
        run("openssl", [&sign[..], &["-outform", "DER", "-md", "sha1"]].concat()).good();
        place.certtool(&["verify", &letter, "--signature", &signed, "--signer", ALICE]).bad(3);

        // NSS.
        place.export("firefox", &[&certificate, "--key", &key], "out").good();
        let (p12, root) = (place.at(&format!("out/{ALICE}.p12")), place.at(&format!("out/{ALICE}-root.pem")));
        let database = format!("sql:{}", place.at(&format!("nss-{kind}")));
        fs::create_dir(place.at(&format!("nss-{kind}"))).unwrap();
        run("certutil", ["-N", "-d", &database, "--empty-password"]).good();
        run("pk12util", ["-d", &database, "-i", &p12, "-W", crate::place::PASSPHRASE]).good();
        run("certutil", ["-A", "-d", &database, "-t", "TC,C,", "-n", "root", "-i", &root]).good();
        let listed = run("certutil", ["-L", "-d", &database]).good();
        let name = listed.lines().find_map(|line| line.strip_suffix("u,u,u")).unwrap().trim();
        let signed = place.at("nss.p7m");
        run("cmsutil", ["-S", "-G", "-d", &database, "-N", name, "-i", &letter, "-o", &signed]).good();
        let out = place.at("held");
        place.certtool(&["verify", &signed, "--signer", ALICE, "--out", &out]).good();
        assert_eq!(fs::read(out).unwrap(), LETTER);
    }
}

#[test]
fn a_device_signs_and_who_has_not_signed_is_told_apart() {
    let place = Place::new();
    place.enrolled();
    let letter = place.write("letter", LETTER);
    place.certtool(&["sign", &letter]).good();
    place.certtool(&["sign", &letter, "--attached"]).good();
    for what in [letter.as_str(), &place.at("letter.p7s")] {
        let said = place.certtool(&["verify", what, "--signer", ALICE]).good();
        assert!(said.contains("signed by alice@example.org"), "{said}");
    }
    let said = place.certtool(&["verify", &letter, "--signer", "bob@example.org"]).bad(3);
    assert!(said.contains("bob@example.org has not signed this: alice@example.org has"), "{said}");

    // Who asks as about a certificate learns how to ask; of a certificate that was signed, nothing else is said than of others.
    for (what, ask) in
        [("letter", "letter --signer ID"), ("letter.p7s", "letter --signer ID"), ("letter.p7m", "--out FILE")]
    {
        let said = place.certtool(&["verify", &place.at(what)]).bad(1);
        assert!(said.contains("is no certificate") && said.contains(ask), "{said}");
    }
    let chain = place.at(&format!("home/devices/{ALICE}/chain.pem"));
    place.certtool(&["sign", &chain, "--out", &place.at("chain.pem.p7s")]).good();
    fs::copy(&chain, place.at("chain.pem")).unwrap();
    place.certtool(&["verify", &place.at("chain.pem")]).good();

    // A message may hold anything beside what was signed: what that is comes out of it, or nothing is said.
    let said = place.certtool(&["verify", &place.at("letter.p7m"), "--signer", ALICE]).bad(1);
    assert!(said.contains("--out"), "{said}");
    let said = place.certtool(&["inspect", &place.at("letter.p7m")]).good();
    assert!(said.contains("certtool verify FILE"), "{said}");
    let lonely = place.write("lonely", LETTER);
    assert!(place.certtool(&["verify", &lonely, "--signer", ALICE]).bad(1).contains("lonely.p7s"));
    fs::create_dir(place.at("folder")).unwrap();
    let spelt_otherwise = place.at("folder/../lonely");
    for out in [&lonely, &spelt_otherwise] {
        place.certtool(&["sign", &lonely, "--out", out]).bad(1);
    }
    assert_eq!(fs::read(&lonely).unwrap(), LETTER);
    let message = place.at("letter.p7m");
    let said =
        place.certtool(&["verify", &message, "--signer", ALICE, "--out", &place.at("folder/../letter.p7m")]).bad(1);
    assert!(said.contains("would be replaced"), "{said}");
    let pipe = place.at("pipe");
    run("mkfifo", [pipe.as_str()]).good();
    assert!(place.certtool(&["sign", &lonely, "--out", &pipe]).bad(1).contains("a pipe"));
    assert!(!fs::metadata(&pipe).unwrap().is_file());
    fs::remove_file(pipe).unwrap();

    // Whoever wants to know of it alone.
    let nowhere = ["--json", "verify", &message, "--signer", ALICE, "--out", "/dev/null"];
    assert!(place.certtool(&nowhere).good().contains(r#""verified":true"#));
    let other = ["verify", &message, "--signer", "bob@example.org", "--out", "/dev/null"];
    place.certtool(&other).bad(3);
    assert!(place.certtool(&["verify", &message, "--signer", ALICE, "--out", "/dev/zero"]).bad(1).contains("a device"));

    // Another letter, and a message that was altered or cut off: nothing is written, and what was there stays.
    let out = place.write("out", b"what was there");
    let (message, stays) =
        (fs::read(place.at("letter.p7m")).unwrap(), ["verify", "altered", "--signer", ALICE, "--out", &out]);
    let at = message.windows(5).position(|part| part == b"Yours").unwrap();
    for altered in
        [[&message[..at], b"H", &message[at + 1..]].concat(), message[..message.len() - 2].to_vec(), Vec::new()]
    {
        place.write("altered", &altered);
        place.certtool(&stays).bad(3);
    }
    place.write("altered", &message);
    let said = place.certtool(&["verify", "altered", "--signer", "bob@example.org", "--out", &out]).bad(3);
    assert!(said.contains("Nothing was written"), "{said}");
    assert_eq!(fs::read(&out).unwrap(), b"what was there");
    place.certtool(&stays).good();
    assert_eq!(fs::read(&out).unwrap(), LETTER);
    place.write("letter", b"another letter");
    let said = place.certtool(&["verify", &letter, "--signer", ALICE]).bad(3);
    assert!(said.contains("not what was signed"), "{said}");

    // What cannot be.
    place.certtool(&["sign", &place.at("nothing")]).bad(1);
    place.certtool(&["sign", &letter, "--out", &place.at("letter/below")]).bad(1);
    place.certtool(&["verify", &place.at("letter.p7s"), "--signature", &letter, "--signer", ALICE]).bad(3);
    place.certtool(&["verify", &letter, "--signer", ALICE, "--at", "2001-01-01"]).bad(3);
    let left = fs::read_dir(place.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".new-"));
    assert_eq!(left.count(), 0, "no file that was begun is left");
}

#[test]
fn a_dated_signature_outlives_its_certificate() {
    let place = Place::new();
    place.enrolled();
    let letter = place.write("letter", LETTER);
    place.certtool(&["sign", &letter]).good();
    let certtool = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let verify = |more: &[&str]| {
        // Forty days from now: a device's certificate has two weeks.
        let mut command = other("faketime", [&["+40 days", certtool, "--json", "verify", &letter], more].concat());
        command.env("INPERSON_HOME", place.at("home"));
        Done::of(command)
    };
    let said = verify(&["--signer", ALICE]).bad(3);
    assert!(said.contains("CHAIN-07"), "{said}");
    let signature = place.at("letter.p7s");
    place.date(&signature);
    let said = verify(&["--signer", ALICE]).good();
    assert!(said.contains(r#""dated":"#), "{said}");
    // The date would date nothing any more.
    assert!(place.certtool(&["sign", &letter]).bad(1).contains("dates no other"));
    verify(&["--signer", "bob@example.org"]).bad(3);
    // It is the date of this signature, and of no other.
    let (certificate, key) = place.mail("p256", P256);
    let another = place.at("other.p7s");
    place.certtool(&["sign", &letter, "--by", &certificate, "--key", &key, "--out", &another]).good();
    fs::copy(place.at("letter.p7s.date"), place.at("other.p7s.date")).unwrap();
    let said = verify(&["--signer", ALICE, "--signature", &another]).bad(3);
    assert!(said.contains("DATE-02"), "{said}");
}

#[test]
fn a_certificate_of_nobody_known_signs_for_nobody() {
    let place = Place::new();
    let letter = place.write("letter", LETTER);
    let (certificate, key) = (place.at("self.pem"), place.at("self.key"));
    let new = ["req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "2", "-subj", "/CN=alice@example.org"];
    run("openssl", [&new[..], &["-keyout", &key, "-out", &certificate]].concat()).good();
    let sign = ["cms", "-sign", "-binary", "-in", &letter, "-signer", &certificate, "-inkey", &key, "-outform", "DER"];
    run("openssl", [&sign[..], &["-out", &place.at("letter.p7s")]].concat()).good();
    let said = place.certtool(&["verify", &letter, "--signer", ALICE]).bad(3);
    assert!(said.contains("is refused by"), "{said}");
}

#[test]
fn a_file_of_a_gibibyte_takes_little_memory() {
    const MOST: &str = "--data=67108864";
    let place = Place::new();
    place.enrolled();
    let sized = |name: &str, bytes: u64| {
        fs::File::create(place.at(name)).unwrap().set_len(bytes).unwrap();
        place.at(name)
    };
    let (large, held) = (sized("large", 1 << 30), sized("held", 160 << 20));
    let certtool = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let within = |arguments: &[&str]| {
        let mut command = other("prlimit", [&[MOST, certtool], arguments].concat());
        command.env("INPERSON_HOME", place.at("home"));
        alone(&mut command);
        Done::of(command)
    };
    within(&["sign", &large]).good();
    within(&["verify", &large, "--signer", ALICE]).good();
    within(&["sign", &held, "--attached"]).good();
    let out = place.at("out");
    within(&["verify", &place.at("held.p7m"), "--signer", ALICE, "--out", &out]).good();
    assert_eq!(fs::metadata(out).unwrap().len(), 160 << 20);
}
