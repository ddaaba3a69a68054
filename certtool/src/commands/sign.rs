//! `certtool sign`: a file with one's name under it (CMS, RFC 5652).

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use device::{NewFile, is_same_file, keep_file};
use message_syntax::{CmsError, Signer, Unended, begin_attached, begin_detached};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::credential::{self, Credential};
use crate::dating::{self, Dated, Outcome};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::reading::{BUFFER, open};
use crate::subject::beside;
use crate::text;
use crate::written::Written;

/// Sign a file.
///
/// Writes FILE.p7s, a signature for the file as it is; with --attached FILE.p7m, which holds the file as well. The
/// certificate with its proof and the issuing certificate are in it, so that whoever trusts your authority needs nothing
/// else. It is CMS (RFC 5652) as S/MIME has it, of files of any size.
///
/// The authority's log dates the signature, and the proof goes into the message: so it stays good when the certificate has
/// ended, or is revoked later. Of what is signed the authority learns nothing but that you sign something now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool sign letter.txt\n  \
    certtool sign letter.txt --by alice@example.org --attached --out letter.p7m\n  \
    certtool sign letter.txt --by mail:alice@example.org\n  \
    certtool sign letter.txt --by mail.pem --key mail.key.pem\n  \
    certtool sign letter.txt --dated required\n  \
    certtool verify letter.txt --signer alice@example.org")]
pub(crate) struct Sign {
    /// The file to sign
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who signs: an address you enrolled, if several are enrolled here (with mail: before it, by the certificate for mail),
    /// or a certificate in PEM or DER
    #[arg(long, value_name = "FILE|ID")]
    by: Option<String>,
    /// The key of that certificate, if it is none of this device's: PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "by")]
    key: Option<PathBuf>,
    /// Put the file into the message
    #[arg(long)]
    attached: bool,
    /// Where to write it [default: FILE.p7s, or FILE.p7m with --attached]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Whether the signature is dated now [default: as the profile says, else if-possible]
    #[arg(long, value_name = "WHETHER", value_enum)]
    dated: Option<Dated>,
}

impl Sign {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let out = self.out.clone().unwrap_or_else(|| beside(&self.file, if self.attached { ".p7m" } else { ".p7s" }));
        let date = beside(&out, ".date");
        if date.exists() {
            return Err(Failure::failed(
                format!("{} is dated by {}, which dates no other signature", out.display(), date.display()),
                "Write another: --out FILE. Or move both away.",
            ));
        }
        if is_same_file(&out, &self.file) {
            return Err(Failure::failed(
                "the signature would take the place of the file",
                "Choose another: --out FILE.",
            ));
        }
        // What cannot be read is said before anybody is asked for a passphrase.
        let mut content = BufReader::with_capacity(BUFFER, open(&self.file)?);
        let credential = credential::private(context, self.by.as_deref(), self.key.as_deref())?;
        let chain: Vec<&[u8]> = credential.chain.iter().map(AsRef::as_ref).collect();
        let by_key = |message: &[u8]| credential.key.sign(message);
        let now = clock::now();
        let time = std::time::Duration::from_secs(now.as_secs());
        let signer = Signer { chain: &chain, algorithm: credential.key.algorithm(), time, sign: &by_key };
        let failed = |error: CmsError| not_signed(&self.file, &error);
        let wanted = self.dated.or(context.dated).unwrap_or_default();
        let outcome = if self.attached {
            // A new signature takes an older one's place.
            let mut message = Written::begin(NewFile::create(&out)?, true, BUFFER);
            let signed = begin_attached(&mut content, &signer, &mut message).map_err(failed)?;
            let outcome = dating::date(context, &credential, signed.value(), wanted).await?;
            ended(signed, &outcome, &mut message).map_err(failed)?;
            message.keep(|error| failed(error.into()))?;
            outcome
        } else {
            let signed = begin_detached(&mut content, &signer).map_err(failed)?;
            let outcome = dating::date(context, &credential, signed.value(), wanted).await?;
            let mut message = Vec::new();
            ended(signed, &outcome, &mut message).map_err(failed)?;
            keep_file(&out, &message)?;
            outcome
        };
        context.output.report(&Signed::new(&credential, text::rfc3339(now), self.attached, out, &outcome));
        Ok(Exit::Ok)
    }
}

/// Writes what is left of a message, with the date if there is one.
pub(crate) fn ended(mut signed: Unended, outcome: &Outcome, out: &mut dyn Write) -> Result<(), CmsError> {
    if let Outcome::Dated { proof, .. } = outcome {
        signed.add(proof.clone());
    }
    signed.end(out)
}

fn not_signed(file: &Path, error: &CmsError) -> Failure {
    let remedy = match error {
        CmsError::Sign(_) => "Is the token still there? Try again; nothing was written.",
        _ => "Check the file and the free space there; nothing was written.",
    };
    Failure::failed(format!("{} was not signed: {error}", file.display()), remedy)
}

#[derive(Debug, Serialize)]
struct Signed {
    signed: bool,
    identifier: String,
    authority: String,
    /// By this computer's clock.
    at: String,
    attached: bool,
    written_to: PathBuf,
    not_after: String,
    /// The log's time: the signature stays good after `not_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dated: Option<String>,
    /// Why it is not dated, if that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_dated: Option<String>,
    #[serde(skip)]
    until: String,
    #[serde(skip)]
    entry: Option<String>,
}

impl Signed {
    fn new(credential: &Credential, at: String, attached: bool, written_to: PathBuf, outcome: &Outcome) -> Self {
        let (person, date) = (&credential.person, outcome.date());
        Self {
            signed: true,
            identifier: person.identifier().to_string(),
            authority: person.authority().to_owned(),
            at,
            attached,
            written_to,
            not_after: text::rfc3339(person.not_after()),
            dated: date.map(|date| text::rfc3339(date.time)),
            not_dated: match outcome {
                Outcome::Undated(reason) => reason.clone(),
                Outcome::Dated { .. } => None,
            },
            until: text::time(person.not_after()),
            entry: date.map(|date| format!("{}, entry {} of {}", text::time(date.time), date.index, date.origin)),
        }
    }
}

impl Report for Signed {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Signed by {}", self.identifier));
        page.field("written", self.written_to.display());
        if let Some(entry) = &self.entry {
            page.field("dated", entry);
            page.line("It stays good when the certificate has ended.");
            return;
        }
        page.field("good until", &self.until);
        if let Some(reason) = &self.not_dated {
            page.warning(&format!("  not dated: {reason}"));
        }
        page.line(format!(
            "To stay good for longer it has to be dated: certtool date request {}",
            self.written_to.display()
        ));
    }
}
