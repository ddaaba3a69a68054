//! The power fails again and again: SIGKILL at random moments of fifty enrolments. Afterwards every certificate stands
//! in the log, every order was resumed or its entry is accounted for, and the log is consistent.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use story::crash;
use story::homeserver::Homeserver;
use story::person::Person;
use story::random::{self, Random};

const ENROLMENTS: usize = 50;

#[test]
fn fifty_enrolments_and_a_power_failure_in_each() {
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let mut server = Homeserver::start(&folder, &[]).unwrap();

    // How long an undisturbed enrolment takes here: the power fails at any of its moments, or just after it.
    let undisturbed = Person::new(place.path(), "undisturbed@example.org");
    undisturbed.trust(server.ready()).unwrap();
    let began = Instant::now();
    undisturbed.enroll(&server.outbox()).unwrap();
    let moments = began.elapsed().mul_f64(1.2);

    let mut people = vec![undisturbed];
    for number in 0..ENROLMENTS {
        let person = Person::new(place.path(), &format!("person{number:02}@example.org"));
        person.trust(server.ready()).unwrap();
        let (moment, outbox) = (random.up_to(moments), server.outbox());
        server = crash::through_failure(person.address(), server, moment, || crash::by_code(&person, &outbox)).unwrap();
        people.push(person);
    }
    crash::account_for(&people, &folder).unwrap();
    server.stop().unwrap();

    // And once more from the disk alone.
    let server = Homeserver::start(&folder, &[]).unwrap();
    people[0].certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit after a restart").unwrap();
    server.stop().unwrap();
}
