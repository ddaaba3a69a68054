//! Firefox, Thunderbird and Chromium, which keep certificates in databases of NSS.

mod database;
mod places;

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use key_store::PassphraseSource;

use super::Given;
use super::report::Installed;
use crate::commands::export::program::Program;
use crate::context::Context;
use crate::conversation::asked;
use crate::failure::Failure;
use database::Database;
use places::Place;

/// What the root is trusted for, in the three columns of NSS (TLS, mail, code).
///
/// `T`: it certifies clients of TLS. By it the program's own view of the certificate says that it is good for log-ins; sending
/// it to a server takes no trust. `C` in the second column: it certifies senders and receivers of mails, by which Thunderbird
/// judges signatures of others, and whether hers can be sent. Never `C` in the first, with which it would vouch for web sites,
/// and nothing in the third: an authority for people has no business with either, and whoever takes it over would get them.
#[derive(Debug, Clone, Copy)]
struct Trusted {
    columns: [&'static str; 3],
    words: &'static str,
}

const LOG_INS: Trusted =
    Trusted { columns: ["T", "", ""], words: "certificates of people who log in, never for web sites" };
const MAILS: Trusted = Trusted { columns: ["T", "C", ""], words: "mails and log-ins of people, never for web sites" };

/// Where it goes.
pub(super) struct Nss {
    pub(super) program: Program,
    /// The program's profile, by name or folder.
    pub(super) into: Option<String>,
    /// The folder of the database itself.
    pub(super) database: Option<PathBuf>,
    pub(super) passphrase: PassphraseSource,
}

impl Nss {
    pub(super) fn install(self, context: &Context, given: &Given) -> Result<Installed, Failure> {
        let name = self.program.name();
        let folder = match &self.database {
            Some(folder) => std::path::absolute(folder).map_err(Failure::system)?,
            None => self.chosen(context)?.folder,
        };
        let database = Database::open(name, &folder, &self.passphrase)?;
        let trusted = if self.program == Program::Thunderbird { MAILS } else { LOG_INS };
        let held = database.held()?;
        // First the root: it gets a name that says what it is, before a file with the chain names it after its subject.
        let mut root = None;
        if let Some(der) = &given.named.root {
            let fingerprint = hex::encode(digest(&SHA256, der));
            root = Some((database.trust(&held, der, &fingerprint, trusted)?, fingerprint));
        }
        let mut is_new = Vec::new();
        for handed in given.all() {
            is_new.push(database.take(&held, handed)?);
        }
        let installed = Installed::of(name, &folder, given, &is_new);
        let installed = match root {
            Some((new, fingerprint)) => installed.with_root(fingerprint, trusted.words, new),
            None => installed,
        };
        Ok(installed.noting(self.note()).then(self.next()))
    }

    /// What to know of a program that may run.
    fn note(&self) -> Option<String> {
        let running = self.program == Program::Chromium && places::chromium_runs();
        running.then(|| "Chromium is running: it takes the certificate when it is started again.".to_owned())
    }

    fn next(&self) -> Vec<String> {
        let next = match self.program {
            Program::Thunderbird => {
                "In Thunderbird: Account Settings, End-To-End Encryption, S/MIME, Select: the certificate is in the list."
            }
            _ => "Open a site that asks for a certificate: it is in the list.",
        };
        vec![next.to_owned()]
    }

    /// The profile that was named, or the only one, or the one that the person chooses.
    fn chosen(&self, context: &Context) -> Result<Place, Failure> {
        let name = self.program.name();
        let mut places = places::of(self.program)?;
        if let Some(into) = &self.into {
            let fitting = places.iter().filter(|place| place.is_called(into)).cloned().collect::<Vec<_>>();
            return match <[Place; 1]>::try_from(fitting) {
                Ok([place]) => Ok(place),
                Err(none) if none.is_empty() => Err(which(format!("{name} has no profile {into} here"), &places)),
                Err(several) => Err(which(format!("{name} has more than one profile {into} here"), &several)),
            };
        }
        match (places.len(), places.pop()) {
            (0, _) | (_, None) => Err(Failure::failed(
                format!("no profile of {name} is here"),
                format!("Start {name} once, which makes one; or name the folder of its database: --database DIR."),
            )),
            (1, Some(only)) => Ok(only),
            (_, Some(last)) => {
                places.push(last);
                if context.output.json() || !stdin().is_terminal() {
                    return Err(which(format!("{name} has more than one profile here"), &places));
                }
                choose(name, places)
            }
        }
    }
}

/// Asks at the terminal.
fn choose(name: &str, places: Vec<Place>) -> Result<Place, Failure> {
    let lines = places.iter().zip(1..).map(|(place, number)| format!("  {number}  {place}\n"));
    let question =
        format!("{name} has several profiles:\n{}Into which one? [1-{}] ", lines.collect::<String>(), places.len());
    let said = asked(&question).and_then(|said| said.parse::<usize>().ok());
    let place = said.and_then(|number| number.checked_sub(1)).and_then(|at| places.get(at));
    place.cloned().ok_or_else(|| which("none of the profiles was chosen".to_owned(), &places))
}

fn which(what: String, places: &[Place]) -> Failure {
    let places: Vec<_> = places.iter().map(ToString::to_string).collect();
    Failure::failed(
        what,
        format!("Say which one by its name or folder: --into PROFILE. There are: {}.", places.join(", ")),
    )
}
