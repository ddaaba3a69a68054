//! The power fails while numbers are enrolled by text message.

use std::io::Write as _;
use story::crash;
use story::homeserver::Homeserver;
use story::person::Person;
use story::random::{self, Random};

/// Many messages within minutes to numbers of one block.
const LIMITS: &str = "\n[enrolment.limits]\ntexts_per_number = \"1000/h\"\ntexts_per_prefix = \"1000/h\"\n\
                      texts_per_country = \"1000/h\"\ntexts_per_account = \"1000/h\"\n\
                      [phone]\nper_day = \"1000.00\"\n";

#[test]
fn the_power_fails_while_numbers_are_enrolled() {
    enrol_through_failures(2);
}

#[test]
#[ignore = "takes minutes; run by ./test --all"]
fn the_power_fails_again_and_again_while_numbers_are_enrolled() {
    enrol_through_failures(40);
}

fn enrol_through_failures(enrolments: usize) {
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &["--permit-phone", "+49"]).unwrap().stop().unwrap();
    let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("homeserver.toml")).unwrap();
    settings.write_all(LIMITS.as_bytes()).unwrap();
    let mut server = Homeserver::start(&folder, &[]).unwrap();
    let mut people = Vec::new();
    let mut moments = None;
    for number in 0..=enrolments {
        let person = Person::new(place.path(), &format!("+49151123456{number:02}"));
        person.trust(server.ready()).unwrap();
        let outbox = server.outbox();
        let attempt = || crash::by_code(&person, &outbox);
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
    server.stop().unwrap();
}
