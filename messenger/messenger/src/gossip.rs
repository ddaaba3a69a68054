//! Between the engine, which carries what devices tell each other of logs, and `device::gossip`, which compares it.
//!
//! Comparing reads logs over the network, so it happens in a task of its own: the engine only puts what it heard into a
//! short queue, and texts wait for none of it.

use std::sync::Arc;
use std::time::Duration;

use device::gossip::{self, Alarm, Gossip, SplitView};
use identity::Identifier;
use identity::trust::Fingerprint;
use messenger_engine::gossip::{Contradiction, PolicyView, Views};
use messenger_engine::{Event, Reports};
use tokio::sync::mpsc;

/// Views that may wait to be compared; more are dropped, and told again at the next connection.
const QUEUE: usize = 16;

/// How often each log is looked at besides.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The engine's side.
pub(crate) struct Voice {
    gossip: Arc<Gossip>,
    authority: String,
    heard: mpsc::Sender<(Identifier, Views)>,
}

/// The side that compares.
pub(crate) struct Listener {
    gossip: Arc<Gossip>,
    heard: mpsc::Receiver<(Identifier, Views)>,
}

impl Voice {
    /// For a device certified by this authority.
    pub(crate) fn new(gossip: Arc<Gossip>, authority: &str) -> (Self, Listener) {
        let (send, heard) = mpsc::channel(QUEUE);
        let listener = Listener { gossip: Arc::clone(&gossip), heard };
        (Self { gossip, authority: authority.to_owned(), heard: send }, listener)
    }
}

impl messenger_engine::Gossip for Voice {
    fn views(&self, authority: &str) -> Option<Views> {
        Some(outgoing(self.gossip.views(&[&self.authority, authority])))
    }

    fn revision(&self) -> u64 {
        self.gossip.revision()
    }

    fn heard(&self, from: &Identifier, views: Views) {
        let _ = self.heard.try_send((from.clone(), views));
    }
}

impl Listener {
    /// Compares what is heard, and looks at the logs now and then, until the engine ends.
    pub(crate) async fn listen(mut self, reports: Reports) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let alarms = tokio::select! {
                _ = look.tick() => self.gossip.refresh().await,
                heard = self.heard.recv() => match heard {
                    Some((from, views)) => self.gossip.hear(&from, incoming(views)).await,
                    None => return,
                },
            };
            for alarm in alarms {
                if !reports.send(event(alarm)).await {
                    return;
                }
            }
        }
    }
}

fn event(alarm: Alarm) -> Event {
    let evidence = alarm.evidence.map(|path| path.display().to_string());
    let remedy = match &evidence {
        Some(path) => format!(
            "show the proof to those who use this log, and believe no new certificate from it until it is explained: certtool verify --evidence {path}"
        ),
        None => {
            "compare with others what they see (certtool audit --source, certtool trust show), in another way than this"
                .to_owned()
        }
    };
    Event::Contradiction { about: alarm.about, message: alarm.message, evidence, remedy }
}

fn outgoing(views: gossip::Views) -> Views {
    let policy =
        |view: gossip::PolicyView| PolicyView { genesis: view.genesis.0, number: view.number, digest: view.digest.0 };
    let contradiction = |SplitView { older, newer, beginning, proof }| Contradiction { older, newer, beginning, proof };
    Views {
        checkpoints: views.checkpoints,
        policies: views.policies.into_iter().map(policy).collect(),
        contradictions: views.contradictions.into_iter().map(contradiction).collect(),
    }
}

fn incoming(views: Views) -> gossip::Views {
    let policy = |view: PolicyView| gossip::PolicyView {
        genesis: Fingerprint(view.genesis),
        number: view.number,
        digest: Fingerprint(view.digest),
    };
    let split = |Contradiction { older, newer, beginning, proof }| SplitView { older, newer, beginning, proof };
    gossip::Views {
        checkpoints: views.checkpoints,
        policies: views.policies.into_iter().map(policy).collect(),
        contradictions: views.contradictions.into_iter().map(split).collect(),
    }
}
