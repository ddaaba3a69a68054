//! What a file is, and what each field of it means: in plain words, with the place in the standard, and with what is wrong.
//!
//! Nothing here verifies anything or shows a secret: of a private key only what kind it is.

pub(crate) mod certificate;
mod container;
mod extension;
pub(crate) mod foreign;
mod key;
mod kind;
mod list;
mod logged;
mod names;
mod opened;
mod request;
mod trust;

use serde::Serialize;

use crate::output::{Page, Report};
use crate::text;

pub(crate) use kind::{MAX_BYTES, Part, has_mac, is_pkcs12, link, parts};
pub(crate) use names::{key_algorithm_of, object, rsa_bits};
pub(crate) use opened::{Closed, archive, opened};

/// One thing, explained.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// What it is.
    pub(crate) kind: &'static str,
    /// Where that is defined.
    pub(crate) standard: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) faults: Vec<Fault>,
    /// What to do with it.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub(crate) next: Vec<String>,
}

/// One field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// Where that is defined.
    pub(crate) standard: &'static str,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) why: &'static str,
    pub(crate) standard: &'static str,
}

impl Explained {
    fn new(kind: &'static str, standard: &'static str) -> Self {
        Self { kind, standard, fields: Vec::new(), faults: Vec::new(), next: Vec::new() }
    }

    /// Whether there is more in it, under a passphrase, that can be told.
    pub(crate) fn opens(&self) -> bool {
        self.kind == container::STORE
    }

    fn field(
        &mut self,
        name: impl Into<String>,
        value: impl ToString,
        meaning: &'static str,
        standard: &'static str,
    ) -> &mut Self {
        self.fields.push(Field { name: name.into(), value: value.to_string(), meaning, standard });
        self
    }

    fn fault(&mut self, what: impl Into<String>, why: &'static str, standard: &'static str) -> &mut Self {
        self.faults.push(Fault { what: what.into(), why, standard });
        self
    }

    /// A fault, if there is one.
    fn check(&mut self, wrong: bool, what: impl FnOnce() -> String, why: &'static str, standard: &'static str) {
        if wrong {
            self.fault(what(), why, standard);
        }
    }

    fn next(&mut self, what: impl Into<String>) -> &mut Self {
        self.next.push(what.into());
        self
    }

    /// The fields, each with what it means.
    pub(crate) fn fields_on(&self, page: &mut Page) {
        for Field { name, value, meaning, standard } in &self.fields {
            page.entry(name, value);
            page.aside(&format!("{meaning} ({standard})"));
        }
    }

    /// What is wrong.
    pub(crate) fn faults_on(&self, page: &mut Page) {
        for Fault { what, why, standard } in &self.faults {
            page.warning(&format!("Wrong: {what}"));
            page.aside(&format!("{why} ({standard})"));
        }
    }
}

impl Report for Explained {
    fn page(&self, page: &mut Page) {
        page.heading(&format!("{}: {}", text::upper_first(self.kind), self.standard));
        self.fields_on(page);
        if !self.faults.is_empty() {
            page.line("");
            self.faults_on(page);
        }
        if !self.next.is_empty() {
            page.line("");
            self.next.iter().for_each(|next| page.line(next));
        }
    }
}

#[cfg(test)]
mod tests;
