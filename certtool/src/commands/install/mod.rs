//! `certtool install`: a certificate made part of another program.

mod git;
mod gpgsm;
mod nss;
mod report;
mod tool;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use key_store::PassphraseSource;

use crate::commands::export::program::Program as Exported;
use crate::context::Context;
use crate::credential::Named;
use crate::dating::Dated;
use crate::failure::{Exit, Failure};
use crate::handed::{Handed, Leaf};
use crate::subject::{Source, for_earlier};
use git::Git;
use gpgsm::Gpgsm;
use nss::Nss;

/// Have another program use your certificate.
///
/// For git: git commit -S signs with it, and git verify-commit checks by the policies you pinned. A small program is
/// written into the folder of certtool, and git is told of it in its own settings (gpg.format, gpg.x509.program and
/// user.signingkey), yours or, with --local, those of this repository. Nothing is signed without -S, unless you set
/// commit.gpgSign. Each signature is dated by the authority's log if that answers, so that it stays good when the certificate
/// has ended; --dated says otherwise.
///
/// For firefox, thunderbird, chromium and gpgsm: your certificate for mail with its key, its chain and the root of its
/// authority go into the program's own store, together with the keys for mail that you had before, so that old mails stay
/// readable there. It is done by the programs of that store (certutil and pk12util, in Debian libnss3-tools; gpgsm). A
/// second time changes nothing. After a renewal, run it again: --hook of certtool renew does so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool install --for git\n  \
    certtool install --for git alice@example.org --local\n  \
    certtool install --for git --dated required\n  \
    certtool install --for git mail:alice@example.org\n  \
    certtool install --for git mail.pem --key mail.key.pem\n  \
    certtool install --for thunderbird\n  \
    certtool install --for firefox alice@example.org --into default-release\n  \
    certtool install --for chromium\n  \
    certtool install --for gpgsm --new-passphrase file:passphrase")]
pub(crate) struct Install {
    /// Which program
    #[arg(long = "for", value_name = "PROGRAM")]
    program: Program,
    #[command(flatten)]
    named: Named,
    /// For git: in this repository alone
    #[arg(long)]
    local: bool,
    /// For git: whether each signature is dated when it is made [default: as the profile says, else if-possible]
    #[arg(long, value_name = "WHETHER", value_enum)]
    dated: Option<Dated>,
    /// For firefox, thunderbird and chromium: which of the program's own profiles, by its name or folder
    #[arg(long, value_name = "PROFILE", conflicts_with = "database")]
    into: Option<String>,
    /// The same, by the folder of the database (cert9.db), which is made if it is missing
    #[arg(long, value_name = "DIR")]
    database: Option<PathBuf>,
    /// Where the passphrase of that database comes from, if it has one (in Firefox the primary password): ask, file:PATH,
    /// fd:NUMBER or credential:NAME (systemd) [default: ask]
    #[arg(long, value_name = "SOURCE")]
    database_passphrase: Option<PassphraseSource>,
    /// For gpgsm: the folder of GnuPG [default: $GNUPGHOME, else ~/.gnupg]
    #[arg(long, value_name = "DIR")]
    gnupghome: Option<PathBuf>,
    /// For gpgsm: where the passphrase comes from under which GnuPG is to keep the key: ask, file:PATH, fd:NUMBER or
    /// credential:NAME (systemd) [default: ask]
    #[arg(long, value_name = "SOURCE")]
    new_passphrase: Option<PassphraseSource>,
}

/// What can be told of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// Signed commits and tags
    Git,
    /// Log-ins to web sites
    Firefox,
    /// Signed and encrypted mails
    Thunderbird,
    /// Log-ins to web sites, in Chromium and Chrome on Linux
    Chromium,
    /// GnuPG's program for X.509, and the mail programs that use it
    Gpgsm,
}

impl Install {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.fits()?;
        let exported = match self.program {
            Program::Git => return Git { named: self.named, local: self.local, dated: self.dated }.run(context),
            Program::Firefox => Exported::Firefox,
            Program::Thunderbird => Exported::Thunderbird,
            Program::Chromium => Exported::Chromium,
            Program::Gpgsm => Exported::Gpgsm,
        };
        let ask = || PassphraseSource::Ask;
        let given = given(context, self.named, exported)?;
        let report = match self.program {
            Program::Gpgsm => {
                let new_passphrase = self.new_passphrase.unwrap_or_else(ask);
                Gpgsm { home: self.gnupghome, new_passphrase }.install(&given)?
            }
            _ => {
                let passphrase = self.database_passphrase.unwrap_or_else(ask);
                Nss { program: exported, into: self.into, database: self.database, passphrase }
                    .install(context, &given)?
            }
        };
        context.output.report(&report);
        Ok(Exit::Ok)
    }

    /// What was said of one program is not passed over for another.
    fn fits(&self) -> Result<(), Failure> {
        let nss = matches!(self.program, Program::Firefox | Program::Thunderbird | Program::Chromium);
        let said = [
            (self.local, "--local", "git", self.program == Program::Git),
            (self.dated.is_some(), "--dated", "git", self.program == Program::Git),
            (self.into.is_some(), "--into", "firefox, thunderbird or chromium", nss),
            (self.database.is_some(), "--database", "firefox, thunderbird or chromium", nss),
            (self.database_passphrase.is_some(), "--database-passphrase", "firefox, thunderbird or chromium", nss),
            (self.gnupghome.is_some(), "--gnupghome", "gpgsm", self.program == Program::Gpgsm),
            (self.new_passphrase.is_some(), "--new-passphrase", "gpgsm", self.program == Program::Gpgsm),
        ];
        match said.into_iter().find(|(said, _, _, fits)| *said && !fits) {
            None => Ok(()),
            Some((_, option, programs, _)) => Err(Failure::failed(
                format!("{option} says nothing for this program"),
                format!("Leave it out, or say --for {programs}."),
            )),
        }
    }
}

/// What is given to a program.
struct Given {
    /// The one that was named, which is the one that holds now if no other was.
    named: Handed,
    /// Those from before.
    earlier: Vec<Handed>,
    /// What of them it does not get, and why.
    notes: Vec<String>,
}

impl Given {
    /// All of them: what holds now comes last, so that it counts as the newest wherever that is asked.
    fn all(&self) -> impl Iterator<Item = &Handed> {
        self.earlier.iter().chain([&self.named])
    }
}

/// The certificate that is meant with its key, and, where that is the one for mail, those from before.
fn given(context: &Context, named: Named, program: Exported) -> Result<Given, Failure> {
    let named = named.preferring_mail(context)?;
    if let Some(earlier) = named.earlier(context)? {
        program.takes_key_of(&earlier.chain)?;
        return Ok(Given { named: Handed::earlier(context, &earlier)?, earlier: Vec::new(), notes: Vec::new() });
    }
    program.takes(named.public(context)?.algorithm)?;
    let credential = named.private(context)?;
    let is_mail = credential.source == Source::Mail;
    let named = Handed::current(credential)?;
    // Said before anything is changed.
    named.key.pkcs8()?;
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    let earlier = if is_mail { context.home.earlier_mailboxes(&named.identifier)? } else { Vec::new() };
    for one in earlier {
        let taken = program.takes_key_of(&one.chain).and_then(|()| {
            let handed = Handed::earlier(context, &one)?;
            handed.key.pkcs8().map(|_| handed)
        });
        let name = Leaf::of(&one.chain).map(|leaf| for_earlier(&one.identifier, &leaf)).unwrap_or_default();
        match taken {
            Ok(handed) => kept.push(handed),
            Err(failure) => notes.push(format!("{name} stays out: {}", failure.what)),
        }
    }
    kept.sort_by_key(|handed| handed.leaf.not_after);
    Ok(Given { named, earlier: kept, notes })
}
