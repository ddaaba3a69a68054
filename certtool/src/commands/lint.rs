//! `certtool lint`: whether a certificate is what its profile says, by the lints that every authority of ours asks before it
//! signs.

use clap::Args;
use identity::certificate::Certificate;
use identity::plan::{Finding, lint};
use identity::profile::Profile;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject;

/// Check a certificate against its profile, to the last extension.
///
/// The lints are those that an authority asks before it signs: key, lifetime, usages, extensions, identifiers, names. They
/// ask for no trust: whether the certificate holds says certtool verify. Exit code 3: something is not as the profile says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool lint alice@example.org\n  \
    certtool lint bob.pem --as device --json")]
pub(crate) struct Lint {
    /// A certificate in PEM or DER, or an address you enrolled; not needed if you enrolled one
    #[arg(value_name = "FILE|ID")]
    what: Option<String>,
    /// The profile it is to have; without it, the one it names
    #[arg(long = "as", value_name = "PROFILE", value_parser = profile)]
    expected: Option<&'static Profile>,
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    Profile::by_name(name).ok_or_else(|| format!("expected one of {}", names()))
}

fn names() -> String {
    Profile::all().map(Profile::name).join(", ")
}

impl Lint {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let subject = subject::find(context, self.what.as_deref())?;
        let leaf = subject.chain.first().expect("a subject has at least one certificate");
        let leaf = Certificate::parse(leaf).map_err(|error| {
            Failure::new(
                Exit::Refused,
                format!("{}: {error}", subject.name),
                "certtool inspect shows what there is instead.",
            )
        })?;
        let named = || leaf.tbs().policies().first().and_then(|policy| Profile::by_policy(*policy));
        let profile = self.expected.or_else(named).ok_or_else(|| {
            Failure::new(
                Exit::Refused,
                format!("{} names no profile of ours", subject.name),
                format!("Say which one it is to have: --as with one of {}.", names()),
            )
        })?;
        let linted = Linted {
            of: subject.name,
            profile: profile.name().to_owned(),
            findings: lint(leaf.tbs(), profile).iter().map(Found::from).collect(),
        };
        context.output.report(&linted);
        Ok(if linted.findings.is_empty() { Exit::Ok } else { Exit::Refused })
    }
}

#[derive(Debug, Serialize)]
struct Linted {
    of: String,
    profile: String,
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    rule: &'static str,
    expected: String,
    found: String,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self { rule: finding.rule.id(), expected: finding.expected.clone(), found: finding.found.clone() }
    }
}

impl Report for Linted {
    fn page(&self, page: &mut Page) {
        if self.findings.is_empty() {
            return page.good(&format!("{} is as the profile {} says.", self.of, self.profile));
        }
        page.bad(&format!("{} is not as the profile {} says:", self.of, self.profile));
        for Found { rule, expected, found } in &self.findings {
            page.line(format!("  {rule}: expected {expected}, found {found}"));
        }
    }
}
