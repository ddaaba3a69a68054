//! A log as a process: the sequencer with its own key, its files for everybody, and a port for the authority that it
//! takes entries from.

mod admission;
mod files;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tlog_proof::{KeyKind, LogPolicy, NoteSigner, VerifierKey};
use tokio_util::sync::CancellationToken;
use transparency_log::client::self_proving_http;
use transparency_log::mirror::RemoteMirror;
use transparency_log::storage::Storage;
use transparency_log::witness::{Observed, RemoteWitness};
use transparency_log::{
    OpenError, Pace, Sequencer, Witness, WitnessKeys, Witnessing, server, submission, system_clock,
};

use crate::error::Failure;
use crate::explorer::Explorer;
use crate::keys;
use crate::running::{announce, bind, bind_for_clients};
use crate::serving::serve;
use crate::settings::{Read, ServeSettings};
use files::Files;

pub use admission::{Admission, Submitter};

/// What lies where in the folder.
const LOG_KEY: &str = "log.pem";
const LOG: &str = "log";
const WITNESS: &str = "witness";

/// The name that the policy of the settings has for the witness in this process.
const OWN: &str = "own";
/// And that of its key against quantum computers, where the settings do not name it.
const OWN_ML_DSA_44: &str = "own-ml-dsa-44";

/// What people and programs are told when it answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The log's verifier key, whose name is its origin.
    pub key: String,
    /// Where checkpoint and tiles are reached on this machine.
    pub url: String,
    /// Where the authority submits, on this machine.
    pub submission: String,
    /// The DNS name of the component that may submit.
    pub authority: String,
    /// Every key of the witness in this process, the one of the policy first; none without such a witness.
    pub witness: Vec<String>,
    /// Log, witnesses and quorum, as a C2SP tlog-policy: what authorities and people must know.
    pub policy: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "This log is ready.\n  address     {}\n  submission  {}", self.url, self.submission)?;
        writeln!(f, "  authority   {}", self.authority)?;
        writeln!(f, "The authority needs the address of the submission, as seen from there, and this policy:\n")?;
        f.write_str(&self.policy)
    }
}

/// The keys of a log, and of the witness beside it.
struct Signers {
    log: NoteSigner,
    witness: Option<WitnessKeys>,
}

impl Signers {
    fn open(read: &Read<ServeSettings>) -> Result<Self, Failure> {
        let settings = &read.settings;
        let folder = read.resolve(&settings.folder);
        let log = NoteSigner::new(&settings.origin, keys::open(&folder.join(LOG_KEY))?)
            .map_err(|error| Failure::usage(format!("origin: {error}"), "give an address without scheme and spaces"))?;
        let witness = settings.own_witness.as_ref().map(|name| keys::open_witness(&folder, name)).transpose()?;
        Ok(Self { log, witness })
    }

    fn witness_keys(&self) -> Vec<VerifierKey> {
        self.witness.as_ref().map(WitnessKeys::vkeys).unwrap_or_default()
    }
}

/// The log's verifier key; its key file is made if there is none.
///
/// # Errors
/// Origin or key file cannot be used.
pub fn key(read: &Read<ServeSettings>) -> Result<VerifierKey, Failure> {
    Ok(Signers::open(read)?.log.vkey())
}

/// The log's policy: the settings' text, with the log's key and that of its own witness before it.
///
/// # Errors
/// Keys cannot be used, or the text is no policy.
pub fn policy(read: &Read<ServeSettings>) -> Result<LogPolicy, Failure> {
    policy_of(read, &Signers::open(read)?)
}

fn policy_of(read: &Read<ServeSettings>, signers: &Signers) -> Result<LogPolicy, Failure> {
    let settings = &read.settings;
    let mut text = format!("log {}", signers.log.vkey());
    if let Some(url) = &settings.url {
        text.push_str(&format!(" {}", url.trim_end_matches('/')));
    }
    if let Some(own) = &signers.witness {
        text.push_str(&format!("\nwitness {OWN} {}", own.vkey()));
    }
    text.push('\n');
    match &settings.policy {
        Some(others) => text.push_str(others.trim_start()),
        None if signers.witness.is_some() => text.push_str(&format!("quorum {OWN}\n")),
        None => {
            let what = "expected policy or own_witness, found neither: nobody would cosign this log";
            return Err(Failure::usage(what, "name witnesses and a quorum, see the sample that --help names"));
        }
    }
    let refused = |reason: String| Failure::usage(format!("policy: {reason}"), "see the sample that --help names");
    let policy = LogPolicy::parse(&text).map_err(|error| refused(error.to_string()))?;
    if policy.logs.len() > 1 {
        return Err(refused("expected no line \"log\": this log's own is added".to_owned()));
    }
    if policy.quorum == tlog_proof::Quorum::None {
        return Err(refused("expected a quorum of at least one witness, found none".to_owned()));
    }
    Ok(policy)
}

/// Whom the log asks for cosignatures: its own witness, and everybody of the policy who has a URL. Mirrors are brought
/// the entries from `files`.
fn witnesses(
    settings: &ServeSettings,
    policy: &LogPolicy,
    own: Option<&Witness>,
    files: &Arc<dyn Storage>,
) -> Result<Vec<Arc<Observed>>, Failure> {
    if let Some(name) = settings
        .mirrors
        .iter()
        .find(|name| !policy.witnesses.iter().any(|witness| witness.name == **name && witness.url.is_some()))
    {
        let what = format!("mirrors: expected names of the policy with a URL, found {name:?}");
        return Err(Failure::usage(what, "see the sample that --help names"));
    }
    let http = self_proving_http();
    let elsewhere = policy.witnesses.iter().filter_map(|witness| {
        let (url, vkey) = (witness.url.as_ref()?, witness.vkey.clone());
        let one: Arc<dyn Witnessing> = if settings.mirrors.contains(&witness.name) {
            Arc::new(RemoteMirror::new(http.clone(), vkey, url, Arc::clone(files)))
        } else {
            Arc::new(RemoteWitness::new(http.clone(), vkey, url))
        };
        Some(one)
    });
    let own = own.map(|witness| Arc::new(witness.clone()) as Arc<dyn Witnessing>);
    Ok(own.into_iter().chain(elsewhere).map(|one| Arc::new(Observed::new(one, system_clock()))).collect())
}

/// Runs a log until `stop` is cancelled.
///
/// # Errors
/// It cannot start.
pub async fn run(path: &Path, json: bool, stop: CancellationToken) -> Result<(), Failure> {
    let read = Read::<ServeSettings>::open(path)?;
    let settings = &read.settings;
    let admission = Arc::new(Admission::open(&read)?);
    let signers = Signers::open(&read)?;
    let policy = policy_of(&read, &signers)?;
    let folder = read.resolve(&settings.folder);
    // Ports first: a start that cannot be reached must change nothing.
    let public = bind(&read, &settings.port, None).await?;
    let closed = bind_for_clients(&read, &settings.submission, Arc::clone(&admission) as _).await?;
    let own_keys = signers.witness_keys();
    let own = signers.witness.map(|keys| {
        Witness::open(&folder.join(WITNESS), keys, vec![signers.log.vkey()], system_clock())
            .map_err(|error| Failure::new(error.to_string(), "stop the other log, or make the folder writable"))
    });
    let own = own.transpose()?;
    let Files { writer, reader: files } = Files::open(&read).await?;
    let observed = witnesses(settings, &policy, own.as_ref(), &files)?;
    let asked: Vec<_> = observed.iter().map(|one| Arc::clone(one) as Arc<dyn Witnessing>).collect();
    let pace = Pace::for_witnesses(&asked);
    let key = signers.log.vkey().to_string();
    let gathered = with_every_key(policy.clone(), &own_keys);
    let opened = Sequencer::open_on(writer, &settings.origin, pace, signers.log, asked, gathered).await;
    let log = opened.map_err(|error| unopened(&error))?;
    let ready = Ready {
        ready: true,
        key,
        url: public.url.clone(),
        submission: closed.url.clone(),
        authority: admission.name().to_owned(),
        witness: own_keys.iter().map(ToString::to_string).collect(),
        policy: policy.to_string(),
    };
    let explorer = Explorer::new(Arc::clone(&files), policy, "", observed, system_clock());
    let pages = server::router(files).merge(explorer.router());
    let entries = submission::router(log.clone(), admission.gate(), settings.waiting_entries);
    let remembering = tokio::spawn(explorer.remember(stop.clone()));
    announce(&ready, json);
    // Who submits is waited for longer than who reads: serve() lets requests under way finish.
    tokio::join!(
        serve(public.listener, public.serving, pages, stop.clone()),
        serve(closed.listener, closed.serving, entries, stop.clone()),
    );
    log.stop().await;
    let _ended = remembering.await;
    Ok(())
}

/// The policy with the own witness's keys that it does not name. People pin the Ed25519 one alone, as certificates carry no
/// other; what the others sign stands on the checkpoint.
fn with_every_key(policy: LogPolicy, own: &[VerifierKey]) -> LogPolicy {
    let others = own.iter().filter(|key| key.kind() == KeyKind::SubtreeV1);
    others.fold(policy, |policy, key| policy.with_witness(OWN_ML_DSA_44, key.clone()))
}

fn unopened(error: &OpenError) -> Failure {
    let remedy = match error {
        OpenError::Folder(_) => "stop the other log, or make the folder writable",
        OpenError::Configuration { .. } => "give the origin and the key that belong together",
        OpenError::Storage { .. } => "look at the disk; nothing has been lost",
        OpenError::Inconsistent { .. } | OpenError::Behind { .. } => {
            "do not run it on an old copy: restore the newest one, or begin a log under another origin"
        }
        OpenError::Unwitnessed { .. } => "start the witnesses, or mend their URLs in the policy",
    };
    Failure::new(error.to_string(), remedy)
}

#[cfg(test)]
mod tests;
