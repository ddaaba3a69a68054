//! Being there without being seen: invisible people, blocked people, and what both still may do.

use super::calls::{ALICE, BOB, answer, go, invite, rings};
use super::*;
use directory_protocol::message::AnswerKind;

const CAROL: &str = "carol@example.org";

fn bob(presence: Presence) -> [(String, Presence); 1] {
    [(BOB.to_owned(), presence)]
}

#[test]
fn turning_invisible_looks_like_leaving_and_back_like_coming() {
    let mut lab = Lab::new();
    let (alice, bobs) = (lab.come(ALICE, &[BOB]), lab.come(BOB, &[ALICE]));
    lab.watch(alice, &[BOB]);
    assert_eq!(told(alice, &lab.hide(bobs)), bob(Presence::Offline));
    let seen = lab.appear(bobs, Appearance::As(Status::Away), Details::default());
    assert_eq!(told(alice, &seen), bob(Presence::plain(Status::Away)), "audience and lists are as they were");
    let hidden = lab.hide(bobs);
    let left = lab.leave(bobs);
    assert_eq!(told(alice, &hidden), bob(Presence::Offline));
    assert_eq!(told(alice, &left), [], "nothing more to tell");
}

#[test]
fn the_invisible_see_and_one_visible_device_is_enough_to_be_seen() {
    let mut lab = Lab::new();
    let (alice, desk) = (lab.come(ALICE, &[BOB]), lab.come(BOB, &[ALICE]));
    lab.hide(desk);
    assert_eq!(told(desk, &lab.watch(desk, &[ALICE])), [(ALICE.to_owned(), Presence::plain(Status::Available))]);
    lab.watch(alice, &[BOB]);
    let phone = lab.connect(BOB);
    let seen = lab.announce(phone, AudienceKind::Contacts, AudienceKind::Everyone, &[ALICE]);
    assert_eq!(told(alice, &seen), bob(Presence::plain(Status::Available)));
    assert_eq!(told(alice, &lab.leave(phone)), bob(Presence::Offline));
}

/// Her call shows her to her callee: so he is told as any friend is, and she as well; and nobody else hears of it.
#[test]
fn a_call_shows_an_invisible_caller_to_its_callee_alone() {
    let mut lab = Lab::new();
    let (alice, bobs) = (lab.come(ALICE, &[BOB, CAROL]), lab.come(BOB, &[ALICE]));
    let carol = lab.come(CAROL, &[ALICE]);
    lab.watch(bobs, &[ALICE]);
    lab.watch(carol, &[ALICE]);
    lab.hide(alice);
    let seen = lab.ask(alice, invite(BOB, 1));
    assert!(rings(bobs, &seen));
    assert_eq!((told(bobs, &seen), to(carol, &seen)), (vec![], vec![]), "no presence beside the call");
    assert_eq!(outcomes(alice, &lab.ask(bobs, answer(1, AnswerKind::Decline))), [Outcome::Declined], "at once");
    lab.wait(Duration::from_secs(1));
    lab.look_up(carol, ALICE);
    let seen = lab.wait(Duration::from_millis(100));
    assert!(matches!(to(carol, &seen)[..], [Response::Found { status: None, .. }]));
}

/// Called by somebody who cannot see her, she can be reached and tells nothing by not being so.
#[test]
fn the_invisible_may_be_called() {
    let mut lab = Lab::new();
    let (alice, bobs) = (lab.come(ALICE, &[BOB]), lab.come(BOB, &[ALICE]));
    lab.hide(bobs);
    assert!(rings(bobs, &lab.ask(alice, invite(BOB, 1))));
    assert_eq!(outcomes(alice, &lab.ask(bobs, answer(1, AnswerKind::Decline))), [], "quiet, as for a stranger");
    lab.ask(alice, invite(BOB, 2));
    assert!(go(alice, &lab.ask(bobs, answer(2, AnswerKind::Accept))).is_some());
}

#[test]
fn blocked_people_see_nobody_and_reach_nobody() {
    let mut lab = Lab::new();
    let (alice, carol) = (lab.come(ALICE, &[BOB]), lab.come(CAROL, &[BOB]));
    lab.watch(alice, &[BOB]);
    lab.watch(carol, &[BOB]);
    let desk = lab.connect(BOB);
    let seen = lab.announce(desk, AudienceKind::Everyone, AudienceKind::Everyone, &[]);
    assert_eq!(told(alice, &seen), bob(Presence::plain(Status::Available)));
    let seen = lab.block(desk, &[ALICE]);
    assert_eq!(told(alice, &seen), bob(Presence::Offline));
    assert_eq!(told(carol, &seen), [], "nobody else notices");
    assert!(!rings(desk, &lab.ask(alice, invite(BOB, 1))));
    assert!(rings(desk, &lab.ask(carol, invite(BOB, 2))));

    let phone = lab.connect(BOB);
    let seen = lab.announce(phone, AudienceKind::Everyone, AudienceKind::Everyone, &[]);
    assert_eq!(told(alice, &seen), [], "blocked by one device is blocked by all");
    let seen = lab.ask(alice, invite(BOB, 3));
    assert!(!rings(phone, &seen) && !rings(desk, &seen));
}

#[test]
fn who_blocks_may_see_and_call_all_the_same() {
    let mut lab = Lab::new();
    let (alice, bobs) = (lab.come(ALICE, &[BOB]), lab.connect(BOB));
    lab.block(bobs, &[ALICE]);
    assert_eq!(told(bobs, &lab.watch(bobs, &[ALICE])).len(), 1);
    assert!(rings(alice, &lab.ask(bobs, invite(ALICE, 1))));
    assert_eq!(outcomes(bobs, &lab.ask(alice, answer(1, AnswerKind::Decline))), [], "not visible to her: quiet");
}

#[test]
fn a_change_of_appearance_needs_an_announcement_and_a_note_is_one_line() {
    let mut lab = Lab::new();
    let alice = lab.connect(ALICE);
    assert_eq!(refused(&lab.hide(alice)), Some(ErrorCode::NotAnnounced));
    lab.announce(alice, AudienceKind::Everyone, AudienceKind::Nobody, &[]);
    for note in ["two\nlines".to_owned(), "x".repeat(201)] {
        let details = Details { note, ..Details::default() };
        let seen = lab.appear(alice, Appearance::As(Status::Away), details);
        assert_eq!(refused(&seen), Some(ErrorCode::BadNote));
    }
    let bob = lab.connect(BOB);
    let seen = lab.look_up(bob, ALICE);
    assert!(
        matches!(to(bob, &seen)[..], [Response::Found { status: Some(Status::Available), .. }]),
        "nothing was changed"
    );
}

#[test]
fn the_list_of_blocked_people_has_an_end() {
    let mut lab = Lab::with(Limits { blocked: 1, ..Limits::default() });
    let alice = lab.connect(ALICE);
    assert_eq!(refused(&lab.list(alice, ListName::Blocked, &[BOB, CAROL])), Some(ErrorCode::ListTooLong));
}
