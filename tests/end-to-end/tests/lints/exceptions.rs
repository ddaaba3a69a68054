//! Findings, less those that are explained.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    linter: String,
    documents: Vec<String>,
    codes: Vec<String>,
    reason: String,
}

/// What one linter found.
pub(crate) struct Findings {
    linter: &'static str,
    excepted: BTreeSet<(String, String)>,
    found: BTreeSet<(String, String)>,
    unexplained: Vec<String>,
}

impl Findings {
    pub(crate) fn new(linter: &'static str) -> Self {
        let file: File = toml::from_str(include_str!("exceptions.toml")).unwrap();
        let mut excepted = BTreeSet::new();
        for exception in file.exception.into_iter().filter(|exception| exception.linter == linter) {
            assert!(!exception.reason.is_empty());
            for document in &exception.documents {
                excepted.extend(exception.codes.iter().map(|code| (document.clone(), code.clone())));
            }
        }
        Self { linter, excepted, found: BTreeSet::new(), unexplained: Vec::new() }
    }

    pub(crate) fn add(&mut self, document: &str, code: &str, whole: &Value) {
        let finding = (document.to_owned(), code.to_owned());
        if !self.excepted.contains(&finding) {
            self.unexplained.push(format!("{document}: {code}: {whole}"));
        }
        self.found.insert(finding);
    }

    #[track_caller]
    pub(crate) fn check(self) {
        assert!(self.unexplained.is_empty(), "{}:\n{}", self.linter, self.unexplained.join("\n"));
        let gone: Vec<_> = self.excepted.difference(&self.found).collect();
        assert!(gone.is_empty(), "{} no longer finds {gone:?}: strike them out of exceptions.toml", self.linter);
    }
}
