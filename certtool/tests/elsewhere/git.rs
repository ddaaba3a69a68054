//! `certtool install --for git`, and the real git.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use device::{DeviceKey, MailKeyType};
use message_syntax::{Algorithm, Unsigned};

use crate::dated::{By, dated};
use crate::place::{ALICE, Done, P256, Place, alone, other, run};

/// Git in a repository of its own, with settings of its own.
fn git(place: &Place, arguments: &[&str]) -> Done {
    Done::of(settled(place, other("git", arguments)))
}

fn settled(place: &Place, mut command: Command) -> Command {
    command.current_dir(place.at("repository")).env("HOME", place.path()).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env_remove("GIT_DIR").env_remove("XDG_CONFIG_HOME");
    alone(&mut command);
    command
}

/// A repository of Alice's, and certtool in it.
fn begun() -> (Place, impl Fn(&Place, &[&str]) -> Done) {
    begun_with("sha1")
}

/// The same, with names of objects by this hash.
fn begun_with(hash: &str) -> (Place, impl Fn(&Place, &[&str]) -> Done) {
    let place = Place::new();
    place.enrolled();
    fs::create_dir(place.at("repository")).unwrap();
    git(&place, &["init", "-q", "--object-format", hash]).good();
    git(&place, &["config", "user.name", "Alice"]).good();
    git(&place, &["config", "user.email", ALICE]).good();
    (place, |place: &Place, arguments: &[&str]| Done::of(settled(place, place.command(arguments))))
}

#[test]
fn git_signs_and_verifies_with_her_certificate() {
    let (place, certtool) = begun();
    let said = certtool(&place, &["--json", "install", "--for", "git"]).good();
    assert!(said.contains(r#""installed":true"#), "{said}");
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "one"]).good();
    let shown = git(&place, &["cat-file", "commit", "HEAD"]).good();
    assert!(shown.contains("gpgsig -----BEGIN SIGNED MESSAGE-----"), "{shown}");
    let said = git(&place, &["verify-commit", "HEAD"]).either();
    assert!(said.0 && said.1.contains("good signature of alice@example.org"), "{}", said.1);
    // Nobody knows here whether it was revoked.
    assert!(said.1.contains("no revocation list"), "{}", said.1);
    assert_eq!(git(&place, &["log", "-1", "--format=%G? %GT"]).good().trim(), "G marginal");
    place.listed();
    let said = git(&place, &["verify-commit", "HEAD"]).either();
    assert!(said.0 && !said.1.contains("no revocation list"), "{}", said.1);
    // Good, and fully trusted; by whom, and with which certificate.
    let shown = git(&place, &["log", "-1", "--format=%G? %GT %GS"]).good();
    assert_eq!(shown.trim(), format!("G fully {ALICE}"));
    git(&place, &["tag", "-s", "-m", "a tag", "v1"]).good();
    git(&place, &["verify-tag", "v1"]).good();

    // By whom git was told to sign if it was told nobody: the committer.
    git(&place, &["config", "--global", "--unset", "user.signingkey"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "two"]).good();
    git(&place, &["verify-commit", "HEAD"]).good();

    // A certificate for mail.
    let (certificate, key) = place.mail("p256", P256);
    certtool(&place, &["install", "--for", "git", &certificate, "--key", &key, "--local"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "three"]).good();
    git(&place, &["verify-commit", "HEAD"]).good();
    let said = certtool(&place, &["--json", "git-verify", "HEAD~2", "HEAD~2..HEAD", "--signer", ALICE]).good();
    assert_eq!(said.matches(r#""signer":"alice@example.org""#).count(), 3, "{said}");
    certtool(&place, &["git-verify", "--signer", "bob@example.org"]).bad(3);
    // What another repository was told is as it was.
    git(&place, &["config", "--local", "--unset", "gpg.x509.program"]).good();
    git(&place, &["config", "--local", "user.signingkey", ALICE]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "four"]).good();
    certtool(&place, &["git-verify"]).good();
}

#[test]
fn git_with_gpgsm_and_with_certtool_verifies_what_the_other_signed() {
    let (place, certtool) = begun();
    place.mailbox(MailKeyType::Rsa3072);
    // A socket's path has an end, and temporary folders may lie deep.
    let home = tempfile::Builder::new().prefix("gpgsm").tempdir_in("/tmp").unwrap();
    let folder = home.path().join("gnupg").to_str().unwrap().to_owned();
    let passphrase = place.at("passphrase");
    let source = format!("file:{passphrase}");
    place.install(&["gpgsm", "--gnupghome", &folder, "--new-passphrase", &source]).good();
    // As git runs it, but that nobody is here to be asked, and no list of revocations to be had.
    let options = "--batch --pinentry-mode loopback --passphrase-fd 9 --disable-dirmngr --disable-crl-checks";
    let script = format!("#!/bin/sh\nexec gpgsm --homedir '{folder}' {options} \"$@\" 9<'{passphrase}'\n");
    let gpgsm = place.write("gpgsm-of-alice", script.as_bytes());
    fs::set_permissions(&gpgsm, fs::Permissions::from_mode(0o700)).unwrap();
    for (name, value) in [("gpg.format", "x509"), ("gpg.x509.program", &gpgsm), ("user.signingkey", ALICE)] {
        git(&place, &["config", "--local", name, value]).good();
    }
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "by gpgsm"]).good();
    git(&place, &["verify-commit", "HEAD"]).good();
    assert_eq!(git(&place, &["log", "-1", "--format=%G?"]).good().trim(), "G");
    let said = certtool(&place, &["git-verify", "HEAD", "--signer", ALICE]).good();
    assert!(said.contains("signed by alice@example.org"), "{said}");

    certtool(&place, &["install", "--for", "git", "mail:alice@example.org", "--local"]).good();
    git(&place, &["verify-commit", "HEAD"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "by certtool"]).good();
    git(&place, &["verify-commit", "HEAD"]).good();
    let said = git(&place, &["-c", &format!("gpg.x509.program={gpgsm}"), "verify-commit", "HEAD"]).either();
    assert!(said.0 && said.1.contains("Good signature"), "{}", said.1);
    run("gpgconf", ["--homedir", &folder, "--kill", "all"]).good();
}

#[test]
fn a_repository_with_sha_256_is_signed_and_verified_too() {
    let (place, certtool) = begun_with("sha256");
    certtool(&place, &["install", "--for", "git"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "one"]).good();
    let commit = git(&place, &["cat-file", "commit", "HEAD"]).good();
    assert!(commit.contains("\ngpgsig-sha256 -----BEGIN SIGNED MESSAGE-----"), "{commit}");
    git(&place, &["verify-commit", "HEAD"]).good();
    let said = certtool(&place, &["--json", "git-verify", "HEAD", "--signer", ALICE]).good();
    assert!(said.contains(r#""signer":"alice@example.org""#), "{said}");
    git(&place, &["tag", "-s", "-m", "a tag", "v1"]).good();
    git(&place, &["verify-tag", "v1"]).good();
    // The header of the other hash does not count here, as it does not for git.
    let other = commit.replacen("gpgsig-sha256 ", "gpgsig ", 1);
    for (altered, told) in [(other, "not signed"), (commit + "more\n", "not what was signed")] {
        let altered = place.write("altered", altered.as_bytes());
        let id = git(&place, &["hash-object", "-t", "commit", "-w", &altered]).good();
        let said = certtool(&place, &["git-verify", id.trim()]).bad(3);
        assert!(said.contains(told), "{said}");
        git(&place, &["verify-commit", id.trim()]).bad(1);
    }
}

#[test]
fn where_the_passphrase_is_holds_in_every_folder() {
    let (place, certtool) = begun();
    for (source, kept) in [
        ("file:../passphrase", Some(format!("--passphrase file:{}", place.at("repository/../passphrase")))),
        // Nobody has it open when git signs.
        ("fd:0", None),
    ] {
        certtool(&place, &["--passphrase", source, "install", "--for", "git", "--local"]).good();
        let script = git(&place, &["config", "--local", "gpg.x509.program"]).good();
        let script = fs::read_to_string(script.trim()).unwrap();
        match kept {
            Some(kept) => assert!(script.contains(&kept), "{script}"),
            None => assert!(!script.contains("--passphrase"), "{script}"),
        }
        git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", source]).good();
    }
}

#[test]
fn what_was_not_looked_at_is_not_called_verified() {
    let (place, certtool) = begun();
    certtool(&place, &["install", "--for", "git"]).good();
    for words in ["one", "two", "three"] {
        git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", words]).good();
    }
    for nothing in ["HEAD..HEAD", "HEAD^{tree}", "^HEAD"] {
        let said = certtool(&place, &["git-verify", nothing]).bad(1);
        assert!(said.contains("no commits"), "{nothing}: {said}");
    }
    let said = certtool(&place, &["--json", "git-verify", "HEAD~2...HEAD"]).good();
    assert_eq!(said.matches(r#""signer":"#).count(), 2, "{said}");
    git(&place, &["replace", "HEAD", "HEAD~1"]).good();
    assert!(certtool(&place, &["git-verify"]).bad(1).contains("replaces"));
    git(&place, &["replace", "--delete", "HEAD"]).good();
    // Of a repository with the newest commits alone a range says nothing.
    let head = git(&place, &["rev-parse", "HEAD"]).good();
    fs::write(place.at("repository/.git/shallow"), head).unwrap();
    certtool(&place, &["git-verify"]).good();
    assert!(certtool(&place, &["git-verify", "HEAD~0..HEAD"]).bad(1).contains("--unshallow"));
}

#[test]
fn what_is_not_signed_or_was_altered_is_refused() {
    let (place, certtool) = begun();
    certtool(&place, &["install", "--for", "git", ALICE]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "as it was"]).good();
    let commit = git(&place, &["cat-file", "commit", "HEAD"]).good();
    let altered = place.write("altered", commit.replace("as it was", "as it is not").as_bytes());
    let id = git(&place, &["hash-object", "-t", "commit", "-w", &altered]).good();
    let said = certtool(&place, &["git-verify", id.trim()]).bad(3);
    assert!(said.contains("not what was signed"), "{said}");
    git(&place, &["verify-commit", id.trim()]).bad(1);
    assert_eq!(git(&place, &["log", "-1", "--format=%G?", id.trim()]).good().trim(), "B");

    git(&place, &["commit", "-q", "--allow-empty", "-m", "unsigned"]).good();
    let said = certtool(&place, &["git-verify", "HEAD~1..HEAD"]).bad(3);
    assert!(said.contains("not signed"), "{said}");
    certtool(&place, &["git-verify", "nothing-of-this-name"]).bad(1);
    certtool(&place, &["git-verify", "--", "--all"]).bad(1);

    // Nobody to sign for: no commit is made.
    let head = git(&place, &["rev-parse", "HEAD"]).good();
    git(&place, &["config", "user.signingkey", "bob@example.org"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "by nobody"]).bad(128);
    assert_eq!(git(&place, &["rev-parse", "HEAD"]).good(), head);

    // Where git's settings cannot be written it is said.
    let mut elsewhere = place.command(&["install", "--for", "git"]);
    elsewhere.env("HOME", place.at("altered")).env_remove("XDG_CONFIG_HOME");
    let said = Done::of(elsewhere).bad(1);
    assert!(said.contains("git did not take"), "{said}");
    // Keys that do not match are told at once.
    let ((certificate, _), (_, key)) = (place.mail("one", P256), place.mail("other", P256));
    let said = certtool(&place, &["install", "--for", "git", &certificate, "--key", &key]).bad(1);
    assert!(said.contains("do not match"), "{said}");
}

/// A commit that stands in the repository, signed by Alice's device with this beside the signature: its name.
fn signed_commit(place: &Place, beside: impl FnOnce(&[u8]) -> Vec<Unsigned>) -> String {
    let folder = place.path().join("home/devices").join(ALICE);
    let alice = By::<DeviceKey>::read(&folder.join("chain.pem"), &folder.join("key.pem"), Algorithm::Ed25519);
    let commit = git(place, &["cat-file", "commit", "HEAD"]).good();
    let signature = alice.signed(commit.as_bytes(), false, beside);
    let pem = der::pem::encode_string("SIGNED MESSAGE", der::pem::LineEnding::LF, &signature).unwrap();
    let (head, words) = commit.split_once("\n\n").unwrap();
    let commit = format!("{head}\ngpgsig {}\n\n{words}", pem.trim_end().replace('\n', "\n "));
    let file = place.write("commit", commit.as_bytes());
    git(place, &["hash-object", "-t", "commit", "-w", &file]).good().trim().to_owned()
}

#[test]
fn a_dated_commit_outlives_the_certificate() {
    let (place, certtool) = begun();
    certtool(&place, &["install", "--for", "git"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-m", "one"]).good();
    let mut first = Vec::new();
    let good = signed_commit(&place, |signature| {
        first = signature.to_vec();
        dated(&place, signature)
    });
    let pasted = signed_commit(&place, |_| dated(&place, &[&first[..], b"another"].concat()));
    let undated = signed_commit(&place, |_| Vec::new());
    let said = certtool(&place, &["git-verify", &good, &undated]).good();
    assert!(said.contains("dated by a public log") && said.contains("not dated: good until"), "{said}");
    certtool(&place, &["git-verify", &pasted]).bad(3);

    // Forty days from now: a device's certificate has two weeks.
    let later = |words: &[&str]| Done::of(settled(&place, other("faketime", [&["+40 days"], words].concat())));
    let program = Path::new(env!("CARGO_BIN_EXE_certtool")).to_str().unwrap();
    let home = place.at("home");
    let git_verify = |what: &str| later(&[program, "--home", &home, "git-verify", what, "--signer", ALICE]);
    let said = git_verify(&good).good();
    assert!(said.contains("dated by a public log: it was there at"), "{said}");
    let said = later(&["git", "verify-commit", &good]).either();
    assert!(said.0 && said.1.contains("good signature of alice@example.org"), "{}", said.1);
    assert_eq!(later(&["git", "log", "-1", "--format=%G? %GS", &good]).good().trim(), format!("G {ALICE}"));
    let said = git_verify(&undated).bad(3);
    assert!(said.contains("CHAIN-07") && said.contains("is not dated: nothing proves"), "{said}");
    let said = later(&["git", "verify-commit", &undated]).bad(1);
    assert!(said.contains("is not dated: nothing proves"), "{said}");
    assert!(git_verify(&pasted).bad(3).contains("DATE-02"));
    later(&["git", "verify-commit", &pasted]).bad(1);
}

#[test]
fn who_is_not_answered_commits_without_a_date_or_not_at_all() {
    let (place, certtool) = begun();
    certtool(&place, &["install", "--for", "git", "--dated", "required"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "one"]).bad(128);
    git(&place, &["rev-parse", "--verify", "-q", "HEAD"]).bad(1);
    certtool(&place, &["install", "--for", "git"]).good();
    git(&place, &["commit", "-q", "--allow-empty", "-S", "-m", "one"]).good();
    certtool(&place, &["git-verify"]).good();
    // What git does not show: a note for whoever commits.
    let commit = place.write("commit", b"tree 1\n");
    let signing = |more: &[&str]| {
        let sign = place.command(&[&["git-sign", "-bsau", ALICE], more].concat());
        Done::fed(sign, fs::File::open(&commit).unwrap())
    };
    let said = signing(&["--dated", "required"]).bad(4);
    assert!(said.contains("nothing was signed, as it cannot be dated"), "{said}");
    let (good, said) = signing(&[]).either();
    assert!(good && said.contains("signed, but not dated: https://ca.example.org"), "{said}");
    assert!(said.contains("git commit --amend --no-edit -S"), "{said}");
}
