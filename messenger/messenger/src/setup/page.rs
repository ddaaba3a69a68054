//! What a face of the set-up shows and asks, and what comes back.

use std::future::Future;

use crate::failure::Failure;

/// Most notes that are kept of a page: a server that tells more has told enough.
const MAX_NOTES: usize = 50;

/// One page of the set-up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Which step this is, of how many.
    pub(super) step: (usize, usize),
    pub(super) title: &'static str,
    /// What this is about.
    pub(super) words: Vec<String>,
    /// What is asked; nothing while something is waited for.
    pub(super) question: Option<String>,
    /// What stands in the input already.
    pub(super) proposal: String,
    /// What has happened on this page.
    pub(super) notes: Vec<Note>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    Said(String),
    Wrong(String),
}

impl Page {
    pub(super) fn say(&mut self, words: impl Into<String>) {
        self.note(Note::Said(words.into()));
    }

    pub(super) fn complain(&mut self, words: impl Into<String>) {
        self.note(Note::Wrong(words.into()));
    }

    /// What went wrong, and what to try.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.complain(format!("{}. Try: {}", failure.happened, failure.remedy));
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}

/// What comes back from a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<T> {
    /// What was waited for has happened.
    Done(T),
    /// A line was typed.
    Typed(String),
    /// The step before.
    Back,
    /// She leaves, and goes on another time.
    Leave,
}

/// A way to show pages: a screen, or lines.
pub(super) trait Face {
    /// Shows the page until `work` is done, a line is typed (if something is asked), or she goes elsewhere.
    async fn turn<T>(&mut self, page: &Page, work: impl Future<Output = T>) -> Result<Turn<T>, Failure>;

    /// Shows the page until she says something.
    async fn ask(&mut self, page: &Page) -> Result<Turn<std::convert::Infallible>, Failure> {
        self.turn(page, std::future::pending()).await
    }
}

/// Whether this is a yes; everything else is none.
pub(super) fn is_yes(said: &str) -> bool {
    ["y", "yes"].iter().any(|yes| said.trim().eq_ignore_ascii_case(yes))
}
