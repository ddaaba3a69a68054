//! The power fails again and again: SIGKILL at random moments of fifty enrolments. Afterwards every certificate stands
//! in the log, every order was resumed or its entry is accounted for, and the log is consistent.
#![allow(clippy::unwrap_used, missing_docs)]

use story::crash;
use story::homeserver::Homeserver;
use story::person::Person;

const ENROLMENTS: usize = 50;

#[test]
fn fifty_enrolments_and_a_power_failure_in_each() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let outbox = server.outbox();
    let people: Vec<_> =
        (0..=ENROLMENTS).map(|number| Person::new(place.path(), &format!("person{number:02}@example.org"))).collect();
    let server = crash::all_through_failures(&people, server, |person| crash::by_code(person, &outbox)).unwrap();
    server.stop().unwrap();

    // And once more from the disk alone.
    let server = Homeserver::start(&folder, &[]).unwrap();
    people[0].certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit after a restart").unwrap();
    server.stop().unwrap();
}
