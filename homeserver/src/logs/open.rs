//! Opening one log.

use std::sync::Arc;

use ca::{Connected, LabelKey, Shard};
use identity::trust::TrustPolicy;
use log_service::explorer::Explorer;
use tlog_proof::{LogPolicy, NoteSigner, VerifierKey};
use transparency_log::storage::Storage;
use transparency_log::witness::{Observed, Witnessing};
use transparency_log::{Pace, Sequencer};

use super::{Closed, FIRST, Logs, Named, Place, SHARDS, run_by, seconds};
use crate::error::StartError;
use crate::keys;

impl Logs {
    /// Opens the log that a policy names so: for reading alone, if its time is over or a newer policy has struck it.
    pub(super) async fn open(&self, Named { policy, log: named, struck }: &Named) -> Result<Shard, StartError> {
        let place = self.place(&named.origin)?;
        if let Some(connected) = self.elsewhere.as_ref().filter(|_| named.origin == self.settings.origin()) {
            return self.open_elsewhere(connected, &place, policy, named);
        }
        let time = named.window.judged_at((self.clock)());
        let over = self.is_over(named.window);
        let label_key = label_key(&place, named, over)?;
        if crate::restore::is_frozen(&self.folder, &named.origin)? {
            // Its copy here is old: whoever has seen more would take it for a log that forgets. One elsewhere is gone.
            let log_policy = policy.log_policy_of(&named.origin, time);
            let log_policy = log_policy.map_err(|error| StartError::part("trust policy", &error))?;
            let log = Arc::new(Closed);
            return Ok(Shard::new(&named.origin, log_policy, log, named.window, named.vrf_key.clone(), label_key));
        }
        let key = self.log_key(&place, &named.origin)?;
        let log_policy = self.log_policy(policy, &named.origin, &key.vkey(), time)?;
        let files = self.store.reader(&place.folder, &place.name)?;
        let asked = self.asked(&files);
        // What does not run is not shown: it will be tried again.
        let log: Arc<dyn ca::Log> = if over || *struck {
            Arc::new(Closed)
        } else {
            Arc::new(self.run(&place, key, &log_policy, policy.number, &asked).await?)
        };
        self.show(&place, &named.origin, &log_policy, files, asked);
        let shard = Shard::new(&named.origin, log_policy, log, named.window, named.vrf_key.clone(), label_key);
        if *struck {
            shard.strike();
        }
        Ok(shard)
    }

    /// The log of another operator: what it is submitted is all that is known of it here.
    fn open_elsewhere(
        &self,
        connected: &Connected,
        place: &Place,
        policy: &TrustPolicy,
        named: &identity::trust::Shard,
    ) -> Result<Shard, StartError> {
        let time = named.window.judged_at((self.clock)());
        let log_policy = policy.log_policy_of(&named.origin, time);
        let log_policy = log_policy.map_err(|error| StartError::part("trust policy", &error))?;
        // Its operator may ask the witness in this process.
        log_policy.logs.iter().for_each(|log| self.witness.add_log(log.vkey.clone()));
        let label_key = label_key(place, named, self.is_over(named.window))?;
        let log = Arc::new(connected.log());
        Ok(Shard::new(&named.origin, log_policy, log, named.window, named.vrf_key.clone(), label_key))
    }

    /// A log's name is the end of its origin, and the name of its folder.
    pub(super) fn place(&self, origin: &str) -> Result<Place, StartError> {
        let name = self.settings.shard_name(origin);
        // One that was given up was this authority's once; the first of them has no name.
        let is_mine = *origin == self.settings.origin()
            || self.elsewhere.is_some() && crate::restore::is_frozen(&self.folder, origin)?;
        let is_first = match self.elsewhere {
            Some(_) => is_mine && name.is_none(),
            None => is_mine,
        };
        if is_first {
            return Ok(Place {
                name: self.settings.log_year.to_string(),
                folder: self.folder.join(FIRST),
                log_key: keys::LOG.into(),
                label_key: self.folder.join("keys").join(ca::keys::LABEL_KEY),
                prefix: "/log".into(),
                is_first: true,
            });
        }
        if self.elsewhere.is_some() && !is_mine {
            return Err(StartError::NextElsewhere { found: origin.to_owned() });
        }
        let name = name.ok_or_else(|| StartError::Damaged {
            what: "the trust policy".into(),
            reason: format!("expected a log of this server, found {origin}"),
        })?;
        let folder = self.folder.join(SHARDS).join(name);
        Ok(Place {
            log_key: format!("{SHARDS}/{name}/{}", crate::shards::LOG_KEY),
            label_key: folder.join(ca::keys::LABEL_KEY),
            prefix: format!("/log/{name}"),
            name: name.to_owned(),
            folder: folder.join(FIRST),
            is_first: false,
        })
    }

    fn log_key(&self, place: &Place, origin: &str) -> Result<NoteSigner, StartError> {
        if !place.is_first && !self.folder.join(&place.log_key).exists() {
            return Err(damaged(
                &self.folder.join(&place.log_key),
                "expected the key of a log in the trust policy, found no file",
            ));
        }
        let key = keys::open(&self.folder, &place.log_key)?;
        NoteSigner::new(origin, key).map_err(|error| StartError::part("log's name", &error))
    }

    /// What the log must gather: the quorum of the policy at this time, so that what is certified satisfies whoever has
    /// taken that, and besides it what neighbours give.
    fn log_policy(
        &self,
        policy: &TrustPolicy,
        origin: &str,
        own: &VerifierKey,
        time: identity::UnixTime,
    ) -> Result<LogPolicy, StartError> {
        let named = policy.log_policy_of(origin, time).map_err(|error| StartError::part("trust policy", &error))?;
        if !named.logs.iter().any(|log| log.vkey == *own) {
            let reason = format!("expected the log key {own} in the trust policy, found another");
            return Err(StartError::Damaged { what: format!("the key of the log {origin}"), reason });
        }
        Ok(self.neighbours.known_to(named))
    }

    /// `version` is that of the trust policy whose quorum it is.
    async fn run(
        &self,
        place: &Place,
        key: NoteSigner,
        policy: &LogPolicy,
        version: u64,
        asked: &[Arc<Observed>],
    ) -> Result<Sequencer, StartError> {
        self.witness.add_log(key.vkey());
        run_by::remember(&self.folder, key.vkey().name(), version)?;
        // Nobody needs the second key: certificates cannot carry ML-DSA-44, and a house founded before it had such a key
        // goes on under the policy that people pinned.
        let policy =
            policy.clone().with_witness(&format!("{}/ml-dsa-44", self.settings.witness()), self.ml_dsa_44.clone());
        let witnesses: Vec<_> = asked.iter().map(|one| Arc::clone(one) as Arc<dyn Witnessing>).collect();
        let origin = key.vkey().name().to_owned();
        let pace = Pace::for_witnesses(&witnesses);
        let storage = self.store.writer(&place.folder, &place.name)?;
        let opened = Sequencer::open_on(storage, &origin, pace, key, witnesses, policy).await;
        let sequencer = opened.map_err(|error| StartError::part("log", &error))?;
        self.running().insert(origin, sequencer.clone());
        Ok(sequencer)
    }

    /// Its tiles and its pages.
    fn show(
        &self,
        place: &Place,
        origin: &str,
        policy: &LogPolicy,
        tiles: Arc<dyn Storage>,
        asked: Vec<Arc<Observed>>,
    ) {
        let clock = seconds(&self.clock);
        let explorer = Explorer::new(Arc::clone(&tiles), policy.clone(), &place.prefix, asked, clock);
        self.siblings.add(&place.prefix, origin);
        let explorer = explorer.with_siblings(self.siblings.clone());
        let router = transparency_log::server::router(tiles).merge(explorer.router());
        self.routes.add(&place.prefix, router);
        tokio::spawn(explorer.remember(self.stop.clone()));
    }
}

/// The label key of a log: none if its time is over and it has been destroyed.
pub(super) fn label_key(
    place: &Place,
    named: &identity::trust::Shard,
    over: bool,
) -> Result<Option<LabelKey>, StartError> {
    // What the policy says of it is enough to begin with: a signer that is away keeps nobody from reading.
    let key = LabelKey::open_known(&place.label_key, &named.vrf_key);
    let key = key.map_err(|error| damaged(&place.label_key, &error.to_string()))?;
    match &key {
        None if !over => Err(damaged(&place.label_key, "expected the label key of a log in use, found no file")),
        // Its signer may have begun anew after it destroyed the key, and the word of it may not have got here.
        Some(other) if over && !other.is_here() && *other.public() != named.vrf_key => {
            tracing::warn!(log = named.origin, "a log is over, and where its label key was is another: take it away");
            Ok(None)
        }
        Some(other) if *other.public() != named.vrf_key => {
            Err(damaged(&place.label_key, "expected the label key that the trust policy names, found another"))
        }
        _ => Ok(key),
    }
}

fn damaged(path: &std::path::Path, reason: &str) -> StartError {
    StartError::Damaged { what: path.display().to_string(), reason: reason.to_owned() }
}
