//! What the directory is asked, each in a task of its own.

use std::net::SocketAddr;

use directory_protocol::client::RequestError;
use directory_protocol::message::ErrorCode;
use directory_protocol::{Answer, Invite};

use super::{Link, Standing};
use crate::api::CallId;
use crate::core::Ask;
use crate::driver::Happening;

impl Link {
    /// Asks in a task of its own: answers may take their time, events must not wait for them.
    pub(super) fn ask(&mut self, standing: &Standing, ask: Ask) {
        match ask {
            Ask::Announce(presenting) => {
                self.presenting = *presenting;
                standing.presenting.send_modify(|said| {
                    said.number += 1;
                    said.presenting = self.presenting.clone();
                });
            }
            Ask::Watch { who } => self.watched.watch(who),
            Ask::Unwatch { who } => self.watched.unwatch(who),
            _ => self.ask_about_call(standing, ask),
        }
    }

    fn ask_about_call(&mut self, standing: &Standing, ask: Ask) {
        let invited = ask.invited();
        if let Ask::Cancel { call } = &ask {
            self.do_not_place(*call);
        }
        let (client, place, outbox) = (standing.client.clone(), standing.place.clone(), self.outbox.clone());
        let (said, mut told) = (standing.presenting.borrow().number, standing.told.clone());
        let asking = tokio::spawn(async move {
            let result = match ask {
                Ask::Announce(_) | Ask::Watch { .. } | Ask::Unwatch { .. } => Ok(()),
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
                    // A call is open only if the directory knows that she may see the caller. Without the connection there
                    // is no call either.
                    let _ = told.wait_for(|told| *told >= said).await;
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
