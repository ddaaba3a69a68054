//! `certtool date`: when a signature was made, at the latest, proven by a public log.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use device::acme::jws::RequestKey;
use device::dating::{self, DateError, Dated};
use device::enrolment::choose_authority;
use device::{AccountKey, DeviceKey};
use identity::plan::MAX_CRL_BYTES;
use identity::trust::Revocation;
use identity::verify::{DatedSigner, MAX_DATE_PROOF_BYTES, UnverifiedDate, verify_dated};
use identity::{CertificateDer, Identifier};
use serde::Serialize;

use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject::{self, Subject, beside};
use crate::text;
use crate::verdict::{self, kind};

/// Date a signature: prove that it was made while the certificate was good
///
/// A certificate lives for days or months; what was signed with its key should stay good for longer. A public log and its
/// witnesses vouch for when a signature was there, so that it stays good after the certificate's end, and after a
/// revocation that came later. They do not learn what was signed, nor by whom.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  \
    certtool date request letter.sig\n  \
    certtool date verify letter.sig alice.pem")]
pub(crate) enum Date {
    Request(Request),
    Verify(Verify),
}

/// Have a signature dated by the authority that certified its key
///
/// Only an HMAC of the signature's SHA-256 leaves this computer, under a key that stays in the proof. The request is signed
/// by the key that made the signature: this device's, or the one of --certificate and --key. The proof is written
/// beside the signature, verified; keep both. A signature that is dated already is not dated again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool date request letter.sig\n  \
    certtool date request letter.sig alice@example.org -o letter.date\n  \
    certtool date request letter.sig --certificate mail.pem --key mail.key.pem")]
pub(crate) struct Request {
    /// The signature: a file that holds it and nothing else
    #[arg(value_name = "SIGNATURE")]
    signature: PathBuf,
    /// Whose device has signed, if several are enrolled here
    #[arg(value_name = "ID", value_parser = identifier, conflicts_with = "certificate")]
    identifier: Option<Identifier>,
    /// The certificate of the key that has signed, if not this device's: in PEM, leaf first
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key: Ed25519 or P-256, in PKCS#8 PEM without a passphrase
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Where to write the proof [default: SIGNATURE.date]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Check the date of a signature offline: when it was there, and whether the certificate was good then
///
/// Whether the signature is by the certificate's key, and over what, is told by the program that made it: openssl, gpgsm, a
/// mail program. Exit code 3: the date does not hold, or the certificate was not good then.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool date verify letter.sig alice.pem\n  \
    certtool date verify letter.sig alice.pem --date letter.date --crl people.crl")]
pub(crate) struct Verify {
    /// The signature: a file that holds it and nothing else
    #[arg(value_name = "SIGNATURE")]
    signature: PathBuf,
    /// The certificate of who signed, in PEM or DER, or an address you enrolled
    #[arg(value_name = "FILE|ID")]
    by: Option<String>,
    /// The proof of the date [default: SIGNATURE.date]
    #[arg(long, value_name = "FILE")]
    date: Option<PathBuf>,
    /// A revocation list in DER to go by, besides those already known; may be given several times
    #[arg(long = "crl", value_name = "FILE")]
    lists: Vec<PathBuf>,
}

impl Date {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Request(command) => command.run(context).await,
            Self::Verify(command) => command.run(context),
        }
    }
}

/// With what somebody has signed.
struct Signer {
    acme: String,
    chain: Vec<CertificateDer>,
    key: Box<dyn RequestKey + Send>,
}

impl Request {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        // First whose it is: a large message takes a while to be read.
        let signer = self.signer(context)?;
        let digest = dating::digest_of(&self.signature)?;
        let output = self.output.clone().unwrap_or_else(|| beside(&self.signature, ".date"));
        if output.exists() {
            return self.dated_already(context, &signer, &digest, &output);
        }
        let kind = kind(&signer.chain);
        let asked = dating::Signer { acme: &signer.acme, chain: &signer.chain, kind, key: &*signer.key };
        let Dated { proof, signed } = dating::date_signature(&context.home, &asked, &digest, clock::now()).await?;
        device::keep_file(&output, proof.as_bytes())?;
        context.output.report(&Shown::new(&signed, Some(output)));
        Ok(Exit::Ok)
    }

    /// The earlier date is the better one, so that it is not replaced.
    fn dated_already(
        &self,
        context: &Context,
        signer: &Signer,
        digest: &[u8; 32],
        output: &Path,
    ) -> Result<Exit, Failure> {
        let trust = context.home.trust_at(clock::now())?;
        let held = read(output).and_then(|date| {
            verify_dated(&signer.chain, kind(&signer.chain), digest, &date, &trust).map_err(Failure::from)
        });
        match held {
            Ok(signed) => {
                context.output.report(&Shown::new(&signed, Some(output.to_owned())));
                Ok(Exit::Ok)
            }
            Err(failure) => Err(Failure::failed(
                format!("{} is there already, and is no date of this signature: {}", output.display(), failure.what),
                "Give another place with --output; nothing was asked.",
            )),
        }
    }

    fn signer(&self, context: &Context) -> Result<Signer, Failure> {
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            return elsewhere(context, certificate, key);
        }
        let identifier = match &self.identifier {
            Some(identifier) => identifier.clone(),
            None => Identifier::parse(&subject::only_device(context)?.name)
                .map_err(|error| Failure::failed(error.to_string(), "Say who has signed."))?,
        };
        let device = context.home.device(&identifier)?;
        Ok(Signer { acme: device.enrolment.acme, chain: device.chain, key: Box::new(device.key) })
    }
}

/// A key that this program did not make.
fn elsewhere(context: &Context, certificate: &Path, key: &Path) -> Result<Signer, Failure> {
    let chain = subject::chain_of_file(certificate)?;
    let subject = Subject::of_file(certificate.display().to_string(), chain);
    let now = clock::now();
    // The authority dates what is good now alone; and it is the certificate that says which authority that is.
    let certified = verdict::certified(&subject, &context.home.trust_at(now)?, now)
        .map_err(|error| verdict::refusal(error, &subject, now, false))?;
    let policies = context.home.trust_policies()?;
    let choice = choose_authority(&policies, certified.identifier(), Some(certified.authority()))?;
    Ok(Signer { acme: choice.acme, chain: subject.chain, key: read_key(key)? })
}

fn read_key(path: &Path) -> Result<Box<dyn RequestKey + Send>, Failure> {
    let pem = dating::read_key_text(path)?;
    if let Ok(key) = DeviceKey::from_pem(&pem) {
        return Ok(Box::new(key));
    }
    match AccountKey::from_pem(&pem) {
        Ok(key) => Ok(Box::new(key)),
        Err(_) => Err(Failure::failed(
            format!("{}: expected an Ed25519 or P-256 key as PKCS#8 PEM, found something else", path.display()),
            "openssl pkcs8 -topk8 -nocrypt -in KEY -out FILE writes one; remove FILE afterwards.",
        )),
    }
}

impl Verify {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let digest = dating::digest_of(&self.signature)?;
        let subject = subject::find(context, self.by.as_deref())?;
        let date = read(&self.date.clone().unwrap_or_else(|| beside(&self.signature, ".date")))?;
        if context.home.trust_policies()?.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        let trust = context.home.trust_at(clock::now())?;
        for list in &self.lists {
            let der = subject::read_up_to(list, MAX_CRL_BYTES, "revocation list")?;
            trust.install_crl(&der, clock::now()).map_err(|error| verdict::list_refused(error, list))?;
        }
        let signed = verify_dated(&subject.chain, kind(&subject.chain), &digest, &date, &trust).map_err(|error| {
            let mut failure = Failure::from(error);
            failure.what = format!("the date of {} is refused by {}", self.signature.display(), failure.what);
            failure.remedy = "Without a date that holds, judge the certificate as of now: certtool verify.".to_owned();
            failure
        })?;
        context.output.report(&Shown::new(&signed, None));
        Ok(Exit::Ok)
    }
}

/// The proof of a date in a file.
pub(crate) fn read(path: &Path) -> Result<UnverifiedDate, Failure> {
    let bytes = subject::read_file(path)?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DATE_PROOF_BYTES + 1)]);
    UnverifiedDate::parse(&text).map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("{} is no date: {error}", path.display()),
            "Give the file that certtool date request wrote, whole.",
        )
    })
}

impl From<DateError> for Failure {
    fn from(error: DateError) -> Self {
        let what = error.to_string();
        match error {
            DateError::Home(error) => error.into(),
            DateError::Acme(error) => error.into(),
            DateError::Random(_) => Self::failed(what, "Try again."),
            DateError::Answer { .. } => Self::failed(what, "Tell the authority's operator; nothing was written."),
            DateError::Refused(_) => Self::new(
                Exit::Refused,
                what,
                "Nothing was written. If the certificate is new, take the newest trust policy first: certtool trust update.",
            ),
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    dated: bool,
    identifier: String,
    authority: String,
    /// The signature existed at this time.
    at: String,
    log: String,
    index: u64,
    cosigned_by: Vec<String>,
    witnessed_only_by_operator: bool,
    /// Whether a revocation list says that the certificate was good then.
    revocation_checked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_later_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_to: Option<PathBuf>,
    #[serde(skip)]
    in_words: String,
    #[serde(skip)]
    revoked_later: Option<String>,
}

impl Shown {
    fn new(signed: &DatedSigner, written_to: Option<PathBuf>) -> Self {
        let DatedSigner { signer, date, revoked_later } = signed;
        Self {
            dated: true,
            identifier: signer.identifier().to_string(),
            authority: signer.authority().to_owned(),
            at: text::rfc3339(date.time),
            log: date.origin.clone(),
            index: date.index,
            cosigned_by: date.witnesses.clone(),
            witnessed_only_by_operator: date.witnessed_only_by_operator,
            revocation_checked: signer.revocation() != Revocation::Unknown,
            revoked_later_at: revoked_later.map(text::rfc3339),
            written_to,
            in_words: format!(
                "Dated: this signature was there at {}, when the certificate of {} was good.",
                text::time(date.time),
                signer.identifier()
            ),
            revoked_later: revoked_later.map(text::time),
        }
    }
}

impl Report for Shown {
    fn page(&self, page: &mut Page) {
        page.good(&self.in_words);
        page.field("authority", &self.authority);
        page.field("entry", format!("{} of {}", self.index, self.log));
        page.field("cosigned by", self.cosigned_by.join(", "));
        if let Some(path) = &self.written_to {
            page.field("proof", path.display());
        }
        if self.witnessed_only_by_operator {
            page.warning("  witnessed only by the CA's operator");
        }
        if !self.revocation_checked {
            page.warning("  no revocation list of that time is known here");
        }
        if let Some(at) = &self.revoked_later {
            page.warning(&format!("  The certificate was revoked later, at {at}."));
        }
    }
}
