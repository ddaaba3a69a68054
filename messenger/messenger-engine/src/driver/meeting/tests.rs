use std::net::SocketAddr;

use super::*;

fn way(last: u8, answered: bool, round_trip_ms: u64) -> Way {
    let address = SocketAddr::from(([192, 0, 2, last], 5_000));
    Way { address, round_trip: Duration::from_millis(round_trip_ms), answered }
}

/// What is tried one after the other, while none of it comes about.
fn all_tried(ways: &[Way]) -> Vec<Way> {
    let mut tried = Vec::new();
    while let Some(next) = next_way(ways, &tried, tried.last().copied()) {
        tried.push(next);
    }
    tried
}

#[test]
fn of_those_that_have_not_answered_two_are_tried() {
    let silent: Vec<Way> = (1..=8).map(|last| way(last, false, 20)).collect();
    assert_eq!(all_tried(&silent), silent[..2]);
    let answering: Vec<Way> = (11..=14).map(|last| way(last, true, 20)).collect();
    let both = [&silent[..], &answering].concat();
    assert_eq!(all_tried(&both), [&silent[..2], &answering].concat());
}

#[test]
fn whoever_answers_after_it_was_tried_is_tried_again() {
    let tried = [way(1, false, 20), way(2, false, 20)];
    let ways = [way(1, true, 20), way(2, false, 20), way(3, false, 20)];
    assert_eq!(next_way(&ways, &tried, Some(tried[1])), Some(ways[0]));
}

#[test]
fn silence_is_given_as_long_as_an_answer_takes_whatever_the_others_do() {
    for others in [vec![], vec![way(2, false, 20)], vec![way(2, true, 20)]] {
        for (round_trip_ms, patience_ms) in [(20, 500), (250, 500), (333, 666)] {
            let silent = way(1, false, round_trip_ms);
            let ways = [vec![silent], others.clone()].concat();
            assert_eq!(patience(silent, &ways), Duration::from_millis(patience_ms));
        }
        let ways = [vec![way(1, true, 20)], others].concat();
        assert_eq!(patience(way(1, false, 20), &ways), ONE_PATH, "it has answered since");
    }
}
