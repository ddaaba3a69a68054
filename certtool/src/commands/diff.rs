//! `certtool diff`: in which fields two certificates differ.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::explained::Field;
use crate::explained::certificate::{explain, same_key};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject::{self, Subject};

/// Show in which fields two certificates differ, each field in plain words.
///
/// After a renewal, say: number, times and proof differ, the key does not. Only the first certificate of each is looked at.
/// Exit code 3: they differ.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool diff alice-old.pem alice@example.org\n  \
    certtool diff one.pem other.pem --json")]
pub(crate) struct Diff {
    /// A certificate in PEM or DER, or an address you enrolled
    #[arg(value_name = "FILE|ID")]
    one: String,
    /// The other
    #[arg(value_name = "FILE|ID")]
    other: String,
}

impl Diff {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (one, other) = (subject::find(context, Some(&self.one))?, subject::find(context, Some(&self.other))?);
        let (fields_of_one, fields_of_other) = (fields(&one)?, fields(&other)?);
        let compared = Compared {
            one: one.name,
            other: other.name,
            same: one.chain.first() == other.chain.first(),
            same_key: one.chain.iter().zip(&other.chain).next().is_some_and(|(one, other)| same_key(one, other)),
            differences: differences(fields_of_one, fields_of_other),
        };
        context.output.report(&compared);
        Ok(if compared.same { Exit::Ok } else { Exit::Refused })
    }
}

fn fields(subject: &Subject) -> Result<Vec<Field>, Failure> {
    let explained = subject.chain.first().and_then(|leaf| explain(leaf, clock::now()));
    explained.map(|explained| explained.fields).ok_or_else(|| {
        let what = format!("{}: expected an X.509 certificate in DER, found bytes that are none", subject.name);
        Failure::failed(what, "certtool inspect says what it is.")
    })
}

/// Fields of the same name are compared in their order: there may be several of one name.
fn differences(one: Vec<Field>, mut other: Vec<Field>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for Field { name, value, meaning, .. } in one {
        let found = other.iter().position(|field| field.name == name).map(|at| other.remove(at).value);
        if found.as_ref() != Some(&value) {
            differences.push(Difference { name, one: Some(value), other: found, meaning });
        }
    }
    let only = other.into_iter();
    differences.extend(only.map(|Field { name, value, meaning, .. }| Difference {
        name,
        one: None,
        other: Some(value),
        meaning,
    }));
    differences
}

#[derive(Debug, Serialize)]
struct Compared {
    one: String,
    other: String,
    same: bool,
    same_key: bool,
    differences: Vec<Difference>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    name: String,
    one: Option<String>,
    other: Option<String>,
    meaning: &'static str,
}

impl Report for Compared {
    fn page(&self, page: &mut Page) {
        let Self { one, other, .. } = self;
        if self.same {
            return page.good(&format!("{one} and {other} are the same certificate."));
        }
        page.heading(&format!("{one} and {other} differ:"));
        for difference in &self.differences {
            page.entry(&difference.name, difference.one.as_deref().unwrap_or("(not there)"));
            page.entry("", difference.other.as_deref().unwrap_or("(not there)"));
            page.aside(difference.meaning);
        }
        if self.differences.is_empty() {
            page.line("  Every field is the same, and the signature is another one.");
        }
        page.line("");
        page.line(if self.same_key { "Both are of the same key." } else { "They are of different keys." });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.to_owned(), value: value.to_owned(), meaning: "", standard: "" }
    }

    #[test]
    fn what_is_only_in_one_of_them_is_a_difference() {
        let one = vec![field("a", "1"), field("b", "1"), field("c", "1")];
        let other = vec![field("a", "1"), field("b", "2"), field("d", "1")];
        let told: Vec<_> =
            differences(one, other).into_iter().map(|found| (found.name, found.one, found.other)).collect();
        let some = |value: &str| Some(value.to_owned());
        let expected = [("b", some("1"), some("2")), ("c", some("1"), None), ("d", None, some("1"))];
        assert_eq!(told, expected.map(|(name, one, other)| (name.to_owned(), one, other)));
    }
}
