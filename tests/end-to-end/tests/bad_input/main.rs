//! Bad input of every kind, with the real programs: each gives a clear error that names what was expected and found,
//! nothing is lost, and the server lives on.
#![allow(clippy::unwrap_used, missing_docs)]

mod certificates;
mod clocks;
mod codes;
mod garbage;
mod starts;

use std::path::Path;

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::Finished;

/// More than any refusal needs.
const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// A home server and somebody who trusts it, in a folder of their own.
struct House {
    place: tempfile::TempDir,
    server: Homeserver,
}

impl House {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
        Self { place, server }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// Somebody who has pinned the policy but is not enrolled.
    fn newcomer(&self, name: &str) -> Person {
        let person = Person::new(self.path(), &format!("{name}@example.org"));
        person.trust(self.server.ready()).unwrap();
        person
    }

    /// Somebody with a certificate.
    fn member(&self, name: &str) -> Person {
        let person = self.newcomer(name);
        person.enroll(&self.server.outbox()).unwrap();
        person
    }

    /// The server still does its work, all of it.
    fn lives_on(&mut self, name: &str) {
        assert!(self.server.lives(), "{}", self.server.words());
        let witness = self.member(name);
        witness.certtool(&["verify", witness.address()]).unwrap().expect(0, "verify").unwrap();
        witness.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    }
}

/// The program ended with `code` and said all of `words`, in any case of letters; it did not panic.
#[track_caller]
fn refused(done: &Finished, codes: &[i32], words: &[&str]) {
    let text = done.text();
    assert!(codes.contains(&done.code), "expected exit code {codes:?}, found {}: {text}", done.code);
    assert!(!text.contains("panicked"), "{text}");
    let flat = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(&word.to_lowercase()), "expected the word {word:?} in:\n{text}");
    }
}

/// A clock that is wrong by `offset`, made by Debian's `faketime` library if it is installed; says clearly when it is
/// not. (Its program of the same name starts a child of its own, which would outlive a killed test.)
fn faketime(offset: &str) -> Option<Vec<String>> {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let library = libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    let Some(library) = library else {
        story::skipped("faketime is missing (on Debian: apt-get install faketime)");
        return None;
    };
    // Intervals stay true, only the date is wrong.
    let preload = format!("LD_PRELOAD={}", library.display());
    Some(["env", &preload, &format!("FAKETIME={offset}"), "FAKETIME_DONT_FAKE_MONOTONIC=1"].map(str::to_owned).to_vec())
}
