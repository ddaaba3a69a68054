//! What was installed, and what was there already.

use std::path::Path;

use identity::Identifier;
use serde::Serialize;

use super::Given;
use crate::handed::Handed;
use crate::output::{Page, Report};
use crate::text;

/// What a program's store has now.
#[derive(Debug, Serialize)]
pub(super) struct Installed {
    installed: bool,
    /// Whether anything is there that was not before.
    changed: bool,
    #[serde(rename = "for")]
    program: &'static str,
    identifier: Identifier,
    place: String,
    keys: Vec<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<Root>,
    notes: Vec<String>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Key {
    fingerprint: String,
    algorithm: String,
    not_after: String,
    new: bool,
    earlier: bool,
    #[serde(skip)]
    until: String,
}

#[derive(Debug, Serialize)]
struct Root {
    fingerprint: String,
    /// For what it is trusted there.
    trusted_for: &'static str,
    new: bool,
}

impl Installed {
    /// `is_new` says of each key that was given, in their order, whether it was not there before.
    pub(super) fn of(program: &'static str, place: &Path, given: &Given, is_new: &[bool]) -> Self {
        let key = |(handed, new): (&Handed, &bool)| Key {
            fingerprint: handed.leaf.fingerprint.clone(),
            algorithm: handed.leaf.key.clone(),
            not_after: text::rfc3339(handed.leaf.not_after),
            new: *new,
            earlier: handed.leaf.fingerprint != given.named.leaf.fingerprint,
            until: text::time(handed.leaf.not_after),
        };
        Self {
            installed: true,
            changed: is_new.iter().any(|new| *new),
            program,
            identifier: given.named.identifier.clone(),
            place: place.display().to_string(),
            keys: given.all().zip(is_new).map(key).collect(),
            root: None,
            notes: given.notes.clone(),
            next: Vec::new(),
        }
    }

    /// With the root, and for what it is trusted.
    pub(super) fn with_root(self, fingerprint: String, trusted_for: &'static str, new: bool) -> Self {
        Self { changed: self.changed || new, root: Some(Root { fingerprint, trusted_for, new }), ..self }
    }

    pub(super) fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    pub(super) fn then(self, next: Vec<String>) -> Self {
        Self { next, ..self }
    }
}

impl Report for Installed {
    fn page(&self, page: &mut Page) {
        let (program, identifier) = (self.program, &self.identifier);
        match self.changed {
            true => page.good(&format!("Installed for {program}: {identifier}")),
            false => page.good(&format!("Nothing to change for {program}: {identifier} is installed there")),
        }
        page.field("in", &self.place);
        let new = |new: bool| if new { "new" } else { "was there" };
        for key in &self.keys {
            let earlier = if key.earlier { ", from before, to read old mails" } else { "" };
            let begin = &key.fingerprint[..crate::handed::DIGITS];
            page.field("key", format!("{begin}, {}, until {}{earlier} ({})", key.algorithm, key.until, new(key.new)));
        }
        if let Some(root) = &self.root {
            let begin = &root.fingerprint[..crate::handed::DIGITS];
            page.field("root", format!("{begin}, trusted for {} ({})", root.trusted_for, new(root.new)));
        }
        for note in &self.notes {
            page.warning(&format!("  {note}"));
        }
        if !self.next.is_empty() {
            page.line("Next:");
        }
        for line in &self.next {
            page.line(format!("  {line}"));
        }
    }
}
