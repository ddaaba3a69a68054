//! The log that the authority submits to: in this process, or elsewhere. The witness is here in any case: neighbours ask
//! it, and a log elsewhere may.

use std::sync::Arc;

use ca::{Component, Connected, Log};
use identity::UnixTime;
use log_service::explorer::Explorer;
use tlog_proof::{LogPolicy, SubtreeCosigner, VerifierKey, WitnessKey};
use transparency_log::storage::{FolderStorage, Storage};
use transparency_log::witness::{Observed, Witnessing};
use transparency_log::{LogConfig, Pace, Sequencer, Witness, WitnessKeys};

use crate::error::StartError;
use crate::folder::Folder;
use crate::genesis::Signers;
use crate::keys;
use crate::neighbours::Neighbours;
use crate::server::{KEYS, LOG, WITNESS};
use crate::settings::Settings;

/// The log of one home server.
pub(crate) enum HouseLog {
    /// In this process.
    Here {
        /// The log.
        log: Sequencer,
        /// Where its files are.
        tiles: Arc<dyn Storage>,
        /// How its witnesses answer.
        observed: Vec<Arc<Observed>>,
    },
    /// Run by somebody else, or by a process of its own.
    Elsewhere(Arc<Connected>),
}

impl HouseLog {
    /// Where the authority submits.
    pub(crate) fn handle(&self) -> Arc<dyn Log> {
        match self {
            Self::Here { log, .. } => Arc::new(log.clone()),
            Self::Elsewhere(connected) => Arc::new(connected.log()),
        }
    }

    /// What the authority is at a log elsewhere.
    pub(crate) fn elsewhere(&self) -> Option<Arc<Connected>> {
        match self {
            Self::Here { .. } => None,
            Self::Elsewhere(connected) => Some(Arc::clone(connected)),
        }
    }

    /// The log's own pages and files, if they are here.
    pub(crate) fn pages(&self, policy: &LogPolicy) -> Option<(Explorer, Arc<dyn Storage>)> {
        let Self::Here { tiles, observed, .. } = self else { return None };
        let clock = transparency_log::system_clock();
        let explorer = Explorer::new(Arc::clone(tiles), policy.clone(), "/log", observed.clone(), clock);
        Some((explorer, Arc::clone(tiles)))
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        if let Self::Here { log, .. } = self {
            log.stop().await;
        }
    }
}

/// Opens the log, or connects to it, and opens the witness.
pub(crate) async fn open(
    folder: &Folder,
    settings: &Settings,
    signers: Signers,
    policy: &LogPolicy,
    neighbours: &Neighbours,
    now: UnixTime,
) -> Result<(HouseLog, Witness), StartError> {
    let Signers { log, witness } = signers;
    let seed = keys::open_ml_dsa_44(folder, keys::WITNESS_ML_DSA_44)?;
    let ml_dsa_44 =
        SubtreeCosigner::new(&settings.witness(), &seed).map_err(|error| StartError::part("witness's name", &error))?;
    let ml_dsa_44_key = ml_dsa_44.vkey();
    let witness = WitnessKeys::both(witness, ml_dsa_44);
    let own: Vec<_> = match &log {
        Some(log) => vec![log.vkey()],
        None => policy.logs.iter().map(|log| log.vkey.clone()).collect(),
    };
    let logs = own.into_iter().chain(neighbours.logs()).collect();
    let witness = Witness::open(&folder.join(WITNESS), witness, logs, transparency_log::system_clock())
        .map_err(|error| StartError::part("witness", &error))?;
    let (Some(log), None) = (log, &settings.log_elsewhere) else {
        return Ok((HouseLog::Elsewhere(Arc::new(connect(folder, settings, policy, now)?)), witness));
    };
    let policy = with_witness(policy, &settings.witness(), ml_dsa_44_key);
    let remote = neighbours.witnesses();
    let asked = std::iter::once(Arc::new(witness.clone()) as Arc<dyn Witnessing>).chain(remote);
    let observed: Vec<_> = asked.map(|one| Arc::new(Observed::new(one, transparency_log::system_clock()))).collect();
    let witnesses: Vec<_> = observed.iter().map(|one| Arc::clone(one) as Arc<dyn Witnessing>).collect();
    let batch_interval = Pace::for_witnesses(&witnesses).batch_interval;
    let config = LogConfig { folder: folder.join(LOG), origin: settings.origin(), batch_interval };
    let log = Sequencer::open(config, log, witnesses, policy).await.map_err(|error| StartError::part("log", &error))?;
    let tiles = Arc::new(FolderStorage::open(&folder.join(LOG)));
    Ok((HouseLog::Here { log, tiles, observed }, witness))
}

/// The key by which this authority's component is known to a log elsewhere; made at the first call.
pub(crate) fn component(folder: &Folder, settings: &Settings) -> Result<Component, StartError> {
    Component::open(&folder.join(KEYS), &settings.domain).map_err(|error| StartError::part("component", &error))
}

fn connect(folder: &Folder, settings: &Settings, policy: &LogPolicy, now: UnixTime) -> Result<Connected, StartError> {
    let submission = settings.log_elsewhere.as_ref().map(|log| log.submission.as_str()).unwrap_or_default();
    let connected = component(folder, settings)?.connect(submission, &settings.origin(), policy.clone(), now);
    connected.map_err(|error| StartError::part("component", &error))
}

/// The policy with one more key whose cosignatures stand on the checkpoint. Nobody needs them: certificates cannot
/// carry ML-DSA-44, and a house founded before it had such a key goes on under the policy that people pinned.
fn with_witness(policy: &LogPolicy, name: &str, vkey: VerifierKey) -> LogPolicy {
    let mut policy = policy.clone();
    if !policy.witnesses.iter().any(|known| known.vkey == vkey) {
        policy.witnesses.push(WitnessKey { name: format!("{name}/ml-dsa-44"), vkey, url: None });
    }
    policy
}
