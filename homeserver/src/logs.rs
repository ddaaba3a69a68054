//! The server's logs: the first one, and each that a later version of the trust policy brings (docs/spec/log.md,
//! "Shards"). A log is opened when the newest policy names it, and works until its label key's time is over.
//!
//! ```text
//! log/  keys/log.pem  keys/vrf.key.pem                 the first log, served at /log
//! shards/<name>/{log/, log.pem, vrf.key.pem}           each later one, served at /log/<name>
//! ```
//!
//! With an object store in the settings, what would lie in a folder `log` lies there ([`crate::log_store`]).

mod attempts;
mod open;
mod routes;
pub(crate) mod run_by;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use ca::{Ca, Connected, Shard, Shards};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use identity::UnixTime;
use identity::trust::TrustPolicy;
use log_service::explorer::Siblings;
use tlog_proof::{Cosigner, ObjectKind, SubtreeCosigner, VerifierKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transparency_log::storage::Storage;
use transparency_log::witness::{Observed, Witnessing};
use transparency_log::{Logged, Sequencer, SubmitError, Witness, WitnessKeys};

use crate::error::StartError;
use crate::folder::Folder;
use crate::keys;
use crate::log_store::LogStore;
use crate::neighbours::{Neighbours, follow};
use crate::policies::{Published, Struck};
use crate::settings::Settings;
use attempts::Attempts;
use routes::Routes;

/// Where later logs lie.
pub(crate) const SHARDS: &str = "shards";
/// Where the first log lies.
pub(crate) const FIRST: &str = "log";
pub(crate) const WITNESS: &str = "witness";

pub(crate) use run_by::FILE as RUN_BY;

/// How often the newest policy is looked at. It is in this process's memory: a look costs nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The folders of the logs after the first, below the server's, in order; none is no fault.
///
/// # Errors
/// They cannot be listed.
pub fn later_logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let found = match std::fs::read_dir(folder.join(SHARDS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut folders = Vec::new();
    for entry in found {
        let entry = entry?;
        if entry.path().is_dir() {
            folders.push(Path::new(SHARDS).join(entry.file_name()));
        }
    }
    folders.sort();
    Ok(folders)
}

/// All logs, and what they share.
pub(crate) struct Logs {
    folder: Arc<Folder>,
    settings: Settings,
    neighbours: Neighbours,
    published: Published,
    witness: Witness,
    observed: Vec<Arc<Observed>>,
    ml_dsa_44: VerifierKey,
    clock: ca::config::Clock,
    routes: Routes,
    siblings: Siblings,
    running: Mutex<BTreeMap<String, Sequencer>>,
    /// The connection to the log, if that is elsewhere. Then there is no other.
    elsewhere: Option<Arc<Connected>>,
    store: LogStore,
    stop: CancellationToken,
}

/// Where one log lies, and where it is served.
struct Place {
    name: String,
    folder: PathBuf,
    log_key: String,
    label_key: PathBuf,
    prefix: String,
    is_first: bool,
}

/// A log to open, and the version of the trust policy by which.
struct Named {
    policy: TrustPolicy,
    log: identity::trust::Shard,
    /// The newest version names it no longer: it takes nothing, and nothing in it counts.
    struck: bool,
}

impl Logs {
    /// Opens the witness, and no log yet.
    #[allow(clippy::too_many_arguments, reason = "called once, by the one place that has all of them")]
    pub(crate) fn new(
        folder: Arc<Folder>,
        settings: Settings,
        witness: Cosigner,
        neighbours: Neighbours,
        published: Published,
        clock: ca::config::Clock,
        stop: CancellationToken,
        elsewhere: Option<Arc<Connected>>,
        store: LogStore,
    ) -> Result<Self, StartError> {
        let seed = keys::open_ml_dsa_44(&folder, keys::WITNESS_ML_DSA_44)?;
        let ml_dsa_44 = SubtreeCosigner::new(&settings.witness(), &seed)
            .map_err(|error| StartError::part("witness's name", &error))?;
        let vkey = ml_dsa_44.vkey();
        let known = neighbours.logs(follow::remembered(&folder, &neighbours)?, &settings);
        let keys = WitnessKeys::both(witness, ml_dsa_44);
        let witness = Witness::open(&folder.join(WITNESS), keys, known, seconds(&clock))
            .map_err(|error| StartError::part("witness", &error))?;
        let asked = std::iter::once(Arc::new(witness.clone()) as Arc<dyn Witnessing>).chain(neighbours.witnesses());
        let observed = asked.map(|one| Arc::new(Observed::new(one, seconds(&clock)))).collect();
        let (routes, siblings, running) = (Routes::default(), Siblings::default(), Mutex::default());
        let ml_dsa_44 = vkey;
        Ok(Self {
            folder,
            settings,
            neighbours,
            published,
            witness,
            observed,
            ml_dsa_44,
            clock,
            routes,
            siblings,
            running,
            elsewhere,
            store,
            stop,
        })
    }

    /// What the authority is at a log elsewhere.
    pub(crate) fn elsewhere(&self) -> Option<Arc<Connected>> {
        self.elsewhere.clone()
    }

    /// The newest checkpoints of the logs that lie in an object store.
    pub(crate) async fn checkpoints_elsewhere(&self) -> Result<Vec<Vec<u8>>, StartError> {
        let mut found = Vec::new();
        for log in self.named(&self.published.newest())? {
            let place = self.place(&log.origin)?;
            found.extend(self.store.checkpoint_elsewhere(&place.folder, &place.name).await?);
        }
        Ok(found)
    }

    /// Opens every log that the newest policy names. One whose time has not come, and that cannot be opened yet (a witness
    /// that its quorum demands may not know it), keeps nobody from certifying: it is tried again while the server runs.
    pub(crate) async fn open_all(&self) -> Result<Shards, StartError> {
        let mut all: Option<Shards> = None;
        for named in self.with_struck()? {
            let shard = match self.open(&named).await {
                Err(error) if all.is_some() && named.log.window.takes_from() > (self.clock)() => {
                    self.warn(&named.log, &error);
                    break;
                }
                opened => opened?,
            };
            match &all {
                None => all = Some(Shards::new(shard)),
                Some(all) => all.add(shard).map_err(|error| StartError::part("log", &error))?,
            }
        }
        all.ok_or_else(|| self.unnamed())
    }

    /// The routes of all logs, those to come included: to be served below `/log`.
    pub(crate) fn router(&self) -> Router {
        self.routes.router()
    }

    /// Learns of the neighbours' further logs, until it is told to stop.
    pub(crate) async fn follow_neighbours(self: Arc<Self>) {
        let (folder, neighbours, settings) = (Arc::clone(&self.folder), self.neighbours.clone(), self.settings.clone());
        follow::Follower::new(folder, neighbours, settings, self.witness.clone()).run(self.stop.clone()).await;
    }

    /// Whom a log asks: the witnesses, which are the same for all logs, and a client of each mirror that reads this log's
    /// files.
    fn asked(&self, files: &Arc<dyn Storage>) -> Vec<Arc<Observed>> {
        let mirrors = self.neighbours.mirrors(files).into_iter();
        let mirrors = mirrors.map(|one| Arc::new(Observed::new(one, seconds(&self.clock))));
        self.observed.iter().cloned().chain(mirrors).collect()
    }

    pub(crate) const fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Opens what a newer policy brings, and closes what is over, until told to stop.
    pub(crate) async fn follow(self: Arc<Self>, ca: Arc<Ca>) {
        let mut attempts = Attempts::default();
        while !self.stop.is_cancelled() {
            if let Err(error) = self.look(ca.shards(), &mut attempts).await {
                tracing::warn!(%error, "the logs of the newest trust policy cannot be told");
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&self, shards: &Shards, attempts: &mut Attempts) -> Result<(), StartError> {
        let policy = self.published.newest();
        let known = shards.all();
        for shard in known.iter().filter(|shard| self.is_over(shard.window())) {
            self.close(shard).await;
        }
        let struck = self.published.struck();
        for shard in known.iter().filter(|shard| struck.iter().any(|one| one.log.origin == shard.origin())) {
            shard.strike();
            self.close(shard).await;
        }
        for log in self.named(&policy)? {
            if known.iter().any(|shard| shard.origin() == log.origin) {
                shards.set_window(&log.origin, log.window);
                continue;
            }
            // Logs are added in their order: none before the one that waits.
            if !attempts.is_due(&log.origin, Instant::now()) {
                break;
            }
            let named = Named { policy: policy.clone(), log, struck: false };
            if let Err(error) = self.add(shards, &named).await {
                self.warn(&named.log, &error);
                attempts.failed(&named.log.origin, Instant::now());
                break;
            }
            attempts.succeeded(&named.log.origin);
        }
        Ok(())
    }

    async fn add(&self, shards: &Shards, named: &Named) -> Result<(), StartError> {
        let shard = self.open(named).await?;
        tracing::info!(log = shard.origin(), "another log is open");
        shards.add(shard).map_err(|error| StartError::part("log", &error))
    }

    /// Loud, for nobody else will say it: without that log nothing is certified from its time on.
    fn warn(&self, named: &identity::trust::Shard, error: &StartError) {
        let (log, begins) = (&named.origin, named.window.takes_from().as_secs());
        let remedy = error.remedy();
        if begins > (self.clock)().as_secs() {
            tracing::warn!(log, begins, %error, remedy, "a log that is to begin cannot be opened yet; it is tried again");
        } else {
            tracing::error!(log, begins, %error, remedy, "the log whose time it is cannot be opened; it is tried again");
        }
    }

    fn is_over(&self, window: identity::trust::LogWindow) -> bool {
        window.retires().is_some_and(|at| at <= (self.clock)())
    }

    /// A closed log whose labels nobody needs any more is signed for the last time; what it holds is served on.
    async fn close(&self, shard: &Shard) {
        let running = self.running().remove(shard.origin());
        if let Some(sequencer) = running {
            sequencer.stop().await;
            tracing::info!(log = shard.origin(), "a closed log is signed no more");
        }
    }

    /// The logs of this server's authority, the oldest first. A policy that names none of them leaves everything as it was.
    fn named(&self, policy: &TrustPolicy) -> Result<Vec<identity::trust::Shard>, StartError> {
        let authority = policy.authorities.first().ok_or_else(|| self.unnamed())?;
        let shards = policy.shards(authority).map_err(|error| StartError::part("trust policy", &error))?;
        if shards.iter().any(|shard| self.settings.is_own_log(&shard.origin)) {
            Ok(shards)
        } else {
            Err(self.unnamed())
        }
    }

    /// The same by the newest policy, and the logs that it has struck: their label keys are still to be destroyed, and what
    /// they hold is evidence.
    fn with_struck(&self) -> Result<Vec<Named>, StartError> {
        let newest = self.published.newest();
        let struck =
            self.published.struck().into_iter().map(|Struck { log, policy }| Named { policy, log, struck: true });
        let named = self.named(&newest)?.into_iter();
        let named = named.map(|log| Named { policy: newest.clone(), log, struck: false });
        let mut all: Vec<_> = struck.filter(|one| self.settings.is_own_log(&one.log.origin)).chain(named).collect();
        all.sort_by_key(|one| one.log.window.opens);
        Ok(all)
    }

    fn unnamed(&self) -> StartError {
        StartError::Damaged {
            what: "the trust policy".into(),
            reason: format!("expected {} or a later log of it, found others", self.settings.origin()),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Sequencer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes what waits in every log.
    pub(crate) async fn finish(&self) {
        let running = std::mem::take(&mut *self.running());
        for (_, sequencer) in running {
            sequencer.stop().await;
        }
    }
}

/// The log that takes what is made just now.
pub(crate) struct Current {
    pub(crate) shards: Shards,
    pub(crate) clock: ca::config::Clock,
}

impl ca::Log for Current {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        let shard = self.shards.at((self.clock)());
        async move { shard.log().submit(entry).await }.boxed()
    }

    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        let shard = self.shards.at((self.clock)());
        async move { shard.log().put_object(kind, bytes).await }.boxed()
    }
}

/// A log that takes nothing any more.
struct Closed;

impl ca::Log for Closed {
    fn submit(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        async { Err(SubmitError::Stopped) }.boxed()
    }

    fn put_object(&self, _: ObjectKind, _: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        async { Err(SubmitError::Stopped) }.boxed()
    }
}

/// The clock as logs and witnesses want it.
pub(crate) fn seconds(clock: &ca::config::Clock) -> transparency_log::Clock {
    let clock = Arc::clone(clock);
    Arc::new(move || UnixTime::as_secs(&clock()))
}

#[cfg(test)]
mod tests;
