//! One directory of other people's: its link, and what waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::Presence;
use identity::Identifier;
use tokio::sync::{mpsc, watch};

use super::Ways;
use crate::api::CallId;
use crate::core::{Ask, Presenting};
use crate::driver::Happening;
use crate::driver::directory::{Cues, Link, Whose};
use crate::driver::place::Place;
use crate::whereabouts::DirectoryElsewhere;

/// How often at most it is told of people who were found there since: as often as directories take it in the long run
/// (docs/spec/directory.md, section 7).
const TELLING: Duration = Duration::from_secs(1);

/// What the link reports may wait for the engine.
const REPORTS: usize = 64;

/// A link to another directory. Dropping it ends the link.
pub(super) struct Other {
    /// Told from any that was there before.
    pub(super) number: u64,
    /// As whose directory its certificate is verified.
    pub(super) verified_for: Identifier,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    pub(super) cues: Arc<Cues>,
    /// Which of its addresses has answered last.
    pub(super) answered: watch::Receiver<Option<SocketAddr>>,
    /// Whom to watch there.
    pub(super) watched: BTreeSet<Identifier>,
    /// What it said of them last.
    pub(super) seen: BTreeMap<Identifier, Presence>,
    /// When it was told last how this device is present there, and whether it would be told something else now.
    told: Option<Instant>,
    is_behind: bool,
    /// Calls to be made once it is reached.
    waiting: Vec<Ask>,
    up: bool,
    was_up: bool,
    /// When it was last needed.
    pub(super) used: Instant,
    /// When it was asked last whether its people are found there still.
    pub(super) looked: Instant,
    pub(super) down_since: Option<Instant>,
}

impl Other {
    pub(super) fn open(
        number: u64,
        ways: &Ways,
        tls: quinn::ClientConfig,
        (directory, verified_for): (DirectoryElsewhere, Identifier),
        place: watch::Receiver<Option<Place>>,
        now: Instant,
    ) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (reports, mut reported) = mpsc::channel(REPORTS);
        let (told, answered) = watch::channel(None);
        let whose = Whose::Others { own: place, answered: told };
        let link = Link::new(ways.outlet.clone(), tls, (directory, whose), reports);
        let cues = Arc::<Cues>::default();
        tokio::spawn(link.run(ways.wanted.clone(), asked, cues.clone()));
        let outbox = ways.outbox.clone();
        tokio::spawn(async move {
            while let Some(what) = reported.recv().await {
                if outbox.send(Happening::Elsewhere { number, what: Box::new(what) }).await.is_err() {
                    return;
                }
            }
        });
        let (watched, seen) = (BTreeSet::new(), BTreeMap::new());
        Self {
            number,
            verified_for,
            asks,
            cues,
            answered,
            watched,
            seen,
            told: None,
            is_behind: true,
            waiting: Vec::new(),
            up: false,
            was_up: false,
            used: now,
            looked: now,
            down_since: None,
        }
    }

    pub(super) fn ask(&self, ask: Ask) {
        // Fails only when the link's task is gone, which is when everything is.
        let _ = self.asks.send(ask);
    }

    /// What it is told of this device has changed: people were found there, or are not any more.
    pub(super) fn has_changed(&mut self) {
        self.is_behind = true;
    }

    /// Whether something has changed since it was told.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Whether it is to be told by itself. Before a call there it is told at once.
    pub(super) fn is_to_be_told(&self, now: Instant) -> bool {
        self.is_behind && self.told.is_none_or(|told| now >= told + TELLING)
    }

    /// When that is, or was; never, if it knows everything.
    pub(super) fn is_to_be_told_at(&self, now: Instant) -> Option<Instant> {
        self.is_behind.then(|| self.told.map_or(now, |told| told + TELLING))
    }

    pub(super) fn announce(&mut self, presenting: Presenting, now: Instant) {
        (self.told, self.is_behind) = (Some(now), false);
        self.ask(Ask::Announce(Box::new(presenting)));
    }

    pub(super) fn watch(&mut self, who: Identifier) {
        self.watched.insert(who.clone());
        self.ask(Ask::Watch { who });
    }

    pub(super) fn unwatch(&mut self, who: &Identifier) {
        self.watched.remove(who);
        self.seen.remove(who);
        self.ask(Ask::Unwatch { who: who.clone() });
    }

    /// Calls somebody there, now or once it is reached: the caller gives up by herself.
    pub(super) fn invite(&mut self, invite: Ask, now: Instant) {
        self.used = now;
        match self.up {
            true => self.ask(invite),
            false => self.waiting.push(invite),
        }
    }

    pub(super) fn cancel(&mut self, call: CallId) {
        let before = self.waiting.len();
        self.waiting.retain(|ask| ask.invited() != Some(call));
        if self.waiting.len() == before {
            self.ask(Ask::Cancel { call });
        }
    }

    pub(super) fn is_reached(&self) -> bool {
        self.up
    }

    /// Whether it is reached at one of these addresses.
    pub(super) fn is_reached_at(&self, addresses: &[String]) -> bool {
        let answered = *self.answered.borrow();
        self.up && answered.is_some_and(|answered| addresses.contains(&answered.to_string()))
    }

    pub(super) fn is_up(&mut self) {
        (self.up, self.was_up) = (true, true);
        self.down_since = None;
        std::mem::take(&mut self.waiting).into_iter().for_each(|invite| self.ask(invite));
    }

    /// The calls to these people that wait; they wait here no more.
    pub(super) fn take_waiting(&mut self, to: impl Fn(&Identifier) -> bool) -> Vec<Ask> {
        self.waiting.extract_if(.., |ask| matches!(ask, Ask::Invite { callee, .. } if to(callee))).collect()
    }

    /// Whether it has ever answered.
    pub(super) fn was_up(&self) -> bool {
        self.was_up
    }

    pub(super) fn is_down(&mut self, now: Instant) {
        self.left();
        self.down_since.get_or_insert(now);
    }

    /// Not connected any more, as it was wanted.
    pub(super) fn left(&mut self) {
        self.up = false;
        self.seen.clear();
        self.waiting.clear();
    }

    /// Whether nobody there is watched or waits to be called.
    pub(super) fn is_idle(&self) -> bool {
        self.watched.is_empty() && self.waiting.is_empty()
    }
}
