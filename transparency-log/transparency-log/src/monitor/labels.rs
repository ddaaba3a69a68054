//! The labels of an audit, remembered well enough to notice one that comes twice, in bounded memory.
//!
//! Eight bytes of each label are kept in a list whose length is known beforehand, and sorted in the end: half of what a
//! set would take. A log with more entries than fit is read once more for each further part of all labels, so that
//! memory stays the same and time grows: what agrees in eight bytes is in the same part.
//!
//! Labels are outputs of a VRF and as even as random numbers. A log that makes them up could give all of them to one part:
//! that is a fault of its own, told before it costs memory.

use super::report::Label;

/// Most labels that are kept at once: 128 MiB.
pub(super) const MAX_KEPT: u64 = 1 << 24;

/// So many labels a part may have at least: few of them are never quite even.
const FEW: u64 = 64;

/// More labels fell into one part than even ones ever do.
#[derive(Debug)]
pub(super) struct Uneven {
    /// How many a part may have.
    pub(super) most: u64,
}

/// The beginnings of one part of all labels.
pub(super) struct Labels {
    parts: u64,
    part: u64,
    /// Twice what is to be kept of even ones.
    most: u64,
    kept: Vec<u64>,
}

impl Labels {
    /// For a log of so many entries, of which `most` may be kept at once; the first part.
    pub(super) fn new(entries: u64, most: u64) -> Self {
        let parts = entries.div_ceil(most).max(1);
        // A checkpoint may claim any size, and parts are not all of the same length: room is made as it is needed beyond
        // this.
        let foreseen = (entries / parts).min(most);
        let most = most.saturating_mul(2).max(FEW);
        Self { parts, part: 0, most, kept: Vec::with_capacity(foreseen as usize) }
    }

    /// How often the log is to be read for all of them.
    pub(super) fn parts(&self) -> u64 {
        self.parts
    }

    /// Takes a label if it is of this part.
    pub(super) fn add(&mut self, label: &Label) -> Result<(), Uneven> {
        let beginning = beginning(label);
        if (u128::from(beginning) * u128::from(self.parts)) >> 64 == u128::from(self.part) {
            if self.kept.len() as u64 >= self.most {
                return Err(Uneven { most: self.most });
            }
            self.kept.push(beginning);
        }
        Ok(())
    }

    /// The beginnings that came more than once, and begins the next part.
    pub(super) fn repeated(&mut self) -> Vec<u64> {
        self.kept.sort_unstable();
        let mut repeated: Vec<u64> =
            self.kept.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        repeated.dedup();
        self.kept.clear();
        self.part += 1;
        repeated
    }
}

pub(super) fn beginning(label: &Label) -> u64 {
    let (beginning, _) = label.split_first_chunk().expect("32 bytes begin with eight");
    u64::from_be_bytes(*beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(beginning: u64) -> Label {
        let mut label = [7; 32];
        label[..8].copy_from_slice(&beginning.to_be_bytes());
        label
    }

    #[test]
    fn each_part_finds_its_own_and_together_they_find_all() {
        // Spread evenly, as hashes are; three of them come again.
        let spread = |number: u64| label(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let all: Vec<Label> = (0..1000).chain([3, 500, 999]).map(spread).collect();
        for most in [5000, 1003, 500, 100, 7] {
            let mut labels = Labels::new(all.len() as u64, most);
            let mut found = Vec::new();
            for _ in 0..labels.parts() {
                all.iter().for_each(|label| labels.add(label).unwrap());
                assert!(labels.kept.len() as u64 <= (most * 2).max(FEW), "{} of {most}", labels.kept.len());
                found.extend(labels.repeated());
            }
            found.sort_unstable();
            let mut expected = [3, 500, 999].map(|number| beginning(&spread(number)));
            expected.sort_unstable();
            assert_eq!(found, expected, "{most} at once");
        }
    }

    #[test]
    fn an_empty_log_has_one_empty_part() {
        let mut labels = Labels::new(0, 10);
        assert_eq!((labels.parts(), labels.repeated()), (1, vec![]));
        // The last part reaches to the last label.
        let mut labels = Labels::new(100, 10);
        (0..9).for_each(|_| drop(labels.repeated()));
        [label(u64::MAX), label(u64::MAX)].iter().for_each(|label| labels.add(label).unwrap());
        assert_eq!(labels.repeated(), [u64::MAX]);
    }

    #[test]
    fn labels_with_one_beginning_are_refused_before_they_cost_memory() {
        let mut labels = Labels::new(10_000, 100);
        let refused = (0..10_000).position(|number| labels.add(&label(number)).is_err());
        assert_eq!((refused, labels.kept.len()), (Some(200), 200));
        // A log that fits as a whole may have any.
        let mut labels = Labels::new(100, 100);
        assert!((0..100).all(|number| labels.add(&label(number)).is_ok()));
    }
}
