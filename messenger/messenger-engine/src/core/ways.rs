//! Who hears whom in a room: each member says in her beats whom she hears without anybody between (rule R-40), and whoever has no
//! connection to somebody writes to her by way of who does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use room_order::Leaf;

use super::inside::SILENT;
use crate::room::{DeviceKey, Leaves};
use crate::time::Now;

/// After so long without a word over the connection to her a member is not said to be heard, and is written to by way of others
/// beside: one beat is missing then.
pub(super) const LATE: Duration = Duration::from_secs(3);
/// By way of how many members a letter goes at once, as long as there are so many: one that carries nothing does no harm.
pub(super) const AT_ONCE: usize = 2;
/// How many ways to one member are known: what goes by way of one at a time has others if that one carries nothing.
const MAX_WAYS: usize = 4;
/// The longest list of leaves in a beat that is looked at.
pub(super) const MAX_HEARS_BYTES: usize = 128;

/// What members have said of whom they hear, and by whom this device reaches whom.
#[derive(Default)]
pub(super) struct Ways {
    /// When something of the room last came from each device over a connection to it.
    near: BTreeMap<DeviceKey, Instant>,
    /// When a session with each device began last, in this room's time.
    begun: BTreeMap<DeviceKey, Instant>,
    said: BTreeMap<DeviceKey, Said>,
    vias: BTreeMap<DeviceKey, Vec<DeviceKey>>,
    /// Who is heard by somebody whom this device hears, whether or not she passes on just now.
    reached: BTreeSet<DeviceKey>,
    /// When the first of those words is too old by which they are.
    until: Option<Instant>,
    /// Who did not pass on what was for whom, until her next word of whom she hears.
    refused: BTreeSet<(DeviceKey, DeviceKey)>,
    /// From whom nothing has come for [`LATE`], as of the last look.
    late: BTreeSet<DeviceKey>,
}

/// Somebody's last word of whom she hears.
struct Said {
    at: Instant,
    hears: BTreeSet<DeviceKey>,
}

impl Ways {
    /// Something of the room came over the connection to a device.
    pub(super) fn came_from(&mut self, device: DeviceKey, now: Now) {
        self.near.insert(device, now.instant);
    }

    /// A member has said whom she hears.
    pub(super) fn told(&mut self, by: DeviceKey, hears: BTreeSet<DeviceKey>, now: Now) {
        self.said.insert(by, Said { at: now.instant, hears });
        self.refused.retain(|(refusing, _)| *refusing != by);
    }

    /// She did not pass on what was for this one. It is no word of whether she hears her: she may have too much to carry.
    pub(super) fn is_none(&mut self, by: DeviceKey, to: DeviceKey) {
        self.refused.insert((by, to));
        self.vias.entry(to).or_default().retain(|via| *via != by);
        self.vias.retain(|_, vias| !vias.is_empty());
    }

    /// Who is in the room no longer is forgotten.
    pub(super) fn keep(&mut self, devices: &BTreeSet<DeviceKey>) {
        self.near.retain(|device, _| devices.contains(device));
        self.begun.retain(|device, _| devices.contains(device));
        self.said.retain(|device, _| devices.contains(device));
        self.refused.retain(|(by, to)| devices.contains(by) && devices.contains(to));
    }

    /// By way of whom letters to this device go.
    pub(super) fn vias(&self, to: DeviceKey) -> &[DeviceKey] {
        self.vias.get(&to).map_or(&[], |vias| &vias[..])
    }

    /// A session with a device begins: letters to it are over, unless nothing of the room comes over it.
    pub(super) fn linked(&mut self, device: DeviceKey, now: Now) {
        self.begun.insert(device, now.instant);
        self.vias.remove(&device);
    }

    /// Whether somebody whom this device hears has said that she hears this one.
    pub(super) fn is_reached(&self, device: DeviceKey) -> bool {
        self.reached.contains(&device)
    }

    /// Who is reached so, and by way of whom first.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (DeviceKey, DeviceKey)> {
        self.vias.iter().filter_map(|(to, vias)| Some((*to, *vias.first()?)))
    }

    /// Whether something of the room came of late over a connection to a device.
    pub(super) fn heard_lately(&self, device: DeviceKey, now: Now) -> bool {
        self.near.get(&device).is_some_and(|at| now.instant.saturating_duration_since(*at) < LATE)
    }

    /// Whether this device hears another one without anybody between; `connected` are those to whom a connection stands.
    fn hears(&self, device: DeviceKey, connected: &BTreeSet<DeviceKey>, now: Now) -> bool {
        connected.contains(&device) && self.heard_lately(device, now)
    }

    /// Whether nothing of the room comes over a connection that stands.
    fn is_late(&self, device: DeviceKey, now: Now) -> bool {
        self.awaited_since(device).is_some_and(|at| now.instant.saturating_duration_since(at) >= LATE)
    }

    /// The same, as of the last look.
    pub(super) fn was_late(&self, device: DeviceKey) -> bool {
        self.late.contains(&device)
    }

    /// From whom words are awaited over connections; some are named twice.
    fn awaited(&self) -> impl Iterator<Item = DeviceKey> {
        self.near.keys().chain(self.begun.keys()).copied()
    }

    /// Since when the next word over a connection to a device is due.
    fn awaited_since(&self, device: DeviceKey) -> Option<Instant> {
        self.near.get(&device).max(self.begun.get(&device)).copied()
    }

    /// Whom this device hears, as a beat says it.
    pub(super) fn heard_by_me(&self, leaves: &Leaves, connected: &BTreeSet<DeviceKey>, now: Now) -> Vec<u8> {
        bits_of(leaves.iter().filter(|(_, device)| self.hears(*device, connected, now)))
    }

    /// Looks anew by way of whom each of `others` is reached to whom no connection stands, or over it nothing comes; of those who
    /// may carry, who is first is asked first. Returns who is reached so now and was not before.
    pub(super) fn look(
        &mut self,
        (others, carriers): (&[DeviceKey], &[DeviceKey]),
        connected: &BTreeSet<DeviceKey>,
        now: Now,
    ) -> Vec<DeviceKey> {
        let needs = |to: &DeviceKey| !connected.contains(to) || self.is_late(*to, now);
        // What does not hang on whom it is for is looked at once: members times carriers are many in a large room.
        let fresh = |by: &DeviceKey| self.said.get(by).filter(|said| now.instant < said.at + SILENT);
        let carriers: Vec<(DeviceKey, &Said)> =
            carriers.iter().filter(|by| !needs(by)).filter_map(|by| Some((*by, fresh(by)?))).collect();
        let able = |to: DeviceKey| {
            let able = carriers.iter().filter(|(by, said)| *by != to && said.hears.contains(&to));
            able.map(|(by, _)| *by).collect::<Vec<_>>()
        };
        let able: BTreeMap<DeviceKey, Vec<DeviceKey>> =
            others.iter().filter(|to| needs(to)).map(|to| (*to, able(*to))).filter(|(_, by)| !by.is_empty()).collect();
        let until = able.values().flatten().filter_map(|by| self.said.get(by)).map(|said| said.at + SILENT).min();
        let reached = able.keys().copied().collect();
        let willing = |(to, by): (DeviceKey, Vec<DeviceKey>)| {
            let by = by.into_iter().filter(|by| !self.refused.contains(&(*by, to)));
            (to, by.take(MAX_WAYS).collect())
        };
        let vias: BTreeMap<DeviceKey, Vec<DeviceKey>> = able.into_iter().map(willing).collect();
        let late = self.awaited().filter(|device| self.is_late(*device, now)).collect();
        let before = std::mem::take(&mut self.vias);
        self.vias = vias.into_iter().filter(|(_, vias)| !vias.is_empty()).collect();
        self.late = late;
        (self.reached, self.until) = (reached, until);
        self.vias.keys().filter(|to| !before.contains_key(to)).copied().collect()
    }

    /// When to look again: where the first of those words is too old by which somebody is reached, or nothing more comes from
    /// somebody.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let awaited = self.awaited().filter(|device| !self.late.contains(device));
        let late = awaited.filter_map(|device| Some(self.awaited_since(device)? + LATE));
        self.until.into_iter().chain(late).min()
    }
}

/// Some of the leaves of an epoch, as a bit each.
pub(super) fn bits_of(leaves: impl Iterator<Item = (Leaf, DeviceKey)>) -> Vec<u8> {
    let mut bits = Vec::new();
    for (leaf, _) in leaves {
        let (byte, bit) = place(leaf);
        if byte < MAX_HEARS_BYTES {
            bits.resize(bits.len().max(byte + 1), 0);
            bits[byte] |= bit;
        }
    }
    bits
}

/// Whom such bits name, by the leaves of their epoch.
pub(super) fn named_by(hears: &[u8], leaves: &Leaves) -> BTreeSet<DeviceKey> {
    let bytes = hears.get(..hears.len().min(MAX_HEARS_BYTES)).unwrap_or_default();
    let is_set = |leaf: Leaf| {
        let (byte, bit) = place(leaf);
        bytes.get(byte).is_some_and(|bits| bits & bit != 0)
    };
    leaves.iter().filter(|(leaf, _)| is_set(*leaf)).map(|(_, device)| device).collect()
}

/// The byte and the bit of a leaf.
fn place(leaf: Leaf) -> (usize, u8) {
    (usize::try_from(leaf.0 / 8).unwrap_or(usize::MAX), 0x80 >> (leaf.0 % 8))
}

#[cfg(test)]
mod tests {
    use identity::UnixTime;

    use super::*;

    fn device(number: u8) -> DeviceKey {
        DeviceKey([number; 32])
    }

    fn at(begin: Instant, seconds: u64) -> Now {
        let unix = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + seconds));
        Now { instant: begin + Duration::from_secs(seconds), unix }
    }

    #[test]
    fn a_list_of_leaves_is_read_as_it_was_written_and_no_further() {
        let leaves: Vec<(Leaf, DeviceKey)> = (0..20).map(|leaf| (Leaf(leaf), device(leaf as u8))).collect();
        let (mut ways, now) = (Ways::default(), at(Instant::now(), 0));
        for number in [0, 7, 8, 19] {
            ways.came_from(device(number), now);
        }
        let connected = [0, 8, 19].map(device).into_iter().collect();
        let leaves = Leaves::new(leaves);
        let bits = ways.heard_by_me(&leaves, &connected, now);
        assert_eq!(bits, [0x80, 0x80, 0x10], "without a connection nobody is heard");
        assert_eq!(named_by(&bits, &leaves), connected);
        assert_eq!(named_by(&[0xff; 1 << 16], &leaves).len(), 20);
        assert!(named_by(&[], &leaves).is_empty());
        let far = Leaves::new(vec![(Leaf(u32::MAX), device(1)), (Leaf(8 * MAX_HEARS_BYTES as u32), device(2))]);
        assert!(named_by(&[0xff; 1 << 16], &far).is_empty());
    }

    #[test]
    fn who_says_that_she_hears_somebody_is_a_way_to_her_for_six_seconds() {
        let begin = Instant::now();
        let others = [1, 2, 3, 4].map(device);
        let connected: BTreeSet<_> = [1, 2, 3].map(device).into_iter().collect();
        let mut ways = Ways::default();
        for number in [3, 2] {
            ways.told(device(number), [device(4)].into_iter().collect(), at(begin, 0));
        }
        assert_eq!(ways.look((&others, &others), &connected, at(begin, 0)), [device(4)]);
        assert_eq!(ways.vias(device(4)), [device(2), device(3)], "in the order of the others");
        assert!(ways.look((&others, &others), &connected, at(begin, 1)).is_empty(), "nobody new");
        ways.is_none(device(2), device(4));
        assert_eq!(ways.vias(device(4)), [device(3)]);
        ways.look((&others, &others), &connected, at(begin, 1));
        assert_eq!(ways.vias(device(4)), [device(3)], "until her next word");
        ways.is_none(device(3), device(4));
        ways.look((&others, &others), &connected, at(begin, 1));
        assert!(ways.vias(device(4)).is_empty() && ways.is_reached(device(4)), "they hear her all the same");
        ways.told(device(2), [device(4)].into_iter().collect(), at(begin, 1));
        ways.look((&others, &others[..1]), &connected, at(begin, 1));
        assert!(ways.vias(device(4)).is_empty() && !ways.is_reached(device(4)), "who may not carry is no way");
        ways.look((&others, &others), &connected, at(begin, 1));
        assert_eq!(ways.vias(device(4)), [device(2)]);
        assert_eq!(ways.next_deadline(), Some(at(begin, 6).instant));
        ways.look((&others, &others), &connected, at(begin, 7));
        assert!(ways.vias(device(4)).is_empty() && !ways.is_reached(device(4)));
    }

    #[test]
    fn nobody_is_a_way_to_whom_there_is_no_connection_or_over_it_nothing_comes() {
        let begin = Instant::now();
        let others = [1, 2, 3].map(device);
        let mut ways = Ways::default();
        ways.came_from(device(2), at(begin, 0));
        for number in [1, 2] {
            ways.told(device(number), [device(3), device(1)].into_iter().collect(), at(begin, 0));
        }
        let connected = [device(2)].into_iter().collect();
        ways.look((&others, &others), &connected, at(begin, 2));
        assert_eq!(ways.vias(device(3)), [device(2)], "one hop");
        assert_eq!(ways.firsts().count(), 2);
        assert!(ways.heard_by_me(&Leaves::new(vec![(Leaf(0), device(2))]), &connected, at(begin, 3)).is_empty());
        ways.look((&others, &others), &connected, at(begin, 3));
        assert!(ways.vias(device(3)).is_empty());
    }
}
