//! What runs in the background: half-done certificates are taken up again, what expired is forgotten, revocation lists
//! are renewed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tlog_proof::ObjectKind;
use tokio_util::sync::CancellationToken;

use crate::crl::Crls;
use crate::issue::Issuer;
use crate::store::{Authority, Change, Select, StoreError};

/// Pause between looks for certificates that nobody drives: their plan was persisted, and the answer of the store was
/// lost.
const SWEEP: Duration = Duration::from_secs(60);
/// The same, where another front end may have ended in the middle of its work while people wait for it.
const SWEEP_AMONG_SEVERAL: Duration = Duration::from_secs(5);
/// Half-done certificates taken up at a time.
const TAKE: u32 = 256;
/// Pause between renewals of the revocation lists, and between house cleanings.
const HOURLY: Duration = Duration::from_secs(3600);
/// After the start, before the head of the audit trail is logged.
const SETTLE: Duration = Duration::from_secs(600);
/// After a revocation list could not be renewed.
const SOON: Duration = Duration::from_secs(60);
/// Orders and authorizations are forgotten so long after they expired.
pub(crate) const KEEP: Duration = Duration::from_secs(30 * 86_400);

/// Openings nobody needs any more: their certificates ended 90 days ago, and every watch had all that time.
pub(crate) const ERASE: Duration = Duration::from_secs(90 * 86_400);

/// Pause between looks for revocation lists that other front ends have made.
const FOLLOW: Duration = Duration::from_secs(1);

/// Takes up what a crash left half done, here or in another front end, until stopped.
pub(crate) async fn sweep(issuer: Arc<Issuer>, stop: CancellationToken) {
    let pause = if issuer.shared.is_some() { SWEEP_AMONG_SEVERAL } else { SWEEP };
    loop {
        match issuer.store.certificates(Select::Unfinished { limit: TAKE }).await {
            Ok(found) => {
                for record in found {
                    issuer.resume(record.serial);
                }
            }
            Err(error) => tracing::warn!(%error, "could not look for half-done certificates"),
        }
        if let Some(shared) = &issuer.shared
            && let Err(error) = shared.forget(issuer.now().as_secs()).await
        {
            tracing::warn!(%error, "could not forget what the front ends share no more");
        }
        if rest(pause, &stop).await {
            return;
        }
    }
}

/// Shows revocation lists that other front ends make, until stopped.
pub(crate) async fn follow_lists(crls: Arc<Crls>, stop: CancellationToken) {
    let mut failing = false;
    while !rest(FOLLOW, &stop).await {
        let result = crls.refresh().await;
        if let (Err(error), false) = (&result, failing) {
            tracing::warn!(%error, "could not look for the other front ends' revocation lists");
        }
        failing = result.is_err();
    }
}

/// Renews both revocation lists every hour, and at once where one lacks what was revoked.
pub(crate) async fn renew_crls(crls: Arc<Crls>, stop: CancellationToken) {
    loop {
        let mut failed = false;
        for authority in [Authority::People, Authority::Services] {
            if let Err(error) = crls.renew_if_old(authority).await {
                tracing::warn!(%error, authority = authority.name(), "could not renew a revocation list");
                failed = true;
            }
        }
        // A list that a revocation renewed in between is due later than the others.
        let pause = if failed { SOON } else { crls.due_in().max(Duration::from_secs(1)) };
        tokio::select! {
            stopped = rest(pause, &stop) => if stopped { return },
            () = crls.behind.notified() => {}
        }
    }
}

/// Puts the head of the audit trail into the log every hour, if there is anything new in it.
pub(crate) async fn log_heads(issuer: Arc<Issuer>, stop: CancellationToken) {
    let mut logged = 0;
    let mut pause = SETTLE;
    while !rest(pause, &stop).await {
        let head = issuer.trail.head();
        pause = HOURLY;
        if head.count > logged {
            let shard = issuer.shard();
            match shard.log().put_object(ObjectKind::AuditHead, head.object(shard.origin())).await {
                Ok(found) => {
                    let of = json!({"count": head.count, "head": hex::encode(head.hash), "index": found.index});
                    issuer.trail.note("head-logged", of);
                    // The record of it is not worth another entry.
                    logged = head.count + 1;
                }
                Err(error) => {
                    tracing::warn!(%error, "the head of the audit trail could not be logged");
                    pause = SOON;
                }
            }
        }
    }
}

/// Forgets what expired long ago.
pub(crate) async fn clean(issuer: Arc<Issuer>, stop: CancellationToken) {
    loop {
        // Of several front ends one does it.
        match issuer.alone_with("clean").await {
            Ok(Some(_turn)) => {
                if let Err(error) = forget(&issuer).await {
                    tracing::warn!(%error, "could not forget what expired");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "could not forget what expired"),
        }
        if rest(HOURLY, &stop).await {
            return;
        }
    }
}

async fn forget(issuer: &Issuer) -> Result<(), StoreError> {
    let now = (issuer.clock)().as_secs();
    let forget = Change::Forget { expired_before: now.saturating_sub(KEEP.as_secs()) };
    let ended_before = now.saturating_sub(ERASE.as_secs());
    let erased = issuer.store.commit(vec![forget, Change::Erase { ended_before, of: None }]).await?;
    if erased > 0 {
        tracing::info!(erased, "openings erased whose time has come");
        issuer.trail.note("erased", json!({"count": erased, "ended-before": ended_before}));
    }
    Ok(())
}

/// Sleeps; `true` if it is time to stop.
async fn rest(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}
