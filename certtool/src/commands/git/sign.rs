//! `certtool git-sign`: what `gpg.x509.program` names. Git speaks to it as to gpgsm, in options and in lines of status.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use der::pem::{LineEnding, encode_string};
use identity::certificate::Certificate;
use identity::trust::Revocation;
use identity::verify::Certified;
use message_syntax::{Signer, begin_detached};

use super::{LABEL, MAX_OBJECT_BYTES, MAX_SIGNATURE_BYTES};
use crate::clock;
use crate::commands::sign::ended;
use crate::commands::verify::judged::Times;
use crate::context::Context;
use crate::credential;
use crate::dating::{self, Dated, Outcome};
use crate::failure::{Exit, Failure};
use crate::subject;
use crate::text;

/// Sign a commit for git, or check one for it, as git asks gpgsm to.
///
/// Git runs it, once certtool install --for git has told it so: git commit -S, git verify-commit and git log
/// --show-signature then work with your certificate. What is signed comes on standard input, and the signature goes to
/// standard output in PEM.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool install --for git\n  \
    git config gpg.x509.program ~/bin/certtool-git-sign\n  \
    certtool git-sign --status-fd 2 -bsau alice@example.org < commit > signature")]
pub(crate) struct GitSign {
    /// Where lines of status go: 1, standard output, or 2, standard error
    #[arg(long, value_name = "NUMBER", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=2))]
    status_fd: u8,
    /// The signature for itself: there is no other
    #[arg(short = 'b')]
    detached: bool,
    /// Sign: what is done without --verify
    #[arg(short = 's')]
    sign: bool,
    /// In PEM: always
    #[arg(short = 'a')]
    armored: bool,
    /// Who signs: an address you enrolled (also "Alice <alice@example.org>"), or a certificate in PEM or DER
    #[arg(short = 'u', value_name = "FILE|ID")]
    by: Option<String>,
    /// The key of that certificate, if it is none of this device's: PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Whether the signature is dated now [default: as the profile says, else if-possible]
    #[arg(long, value_name = "WHETHER", value_enum)]
    dated: Option<Dated>,
    /// Check the signature in this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["detached", "sign", "armored", "by", "dated"])]
    verify: Option<PathBuf>,
    /// What was signed comes on standard input: always
    #[arg(value_name = "-")]
    input: Option<String>,
}

impl GitSign {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut content = Vec::new();
        io::stdin().lock().take(MAX_OBJECT_BYTES + 1).read_to_end(&mut content).map_err(Failure::system)?;
        if content.len() as u64 > MAX_OBJECT_BYTES {
            return Err(Failure::failed(
                format!("what is to be signed is larger than {} MiB, which no commit is", MAX_OBJECT_BYTES >> 20),
                "Sign files with certtool sign.",
            ));
        }
        match &self.verify {
            Some(path) => self.check(context, path, &content),
            None => self.sign(context, &content).await.inspect_err(|failure| {
                at_terminal(&format!("certtool: {}.\n{}\n", failure.what, failure.remedy));
            }),
        }
    }

    async fn sign(&self, context: &Context, content: &[u8]) -> Result<Exit, Failure> {
        let by = self.by.as_deref().map(address);
        let credential = credential::private(context, by, self.key.as_deref())?;
        let chain: Vec<&[u8]> = credential.chain.iter().map(AsRef::as_ref).collect();
        let by_key = |message: &[u8]| credential.key.sign(message);
        let time = Duration::from_secs(clock::now().as_secs());
        let signer = Signer { chain: &chain, algorithm: credential.key.algorithm(), time, sign: &by_key };
        let failed = |error: String| Failure::failed(format!("the commit was not signed: {error}"), "Try again.");
        let signed = begin_detached(&mut &content[..], &signer).map_err(|error| failed(error.to_string()))?;
        let wanted = self.dated.or(context.dated).unwrap_or_default();
        let outcome = dating::date(context, &credential, signed.value(), wanted).await?;
        let mut message = Vec::new();
        ended(signed, &outcome, &mut message).map_err(|error| failed(error.to_string()))?;
        let pem = encode_string(LABEL, LineEnding::LF, &message).map_err(|error| failed(error.to_string()))?;
        command_line::print(format_args!("{pem}"));
        // Git looks for this line behind the end of another.
        self.status(&format!(
            "BEGIN_SIGNING\n[GNUPG:] SIG_CREATED D - - 00 {} {}",
            time.as_secs(),
            fingerprint(&credential.person)
        ));
        if let Outcome::Undated(Some(reason)) = &outcome {
            aside(&format!(
                "certtool: signed, but not dated: {reason}.\nIt is good until {}, when the certificate ends. To date it, sign \
                 again when the authority can be reached: git commit --amend --no-edit -S",
                text::time(credential.person.not_after())
            ));
        }
        Ok(Exit::Ok)
    }

    fn check(&self, context: &Context, path: &std::path::Path, content: &[u8]) -> Result<Exit, Failure> {
        let pem = subject::read_up_to(path, MAX_SIGNATURE_BYTES, "signature of a commit")?;
        let checked = super::trust(context).and_then(|trust| super::signer(&pem, content, "the signature", &trust));
        let judged = match checked {
            Ok(judged) => judged,
            Err(failure) => {
                self.status("NEWSIG\n[GNUPG:] BADSIG 0000000000000000 nobody who is known");
                return Err(failure);
            }
        };
        let person = &judged.person;
        let fingerprint = fingerprint(person);
        // Git shows a signature as good either way; who wants nothing less asks for `gpg.minTrustLevel=fully`.
        let trust = match person.revocation() {
            Revocation::Unknown => "MARGINAL",
            _ => "FULLY",
        };
        let at = judged.claimed.unwrap_or_else(|| identity::UnixTime::since_unix_epoch(Duration::ZERO));
        self.status(&format!(
            "NEWSIG\n[GNUPG:] GOODSIG {} {}\n[GNUPG:] VALIDSIG {fingerprint} {} {}\n[GNUPG:] TRUST_{trust} 0 x509",
            &fingerprint[fingerprint.len() - 16..],
            person.identifier(),
            text::rfc3339(at).get(..10).unwrap_or_default(),
            at.as_secs(),
        ));
        let (who, by) = (person.identifier(), person.authority());
        let when = Times::of(&judged).in_brief();
        let words = format!("certtool: good signature of {who}, certified by {by}; {when}\n");
        let _ = io::stderr().write_all(crate::output::harmless(&words).as_bytes());
        Ok(Exit::Ok)
    }

    fn status(&self, lines: &str) {
        let lines = format!("[GNUPG:] {lines}\n");
        match self.status_fd {
            1 => command_line::print(format_args!("{lines}")),
            _ => drop(io::stderr().write_all(lines.as_bytes())),
        }
    }
}

/// Something that whoever commits has to see.
fn aside(text: &str) {
    let text = format!("{text}\n");
    let _ = io::stderr().write_all(crate::output::harmless(&text).as_bytes());
    at_terminal(&text);
}

/// Git keeps standard error to itself (2.39 also where nothing was signed): so it is said at the terminal, if there is one.
fn at_terminal(text: &str) {
    if !io::stderr().is_terminal()
        && let Ok(mut terminal) = OpenOptions::new().write(true).open("/dev/tty")
    {
        let _ = terminal.write_all(crate::output::harmless(text).as_bytes());
    }
}

/// Git names somebody as in a mail if it was told no key.
fn address(by: &str) -> &str {
    let inside = by.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    inside.unwrap_or(by)
}

/// SHA-256 of the certificate, by which git shows what has signed.
fn fingerprint(person: &Certified) -> String {
    let certificate = Certificate::parse(person.leaf()).map(|certificate| certificate.fingerprint());
    hex::encode_upper(certificate.unwrap_or_default())
}
