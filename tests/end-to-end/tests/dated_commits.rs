//! Commits and files that are dated when they are signed, with the real authority, its log and git: they verify offline when
//! the certificate has ended, and nobody's address is in the log.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use story::homeserver::Homeserver;
use story::person::Person;

const ALICE: &str = "alice@example.org";
/// A device's certificate has two weeks.
const LATER: [&str; 3] = ["faketime", "-f", "+60d"];

/// A repository of Alice's, in which her git signs.
struct Repository<'a> {
    folder: PathBuf,
    alice: &'a Person,
}

impl Repository<'_> {
    /// Git as she runs it, with settings of this repository alone.
    fn git(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env("HOME", &self.folder).env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_DIR");
        command.env("INPERSON_CONFIG", self.folder.join("none.toml"));
        command.output().unwrap()
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let done = self.git(arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// `certtool` in the repository.
    #[track_caller]
    fn certtool(&self, who: &Person, code: i32, arguments: &[&str]) -> String {
        let mut command = who.command("certtool", arguments).unwrap();
        command.current_dir(&self.folder).env("HOME", &self.folder).env("GIT_CONFIG_NOSYSTEM", "1");
        let done = command.stdin(Stdio::null()).output().unwrap();
        let said = [&done.stdout[..], &done.stderr].map(String::from_utf8_lossy).concat();
        assert_eq!(done.status.code(), Some(code), "certtool {arguments:?}: {said}");
        said
    }

    fn commit(&self, words: &str) -> String {
        self.good(&["commit", "-q", "--allow-empty", "-S", "-m", words]);
        self.good(&["rev-parse", "HEAD"])
    }

    fn install(&self, dated: &str) {
        self.certtool(self.alice, 0, &["install", "--for", "git", "--local", "--dated", dated]);
    }
}

/// Whether any file below this folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, bytes),
            false => fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes),
        }
    })
}

#[test]
fn a_commit_is_dated_and_good_when_the_certificate_has_ended() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = [ALICE, "bob@example.org"].map(|address| Person::new(place.path(), address));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.trust(server.ready()).unwrap();
    let repository = Repository { folder: place.path().join("repository"), alice: &alice };
    fs::create_dir(&repository.folder).unwrap();
    repository.good(&["init", "-q"]);
    repository.good(&["config", "user.name", "Alice"]);
    repository.good(&["config", "user.email", "alice@users.example"]);

    repository.install("required");
    let dated = repository.commit("dated");
    repository.install("no");
    let undated = repository.commit("not dated");
    // A file, too: what signs it is asked for nothing.
    let (letter, attached) = (place.path().join("letter"), place.path().join("letter.p7m"));
    fs::write(&letter, "Yours, Alice").unwrap();
    let sign = ["sign", letter.to_str().unwrap(), "--attached", "--dated", "required"];
    let signed = alice.certtool_json(&sign).unwrap();
    assert!(signed["dated"].is_string() && signed.get("not_dated").is_none(), "{signed}");

    // What became public: nobody's address, and no name of a commit.
    for what in [ALICE.as_bytes(), b"Yours, Alice", dated.as_bytes()] {
        assert!(!holds(&server.folder().join("log"), what), "{}", String::from_utf8_lossy(what));
    }

    // The authority is away, and a commit does not wait for it; who will have no other gets none.
    let folder = server.folder().to_path_buf();
    server.kill();
    repository.install("required");
    let refused = repository.git(&["commit", "-q", "--allow-empty", "-S", "-m", "never"]);
    assert!(!refused.status.success());
    assert_eq!(repository.good(&["rev-parse", "HEAD"]), undated);
    repository.install("if-possible");
    let alone = repository.commit("while nobody answers");
    repository.certtool(&bob, 0, &["git-verify", &alone, "--signer", ALICE]);

    // Bob, offline, two months later. His clock is the only one that has moved.
    let later = bob.under(&LATER);
    let said = repository.certtool(&later, 0, &["git-verify", &dated, "--signer", ALICE]);
    assert!(said.contains("dated by a public log: it was there at"), "{said}");
    for commit in [&undated, &alone] {
        let said = repository.certtool(&later, 3, &["git-verify", commit]);
        assert!(said.contains("CHAIN-07") && said.contains("is not dated: nothing proves"), "{said}");
    }
    let out = place.path().join("out");
    let verify = ["verify", attached.to_str().unwrap(), "--signer", ALICE, "--out", out.to_str().unwrap()];
    later.certtool(&verify).unwrap().expect(0, "a dated file after the certificate's end").unwrap();
    assert_eq!(fs::read(out).unwrap(), b"Yours, Alice");

    // It is there again, and dates what is signed again.
    let server = Homeserver::start(&folder, &[]).unwrap();
    repository.install("required");
    repository.good(&["commit", "-q", "--amend", "--no-edit", "--allow-empty", "-S"]);
    let again = repository.good(&["rev-parse", "HEAD"]);
    repository.certtool(&later, 0, &["git-verify", &again, "--signer", ALICE]);

    // After a revocation there is no date to be had, and what was dated before stays good.
    alice.certtool(&["revoke", ALICE]).unwrap().expect(0, "certtool revoke").unwrap();
    let refused = repository.git(&["commit", "-q", "--allow-empty", "-S", "-m", "never"]);
    assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stderr));
    repository.certtool(&bob, 0, &["git-verify", &dated, "--signer", ALICE]);
    server.stop().unwrap();
}
