//! What the running directory trusts: the newest published policy, and the newest revocation list. Whoever was revoked, or
//! certified by an authority that a new version leaves out, is cut off.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use ca::Ca;
use directory::Directory;
use identity::UnixTime;
use identity::trust::Trust;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::foreign::Foreigners;
use crate::policies::Published;

/// Pause between looks. Both are in this process's memory: a look costs nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Hands the directory what changes.
pub(crate) struct Following {
    pub(crate) directory: Arc<Directory>,
    pub(crate) ca: Arc<Ca>,
    pub(crate) published: Published,
    /// What the directory trusts at the moment.
    pub(crate) trust: Arc<Trust>,
    /// The number of the policy version in it.
    pub(crate) number: u64,
    /// Other home servers' policies, and which revision of them is in it.
    pub(crate) foreigners: Foreigners,
    pub(crate) revision: u64,
}

impl Following {
    /// Until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut known, mut fetching) = (Vec::new(), None);
        loop {
            if self.follow_policy() {
                known.clear();
            }
            self.follow_revocations(&mut known);
            self.follow_foreign_revocations(&mut fetching);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Whether another policy counts from now on; the revocation list has to be installed beside it.
    fn follow_policy(&mut self) -> bool {
        let newest = self.published.newest();
        let revision = self.foreigners.revision();
        if (newest.number, revision) == (self.number, self.revision) {
            return false;
        }
        (self.number, self.revision) = (newest.number, revision);
        let trust = match self.foreigners.trust(newest) {
            Ok(trust) => Arc::new(trust),
            Err(error) => {
                tracing::warn!(%error, "the directory cannot trust by the newest policy");
                return false;
            }
        };
        // Before anybody is judged by it: a revoked certificate must not slip in between.
        for list in self.ca.people_crls_der() {
            install(&trust, &list);
        }
        if let Err(error) = self.directory.trust(Arc::clone(&trust)) {
            tracing::warn!(%error, "the directory cannot trust by the newest policy");
            return false;
        }
        tracing::info!(number = self.number, "the directory trusts by a new version of the trust policy");
        self.trust = trust;
        true
    }

    /// Of other home servers' people who were seen here, in a task of its own: their servers may take their time.
    fn follow_foreign_revocations(&self, fetching: &mut Option<JoinHandle<()>>) {
        if fetching.as_ref().is_some_and(|fetching| !fetching.is_finished()) {
            return;
        }
        let (foreigners, trust, directory) = (self.foreigners.clone(), self.trust.clone(), self.directory.clone());
        *fetching = Some(tokio::spawn(async move {
            foreigners.refresh_lists(&trust, || directory.revocations_changed()).await;
        }));
    }

    /// Lists are compared by where they lie in memory: a new one lies elsewhere, and `known` holds the old ones there.
    fn follow_revocations(&self, known: &mut Vec<Bytes>) {
        let newest = self.ca.people_crls_der();
        let is_known = |list: &Bytes| known.iter().any(|old| old.as_ptr() == list.as_ptr());
        let mut changed = false;
        let mut take = |list: &Bytes| is_known(list) || install(&self.trust, list).then(|| changed = true).is_some();
        let taken = newest.into_iter().filter(&mut take).collect();
        if changed {
            self.directory.revocations_changed();
        }
        *known = taken;
    }
}

fn install(trust: &Trust, list: &[u8]) -> bool {
    let installed = trust.install_crl(list, UnixTime::now());
    if let Err(error) = &installed {
        tracing::warn!(%error, "the directory cannot use the newest revocation list");
    }
    installed.is_ok()
}
