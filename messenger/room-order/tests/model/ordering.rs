//! All states within the bounds that docs/spec/rooms.md states.

use room_order::AllRules;
use stateright::{Checker, Model};

use crate::rooms::Rooms;
use crate::world::Want;

fn explore(name: &str, model: Rooms<AllRules>) {
    let done = model.checker().spawn_bfs().join();
    println!("{name}: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    assert!(done.is_done(), "the exploration is not complete");
    done.assert_properties();
}

#[test]
fn two_changes_without_a_claim() {
    let mut model = Rooms::new(3, &[(0, Want::Update), (1, Want::Remove(2))], 0);
    model.progress = true;
    explore("an update and a removal at once", model);
}

#[test]
fn an_entry() {
    let mut model = Rooms::new(3, &[(1, Want::Add(3))], 0);
    model.progress = true;
    explore("an entry", model);
}

#[test]
fn a_removal_and_an_unwelcome_return() {
    explore("a removal and a return", Rooms::new(3, &[(0, Want::Remove(2)), (2, Want::Return)], 0));
}

#[test]
fn a_change_and_a_claim() {
    explore("the host's change and a claim", Rooms::new(3, &[(0, Want::Update)], 1));
}

#[test]
fn two_members_and_two_claims() {
    let mut model = Rooms::new(2, &[(0, Want::Remove(1))], 2);
    model.progress = true;
    explore("two members, a removal and two claims", model);
}

#[test]
#[ignore = "a minute; run by ./test --all"]
fn two_changes_and_a_claim() {
    explore("two changes and a claim", Rooms::new(3, &[(0, Want::Update), (1, Want::Update)], 1));
}

#[test]
#[ignore = "a minute; run by ./test --all"]
fn two_claims() {
    explore("two claims", Rooms::new(3, &[], 2));
}

#[test]
fn a_claim_and_progress() {
    let mut model = Rooms::new(3, &[], 1);
    model.progress = true;
    explore("a claim, with L-1 and L-2", model);
}
