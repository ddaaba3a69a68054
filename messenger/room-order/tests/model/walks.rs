//! Random walks at four and five members, where exhaustion is out of reach. Each seed gives the same walk on every
//! machine; a failing one prints its seed.

use room_order::{AllRules, Rules};
use stateright::Model;

use crate::progress::every_majority_goes_on;
use crate::rooms::{Rooms, entered_what_is_decided, nobody_removed_reads, one_commit};
use crate::world::Want;

/// SplitMix64 (Steele, Lea and Flood, 2014): a generator that no version of a library changes.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// What a walk found.
pub(crate) enum Walk {
    Fine { steps: usize },
    Broken { property: &'static str, steps: usize },
}

/// Walks until nothing can happen any more or `most` steps are done; looks at progress in every `progress`th state.
pub(crate) fn walk<R: Rules + Send + Sync + 'static>(
    model: &Rooms<R>,
    seed: u64,
    most: usize,
    progress: usize,
) -> Walk {
    let mut random = Seeded(seed);
    let mut world = model.init_states().remove(0);
    for steps in 1..=most {
        let mut actions = Vec::new();
        model.actions(&world, &mut actions);
        let next = loop {
            if actions.is_empty() {
                return Walk::Fine { steps };
            }
            let action = actions.swap_remove(random.below(actions.len()));
            if let Some(next) = model.next_state(&world, action) {
                break next;
            }
        };
        world = next;
        let checks = [
            ("S-1", one_commit(&world)),
            ("S-2", nobody_removed_reads(&world)),
            ("S-3", entered_what_is_decided(&world)),
            ("L-1", steps % progress != 0 || every_majority_goes_on(&world)),
        ];
        if let Some((property, _)) = checks.into_iter().find(|(_, holds)| !holds) {
            return Walk::Broken { property, steps };
        }
    }
    Walk::Fine { steps: most }
}

fn at(members: u32) -> Rooms<AllRules> {
    let wants = [(0, Want::Update), (1, Want::Add(members)), (2, Want::Remove(3)), (3, Want::Return)];
    Rooms::new(members, &wants, 3)
}

fn walk_all(members: u32, seeds: std::ops::Range<u64>, progress: usize) {
    let mut total = 0;
    for seed in seeds.clone() {
        match walk(&at(members), seed, 150, progress) {
            Walk::Fine { steps } => total += steps,
            Walk::Broken { property, steps } => panic!("{members} members, seed {seed}: {property} at step {steps}"),
        }
    }
    println!("{members} members, seeds {seeds:?}: {total} steps");
}

#[test]
fn four_and_five_members() {
    walk_all(4, 0..600, usize::MAX);
    walk_all(5, 0..300, usize::MAX);
}

#[test]
#[ignore = "a minute; run by ./test --all"]
fn four_and_five_members_for_longer() {
    walk_all(4, 20_000..26_000, usize::MAX);
    walk_all(5, 20_000..23_000, usize::MAX);
}
