//! A room one is in: its group, the order of its commits, and what one waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use room_order::{Ballot, Claim, CommitId, Leaf, MAX_AHEAD, Member};

use super::circulars::Circulars;
use super::hosting::Hosting;
use super::lapse::Lapsed;
use super::letters::Letters;
use super::proofs::Proofs;
use super::sessions::Sessions;
use super::warnings::Warnings;
use super::ways::Ways;
use super::wishes::Wish;
use crate::api::Via;
use crate::room::{DeviceKey, Group, Leaves, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How often members say in which epoch they are (rule R-14).
pub(super) const BEAT: Duration = Duration::from_secs(2);
/// How long one waits for contradictions (rule R-07).
pub(super) const W: Duration = Duration::from_secs(5);
/// How long a host is silent before she is lost (rule R-11).
pub(super) const SILENT: Duration = Duration::from_secs(6);
/// How far apart members claim (rule R-11).
pub(super) const TURN: Duration = Duration::from_secs(1);
/// How often somebody who is behind is helped on.
const HELP: Duration = Duration::from_secs(1);
/// How long a claim has before another one.
pub(super) const CLAIM: Duration = Duration::from_secs(8);
/// How long whoever was promised a ballot waits for the promise of another: others have their turns meanwhile (rule R-11).
pub(super) const PROMISED_AGAIN: Duration = Duration::from_secs(30);

/// What one knows and waits for in a room that one is in.
pub(super) struct Inside {
    pub(super) group: Group,
    pub(super) order: Member,
    pub(super) proofs: Proofs,
    pub(super) hosting: Hosting,
    /// When something of the room last came from each device.
    pub(super) heard: BTreeMap<DeviceKey, Instant>,
    /// Who has said that she leaves.
    pub(super) gone: BTreeSet<DeviceKey>,
    /// Who was removed without having said so, and when: she comes back without an invitation by a person (rule R-17).
    pub(super) lost: BTreeMap<DeviceKey, (Person, Instant)>,
    /// When the wait of R-07 began in each ballot.
    pub(super) seen: BTreeMap<Ballot, Instant>,
    /// Since when the host is lost.
    pub(super) host_lost: Option<Instant>,
    /// When this device claims, if the host is lost then.
    pub(super) next_claim: Instant,
    /// When this device last claimed in this epoch.
    pub(super) claimed_at: Option<Instant>,
    /// Claims for this epoch that came before the host was lost here.
    pub(super) claims: BTreeMap<Leaf, Claim>,
    /// When each was promised a ballot of this epoch.
    pub(super) promised_at: BTreeMap<Leaf, Instant>,
    /// One's own offer or claim, for who has no connection yet or lags.
    pub(super) repeat: Option<RoomFrame>,
    /// One's own last acknowledgement.
    pub(super) acked: Option<RoomFrame>,
    /// Whom one has helped on in the last second.
    helped: BTreeMap<DeviceKey, Instant>,
    pub(super) next_beat: Instant,
    beats: u32,
    /// Since when no quorum is heard.
    pub(super) stalled: Option<Instant>,
    /// Whether the person was told.
    pub(super) told_stalled: bool,
    /// What the person was warned of.
    pub(super) warnings: Warnings,
    /// A host against whom there is evidence (rule R-14): she counts as lost.
    pub(super) accused: Option<DeviceKey>,
    /// Whose certificates hold no longer (rule R-30).
    pub(super) lapsed: Lapsed,
    /// Of whom the client was told last that they are not reached.
    pub(super) told_unreached: BTreeSet<DeviceKey>,
    /// Who hears whom, and by way of whom others are reached.
    pub(super) ways: Ways,
    pub(super) letters: Letters,
    pub(super) circulars: Circulars,
    /// What the client was told last of that.
    pub(super) told_via: Vec<Via>,
    /// With whom a session has stood, or who was reached by way of others: where neither has been yet, none is lost.
    pub(super) linked: BTreeSet<DeviceKey>,
    /// Of whom the person was warned, that she is in another epoch than she says.
    pub(super) warned: BTreeSet<DeviceKey>,
    /// Whether this device has handed in a commit in this epoch.
    pub(super) handed_in: bool,
    /// What its person wants changed.
    pub(super) wishes: VecDeque<Wish>,
    /// Who has handed in, in this epoch, what is not hers to change.
    pub(super) refused: BTreeSet<DeviceKey>,
    /// The commit by which this device renews its keys in this epoch.
    pub(super) update: Option<CommitId>,
    /// Since when each device has the keys of its leaf, as far as this device has seen.
    pub(super) keys_since: BTreeMap<DeviceKey, Instant>,
    /// When a member other than the host last renewed hers.
    pub(super) renewed_at: Instant,
    /// Until when this device, which leaves, still answers.
    pub(super) leaving: Option<Instant>,
}

impl Inside {
    pub(super) fn new(group: Group, now: Now) -> Self {
        let order = Member::new(group.leaf(), group.order());
        let (letters, circulars) = (Letters::new(group.epoch()), Circulars::new(group.epoch()));
        let mut inside = Self {
            group,
            order,
            proofs: Proofs::default(),
            hosting: Hosting::default(),
            heard: BTreeMap::new(),
            gone: BTreeSet::new(),
            lost: BTreeMap::new(),
            seen: BTreeMap::new(),
            host_lost: None,
            next_claim: now.instant,
            claimed_at: None,
            claims: BTreeMap::new(),
            promised_at: BTreeMap::new(),
            repeat: None,
            acked: None,
            helped: BTreeMap::new(),
            next_beat: now.instant + BEAT,
            beats: 0,
            stalled: None,
            told_stalled: false,
            warnings: Warnings::default(),
            accused: None,
            lapsed: Lapsed::none(now),
            told_unreached: BTreeSet::new(),
            ways: Ways::default(),
            letters,
            circulars,
            told_via: Vec::new(),
            linked: BTreeSet::new(),
            warned: BTreeSet::new(),
            handed_in: false,
            wishes: VecDeque::new(),
            refused: BTreeSet::new(),
            update: None,
            keys_since: BTreeMap::new(),
            renewed_at: now.instant,
            leaving: None,
        };
        let me = inside.me();
        inside.keys_since.insert(me, now.instant);
        inside.expect_all(now);
        inside
    }

    /// Each member has as long from now on to be heard as whoever has just been heard.
    pub(super) fn expect_all(&mut self, now: Now) {
        let devices: BTreeSet<DeviceKey> = self.group.members().map(|person| person.device).collect();
        self.heard.retain(|device, _| devices.contains(device));
        self.gone.retain(|device| devices.contains(device));
        self.linked.retain(|device| devices.contains(device));
        self.warnings.keep(&devices);
        self.lapsed.keep(&devices);
        self.ways.keep(&devices);
        self.letters.keep(&devices);
        self.circulars.counted.keep(&devices);
        self.warned.retain(|device| devices.contains(device));
        for device in devices {
            self.heard.entry(device).or_insert(now.instant);
        }
    }

    pub(super) fn leaves(&self) -> Leaves {
        self.group.leaves().clone()
    }

    /// This device.
    pub(super) fn me(&self) -> DeviceKey {
        let leaf = self.group.leaf();
        self.group.leaves().device(leaf).expect("one is a member of the group one is in")
    }

    /// Everybody else.
    pub(super) fn others(&self) -> Vec<DeviceKey> {
        let me = self.group.leaf();
        self.group.leaves().iter().filter(|(leaf, _)| *leaf != me).map(|(_, device)| device).collect()
    }

    /// Whether a device is in the room, or was in the epoch before: whoever is a step behind is one of them yet.
    pub(super) fn is_or_was(&self, device: DeviceKey) -> bool {
        self.group.has(device) || self.proofs.knew_last(device)
    }

    /// Whether no session with a device is left with which one has stood, and nobody says that she hears it. Whoever has said that
    /// she leaves is looked for no longer.
    pub(super) fn has_ended(&self, device: DeviceKey, sessions: &Sessions) -> bool {
        let reached = self.ways.is_reached(device) && !self.gone.contains(&device);
        self.linked.contains(&device) && !sessions.has(device) && !reached
    }

    /// Whether this device would be the first to claim if the others, too, had lost the host, whose session with it has just ended
    /// while she was heard.
    pub(super) fn may_come_to_claim(&self, device: DeviceKey, now: Now) -> bool {
        let closed = device == self.group.host().device && self.ways.heard_lately(device, now);
        closed && self.host_lost.is_none() && self.leaving.is_none() && self.turn() == 0
    }

    /// How many members claim before this device: those of lower leaves who stay and whose certificates hold.
    pub(super) fn turn(&self) -> u32 {
        let (me, host) = (self.group.leaf(), self.order.epoch().host.leaf);
        let before = self.group.leaves().iter().take_while(|(leaf, _)| *leaf < me);
        let stays = |device: &DeviceKey| !self.gone.contains(device) && !self.lapsed.has(*device);
        let staying = before.filter(|(leaf, device)| *leaf != host && stays(device));
        u32::try_from(staying.count()).unwrap_or(u32::MAX)
    }

    /// Whether it is this device that takes over from a host who leaves.
    pub(super) fn is_heir(&self) -> bool {
        !self.group.is_host() && self.leaving.is_none() && self.turn() == 0
    }

    /// Whether the host leaves.
    pub(super) fn host_leaves(&self) -> bool {
        self.gone.contains(&self.group.host().device)
    }

    /// Members heard of late, oneself among them.
    pub(super) fn present(&self, now: Now) -> BTreeSet<Leaf> {
        let me = self.group.leaf();
        let heard = |device: &DeviceKey| {
            let late = |at: &Instant| now.instant.saturating_duration_since(*at) >= SILENT;
            !self.gone.contains(device) && !self.lapsed.has(*device) && !self.heard.get(device).is_none_or(late)
        };
        let leaves = self.group.leaves().iter();
        leaves.filter(|(leaf, device)| *leaf == me || heard(device)).map(|(leaf, _)| leaf).collect()
    }

    /// Who is lost to this device, and not waited for (rule R-07): whose session has ended and whom nobody hears, from whom
    /// nothing came for long, a host against whom there is evidence, and whose certificate holds no longer.
    pub(super) fn lost_members(&self, sessions: &Sessions, now: Now) -> BTreeSet<Leaf> {
        let lost = |device: &DeviceKey| {
            let late = |at: &Instant| now.instant.saturating_duration_since(*at) >= SILENT;
            self.has_ended(*device, sessions)
                || self.heard.get(device).is_none_or(late)
                || self.accused == Some(*device)
                || self.lapsed.has(*device)
        };
        let (me, leaves) = (self.group.leaf(), self.group.leaves().iter());
        leaves.filter(|(leaf, device)| *leaf != me && lost(device)).map(|(leaf, _)| leaf).collect()
    }

    /// When the next of those turns silent who are waited for now.
    fn lost_at(&self) -> Option<Instant> {
        let waited_for =
            |(leaf, _): &(Leaf, DeviceKey)| !self.order.lost().contains(leaf) && *leaf != self.group.leaf();
        let heard = |(_, device)| self.heard.get(&device).map(|at| *at + SILENT);
        // Nobody is waited for while no commit is under way.
        let waits = self.order.ballots().next().is_some();
        waits.then(|| self.group.leaves().iter().filter(waited_for).filter_map(heard).min()).flatten()
    }

    /// When the host is silent for too long.
    pub(super) fn host_silent_at(&self) -> Instant {
        let heard = self.heard.get(&self.group.host().device);
        heard.copied().unwrap_or(self.next_beat) + SILENT
    }

    /// Whether this device claims when it is its turn: the host is lost, or it is the host and what it has offered was not
    /// acknowledged in time by who is heard, because of a promise to somebody who had lost the host for a moment.
    pub(super) fn would_claim(&self) -> bool {
        let me = self.group.leaf();
        let barred = || {
            let late = self.order.ballots().any(|(ballot, waited)| waited && ballot.leaf == me);
            self.group.is_host() && late && self.order.staged().is_some()
        };
        self.leaving.is_none() && (self.host_lost.is_some() || barred())
    }

    /// Whether a claim may be looked at: it is for what was promised already, or its owner was promised nothing for a while.
    pub(super) fn may_claim(&self, claim: Claim, now: Now) -> bool {
        let promised = self.promised_at.get(&claim.ballot.leaf);
        claim.ballot == self.order.promised() || promised.is_none_or(|at| now.instant >= *at + PROMISED_AGAIN)
    }

    /// The highest term that others have claimed in this epoch.
    pub(super) fn highest_claim(&self) -> u32 {
        let limit = self.order.promised().term.saturating_add(MAX_AHEAD);
        self.claims.values().map(|claim| claim.ballot.term).filter(|term| *term <= limit).max().unwrap_or(0)
    }

    /// Whether this device is told of a past decision, or of where one is: each is, once a second.
    pub(super) fn may_help(&mut self, device: DeviceKey, now: Now) -> bool {
        self.helped.retain(|_, at| now.instant < *at + HELP);
        let may = !self.helped.contains_key(&device);
        self.helped.entry(device).or_insert(now.instant);
        may
    }

    /// Counts a beat; returns whether it is one in three, at which offers are repeated.
    pub(super) fn beat(&mut self, now: Now) -> bool {
        self.next_beat = now.instant + BEAT;
        self.beats = self.beats.wrapping_add(1);
        self.beats.is_multiple_of(3)
    }

    /// When one looks at the room next.
    pub(super) fn next_deadline(&self) -> Instant {
        let waited = self.seen.values().map(|seen| *seen + W);
        let silent = (!self.group.is_host() && self.host_lost.is_none()).then(|| self.host_silent_at());
        let claim = self.would_claim().then_some(self.next_claim);
        // Whoever leaves looks at nobody's certificate.
        let review = self.leaving.is_none().then(|| self.lapsed.due());
        let others = [silent, claim, self.lost_at(), self.leaving, self.ways.next_deadline(), review];
        waited.chain(others.into_iter().flatten()).fold(self.next_beat, Instant::min)
    }
}
