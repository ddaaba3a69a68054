//! Claims are advisory locks of one session: the server ends them with the connection, so that nothing is left of a process
//! that was killed.
//!
//! Where it is not certain that a lock was given back, the session is ended, and all claims of this process with it: what
//! they cost is work that is done for nothing. A lock that nobody knows of would keep all front ends from that work for as
//! long as this process lives.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use deadpool_postgres::{Object, Pool};
use sha2::{Digest as _, Sha256};

use super::{connection, unavailable};
use crate::store::StoreError;
use crate::store::shared::SharedClaim;

type Connection = deadpool_postgres::ClientWrapper;

/// The claims of this process.
pub(super) struct Claims {
    pool: Pool,
    session: tokio::sync::Mutex<Option<Arc<Connection>>>,
    /// A session may take its own locks many times.
    held: Mutex<HashSet<i64>>,
}

impl Claims {
    pub(super) fn new(pool: Pool) -> Arc<Self> {
        Arc::new(Self { pool, session: tokio::sync::Mutex::default(), held: Mutex::default() })
    }

    /// Takes a lock, unless it is taken.
    pub(super) async fn take(self: &Arc<Self>, what: &str) -> Result<Option<SharedClaim>, StoreError> {
        let key = lock_key(what);
        if !self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            return Ok(None);
        }
        let local = Local { claims: Arc::clone(self), key };
        // In a task of its own: who asked may go away before the answer, and the claim is given back then.
        let locking = tokio::spawn(async move {
            let claims = Arc::clone(&local.claims);
            let session = claims.session().await?;
            let locked = asked(&session, "SELECT pg_try_advisory_lock($1)", key).await;
            if locked.is_err() {
                claims.end(&session).await;
            }
            Ok(locked?.then(|| claim(local, Arc::downgrade(&session))))
        });
        locking.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the claim ended: {error}"))))
    }

    /// The session that holds all claims of this process. With one that ended, its claims have.
    async fn session(&self) -> Result<Arc<Connection>, StoreError> {
        let mut session = self.session.lock().await;
        if let Some(open) = session.as_ref().filter(|open| !open.is_closed()) {
            return Ok(Arc::clone(open));
        }
        // Not given back to the pool: whoever got it next would have the claims.
        let open = Arc::new(Object::take(connection(&self.pool).await?));
        *session = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Lets go of a session: its connection is closed when whoever asks something on it just now has ended.
    async fn end(&self, ended: &Arc<Connection>) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|open| Arc::ptr_eq(open, ended)) {
            *session = None;
        }
    }
}

/// A lock that was taken. It does not keep its session open.
fn claim(local: Local, session: Weak<Connection>) -> SharedClaim {
    let here = tokio::runtime::Handle::current();
    let mut local = Some(local);
    SharedClaim::new(move || {
        let (Some(local), Some(session)) = (local.take(), session.upgrade()) else { return };
        // The lock is given back before this process may claim it again.
        here.spawn(async move {
            if let Err(error) = asked(&session, "SELECT pg_advisory_unlock($1)", local.key).await {
                tracing::debug!(%error, "a claim ends with its session, and all others of it");
                local.claims.end(&session).await;
            }
            drop(session);
            drop(local);
        });
    })
}

/// A claim as this process sees it.
struct Local {
    claims: Arc<Claims>,
    key: i64,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.claims.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Advisory locks have numbers; those of one database are one space.
fn lock_key(what: &str) -> i64 {
    let digest = Sha256::new().chain_update(b"inperson-claim-v1\0").chain_update(what).finalize();
    i64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

async fn asked(session: &Connection, sql: &str, key: i64) -> Result<bool, StoreError> {
    let statement = session.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
    let row = session.query_one(&statement, &[&key]).await.map_err(|e| unavailable(&e))?;
    row.try_get(0).map_err(|e| unavailable(&e))
}
