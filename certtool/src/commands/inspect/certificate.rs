//! A certificate: what it says, and whether it holds under the pinned trust policies.

use identity::certificate::{Certificate, SubjectName};
use identity::profile::{Profile, SubjectKind};
use identity::transparency::TransparencyExtension;
use identity::verify::{Certified, Revocation, VerifyError};
use identity::{Identifier, UnixTime};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::explained::{self, Explained};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject::Subject;
use crate::text;
use crate::verdict::{certified, is_for_mail, refusal};

/// Tells what the first certificate of `subject` says, and the verdict.
pub(super) fn report(context: &Context, subject: &Subject) -> Result<Exit, Failure> {
    let now = clock::now();
    let leaf = subject.chain.first().expect("a subject has at least one certificate");
    let verdict = certified(subject, &context.home.trust_at(now)?, now);
    // What cannot be read at all is refused, as `verify` does it; what only our rules refuse to read is explained first.
    let parsed = match (Certificate::parse(leaf), &verdict) {
        (Ok(parsed), _) => parsed,
        (Err(_), Err(error)) => {
            explained::certificate::explain(leaf, now).inspect(|explained| context.output.report(explained));
            return Err(refusal(error.clone(), subject, now, false));
        }
        (Err(error), Ok(_)) => return Err(Failure::failed(format!("{}: {error}", subject.name), "")),
    };
    let exit = if verdict.is_ok() { Exit::Ok } else { Exit::Refused };
    let remedy = verdict.as_ref().err().map(|error| refusal(error.clone(), subject, now, false).remedy);
    let explained = explained::certificate::explain(leaf, now).expect("what was parsed strictly is a certificate");
    let every_field = context.output.verbose();
    context.output.report(&Inspection::new(&parsed, explained, every_field, verdict.as_ref(), remedy));
    Ok(exit)
}

/// What is known about revocation.
#[derive(Debug, Serialize)]
struct RevocationStatus {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip)]
    in_words: String,
}

impl RevocationStatus {
    fn new(revocation: Revocation, now: UnixTime) -> Self {
        let (status, as_of, mut in_words) = match revocation {
            Revocation::Good { as_of } => ("good", Some(as_of), format!("not revoked, as of {}", text::time(as_of))),
            Revocation::Revoked => ("revoked", None, "REVOKED".to_owned()),
            Revocation::Unknown => ("unknown", None, "unknown: no list of its authority was fetched yet".to_owned()),
        };
        if as_of.is_some() && revocation.needs_warning(now) {
            in_words.push_str(" (older than a day: certtool watch --once fetches the newest)");
        }
        Self { status, as_of: as_of.map(text::rfc3339), in_words }
    }
}

#[derive(Debug, Serialize)]
struct Inspection {
    names: Vec<String>,
    /// What one of them could be taken for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    lookalike: Option<String>,
    issuer: String,
    authority: Option<String>,
    serial: String,
    device_key: String,
    profile: String,
    not_before: String,
    not_after: String,
    log: Option<Logged>,
    revocation: Option<RevocationStatus>,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    /// Each field, and what is wrong with the certificate by itself.
    #[serde(flatten)]
    explained: Explained,
    #[serde(skip)]
    every_field: bool,
    #[serde(skip)]
    key_name: &'static str,
    #[serde(skip)]
    valid: String,
    #[serde(skip)]
    remedy: String,
}

/// How it stands in the log.
#[derive(Debug, Serialize)]
struct Logged {
    origin: String,
    index: u64,
    tree_size: u64,
    period: u32,
    slot: u8,
    at: Option<String>,
    witnesses: Vec<String>,
    witnessed_only_by_operator: Option<bool>,
    #[serde(skip)]
    at_in_words: String,
}

/// Why it does not hold.
#[derive(Debug, Serialize)]
struct Refusal {
    rule: &'static str,
    message: String,
}

impl Inspection {
    fn new(
        leaf: &Certificate,
        explained: Explained,
        every_field: bool,
        verdict: Result<&Certified, &VerifyError>,
        remedy: Option<String>,
    ) -> Self {
        let tbs = leaf.tbs();
        let person = verdict.ok();
        let now = clock::now();
        let log = tbs.transparency().ok().flatten().map(|extension| Logged::new(&extension, person));
        Self {
            names: tbs.subject_names().iter().map(name).collect(),
            lookalike: tbs.subject_names().iter().find_map(lookalike),
            issuer: tbs.issuer().to_string(),
            authority: person.map(|person| person.authority().to_owned()),
            serial: tbs.serial_hex(),
            device_key: hex::encode(tbs.spki().subject_public_key.raw_bytes()),
            profile: profile(leaf),
            not_before: text::rfc3339(tbs.not_before()),
            not_after: text::rfc3339(tbs.not_after()),
            log,
            revocation: person.map(|person| RevocationStatus::new(person.revocation(), now)),
            verified: person.is_some(),
            refusal: verdict.err().map(|error| Refusal { rule: error.rule.id(), message: error.to_string() }),
            valid: format!(
                "{} – {} ({} {})",
                text::time(tbs.not_before()),
                text::time(tbs.not_after()),
                if tbs.not_after().as_secs() >= now.as_secs() { "ends" } else { "ended" },
                text::relative(tbs.not_after(), now),
            ),
            key_name: if is_for_mail(leaf) { "key" } else { "device key" },
            explained,
            every_field,
            remedy: remedy.unwrap_or_default(),
        }
    }
}

impl Logged {
    fn new(extension: &TransparencyExtension, person: Option<&Certified>) -> Self {
        let claimed = || extension.cosignatures.iter().map(|cosignature| cosignature.name.clone()).collect();
        Self {
            origin: extension.origin.clone(),
            index: extension.index,
            tree_size: extension.tree_size,
            period: extension.period,
            slot: extension.slot,
            at: person.map(|person| text::rfc3339(person.logged_at())),
            witnesses: person.map_or_else(claimed, |person| person.witnesses().to_vec()),
            witnessed_only_by_operator: person.map(Certified::witnessed_only_by_operator),
            at_in_words: person.map(|person| text::time(person.logged_at())).unwrap_or_default(),
        }
    }
}

impl Report for Inspection {
    fn page(&self, page: &mut Page) {
        page.heading(&self.names.join(", "));
        if let Some(lookalike) = &self.lookalike {
            page.warning(&format!("Look twice: {lookalike}."));
        }
        page.field("certified by", self.authority.as_deref().unwrap_or(&self.issuer));
        page.field("for", &self.profile);
        let key = hex::decode(&self.device_key).unwrap_or_default();
        page.field(self.key_name, text::short_key(&key));
        page.field("valid", &self.valid);
        page.field("serial", &self.serial);
        match &self.log {
            Some(log) => {
                let at = if log.at_in_words.is_empty() { String::new() } else { format!(", {}", log.at_in_words) };
                page.field("logged", format!("entry {} of {}{at}", log.index, log.origin));
                page.field("witnessed by", log.witnesses.join(", "));
                if log.witnessed_only_by_operator == Some(true) {
                    page.field("", "witnessed only by the CA's operator");
                }
            }
            None => page.field("logged", "no proof that it stands in a log"),
        }
        if let Some(revocation) = &self.revocation {
            page.field("revocation", &revocation.in_words);
        }
        if self.every_field {
            page.heading("Each field");
            self.explained.fields_on(page);
            page.line("");
        }
        self.explained.faults_on(page);
        match &self.refusal {
            None => page.good("Verified: every rule holds."),
            Some(refusal) => {
                page.bad(&format!("Refused by {}", refusal.message));
                page.line(&self.remedy);
            }
        }
    }
}

/// A name as people know it.
fn name(name: &SubjectName) -> String {
    name.text().unwrap_or("(a name of another kind)").to_owned()
}

/// What a name could be taken for, also where it is not in its canonical spelling.
fn lookalike(subject: &SubjectName) -> Option<String> {
    Some(Identifier::parse(&name(subject)).ok()?.lookalike()?.to_string())
}

/// What the certificate is for, by its policy.
fn profile(leaf: &Certificate) -> String {
    let policies = leaf.tbs().policies();
    // The first one names the profile; behind it may stand what the operator asserts.
    match policies.first().and_then(|policy| Profile::by_policy(*policy)) {
        Some(profile) => {
            let what = match profile.subject() {
                SubjectKind::Email if !profile.is_live() => "a person's mail, known by an e-mail address",
                SubjectKind::Email => "a person's device, known by an e-mail address",
                SubjectKind::Phone => "a person's device, known by a phone number",
                SubjectKind::Dns if profile.name() == "component" => "a part of an authority, known by its DNS name",
                SubjectKind::Dns => "a service, known by its DNS name",
            };
            format!("{what} (profile {})", profile.name())
        }
        None if policies.is_empty() => "nothing stated".to_owned(),
        None => {
            let policies: Vec<_> = policies.iter().map(ToString::to_string).collect();
            format!("another purpose (policy {})", policies.join(", "))
        }
    }
}
