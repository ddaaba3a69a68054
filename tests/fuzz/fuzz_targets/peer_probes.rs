//! What comes to a device's port and looks like a probe: nothing opens that was not sealed, and a punch sends no more
//! than it may.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use directory_protocol::Role;
use libfuzzer_sys::fuzz_target;
use messenger_engine::punch::{DirectionKey, Kind, MAX_PROBES, PROBE_BYTES, Probe, ProbeKey, Punch, Surroundings, UnverifiedProbe};

const KEY: ProbeKey = ProbeKey([7; 32]);

fuzz_target!(|bytes: &[u8]| {
    let sealer = DirectionKey::of(Role::Dialler, &KEY);
    if let Some(probe) = UnverifiedProbe::read(bytes)
        && let Some(opened) = sealer.open(&probe)
    {
        assert_eq!(sealer.seal(opened), bytes);
    }
    // Steps of four bytes: what comes, its number, from where, after how long. The dialler holds the key and is hostile.
    let (host, start) = (|n: u8| SocketAddr::new([198, 51, 100, n].into(), 4_000), Instant::now());
    let mut punch = Punch::new(Role::Listener, &KEY, &[host(1), host(2)], Surroundings::default(), start);
    let (mut now, mut sent) = (start, 0);
    for step in bytes.chunks_exact(4) {
        now += Duration::from_millis(u64::from(step[3]) * 4);
        sent += punch.tick(now).len();
        let kind = if step[0] & 1 == 0 { Kind::Probe } else { Kind::Answer };
        let mut sealed = sealer.seal(Probe { kind, number: u16::from(step[1]) });
        if step[0] & 2 != 0 {
            sealed[usize::from(step[2]) % PROBE_BYTES] ^= step[0] | 4;
        }
        if let Some(probe) = UnverifiedProbe::read(&sealed) {
            sent += punch.receive(host(step[2]), &probe, now).len();
        }
        let _ = (punch.verdict(now), punch.wakes_at());
        assert!(punch.targets().into_iter().filter(|address| punch.is_open(*address)).count() <= 6);
    }
    assert!(sent <= 2 * usize::from(MAX_PROBES));
});
