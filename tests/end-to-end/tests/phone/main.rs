//! A person enrols by her phone number: the code comes in a text message, which lands in the outbox.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;

use std::time::Duration;

use story::homeserver::Homeserver;
use story::person::Person;

const NUMBER: &str = "+4915112345678";
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn a_number_is_enrolled_as_an_address_is_and_an_interrupted_order_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &["--permit-phone", "+49"]).unwrap();
    let anna = Person::new(place.path(), NUMBER);
    let trusted = anna.trust(server.ready()).unwrap();
    assert!(trusted.text().contains("phone numbers that begin with +49"), "{}", trusted.text());

    // Interrupted: no code is typed in.
    let none = anna.certtool(&["enroll", "+49 151 123-45678"]).unwrap().expect(1, "certtool enroll").unwrap();
    assert!(none.text().contains("no code from the newest message was given"), "{}", none.text());
    let none = anna.certtool(&["enroll", NUMBER, "--code", "ABCD"]).unwrap().expect(1, "certtool enroll").unwrap();
    assert!(none.text().contains("10 letters and digits in two groups of five"), "{}", none.text());
    assert!(none.text().contains("like ABCDE-FGHIJ"), "{}", none.text());
    let message = server.outbox().await_mail(NUMBER, 0, PATIENCE).unwrap();
    assert!(message.body().trim_end().len() <= 160, "{}", message.body());

    // It goes on with the same order and the same code.
    let done = anna.certtool_json(&["enroll", NUMBER, "--code", &message.code().unwrap()]).unwrap();
    assert_eq!((done["done"].as_str(), done["identifier"].as_str()), (Some("enrolled"), Some(NUMBER)));
    assert_eq!(server.outbox().to(NUMBER).len(), 1, "no second message");
    anna.certtool(&["verify", NUMBER]).unwrap().expect(0, "certtool verify").unwrap();
    anna.certtool(&["watch", NUMBER, "--once"]).unwrap().expect(0, "certtool watch").unwrap();
    let renewed = anna.certtool(&["renew", "--force"]).unwrap().expect(0, "certtool renew").unwrap();
    assert!(renewed.text().contains(NUMBER), "{}", renewed.text());

    // What is no number for people is refused before anything is sent; and other countries by the trust policy.
    let premium = Person::new(place.path(), "+499001234567");
    premium.trust(server.ready()).unwrap();
    let refused = premium.certtool(&["enroll", premium.address()]).unwrap();
    assert!(refused.code != 0 && refused.text().contains("premium"), "{}", refused.text());
    let abroad = anna.certtool(&["enroll", "+14155552671"]).unwrap();
    assert!(abroad.text().contains("no pinned authority may certify +14155552671"), "{}", abroad.text());
    server.stop().unwrap();
}

#[test]
fn numbers_are_part_of_the_trust_policy_and_stay() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let refused = Homeserver::refused(&folder, &["--permit-phone", "+49"]).unwrap();
    assert!(refused.text().contains("--permit-phone"), "{}", refused.text());
}
