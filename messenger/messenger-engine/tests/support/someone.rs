//! Somebody with an engine.

use identity::Identifier;
use messenger_engine::{Command, DeliveryState, Engine, EngineConfig, Event, RoomId};
use tokio::sync::mpsc;

use super::{PATIENCE, identifier};

/// A running engine and what it says. Its client takes everything at once, whether or not the test looks at it by now.
pub(crate) struct Someone {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Someone {
    /// Starts an engine and waits until it is online.
    pub(crate) async fn start(config: EngineConfig) -> Self {
        let mut someone = Self::begin(config);
        someone.is_online().await;
        someone
    }

    /// Starts an engine.
    pub(crate) fn begin(config: EngineConfig) -> Self {
        let name = config.identifier.to_string().replace("@example.org", "");
        let (engine, mut said) = Engine::start(config).unwrap();
        let (hand_on, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = said.recv().await {
                let _ = hand_on.send(event);
            }
        });
        Self { name, engine, events }
    }

    pub(crate) async fn is_online(&mut self) {
        self.wait("online", |event| matches!(event, Event::Online { .. }).then_some(())).await;
    }

    pub(crate) async fn do_it(&self, command: Command) {
        assert!(self.engine.send(command).await);
    }

    /// Waits for an event that answers the question; others are passed over.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut question: impl FnMut(&Event) -> Option<T>) -> T {
        let name = self.name.clone();
        let search = async {
            let mut passed = Vec::new();
            while let Some(event) = self.events.recv().await {
                if let Some(answer) = question(&event) {
                    return Ok(answer);
                }
                passed.push(event);
            }
            Err(passed)
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(passed)) => panic!("{name} waited for {what}; the engine ended after {passed:?}"),
            Err(_) => panic!("{name} waited for {what} in vain"),
        }
    }

    pub(crate) async fn sees(&mut self, who: &str, here: bool) {
        let expected = identifier(who);
        let question = |event: &Event| match event {
            Event::Presence { who, online, .. } => (*who == expected && *online == here).then_some(()),
            _ => None,
        };
        self.wait(&format!("{who} to be online: {here}"), question).await;
    }

    pub(crate) async fn send(&self, to: &str, text: &str, id: u64) {
        self.do_it(Command::Send { to: identifier(to).to_string(), text: text.into(), id: Some(id), reply_to: None })
            .await;
    }

    /// The final state of a text.
    pub(crate) async fn fate(&mut self, text: u64) -> (DeliveryState, Option<String>) {
        let question = |event: &Event| match event {
            Event::MessageState { id, state, reason, .. } if *id == text && *state != DeliveryState::Sending => {
                Some((*state, reason.clone()))
            }
            _ => None,
        };
        self.wait("the fate of a text", question).await
    }

    pub(crate) async fn hears(&mut self, from: &str) -> String {
        let expected = identifier(from);
        let question = |event: &Event| match event {
            Event::Message { from, text, .. } if *from == expected => Some(text.clone()),
            _ => None,
        };
        self.wait("a text", question).await
    }

    pub(crate) async fn hears_in_room(&mut self) -> (Identifier, String) {
        let question = |event: &Event| match event {
            Event::RoomMessage { from, text, .. } => Some((from.clone(), text.clone())),
            _ => None,
        };
        self.wait("a room text", question).await
    }

    /// The room's epoch and code once it has this many members.
    pub(crate) async fn in_room_of(&mut self, count: usize) -> (RoomId, u64, String) {
        let question = |event: &Event| match event {
            Event::Room { room, members, epoch, code, .. } if members.len() == count => {
                Some((*room, *epoch, code.clone()))
            }
            _ => None,
        };
        self.wait("a room", question).await
    }

    /// The members who have a room text, once nobody is pending.
    pub(crate) async fn delivered_to(&mut self, count: usize) -> Vec<Identifier> {
        let question = |event: &Event| match event {
            Event::RoomMessageState { delivered, missing, .. } if delivered.len() + missing.len() == count => {
                Some((delivered.clone(), missing.clone()))
            }
            _ => None,
        };
        let (mut delivered, missing) = self.wait("a delivery", question).await;
        assert!(missing.is_empty(), "{missing:?}");
        delivered.sort();
        delivered
    }

    pub(crate) async fn enter(&mut self, host: &Someone, room: RoomId) {
        let who = identifier(&self.name).to_string();
        host.do_it(Command::RoomInvite { room, who }).await;
        self.wait("an invitation", |event| matches!(event, Event::RoomInvitation { .. }).then_some(())).await;
        self.do_it(Command::RoomAccept { room }).await;
    }
}
