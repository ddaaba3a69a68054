//! `certtool verify FILE --signer ID`: who has signed a file (CMS, RFC 5652).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};
use device::{NewFile, is_same_file};
use identity::trust::Trust;
use identity::{CertificateDer, Identifier, UnixTime};
use message_syntax::{CmsError, Signature};
use serde::Serialize;

use super::judged::{Date, Judged, Times, judge};
use crate::commands::date;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::reading::{BUFFER, open, pem};
use crate::subject::{Subject, beside};
use crate::written::Written;

/// What is asked.
pub(super) struct Question<'a> {
    /// What was signed, or the message that holds it.
    pub(super) file: &'a Path,
    /// The signature, if it is not beside the file.
    pub(super) signature: Option<&'a Path>,
    /// Who must have signed.
    pub(super) signer: &'a Identifier,
    /// Where the content of a message goes.
    pub(super) out: Option<&'a Path>,
    /// As of when the certificate is judged, if it was said.
    pub(super) at: Option<UnixTime>,
}

impl Question<'_> {
    pub(super) fn answer(&self, context: &Context, trust: &Trust) -> Result<Exit, Failure> {
        let (message, content) = self.files();
        // A file that holds a message may hold anything else beside it: only what comes out of the message was signed.
        if content.is_none() && self.out.is_none() {
            return Err(Failure::failed(
                format!(
                    "there is no signature beside {}: expected {}",
                    self.file.display(),
                    beside(self.file, ".p7s").display()
                ),
                "Say where it is: --signature FILE. If the file is a message that holds what was signed, say where that goes: --out FILE, or --out /dev/null.",
            ));
        }
        // What comes out of a message does not take its place, nor that of its date.
        let taken = [message.clone(), beside(&message, ".date")];
        if let Some(place) = self.out.and_then(|out| taken.iter().find(|place| is_same_file(out, place))) {
            return Err(Failure::failed(
                format!("{} would be replaced by what is in the message", place.display()),
                "Choose another: --out FILE.",
            ));
        }
        let held = self.out.map(NewFile::create_or_null).transpose()?;
        let mut held = held.map(|file| Written::begin(file, true, BUFFER));
        let sink: &mut dyn Write = match &mut held {
            Some(file) => file,
            None => &mut io::sink(),
        };
        let (signatures, digest) = read(&message, content.as_deref(), sink)?;
        if self.out.is_some() && content.is_some() {
            return Err(Failure::failed(
                format!("{} does not hold what was signed: it is {}", message.display(), self.file.display()),
                "Leave --out away; the file is there already.",
            ));
        }
        let found = self.found(&message, &signatures, &digest, trust)?;
        // What was signed is there only now that it is known by whom.
        if let Some(file) = held {
            file.keep(|error| not_read(&message.display().to_string(), &error.into()))?;
        }
        context.output.report(&Shown::new(&found, self.out));
        Ok(Exit::Ok)
    }

    /// Where the message lies, and what was signed if that is another file.
    fn files(&self) -> (PathBuf, Option<PathBuf>) {
        if let Some(signature) = self.signature {
            return (signature.to_owned(), Some(self.file.to_owned()));
        }
        let detached = beside(self.file, ".p7s");
        if detached.exists() {
            return (detached, Some(self.file.to_owned()));
        }
        let named = self.file.extension().is_some_and(|end| end == "p7s");
        let content = named.then(|| self.file.with_extension("")).filter(|content| content.exists());
        (self.file.to_owned(), content)
    }

    /// The signature by whom it has to be. Its certificate has to hold: now, or when the message was dated.
    fn found(
        &self,
        message: &Path,
        signatures: &[Signature],
        digest: &[u8; 32],
        trust: &Trust,
    ) -> Result<Judged, Failure> {
        let proof = beside(message, ".date");
        let date = (self.at.is_none() && proof.exists()).then(|| date::read(&proof)).transpose()?;
        let place = format!("the date in {}", proof.display());
        let date = date.as_ref().map(|proof| Date { proof, of: digest, place: &place });
        let mut refused = None;
        let mut others = Vec::new();
        for signature in signatures {
            let subject = subject_of(signature, &message.display().to_string());
            match judge(signature, &subject, date.as_ref(), trust, self.at) {
                Ok(judged) if judged.person.identifier() == self.signer => return Ok(judged),
                Ok(judged) => others.push(judged.person.identifier().to_string()),
                Err(failure) => refused = Some(failure),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Failure::new(
                Exit::Refused,
                format!("{} has not signed this: {} has", self.signer, others.join(", ")),
                "Ask the sender. Nothing was written.",
            )
        }))
    }
}

/// The certificate of a signature, and what may be above it. The others of a message may be anybody's: more than a chain
/// has would be refused.
pub(crate) fn subject_of(signature: &Signature, message: &str) -> Subject {
    let certificates = signature.certificates.iter().take(identity::MAX_CHAIN);
    let chain = certificates.cloned().map(CertificateDer::from).collect();
    Subject::of_file(format!("the certificate in {message}"), chain)
}

/// Reads a message, once, and checks its signatures. With SHA-256 of the file as it was read: it may be another one a
/// moment later.
fn read(message: &Path, content: Option<&Path>, sink: &mut dyn Write) -> Result<(Vec<Signature>, [u8; 32]), Failure> {
    let mut hash = digest::Context::new(&SHA256);
    let mut reader = BufReader::with_capacity(BUFFER, Hashed { inner: open(message)?, hash: &mut hash });
    let mut content = content.map(|path| open(path).map(|file| BufReader::with_capacity(BUFFER, file))).transpose()?;
    let content = content.as_mut().map(|content| content as &mut dyn Read);
    let begins = reader.fill_buf().map_err(|error| not_read(&message.display().to_string(), &error.into()))?;
    let read = if begins.starts_with(b"-----BEGIN ") {
        let der = pem(message, &mut reader)?;
        message_syntax::verify(&der[..], content, sink)
    } else {
        message_syntax::verify(&mut reader, content, sink)
    };
    let signatures = read.map_err(|error| not_read(&message.display().to_string(), &error))?;
    drop(reader);
    let digest = hash.finish();
    Ok((signatures, digest.as_ref().try_into().expect("SHA-256 has 32 bytes")))
}

/// A file that is hashed as it is read.
struct Hashed<'a> {
    inner: File,
    hash: &'a mut digest::Context,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

/// Why a message does not count.
pub(crate) fn not_read(message: &str, error: &CmsError) -> Failure {
    let what = format!("{message}: {error}");
    match error {
        CmsError::Io(_) => Failure::failed(what, "Check the file and the free space; nothing was written."),
        CmsError::Content(_) => Failure::failed(
            what,
            "Name the file that was signed, and its signature beside it: certtool verify FILE --signature FILE.p7s --signer ID.",
        ),
        _ => Failure::new(Exit::Refused, what, "Ask for file and signature again; nothing was written."),
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    verified: bool,
    signer: String,
    authority: String,
    #[serde(flatten)]
    times: Times,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_to: Option<PathBuf>,
}

impl Shown {
    fn new(judged: &Judged, out: Option<&Path>) -> Self {
        Self {
            verified: true,
            signer: judged.person.identifier().to_string(),
            authority: judged.person.authority().to_owned(),
            times: Times::of(judged),
            written_to: out.map(Path::to_owned),
        }
    }
}

impl Report for Shown {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Verified: signed by {}, certified by {}", self.signer, self.authority));
        self.times.page(page);
        if let Some(path) = &self.written_to {
            page.field("written", path.display());
        }
    }
}
