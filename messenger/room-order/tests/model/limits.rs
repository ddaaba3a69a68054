//! What one member says must not harm another, however far it lies outside what rooms come to.

use room_order::{AllRules, Ballot, Claim, Input, Leaf, Message, Output};

use crate::world::World;

#[test]
fn after_the_last_term_nobody_claims_and_no_promise_is_taken_back() {
    let world = World::<AllRules>::new(3, 0);
    let mut member = world.member(Leaf(2)).expect("three are inside").clone();
    let last = Ballot { term: u32::MAX, leaf: Leaf(1) };
    let _ = member.step(Input::HostLost);
    let _ = member.step(Input::Receive(Message::Claim(Claim { parent: member.epoch().id, ballot: last })));
    assert_eq!(member.promised(), last);
    let outputs = member.step(Input::Claim);
    assert!(matches!(outputs[..], [Output::Refused(_)]), "{outputs:?}");
    assert_eq!(member.promised(), last);
}
