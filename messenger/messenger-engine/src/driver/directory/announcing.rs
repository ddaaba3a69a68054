//! How this device is present: told to the directory as long as the connection lives.

use std::time::Instant;

use directory_protocol::client::{CloseReason, RequestError};
use directory_protocol::{Announcement, Appearance, Details, DirectoryClient};
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

/// What a directory is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Everything, with the lists.
    Announce(Announcement),
    /// The lists are as before.
    Appear(Appearance, Details),
}

/// Tells the directory the latest of what is to be announced, as long as the connection lives, which began with `told`. What it
/// has taken is `taken`, for calls that wait for it. Ends with what the directory said when it did not take it.
pub(super) async fn keep_announced(
    client: DirectoryClient,
    told: Presenting,
    changes: watch::Receiver<Said>,
    taken: watch::Sender<u64>,
) -> RequestError {
    keep(|step| put(&client, step), told, changes, taken).await
}

async fn put(client: &DirectoryClient, step: Step) -> Result<(), RequestError> {
    match step {
        Step::Announce(announcement) => client.announce(announcement).await.map(drop),
        Step::Appear(appearance, details) => client.appear(appearance, details).await,
    }
}

/// What was overtaken while another was under way is never sent, and lists are sent only when they have changed. What came too
/// often only waits (a refused announcement leaves no lists behind).
async fn keep<R>(
    put: impl Fn(Step) -> R,
    mut told: Presenting,
    mut changes: watch::Receiver<Said>,
    taken: watch::Sender<u64>,
) -> RequestError
where
    R: Future<Output = Result<(), RequestError>>,
{
    while changes.changed().await.is_ok() {
        let Said { number, presenting: new } = changes.borrow_and_update().clone();
        let now = new.at(Instant::now());
        let (appearance, details) = (now.appearance, now.details.clone());
        let same_lists = Announcement { appearance, details: details.clone(), ..told.announcement.clone() } == now;
        let result = match same_lists {
            // Another directory is told nothing of one's status.
            _ if new == told => Ok(()),
            true => put(Step::Appear(appearance, details)).await,
            false => put(Step::Announce(now)).await,
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use directory_protocol::message::ErrorCode;

    use super::*;

    fn presenting(contacts: &[&str], note: &str) -> Presenting {
        let mut announcement = Announcement::available(contacts.iter().map(|who| who.parse().unwrap()).collect());
        announcement.details.note = note.to_owned();
        Presenting { announcement, idle: None }
    }

    /// What a directory is told of `said`, which was there before anything was told, and what of it counts as taken.
    async fn told_of(before: Presenting, said: Presenting, answers: Vec<Result<(), RequestError>>) -> (Vec<Step>, u64) {
        let (says, changes) = watch::channel(Said { number: 0, presenting: before.clone() });
        let (taken, takes) = watch::channel(0);
        let (steps, answers) = (Mutex::new(Vec::new()), Mutex::new(answers));
        let put = |step| {
            steps.lock().unwrap().push(step);
            let answer = answers.lock().unwrap().pop().unwrap_or(Ok(()));
            async move { answer }
        };
        let keeping = keep(put, before, changes, taken);
        says.send_replace(Said { number: 1, presenting: said });
        let waits = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(says);
        };
        tokio::join!(keeping, waits);
        let taken = *takes.borrow();
        (steps.into_inner().unwrap(), taken)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_before_the_telling_has_begun_is_told() {
        let said = presenting(&["bob@example.org"], "");
        let (steps, taken) = told_of(presenting(&[], ""), said.clone(), Vec::new()).await;
        assert_eq!((steps, taken), (vec![Step::Announce(said.announcement)], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn lists_are_told_only_when_they_have_changed() {
        let (before, said) = (presenting(&["bob@example.org"], ""), presenting(&["bob@example.org"], "at lunch"));
        let Announcement { appearance, details, .. } = said.announcement.clone();
        let (steps, taken) = told_of(before.clone(), said, Vec::new()).await;
        assert_eq!((steps, taken), (vec![Step::Appear(appearance, details)], 1));
        let (steps, taken) = told_of(before.clone(), before, Vec::new()).await;
        assert_eq!((steps, taken), (Vec::new(), 1), "nothing is new");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_often_is_told_later() {
        let said = presenting(&["bob@example.org"], "");
        let refused = Err(RequestError::Refused { error: ErrorCode::UnknownForNow, wait: Duration::from_secs(5) });
        let (steps, taken) = told_of(presenting(&[], ""), said.clone(), vec![refused]).await;
        let announce = Step::Announce(said.announcement);
        assert_eq!((steps, taken), (vec![announce.clone(), announce], 1));
    }
}
