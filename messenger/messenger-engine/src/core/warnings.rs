//! What the person was warned of in a room. Nobody uses up what there is for what others do.

use std::collections::{BTreeMap, BTreeSet};

use room_order::Alarm;

use crate::room::DeviceKey;

/// How often somebody is named for two offers.
const OF_ONE: usize = 4;
/// How many forks are told of that both decisions prove.
const FORKS: usize = 16;

/// See the module.
#[derive(Default)]
pub(super) struct Warnings {
    /// By whom they were made; nobody, if that device is in the room no longer.
    two_offers: BTreeMap<Option<DeviceKey>, BTreeSet<Alarm>>,
    forks: BTreeSet<Alarm>,
    /// Who has said that the room has forked, without a proof.
    said_so: BTreeSet<Option<DeviceKey>>,
}

impl Warnings {
    /// Whether the person is to be told of this. `author` is who made two offers; `from` is who spoke.
    pub(super) fn is_new(&mut self, alarm: &Alarm, author: Option<DeviceKey>, from: Option<DeviceKey>) -> bool {
        match alarm {
            Alarm::TwoOffers { .. } => {
                let theirs = self.two_offers.entry(author).or_default();
                theirs.len() < OF_ONE && theirs.insert(alarm.clone())
            }
            // Anybody can say so, and of the same fork everybody will.
            Alarm::Forked { both, .. } if both.is_empty() => self.said_so.insert(from),
            Alarm::Forked { .. } => self.forks.len() < FORKS && self.forks.insert(alarm.clone()),
        }
    }

    /// Forgets what was told of devices that are not in the room: there are as many as anybody lets in.
    pub(super) fn keep(&mut self, devices: &BTreeSet<DeviceKey>) {
        let is_there = |device: &Option<DeviceKey>| device.is_none_or(|device| devices.contains(&device));
        self.two_offers.retain(|device, _| is_there(device));
        self.said_so.retain(is_there);
    }
}

#[cfg(test)]
mod tests {
    use room_order::{Ballot, CommitId, Leaf};

    use super::*;

    #[test]
    fn what_one_member_says_takes_no_warning_from_another() {
        let (mut warnings, [liar, other]) = (Warnings::default(), [DeviceKey([1; 32]), DeviceKey([2; 32])]);
        let said = |number: u8| {
            let (mine, theirs) = (CommitId([0; 32]), CommitId([number; 32]));
            Alarm::Forked { number: 1, mine, theirs, both: BTreeSet::new() }
        };
        let offers = |term: u32| {
            let ballot = Ballot { term, leaf: Leaf(0) };
            Alarm::TwoOffers { parent: CommitId([9; 32]), ballot, one: CommitId([0; 32]), other: CommitId([1; 32]) }
        };
        let told = (1..100).filter(|number| warnings.is_new(&said(*number), None, Some(liar))).count();
        assert_eq!(told, 1);
        let told = (1..100).filter(|term| warnings.is_new(&offers(*term), Some(liar), None)).count();
        assert_eq!(told, OF_ONE);
        assert!(warnings.is_new(&said(100), None, Some(other)));
        assert!(warnings.is_new(&offers(100), Some(other), None));
        let Alarm::Forked { number, mine, theirs, .. } = said(101) else { unreachable!() };
        let proven = Alarm::Forked { number, mine, theirs, both: [Leaf(0)].into() };
        assert!(warnings.is_new(&proven, None, Some(liar)));
        assert!(!warnings.is_new(&proven, None, Some(other)), "the same again");
    }
}
