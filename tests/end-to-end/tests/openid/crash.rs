//! The power fails while people log in for their proof.

use story::crash;

use super::*;

#[test]
fn the_power_fails_while_people_log_in() {
    enrol_through_failures(2);
}

#[test]
#[ignore = "takes minutes; run by ./test --all"]
fn the_power_fails_again_and_again_while_people_log_in() {
    enrol_through_failures(40);
}

fn enrol_through_failures(enrolments: usize) {
    let node = Node::with(&["oidc-provider@8.8.1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let issuer = issuer(&node, place.path(), None);
    let server = server(&place.path().join("server"), &issuer);
    let browser = browser(&node, place.path(), "-");
    let people: Vec<_> =
        (0..=enrolments).map(|number| Person::new(place.path(), &format!("person{number:02}@example.org"))).collect();
    let server = crash::all_through_failures(&people, server, |person| Ok(enroll(person, &browser))).unwrap();
    assert!(people.iter().all(|person| server.outbox().to(person.address()).is_empty()), "a code was sent");
    server.stop().unwrap();
}
