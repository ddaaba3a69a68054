//! The bytes, and what is not one of them.

use directory_protocol::Role;

use crate::punch::{DirectionKey, Kind, PROBE_BYTES, Probe, ProbeKey, UnverifiedProbe};

fn key() -> ProbeKey {
    ProbeKey(std::array::from_fn(|at| at as u8))
}

fn hex(probe: &[u8]) -> String {
    hex::encode(probe)
}

#[test]
fn what_is_sealed_is_opened_and_only_with_the_key_of_its_direction() {
    for (role, other) in [(Role::Dialler, Role::Listener), (Role::Listener, Role::Dialler)] {
        let (mine, theirs) = (DirectionKey::of(role, &key()), DirectionKey::of(other, &key()));
        for probe in [Probe { kind: Kind::Probe, number: 0 }, Probe { kind: Kind::Answer, number: 63 }] {
            let read = UnverifiedProbe::read(&mine.seal(probe)).unwrap();
            assert_eq!(mine.open(&read), Some(probe));
            assert_eq!(read.tag(), mine.tag());
            assert_eq!(theirs.open(&read), None);
            assert_ne!(theirs.tag(), mine.tag());
        }
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    let sealer = DirectionKey::of(Role::Dialler, &key());
    let sealed = sealer.seal(Probe { kind: Kind::Probe, number: 7 });
    for bit in 0..PROBE_BYTES * 8 {
        let mut changed = sealed;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(UnverifiedProbe::read(&changed).and_then(|probe| sealer.open(&probe)), None, "bit {bit}");
    }
}

#[test]
fn other_lengths_and_beginnings_are_no_probes() {
    let sealed = DirectionKey::of(Role::Dialler, &key()).seal(Probe { kind: Kind::Probe, number: 7 });
    assert!(UnverifiedProbe::read(&sealed[..PROBE_BYTES - 1]).is_none());
    assert!(UnverifiedProbe::read(&[&sealed[..], &[0]].concat()).is_none());
    assert!(UnverifiedProbe::read(&[]).is_none());
    for first in (0..=u8::MAX).filter(|first| *first != sealed[0]) {
        let mut other = sealed;
        other[0] = first;
        assert!(UnverifiedProbe::read(&other).is_none());
    }
}

/// The vectors of docs/spec/peer.md.
#[test]
fn the_vectors_of_the_page() {
    let page = include_str!("../../../../../docs/spec/peer.md");
    for (role, kind, number) in [
        (Role::Dialler, Kind::Probe, 0),
        (Role::Dialler, Kind::Answer, 1),
        (Role::Listener, Kind::Probe, 63),
        (Role::Listener, Kind::Answer, 0),
    ] {
        let sealed = hex(&DirectionKey::of(role, &key()).seal(Probe { kind, number }));
        assert!(page.contains(&sealed), "{role:?} {kind:?} {number}: {sealed}");
    }
}

#[test]
fn no_key_is_shown() {
    assert_eq!(format!("{:?} {:?}", key(), DirectionKey::of(Role::Dialler, &key())), "ProbeKey(…) DirectionKey(…)");
}
