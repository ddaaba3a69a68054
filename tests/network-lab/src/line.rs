//! A line between two routers, with a delay and losses.
//!
//! `tc netem` would do it, but it is not in every kernel, and what it loses cannot be played again. So a line is a VXLAN
//! (RFC 7348) from one router to the other whose UDP datagrams pass through a relay: this program, which holds each back
//! for as long as the line is long, and drops some. Plain sockets, no privileges of their own, the same on every machine.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use story::process::Running;
use story::random::Random;
use story::{Context, Failure};

use crate::namespace::Namespace;
use crate::world;

/// The port of VXLAN.
const VXLAN: u16 = 4789;
/// The largest datagram; larger than any frame on the line.
const MAX_BYTES: usize = 2048;
/// How long the relay may take to begin.
const START: Duration = Duration::from_secs(20);

/// How good a line is; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// How long a packet takes from one end to the other.
    pub one_way: Duration,
    /// Of a thousand packets so many are lost.
    pub loss_permille: u16,
}

impl Quality {
    /// A line on which nothing is lost.
    #[must_use]
    pub const fn clean(one_way_ms: u64) -> Self {
        Self { one_way: Duration::from_millis(one_way_ms), loss_permille: 0 }
    }
}

/// All lines of a topology, and the relay that they pass through.
#[derive(Debug)]
pub struct Lines {
    relay: Option<Running>,
    namespace: Namespace,
    ends: Vec<String>,
}

impl Lines {
    /// None yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { relay: None, namespace: Namespace::host("lines")?, ends: Vec::new() })
    }

    /// A line between two routers; it carries packets from [`Lines::start`] on. Each end has a name of its own. Returns the
    /// hardware address of each, so that nobody has to ask for it over a bad line.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn join(
        &mut self,
        one: (&Namespace, &str),
        other: (&Namespace, &str),
        quality: Quality,
    ) -> Result<[String; 2], Failure> {
        let number = self.ends.len();
        let hardware = [0, 1].map(|side| format!("02:00:00:00:{side:02x}:{number:02x}"));
        let mut addresses = Vec::new();
        for (side, (router, device)) in [one, other].into_iter().enumerate() {
            let (under, relay) = (format!("under{number}"), format!("end{number}-{side}"));
            let net = format!("169.254.{}", 2 * number + side);
            // Frames of 1500 bytes fit in. The relay is a stranger to the kernel: checksums have to be in the packets, and
            // packets of the line's size.
            let script = format!(
                "ip link add {under} netns {router} mtu 1600 type veth peer name {relay} netns {lines} mtu 1600
                ip -n {lines} addr add {net}.1/30 dev {relay}
                ip -n {lines} link set {relay} up
                ip -n {router} addr add {net}.2/30 dev {under}
                ip -n {router} link set {under} up
                ip -n {router} link add {device} address {own} mtu 1500 type vxlan id {number} \
                    local {net}.2 remote {net}.1 dstport {VXLAN} nolearning dev {under}
                ip netns exec {router} ethtool -K {device} tx off
                ip -n {router} link set {device} up",
                own = hardware[side],
                router = router.name(),
                lines = self.namespace.name(),
            );
            world::command("sh", &["-ec", &script])?;
            addresses.push(format!("{net}.1={net}.2"));
        }
        let Quality { one_way, loss_permille } = quality;
        self.ends.push(format!("{},{},{}", addresses.join(","), one_way.as_micros(), loss_permille));
        Ok(hardware)
    }

    /// Starts the relay.
    ///
    /// # Errors
    /// It does not begin.
    pub fn start(&mut self) -> Result<(), Failure> {
        let mut command = self.namespace.command(&world::own_program()?)?;
        command.arg("relay").args(&self.ends);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        let mut relay = Running::start("the relay of the lines", command)?;
        if relay.first_line(START)?.trim() != READY {
            return Err(Failure::new("the relay of the lines ended before it began"));
        }
        self.relay = Some(relay);
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Before the namespace that it runs in.
        drop(self.relay.take());
    }
}

/// What the relay says when packets pass.
const READY: &str = "ready";

/// The relay: carries packets until it is ended. `ends` are those of [`Lines::join`].
///
/// # Errors
/// An end makes no sense, or its address is not here.
pub fn relay(ends: &[String]) -> Result<(), Failure> {
    let mut carriers = Vec::new();
    for end in ends {
        let fields: Vec<&str> = end.split([',', '=']).collect();
        let [near, near_router, far, far_router, micros, loss] = fields[..] else {
            return Err(Failure::new(format!("expected NEAR=ROUTER,FAR=ROUTER,MICROSECONDS,PERMILLE, found {end}")));
        };
        let number_of = |text: &str| text.parse::<u64>().context(format!("reading {text}"));
        let one_way = Duration::from_micros(number_of(micros)?);
        let loss = number_of(loss)?;
        let socket = |host: &str| UdpSocket::bind((host, VXLAN)).context(format!("binding {host}")).map(Arc::new);
        let (near, far) = (socket(near)?, socket(far)?);
        for (from, to, router) in [(&near, &far, far_router), (&far, &near, near_router)] {
            let router = format!("{router}:{VXLAN}").parse().context("reading a router's address")?;
            let chance = Random::from_seed(carriers.len() as u64);
            carriers.push(carry(from.clone(), to.clone(), router, one_way, (loss, chance)));
        }
    }
    println!("{READY}");
    for carrier in carriers {
        carrier.join().map_err(|_| Failure::new("a line broke"))?;
    }
    Ok(())
}

/// One direction of a line: packets come, wait, and go.
fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    router: SocketAddr,
    one_way: Duration,
    (loss_permille, mut chance): (u64, Random),
) -> thread::JoinHandle<()> {
    let (send, receive): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = mpsc::channel();
    thread::spawn(move || {
        for (due, packet) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // A full queue drops packets on any line.
            let _ = to.send_to(&packet, router);
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; MAX_BYTES];
        loop {
            // An error is word of a router that is not there (any more): a dead line is one that carries nothing.
            let Ok((length, _)) = from.recv_from(&mut buffer) else { continue };
            let due = Instant::now() + one_way;
            if chance.next() % 1000 >= loss_permille && send.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    })
}
