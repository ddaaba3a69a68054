//! `certtool evidence`, and `certtool verify --evidence`: what convinces a third party.

use std::path::{Path, PathBuf};

use clap::Args;
use device::{evidence, is_same_file, keep_file};
use identity::evidence::{Claim, Evidence as Document, Judgement, MAX_EVIDENCE_BYTES, Purpose, Refusal};
use identity::trust::{Trust, TrustPolicy};
use identity::verify::{VerifyError, verify_mail, verify_person};
use identity::{CertificateDer, UnixTime};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{subject, text};

/// Export everything that shows others what an authority has certified.
///
/// The file holds the certificate, the trust policy from the version you pinned, and the rule that the certificate
/// breaks, if it does. Anybody can check it offline: certtool verify --evidence FILE. certtool audit and certtool watch
/// write such files by themselves when they find misbehaviour.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool evidence strange.pem -o evidence.json\n  \
    certtool evidence mail:alice@example.org -o evidence.json\n  \
    certtool evidence strange.pem --rule LOG-06 -o evidence.json")]
pub(crate) struct Evidence {
    /// A certificate in PEM or DER, or an address you enrolled; with mail: before it, the certificate for mail
    #[arg(value_name = "FILE|ID")]
    what: String,
    /// Where to write it
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: PathBuf,
    /// The rule it breaks; anything else is refused
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Judge as of this time (RFC 3339, a date, or seconds since 1970) instead of now
    #[arg(long, value_name = "TIME", value_parser = text::parse_time)]
    at: Option<UnixTime>,
}

impl Evidence {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let subject = subject::find(context, Some(&self.what))?;
        let at = self.at.unwrap_or_else(clock::now);
        let policies = context.home.trust_policies()?;
        let (policy, purpose, verdict) = furthest(&policies, &subject.chain, at)?;
        let refused = verdict.as_ref().err().map(Refusal::from);
        let found = refused.as_ref().map_or("none", |refusal| &refusal.rule);
        if let Some(rule) = self.rule.as_ref().filter(|rule| rule.as_str() != found) {
            return Err(Failure::new(
                Exit::Refused,
                format!("{} was expected to break {rule}; the rule it breaks is: {found}", subject.name),
                "Leave --rule away to export what was found.",
            ));
        }
        let chain = subject.chain.iter().map(|der| der.to_vec().into()).collect();
        let claim = Claim::Certificate { at: at.as_secs(), chain, purpose, refused };
        let document = evidence::evidence(&context.home, policy, claim, clock::now())?;
        if is_same_file(&self.output, Path::new(&self.what)) {
            return Err(Failure::failed(
                "the evidence would take the place of what it is about",
                "Choose another: --output FILE.",
            ));
        }
        keep_file(&self.output, &document.to_bytes())?;
        let judgement = document.judge().map_err(|error| proves_nothing(&self.output, &error))?;
        context.output.report(&Judged::new(&judgement, &document, None, Some(&self.output)));
        Ok(Exit::Ok)
    }
}

/// By which policy, for what, and what came out.
type Verdict<'a> = (&'a TrustPolicy, Option<Purpose>, Result<(), VerifyError>);

/// By which policy and for what a certificate holds, or where it gets furthest: rules are in the order in which they are
/// checked, so that is the policy of its authority, and what it was made for.
fn furthest<'a>(policies: &'a [TrustPolicy], chain: &[CertificateDer], at: UnixTime) -> Result<Verdict<'a>, Failure> {
    let how_far = |verdict: &Result<(), VerifyError>| verdict.as_ref().err().map_or(usize::MAX, |e| e.rule as usize);
    let mut best: Option<Verdict<'_>> = None;
    for policy in policies {
        let trust = Trust::new(vec![policy.clone()]).map_err(unusable)?;
        for (purpose, verdict) in [
            (None, verify_person(chain, &trust, at).map(drop)),
            (Some(Purpose::Mail), verify_mail(chain, &trust, at).map(drop)),
        ] {
            if best.as_ref().is_none_or(|(_, _, before)| how_far(before) < how_far(&verdict)) {
                best = Some((policy, purpose, verdict));
            }
        }
    }
    best.ok_or_else(|| device::enrolment::ChooseError::NoPolicy.into())
}

/// `certtool verify --evidence`: checks a file offline, and says what it proves.
pub(super) fn judge(context: &Context, path: &Path) -> Result<Exit, Failure> {
    let bytes = subject::read_up_to(path, MAX_EVIDENCE_BYTES, "evidence")?;
    let document = Document::parse(&bytes).map_err(|error| proves_nothing(path, &error))?;
    let judgement = document.judge().map_err(|error| proves_nothing(path, &error))?;
    let pinned = context.home.pinned_policies()?.iter().any(|pinned| pinned.pinned == judgement.genesis);
    context.output.report(&Judged::new(&judgement, &document, Some(pinned), None));
    Ok(Exit::Ok)
}

fn proves_nothing(path: &Path, error: &identity::evidence::EvidenceError) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{} proves nothing: {error}", path.display()),
        "Ask for the file as it was written; a changed one proves nothing either.",
    )
}

fn unusable(error: identity::trust::PolicyError) -> Failure {
    device::HomeError::Policy(error.to_string()).into()
}

#[derive(Debug, Serialize)]
struct Judged {
    proves_misbehaviour: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    proven: Vec<String>,
    open: Vec<String>,
    policy: String,
    number: u64,
    /// The fingerprint that must be trusted for the rest to count.
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<bool>,
    made: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_to: Option<String>,
}

impl Judged {
    fn new(judgement: &Judgement, document: &Document, pinned: Option<bool>, path: Option<&Path>) -> Self {
        let made = UnixTime::since_unix_epoch(std::time::Duration::from_secs(document.made));
        Self {
            proves_misbehaviour: judgement.culprit.is_some(),
            of: judgement.culprit.as_ref().map(ToString::to_string),
            proven: judgement.proven.clone(),
            open: judgement.open.clone(),
            policy: judgement.policy.name.clone(),
            number: judgement.policy.number,
            fingerprint: judgement.genesis.to_string(),
            pinned,
            made: text::rfc3339(made),
            written_to: path.map(|path| path.display().to_string()),
        }
    }
}

impl Report for Judged {
    fn page(&self, page: &mut Page) {
        match &self.of {
            Some(culprit) => page.bad(&format!("This proves misbehaviour of {culprit}.")),
            None => page.warning("This proves what follows, and no misbehaviour."),
        }
        for sentence in &self.proven {
            page.field("proven", sentence);
        }
        for sentence in &self.open {
            page.field("open", sentence);
        }
        page.field("policy", format!("{}, version {}", self.policy, self.number));
        page.field("fingerprint", text::groups(&self.fingerprint, 4));
        match self.pinned {
            Some(true) => page.field("", "which is pinned here"),
            Some(false) => page.field("", "which is not pinned here: it counts for those who trust that one"),
            None => {}
        }
        if let Some(path) = &self.written_to {
            page.line(format!("Written to {path}. Anybody can check it: certtool verify --evidence {path}"));
        }
    }
}
