//! `certtool key backup` and `restore`: the words at a real terminal, and what OpenSSL makes of the file and of the keys that
//! come back.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use device::MailKeyType;
use serde_json::Value;

use crate::place::{ALICE, Done, Place, fingerprint, other, run};

const MAIL: &str = "mail:alice@example.org";

/// `certtool` at a terminal of its own, as `script` makes one.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn new(place: &Place, line: &str) -> Self {
        let command = format!("{} {line}", env!("CARGO_BIN_EXE_certtool"));
        let mut script = other("script", ["-qec", &command, "/dev/null"]);
        script.env("INPERSON_HOME", place.at("home")).env("NO_COLOR", "1").env("TERM", "xterm");
        script.env_remove("INPERSON_PASSPHRASE_FROM").env("INPERSON_CONFIG", "/nonexistent/certtool.toml");
        script.current_dir(place.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, shown: String::new() }
    }

    /// Everything shown until this stands there, from what was seen last on.
    fn until(&mut self, text: &str) -> String {
        let mut byte = [0];
        let from = self.shown.len();
        while !self.shown[from..].contains(text) {
            assert_eq!(self.screen.read(&mut byte).unwrap(), 1, "{text:?} is not in {:?}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
        self.shown[from..].to_owned()
    }

    fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// How it ended, and everything it has shown.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        let _ = self.screen.read_to_end(&mut rest);
        self.shown.extend(rest.into_iter().map(char::from));
        (self.child.wait().unwrap().code(), self.shown)
    }
}

/// The words on a page, by their numbers.
fn words(page: &str) -> Vec<String> {
    let mut tokens = page.split_whitespace().skip_while(|token| *token != "1").peekable();
    let mut words = vec![String::new(); 24];
    while let Some(number) = tokens.next().and_then(|token| token.parse::<usize>().ok()) {
        words[number - 1] = tokens.next().unwrap().to_owned();
    }
    assert!(words.iter().all(|word| !word.is_empty()), "{page}");
    words
}

/// Which word is asked for.
fn asked(terminal: &mut Terminal) -> usize {
    terminal.until("Word ");
    terminal.until(": ").trim_end_matches(": ").parse().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl Place {
    /// A letter that was encrypted for the certificate in a file.
    fn letter_for(&self, chain: &str, name: &str) {
        let (clear, sealed) = (self.write("clear", b"For Alice alone\n"), self.at(name));
        let encrypt =
            ["cms", "-encrypt", "-binary", "-aes256", "-in", &clear, "-outform", "DER", "-out", &sealed, chain];
        run("openssl", encrypt).good();
    }

    /// Reads it with a key that lies in clear.
    fn opens(&self, letter: &str, folder: &Path) {
        let (key, chain) = (folder.join("key.pem"), folder.join("chain.pem"));
        let (key, chain, letter) = (key.to_str().unwrap(), chain.to_str().unwrap(), self.at(letter));
        let decrypt = ["cms", "-decrypt", "-inform", "DER", "-in", &letter, "-recip", chain, "-inkey", key];
        assert_eq!(run("openssl", decrypt).good(), "For Alice alone\n");
    }

    fn wiped(&self) {
        fs::remove_dir_all(self.at("home")).unwrap();
    }

    /// With the words in a file.
    fn restore(&self, arguments: &[&str]) -> Done {
        self.certtool(&[&["--json", "key", "restore", "keys.p12", "--phrase", "file:words"], arguments].concat())
    }

    fn backed_up(&self) -> Value {
        json(&self.certtool(&["--json", "key", "backup", "--out", "keys.p12", "--phrase-to", "words"]).good())
    }
}

#[test]
fn keys_come_back_on_a_bare_machine_by_words_that_were_written_down() {
    let place = Place::new();
    place.enrolled();
    place.mailbox(MailKeyType::Rsa3072);
    let earlier = place.mailbox_aside();
    let below = place.path().join("home/mail/.earlier").join(ALICE).join(&earlier);
    place.letter_for(below.join("chain.pem").to_str().unwrap(), "old.p7m");
    place.mailbox(MailKeyType::P256);
    let used = place.path().join("home/mail").join(ALICE);
    place.letter_for(used.join("chain.pem").to_str().unwrap(), "new.p7m");
    let files = ["key.pem", "account.pem", "chain.pem", "enrolment.toml"];
    let before: Vec<_> = files.map(|file| fs::read(used.join(file)).unwrap()).into();

    // The file counts only once words were asked back.
    let mut terminal = Terminal::new(&place, "key backup --out keys.p12");
    let page = terminal.until("Press Enter");
    assert!(!page.contains("\u{1b}[") && !Path::new(&place.at("keys.p12")).exists());
    terminal.types("");
    for _ in 0..3 {
        asked(&mut terminal);
        terminal.types("xyzzy");
    }
    let (code, said) = terminal.ended();
    assert!(code == Some(1) && said.contains("Nothing was written"), "{said}");
    assert!(!Path::new(&place.at("keys.p12")).exists());

    let mut terminal = Terminal::new(&place, "key backup --out keys.p12");
    let words = words(&terminal.until("Press Enter"));
    terminal.types("");
    for at in 0..3 {
        let number = asked(&mut terminal);
        if at == 0 {
            terminal.types("xyzzy");
            terminal.until("another word");
            assert_eq!(asked(&mut terminal), number, "the same is asked for again");
        }
        // Its beginning suffices, in whatever case.
        let word = &words[number - 1];
        terminal.types(&word[..4.min(word.len())].to_uppercase());
    }
    let (code, said) = terminal.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\u{1b}[") && said.contains("Backed up: 2 keys in keys.p12"), "{said}");
    assert!(said.contains("not in it: alice@example.org: the key of this device"), "{said}");
    let mode = fs::metadata(place.at("keys.p12")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Others open it as well.
    place.write("words", words.join(" ").as_bytes());
    let pass = format!("file:{}", place.at("words"));
    let pem = run("openssl", ["pkcs12", "-in", &place.at("keys.p12"), "-passin", &pass, "-nodes"]).good();
    assert_eq!(pem.matches("-----BEGIN PRIVATE KEY-----").count(), 3);
    assert!(pem.contains("friendlyName: alice@example.org (mail 1)"), "{pem}");

    // On a machine that has nothing: the words in any case, numbered, mistyped once.
    place.wiped();
    let mut terminal = Terminal::new(&place, "key restore keys.p12");
    terminal.until("From word 1: ");
    let first: Vec<_> = words.iter().zip(1..=12).map(|(word, at)| format!("{at}. {}", word.to_uppercase())).collect();
    terminal.types(&first.join(" "));
    terminal.until("From word 13: ");
    terminal.types("abandn");
    let said = terminal.until("From word 13: ");
    assert!(said.contains("Word 13 is none of the list. It may be abandon"), "{said}");
    terminal.types(&words[12..].join(" "));
    let (code, said) = terminal.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("mail:alice@example.org, P-256") && said.contains(": used again"), "{said}");
    assert!(said.contains("kept to read old mails") && said.contains("certtool trust add URL --fingerprint"), "{said}");
    for (file, before) in files.iter().zip(before) {
        // What the record leaves out is written out.
        assert!(fs::read(used.join(file)).unwrap().starts_with(&before), "{file}");
        assert_eq!(fs::metadata(used.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert!(!place.path().join("home/devices").exists(), "a device's key is in no backup");
    place.opens("new.p7m", &used);
    let kept = fs::read_dir(place.path().join("home/mail/.earlier").join(ALICE)).unwrap();
    place.opens("old.p7m", &kept.last().unwrap().unwrap().path());

    // With its authority trusted again, it signs; a second time changes nothing.
    let policy = place.at("policy.json");
    let said = said.split("--fingerprint ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    place.certtool(&["trust", "add", &policy, "--fingerprint", &said]).good();
    place.write("letter", b"Yours, Alice\n");
    place.certtool(&["sign", "letter", "--by", MAIL]).good();
    place.certtool(&["verify", "letter", "--signer", ALICE]).good();
    let said = json(&place.restore(&[]).good());
    assert_eq!((&said["changed"], &said["policies"]), (&false.into(), &Value::Array(vec![])), "{said}");
    assert_eq!(said["keys"].as_array().unwrap().iter().filter(|key| key["became"] == "was there").count(), 2);
}

#[test]
fn no_key_is_written_over_another_and_sealed_ones_come_back_sealed() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let source = format!("file:{}", place.at("passphrase"));
    place.certtool(&["key", "seal", "--new-passphrase", &source]).good();
    let said = place.certtool(&["key", "backup", "--out", "keys.p12", "--phrase-to", "words"]).bad(1);
    assert!(said.contains("passphrase") && !Path::new(&place.at("keys.p12")).exists(), "{said}");
    let backup = ["--passphrase", &source, "--json", "key", "backup", "--out", "keys.p12", "--phrase-to", "words"];
    let said = json(&place.certtool(&backup).good());
    assert_eq!((&said["keys"][0], &said["left_out"]), (&MAIL.into(), &Value::Array(vec![])), "{said}");
    let digits = fingerprint(&place.path().join("home/mail").join(ALICE).join("chain.pem"))[..8].to_owned();
    let words = fs::read_to_string(place.at("words")).unwrap();
    assert_eq!(words.split_whitespace().count(), 24);
    assert_eq!(fs::metadata(place.at("words")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!said.to_string().contains(words.trim_end()) && said["phrase"] == "words", "{said}");
    // Neither file is written over.
    let said = place.certtool(&backup).bad(1);
    assert!(said.contains("keys.p12 is there already"), "{said}");

    // She has enrolled anew in the meantime.
    place.wiped();
    place.enrolled();
    place.mailbox(MailKeyType::P256);
    let used = place.path().join("home/mail").join(ALICE);
    let before = fs::read(used.join("key.pem")).unwrap();
    place.certtool(&["key", "seal", "--new-passphrase", &source]).good();
    let sealed = fs::read(used.join("key.pem")).unwrap();
    assert_ne!(sealed, before);
    let said = json(&place.restore(&["--list"]).good());
    assert_eq!((&said["restored"], &said["keys"][0]["name"]), (&false.into(), &MAIL.into()), "{said}");
    assert!(!place.path().join("home/mail/.earlier").exists(), "nothing was written");
    let said = place.restore(&[]).bad(1);
    assert!(said.contains("passphrase"), "{said}");
    let said = json(&place.restore(&["--passphrase", &source]).good());
    assert_eq!((&said["changed"], &said["keys"][0]["became"]), (&true.into(), &"earlier".into()), "{said}");
    assert_eq!(said["keys"][0]["name"], format!("{MAIL}/{digits}").as_str(), "{said}");
    assert_eq!(fs::read(used.join("key.pem")).unwrap(), sealed);
    let said = json(&place.certtool(&["--json", "key", "list"]).good());
    assert!(said["keys"].as_array().unwrap().iter().all(|key| key["kept"] == "sealed"), "{said}");
    let said = json(&place.restore(&["--passphrase", &source]).good());
    assert_eq!(said["changed"], false, "{said}");
    // What cannot be written leaves nothing.
    place.wiped();
    fs::create_dir_all(place.at("home")).unwrap();
    place.write("home/mail", b"no folder");
    place.restore(&[]).bad(1);
    assert!(!place.path().join("home/.incoming").exists());
}

#[test]
fn wrong_words_and_other_files_are_told_apart() {
    let place = Place::new();
    let said = place.certtool(&["key", "backup", "--out", "keys.p12", "--phrase-to", "words"]).bad(1);
    assert!(said.contains("nothing to back up") && said.contains("--for mail"), "{said}");
    place.enrolled();
    let said = place.certtool(&["key", "backup", "--out", "keys.p12", "--phrase-to", "words"]).bad(1);
    assert!(said.contains("each device has its own"), "{said}");
    place.mailbox(MailKeyType::P256);
    for same in ["same", "./same", &place.at("same")] {
        let said = place.certtool(&["key", "backup", "--out", "same", "--phrase-to", same]).bad(1);
        assert!(said.contains("keep them apart"), "{said}");
    }
    // There is no terminal here.
    let mut alone = other("setsid", ["--wait", env!("CARGO_BIN_EXE_certtool"), "key", "backup", "--out", "keys.p12"]);
    alone.env("INPERSON_HOME", place.at("home")).current_dir(place.path());
    let said = Done::of(alone).bad(1);
    assert!(said.contains("no terminal") && said.contains("--phrase-to"), "{said}");
    assert_eq!(place.backed_up()["keys"][0], MAIL);

    let words: Vec<_> =
        fs::read_to_string(place.at("words")).unwrap().split_whitespace().map(ToOwned::to_owned).collect();
    let with = |at: usize, word: &str| {
        let mut words = words.clone();
        words[at] = word.to_owned();
        words.join(" ")
    };
    let zeros = format!("{}art", "abandon ".repeat(23));
    let whole = fs::read(place.at("keys.p12")).unwrap();
    place.write("half", &whole[..whole.len() / 2]);
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    place.write("altered", &altered);
    place.write("text", b"no backup");
    place.write("large", &vec![0; (1 << 20) + 1]);
    place.certtool(&["export", "--for", "openssl", MAIL, "--new-passphrase", "file:words"]).good();
    let right = words.join(" ");
    let export = format!("{ALICE}.p12");
    for (file, phrase, said) in [
        ("keys.p12", with(6, "xyzzy").as_str(), "word 7 is none of the list"),
        ("keys.p12", &right[..right.rfind(' ').unwrap()], "expected 24 words, found 23"),
        ("keys.p12", &words.iter().rev().cloned().collect::<Vec<_>>().join(" "), ""),
        ("keys.p12", &zeros, "not those of this backup"),
        ("altered", &right, "not those of this backup"),
        ("half", &right, "not whole"),
        ("text", &right, "not PKCS#12"),
        ("large", &right, "larger than 1 MiB"),
        (&export, &right, "does not say what is in it"),
        ("nowhere", &right, "cannot be read"),
    ] {
        place.write("other", phrase.as_bytes());
        let found = place.certtool(&["key", "restore", file, "--phrase", "file:other"]).bad(1);
        assert!(found.contains(said) && !found.contains(&words[..2].join(" ")), "{file}: {found}");
        let found = place.certtool(&["--json", "key", "restore", file, "--phrase", "file:other"]).bad(1);
        assert_eq!(json(&found)["error"]["exit"], 1, "{found}");
    }
}
