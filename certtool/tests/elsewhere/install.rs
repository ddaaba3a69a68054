//! `certtool install`, and what the programs do then with what they got.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use device::MailKeyType;
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;

use crate::place::{ALICE, Done, PASSPHRASE, Place, other, run};

impl Place {
    /// `certtool install` with this home as the person's, and what it said.
    pub(crate) fn install(&self, arguments: &[&str]) -> Done {
        Done::of(self.installing(arguments))
    }

    fn installing(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&[&["--json", "install", "--for"], arguments].concat());
        command.env("HOME", self.path()).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        command.env_remove("GNUPGHOME");
        command
    }

    fn passphrase(&self) -> String {
        format!("file:{}", self.at("passphrase"))
    }

    /// A letter that was encrypted for the certificate for mail that is here now.
    fn letter_for_her(&self, name: &str) -> String {
        let (clear, sealed) = (self.write("clear", b"For Alice alone\n"), self.at(name));
        let chain = self.at(&format!("home/mail/{ALICE}/chain.pem"));
        let encrypt =
            ["cms", "-encrypt", "-binary", "-aes256", "-in", &clear, "-outform", "DER", "-out", &sealed, &chain];
        run("openssl", encrypt).good();
        sealed
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Of each certificate in a database: its name, and for what it is trusted.
fn listed(database: &str) -> Vec<(String, String)> {
    let text = run("certutil", ["-L", "-d", database]).good();
    let lines = text.lines().skip(3).filter_map(|line| line.trim_end().rsplit_once(' '));
    lines.map(|(name, trust)| (name.trim().to_owned(), trust.to_owned())).collect()
}

#[test]
fn firefox_gets_it_into_the_profile_that_is_meant() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let said = place.install(&["firefox"]).bad(1);
    assert!(said.contains("no profile of firefox") && said.contains("--database"), "{said}");
    let list = "[Profile0]\nName=old\nIsRelative=1\nPath=a.old\n\n[Profile1]\nName=mine\nIsRelative=1\nPath=b.mine\n";
    place.write(".mozilla/firefox/profiles.ini", list.as_bytes());
    for profile in ["a.old", "b.mine"] {
        place.write(&format!(".mozilla/firefox/{profile}/.parentlock"), b"");
    }
    let said = place.install(&["firefox"]).bad(1);
    assert!(said.contains("--into") && said.contains("mine") && said.contains("a.old"), "{said}");
    let said = place.install(&["firefox", "--into", "other"]).bad(1);
    assert!(said.contains("no profile other"), "{said}");

    // While it runs, nothing is changed.
    let lock = fs::File::options().write(true).open(place.at(".mozilla/firefox/b.mine/.parentlock")).unwrap();
    fcntl_lock(&lock, FlockOperation::LockExclusive).unwrap();
    let said = place.install(&["firefox", "--into", "mine"]).bad(1);
    assert!(said.contains("firefox is running") && said.contains("Close"), "{said}");
    assert!(!Path::new(&place.at(".mozilla/firefox/b.mine/cert9.db")).exists());
    drop(lock);

    let said = json(&place.install(&["firefox", "--into", "mine"]).good());
    assert_eq!((&said["changed"], &said["root"]["new"]), (&true.into(), &true.into()), "{said}");
    let database = format!("sql:{}", place.at(".mozilla/firefox/b.mine"));
    let held = listed(&database);
    assert!(held.contains(&(format!("CN={ALICE}"), "u,u,u".to_owned())), "{held:?}");
    // Its root vouches for people who log in, and for nothing else.
    let trusted: Vec<_> = held.iter().filter(|(_, trust)| !trust.contains('u') && trust != ",,").collect();
    assert_eq!(trusted.len(), 1, "{held:?}");
    assert!(trusted[0].0.starts_with("In Person root ") && trusted[0].1 == "T,,", "{held:?}");
    run("certutil", ["-V", "-d", &database, "-n", ALICE, "-u", "C"]).good();

    // A second time, nothing.
    let said = json(&place.install(&["firefox", "--into", "b.mine"]).good());
    assert_eq!((&said["changed"], &said["keys"][0]["new"]), (&false.into(), &false.into()), "{said}");
    assert_eq!(listed(&database), held);
    // What she trusts it for besides stays.
    run("certutil", ["-M", "-d", &database, "-n", &trusted[0].0, "-t", "C,,"]).good();
    place.install(&["firefox", "--into", "mine"]).good();
    assert!(listed(&database).contains(&(trusted[0].0.clone(), "CT,,".to_owned())), "{:?}", listed(&database));
    run("certutil", ["-M", "-d", &database, "-n", &trusted[0].0, "-t", "p,p,p"]).good();
    let said = place.install(&["firefox", "--into", "mine"]).bad(1);
    assert!(said.contains("distrusted"), "{said}");
    // After a renewal the new certificate is there beside the old one, with the same key.
    run("certutil", ["-M", "-d", &database, "-n", &trusted[0].0, "-t", ",,"]).good();
    let key = fs::read_to_string(place.at(&format!("home/mail/{ALICE}/key.pem"))).unwrap();
    place.mailbox_with(&key);
    let said = json(&place.install(&["firefox", "--into", "mine"]).good());
    assert_eq!(said["keys"][0]["new"], true, "{said}");
    assert_eq!(listed(&database).iter().filter(|(_, trust)| trust == "u,u,u").count(), 2);
    assert_eq!(run("certutil", ["-K", "-d", &database]).good().matches(ALICE).count(), 1);
}

/// NSS answers with all of one subject, whatever they are called.
#[test]
fn certificates_of_one_subject_are_told_apart() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let folder = place.at("profile");
    let install = || json(&place.install(&["firefox", "--database", &folder]).good());
    assert_eq!(install()["changed"], true);
    // After many renewals as after one.
    let key = fs::read_to_string(place.at(&format!("home/mail/{ALICE}/key.pem"))).unwrap();
    for _ in 0..8 {
        place.mailbox_with(&key);
        assert_eq!(install()["keys"][0]["new"], true);
    }
    assert_eq!(install()["changed"], false);
    // One that is there without its key, as whoever verifies it has it, is none that can be used.
    place.mailbox_aside();
    place.mailbox(MailKeyType::P256);
    let chain = place.at(&format!("home/mail/{ALICE}/chain.pem"));
    let database = format!("sql:{folder}");
    run("certutil", ["-A", "-d", &database, "-n", "other", "-t", ",,", "-a", "-i", &chain]).good();
    let said = install();
    let keys = said["keys"].as_array().unwrap();
    assert_eq!(keys.last().unwrap()["new"], true, "{said}");
    assert_eq!(install()["changed"], false);
}

#[test]
fn thunderbird_reads_old_mails_with_the_keys_from_before() {
    let place = Place::new();
    place.enrolled();
    place.mailbox(MailKeyType::Rsa3072);
    let old = place.letter_for_her("old.p7m");
    let digits = place.mailbox_aside();
    place.mailbox(MailKeyType::Rsa3072);
    let new = place.letter_for_her("new.p7m");
    let folder = place.at("profile");
    let said = json(&place.install(&["thunderbird", "--database", &folder]).good());
    assert_eq!(said["keys"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!((&said["keys"][0]["earlier"], &said["keys"][1]["earlier"]), (&true.into(), &false.into()), "{said}");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let database = format!("sql:{folder}");
    for letter in [&old, &new] {
        let clear = place.at("clear.again");
        run("cmsutil", ["-D", "-d", &database, "-i", letter, "-o", &clear]).good();
        assert_eq!(fs::read_to_string(&clear).unwrap(), "For Alice alone\n");
    }
    for usage in ["C", "S", "R"] {
        run("certutil", ["-V", "-d", &database, "-n", ALICE, "-u", usage]).good();
    }
    assert!(listed(&database).iter().any(|(name, trust)| name.starts_with("In Person root ") && trust == "T,C,"));
    let (letter, signed) = (place.write("letter", b"Yours, Alice\n"), place.at("letter.cms"));
    run("cmsutil", ["-S", "-d", &database, "-N", ALICE, "-i", &letter, "-o", &signed]).good();
    place.export("thunderbird", &[], "out").good();
    let verify =
        ["cms", "-verify", "-inform", "DER", "-in", &signed, "-CAfile", &place.at(&format!("out/{ALICE}-root.pem"))];
    assert_eq!(run("openssl", verify).good(), "Yours, Alice\n");
    let said = json(&place.install(&["thunderbird", "--database", &folder]).good());
    assert_eq!(said["changed"], false, "{said}");

    // The one from before has a name of its own.
    let name = format!("mail:{ALICE}/{digits}");
    for command in [&["inspect", &name][..], &["verify", &name], &["lint", &name]] {
        place.certtool(command).good();
    }
    place.export("openssl", &[&name], "out").good();
    let (pem, pass) = (place.at(&format!("out/{ALICE}-{digits}.pem")), format!("pass:{PASSPHRASE}"));
    let decrypt = ["cms", "-decrypt", "-inform", "DER", "-in", &old, "-recip", &pem, "-inkey", &pem, "-passin", &pass];
    assert_eq!(run("openssl", decrypt).good(), "For Alice alone\n");
    let said = json(&place.install(&["thunderbird", &name, "--database", &place.at("one")]).good());
    assert_eq!(said["keys"].as_array().unwrap().len(), 1, "{said}");
    let said = place.export("openssl", &[&format!("mail:{ALICE}/00000000")], "out").bad(1);
    assert!(said.contains("no earlier certificate") && said.contains(&digits), "{said}");
}

#[test]
fn a_database_with_a_passphrase_is_opened_by_it_and_nobody_else_learns_it() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let folder = place.at("profile");
    fs::create_dir(&folder).unwrap();
    run("certutil", ["-N", "-d", &format!("sql:{folder}"), "-f", &place.at("passphrase")]).good();
    let said = place.install(&["firefox", "--database", &folder]).bad(1);
    assert!(said.contains("primary password") && said.contains("--database-passphrase"), "{said}");
    let wrong = format!("file:{}", place.write("wrong", b"battery staple"));
    let said = place.install(&["firefox", "--database", &folder, "--database-passphrase", &wrong]).bad(1);
    assert!(said.contains("not the one") && !said.contains("battery"), "{said}");

    // Programs that write down what they are called with, and then are what they are.
    for program in ["certutil", "pk12util"] {
        let shim = format!("#!/bin/sh\necho \"$@\" >> {0}\nexec /usr/bin/{program} \"$@\"\n", place.at("called"));
        let path = place.write(&format!("bin/{program}"), shim.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let source = place.passphrase();
    let mut command = place.installing(&["firefox", "--database", &folder, "--database-passphrase", &source]);
    command.env("PATH", format!("{}:{}", place.at("bin"), std::env::var("PATH").unwrap()));
    Done::of(command).good();
    let called = fs::read_to_string(place.at("called")).unwrap();
    assert!(
        called.contains("-w /dev/fd/") && called.contains("-k /dev/fd/") && !called.contains(PASSPHRASE),
        "{called}"
    );
    let keys = run("certutil", ["-K", "-d", &format!("sql:{folder}"), "-f", &place.at("passphrase")]).good();
    assert!(keys.contains(ALICE), "{keys}");

    let mut command = place.installing(&["firefox", "--database", &folder]);
    command.env("PATH", place.at("nowhere"));
    let said = Done::of(command).bad(1);
    assert!(said.contains("certutil is not installed") && said.contains("libnss3-tools"), "{said}");
}

#[test]
fn chromium_gets_a_database_where_it_looks_for_one() {
    let place = Place::new();
    place.mailbox(MailKeyType::P256);
    let said = json(&place.install(&["chromium"]).good());
    assert_eq!(said["place"], place.at(".pki/nssdb"), "{said}");
    assert_eq!(fs::metadata(place.at(".pki/nssdb")).unwrap().permissions().mode() & 0o777, 0o700);
    run("certutil", ["-V", "-d", &format!("sql:{}", place.at(".pki/nssdb")), "-n", ALICE, "-u", "C"]).good();
    assert_eq!(json(&place.install(&["chromium", ALICE]).good())["changed"], false);
}

#[test]
fn what_a_program_does_not_take_is_not_installed() {
    let place = Place::new();
    place.enrolled();
    for program in ["firefox", "thunderbird", "chromium", "gpgsm"] {
        let said = place.install(&[program, ALICE]).bad(1);
        assert!(said.contains("does not take the Ed25519 key") && said.contains("--for mail"), "{said}");
    }
    place.mailbox(MailKeyType::P256);
    let said = place.install(&["gpgsm"]).bad(1);
    assert!(said.contains("does not take the P-256 key"), "{said}");
    let said = place.install(&["chromium", "--gnupghome", "somewhere"]).bad(1);
    assert!(said.contains("--gnupghome says nothing") && said.contains("--for gpgsm"), "{said}");
    let said = place.install(&["firefox", "--local"]).bad(1);
    assert!(said.contains("--for git"), "{said}");
    for left in [".pki", "somewhere", ".gnupg"] {
        assert!(!Path::new(&place.at(left)).exists(), "{left}");
    }
}

#[test]
fn gpgsm_signs_with_it_and_reads_old_mails() {
    let place = Place::new();
    place.enrolled();
    place.mailbox(MailKeyType::P256);
    let of_p256 = place.mailbox_aside();
    place.mailbox(MailKeyType::Rsa3072);
    let old = place.letter_for_her("old.p7m");
    place.mailbox_aside();
    place.mailbox(MailKeyType::Rsa3072);
    // A socket's path has an end, and temporary folders may lie deep.
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let folder = home.path().join("gnupg").to_str().unwrap().to_owned();
    let source = place.passphrase();
    let install = |source: &str| place.install(&["gpgsm", "--gnupghome", &folder, "--new-passphrase", source]);

    let long = format!("file:{}", place.write("long", &[b'x'; 32]));
    let said = install(&long).bad(1);
    assert!(said.contains("at most 31"), "{said}");
    assert!(!Path::new(&folder).exists());

    let said = json(&install(&source).good());
    assert_eq!((said["keys"].as_array().unwrap().len(), &said["root"]["new"]), (2, &true.into()), "{said}");
    assert!(said["notes"][0].as_str().unwrap().contains(&of_p256), "{said}");
    assert!(said["notes"][1].as_str().unwrap().contains("dirmngr"), "{said}");
    let gpgsm = |arguments: &[&str]| {
        let options = ["--homedir", &folder, "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0"];
        let offline = ["--disable-dirmngr", "--disable-crl-checks"];
        let command = other("gpgsm", [&options[..], &offline[..], arguments].concat());
        Done::fed(command, fs::File::open(place.at("passphrase")).unwrap())
    };
    let (letter, signed) = (place.write("letter", b"Yours, Alice\n"), place.at("letter.p7s"));
    // Of several in her name gpgsm takes none by that name: what is told to do next says which.
    let next = said["next"][0].as_str().unwrap();
    let own = next.split_whitespace().skip_while(|word| *word != "--local-user").nth(1).unwrap();
    gpgsm(&["--local-user", own, "--output", &signed, "--detach-sign", &letter]).good();
    let said = gpgsm(&["--verify", &signed, &letter]).either();
    assert!(said.0 && said.1.contains("Good signature"), "{}", said.1);
    let said = place.certtool(&["verify", &letter, "--signature", &signed, "--signer", ALICE]).good();
    assert!(said.contains("signed by"), "{said}");
    let clear = place.at("clear.again");
    gpgsm(&["--output", &clear, "--decrypt", &old]).good();
    assert_eq!(fs::read_to_string(&clear).unwrap(), "For Alice alone\n");

    // A second time nothing changes, so nobody is asked; what stood in the list stays.
    let list = fs::read_to_string(format!("{folder}/trustlist.txt")).unwrap();
    assert!(list.contains("\ninclude-default\n") && list.ends_with(" S\n"), "{list}");
    let said = json(&place.install(&["gpgsm", "--gnupghome", &folder]).good());
    assert_eq!(said["changed"], false, "{said}");
    assert_eq!(fs::read_to_string(format!("{folder}/trustlist.txt")).unwrap(), list);
    // No key is ever there in clear, and no list of revocations is passed over for her.
    assert!(!Path::new(&format!("{folder}/gpgsm.conf")).exists());
    for key in fs::read_dir(format!("{folder}/private-keys-v1.d")).unwrap() {
        let text = fs::read(key.unwrap().path()).unwrap();
        assert!(String::from_utf8_lossy(&text).contains("protected-private-key"));
    }
    // Why it failed is told, and not what else it said.
    fs::write(format!("{folder}/gpg-agent.conf"), "no-allow-loopback-pinentry\n").unwrap();
    run("gpgconf", ["--homedir", &folder, "--kill", "all"]).good();
    place.mailbox_aside();
    place.mailbox(MailKeyType::Rsa3072);
    let said = install(&source).bad(1);
    assert!(said.contains("the key was not taken: gpgsm: setting pinentry mode 'loopback' failed"), "{said}");
    fs::remove_file(format!("{folder}/gpg-agent.conf")).unwrap();
    run("gpgconf", ["--homedir", &folder, "--kill", "all"]).good();
    install(&source).good();
    // What she distrusts is not trusted for her.
    let entry = list.lines().last().unwrap();
    fs::write(format!("{folder}/trustlist.txt"), format!("# Mine\n!{entry}")).unwrap();
    let said = place.install(&["gpgsm", "--gnupghome", &folder]).bad(1);
    assert!(said.contains("distrusted"), "{said}");
    fs::write(format!("{folder}/trustlist.txt"), "# Mine").unwrap();
    assert_eq!(json(&place.install(&["gpgsm", "--gnupghome", &folder]).good())["changed"], true);
    let now = fs::read_to_string(format!("{folder}/trustlist.txt")).unwrap();
    assert!(now.starts_with("# Mine\n") && now.ends_with(&format!("{entry}\n")), "{now}");
    run("gpgconf", ["--homedir", &folder, "--kill", "all"]).good();
}
