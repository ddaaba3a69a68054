//! Runs of the model with a claim that are too deep to be found again each time: each step is one that the model allows.

use room_order::{AllRules, Ballot, Leaf, Message, Rules};
use stateright::Model;

use crate::equivocation::Equivocation;
use crate::lies::{FAULTY, OWN};
use crate::mutants::without;
use crate::rooms::one_commit;
use crate::timing::Timing;
use crate::world::{Action, Post, World};

without!(OnlyWhatIsStaged, RIGHTFUL_OFFERS_CONTRADICT);

const CLAIMED: Ballot = Ballot { term: 2, leaf: Leaf(1) };

/// Takes the first step that is as wanted and changes something.
fn step<R: Rules + Send + Sync + 'static>(
    model: &Equivocation<R>,
    state: &mut (World<R>, Timing),
    wanted: impl Fn(&Action) -> bool,
) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let next = actions.into_iter().filter(wanted).find_map(|action| model.next_state(state, action));
    let found = next.is_some();
    *state = next.unwrap_or_else(|| state.clone());
    found
}

fn says(leaf: u32, what: impl Fn(&Message) -> bool) -> impl Fn(&Action) -> bool {
    move |action| matches!(action, Action::Faulty(to, message) if *to == Leaf(leaf) && what(message))
}

/// 2 has acknowledged the host's X, and promised the host a higher ballot than 1 claims. The host grants 1 hers, as if
/// nothing had been staged, and 1 offers Z. All that 1 and 2 say arrives; then the host tells 2 that X is decided.
fn host_who_claims<R: Rules + Send + Sync + 'static>() -> bool {
    let model = Equivocation::<R>::new(true, 1, Some(3));
    let mut state = model.init_states().remove(0);
    let mut go_on = |wanted: &dyn Fn(&Action) -> bool| step(&model, &mut state, wanted);
    assert!(go_on(&says(2, |message| matches!(message, Message::Offer(offer) if offer.ballot == OWN))));
    assert!(go_on(&says(2, |message| matches!(message, Message::Claim(_)))));
    assert!(go_on(&|action| matches!(action, Action::Claim(_))));
    assert!(go_on(&says(1, |message| matches!(message, Message::Grant(grant) if grant.staged.is_none()))));
    assert!(go_on(&says(1, |message| matches!(message, Message::Ack(ack) if ack.ballot == CLAIMED))));
    while go_on(&|action| matches!(action, Action::Deliver(..) | Action::Refuse(..))) {}
    assert!(go_on(&|action| matches!(action, Action::Waited(Leaf(2), OWN))));
    go_on(&says(2, |message| matches!(message, Message::Go(go) if go.ballot == OWN && go.acks.contains(&FAULTY))));
    while go_on(
        &|action| matches!(action, Action::Deliver(_, post) if !matches!(**post, Post::Message(_, Message::Go(_)))),
    ) {}
    go_on(&|action| matches!(action, Action::Waited(Leaf(1), CLAIMED)));
    one_commit(&state.0)
}

#[test]
fn what_is_offered_rightfully_contradicts_where_another_ballot_is_promised() {
    assert!(host_who_claims::<AllRules>());
    assert!(!host_who_claims::<OnlyWhatIsStaged>(), "S-1 cannot fail");
}
