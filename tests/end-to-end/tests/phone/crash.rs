//! The power fails while numbers are enrolled by text message.

use std::io::Write as _;
use story::crash;
use story::homeserver::Homeserver;
use story::person::Person;

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
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &["--permit-phone", "+49"]).unwrap().stop().unwrap();
    let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("homeserver.toml")).unwrap();
    settings.write_all(LIMITS.as_bytes()).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let outbox = server.outbox();
    let number = |number| Person::new(place.path(), &format!("+49151123456{number:02}"));
    let people: Vec<_> = (0..=enrolments).map(number).collect();
    let server = crash::all_through_failures(&people, server, |person| crash::by_code(person, &outbox)).unwrap();
    server.stop().unwrap();
}
