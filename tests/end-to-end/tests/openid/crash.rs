//! The power fails while people log in for their proof.

use story::crash;
use story::random::{self, Random};

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
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let place = tempfile::tempdir().unwrap();
    let issuer = issuer(&node, place.path());
    let folder = place.path().join("server");
    let mut server = server(&folder, &issuer);
    let browser = browser(&node, place.path(), "-");
    let mut people = Vec::new();
    let mut moments = None;
    for number in 0..=enrolments {
        let person = Person::new(place.path(), &format!("person{number:02}@example.org"));
        person.trust(server.ready()).unwrap();
        let attempt = || Ok(enroll(&person, &browser));
        match moments {
            None => moments = Some(crash::undisturbed(attempt).unwrap()),
            Some(moments) => {
                let moment = random.up_to(moments);
                server = crash::through_failure(person.address(), server, moment, attempt).unwrap();
            }
        }
        people.push(person);
    }
    crash::account_for(&people, &folder).unwrap();
    assert!(people.iter().all(|person| server.outbox().to(person.address()).is_empty()), "a code was sent");
    server.stop().unwrap();
}
