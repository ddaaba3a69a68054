//! Which pairs find a path, and what it takes to keep them from it.

use std::time::Duration;

use super::network::{Network, Router};

const ROUTERS: [Router; 6] =
    [Router::None, Router::Firewall, Router::FullCone, Router::Restricted, Router::PortRestricted, Router::Symmetric];

/// A mapping that nobody can know beforehand is reached only by who lets in unknown ports.
fn can_meet(a: Router, b: Router) -> bool {
    let strict = |router| matches!(router, Router::Firewall | Router::PortRestricted | Router::Symmetric);
    !(a == Router::Symmetric && strict(b) || b == Router::Symmetric && strict(a))
}

#[test]
fn all_pairs_of_routers() {
    for dialler in ROUTERS {
        for listener in ROUTERS {
            let mut network = Network::between(dialler, listener);
            network.pass(Duration::from_secs(5));
            assert_eq!(network.connects(), can_meet(dialler, listener), "{dialler:?} to {listener:?}");
        }
    }
}

#[test]
fn an_open_path_is_known_after_one_round_trip() {
    let mut network = Network::between(Router::None, Router::None);
    network.pass(Duration::from_millis(90));
    let [dialler, listener] = &network.sites;
    let [(_, round_trip)] = dialler.punch.open_paths()[..] else { panic!("one answered path") };
    assert!((Duration::from_millis(80)..Duration::from_millis(90)).contains(&round_trip), "{round_trip:?}");
    assert_eq!(listener.punch.open_paths().len(), 1);
}

/// The dialler need not wait for an answer: its own goes before what begins the connection.
#[test]
fn what_follows_the_answer_to_the_first_probe_is_let_in() {
    let mut early = 0;
    for dialler in ROUTERS {
        for listener in ROUTERS {
            let mut network = Network::between(dialler, listener);
            let way = network.first_way(Duration::from_secs(4));
            assert_eq!(way.is_some(), can_meet(dialler, listener), "{dialler:?} to {listener:?}");
            let Some(way) = way else { continue };
            early += u32::from(!way.answered);
            network.pass(network.one_way + Duration::from_millis(5));
            assert!(network.lets_in_by(way.address), "{dialler:?} to {listener:?}: {way:?}");
        }
    }
    assert!(early >= 18, "most pairs: {early}");
}

#[test]
fn the_loss_of_every_single_message_is_survived() {
    for dialler in ROUTERS {
        for listener in ROUTERS.into_iter().filter(|listener| can_meet(dialler, *listener)) {
            let mut whole = Network::between(dialler, listener);
            whole.pass(Duration::from_secs(3));
            for lost in 0..whole.count {
                let mut network = Network::between(dialler, listener);
                network.lose = Some(lost);
                network.pass(Duration::from_secs(3));
                assert!(network.connects(), "{dialler:?} to {listener:?} without datagram {lost} of {}", whole.count);
            }
        }
    }
}

#[test]
fn half_of_all_messages_may_be_lost() {
    for dialler in ROUTERS {
        for listener in ROUTERS.into_iter().filter(|listener| can_meet(dialler, *listener)) {
            for seed in 1..20_u64 {
                let mut network = Network::between(dialler, listener);
                network.dice = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                network.pass(Duration::from_secs(4));
                assert!(network.connects(), "{dialler:?} to {listener:?}, seed {seed}");
            }
        }
    }
}

#[test]
fn whoever_is_late_is_found_all_the_same() {
    for late in [50, 500, 1_500, 2_500].map(Duration::from_millis) {
        for delays in [[late, Duration::ZERO], [Duration::ZERO, late]] {
            for (dialler, listener) in [
                (Router::Firewall, Router::Firewall),
                (Router::PortRestricted, Router::PortRestricted),
                (Router::None, Router::Symmetric),
                (Router::Symmetric, Router::Restricted),
            ] {
                let mut network = Network::with_delays(dialler, listener, delays);
                network.pass(Duration::from_secs(4));
                assert!(network.connects(), "{dialler:?} to {listener:?}, {delays:?}");
            }
        }
    }
}

#[test]
fn both_sides_give_up_when_nothing_comes() {
    let mut network = Network::between(Router::Symmetric, Router::Symmetric);
    network.pass(Duration::from_millis(4_400));
    assert_eq!(network.verdicts(), [None, None]);
    network.pass(Duration::from_millis(200));
    assert!(matches!(network.verdicts(), [Some(_), None]));
    network.pass(Duration::from_millis(3_500));
    for verdict in network.verdicts() {
        assert_eq!(verdict.unwrap().tried.len(), 2);
    }
    // And nothing is due any more.
    let count = network.count;
    network.pass(Duration::from_secs(60));
    assert_eq!(network.count, count);
}

#[test]
fn a_path_that_was_found_is_not_given_up() {
    let mut network = Network::between(Router::None, Router::Firewall);
    network.pass(Duration::from_secs(20));
    assert_eq!(network.verdicts(), [None, None]);
}
