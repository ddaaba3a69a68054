//! `certtool encrypt`: a file that some people alone can read (CMS, RFC 5083).

use std::path::PathBuf;

use clap::Args;
use device::{NewFile, is_same_file};
use message_syntax::{CmsError, Protection};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::progress;
use crate::reading::{BUFFER, open};
use crate::recipient::{Recipient, recipients};
use crate::subject::beside;
use crate::written::{Written, taken};

/// Encrypt a file.
///
/// Writes FILE.p7m, which those alone can read to whom it is encrypted: not you either, unless you are one of them. Their
/// certificates for mail are verified before, as certtool verify does it: one that is not known by a pinned authority, has ended
/// or is revoked is refused. It is CMS (RFC 5083, AES-256-GCM), of files of any size up to 64 GiB; whoever reads it knows that
/// nobody changed it on the way. Who wrote it is not in it: sign it before, if that is to be known.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool encrypt letter.txt --to bob@example.org\n  \
    certtool encrypt letter.txt --to bob.pem\n  \
    certtool encrypt letter.txt --to bob.pem --to carol.p7c --to mail:alice@example.org\n  \
    certtool encrypt letter.txt --to bob.pem --compatible --out letter.p7m\n  \
    certtool sign letter.txt --attached\n  \
    certtool encrypt letter.txt.p7m --to bob.pem --out letter.p7m\n  \
    certtool decrypt letter.p7m --out letter.txt")]
pub(crate) struct Encrypt {
    /// The file to encrypt
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who can read it: an address, whose certificate for mail the messenger was told, or gets from their device now; a
    /// certificate for mail in PEM, DER or PKCS#7 (.p7c); or an address of your own; may be given several times
    #[arg(long, value_name = "FILE|ID", required = true)]
    to: Vec<String>,
    /// Where to write it [default: FILE.p7m]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As Thunderbird, gpgsm and other programs read it that know no authenticated encryption (AES-256-CBC): whoever passes it
    /// on can change parts of it unnoticed
    #[arg(long)]
    compatible: bool,
}

impl Encrypt {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let out = self.out.clone().unwrap_or_else(|| beside(&self.file, ".p7m"));
        if is_same_file(&out, &self.file) {
            return Err(Failure::failed(
                "the encrypted file would take the place of the file",
                "Choose another: --out FILE.",
            ));
        }
        if self.out.is_none() && out.exists() {
            return Err(taken(&out));
        }
        let file = open(&self.file)?;
        let now = clock::now();
        if context.home.trust_policies()?.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        let trust = context.home.trust_at(now)?;
        let to = self.to.iter().map(|name| recipients(context, name, &trust, now));
        let to: Vec<Recipient> = to.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let certificates: Vec<&[u8]> = to.iter().map(|one| one.certificate.as_ref()).collect();
        let protection = if self.compatible { Protection::Compatible } else { Protection::Authenticated };

        let failed = |error: CmsError| self.not_encrypted(&error);
        let bar = progress::bytes(&context.output, &file);
        let mut content = bar.wrap_read(file);
        let mut message = Written::begin(NewFile::create(&out)?, self.out.is_some(), BUFFER);
        message_syntax::encrypt(&mut content, &certificates, protection, &mut message).map_err(failed)?;
        message.keep(|error| failed(error.into()))?;
        bar.finish_and_clear();
        context.output.report(&Encrypted { encrypted: true, to, authenticated: !self.compatible, written_to: out });
        Ok(Exit::Ok)
    }

    fn not_encrypted(&self, error: &CmsError) -> Failure {
        let remedy = match error {
            CmsError::Content(_) => "Nothing was written. Split it, for example with split --bytes 60G.",
            CmsError::Algorithm { .. } => {
                "Nothing was written. Ask for a certificate for mail with a P-256 or RSA key."
            }
            _ => "Check the file and the free space there; nothing was written.",
        };
        Failure::failed(format!("{} was not encrypted: {error}", self.file.display()), remedy)
    }
}

#[derive(Debug, Serialize)]
struct Encrypted {
    encrypted: bool,
    to: Vec<Recipient>,
    /// Whether a change on the way is noticed.
    authenticated: bool,
    written_to: PathBuf,
}

impl Report for Encrypted {
    fn page(&self, page: &mut Page) {
        page.good("Encrypted");
        self.to.iter().for_each(|one| one.page(page));
        page.field("written", self.written_to.display());
        if !self.authenticated {
            page.warning("  whoever passes it on can change parts of it unnoticed (--compatible)");
        }
    }
}
