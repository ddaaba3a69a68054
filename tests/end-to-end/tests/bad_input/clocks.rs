//! Clocks that are wrong by a year, with Debian's `faketime`.

use story::homeserver::Homeserver;

use super::{House, faketime, refused};

#[test]
fn a_server_whose_clock_fell_back_by_a_year_refuses_to_start() {
    let Some(past) = faketime("-1y") else { return };
    let house = House::new();
    let folder = house.server.folder().to_path_buf();
    house.server.stop().unwrap();
    let done = story::process::run("homeserver", Homeserver::command_under(&past, &folder, &[]).unwrap(), super::SOON)
        .unwrap();
    refused(&done, &[1], &["clock", "expected", "found"]);
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
}

#[test]
fn a_person_whose_clock_is_wrong_by_a_year_is_told_so_and_nothing_is_lost() {
    let mut house = House::new();
    let alice = house.member("alice");
    let newcomer = house.newcomer("newcomer");
    for offset in ["-1y", "+1y"] {
        let Some(wrong) = faketime(offset) else { return };
        let words: Vec<&str> = wrong.iter().map(String::as_str).collect();
        let verified = alice.under(&words).certtool(&["verify", alice.address()]).unwrap();
        refused(&verified, &[3], &["CHAIN-", "expected", "found"]);
        // By a clock that is behind nothing is due, and by one that is ahead the server's certificate has ended.
        for arguments in [&["audit"][..], &["renew", alice.address()], &["renew", "--all"]] {
            let done = alice.under(&words).certtool(arguments).unwrap();
            refused(&done, &[3], &["this computer's clock says"]);
        }
        let messenger = alice.under(&words).command("messenger", &["headless"]).unwrap();
        let messenger = story::process::run("messenger", messenger, super::SOON).unwrap();
        refused(&messenger, &[1], &["CHAIN-", "this computer's clock says"]);
        assert_eq!(messenger.text().contains("certtool renew"), offset == "+1y", "{}", messenger.text());
        let enrolled = newcomer.under(&words).certtool(&["enroll", newcomer.address()]).unwrap();
        refused(&enrolled, &[3], &["expected", "found", "this computer's clock says"]);
    }
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    newcomer.enroll(&house.server.outbox()).unwrap();
    house.lives_on("witness");
}

#[test]
fn a_certificate_can_be_verified_at_another_time() {
    let house = House::new();
    let alice = house.member("alice");
    let done = alice.certtool(&["verify", alice.address(), "--at", "2001-01-01T00:00:00Z"]).unwrap();
    refused(&done, &[3], &["CHAIN-", "expected", "found"]);
}
