//! Directories that are not reached because nothing is.

use directory_protocol::{DirectoryEvent, Presence, Status};

use super::*;
use crate::driver::directories::people::LOOK_AGAIN;

const SECOND_OF_TIME: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Where each link leads.
fn leads_to(driver: &Driver) -> Vec<&str> {
    driver.links().into_iter().map(|(name, ..)| name).collect()
}

#[tokio::test]
async fn an_outage_of_ones_own_network_gives_nobody_up() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    driver.finds_bob(old());
    // Nothing is reached, for as long as it takes to look for people anew where only one directory is away.
    for minute in 0..10 {
        driver.reports_not_reached(&old(), MINUTE * minute);
        driver.ticks_after(MINUTE * minute);
    }
    assert_eq!(driver.told(), []);
    assert_eq!(leads_to(&driver), ["old.example"]);
    // From when one's own is reached the other one has the time of a whole attempt.
    let back = MINUTE * 10;
    driver.own_is_reached(true, back);
    driver.reports_not_reached(&old(), back + SECOND_OF_TIME * 9);
    driver.ticks_after(back + SECOND_OF_TIME * 9);
    assert_eq!(driver.told().len(), 1, "it is not reached, and that is all");
    assert!(matches!(driver.directories.people[&bob()].spot, Spot::At(_)));
    driver.reports_not_reached(&old(), back + SECOND_OF_TIME * 20);
    assert!(matches!(driver.directories.people[&bob()].spot, Spot::Sought(_)));
}

#[tokio::test]
async fn a_directory_that_answered_before_has_a_minute_from_the_end_of_an_outage() {
    let mut driver = driver();
    driver.own_is_reached(true, Duration::ZERO);
    driver.asks(Ask::Watch { who: bob() });
    driver.finds_bob(old());
    let number = driver.directories.others.values().next().unwrap().number;
    driver.directories.heard(number, Happening::DirectoryUp, &mut driver.core, Now::read());
    driver.own_is_reached(false, MINUTE);
    driver.reports_not_reached(&old(), MINUTE);
    driver.own_is_reached(true, MINUTE * 60);
    let is_sought = |driver: &Driver| matches!(driver.directories.people[&bob()].spot, Spot::Sought(_));
    driver.ticks_after(MINUTE * 60 + SECOND_OF_TIME * 59);
    driver.reports_not_reached(&old(), MINUTE * 60 + SECOND_OF_TIME * 59);
    assert!(!is_sought(&driver) && leads_to(&driver) == ["old.example"]);
    driver.reports_not_reached(&old(), MINUTE * 62);
    assert!(is_sought(&driver));
}

#[tokio::test]
async fn what_was_given_up_just_before_an_outage_was_noticed_is_looked_for_again_after_it() {
    let cards = Arc::new(Cards::default());
    let mut driver = driver_with(cards.clone(), Authority::new(5, UnixTime::now()).trust());
    let carol: Identifier = "carol@example.net".parse().unwrap();
    driver.own_is_reached(true, Duration::ZERO);
    for (who, given_up) in [(&carol, MINUTE), (&bob(), MINUTE * 3)] {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(who, old());
        driver.reports_not_reached(&old(), given_up);
        driver.finds(who, at("example.net"));
    }
    driver.ticks_after(MINUTE * 3);
    driver.own_is_reached(false, MINUTE * 3 + SECOND_OF_TIME * 50);
    assert_eq!(*cards.cut_off.lock().unwrap(), Some(SECOND_OF_TIME * 55));
    driver.own_is_reached(true, MINUTE * 9);
    let spots = [&bob(), &carol].map(|who| matches!(driver.directories.people[who].spot, Spot::Sought(_)));
    assert_eq!(spots, [true, false], "hers was long before");
    // Once is enough.
    driver.finds_bob(old());
    driver.own_is_reached(false, MINUTE * 10);
    driver.own_is_reached(true, MINUTE * 10);
    assert!(matches!(driver.directories.people[&bob()].spot, Spot::At(_)));
}

#[tokio::test]
async fn whoever_was_not_found_without_a_network_is_looked_for_when_it_is_back() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    let not_found = || NotFound { message: "no resolver answered".to_owned(), remedy: "wait".to_owned() };
    driver.directories.found(&bob(), Err(not_found()), &mut driver.core, Now::read());
    driver.ticks_after(LOOK_AGAIN - MINUTE);
    assert!(matches!(driver.directories.people[&bob()].spot, Spot::Nowhere { .. }));
    driver.own_is_reached(true, MINUTE);
    assert!(matches!(driver.directories.people[&bob()].spot, Spot::Sought(_)));
}

#[tokio::test]
async fn what_rings_elsewhere_is_withdrawn_with_ones_own_directory() {
    let mut driver = driver();
    driver.own_is_reached(true, Duration::ZERO);
    driver.asks(Ask::Watch { who: bob() });
    driver.finds_bob(at("example.net"));
    driver.reports_reached(&at("example.net"));
    driver.calls(FIRST);
    let mut asked = listen(&mut driver, &at("example.net"));
    driver.own_is_reached(false, MINUTE);
    assert_eq!(drain(&mut asked), [Ask::Cancel { call: FIRST }]);
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn a_call_whose_callee_is_being_found_is_not_placed_after_ones_own_directory_was_lost() {
    let mut driver = driver();
    driver.own_is_reached(true, Duration::ZERO);
    driver.calls(FIRST);
    driver.own_is_reached(false, MINUTE);
    driver.calls(SECOND);
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), [SECOND], "the first has failed by then");
}

#[tokio::test]
async fn what_was_under_way_when_one_left_is_not_believed_after_coming_back() {
    let mut driver = driver();
    driver.core.directory_up();
    driver.own_is_reached(true, Duration::ZERO);
    driver.core.command(Command::AddContact { who: bob().to_string() }, Now::read());
    driver.act();
    driver.finds_bob(at("example.net"));
    driver.reports_reached(&at("example.net"));
    driver.directories.leave();
    // The link ends only when it hears of that.
    driver.reports_reached(&at("example.net"));
    let number = driver.directories.others.values().next().unwrap().number;
    let presence = Presence::plain(Status::Available);
    let seen = Happening::Directory(DirectoryEvent::Presence { who: bob(), presence });
    driver.directories.heard(number, seen, &mut driver.core, Now::read());
    driver.directories.come_back();
    driver.shown();
    driver.own_is_reached(true, MINUTE);
    assert_eq!(driver.shown(), []);
    let mut asked = listen(&mut driver, &at("example.net"));
    driver.calls(FIRST);
    assert_eq!(drain(&mut asked), [], "it waits until the directory is reached again");
}
