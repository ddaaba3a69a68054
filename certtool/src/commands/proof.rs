//! `certtool proof`: the proof in a certificate as C2SP tlog-proof text, and back.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use device::keep_file;
use device::proof::{self, Place, PlaceError};
use identity::certificate::Certificate;
use identity::transparency::TransparencyExtension;
use identity::trust::TrustPolicy;
use serde::Serialize;
use tlog_proof::{MAX_ENTRY_BYTES, PolicyVerdict, Proof as TlogProof};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject;

/// The proof in a certificate, for other people's tools: C2SP tlog-proof
///
/// Every certificate holds the proof that it stands in a public log. These commands turn it into the text that other
/// implementations of transparency logs read, and such a text back into the certificate's extension, without loss.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  \
    certtool proof export alice@example.org -o alice.tlog-proof --entry alice.entry\n  \
    certtool proof verify alice.tlog-proof --entry alice.entry")]
pub(crate) enum Proof {
    Export(Export),
    Verify(Verify),
    Import(Import),
}

/// Write a certificate's proof as tlog-proof text
///
/// The text goes to standard output, or to a file. What stands in the log is not the certificate but an entry that hides
/// it; --entry writes those bytes, which others need to check the proof.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool proof export alice@example.org -o alice.tlog-proof --entry alice.entry")]
pub(crate) struct Export {
    /// A certificate in PEM or DER, or an address you enrolled
    #[arg(value_name = "FILE|ID")]
    what: Option<String>,
    /// Where to write the text
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write the entry's bytes
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
}

/// Check a tlog-proof offline, against a certificate or an entry
///
/// Uses the pinned trust policies and nothing else. With --certificate the text must say exactly what the certificate's
/// own extension says. Exit code 3: the proof does not hold, or is another one's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool proof verify alice.tlog-proof --certificate alice.pem\n  \
    certtool proof verify alice.tlog-proof --entry alice.entry")]
pub(crate) struct Verify {
    /// The text
    #[arg(value_name = "PROOF")]
    text: PathBuf,
    /// The certificate that it is to be the proof of, in PEM or DER, or an address you enrolled
    #[arg(long, value_name = "FILE|ID", required_unless_present = "entry", conflicts_with = "entry")]
    certificate: Option<String>,
    /// The entry that it is to be the proof of
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
}

/// Turn a tlog-proof into the extension of a certificate
///
/// Writes the value of the extension in DER: byte for byte what stood in the certificate from which the text was
/// exported. Nothing is verified by this: certtool proof verify does that.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool proof import alice.tlog-proof -o alice.extension.der")]
pub(crate) struct Import {
    /// The text
    #[arg(value_name = "PROOF")]
    text: PathBuf,
    /// Where to write the extension's value
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: PathBuf,
}

impl Proof {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Export(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Import(command) => command.run(context),
        }
    }
}

impl Export {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (name, place) = place(context, self.what.as_deref(), &policies(context)?)?;
        let (text, entry) = (place.proof().to_string(), place.entry.encode());
        if let Some(path) = &self.entry {
            keep_file(path, &entry)?;
        }
        match &self.output {
            Some(path) => keep_file(path, text.as_bytes())?,
            None if !context.output.json() => {
                command_line::print(format_args!("{text}"));
                return Ok(Exit::Ok);
            }
            None => {}
        }
        let proof = self.output.is_none().then_some(text);
        context.output.report(&Exported {
            of: name,
            log: place.extension.origin,
            index: place.extension.index,
            tree_size: place.extension.tree_size,
            entry: hex::encode(entry),
            proof,
            written_to: self.output,
        });
        Ok(Exit::Ok)
    }
}

impl Verify {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policies = policies(context)?;
        let text = read(&self.text)?;
        let (entry, certificate) = match (&self.certificate, &self.entry) {
            (Some(what), _) => {
                let (name, place) = place(context, Some(what), &policies)?;
                proof::same(&text, &place).map_err(|error| refused(&self.text, &error))?;
                (place.entry.encode(), Some(name))
            }
            (None, Some(path)) => (read_entry(path)?, None),
            (None, None) => unreachable!("clap asks for one of the two"),
        };
        let verdict = proof::check(&text, &entry, &policies).map_err(|error| refused(&self.text, &error))?;
        context.output.report(&Checked::new(&text, &verdict, certificate, &policies));
        Ok(Exit::Ok)
    }
}

impl Import {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let text = read(&self.text)?;
        let extension =
            TransparencyExtension::from_proof(&text).map_err(|error| refused(&self.text, &PlaceError::from(error)))?;
        let der = extension.to_der();
        keep_file(&self.output, &der)?;
        context.output.report(&Imported { written_to: self.output, bytes: der.len() });
        Ok(Exit::Ok)
    }
}

fn policies(context: &Context) -> Result<Vec<TrustPolicy>, Failure> {
    let policies = context.home.trust_policies()?;
    if policies.is_empty() { Err(device::enrolment::ChooseError::NoPolicy.into()) } else { Ok(policies) }
}

fn place(context: &Context, what: Option<&str>, policies: &[TrustPolicy]) -> Result<(String, Place), Failure> {
    let subject = subject::find(context, what)?;
    let leaf = subject.chain.first().expect("a subject has at least one certificate");
    let unplaced = |reason: String| {
        let what = format!("{} has no place in a log: {reason}", subject.name);
        Failure::new(Exit::Refused, what, "certtool verify says which rule it breaks.")
    };
    let leaf = Certificate::parse(leaf).map_err(|error| unplaced(error.to_string()))?;
    let place = proof::place(&leaf, policies).map_err(|error| unplaced(error.to_string()))?;
    Ok((subject.name, place))
}

fn read(path: &Path) -> Result<TlogProof, Failure> {
    let bytes = subject::read_file(path)?;
    let no_proof = |reason: String| {
        Failure::new(
            Exit::Refused,
            format!("{} is no tlog-proof: {reason}", path.display()),
            "Its first line is c2sp.org/tlog-proof@v1; the text must be whole, to the last newline.",
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| no_proof("expected text, found other bytes".to_owned()))?;
    TlogProof::parse(text).map_err(|error| no_proof(error.to_string()))
}

fn read_entry(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = subject::read_file(path)?;
    if bytes.len() <= MAX_ENTRY_BYTES {
        return Ok(bytes);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("{}: expected an entry of at most {MAX_ENTRY_BYTES} bytes, found {}", path.display(), bytes.len()),
        "Give the file that certtool proof export --entry wrote.",
    ))
}

fn refused(path: &Path, error: &PlaceError) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{} does not hold: {error}", path.display()),
        "Export it again from the certificate: certtool proof export.",
    )
}

#[derive(Debug, Serialize)]
struct Exported {
    of: String,
    log: String,
    index: u64,
    tree_size: u64,
    /// In hexadecimal digits.
    entry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_to: Option<PathBuf>,
}

impl Report for Exported {
    fn page(&self, page: &mut Page) {
        page.line(format!("{}: entry {} of {}, in a tree of {}.", self.of, self.index, self.log, self.tree_size));
        if let Some(path) = &self.written_to {
            page.field("tlog-proof", path.display());
        }
        page.field("entry", &self.entry);
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    verified: bool,
    log: String,
    index: u64,
    tree_size: u64,
    root: String,
    cosigned_by: Vec<String>,
    witnessed_only_by_operator: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl Checked {
    fn new(proof: &TlogProof, verdict: &PolicyVerdict, certificate: Option<String>, policies: &[TrustPolicy]) -> Self {
        let operator = |name: &String| policies.iter().any(|policy| policy.operator_witnesses.contains(name));
        let cosigned_by: Vec<_> = verdict.cosigned.iter().map(|by| by.name.clone()).collect();
        Self {
            verified: true,
            log: verdict.checkpoint.origin.clone(),
            index: proof.index,
            tree_size: verdict.checkpoint.size,
            root: verdict.checkpoint.root.to_string(),
            witnessed_only_by_operator: cosigned_by.iter().all(operator),
            cosigned_by,
            certificate,
        }
    }
}

impl Report for Checked {
    fn page(&self, page: &mut Page) {
        match &self.certificate {
            Some(name) => page.good(&format!("Verified: this is the proof in {name}, and it holds.")),
            None => page.good("Verified: this entry stands in the log."),
        }
        page.field("entry", format!("{} of {}, in a tree of {}", self.index, self.log, self.tree_size));
        page.field("root", &self.root);
        page.field("cosigned by", self.cosigned_by.join(", "));
        if self.witnessed_only_by_operator {
            page.warning("  witnessed only by the CA's operator");
        }
    }
}

#[derive(Debug, Serialize)]
struct Imported {
    written_to: PathBuf,
    bytes: usize,
}

impl Report for Imported {
    fn page(&self, page: &mut Page) {
        page.line(format!("{} bytes of extension written to {}.", self.bytes, self.written_to.display()));
    }
}
