//! Misbehaviour for real, and what proves it to people who were not there.
#![allow(clippy::unwrap_used, missing_docs)]

mod auditor;
mod gossip;
mod misbehaviour;
#[path = "../common/seized.rs"]
mod seized;

use std::path::{Path, PathBuf};

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;

/// Everything below a folder, copied.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).unwrap();
        }
    }
}

/// The files of evidence in somebody's folder.
fn files(person: &Person) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(person.home().join("evidence")).into_iter().flatten();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What somebody who was not there, and has pinned nothing, reads in a file.
fn judge(place: &Path, file: &Path) -> Value {
    let stranger = Person::new(place, "judge@elsewhere.example");
    stranger.certtool_json(&["verify", "--evidence", file.to_str().unwrap()]).unwrap()
}

/// A server whose log has two histories, as it stands after the first of them.
struct Forked {
    place: tempfile::TempDir,
    folder: PathBuf,
    /// The server as it was when the two histories were still one.
    before: PathBuf,
}

impl Forked {
    /// `people` are enrolled in both histories.
    fn new(people: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (folder, before) = (place.path().join("server"), place.path().join("before"));
        let forked = Self { place, folder, before };
        let server = forked.start();
        for name in people {
            forked.person(name).join(server.ready(), &server.outbox()).unwrap();
        }
        server.stop().unwrap();
        copy(&forked.folder, &forked.before);
        forked
    }

    fn person(&self, name: &str) -> Person {
        Person::new(self.place.path(), &format!("{name}@example.org"))
    }

    /// The server in the history of now, always at the same address.
    fn start(&self) -> Homeserver {
        Homeserver::start(&self.folder, &[]).unwrap()
    }

    /// The whole server as it was before, witness and all: what came since never happened. What did lies where this says.
    fn begin_the_other(&self) -> PathBuf {
        let first = self.place.path().join("first");
        std::fs::rename(&self.folder, &first).unwrap();
        copy(&self.before, &self.folder);
        first
    }

    fn enrol(&self, server: &Homeserver, people: &[&str]) {
        for name in people {
            self.person(name).join(server.ready(), &server.outbox()).unwrap();
        }
    }
}
