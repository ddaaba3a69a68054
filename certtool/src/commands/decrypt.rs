//! `certtool decrypt`: what was encrypted to one of one's own keys (CMS, RFC 5083 and RFC 5652).

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use device::{NewFile, is_same_file};
use message_syntax::{CmsError, Envelope};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::opening::{Opened, not_decrypted, opened};
use crate::output::{Page, Report};
use crate::progress;
use crate::reading::{BUFFER, open, pem};
use crate::written::{Written, taken};

/// Decrypt a file.
///
/// Finds the key among yours for mail, also those that another one has taken the place of: it is no matter that a certificate has
/// ended. What comes out is written to its place only when it is known that it is whole and that nobody changed it; if not,
/// nothing is written, and what was there stays. Reads what certtool encrypt and other programs write (CMS: AES-GCM and AES-CBC,
/// keys by ECDH or RSA), in DER, as a stream or in PEM.
///
/// Programs that know no authenticated encryption (AES-CBC: Thunderbird, Outlook, openssl by default) write files in which nobody
/// can say whether they were changed on the way: those are decrypted with --unauthenticated alone, and it is told.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool decrypt letter.txt.p7m\n  \
    certtool decrypt letter.p7m --out letter.txt\n  \
    certtool decrypt smime.p7m --unauthenticated --out mail.txt\n  \
    certtool decrypt letter.p7m --out letter.txt --by mail.pem --key mail.key.pem")]
pub(crate) struct Decrypt {
    /// The encrypted file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write what is in it [default: FILE without .p7m]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Decrypt it even if nobody can say whether it was changed on the way (AES-CBC)
    #[arg(long)]
    unauthenticated: bool,
    /// To whom it was encrypted, if the key is none of this folder's: a certificate in PEM or DER
    #[arg(long, value_name = "FILE", requires = "key")]
    by: Option<PathBuf>,
    /// The key of that certificate: PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "by")]
    key: Option<PathBuf>,
}

impl Decrypt {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let out = self.place()?;
        let file = open(&self.file)?;
        let bar = progress::bytes(&context.output, &file);
        let mut reader = BufReader::with_capacity(BUFFER, bar.wrap_read(file));
        let failed = |error: CmsError| not_decrypted(&self.file, &error);
        let begins = reader.fill_buf().map_err(|error| failed(error.into()))?;
        let message: Box<dyn Read> = match begins.starts_with(b"-----BEGIN ") {
            true => Box::new(std::io::Cursor::new(pem(&self.file, &mut reader)?)),
            false => Box::new(reader),
        };
        let envelope = Envelope::open(message).map_err(failed)?;
        let authenticated = envelope.is_authenticated();
        if !authenticated && !self.unauthenticated {
            return Err(Failure::new(
                Exit::Refused,
                format!("{}: nobody can say whether it was changed on the way (AES-CBC)", self.file.display()),
                "Ask for it as certtool encrypt writes it. Or take it nevertheless, and do not rely on it: --unauthenticated.",
            ));
        }
        let named = self.by.as_deref().zip(self.key.as_deref());
        let Opened { by, key } = opened(context, &self.file, &envelope, named)?;
        let mut content = Written::begin(NewFile::create_or_null(&out)?, self.out.is_some(), BUFFER);
        envelope.decrypt(&key, &mut content).map_err(failed)?;
        content.keep(|error| failed(error.into()))?;
        bar.finish_and_clear();
        if !authenticated {
            let file = self.file.display();
            context.output.warning(&format!("nobody can say whether {file} was changed on the way: do not rely on it"));
        }
        context.output.report(&Decrypted { decrypted: true, by, authenticated, written_to: out });
        Ok(Exit::Ok)
    }

    /// Where it goes.
    fn place(&self) -> Result<PathBuf, Failure> {
        let Some(out) = &self.out else {
            let named = self.file.extension().is_some_and(|end| end == "p7m");
            let out = named.then(|| self.file.with_extension("")).ok_or_else(|| {
                Failure::failed(
                    format!("{} does not end with .p7m, so that nothing says where it goes", self.file.display()),
                    "Say where: --out FILE.",
                )
            })?;
            return if out.exists() { Err(taken(&out)) } else { Ok(out) };
        };
        if is_same_file(out, &self.file) {
            return Err(Failure::failed("what is in the file would take its place", "Choose another: --out FILE."));
        }
        Ok(out.clone())
    }
}

#[derive(Debug, Serialize)]
struct Decrypted {
    decrypted: bool,
    /// Whose key opened it.
    by: String,
    /// Whether it is known that nobody changed it on the way.
    authenticated: bool,
    written_to: PathBuf,
}

impl Report for Decrypted {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Decrypted with the key of {}", self.by));
        page.field("written", self.written_to.display());
        page.line("Who wrote it is not known by that: anybody can encrypt to you.");
    }
}
