use std::task::Waker;

use super::*;
use crate::punch::{DirectionKey, Kind, Probe};

const KEY: ProbeKey = ProbeKey([3; 32]);
const CALL: CallId = CallId([1; 16]);

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn gate(bind: &str) -> Arc<Gate> {
    let gate = Gate::open(at(bind)).unwrap();
    // A town on a desk: peers on loopback are acceptable.
    gate.surrounded_by(Surroundings { directory: vec![at("127.0.0.1:1")], own: Vec::new() });
    gate
}

fn port_of(gate: &Gate) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), gate.local_addr().unwrap().port())
}

/// Nothing on loopback takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What quinn would get next, once something has come in that is for it.
async fn received(gate: &Gate) -> Vec<u8> {
    let mut bytes = [0; 4_096];
    loop {
        let mut meta = [RecvMeta::default()];
        let read = std::future::poll_fn(|cx| gate.poll_recv(cx, &mut [IoSliceMut::new(&mut bytes)], &mut meta));
        tokio::time::timeout(PATIENCE, read).await.expect("something is for QUIC").unwrap();
        if meta[0].len > 0 {
            return bytes[..meta[0].len].to_vec();
        }
    }
}

fn probe(sender: Role, kind: Kind, number: u16) -> [u8; 28] {
    DirectionKey::of(sender, &KEY).seal(Probe { kind, number })
}

const INITIAL: &[u8] = &[0xc3; 1_200];
const SHORT: &[u8] = &[0x43; 40];

#[tokio::test]
async fn an_answer_lets_in_the_address_it_came_from_until_the_call_is_settled() {
    for bind in ["127.0.0.1:0", "[::]:0"] {
        let gate = gate(bind);
        let (bob, mallory) =
            (std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let (door, bob_at) = (port_of(&gate), bob.local_addr().unwrap());
        gate.introduce(CALL, Role::Listener, &KEY, &[bob_at], Duration::ZERO).unwrap();
        bob.send_to(INITIAL, door).unwrap();
        bob.send_to(&probe(Role::Dialler, Kind::Probe, 0), door).unwrap();
        bob.send_to(INITIAL, door).unwrap();
        // That probe never arrived elsewhere, so mallory's copy of it is new; but she answers nothing.
        mallory.send_to(&probe(Role::Dialler, Kind::Probe, 1), door).unwrap();
        mallory.send_to(INITIAL, door).unwrap();
        bob.send_to(SHORT, door).unwrap();
        assert_eq!(received(&gate).await, SHORT, "whoever shows a probe has still to answer one");
        // This side's own probe came back, and the answer, from the port that was asked.
        bob.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for expected in [probe(Role::Listener, Kind::Probe, 0), probe(Role::Listener, Kind::Answer, 0)] {
            let mut datagram = [0; 64];
            let (length, from) = bob.recv_from(&mut datagram).unwrap();
            assert_eq!((&datagram[..length], from), (&expected[..], door));
        }
        bob.send_to(&probe(Role::Dialler, Kind::Answer, 0), door).unwrap();
        mallory.send_to(INITIAL, door).unwrap();
        bob.send_to(&[INITIAL, &[1]].concat(), door).unwrap();
        assert_eq!(received(&gate).await.len(), INITIAL.len() + 1);
        assert!(gate.place_for(bob_at).is_some() && gate.place_for(mallory.local_addr().unwrap()).is_none());

        let places: Vec<_> = std::iter::from_fn(|| gate.place_for(bob_at)).take(100).collect();
        assert_eq!(places.len(), MAX_HANDSHAKES, "she begins no more handshakes at once");
        drop(places);
        assert!(gate.place_for(bob_at).is_some());

        gate.settle(CALL);
        assert!(gate.place_for(bob_at).is_none() && gate.drive(CALL, Instant::now()).is_none());
        bob.send_to(INITIAL, door).unwrap();
        bob.send_to(SHORT, door).unwrap();
        assert_eq!(received(&gate).await, SHORT, "a connection that stands goes on");
    }
}

#[tokio::test]
async fn whom_one_calls_is_heard_and_may_not_begin() {
    let gate = gate("[::]:0");
    let bob = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (door, bob_at) = (port_of(&gate), bob.local_addr().unwrap());
    let pass = (gate.calling(bob_at), gate.calling(bob_at));
    bob.send_to(INITIAL, door).unwrap();
    assert_eq!(received(&gate).await, INITIAL);
    assert!(gate.place_for(bob_at).is_none(), "so the door ignores what begins a connection");
    drop(pass.0);
    bob.send_to(INITIAL, door).unwrap();
    assert_eq!(received(&gate).await, INITIAL, "the other attempt still runs");
    drop(pass.1);
    bob.send_to(INITIAL, door).unwrap();
    bob.send_to(SHORT, door).unwrap();
    assert_eq!(received(&gate).await, SHORT);
}

#[tokio::test]
async fn a_dialler_dials_who_answered_and_lets_nobody_begin() {
    let gate = gate("127.0.0.1:0");
    let bob = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bob_at = bob.local_addr().unwrap();
    let changed = gate.introduce(CALL, Role::Dialler, &KEY, &[bob_at], Duration::ZERO).unwrap();
    bob.send_to(&probe(Role::Listener, Kind::Probe, 0), port_of(&gate)).unwrap();
    bob.send_to(INITIAL, port_of(&gate)).unwrap();
    bob.send_to(SHORT, port_of(&gate)).unwrap();
    assert_eq!(received(&gate).await, SHORT);
    tokio::time::timeout(PATIENCE, changed.notified()).await.unwrap();
    let ways = gate.drive(CALL, Instant::now()).unwrap().ways;
    assert!(matches!(ways[..], [Way { address, answered: false, .. }] if address == bob_at), "{ways:?}");
    bob.send_to(&probe(Role::Listener, Kind::Answer, 0), port_of(&gate)).unwrap();
    bob.send_to(INITIAL, port_of(&gate)).unwrap();
    bob.send_to(SHORT, port_of(&gate)).unwrap();
    assert_eq!(received(&gate).await, SHORT);
    let ways = gate.drive(CALL, Instant::now()).unwrap().ways;
    assert!(matches!(ways[..], [Way { address, answered: true, .. }] if address == bob_at), "{ways:?}");
    assert!(gate.place_for(bob_at).is_none());
}

#[tokio::test]
async fn only_so_many_introductions_at_once() {
    let gate = gate("127.0.0.1:0");
    let call = |number: usize| CallId(u128::try_from(number).unwrap().to_be_bytes());
    for number in 0..=MAX_CALLS {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let introduced = gate.introduce(call(number), Role::Listener, &ProbeKey(key), &[], Duration::ZERO);
        assert_eq!(introduced.is_some(), number < MAX_CALLS);
    }
    gate.settle(call(0));
    assert!(gate.introduce(CALL, Role::Listener, &KEY, &[], Duration::ZERO).is_some());
}

#[tokio::test]
async fn addresses_without_a_way_are_not_sent_to() {
    let gate = gate("127.0.0.1:0");
    let changed = gate.introduce(CALL, Role::Dialler, &KEY, &[at("[2001:db8::1]:5")], Duration::ZERO);
    assert!(changed.is_some());
    let later = Instant::now() + Duration::from_secs(10);
    let unreachable = gate.drive(CALL, later).unwrap().unreachable.unwrap();
    assert_eq!(unreachable.no_route, [at("[2001:db8::1]:5")], "an IPv4 socket");
    let mut cx = Context::from_waker(Waker::noop());
    let (mut bytes, mut meta) = ([0; 64], [RecvMeta::default()]);
    assert!(gate.poll_recv(&mut cx, &mut [IoSliceMut::new(&mut bytes)], &mut meta).is_pending());
}
