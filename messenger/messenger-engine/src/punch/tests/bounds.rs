//! What a hostile list, a hostile peer, or a stranger can make a device send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use directory_protocol::Role;

use super::network::at;
use crate::punch::{
    Datagram, DirectionKey, Kind, MAX_PROBES, MAX_TARGETS, Probe, ProbeKey, Punch, Surroundings, UnverifiedProbe, Way,
    targets,
};

const KEY: ProbeKey = ProbeKey([9; 32]);

fn surroundings() -> Surroundings {
    Surroundings { directory: vec![at("192.0.2.1:443"), at("[2001:db8::1]:443")], own: vec![at("10.0.0.8:5000")] }
}

fn listener(offered: &[SocketAddr], start: Instant) -> Punch {
    Punch::new(Role::Listener, &KEY, offered, surroundings(), start)
}

fn dialler_says(kind: Kind, number: u16) -> UnverifiedProbe {
    UnverifiedProbe::read(&DirectionKey::of(Role::Dialler, &KEY).seal(Probe { kind, number })).unwrap()
}

/// Everything it sends in a minute without hearing anything.
fn all_of(punch: &mut Punch, start: Instant) -> Vec<(u64, Datagram)> {
    let mut sent = Vec::new();
    for ms in 0..60_000 {
        sent.extend(punch.tick(start + Duration::from_millis(ms)).into_iter().map(|datagram| (ms, datagram)));
    }
    sent
}

#[test]
fn a_list_of_any_length_costs_at_most_its_probes_in_three_seconds() {
    let start = Instant::now();
    for length in 0..40_u16 {
        let offered: Vec<SocketAddr> = (0..length).map(|n| SocketAddr::new([198, 51, 100, 7].into(), 1 + n)).collect();
        let sent = all_of(&mut listener(&offered, start), start);
        let expected = usize::from(length).min(MAX_TARGETS);
        assert!(sent.len() <= usize::from(MAX_PROBES) * 3 / 4, "{}", sent.len());
        assert!(sent.iter().all(|(ms, _)| *ms <= 3_000));
        let mut asked: Vec<SocketAddr> = sent.iter().map(|(_, datagram)| datagram.to).collect();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), expected);
        if let Some(rounds) = sent.len().checked_div(expected) {
            assert!(rounds >= 6, "{rounds}");
            assert!(sent.last().unwrap().0 >= 2_800, "they last for the whole time: {:?}", sent.last());
            assert_eq!(sent[expected].0, 100, "the second round");
        }
    }
}

#[test]
fn nobody_is_aimed_at_what_no_peer_has() {
    let bad = [
        "127.0.0.1:5000",
        "[::1]:5000",
        "[::ffff:127.0.0.1]:5000",
        "0.0.0.0:5000",
        "0.1.2.3:5000",
        "[::]:5000",
        "224.0.0.251:5353",
        "[ff02::fb]:5353",
        "255.255.255.255:9",
        "169.254.1.1:80",
        "[fe80::1]:443",
        "198.51.100.7:0",
        "192.0.2.1:443",
        "[::ffff:192.0.2.1]:443",
        "[2001:db8::1]:443",
        "10.0.0.8:5000",
    ];
    for address in bad {
        let start = Instant::now();
        assert_eq!(all_of(&mut listener(&[at(address)], start), start), [], "{address}");
        // Nor is a valid probe answered that claims to come from there.
        let mut punch = listener(&[at("198.51.100.7:1")], start);
        let canonical = SocketAddr::new(at(address).ip().to_canonical(), at(address).port());
        assert_eq!(punch.receive(canonical, &dialler_says(Kind::Probe, 0), start), [], "{address}");
        assert!(!punch.is_open(canonical));
    }
    // A directory on this machine: a town on a desk.
    let desk = Surroundings { directory: vec![at("127.0.0.1:443")], own: Vec::new() };
    assert_eq!(targets(&[at("127.0.0.1:5000"), at("127.0.0.1:443")], &desk), [at("127.0.0.1:5000")]);
    // Another program of the directory's machine may be a peer.
    assert_eq!(targets(&[at("192.0.2.1:444")], &surroundings()), [at("192.0.2.1:444")]);
}

#[test]
fn ipv6_comes_first_and_everything_once() {
    let offered = [
        "198.51.100.7:1",
        "[::ffff:198.51.100.7]:1",
        "10.0.0.2:1",
        "[fd00::7]:1",
        "[2001:db8::7]:1",
        "[2001:db8::7]:1",
    ];
    let ordered = ["[2001:db8::7]:1", "[fd00::7]:1", "198.51.100.7:1", "10.0.0.2:1"];
    assert_eq!(targets(&offered.map(at), &surroundings()), ordered.map(at));
}

#[test]
fn a_probe_counts_once_and_from_one_address() {
    let start = Instant::now();
    let (bob, mallory) = (at("198.51.100.7:1"), at("203.0.113.66:66"));
    let mut punch = listener(&[bob], start);
    punch.tick(start);
    let shown = punch.receive(bob, &dialler_says(Kind::Probe, 3), start);
    assert_eq!(shown.len(), 2, "the first probe back, as one before may have been lost; and an answer");
    assert_eq!(punch.receive(bob, &dialler_says(Kind::Probe, 4), start).len(), 1, "an answer; it was probed just now");
    // Mallory saw it pass and sends it again: nothing for her.
    assert_eq!(punch.receive(mallory, &dialler_says(Kind::Probe, 3), start), []);
    assert_eq!(punch.receive(bob, &dialler_says(Kind::Probe, MAX_PROBES), start), [], "beyond the numbers there are");
}

/// A probe to a private address is heard by whoever has that address in this network: nobody is let in or dialled for it.
#[test]
fn a_probe_that_went_astray_opens_nothing() {
    let start = Instant::now();
    let (bob, stranger) = (at("198.51.100.7:1"), at("203.0.113.66:66"));
    let mut punch = listener(&[bob], start);
    punch.tick(start);
    let back = punch.receive(stranger, &dialler_says(Kind::Probe, 5), start);
    assert_eq!(back.len(), 2, "it is answered like any other, and asked back");
    assert!(!punch.is_open(stranger) && punch.open_paths().is_empty());
    // She has no key to answer with: the answer to what bob was asked says nothing about her.
    punch.receive(stranger, &dialler_says(Kind::Answer, 0), start);
    assert!(!punch.is_open(stranger));
    // Nor is anybody reachable because of her.
    assert!(punch.verdict(start + Duration::from_secs(9)).is_some());
    punch.receive(bob, &dialler_says(Kind::Answer, 0), start);
    assert!(punch.is_open(bob));
}

/// A dialler may go where a probe came from, if the list says that the other side is there; a listener goes nowhere.
#[test]
fn only_what_is_listed_is_dialled_before_it_has_answered() {
    let start = Instant::now();
    let (bob, stranger) = (at("198.51.100.7:1"), at("203.0.113.66:66"));
    let listener_says = |number| {
        let probe = Probe { kind: Kind::Probe, number };
        UnverifiedProbe::read(&DirectionKey::of(Role::Listener, &KEY).seal(probe)).unwrap()
    };
    let mut punch = Punch::new(Role::Dialler, &KEY, &[bob], surroundings(), start);
    punch.tick(start);
    punch.receive(stranger, &listener_says(0), start + Duration::from_millis(20));
    assert_eq!(punch.to_dial(start + Duration::from_millis(20)), []);
    punch.receive(bob, &listener_says(1), start + Duration::from_millis(30));
    let way = Way { address: bob, round_trip: Duration::from_millis(60), answered: false };
    assert_eq!(punch.to_dial(start + Duration::from_millis(30)), [way]);
    assert!(!punch.is_open(bob));

    let mut punch = listener(&[bob], start);
    punch.tick(start);
    punch.receive(bob, &dialler_says(Kind::Probe, 0), start + Duration::from_millis(30));
    assert_eq!(punch.to_dial(start + Duration::from_millis(30)), []);
}

#[test]
fn an_answer_counts_from_where_it_was_asked_alone() {
    let start = Instant::now();
    let (bob, mallory) = (at("198.51.100.7:1"), at("203.0.113.66:66"));
    let mut punch = listener(&[bob], start);
    assert_eq!(punch.receive(bob, &dialler_says(Kind::Answer, 0), start), [], "to nothing that was asked");
    assert!(!punch.is_open(bob));
    assert_eq!(punch.tick(start).len(), 1);
    punch.receive(mallory, &dialler_says(Kind::Answer, 0), start);
    assert!(!punch.is_open(mallory) && !punch.is_open(bob));
    punch.receive(bob, &dialler_says(Kind::Answer, 0), start + Duration::from_millis(30));
    assert_eq!(punch.round_trip(bob), Some(Duration::from_millis(30)));
}

#[test]
fn a_peer_with_the_key_gets_no_more_than_its_probes_and_answers() {
    let start = Instant::now();
    let mut punch = listener(&[at("198.51.100.7:1")], start);
    let mut sent = 0;
    let mut asked = std::collections::BTreeSet::new();
    for number in 0..=u16::from(u8::MAX) {
        let now = start + Duration::from_millis(u64::from(number) * 60);
        for from in (0..32).map(|n| SocketAddr::new([203, 0, 113, n % 8].into(), 1 + u16::from(n / 8))) {
            let mut datagrams = punch.tick(now);
            datagrams.extend(punch.receive(from, &dialler_says(Kind::Probe, number), now));
            sent += datagrams.len();
            asked.extend(datagrams.iter().map(|datagram| datagram.to));
        }
    }
    assert!(sent <= 2 * usize::from(MAX_PROBES), "{sent}");
    assert!(asked.len() <= 5, "{asked:?}");
}

#[test]
fn its_own_probes_in_a_mirror_are_nobodys() {
    let start = Instant::now();
    let bob = at("198.51.100.7:1");
    let mut punch = listener(&[bob], start);
    for datagram in punch.tick(start) {
        assert_eq!(punch.receive(bob, &UnverifiedProbe::read(&datagram.bytes).unwrap(), start), []);
    }
    assert!(!punch.is_open(bob));
}

#[test]
fn ipv6_is_dialled_first_if_it_answers_soon_after_ipv4() {
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    let (v6, v4) = (at("[2001:db8::7]:1"), at("198.51.100.7:1"));
    for ipv6_answers in [true, false] {
        let mut punch = listener(&[v4, v6], start);
        assert_eq!(punch.tick(start).iter().map(|probe| probe.to).collect::<Vec<_>>(), [v6, v4]);
        let way = |address, ms| Way { address, round_trip: Duration::from_millis(ms), answered: true };
        punch.receive(v4, &dialler_says(Kind::Answer, 1), after(20));
        assert_eq!(punch.to_dial(after(20)), []);
        assert!(punch.wakes_at().is_some_and(|wakes_at| wakes_at <= after(70)));
        if ipv6_answers {
            punch.receive(v6, &dialler_says(Kind::Answer, 0), after(40));
            assert_eq!(punch.to_dial(after(40)), [way(v6, 40), way(v4, 20)], "though it is slower");
        } else {
            assert_eq!(punch.to_dial(after(69)), []);
            assert_eq!(punch.to_dial(after(70)), [way(v4, 20)]);
            assert!(punch.wakes_at().is_none_or(|wakes_at| wakes_at > after(70)), "it is not waited for twice");
        }
    }
    // Nothing is waited for where IPv6 has no way.
    let mut punch = listener(&[v4, v6], start);
    punch.no_route(v6);
    punch.tick(start);
    punch.receive(v4, &dialler_says(Kind::Answer, 0), after(20));
    assert_eq!(punch.to_dial(after(20)).len(), 1);
}
