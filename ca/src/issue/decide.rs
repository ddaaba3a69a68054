//! A decision is kept and recorded together, whoever waits for it: a handler's future is dropped as soon as its client
//! hangs up, and must not take the record of what was decided along.

use std::sync::Arc;

use serde_json::Value;

use super::Issuer;
use crate::store::{Change, StoreError};

impl Issuer {
    /// Keeps the changes, and notes in the audit trail what they are.
    pub(crate) async fn decide(
        self: &Arc<Self>,
        changes: Vec<Change>,
        what: &'static str,
        of: Value,
    ) -> Result<(), StoreError> {
        let issuer = Arc::clone(self);
        let decided = async move {
            issuer.store.commit(changes).await?;
            issuer.trail.note(what, of);
            Ok(())
        };
        self.carried_through(decided).await?
    }

    /// Runs to its end, also if who waits for it goes away.
    pub(crate) async fn carried_through<T: Send + 'static>(
        &self,
        deed: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.tasks.spawn(deed).await.map_err(|e| StoreError::Unavailable(format!("it was not carried through: {e}")))
    }
}
