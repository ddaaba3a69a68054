//! `certtool export`: a certificate with its key as other programs take them.

pub(crate) mod bundle;
pub(super) mod gpgsm;
pub(super) mod program;
mod ssh;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use device::{HomeError, NewFile, chain_to_pem};
use identity::Identifier;
use identity::profile::KeyAlgorithm;
use key_store::{Passphrase, PassphraseSource, sealed};
use serde::Serialize;

use crate::context::Context;
use crate::credential::{Named, Public};
use crate::failure::{Exit, Failure};
use crate::handed::{Handed, Leaf};
use crate::output::{Page, Report};
use crate::text;
use program::Program;

/// Write a certificate, with its key, as another program takes it.
///
/// Key, chain and root in the forms that the program really reads (PKCS#12, PEM), under a passphrase of their own; the key
/// never lies in clear. Programs that take no key of a device get your certificate for mail. What a program does not take is said before anything is written. For OpenSSH, which takes no
/// certificates of this kind, it is the public key, once the certificate was verified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool export --for openssl\n  \
    certtool export --for thunderbird alice@example.org\n  \
    certtool export --for openssl mail:alice@example.org\n  \
    certtool export --for thunderbird mail:alice@example.org/5f1c09aa\n  \
    certtool export --for firefox mail.pem --key mail.key.pem --out exported\n  \
    certtool export --for openssl alice@example.org --new-passphrase file:passphrase\n  \
    certtool export --for ssh alice@example.org --out -")]
pub(crate) struct Export {
    /// Which program is to take it
    #[arg(long = "for", value_name = "PROGRAM")]
    program: Program,
    #[command(flatten)]
    named: Named,
    /// The folder to write to, made if it is missing; with --for ssh also -, for standard output
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Where the passphrase of what is written comes from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    #[arg(long, value_name = "SOURCE", default_value = "ask")]
    new_passphrase: PassphraseSource,
}

impl Export {
    pub(crate) fn run(mut self, context: &Context) -> Result<Exit, Failure> {
        let to_stdout = self.out == Path::new("-");
        if to_stdout && self.program != Program::Ssh {
            return Err(Failure::failed(
                "only the public key for ssh goes to standard output",
                "Name a folder: --out FOLDER. Keys are written to files that you alone can read.",
            ));
        }
        if self.program.takes(KeyAlgorithm::Ed25519).is_err() {
            self.named = self.named.preferring_mail(context)?;
        }
        // sshd is to let in whose certificate holds.
        let earlier = self.named.earlier(context)?.filter(|_| self.program != Program::Ssh);
        let handed = match earlier {
            Some(earlier) => {
                self.program.takes_key_of(&earlier.chain)?;
                Handed::earlier(context, &earlier)?
            }
            None => {
                let public = self.named.public(context)?;
                self.program.takes(public.algorithm)?;
                if self.program == Program::Ssh {
                    return self.ssh(context, &public, to_stdout);
                }
                Handed::current(self.named.private(context)?)?
            }
        };
        self.with_key(context, &handed)
    }

    fn with_key(&self, context: &Context, handed: &Handed) -> Result<Exit, Failure> {
        // What a token does not give out is not to be asked a passphrase for.
        handed.key.pkcs8()?;
        let passphrase = new_passphrase(&self.new_passphrase, "what is exported")?;
        let mut files = vec![(".p12", bundle::pkcs12(handed, self.program.protection(), &passphrase)?)];
        if let Some(root) = &handed.root {
            files.push(("-root.pem", chain_to_pem(std::slice::from_ref(root)).into_bytes()));
        }
        if self.program == Program::Openssl {
            files.push((".pem", pem(handed, &passphrase)?.into_bytes()));
        }
        let name = match self.named.earlier(context)? {
            // Beside the one that holds now.
            Some(_) => format!("{}-{}", handed.identifier, handed.leaf.digits()),
            None => handed.identifier.to_string(),
        };
        let base = base(&self.out, &name);
        let written = self.write(&base, files)?;
        context.output.report(&self.exported(&handed.identifier, &handed.leaf, &base, written));
        Ok(Exit::Ok)
    }

    fn ssh(&self, context: &Context, public: &Public, to_stdout: bool) -> Result<Exit, Failure> {
        let line = ssh::line(public).ok_or_else(|| Failure::failed("the key has no form for ssh", ""))?;
        if to_stdout {
            context.output.report(&AuthorizedKey { authorized_key: line });
            return Ok(Exit::Ok);
        }
        let files = vec![(".pub", format!("{line}\n").into_bytes())];
        let base = base(&self.out, public.person.identifier().as_str());
        let written = self.write(&base, files)?;
        let leaf = Leaf::of(&public.chain).ok_or_else(|| Failure::failed("the key has no form for ssh", ""))?;
        context.output.report(&self.exported(public.person.identifier(), &leaf, &base, written));
        Ok(Exit::Ok)
    }

    fn write(&self, base: &Path, files: Vec<(&str, Vec<u8>)>) -> Result<Vec<PathBuf>, Failure> {
        let failed =
            |what: String| Failure::failed(what, "Choose another place: --out FOLDER. What was there is unchanged.");
        let kept = |error: HomeError| Failure::failed(error.to_string(), "Choose another place: --out FOLDER.");
        // All are written before the first is put in its place: a disk that fills leaves what was there.
        let mut held = Vec::new();
        for (end, bytes) in files {
            let mut path = base.as_os_str().to_owned();
            path.push(end);
            let path = PathBuf::from(path);
            if path.is_dir() {
                return Err(failed(format!("{} is a folder", path.display())));
            }
            let mut file = NewFile::create(&path).map_err(|error| failed(error.to_string()))?;
            file.write_all(&bytes).map_err(|error| failed(format!("{} cannot be written: {error}", path.display())))?;
            held.push((path, file));
        }
        held.into_iter().map(|(path, file)| file.keep().map(|()| path).map_err(kept)).collect()
    }

    fn exported(&self, identifier: &Identifier, leaf: &Leaf, base: &Path, files: Vec<PathBuf>) -> Exported {
        Exported {
            exported: true,
            program: self.program.name(),
            identifier: identifier.to_string(),
            key: leaf.key.clone(),
            fingerprint: leaf.fingerprint.clone(),
            not_after: text::rfc3339(leaf.not_after),
            files,
            notes: self.program.notes(leaf.algorithm),
            next: self.program.next(base, identifier.as_str()),
            until: text::time(leaf.not_after),
        }
    }
}

/// The passphrase of what goes to another program.
pub(super) fn new_passphrase(source: &PassphraseSource, what: &str) -> Result<Passphrase, Failure> {
    source.read_new(what).map_err(|error| {
        let remedy =
            "Say where it comes from: --new-passphrase ask, file:PATH, fd:NUMBER or credential:NAME (systemd).";
        Failure::failed(error.to_string(), remedy)
    })
}

/// The path with which the files of an export begin: an address has no slash in it, or it is shown otherwise.
fn base(folder: &Path, name: &str) -> PathBuf {
    folder.join(name.replace('/', "_"))
}

/// The key, sealed, and the chain: one file, as curl and others take it.
fn pem(handed: &Handed, passphrase: &Passphrase) -> Result<String, Failure> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Failure::failed(error.to_string(), "Try again."))?;
    let key = sealed::seal(sealed::PRIVATE_KEY, &handed.key.pkcs8()?, passphrase, random);
    let key = key.map_err(|error| Failure::failed(error.to_string(), "Try again."))?;
    Ok(format!("{key}{}", chain_to_pem(&handed.chain)))
}

#[derive(Debug, Serialize)]
struct Exported {
    exported: bool,
    #[serde(rename = "for")]
    program: &'static str,
    identifier: String,
    key: String,
    fingerprint: String,
    not_after: String,
    files: Vec<PathBuf>,
    notes: Vec<&'static str>,
    next: Vec<String>,
    #[serde(skip)]
    until: String,
}

impl Report for Exported {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Exported for {}: {}", self.program, self.identifier));
        page.field("key", &self.key);
        page.field("until", &self.until);
        for file in &self.files {
            page.field("written", file.display());
        }
        for note in &self.notes {
            page.warning(&format!("  {note}"));
        }
        page.line("Next:");
        for line in &self.next {
            page.line(format!("  {line}"));
        }
    }
}

/// One line of an `authorized_keys` file, for sshd's AuthorizedKeysCommand.
#[derive(Debug, Serialize)]
struct AuthorizedKey {
    authorized_key: String,
}

impl Report for AuthorizedKey {
    fn page(&self, page: &mut Page) {
        page.line(&self.authorized_key);
    }
}
