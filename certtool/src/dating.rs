//! The date of a signature that is being made: an entry in a public log, and its proof beside the signature in the message
//! (docs/spec/log.md, "In a message"), so that it is verified without a network when the certificate has long ended.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use device::dating::{self, Signer};
use device::enrolment::choose_authority;
use identity::oid::SIGNATURE_DATE;
use identity::verify::{MAX_DATE_PROOF_BYTES, UnverifiedDate, VerifiedDate};
use message_syntax::{Signature, Unsigned};
use serde::Deserialize;

use crate::clock;
use crate::context::Context;
use crate::credential::Credential;
use crate::failure::{Exit, Failure};
use crate::verdict::kind;

/// Whether a signature is dated when it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dated {
    /// Nothing is signed that cannot be dated
    Required,
    /// Dated if the authority answers within five seconds; if not it is said, and signed all the same
    #[default]
    IfPossible,
    /// Nobody is asked
    No,
}

/// So long an authority is waited for where a date is not required: a commit must not hang. Who requires one waits as long
/// as for any other request to an authority.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::IfPossible => "if-possible",
            Self::No => "no",
        })
    }
}

/// What came of it.
pub(crate) enum Outcome {
    /// What goes into the message, and what it proves.
    Dated { proof: Unsigned, date: VerifiedDate },
    /// The signature is good as long as the certificate is. Why, if a date was wanted.
    Undated(Option<String>),
}

impl Outcome {
    /// When, if it is dated.
    pub(crate) fn date(&self) -> Option<&VerifiedDate> {
        match self {
            Self::Dated { date, .. } => Some(date),
            Self::Undated(_) => None,
        }
    }
}

/// Has a signature dated that was just made with this credential. What comes back is verified as everybody will.
///
/// # Errors
/// It is required, and was not to be had.
pub(crate) async fn date(
    context: &Context,
    credential: &Credential,
    signature: &[u8],
    wanted: Dated,
) -> Result<Outcome, Failure> {
    if wanted == Dated::No {
        return Ok(Outcome::Undated(None));
    }
    let asked = ask(context, credential, signature);
    if wanted == Dated::Required {
        return asked.await.map_err(|failure| Failure {
            what: format!("nothing was signed, as it cannot be dated: {}", failure.what),
            remedy: format!("{} Or sign without a date: --dated no.", failure.remedy),
            ..failure
        });
    }
    Ok(match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => Outcome::Undated(Some(failure.what)),
        Err(_) => {
            let reason = format!("the authority gave no date within {} seconds", PATIENCE.as_secs());
            Outcome::Undated(Some(reason))
        }
    })
}

async fn ask(context: &Context, credential: &Credential, signature: &[u8]) -> Result<Outcome, Failure> {
    let (person, chain) = (&credential.person, &credential.chain);
    let policies = context.home.trust_policies()?;
    // Only who has issued the certificate dates what is signed with it.
    let choice = choose_authority(&policies, person.identifier(), Some(person.authority()))?;
    let signer = Signer { acme: &choice.acme, chain, kind: kind(chain), key: credential.key.requests() };
    let digest = dating::digest(signature);
    let dated = dating::date_signature(&context.home, &signer, &digest, clock::now()).await?;
    Ok(Outcome::Dated { proof: Unsigned::text(SIGNATURE_DATE, &dated.proof), date: dated.signed.date })
}

/// The date in a message, of which nothing is verified; none if there is none. The digest that it has to be of is that of
/// the signature it stands beside.
///
/// # Errors
/// DATE-01, or there are several: which one counts would be a guess.
pub(crate) fn in_message(signature: &Signature) -> Result<Option<(UnverifiedDate, [u8; 32])>, Failure> {
    let mut dates = signature.unsigned.iter().filter(|unsigned| unsigned.kind == SIGNATURE_DATE);
    let Some(date) = dates.next() else { return Ok(None) };
    let refused = |found: &str| {
        let what = format!("expected one date of the signature in the message, found {found}");
        Failure::new(Exit::Refused, what, "Ask for it again: what dates a signature was added or altered.")
    };
    if dates.next().is_some() {
        return Err(refused("several"));
    }
    // Longer ones are not looked at: a text of that length is none.
    let text = date.as_text().filter(|text| text.len() <= MAX_DATE_PROOF_BYTES).ok_or_else(|| refused("no text"))?;
    Ok(Some((UnverifiedDate::parse(text)?, dating::digest(&signature.value))))
}
