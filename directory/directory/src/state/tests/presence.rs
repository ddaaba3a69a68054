//! Announce, look up, watch: who is told what, when, in which bytes.

use super::*;

fn online() -> Presence {
    Presence::plain(Status::Available)
}

#[test]
fn two_contacts_see_each_other_come_and_go() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &["bob@example.org"]);
    assert_eq!(told(alice, &lab.watch(alice, &["bob@example.org"])), []);

    let bob = lab.connect("bob@example.org");
    let seen = lab.announce(bob, AudienceKind::Contacts, AudienceKind::Everyone, &["alice@example.org"]);
    assert_eq!(told(alice, &seen), [("bob@example.org".to_owned(), online())]);
    assert_eq!(told(bob, &lab.watch(bob, &["alice@example.org"])), [("alice@example.org".to_owned(), online())]);

    assert_eq!(told(alice, &lab.leave(bob)), [("bob@example.org".to_owned(), Presence::Offline)]);
}

#[test]
fn a_connection_that_announced_nothing_is_not_present() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &[]);
    lab.watch(alice, &["bob@example.org"]);
    let bob = lab.connect("bob@example.org");
    assert_eq!(to(alice, &lab.look_up(alice, "bob@example.org")), Vec::<&Response>::new());
    assert_eq!(told(alice, &lab.leave(bob)), []);
}

#[test]
fn only_the_audience_sees() {
    for (visible_to, friend, stranger) in [
        (AudienceKind::Everyone, true, true),
        (AudienceKind::Contacts, true, false),
        (AudienceKind::Named, false, true),
        (AudienceKind::Nobody, false, false),
    ] {
        let mut lab = Lab::new();
        let (friendly, strange) = (lab.come("friend@example.org", &[]), lab.come("stranger@example.org", &[]));
        lab.watch(friendly, &["bob@example.org"]);
        lab.watch(strange, &["bob@example.org"]);
        let bob = lab.connect("bob@example.org");
        lab.list(bob, ListName::VisibleTo, &["stranger@example.org"]);
        let seen = lab.announce(bob, visible_to, AudienceKind::Nobody, &["friend@example.org"]);
        assert_eq!(!told(friendly, &seen).is_empty(), friend, "{visible_to:?}");
        assert_eq!(!told(strange, &seen).is_empty(), stranger, "{visible_to:?}");
    }
}

#[test]
fn hiding_looks_like_leaving_and_lists_do_not_linger() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &[]);
    lab.watch(alice, &["bob@example.org"]);
    let bob = lab.come("bob@example.org", &["alice@example.org"]);
    let hidden = lab.announce(bob, AudienceKind::Nobody, AudienceKind::Everyone, &["alice@example.org"]);
    assert_eq!(told(alice, &hidden), [("bob@example.org".to_owned(), Presence::Offline)]);

    lab.announce(bob, AudienceKind::Contacts, AudienceKind::Everyone, &["alice@example.org"]);
    let forgotten = lab.announce(bob, AudienceKind::Contacts, AudienceKind::Everyone, &[]);
    assert_eq!(told(alice, &forgotten), [("bob@example.org".to_owned(), Presence::Offline)]);
}

#[test]
fn positive_answers_come_at_once() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &[]);
    lab.come("bob@example.org", &["alice@example.org"]);
    let seen = lab.look_up(alice, "bob@example.org");
    assert!(matches!(to(alice, &seen)[..], [Response::Found { status: Some(Status::Available), .. }]));
}

/// Unknown, connected but silent, hidden from everyone, hidden from the asker, invisible, blocking: the same bytes at the same
/// time.
#[test]
fn negative_answers_cannot_be_told_apart() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &[]);
    lab.connect("silent@example.org");
    let hidden = lab.connect("hidden@example.org");
    lab.announce(hidden, AudienceKind::Nobody, AudienceKind::Everyone, &["alice@example.org"]);
    lab.come("choosy@example.org", &["somebody@example.org"]);
    let gone = lab.come("gone@example.org", &["alice@example.org"]);
    lab.leave(gone);
    let invisible = lab.come("invisible@example.org", &["alice@example.org"]);
    lab.hide(invisible);
    let blocking = lab.connect("blocking@example.org");
    lab.block(blocking, &["alice@example.org"]);
    // Nothing else is due.
    lab.wait(Duration::from_secs(60));

    let mut answers = Vec::new();
    for who in ["unknown", "silent", "hidden", "choosy", "gone", "invisible", "blocking"] {
        let who = person(&format!("{who}@example.org"));
        assert_eq!(lab.bytes_of(alice, Request::LookUp { id: 7, who }), [], "nothing may leave early");
        let asked = lab.now;
        let due = lab.next_deadline().unwrap();
        lab.now = due;
        answers.push((due - asked, lab.tick()));
    }
    // length 5 ‖ array of 3: 67 (found), 7 (request id), null (offline)
    let expected = Bytes::from_static(&[0, 0, 0, 5, 0x83, 0x18, 67, 7, 0xf6]);
    for answer in answers {
        assert_eq!(answer, (Duration::from_millis(100), vec![Output::Send { to: alice, frame: expected.clone() }]));
    }
}

#[test]
fn a_watch_is_confirmed_at_the_deadline_whoever_is_there() {
    for watched in ["bob@example.org", "nobody@example.org"] {
        let mut lab = Lab::new();
        let alice = lab.come("alice@example.org", &[]);
        lab.come("bob@example.org", &["alice@example.org"]);
        let at_once = lab.watch(alice, &[watched]);
        assert!(to(alice, &at_once).iter().all(|frame| matches!(frame, Response::Presence { .. })));
        assert_eq!(to(alice, &lab.wait(Duration::from_millis(99))), Vec::<&Response>::new());
        assert!(matches!(to(alice, &lab.wait(Duration::from_millis(1)))[..], [Response::Done { .. }]));
    }
}

#[test]
fn unwatched_people_are_not_pushed() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &[]);
    lab.watch(alice, &["bob@example.org"]);
    lab.ask(alice, |id| Request::Unwatch { id, people: vec![person("bob@example.org")] });
    let bob = lab.connect("bob@example.org");
    let seen = lab.announce(bob, AudienceKind::Everyone, AudienceKind::Everyone, &[]);
    assert_eq!(told(alice, &seen), []);
}

#[test]
fn a_certificate_ends_and_the_connection_with_it() {
    let mut lab = Lab::new();
    let (alice, _) = lab.connect_until("alice@example.org", Duration::from_secs(3_600));
    assert_eq!(lab.wait(Duration::from_secs(3_599)), []);
    assert_eq!(lab.wait(Duration::from_secs(1)), [(alice, Seen::Closed(CloseCode::Expired))]);
}

#[test]
fn nothing_is_left_of_people_who_have_gone() {
    let mut lab = Lab::new();
    let alice = lab.come("alice@example.org", &["bob@example.org"]);
    let bob = lab.come("bob@example.org", &["alice@example.org"]);
    lab.watch(alice, &["bob@example.org"]);
    lab.watch(bob, &["alice@example.org"]);
    assert_eq!(lab.state().counts(), Counts { connections: 2, people: 2, watches: 2, calls: 0 });
    lab.leave(alice);
    lab.leave(bob);
    assert_eq!(lab.state().counts(), Counts::default());
    lab.wait(Duration::from_secs(86_400));
    assert_eq!(lab.next_deadline(), None, "no timer survives either");
}

/// Whoever was taken out of an audience must not come back with the lists of an announcement that was refused.
#[test]
fn a_refused_announcement_leaves_no_lists_behind() {
    let limits = Limits { announcements: crate::Rate::new(1, Duration::from_secs(10)), ..Limits::default() };
    let note = Details { note: "two\nlines".to_owned(), ..Details::default() };
    for (limits, details, error) in
        [(limits, None, ErrorCode::TooOften), (Limits::default(), Some(note), ErrorCode::BadNote)]
    {
        let mut lab = Lab::with(limits);
        let alice = lab.come("alice@example.org", &[]);
        lab.watch(alice, &["bob@example.org"]);
        let bob = lab.come("bob@example.org", &[]);
        lab.list(bob, ListName::Contacts, &["alice@example.org"]);
        let (appearance, visible_to) = (Appearance::As(Status::Available), AudienceKind::Contacts);
        let may_knock = AudienceKind::Nobody;
        let seen = lab.ask(bob, |id| Request::Announce { id, appearance, visible_to, may_knock, details });
        assert_eq!(refused(&seen), Some(error));
        lab.wait(Duration::from_secs(10));
        let seen = lab.announce(bob, AudienceKind::Contacts, AudienceKind::Nobody, &["carol@example.org"]);
        assert_eq!((refused(&seen), told(alice, &seen)), (None, vec![]), "{error:?}");
    }
}
