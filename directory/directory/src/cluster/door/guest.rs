//! One connection, as its door knows it.

use super::{Made, NodeId, Ringing, Watched};
use crate::cluster::message::Spent;
use crate::state::Path;
use crate::state::quota::Bucket;
use crate::state::timers::TimerKey;
use directory_protocol::message::{CallId, Request, Response};
use identity::Identifier;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

pub(super) struct Guest {
    pub(super) who: Identifier,
    pub(super) key: [u8; 32],
    pub(super) shard: u16,
    /// The number under which the rates of her network address are kept.
    pub(super) address: u64,
    pub(super) expiry: TimerKey,
    pub(super) frames: Bucket,
    pub(super) path: Option<Path>,
    /// Requests in the order they came, the first of which may be with her keeper under this ticket.
    pub(super) queue: VecDeque<(Request, Instant)>,
    pub(super) queued_bytes: usize,
    pub(super) first: Option<u64>,
    /// A timer runs that puts again what she waits for.
    pub(super) looks_again: bool,
    /// LISTs that wait for an ANNOUNCE.
    staged: Vec<Request>,
    announced: Option<Announced>,
    pub(super) watched: HashMap<Identifier, Watched>,
    /// WATCH requests that are not answered yet.
    pub(super) watching: Vec<Watching>,
    /// Names on the watch list that keepers were asked for and have not answered, by ticket; and when they were last asked.
    pub(super) asked: HashSet<u64>,
    pub(super) asked_at: Option<Instant>,
    /// Look-ups that are not answered yet, by ticket.
    pub(super) look_ups: HashSet<u64>,
    /// What was taken from her rate for questions that nobody could answer, until her keeper hears of it.
    owed: Vec<(Spent, u32)>,
    pub(super) made: HashMap<CallId, Made>,
    pub(super) ringing: HashMap<CallId, Ringing>,
    /// Calls that rang here and are over: no keeper lets them ring again, until their time is up.
    pub(super) over: HashMap<CallId, TimerKey>,
    /// Keepers that know of this connection.
    pub(super) open_at: Vec<NodeId>,
}

/// What is in force, to be told to the next keeper.
struct Announced {
    lists: Vec<Request>,
    announce: Request,
    at: Instant,
}

/// One WATCH that is not answered.
pub(super) struct Watching {
    pub(super) id: u32,
    pub(super) people: Vec<Identifier>,
    pub(super) arrived: Instant,
    /// What was taken for it from the rates.
    pub(super) cost: u32,
}

/// What a person says of herself, or to who calls her, and nobody gives up for her.
pub(super) struct Said;

impl Said {
    pub(super) fn is_one(request: &Request) -> bool {
        matches!(
            request,
            Request::List { .. } | Request::Announce { .. } | Request::Appear { .. } | Request::Answer { .. }
        )
    }
}

/// About how many bytes a request takes.
pub(super) fn weight(request: &Request) -> usize {
    const BESIDE: usize = 64;
    match request {
        Request::List { people, .. } | Request::Watch { people, .. } | Request::Unwatch { people, .. } => {
            BESIDE + people.iter().map(|who| who.as_str().len() + BESIDE / 2).sum::<usize>()
        }
        _ => BESIDE * 4,
    }
}

impl Guest {
    pub(super) fn new(
        who: Identifier,
        key: [u8; 32],
        shard: u16,
        address: u64,
        expiry: TimerKey,
        frames: Bucket,
    ) -> Self {
        Self {
            who,
            key,
            shard,
            address,
            expiry,
            frames,
            path: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            first: None,
            looks_again: false,
            staged: Vec::new(),
            announced: None,
            watched: HashMap::new(),
            watching: Vec::new(),
            asked: HashSet::new(),
            asked_at: None,
            look_ups: HashSet::new(),
            owed: Vec::new(),
            made: HashMap::new(),
            ringing: HashMap::new(),
            over: HashMap::new(),
            open_at: Vec::new(),
        }
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    pub(super) fn round_trip_us(&self) -> u32 {
        self.path.map_or(0, |path| u32::try_from(path.round_trip.as_micros()).unwrap_or(u32::MAX))
    }

    /// Takes the first request out of the queue.
    pub(super) fn next(&mut self) -> Option<(Request, Instant)> {
        let next = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(weight(&next.0));
        Some(next)
    }

    /// The timers of her calls.
    pub(super) fn timers(&self) -> impl Iterator<Item = TimerKey> {
        let made = self.made.values().map(|made| made.timer);
        made.chain(self.ringing.values().map(|ring| ring.timer)).chain(self.over.values().copied())
    }

    /// Whether anything of hers waits for a keeper.
    pub(super) fn waits(&self) -> bool {
        self.first.is_some()
            || !self.look_ups.is_empty()
            || self.watched.values().any(|watched| !watched.is_known())
            || self.made.values().any(|made| !made.taken)
            || !self.owed.is_empty()
    }

    /// Notes what she has to get back.
    pub(super) fn owe(&mut self, what: Spent, count: u32) {
        match self.owed.iter_mut().find(|(owed, _)| *owed == what) {
            Some((_, owed)) => *owed = owed.saturating_add(count),
            None => self.owed.push((what, count)),
        }
    }

    /// What she has to get back; from now on it is paid.
    pub(super) fn paid(&mut self) -> Vec<(Spent, u32)> {
        std::mem::take(&mut self.owed)
    }

    /// All that waits for an answer of some keeper.
    pub(super) fn tickets(&self) -> impl Iterator<Item = u64> {
        let watches = self.asked.iter().copied();
        let calls = self.made.values().map(|made| made.ticket);
        self.first.into_iter().chain(self.look_ups.iter().copied()).chain(watches).chain(calls)
    }

    /// Keeps what her keeper accepted, and lets go of what it refused, as it did.
    pub(super) fn note(&mut self, now: Instant, request: Request, answer: &Response) {
        let accepted = !matches!(answer, Response::Refused { .. });
        match (request, accepted) {
            (list @ Request::List { .. }, true) => self.staged.push(list),
            (Request::List { name, .. }, false) => {
                self.staged.retain(|list| !matches!(list, Request::List { name: other, .. } if *other == name));
            }
            (announce @ Request::Announce { .. }, true) => {
                let lists = std::mem::take(&mut self.staged);
                self.announced = Some(Announced { lists, announce, at: now });
            }
            (Request::Announce { .. }, false) => self.staged = Vec::new(),
            (Request::Appear { appearance: new, details: say, .. }, true) => {
                if let Some(Announced { announce: Request::Announce { appearance, details, .. }, at, .. }) =
                    &mut self.announced
                {
                    (*appearance, *details, *at) = (new, Some(say), now);
                }
            }
            _ => {}
        }
    }

    /// All that she has said of herself, to be said again: lists, announcement, and lists for the next one.
    pub(super) fn said(&self, now: Instant) -> Vec<Request> {
        let mut said = Vec::new();
        if let Some(Announced { lists, announce, at }) = &self.announced {
            said.extend(lists.iter().cloned());
            let mut announce = announce.clone();
            if let Request::Announce { details: Some(details), .. } = &mut announce
                && details.idle_s > 0
            {
                let since = u32::try_from(now.duration_since(*at).as_secs()).unwrap_or(u32::MAX);
                details.idle_s = details.idle_s.saturating_add(since);
            }
            said.push(announce);
        }
        said.extend(self.staged.iter().cloned());
        said
    }
}
