//! Whether a signature counts: by a certificate that holds now, or, if a log has dated the signature, by one that held then.
//! That the certificate itself stands in a log says nothing of when its key has signed.

use identity::UnixTime;
use identity::rules::Rule;
use identity::trust::{Revocation, Trust};
use identity::verify::{Certified, DatedSigner, UnverifiedDate, VerifyError, verify_dated};
use message_syntax::Signature;
use serde::Serialize;

use crate::clock;
use crate::dating;
use crate::failure::Failure;
use crate::output::Page;
use crate::subject::Subject;
use crate::text;
use crate::verdict::{certified, kind, refusal};

/// What dates a signature, unverified.
pub(crate) struct Date<'a> {
    pub(crate) proof: &'a UnverifiedDate,
    /// SHA-256 of what it has to date.
    pub(crate) of: &'a [u8; 32],
    /// Where it is, for a refusal: "the date in FILE".
    pub(crate) place: &'a str,
}

/// A signature by a certificate that counts.
pub(crate) struct Judged {
    pub(crate) person: Certified,
    pub(crate) dated: Option<DatedSigner>,
    pub(crate) claimed: Option<UnixTime>,
}

/// Judges as of `at`, if that is given; else by the date beside the message, if there is one; else by the one in it, if
/// there is one; else as of now. A date has to hold: one that does not is no reason to look away.
///
/// # Errors
/// Exit code 3, with the rule that is broken.
pub(crate) fn judge(
    signature: &Signature,
    subject: &Subject,
    beside: Option<&Date<'_>>,
    trust: &Trust,
    at: Option<UnixTime>,
) -> Result<Judged, Failure> {
    let claimed = signature.claimed.map(UnixTime::since_unix_epoch);
    let in_message = if at.is_none() && beside.is_none() { dating::in_message(signature)? } else { None };
    let in_message = in_message.as_ref().map(|(proof, of)| Date { proof, of, place: "the date in the message" });
    match beside.or(in_message.as_ref()).filter(|_| at.is_none()) {
        Some(date) => {
            let dated = verify_dated(&subject.chain, kind(&subject.chain), date.of, date.proof, trust);
            let dated = dated.map_err(|error| {
                let mut failure = Failure::from(error);
                failure.what = format!("{} is refused by {}", date.place, failure.what);
                failure
            })?;
            Ok(Judged { person: dated.signer.clone(), dated: Some(dated), claimed })
        }
        None => {
            let when = at.unwrap_or_else(clock::now);
            let person =
                certified(subject, trust, when).map_err(|error| undated(error, subject, when, at.is_some()))?;
            Ok(Judged { person, dated: None, claimed })
        }
    }
}

/// Of a certificate that has ended or was revoked, it is the missing date that decides.
fn undated(error: VerifyError, subject: &Subject, when: UnixTime, chosen: bool) -> Failure {
    let ended = matches!(error.rule, Rule::ChainExpired | Rule::RevocationRevoked);
    let mut failure = refusal(error, subject, when, chosen);
    if ended && !chosen {
        failure.what.push_str("; and the signature is not dated: nothing proves that it was made before");
    }
    failure
}

/// What is told of when a signature was made, to programs and to people.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Times {
    /// The signature is proven to have been there at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    dated: Option<String>,
    /// The log that says so, and the entry in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dated_by: Option<String>,
    /// The witnesses are all the authority operator's: then the date is that operator's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    date_witnessed_only_by_operator: Option<bool>,
    /// The certificate was revoked at this time, after the date.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_later_at: Option<String>,
    /// Of what is not dated: it is good until the certificate ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    good_until: Option<String>,
    /// The time by the signer's own clock, which proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<String>,
    revocation_checked: bool,
    #[serde(skip)]
    lines: Vec<String>,
    #[serde(skip)]
    warnings: Vec<String>,
}

impl Times {
    pub(crate) fn of(judged: &Judged) -> Self {
        let Judged { person, dated, claimed } = judged;
        let (mut lines, mut warnings) = (Vec::new(), Vec::new());
        match dated {
            Some(DatedSigner { date, .. }) => {
                lines.push(format!("dated by a public log: it was there at {}", text::time(date.time)));
                if date.witnessed_only_by_operator {
                    warnings.push("its date is witnessed only by the CA's operator".to_owned());
                }
            }
            None => lines.push(format!(
                "not dated: good until the certificate ends at {}, or is revoked",
                text::time(person.not_after())
            )),
        }
        if let Some(at) = claimed {
            lines.push(format!("signed at {} by the signer's own clock, which proves nothing", text::time(*at)));
        }
        let revoked_later = dated.as_ref().and_then(|dated| dated.revoked_later);
        if let Some(at) = revoked_later {
            warnings.push(format!("its certificate was revoked later, at {}", text::time(at)));
        }
        let revocation_checked = person.revocation() != Revocation::Unknown;
        if !revocation_checked {
            warnings.push("no revocation list is known here for it".to_owned());
        }
        let date = dated.as_ref().map(|dated| &dated.date);
        Self {
            dated: date.map(|date| text::rfc3339(date.time)),
            dated_by: date.map(|date| format!("entry {} of {}", date.index, date.origin)),
            date_witnessed_only_by_operator: date.map(|date| date.witnessed_only_by_operator),
            revoked_later_at: revoked_later.map(text::rfc3339),
            good_until: date.is_none().then(|| text::rfc3339(person.not_after())),
            claimed: claimed.map(text::rfc3339),
            revocation_checked,
            lines,
            warnings,
        }
    }

    /// Under the line that says who has signed.
    pub(crate) fn page(&self, page: &mut Page) {
        for line in &self.lines {
            page.line(format!("  {line}"));
        }
        for warning in &self.warnings {
            page.warning(&format!("  {warning}"));
        }
    }

    /// In one line, without what the signer's clock says.
    pub(crate) fn in_brief(&self) -> String {
        self.lines.iter().take(1).chain(&self.warnings).map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}
