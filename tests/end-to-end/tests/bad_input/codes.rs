//! Codes that are wrong or too old, and addresses that are none.

use std::time::Duration;

use story::homeserver::Homeserver;

use super::{House, faketime, refused};

const SOON: Duration = Duration::from_secs(60);
const WRONG: &str = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF";

#[test]
fn after_five_wrong_codes_a_new_one_is_needed() {
    let mut house = House::new();
    let outbox = house.server.outbox();
    let alice = house.newcomer("alice");
    let mut enrolment = alice.begin_enrolment(&[]).unwrap();
    let first = outbox.await_mail(alice.address(), 0, SOON).unwrap().code().unwrap();
    for _ in 0..5 {
        enrolment.type_line(WRONG);
    }
    // The right one comes too late now.
    enrolment.type_line(&first);
    let done = enrolment.finish(SOON).unwrap();
    refused(&done, &[1], &["code", "new"]);
    assert!(!alice.device().join("chain.pem").exists());

    let (_, second) = alice.enroll(&outbox).unwrap();
    assert_ne!(first, second);
    house.lives_on("witness");
}

#[test]
fn one_wrong_code_says_how_many_tries_are_left_and_the_right_one_still_works() {
    let house = House::new();
    let bob = house.newcomer("bob");
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    let code = house.server.outbox().await_mail(bob.address(), 0, SOON).unwrap().code().unwrap();
    enrolment.type_line(WRONG);
    // As somebody would type it who is in a hurry.
    enrolment.type_line(&code.to_lowercase().replace('-', " "));
    let done = enrolment.finish(SOON).unwrap().expect(0, "enroll").unwrap();
    refused(&done, &[0], &["4 tries left"]);
}

#[test]
fn an_expired_code_is_named_as_such_and_a_new_one_works() {
    let Some(tomorrow) = faketime("+25h") else { return };
    let house = House::new();
    let carol = house.newcomer("carol");
    let mut enrolment = carol.begin_enrolment(&[]).unwrap();
    let House { place, server } = house;
    let outbox = server.outbox();
    let code = outbox.await_mail(carol.address(), 0, SOON).unwrap().code().unwrap();
    let folder = server.folder().to_path_buf();
    server.stop().unwrap();

    let server = Homeserver::start_with(&folder, Homeserver::command_under(&tomorrow, &folder, &[]).unwrap()).unwrap();
    enrolment.type_line(&code);
    refused(&enrolment.finish(SOON).unwrap(), &[1], &["expired", "new"]);
    let words: Vec<&str> = tomorrow.iter().map(String::as_str).collect();
    carol.under(&words).enroll(&outbox).unwrap();
    server.stop().unwrap();
    drop(place);
}

#[test]
fn an_address_that_is_none_is_refused_with_what_was_expected() {
    let mut house = House::new();
    let nobody = house.newcomer("nobody");
    let long = format!("{}@example.org", "a".repeat(300));
    for bad in [
        "alice",
        "alice@",
        "@example.org",
        "alice@@example.org",
        "a b@example.org",
        "alice@127.0.0.1",
        "alice@exa mple.org",
        &long,
        "",
    ] {
        let done = nobody.certtool(&["enroll", bad]).unwrap();
        refused(&done, &[1, 2], &["expected"]);
    }
    assert!(house.server.outbox().to(nobody.address()).is_empty());
    house.lives_on("witness");
}
