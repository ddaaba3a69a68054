//! `certtool verify`: a certificate, offline, rule by rule.

pub(crate) mod judged;
pub(crate) mod signature;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use identity::plan::MAX_CRL_BYTES;
use identity::profile::Profile;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::verify::{
    Certified, Revocation, VerifiedComponent, VerifiedService, VerifyError, verify_component, verify_mail,
    verify_person, verify_service,
};
use identity::{Identifier, UnixTime};
use serde::Serialize;

use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject::{self, Subject};
use crate::text;
use crate::verdict::{certified, list_refused, refusal};

/// Check a certificate offline, rule by rule; or who has signed a file.
///
/// Uses the pinned trust policies and nothing else: no connection is made. A refusal names the rule with what was
/// expected and what was found, and ends with exit code 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool verify alice@example.org\n  \
    certtool verify bob.pem -v\n  \
    certtool verify --evidence evidence.json\n  \
    certtool verify bob.pem --at 2026-11-23T12:00:00Z\n  \
    certtool verify bob.pem --crl people.crl\n  \
    certtool verify bob-mail.pem --for mail\n  \
    certtool verify mail:alice@example.org\n  \
    certtool verify letter.txt --signer bob@example.org\n  \
    certtool verify letter.txt.p7m --signer bob@example.org --out letter.txt\n  \
    certtool verify server.pem --service directory.example.org")]
pub(crate) struct Verify {
    /// A certificate in PEM or DER, or an address you enrolled; with --signer a file that was signed, its signature FILE.p7s
    /// beside it, or a message that holds it
    #[arg(value_name = "FILE|ID", required_unless_present = "evidence")]
    what: Option<String>,
    /// Check this evidence of misbehaviour instead: offline, and say what it proves
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "at", "lists", "purpose", "service", "component"])]
    evidence: Option<PathBuf>,
    /// Who must have signed the file, by a certificate that holds now or, if the signature is dated (in the message, or by
    /// FILE.p7s.date), held then
    #[arg(long, value_name = "ID", value_parser = identifier, conflicts_with_all = ["evidence", "purpose", "service", "component"])]
    signer: Option<Identifier>,
    /// The signature of the file, if it is not beside it
    #[arg(long, value_name = "FILE", requires = "signer")]
    signature: Option<PathBuf>,
    /// Where to write what was signed, if the message holds it; it is written only if it is verified
    #[arg(short, long, value_name = "FILE", requires = "signer", conflicts_with = "signature")]
    out: Option<PathBuf>,
    /// Judge as of this time (RFC 3339, a date, or seconds since 1970) instead of now
    #[arg(long, value_name = "TIME", value_parser = text::parse_time)]
    at: Option<UnixTime>,
    /// A revocation list in DER to go by, besides those already known; may be given several times
    #[arg(long = "crl", value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// What a person's certificate is to be for; without it, what its own profile says
    #[arg(long = "for", value_name = "USE", value_enum, conflicts_with_all = ["service", "component"])]
    purpose: Option<Purpose>,
    /// It is the certificate of a service that was asked for by this DNS name, not of a person
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// It is the certificate of a component, a client that is part of an authority, by this DNS name
    #[arg(long, value_name = "NAME", conflicts_with = "service")]
    component: Option<String>,
}

/// What a person's certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Live conversation: the certificate of a device
    Live,
    /// Mail: S/MIME and log-ins
    Mail,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(path) = &self.evidence {
            return super::evidence::judge(context, path);
        }
        if let (Some(signer), Some(file)) = (&self.signer, &self.what) {
            let (trust, _) = self.trust(context)?;
            let signature = self.signature.as_deref();
            let out = self.out.as_deref();
            let question = signature::Question { file: file.as_ref(), signature, signer, out, at: self.at };
            return question.answer(context, &trust);
        }
        let path = self.what.as_deref().map(Path::new).filter(|path| path.is_file());
        if let Some(message) = path.and_then(message) {
            return Err(message);
        }
        let signed = |failure| path.and_then(signed).unwrap_or(failure);
        let subject = subject::find(context, self.what.as_deref()).map_err(signed)?;
        let (trust, at) = self.trust(context)?;
        let refused = |error| refusal(error, &subject, at, self.at.is_some());
        let verified = self.judge(&subject, &trust, at, context.output.verbose()).map_err(refused)?;
        context.output.report(&verified);
        Ok(Exit::Ok)
    }

    /// By what it is judged, and as of when.
    fn trust(&self, context: &Context) -> Result<(Trust, UnixTime), Failure> {
        let at = self.at.unwrap_or_else(clock::now);
        let trust = context.home.trust_at(at)?;
        if context.home.trust_policies()?.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        for list in &self.lists {
            let der = subject::read_up_to(list, MAX_CRL_BYTES, "revocation list")?;
            trust.install_crl(&der, at).map_err(|error| list_refused(error, list))?;
        }
        Ok((trust, at))
    }

    fn judge(&self, subject: &Subject, trust: &Trust, at: UnixTime, verbose: bool) -> Result<Verified, VerifyError> {
        let chain = &subject.chain;
        if let Some(name) = &self.service {
            return Ok(Verified::service(&verify_service(chain, name, trust, at)?, at, verbose));
        }
        if let Some(name) = &self.component {
            return Ok(Verified::component(&verify_component(chain, name, trust, at)?, at, verbose));
        }
        let person = match self.purpose {
            None => certified(subject, trust, at)?,
            Some(Purpose::Live) => Certified::clone(&*verify_person(chain, trust, at)?),
            Some(Purpose::Mail) => Certified::clone(&*verify_mail(chain, trust, at)?),
        };
        Ok(Verified::person(&person, at, verbose))
    }
}

/// A signature, or a message that holds what was signed, is no certificate: who asks about it learns how it is asked.
fn message(path: &Path) -> Option<Failure> {
    let (kind, ask) = match path.extension()?.to_str()? {
        "p7s" => ("a signature", format!("{} --signer ID", path.with_extension("").display())),
        "p7m" => ("a signed message", format!("{} --signer ID --out FILE", path.display())),
        _ => return None,
    };
    let what = format!("{} is no certificate: by its name it is {kind}", path.display());
    Some(Failure::failed(what, format!("Say who must have signed: certtool verify {ask}.")))
}

/// The same of a file that has its signature beside it, if it holds no certificate.
fn signed(path: &Path) -> Option<Failure> {
    let signature = subject::beside(path, ".p7s");
    signature.exists().then(|| {
        let what = format!("{} is no certificate: {} is its signature", path.display(), signature.display());
        Failure::failed(what, format!("Say who must have signed: certtool verify {} --signer ID.", path.display()))
    })
}

#[derive(Debug, Serialize)]
struct Verified {
    verified: bool,
    /// Of a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    /// Of a service: its DNS name.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Of a component: its DNS name.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    /// What its identifier could be taken for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    lookalike: Option<String>,
    authority: String,
    at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Passed>,
    #[serde(skip)]
    in_words: String,
}

/// A rule that was kept.
#[derive(Debug, Serialize)]
struct Passed {
    rule: &'static str,
    holds: &'static str,
}

/// The rules in prose: each has a line `| `ID` | what holds | why |`.
const RULES: &str = include_str!("../../../policies/rules.md");

impl Verified {
    fn person(person: &Certified, at: UnixTime, verbose: bool) -> Self {
        let purpose = if person.profile() == Profile::mail().name() { " for mail" } else { "" };
        Self {
            verified: true,
            identifier: Some(person.identifier().to_string()),
            service: None,
            component: None,
            lookalike: person.identifier().lookalike().map(|lookalike| lookalike.to_string()),
            authority: person.authority().to_owned(),
            at: text::rfc3339(at),
            // Rules about lists that come in were kept when a list came in; without one, nothing was checked.
            rules: passed(verbose, |rule| {
                let of_services = matches!(rule, Rule::SanService | Rule::TrustService);
                let of_lists = rule.id().starts_with("REV");
                !(of_services || of_lists && person.revocation() == Revocation::Unknown)
            }),
            in_words: format!(
                "Verified: {}{purpose}, certified by {}, entry {} of {}, until {}",
                person.identifier(),
                person.authority(),
                person.index(),
                person.origin(),
                text::time(person.not_after()),
            ),
        }
    }

    fn service(service: &VerifiedService, at: UnixTime, verbose: bool) -> Self {
        let in_words = format!(
            "Verified: the service {}, certified by {}, entry {} of {}, until {}",
            service.name(),
            service.authority(),
            service.index(),
            service.origin(),
            text::time(service.not_after()),
        );
        let machine = Self::machine(service.authority(), at, in_words, passed(verbose, is_of_machines));
        Self { service: Some(service.name().to_owned()), ..machine }
    }

    fn component(component: &VerifiedComponent, at: UnixTime, verbose: bool) -> Self {
        let in_words = format!(
            "Verified: the component {}, certified by {}, entry {} of {}, until {}",
            component.name(),
            component.authority(),
            component.index(),
            component.origin(),
            text::time(component.not_after()),
        );
        // No policy names components.
        let rules = passed(verbose, |rule| is_of_machines(rule) && rule != Rule::TrustService);
        let machine = Self::machine(component.authority(), at, in_words, rules);
        Self { component: Some(component.name().to_owned()), ..machine }
    }

    fn machine(authority: &str, at: UnixTime, in_words: String, rules: Vec<Passed>) -> Self {
        Self {
            verified: true,
            identifier: None,
            lookalike: None,
            service: None,
            component: None,
            authority: authority.to_owned(),
            at: text::rfc3339(at),
            rules,
            in_words,
        }
    }
}

/// Permissions and labels are about people; lists of machines are not asked for.
fn is_of_machines(rule: Rule) -> bool {
    let people = [Rule::TrustKind, Rule::TrustDomain, Rule::TrustPrefix, Rule::TrustBinding, Rule::SlotVrf];
    !people.contains(&rule) && !rule.id().starts_with("REV")
}

impl Report for Verified {
    fn page(&self, page: &mut Page) {
        page.good(&self.in_words);
        if let Some(lookalike) = &self.lookalike {
            page.warning(&format!("Look twice: {lookalike}."));
        }
        for passed in &self.rules {
            page.line(format!("  {:9} {}", passed.rule, passed.holds));
        }
    }
}

/// Every rule that applies, in the order in which they are checked; none if they are not wanted.
fn passed(wanted: bool, applies: impl Fn(Rule) -> bool) -> Vec<Passed> {
    let rules = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| wanted && applies(*rule) && !rule.is_about_updates() && !rule.is_about_dates());
    rules.map(|rule| Passed { rule: rule.id(), holds: prose(rule.id()) }).collect()
}

/// What the rule says, from policies/rules.md.
fn prose(id: &str) -> &'static str {
    let begin = format!("| `{id}` | ");
    let line = RULES.lines().find_map(|line| line.strip_prefix(begin.as_str()));
    line.and_then(|line| line.split(" | ").next()).unwrap_or("see policies/rules.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_prose() {
        for rule in Rule::ALL {
            assert_ne!(prose(rule.id()), "see policies/rules.md", "{rule}");
        }
    }
}
