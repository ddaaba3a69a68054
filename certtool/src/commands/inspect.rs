//! `certtool inspect`: what a file says, in plain words; and of a certificate, whether it holds.

mod certificate;

use std::io::{IsTerminal as _, stdin};
use std::path::Path;

use clap::Args;
use key_store::{Passphrase, PassphraseError, PassphraseSource};
use zeroize::Zeroizing;

use crate::clock;
use crate::context::Context;
use crate::explained::{self, Explained, MAX_BYTES, Part};
use crate::failure::{Exit, Failure};
use crate::subject::{self, Subject};

/// Show what a certificate or any file about certificates says, in plain words, and what is wrong with it.
///
/// Reads certificates of anybody, requests (CSR), revocation lists, PKCS#12, PKCS#7, keys (which are never shown), trust
/// policies, proofs, checkpoints, log entries, evidence and contact cards, in PEM or DER. With -v each field of a
/// certificate is explained with its place in the standard. PKCS#12 is opened with its passphrase, which is asked for at a
/// terminal. A certificate is also verified, as certtool verify does it.
/// No connection is made. Exit code 3: a certificate is refused, or something is wrong with what was read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool inspect\n  \
    certtool inspect alice@example.org\n  \
    certtool inspect bob.pem -v\n  \
    certtool inspect people.crl --json\n  \
    certtool inspect alice.p12 --file-passphrase file:passphrase")]
pub(crate) struct Inspect {
    /// A file, the link of a contact card, or an address you enrolled; not needed if you enrolled one
    #[arg(value_name = "FILE|LINK|ID")]
    what: Option<String>,
    /// Where the passphrase of a PKCS#12 file comes from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd) [default: ask,
    /// at a terminal; otherwise, and if nothing is typed, it stays closed]
    #[arg(long, value_name = "SOURCE")]
    file_passphrase: Option<PassphraseSource>,
}

impl Inspect {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.what.as_deref().is_none_or(|what| !Path::new(what).exists()) {
            self.needs_no_passphrase()?;
        }
        let Some(what) = self.what.as_deref() else {
            return certificate::report(context, &subject::find(context, None)?);
        };
        if let Some(card) = explained::link(what) {
            let card =
                card.map_err(|error| Failure::failed(error, "Copy the whole link again, from inperson: to its end."))?;
            return Ok(told(context, &card));
        }
        let path = Path::new(what);
        if path.exists() {
            self.file(context, path)
        } else {
            certificate::report(context, &subject::find(context, Some(what))?)
        }
    }
}

impl Inspect {
    /// What was given for nothing is not passed over.
    fn needs_no_passphrase(&self) -> Result<(), Failure> {
        match self.file_passphrase {
            None => Ok(()),
            Some(_) => Err(Failure::failed(
                "--file-passphrase says nothing for this, which is no PKCS#12 file",
                "Leave it out.",
            )),
        }
    }

    fn file(&self, context: &Context, path: &Path) -> Result<Exit, Failure> {
        // There may be a key in it.
        let bytes = Zeroizing::new(subject::read_up_to(path, MAX_BYTES, "file that is known here")?);
        let parts = explained::parts(&bytes, clock::now()).map_err(|found| unknown(path, &found))?;
        let opens = matches!(&parts[..], [Part::Other(explained)] if explained.opens());
        if !opens {
            self.needs_no_passphrase()?;
        }
        let mut exit = each(context, path, parts)?;
        if opens && let Some(passphrase) = self.passphrase(context, path)? {
            let inside = explained::opened(&bytes, passphrase.as_str()).map_err(|closed| closed.told(path))?;
            exit = worse(exit, each(context, path, inside)?);
        }
        Ok(exit)
    }

    /// The passphrase of a file; none where nobody gives one.
    fn passphrase(&self, context: &Context, path: &Path) -> Result<Option<Passphrase>, Failure> {
        let what = path.display().to_string();
        let given = match &self.file_passphrase {
            Some(source) => source.read(&what).map(Some),
            None if context.output.json() || !stdin().is_terminal() => Ok(None),
            None => match PassphraseSource::Ask.read(&format!("{what} (nothing: it stays closed)")) {
                Err(PassphraseError::Content { .. }) => Ok(None),
                typed => typed.map(Some),
            },
        };
        given.map_err(|error| {
            let remedy =
                "Say where it comes from: --file-passphrase ask, file:PATH, fd:NUMBER or credential:NAME (systemd).";
            Failure::failed(error.to_string(), remedy)
        })
    }
}

fn each(context: &Context, path: &Path, parts: Vec<Part>) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for part in parts {
        let of_part = match part {
            Part::Chain(chain) => certificate::report(context, &Subject::of_file(path.display().to_string(), chain))?,
            Part::Other(explained) => told(context, &explained),
        };
        exit = worse(exit, of_part);
    }
    Ok(exit)
}

/// Of two things the one that is not good, the second if neither is.
fn worse(one: Exit, other: Exit) -> Exit {
    if other == Exit::Ok { one } else { other }
}

fn told(context: &Context, explained: &Explained) -> Exit {
    context.output.report(explained);
    if explained.faults.is_empty() { Exit::Ok } else { Exit::Refused }
}

fn unknown(path: &Path, found: &str) -> Failure {
    let what = format!(
        "{}: expected a certificate, request, revocation list, PKCS#12, PKCS#7, key, trust policy, proof, checkpoint, log \
         entry, evidence or contact card, found {found}",
        path.display()
    );
    Failure::failed(what, "A PEM file has a line -----BEGIN …-----. file FILE may know what it is.")
}
