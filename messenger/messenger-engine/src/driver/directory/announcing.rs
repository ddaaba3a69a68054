//! How this device is present: told to the directory as long as the connection lives.

use std::time::Instant;

use directory_protocol::client::{CloseReason, RequestError};
use directory_protocol::{Announcement, DirectoryClient};
use tokio::sync::watch;

use super::{End, Link};
use crate::core::Presenting;
use crate::driver::Happening;

/// What is to be told last, and how many times something was to be told before it on this connection.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) number: u64,
    pub(super) presenting: Presenting,
}

impl Link {
    /// The directory shows her as before, or not at all: nobody may believe herself hidden because she said so, and a
    /// connection that is made anew begins with how she is to be present.
    pub(super) async fn not_announced(&self, error: Option<RequestError>) -> End {
        let error = match error {
            Some(RequestError::Closed(reason)) => return End::Lost(reason.to_string()),
            Some(error) => error,
            None => return End::Lost("the connection to the directory was lost".into()),
        };
        let reason = not_taken(&error);
        match self.outbox.send(Happening::NotAnnounced(reason.clone())).await {
            Ok(()) => End::Lost(reason),
            Err(_) => End::EngineGone,
        }
    }
}

/// Tells the directory the latest of what is to be announced, as long as the connection lives: what was overtaken while
/// another was under way is never sent, and lists are sent only when they have changed. Ends with what the directory said
/// when it did not take it; what came too often only waits (a refused announcement leaves no lists behind). What it has taken
/// is `taken`, for calls that wait for it.
pub(super) async fn keep_announced(
    client: DirectoryClient,
    mut changes: watch::Receiver<Said>,
    taken: watch::Sender<u64>,
) -> RequestError {
    let mut told = changes.borrow_and_update().presenting.clone();
    while changes.changed().await.is_ok() {
        let Said { number, presenting: new } = changes.borrow_and_update().clone();
        let now = new.at(Instant::now());
        let (appearance, details) = (now.appearance, now.details.clone());
        let same_lists = Announcement { appearance, details: details.clone(), ..told.announcement.clone() } == now;
        let result = match same_lists {
            // Another directory is told nothing of one's status.
            _ if new == told => Ok(()),
            true => client.appear(appearance, details).await,
            false => client.announce(now).await.map(drop),
        };
        match result {
            Ok(()) => {
                told = new;
                taken.send_replace(number);
            }
            Err(RequestError::Refused { wait, .. }) if !wait.is_zero() => {
                tokio::time::sleep(wait).await;
                changes.mark_changed();
            }
            Err(error) => return error,
        }
    }
    RequestError::Closed(CloseReason::ByUs)
}

pub(super) fn not_taken(error: &RequestError) -> String {
    format!("the directory did not take how you appear: {error}")
}
