//! What the directory is asked, each in a task of its own.

use std::net::SocketAddr;

use directory_protocol::client::RequestError;
use directory_protocol::message::ErrorCode;
use directory_protocol::{Answer, Invite};

use super::{Link, Standing, lock};
use crate::api::CallId;
use crate::core::Ask;
use crate::driver::Happening;

impl Link {
    /// Asks in a task of its own: answers may take their time, events must not wait for them.
    pub(super) fn ask(&mut self, standing: &Standing, ask: Ask) {
        if let Ask::Announce(presenting) = ask {
            standing.presenting.send_replace((*presenting).clone());
            self.presenting = *presenting;
            return;
        }
        self.keep_in_mind(&ask);
        let invited = ask.invited();
        if let Ask::Cancel { call } = &ask {
            self.do_not_place(*call);
        }
        let (client, place, outbox) = (standing.client.clone(), standing.place.clone(), self.outbox.clone());
        let watched = self.watched.clone();
        let asking = tokio::spawn(async move {
            let result = match ask {
                Ask::Announce(_) => Ok(()),
                Ask::Watch { who } => {
                    until_taken(|| client.watch(vec![who.clone()]), || lock(&watched).contains(&who)).await
                }
                Ask::Unwatch { who } => client.unwatch(vec![who]).await,
                Ask::Accept { call } => {
                    let accept = |candidates| client.answer(call.0, Answer::Accept { candidates });
                    if let Err(error) = offering(place.candidates().await, accept).await {
                        let _ = outbox.send(Happening::CallFailed { call, reason: error.to_string() }).await;
                    }
                    Ok(())
                }
                Ask::Decline { call } => client.answer(call.0, Answer::Decline).await,
                Ask::Busy { call } => client.answer(call.0, Answer::Busy).await,
                Ask::Cancel { call } => client.cancel(call.0).await,
                Ask::Invite { call, callee, purpose, device } => {
                    let invite = |candidates| {
                        let (callee, purpose) = (callee.clone(), purpose.into());
                        client.invite(Invite { call_id: call.0, callee, purpose, candidates, device })
                    };
                    if let Err(error) = offering(place.candidates().await, invite).await {
                        let _ = outbox.send(Happening::CallFailed { call, reason: error.to_string() }).await;
                    }
                    Ok(())
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "the directory did not do what it was asked");
            }
        });
        if let Some(call) = invited {
            self.placing.retain(|(_, placing)| !placing.is_finished());
            self.placing.push((call, asking.abort_handle()));
        }
    }

    /// A call that was hung up before this device knew where to be reached is not placed behind its own withdrawal.
    fn do_not_place(&mut self, call: CallId) {
        for (_, placing) in self.placing.extract_if(.., |(placing, _)| *placing == call) {
            placing.abort();
        }
    }
}

/// Asks until the directory has taken it: what it refuses for now it may take after as long as it says
/// (docs/spec/directory.md, section 3), if it is still wanted then. Without the connection everything is refused for good.
async fn until_taken<R>(ask: impl Fn() -> R, wanted: impl Fn() -> bool) -> Result<(), RequestError>
where
    R: Future<Output = Result<(), RequestError>>,
{
    loop {
        match ask().await {
            Err(RequestError::Refused { wait, .. }) if !wait.is_zero() => tokio::time::sleep(wait).await,
            result => return result,
        }
        if !wanted() {
            return Ok(());
        }
    }
}

/// Offers these candidates, and without loopback if the directory refuses them: one that listens everywhere is reached over
/// loopback by its own machine, and takes no such address.
async fn offering<F, R>(candidates: Vec<SocketAddr>, ask: F) -> Result<(), RequestError>
where
    F: Fn(Vec<SocketAddr>) -> R,
    R: Future<Output = Result<(), RequestError>>,
{
    let elsewhere: Vec<SocketAddr> = candidates.iter().filter(|offered| !offered.ip().is_loopback()).copied().collect();
    let is_same = elsewhere.len() == candidates.len();
    match ask(candidates).await {
        Err(RequestError::Refused { error: ErrorCode::BadCandidates, .. }) if !is_same => ask(elsewhere).await,
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    fn refused(wait: Duration) -> Result<(), RequestError> {
        Err(RequestError::Refused { error: ErrorCode::UnknownForNow, wait })
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_now_is_asked_again_as_long_as_it_is_wanted() {
        let (asked, began) = (Cell::new(0), tokio::time::Instant::now());
        let third_time = || {
            asked.set(asked.get() + 1);
            std::future::ready(if asked.get() < 3 { refused(Duration::from_secs(2)) } else { Ok(()) })
        };
        until_taken(third_time, || true).await.unwrap();
        assert_eq!((asked.get(), began.elapsed().as_secs()), (3, 4));
        asked.set(0);
        until_taken(third_time, || false).await.unwrap();
        assert_eq!(asked.get(), 1, "not wanted any more");
        asked.set(0);
        let for_good = || {
            asked.set(asked.get() + 1);
            std::future::ready(refused(Duration::ZERO))
        };
        until_taken(for_good, || true).await.unwrap_err();
        assert_eq!(asked.get(), 1);
    }
}
