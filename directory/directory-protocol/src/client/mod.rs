//! A live connection to a directory.
//!
//! [`DirectoryClient::connect`] dials, proves who both sides are and returns when the directory has accepted this person's
//! certificate. From then on requests are methods that wait for their answer, and everything else arrives as a
//! [`DirectoryEvent`]. Two tasks live as long as the connection; when it ends, every waiting request fails with the reason and
//! [`DirectoryEvent::Closed`] is the last event. The client does not reconnect: whoever owns it knows when that makes sense.

mod config;
mod error;
mod event;
mod tasks;
mod waiting;

use crate::limits::NEGATIVE_DEADLINE;
use crate::message::chunks;
use crate::message::{AnswerKind, Appearance, CallId, Details, Presence, Request, Response};
use futures_util::future::try_join_all;
use identity::Identifier;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tasks::Shared;
use tokio::sync::mpsc;

pub use config::{
    ConfigError, certified_client_config, client_config, client_config_for_directory_of, client_config_under, transport,
};
pub use error::{CloseReason, ConnectError, RequestError};
pub use event::{Announced, Announcement, Answer, Audience, DirectoryEvent, Invite};

/// Events that may wait to be taken. A watch on ten thousand people begins with at most that many.
const EVENTS: usize = 16_384;

/// How long a handshake may take. Longer than any network that can carry a conversation needs, shorter than patience.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take: the negative deadline and a very slow network.
const ANSWER_TIMEOUT: Duration = NEGATIVE_DEADLINE.saturating_add(Duration::from_secs(10));

/// A connection to a directory. Clones share it; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct DirectoryClient {
    shared: Arc<Shared>,
}

impl DirectoryClient {
    /// Connects to the directory at `address`, whose certificate must carry `server_name`. `config` is made by
    /// [`client_config`]. Returns when the directory has answered a first request: both certificates are accepted.
    ///
    /// Events wait in a channel of 16,384; a program that lets it overflow is disconnected.
    pub async fn connect(
        endpoint: &quinn::Endpoint,
        address: SocketAddr,
        server_name: &str,
        config: quinn::ClientConfig,
    ) -> Result<(Self, mpsc::Receiver<DirectoryEvent>), ConnectError> {
        let connecting = endpoint.connect_with(config, address, server_name)?;
        let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)
            .await
            .map_err(|_| ConnectError::Unreachable { address })?
            .map_err(|error| ConnectError::of(error, address, server_name))?;
        let (send, receive) = connection.open_bi().await.map_err(|error| CloseReason::of(&error))?;
        let (events, received) = mpsc::channel(EVENTS);
        let client = Self { shared: Shared::start(connection, send, receive, events) };
        match client.ping().await {
            Ok(_) => Ok((client, received)),
            Err(RequestError::Closed(reason)) => Err(reason.into()),
            Err(_) => Err(ConnectError::Unreachable { address }),
        }
    }

    /// Asks for an answer and returns how long it took.
    pub async fn ping(&self) -> Result<Duration, RequestError> {
        let sent = std::time::Instant::now();
        self.done(|id| Request::Ping { id }).await?;
        Ok(sent.elapsed())
    }

    /// Becomes present, or changes how: appearance, audiences and lists take effect in one step.
    pub async fn announce(&self, announcement: Announcement) -> Result<Announced, RequestError> {
        // Two announcements at once must not mix their lists.
        let _turn = self.shared.announcing.lock().await;
        for (name, people) in announcement.lists() {
            self.all_done(people, |id, people| Request::List { id, name, people }).await?;
        }
        let (visible_to, may_knock) = (announcement.visible_to.kind(), announcement.may_knock.kind());
        let (appearance, details) = (announcement.appearance, Some(announcement.details));
        match self.shared.ask(|id| Request::Announce { id, appearance, visible_to, may_knock, details }).await? {
            Response::Announced { observed, observation, .. } => Ok(Announced { observed, observation }),
            other => Err(self.shared.unexpected(&other)),
        }
    }

    /// Changes how this device appears once it has announced itself, without sending its lists again.
    pub async fn appear(&self, appearance: Appearance, details: Details) -> Result<(), RequestError> {
        // An announcement under way would replace it, or be replaced by it, in an order nobody asked for.
        let _turn = self.shared.announcing.lock().await;
        self.done(|id| Request::Appear { id, appearance, details }).await
    }

    /// One person's presence now, as far as she lets this person know.
    pub async fn look_up(&self, who: &Identifier) -> Result<Presence, RequestError> {
        match self.shared.ask(|id| Request::LookUp { id, who: who.clone() }).await? {
            Response::Found { status, details, .. } => Ok(Presence::from_parts(status, details)),
            other => Err(self.shared.unexpected(&other)),
        }
    }

    /// Adds people to the watch list. When this returns, an event with the present state of each of them is in the channel:
    /// the online ones first, as the directory pushes them; everybody else is offline, or hidden.
    pub async fn watch(&self, people: Vec<Identifier>) -> Result<(), RequestError> {
        self.all_done(&people, |id, people| Request::Watch { id, people }).await?;
        self.shared.report_offline(&people);
        Ok(())
    }

    /// Takes people off the watch list.
    pub async fn unwatch(&self, people: Vec<Identifier>) -> Result<(), RequestError> {
        self.all_done(&people, |id, people| Request::Unwatch { id, people }).await?;
        self.shared.forget(&people);
        Ok(())
    }

    /// Calls somebody. Returns when the directory has taken the call; what becomes of it arrives as events.
    pub async fn invite(&self, invite: Invite) -> Result<(), RequestError> {
        let Invite { call_id, callee, purpose, candidates, device } = invite;
        self.done(|id| Request::Invite { id, call_id, callee, purpose, candidates, device }).await
    }

    /// Answers an incoming call. After accepting, GO follows as an event.
    pub async fn answer(&self, call_id: CallId, answer: Answer) -> Result<(), RequestError> {
        let (answer, candidates) = match answer {
            Answer::Accept { candidates } => (AnswerKind::Accept, candidates),
            Answer::Decline => (AnswerKind::Decline, Vec::new()),
            Answer::Busy => (AnswerKind::Busy, Vec::new()),
        };
        self.done(|id| Request::Answer { id, call_id, answer, candidates }).await
    }

    /// Withdraws a call made before. Withdrawing one that is over is no error.
    pub async fn cancel(&self, call_id: CallId) -> Result<(), RequestError> {
        self.done(|id| Request::Cancel { id, call_id }).await
    }

    /// Goes offline. The directory tells the watchers at once.
    pub fn close(&self) {
        self.shared.close();
    }

    /// This side's view of the round trip to the directory.
    pub fn round_trip(&self) -> Duration {
        self.shared.round_trip()
    }

    /// The largest UDP payload, in bytes, that was found to come through so far.
    pub fn mtu_bytes(&self) -> u16 {
        self.shared.mtu_bytes()
    }

    /// Sends a list in as many requests as it needs, all at once, in order, and waits for their answers.
    async fn all_done(
        &self,
        people: &[Identifier],
        request: impl Fn(u32, Vec<Identifier>) -> Request,
    ) -> Result<(), RequestError> {
        let request = &request;
        let requests = chunks(people).map(|people| self.done(move |id| request(id, people.to_vec())));
        try_join_all(requests).await.map(drop)
    }

    async fn done(&self, request: impl FnOnce(u32) -> Request) -> Result<(), RequestError> {
        match self.shared.ask(request).await? {
            Response::Done { .. } => Ok(()),
            other => Err(self.shared.unexpected(&other)),
        }
    }
}
