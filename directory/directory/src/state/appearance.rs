//! What a connection has announced, and how a person appears to another because of it.

use super::people::{Connection, People};
use super::{ConnectionId, Name, Refusal};
use directory_protocol::message::{
    Appearance, AudienceKind, Capabilities, Details, ErrorCode, ListName, Presence, Status,
};
use identity::Identifier;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a connection has announced.
pub(super) struct Announced {
    /// What those see to whom it is visible.
    seen: Arc<Seen>,
    invisible: bool,
    visible_to: Audience,
    may_knock: Audience,
    blocked: HashSet<Name>,
    /// Announcements are counted: the latest of two equal ones is preferred.
    turn: u64,
}

/// What is seen of somebody who is there. Shared by everybody who was told so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    status: Status,
    capabilities: Capabilities,
    idle_since: Option<Instant>,
    note: Box<str>,
}

/// Idle times that begin closer together are the same, rounded to seconds twice.
const SAME_IDLE_TIME: Duration = Duration::from_secs(2);

/// What one person may know of another: nothing if she is not there, for whatever reason.
pub(super) type Shown = Option<Arc<Seen>>;

/// A resolved audience. Two audiences may share one list of contacts.
enum Audience {
    Nobody,
    Everyone,
    These(Arc<HashSet<Name>>),
}

impl Audience {
    fn includes(&self, who: &Identifier) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everyone => true,
            Self::These(people) => people.contains(who),
        }
    }
}

impl Seen {
    /// As an announcement of this moment describes it. What is invisible has a status that nobody sees.
    ///
    /// Seconds are told, moments are kept: the same idle time, told again, must not look like a change, or everybody would
    /// hear of an announcement that changes nothing for them.
    fn new(now: Instant, appearance: Appearance, details: Details, before: Option<&Announced>) -> Self {
        let status = match appearance {
            Appearance::As(status) => status,
            Appearance::Invisible => Status::DoNotDisturb,
        };
        let idle = Duration::from_secs(details.idle_s.into());
        // A machine that started later than that does not know the moment; it is idle since its start.
        let told = (details.idle_s > 0).then(|| now.checked_sub(idle).unwrap_or(now));
        let same = |a: Instant, b: Instant| a.max(b) - a.min(b) < SAME_IDLE_TIME;
        let known = before.and_then(|announced| announced.seen.idle_since);
        let idle_since = told.map(|told| known.filter(|known| same(*known, told)).unwrap_or(told));
        Self { status, capabilities: details.capabilities, idle_since, note: details.note.into() }
    }

    /// As it is told at this moment.
    pub(super) fn told(&self, now: Instant) -> Presence {
        let idle = self.idle_since.map_or(0, |since| now.saturating_duration_since(since).as_secs().max(1));
        let details = Details {
            capabilities: self.capabilities,
            idle_s: u32::try_from(idle).unwrap_or(u32::MAX),
            note: self.note.to_string(),
        };
        Presence::Online(self.status, details)
    }
}

impl Announced {
    /// The most available one has the lowest rank: by status, then the one used last, then the one announced last.
    fn rank(&self) -> impl Ord + use<> {
        (self.invisible, self.seen.status, self.seen.idle_since.map(Reverse), Reverse(self.turn))
    }

    /// Whether a device of `who` with this announcement is visible to `asker`, whom she does not block.
    fn shows(&self, who: &Identifier, asker: &Identifier) -> bool {
        !self.invisible && (who == asker || self.visible_to.includes(asker))
    }

    /// Whether a call by `caller` may reach a device of `who` with this announcement. Her own other devices need not be on her
    /// lists; where nobody may knock, they may not either.
    fn takes_calls(&self, who: &Identifier, caller: &Identifier) -> bool {
        match self.may_knock {
            Audience::Nobody => false,
            _ => who == caller || self.may_knock.includes(caller),
        }
    }
}

impl People {
    /// Appends people to a list that the next announcement brings into force.
    pub(super) fn stage(
        &mut self,
        id: ConnectionId,
        list: ListName,
        people: Vec<Identifier>,
        limit: usize,
    ) -> Result<(), Refusal> {
        let names: Vec<Name> = people.into_iter().map(|who| self.name(who)).collect();
        let staged = &mut self.connection_mut(id).staged[list as usize];
        staged.extend(names);
        if staged.len() > limit {
            // The list cannot be what the person meant: an announcement of half of it would surprise her.
            *staged = HashSet::new();
            return Err(ErrorCode::ListTooLong.into());
        }
        Ok(())
    }

    /// Empties the lists that wait for an announcement: it was refused, and the next one must not add to half of it.
    pub(super) fn unstage(&mut self, id: ConnectionId) {
        self.connection_mut(id).staged = Default::default();
    }

    /// Brings an announcement and the staged lists into force. Gives whose presence may have changed.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        id: ConnectionId,
        appearance: Appearance,
        audiences: (AudienceKind, AudienceKind),
        details: Details,
    ) -> Name {
        let turn = self.next_turn();
        let connection = self.connection_mut(id);
        let [contacts, visible, knocking, blocked] = mem::take(&mut connection.staged);
        let contacts = Arc::new(contacts);
        let seen = Seen::new(now, appearance, details, connection.announced.as_ref());
        let resolve = |kind, named| match kind {
            AudienceKind::Nobody => Audience::Nobody,
            AudienceKind::Everyone => Audience::Everyone,
            AudienceKind::Contacts => Audience::These(Arc::clone(&contacts)),
            AudienceKind::Named => Audience::These(Arc::new(named)),
        };
        connection.announced = Some(Announced {
            seen: Arc::new(seen),
            invisible: appearance == Appearance::Invisible,
            visible_to: resolve(audiences.0, visible),
            may_knock: resolve(audiences.1, knocking),
            blocked,
            turn,
        });
        Arc::clone(&connection.who)
    }

    /// Changes how an announced connection appears, and nothing else.
    pub(super) fn appear(
        &mut self,
        now: Instant,
        id: ConnectionId,
        appearance: Appearance,
        details: Details,
    ) -> Result<Name, Refusal> {
        let turn = self.next_turn();
        let connection = self.connection_mut(id);
        let announced = connection.announced.as_mut().ok_or(ErrorCode::NotAnnounced)?;
        announced.seen = Arc::new(Seen::new(now, appearance, details, Some(announced)));
        announced.invisible = appearance == Appearance::Invisible;
        announced.turn = turn;
        Ok(Arc::clone(&connection.who))
    }

    /// What `asker` may know of `who`: of the devices visible to the asker, the most available one, with what all of them
    /// can do together.
    pub(super) fn shown(&self, who: &Identifier, asker: &Identifier) -> Shown {
        let all = self.announced(who).map(|(_, announced)| announced);
        if all.clone().any(|announced| announced.blocked.contains(asker)) {
            return None;
        }
        let (mut best, mut capabilities) = (None::<&Announced>, Capabilities::default());
        for visible in all.filter(|announced| announced.shows(who, asker)) {
            capabilities = capabilities.and(visible.seen.capabilities);
            best = Some(best.filter(|best| best.rank() <= visible.rank()).unwrap_or(visible));
        }
        let best = &best?.seen;
        if capabilities == best.capabilities {
            return Some(Arc::clone(best));
        }
        let Seen { status, idle_since, ref note, .. } = **best;
        Some(Arc::new(Seen { status, capabilities, idle_since, note: note.clone() }))
    }

    /// Whether `asker` would see `who` if nobody were invisible: what a caller shows to her callee.
    pub(super) fn would_show(&self, who: &Identifier, asker: &Identifier) -> bool {
        let shows = |announced: &Announced| who == asker || announced.visible_to.includes(asker);
        !self.blocks(who, asker) && self.announced(who).any(|(_, announced)| shows(announced))
    }

    /// The devices of `callee` that a call by `caller` may reach, the most available first.
    pub(super) fn knockable(&self, callee: &Identifier, caller: &Identifier) -> Vec<ConnectionId> {
        if self.blocks(callee, caller) {
            return Vec::new();
        }
        let permits = |announced: &Announced| announced.takes_calls(callee, caller);
        let mut devices: Vec<_> = self.announced(callee).filter(|(_, announced)| permits(announced)).collect();
        devices.sort_by_key(|(_, announced)| announced.rank());
        devices.into_iter().map(|(id, _)| id).collect()
    }

    /// Whether `asker` sees this very device.
    pub(super) fn shows(&self, id: ConnectionId, asker: &Identifier) -> bool {
        let Some(Connection { who, announced: Some(announced), .. }) = self.get(id) else { return false };
        announced.shows(who, asker) && !self.blocks(who, asker)
    }

    /// Whether a call by `caller` may reach this device.
    pub(super) fn admits(&self, id: ConnectionId, caller: &Identifier) -> bool {
        let Some(Connection { who, announced: Some(announced), .. }) = self.get(id) else { return false };
        announced.takes_calls(who, caller) && !self.blocks(who, caller)
    }

    /// Whether some device of `who` blocks `other`. One is enough: a person who blocks somebody on her telephone does not
    /// want him on her desk either.
    pub(super) fn blocks(&self, who: &Identifier, other: &Identifier) -> bool {
        self.announced(who).any(|(_, announced)| announced.blocked.contains(other))
    }

    fn announced(&self, who: &Identifier) -> impl Iterator<Item = (ConnectionId, &Announced)> + Clone {
        let ids = self.devices_of(who).iter();
        ids.filter_map(|id| Some((*id, self.connections.get(id)?.announced.as_ref()?)))
    }
}
