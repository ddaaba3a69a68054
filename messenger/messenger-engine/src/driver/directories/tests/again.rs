//! Directories that have moved.

use super::*;
use crate::driver::directories::people::LOOK_AGAIN;

fn people() -> [Identifier; 3] {
    [bob(), "carol@example.net".parse().unwrap(), "dora@example.org".parse().unwrap()]
}

/// All of them are watched in one directory, which is reached.
fn at_one_place(cards: &Arc<Cards>) -> Driver {
    let mut driver = driver_with(cards.clone(), Authority::new(5, UnixTime::now()).trust());
    driver.own_is_reached(true, Duration::ZERO);
    for who in people() {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(&who, old());
    }
    driver.reports_reached(&old());
    driver
}

/// Who is watched where.
fn watched(driver: &Driver) -> Vec<(String, Vec<String>)> {
    let names = |people: Vec<&str>| people.into_iter().map(|who| who.split('@').next().unwrap().to_owned()).collect();
    driver.links().into_iter().map(|(name, _, people)| (name.to_owned(), names(people))).collect()
}

fn is_watched(driver: &Driver, expected: &[(&str, &[&str])]) {
    let owned = |people: &&[&str]| people.iter().map(|&who| who.to_owned()).collect();
    let expected: Vec<_> = expected.iter().map(|(name, people)| ((*name).to_owned(), owned(people))).collect();
    assert_eq!(watched(driver), expected);
}

/// Bob's domain answers, which was asked when he was found in that directory.
fn domain_answers(driver: &mut Driver, then: &DirectoryElsewhere, found: Result<Whereabouts, NotFound>) {
    let answer = (driver.number(then), found);
    driver.directories.domain_answered(&bob(), answer, &mut driver.core, Now::read());
}

#[tokio::test]
async fn a_directory_that_has_moved_is_seen_and_nobody_is_lost_meanwhile() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    people()[..2].iter().for_each(|who| cards.say(who, Whereabouts::At(at("new.example"))));
    driver.ticks_after(LOOK_AGAIN - Duration::from_secs(1));
    is_watched(&driver, &[("old.example", &["bob", "carol", "dora"])]);
    // It is not reached yet.
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    is_watched(&driver, &[("new.example", &[]), ("old.example", &["bob", "carol", "dora"])]);
    driver.reports_reached(&at("new.example"));
    is_watched(&driver, &[("new.example", &["bob", "carol"]), ("old.example", &["dora"])]);
    assert_eq!(driver.told(), []);
}

#[tokio::test]
async fn all_people_of_a_domain_move_with_the_one_who_was_asked_for() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    // The answer comes later, and is the same for all of them then.
    people()[..2].iter().for_each(|who| cards.say(who, Whereabouts::At(at("new.example"))));
    domain_answers(&mut driver, &old(), Ok(Whereabouts::At(at("new.example"))));
    driver.reports_reached(&at("new.example"));
    is_watched(&driver, &[("new.example", &["bob", "carol"]), ("old.example", &["dora"])]);
    // Nobody knows, or it is the same: they stay.
    let nobody = NotFound { message: "no resolver answers".to_owned(), remedy: "wait".to_owned() };
    for found in [Err(nobody), Ok(Whereabouts::At(at("new.example")))] {
        domain_answers(&mut driver, &at("new.example"), found);
    }
    is_watched(&driver, &[("new.example", &["bob", "carol"]), ("old.example", &["dora"])]);
}

fn listening_at(addresses: &[&str]) -> DirectoryElsewhere {
    let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
    DirectoryElsewhere { addresses, ..old() }
}

#[tokio::test]
async fn a_few_addresses_more_or_less_move_nobody_as_long_as_the_one_that_answered_is_among_them() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    let link = driver.number(&old());
    let (_told, answered) = watch::channel(Some("127.0.0.1:2".parse().unwrap()));
    driver.directories.others.values_mut().for_each(|other| other.answered = answered.clone());
    for (round, now) in (1..).zip([&["127.0.0.1:2", "127.0.0.1:3"], &["[::1]:2", "127.0.0.1:2"]]) {
        people().iter().for_each(|who| cards.say(who, Whereabouts::At(listening_at(now))));
        driver.ticks_after(round * (LOOK_AGAIN + Duration::from_secs(10)));
        is_watched(&driver, &[("old.example", &["bob", "carol", "dora"])]);
        // Nor does anybody who is looked for by then.
        let anna: Identifier = format!("anna{round}@example.net").parse().unwrap();
        driver.asks(Ask::Watch { who: anna.clone() });
        driver.finds(&anna, listening_at(now));
        assert_eq!((driver.links().len(), driver.number(&old())), (1, link));
        driver.asks(Ask::Unwatch { who: anna });
    }
    // Where it has answered there is none any more: whoever is there is found elsewhere.
    people().iter().for_each(|who| cards.say(who, Whereabouts::At(listening_at(&["127.0.0.1:3"]))));
    driver.ticks_after(3 * (LOOK_AGAIN + Duration::from_secs(10)));
    driver.reports_reached(&listening_at(&["127.0.0.1:3"]));
    is_watched(&driver, &[("old.example", &[]), ("old.example", &["bob", "carol", "dora"])]);
}

#[tokio::test]
async fn whoever_is_said_to_have_moved_where_nothing_answers_stays() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    cards.say(&bob(), Whereabouts::At(at("new.example")));
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    driver.reports_not_reached(&at("new.example"), LATER);
    driver.reports_reached(&at("new.example"));
    is_watched(&driver, &[("new.example", &[]), ("old.example", &["bob", "carol", "dora"])]);
    assert_eq!(driver.told(), [], "nobody is missed");
}

#[tokio::test]
async fn a_card_that_is_taken_meanwhile_counts_more() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    cards.say(&bob(), Whereabouts::At(at("new.example")));
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    cards.say(&bob(), Whereabouts::At(at("card.example")));
    driver.asks(Ask::Watch { who: bob() });
    driver.reports_reached(&at("new.example"));
    let all: &[(&str, &[&str])] =
        &[("card.example", &["bob"]), ("new.example", &[]), ("old.example", &["carol", "dora"])];
    is_watched(&driver, all);
}

#[tokio::test]
async fn a_card_that_is_taken_while_the_domain_is_asked_counts_more_than_its_answer() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    cards.say(&bob(), Whereabouts::At(at("card.example")));
    driver.asks(Ask::Watch { who: bob() });
    driver.reports_reached(&at("card.example"));
    let moved: &[(&str, &[&str])] = &[("card.example", &["bob"]), ("old.example", &["carol", "dora"])];
    is_watched(&driver, moved);
    domain_answers(&mut driver, &old(), Ok(Whereabouts::At(old())));
    is_watched(&driver, moved);
    // For whom it was asked with him it counts.
    cards.say(&people()[1], Whereabouts::At(at("new.example")));
    domain_answers(&mut driver, &old(), Ok(Whereabouts::At(at("new.example"))));
    driver.reports_reached(&at("new.example"));
    is_watched(&driver, &[("card.example", &["bob"]), ("new.example", &["carol"]), ("old.example", &["dora"])]);
}

#[tokio::test]
async fn a_directory_that_moved_and_was_switched_off_is_followed_after_a_minute() {
    let before = at("before.example");
    let cards = Arc::new(Cards { remembered: Some(Whereabouts::At(before.clone())), ..Cards::default() });
    let mut driver = driver_with(cards.clone(), Authority::new(5, UnixTime::now()).trust());
    driver.own_is_reached(true, Duration::ZERO);
    driver.asks(Ask::Watch { who: bob() });
    driver.reports_reached(&before);
    let down = Duration::from_secs(100);
    driver.reports_not_reached(&before, down);
    cards.say(&bob(), Whereabouts::At(at("new.example")));
    driver.ticks_after(down + Duration::from_secs(59));
    is_watched(&driver, &[("before.example", &["bob"])]);
    driver.ticks_after(down + Duration::from_secs(65));
    driver.reports_reached(&at("new.example"));
    is_watched(&driver, &[("before.example", &[]), ("new.example", &["bob"])]);
}

#[tokio::test]
async fn a_card_that_is_due_again_counts_though_others_of_the_domain_are_asked_for() {
    let cards = Arc::new(Cards::default());
    let mut driver = at_one_place(&cards);
    // Of bob, who comes first, nothing is known without asking his domain.
    cards.say(&people()[1], Whereabouts::At(at("card.example")));
    driver.ticks_after(LOOK_AGAIN + Duration::from_secs(10));
    driver.reports_reached(&at("card.example"));
    is_watched(&driver, &[("card.example", &["carol"]), ("old.example", &["bob", "dora"])]);
}
