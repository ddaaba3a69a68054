//! How time passes: everybody sleeps until something is due, as the driver does, or looks at the clock all the time.

use std::time::Duration;

use super::World;
use crate::core::{Core, LOOK, SOON};
use crate::time::Now;

impl World {
    /// The core of somebody to whom something happens.
    pub(in crate::core::tests) fn core(&mut self, name: &str) -> &mut Core {
        let now = self.now().instant;
        let node = self.node(name);
        node.alarm.happened(now);
        &mut node.core
    }

    /// Everybody who has something to do, or looks all the time, does it.
    fn tick(&mut self, now: Now) {
        let sleepless = self.sleepless;
        let mut ticked = Vec::new();
        for (name, node) in self.nodes.iter_mut().filter(|(_, node)| sleepless || node.alarm.due() <= now.instant) {
            node.alarm.ticked(now.instant, now.instant + LOOK);
            node.core.tick(now);
            ticked.push(name.clone());
        }
        self.settle();
        for name in ticked {
            let node = self.node(&name);
            let next = node.core.next_deadline(now);
            let did_nothing = node.alarm.due() == now.instant + LOOK;
            assert!(next > now.instant || !did_nothing, "{name} had nothing to do, and at once has again");
            node.alarm.ticked(now.instant, next);
            if !did_nothing {
                node.alarm.happened(now.instant);
            }
        }
    }

    /// For how long somebody's driver may sleep now.
    pub(in crate::core::tests) fn sleeps_for(&self, name: &str) -> Duration {
        let now = self.now();
        self.nodes[name].core.next_deadline(now).saturating_duration_since(now.instant)
    }

    /// How far it is to the next moment at which anybody looks at the clock, in steps of [`SOON`], and no further than this.
    fn step(&self, most: Duration) -> Duration {
        let now = self.now().instant;
        let first =
            self.nodes.values().map(|node| node.alarm.due().saturating_duration_since(now)).min().unwrap_or(most);
        let first = if self.sleepless { SOON } else { first.min(most) };
        SOON * u32::try_from(first.as_millis().div_ceil(SOON.as_millis())).unwrap().max(1)
    }

    /// Lets time pass.
    pub(in crate::core::tests) fn pass(&mut self, duration: Duration) {
        let end = self.time + duration;
        while self.time < end {
            self.time += self.step(end - self.time);
            let now = self.now();
            let before = now.instant.checked_sub(SOON).unwrap();
            for (name, connection) in
                self.wires.iter().filter(|wire| !wire.stalled || wire.alive).flat_map(|wire| &wire.ends)
            {
                self.nodes.get_mut(name).unwrap().core.came(*connection, before);
            }
            self.tick(now);
        }
    }
}
