//! Ceremonies: the root on a machine of its own, issuing keys that follow each other.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ca::keys::{CeremonyError, IssuingRequest, NewKeyPlace, init_root, install_issuing, request_issuing, sign_issuing};
use ca::operator::wish_take_up;
use ca::store::Authority;
use clap::{Args, Subcommand, ValueEnum};
use command_line::{Failure, say};
use identity::UnixTime;
use key_store::PassphraseSource;
use serde_json::Value;

use super::{GLANCE, PATIENCE};

#[derive(Debug, Subcommand)]
pub(crate) enum Root {
    /// Make a root on a machine that is connected to nothing
    #[command(after_help = "Example:\n  \
        ca root init --keys /media/vault --name \"Example\" --passphrase ask\n\n\
        Everything that is done with the key is written to transcript.txt beside it.")]
    Init(Init),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Issuing {
    /// Make a key for the next issuing CA, and a request to the root
    #[command(after_help = "Examples:\n  \
        ca --folder /srv/inperson issuing request people --passphrase credential:ca-keys\n  \
        ca --folder /srv/inperson issuing request people --token \\\n      \
        'pkcs11:token=CA;object=people-2?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/inperson/pin'")]
    Request(Request),
    /// Sign a request, on the root's machine
    #[command(after_help = "Example:\n  \
        ca issuing sign people-2.requested.csr.pem --keys /media/vault --passphrase ask --out people-2.chain.pem\n\n\
        It shows the key's digest, to be compared with what ca issuing request showed, and asks before it signs.")]
    Sign(Sign),
    /// Install what the root has signed; an authority that runs issues with it at once
    #[command(after_help = "Example:\n  \
        ca --folder /srv/inperson issuing install people-2.chain.pem")]
    Install(Install),
}

/// Where keys lie, and what opens them.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The folder of keys [default: keys in the authority's folder]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Where the passphrase comes from: file:PATH, fd:NUMBER, credential:NAME (systemd), ask
    #[arg(long, value_name = "SOURCE")]
    pub(crate) passphrase: Option<PassphraseSource>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    place: Place,
    /// The authority's name, as people will read it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A key in a token in place of a file: an RFC 7512 URI
    #[arg(long, value_name = "URI", conflicts_with = "passphrase")]
    token: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Whose {
    People,
    Services,
}

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// Whose certificates it will issue
    #[arg(value_name = "WHOSE")]
    whose: Whose,
    #[command(flatten)]
    place: Place,
    /// A key in a token in place of a file: an RFC 7512 URI
    #[arg(long, value_name = "URI", conflicts_with = "passphrase")]
    token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The request
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Where to write certificate and root
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// What the root's machine has written
    #[arg(value_name = "CHAIN")]
    chain: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Place {
    pub(crate) fn folder(&self, folder: &Path) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| folder.join("keys"))
    }

    fn new_key(&self, token: Option<&String>, what: &str) -> Result<NewKeyPlace, Failure> {
        match (token, &self.passphrase) {
            (Some(uri), _) => Ok(NewKeyPlace::Token(uri.clone())),
            (None, None) => Ok(NewKeyPlace::File(None)),
            (None, Some(source)) => Ok(NewKeyPlace::File(Some(source.read_new(what).map_err(no_passphrase)?))),
        }
    }
}

pub(crate) fn no_passphrase(error: impl ToString) -> Failure {
    Failure::new(1, error, "--passphrase file:PATH, fd:NUMBER, credential:NAME or ask")
}

pub(crate) fn failed(error: CeremonyError) -> Failure {
    let remedy = match &error {
        CeremonyError::Keys(_) | CeremonyError::Key(_) => {
            "look at the file or the token; --keys and --passphrase say where"
        }
        CeremonyError::Exists(_) => "nothing was changed; move it away if it is not wanted any more",
        CeremonyError::Plan(_) | CeremonyError::Certificate(_) => "another name, or a key on P-256 or P-384",
        CeremonyError::Content { .. } => {
            "compare the digests with those on the other machine, and carry the file over again"
        }
    };
    Failure::new(1, error, remedy)
}

fn show(json: bool, done: &str, facts: &[(&str, String)], next: &str) {
    if json {
        let mut line = serde_json::Map::from_iter([("done".to_owned(), Value::from(done))]);
        line.extend(facts.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.clone()))));
        say!("{}", Value::Object(line));
        return;
    }
    say!("{done}");
    facts.iter().for_each(|(name, value)| say!("  {name}: {value}"));
    say!("{next}");
}

pub(crate) fn root(command: &Root, folder: &Path, json: bool) -> Result<(), Failure> {
    let Root::Init(init) = command;
    let place = init.place.new_key(init.token.as_ref(), "the root's key")?;
    let made = init_root(&init.place.folder(folder), &init.name, &place, UnixTime::now()).map_err(failed)?;
    show(json, "root made", &made.facts, "Write the certificate's digest down; sign requests with: ca issuing sign");
    Ok(())
}

pub(crate) fn issuing(command: &Issuing, folder: &Path, json: bool) -> Result<(), Failure> {
    match command {
        Issuing::Request(request) => run_request(request, folder, json),
        Issuing::Sign(sign) => run_sign(sign, folder, json),
        Issuing::Install(install) => run_install(install, folder, json),
    }
}

fn run_request(request: &Request, folder: &Path, json: bool) -> Result<(), Failure> {
    let authority = match request.whose {
        Whose::People => Authority::People,
        Whose::Services => Authority::Services,
    };
    let place = request.place.new_key(request.token.as_ref(), "the new issuing key")?;
    let asked = request_issuing(&request.place.folder(folder), authority, &place, UnixTime::now()).map_err(failed)?;
    let facts =
        [("for", asked.name.to_string()), ("key, SHA-256", asked.key), ("request", asked.path.display().to_string())];
    show(json, "requested", &facts, "Carry the request to the root's machine: ca issuing sign");
    Ok(())
}

fn run_sign(sign: &Sign, folder: &Path, json: bool) -> Result<(), Failure> {
    let request = IssuingRequest::read(&small_file(&sign.request)?).map_err(failed)?;
    if sign.out.exists() {
        return Err(failed(CeremonyError::Exists(sign.out.clone())));
    }
    if !sign.yes {
        confirm(&format!("Sign a certificate for {} with the key of SHA-256\n  {}\n", request.name(), request.key()))?;
    }
    let keys = sign.place.folder(folder);
    let signed = sign_issuing(&keys, &request, sign.place.passphrase.clone(), UnixTime::now()).map_err(failed)?;
    std::fs::write(&sign.out, &signed.chain)
        .map_err(|error| Failure::new(1, format!("{}: {error}", sign.out.display()), "another file with --out"))?;
    show(json, "signed", &signed.facts, "Carry it back: ca issuing install");
    Ok(())
}

fn run_install(install: &Install, folder: &Path, json: bool) -> Result<(), Failure> {
    let chain = small_file(&install.chain)?;
    let passphrase = install.place.passphrase.as_ref().map(|source| source.read("new keys of this authority"));
    let passphrase = passphrase.transpose().map_err(no_passphrase)?;
    let keys = install.place.folder(folder);
    let installed = install_issuing(&keys, &chain, passphrase.as_ref(), UnixTime::now()).map_err(failed)?;
    let taken = take_up(folder)?;
    let mut facts = vec![("name", installed.name.to_string())];
    facts.extend(installed.facts);
    facts.push(("root, SHA-256", installed.root));
    facts.push(("in use", taken.to_string()));
    let next = if taken {
        "The authority issues with it. List it in the trust policy: homeserver policy draft"
    } else {
        "The authority issues with it from its next start on. List it in the trust policy: homeserver policy draft"
    };
    show(json, "installed", &facts, next);
    Ok(())
}

/// Whether a running authority has taken the new key up.
fn take_up(folder: &Path) -> Result<bool, Failure> {
    if !folder.join("ca.sqlite").is_file() {
        return Ok(false);
    }
    let wish =
        wish_take_up(folder).map_err(|e| Failure::new(1, e, "run this as the account that runs the authority"))?;
    let until = Instant::now() + PATIENCE;
    while !wish.is_taken() && Instant::now() < until {
        std::thread::sleep(GLANCE);
    }
    if wish.is_refused() {
        let what = "installed, but the running authority could not open the key";
        return Err(Failure::new(1, what, "do not restart it before its log's reason is mended"));
    }
    Ok(wish.is_taken())
}

fn small_file(path: &Path) -> Result<String, Failure> {
    let failure = |reason: String| {
        Failure::new(1, format!("{}: {reason}", path.display()), "name the file that was carried over")
    };
    let file = std::fs::File::open(path).map_err(|error| failure(error.to_string()))?;
    let mut text = String::new();
    file.take(64 * 1024).read_to_string(&mut text).map_err(|error| failure(error.to_string()))?;
    Ok(text)
}

fn confirm(question: &str) -> Result<(), Failure> {
    let refused = |what: &str| {
        Failure::new(1, what, "compare the digest with what ca issuing request showed; --yes signs without asking")
    };
    if !io::stdin().is_terminal() {
        return Err(refused("not signed: there is no terminal to ask at"));
    }
    let _ = write!(io::stderr(), "{question}Type yes to sign: ");
    io::stderr().flush().ok();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| refused(&error.to_string()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(refused("not signed")) }
}
