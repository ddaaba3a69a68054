//! A renewed certificate is shown to the directory on another connection, which is complete before the old one is closed:
//! nobody sees this device go.

use std::net::SocketAddr;
use std::time::Duration;

use directory_protocol::DirectoryEvent;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::reach::Reached;
use super::{ATTEMPT, FOLLOWING, Link, Standing, jittered};
use crate::core::Ask;
use crate::driver::Happening;

/// The pause before another attempt. The older certificate serves until it ends, and then any connection shows the newer one.
pub(super) const AGAIN: Duration = Duration::from_secs(300);

/// A connection that is being made beside the one that stands.
pub(super) type Renewing = AbortOnDropHandle<Result<(Vec<SocketAddr>, Reached), String>>;

/// What came of it, as soon as that is known; never, if there is none.
pub(super) async fn reached(renewing: &mut Option<Renewing>) -> Result<(Vec<SocketAddr>, Reached), String> {
    let Some(task) = renewing else { return std::future::pending().await };
    let result = task.await;
    *renewing = None;
    result.unwrap_or_else(|error| Err(error.to_string()))
}

impl Link {
    /// Begins to make another connection, after about this pause.
    pub(super) fn reach_again(&self, pause: Duration) -> Renewing {
        let route = self.route.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(jittered(pause)).await;
            let late = |_| "the directory did not answer in time".to_owned();
            tokio::time::timeout(ATTEMPT, route.reach_any()).await.map_err(late)?
        }))
    }

    /// Puts the new connection in the place of the one that stands, which is closed; what it had still to say is heard, but
    /// for calls that ring: they ring again on the new one.
    ///
    /// # Errors
    /// The new connection came to nothing, and the old one stands.
    pub(super) async fn replace(
        &mut self,
        standing: &mut Standing,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
        reached: Result<(Vec<SocketAddr>, Reached), String>,
    ) -> Result<(), ()> {
        let told = |reason: String| tracing::debug!(reason, "the directory is not shown the newer certificate yet");
        let (addresses, reached) = reached.map_err(told)?;
        // How she wants to be present may have changed meanwhile. Calls that begin are left for the connection that stays.
        let mut begin = Vec::new();
        while let Ok(ask) = asks.try_recv() {
            match ask {
                Ask::Invite { .. } => begin.push(ask),
                Ask::Cancel { call } if begin.iter().any(|ask| ask.invited() == Some(call)) => {
                    begin.retain(|ask| ask.invited() != Some(call));
                }
                ask => self.ask(standing, ask),
            }
        }
        let stand = tokio::time::timeout(FOLLOWING, self.stand(addresses, reached)).await;
        let stand = stand.unwrap_or_else(|_| Err("the directory did not answer in time".to_owned())).map_err(told);
        let older = stand.map(|newer| std::mem::replace(standing, newer));
        begin.into_iter().for_each(|ask| self.ask(standing, ask));
        let mut older = older?;
        while let Ok(event) = older.events.try_recv() {
            if !matches!(event, DirectoryEvent::Closed { .. } | DirectoryEvent::Incoming { .. }) {
                // Ends only with the engine, which is noticed at once.
                let _ = self.outbox.send(Happening::Directory(event)).await;
            }
        }
        older.client.close();
        Ok(())
    }
}
