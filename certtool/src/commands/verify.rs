//! `certtool verify`: a certificate, offline, rule by rule.

use clap::Args;
use identity::UnixTime;
use identity::rules::Rule;
use identity::verify::{VerifiedPerson, verify_person};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{subject, text};

/// Check a certificate offline, rule by rule.
///
/// Uses the pinned trust policies and nothing else: no connection is made. A refusal names the rule with what was
/// expected and what was found, and ends with exit code 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool verify alice@example.org\n  \
    certtool verify bob.pem -v\n  \
    certtool verify bob.pem --at 2026-11-23T12:00:00Z")]
pub(crate) struct Verify {
    /// A certificate in PEM or DER, or an address you enrolled
    #[arg(value_name = "FILE|ID")]
    what: String,
    /// Judge as of this time (RFC 3339, a date, or seconds since 1970) instead of now
    #[arg(long, value_name = "TIME", value_parser = text::parse_time)]
    at: Option<UnixTime>,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let subject = subject::find(context, Some(&self.what))?;
        let at = self.at.unwrap_or_else(clock::now);
        let trust = context.home.trust_at(at)?;
        if context.home.trust_policies()?.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        let person = verify_person(&subject.chain, &trust, at)
            .map_err(|error| refusal(error, &subject, at, self.at.is_some()))?;
        context.output.report(&Verified::new(&person, at, context.output.verbose()));
        Ok(Exit::Ok)
    }
}

/// The refusal, with both times where time is the reason.
pub(crate) fn refusal(
    error: identity::verify::VerifyError,
    subject: &subject::Subject,
    at: UnixTime,
    chosen: bool,
) -> Failure {
    let about_time = matches!(error.rule, Rule::ChainNotYetValid | Rule::ChainExpired);
    let mut failure = Failure::from(error);
    failure.what = format!("{} is refused by {}", subject.name, failure.what);
    if about_time && let Some(window) = window(subject) {
        let clock = if chosen { format!("It was judged as of {}.", text::time(at)) } else { clock::says() };
        failure.remedy = format!("The certificate is valid {window}. {clock}");
    }
    failure
}

fn window(subject: &subject::Subject) -> Option<String> {
    let leaf = identity::certificate::Certificate::parse(subject.chain.first()?).ok()?;
    Some(format!("from {} to {}", text::time(leaf.tbs().not_before()), text::time(leaf.tbs().not_after())))
}

#[derive(Debug, Serialize)]
struct Verified {
    verified: bool,
    identifier: String,
    authority: String,
    at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Passed>,
    #[serde(skip)]
    in_words: String,
}

/// Rules that were kept, and what they mean here.
#[derive(Debug, Serialize)]
struct Passed {
    rules: Vec<&'static str>,
    meaning: String,
}

impl Verified {
    fn new(person: &VerifiedPerson, at: UnixTime, verbose: bool) -> Self {
        Self {
            verified: true,
            identifier: person.identifier().to_string(),
            authority: person.authority().to_owned(),
            at: text::rfc3339(at),
            rules: if verbose { passed(person) } else { Vec::new() },
            in_words: format!(
                "Verified: {}, certified by {}, entry {} of {}, until {}",
                person.identifier(),
                person.authority(),
                person.index(),
                person.origin(),
                text::time(person.not_after()),
            ),
        }
    }
}

impl Report for Verified {
    fn page(&self, page: &mut Page) {
        page.good(&self.in_words);
        for passed in &self.rules {
            page.line(format!("  {}  {}", passed.rules.join(" "), passed.meaning));
        }
    }
}

/// What each family of rules means for this person.
fn passed(person: &VerifiedPerson) -> Vec<Passed> {
    let meaning = |family: &str| match family {
        "CHAIN" => format!("a path leads to the root of {} and is valid then", person.authority()),
        "PROF" => "the certificate is what its profile says, and nothing else".to_owned(),
        "SAN" => format!("it names exactly {}", person.identifier()),
        "TRUST" => format!("{} may certify this address", person.authority()),
        "SLOT" => "its label in the log is that of this address, proven by the authority's one VRF key".to_owned(),
        "LOG" => format!("it stands in {} at index {}", person.origin(), person.index()),
        "WIT" => format!("cosigned by {}", person.witnesses().join(", ")),
        "REV" => format!("revocation: {}", super::inspect::revocation(&person.revocation())),
        _ => String::new(),
    };
    let mut all: Vec<Passed> = Vec::new();
    for rule in Rule::ALL {
        let id = rule.id();
        let family = id.split('-').next().unwrap_or_default();
        match all.last_mut() {
            Some(last) if last.rules[0].split('-').next() == Some(family) => last.rules.push(id),
            _ => all.push(Passed { rules: vec![id], meaning: meaning(family) }),
        }
    }
    all
}
