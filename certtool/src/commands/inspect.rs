//! `certtool inspect`: what a file says, in plain words; and of a certificate, whether it holds.

mod certificate;

use std::path::Path;

use clap::Args;
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
/// certificate is explained with its place in the standard. A certificate is also verified, as certtool verify does it.
/// No connection is made. Exit code 3: a certificate is refused, or something is wrong with what was read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool inspect\n  \
    certtool inspect alice@example.org\n  \
    certtool inspect bob.pem -v\n  \
    certtool inspect people.crl --json")]
pub(crate) struct Inspect {
    /// A file, the link of a contact card, or an address you enrolled; not needed if you enrolled one
    #[arg(value_name = "FILE|LINK|ID")]
    what: Option<String>,
}

impl Inspect {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
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
            file(context, path)
        } else {
            certificate::report(context, &subject::find(context, Some(what))?)
        }
    }
}

fn told(context: &Context, explained: &Explained) -> Exit {
    context.output.report(explained);
    if explained.faults.is_empty() { Exit::Ok } else { Exit::Refused }
}

fn file(context: &Context, path: &Path) -> Result<Exit, Failure> {
    // There may be a key in it.
    let bytes = Zeroizing::new(subject::read_up_to(path, MAX_BYTES, "file that is known here")?);
    let parts = explained::parts(&bytes, clock::now()).map_err(|found| unknown(path, &found))?;
    let mut exit = Exit::Ok;
    for part in parts {
        let of_part = match part {
            Part::Chain(chain) => certificate::report(context, &Subject::of_file(path.display().to_string(), chain))?,
            Part::Other(explained) => told(context, &explained),
        };
        if of_part != Exit::Ok {
            exit = of_part;
        }
    }
    Ok(exit)
}

fn unknown(path: &Path, found: &str) -> Failure {
    let what = format!(
        "{}: expected a certificate, request, revocation list, PKCS#12, PKCS#7, key, trust policy, proof, checkpoint, log \
         entry, evidence or contact card, found {found}",
        path.display()
    );
    Failure::failed(what, "A PEM file has a line -----BEGIN …-----. file FILE may know what it is.")
}
