//! The gate: the one UDP socket, below QUIC. Probes are taken out of what comes in, and of the rest nothing that could begin a
//! connection passes, unless it comes from where this device is calling or from where an introduced peer has answered.
//! To everybody else the port is silent.

mod observers;
mod socket;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use directory_protocol::sieve::sift;
use directory_protocol::{Role, observation};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use observers::Observer;
pub(super) use socket::canonical;
use socket::{bound, mapped};

use super::addresses::source_toward;
use crate::api::CallId;
use crate::punch::{Datagram, ProbeKey, Punch, Surroundings, Tag, Unreachable, UnverifiedProbe, Way};

/// Introductions at once; a hub of a room of 250 devices may need 249.
const MAX_CALLS: usize = 256;

/// What QUIC's first byte says (RFC 9000 section 17.2): a packet with a long header may begin a connection.
const LONG_HEADER: u8 = 0x80;
/// Set in every packet of QUIC version 1.
const FIXED_BIT: u8 = 0x40;

/// The socket and who may come in by it.
pub(super) struct Gate {
    socket: Arc<dyn AsyncUdpSocket>,
    /// Whether it is an IPv6 socket, where IPv4 peers have addresses mapped into IPv6 (RFC 4291 section 2.5.5.2).
    ipv6: bool,
    table: Mutex<Table>,
    /// An observer has answered.
    observed: Notify,
}

#[derive(Default)]
struct Table {
    calls: HashMap<CallId, Call>,
    tags: HashMap<Tag, CallId>,
    /// Whom this device calls: the directory, and peers being dialled. By the number of those who do.
    called: HashMap<SocketAddr, usize>,
    surroundings: Surroundings,
    /// Whom this device asks where it is seen from.
    observers: HashMap<SocketAddr, Observer>,
}

struct Call {
    role: Role,
    punch: Punch,
    changed: Arc<Notify>,
    /// For handshakes that whoever dials begins.
    places: Arc<Semaphore>,
}

/// Handshakes that one introduction may have under way: paths that a dialler gives up one after the other.
const MAX_HANDSHAKES: usize = 4;

/// How a call's punching stands.
pub(super) struct Progress {
    /// Where a dialler may find the other side.
    pub(super) ways: Vec<Way>,
    /// When to look again.
    pub(super) wakes_at: Option<Instant>,
    /// Set once nothing was heard for too long.
    pub(super) unreachable: Option<Unreachable>,
}

/// Lets packets of one address in while it is held.
pub(super) struct Pass {
    gate: Arc<Gate>,
    address: SocketAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut table = self.gate.table();
        if let Some(count) = table.called.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.called.remove(&self.address);
            }
        }
    }
}

impl Gate {
    /// Opens the socket; one for both families where the address is an IPv6 one. A machine without IPv6 does without.
    pub(super) fn open(bind: SocketAddr) -> io::Result<Arc<Self>> {
        let socket = bound(bind).or_else(|error| match bind.ip() {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => bound((Ipv4Addr::UNSPECIFIED, bind.port()).into()).map_err(|_| error),
            _ => Err(error),
        })?;
        let socket = TokioRuntime.wrap_udp_socket(socket.into())?;
        let ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Arc::new(Self { socket, ipv6, table: Mutex::default(), observed: Notify::new() }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the directory is, and where this device is: peers are not there.
    pub(super) fn surrounded_by(&self, surroundings: Surroundings) {
        self.table().surroundings = surroundings;
    }

    /// Two devices were introduced: begins to punch toward the other's candidates after the delay. Returns what tells of
    /// changes, or nothing if too many are being punched for.
    pub(super) fn introduce(
        &self,
        call: CallId,
        role: Role,
        key: &ProbeKey,
        candidates: &[SocketAddr],
        delay: Duration,
    ) -> Option<Arc<Notify>> {
        let mut table = self.table();
        if table.calls.len() >= MAX_CALLS {
            return None;
        }
        let mut punch = Punch::new(role, key, candidates, table.surroundings.clone(), Instant::now() + delay);
        for target in punch.targets() {
            if !self.has_way_to(target) {
                punch.no_route(target);
            }
        }
        let (changed, places) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(MAX_HANDSHAKES)));
        table.tags.insert(punch.tag(), call);
        table.calls.insert(call, Call { role, punch, changed: changed.clone(), places });
        Some(changed)
    }

    /// A call needs no path any more: she is connected, or not to be had.
    pub(super) fn settle(&self, call: CallId) {
        let mut table = self.table();
        if let Some(Call { punch, changed, .. }) = table.calls.remove(&call) {
            table.tags.remove(&punch.tag());
            changed.notify_one();
        }
    }

    /// Sends the probes that are due, and says how a call stands; nothing once it is settled.
    pub(super) fn drive(&self, call: CallId, now: Instant) -> Option<Progress> {
        let mut table = self.table();
        let Call { punch, .. } = table.calls.get_mut(&call)?;
        let due = punch.tick(now);
        self.send(due, None);
        Some(Progress { ways: punch.to_dial(now), wakes_at: punch.wakes_at(), unreachable: punch.verdict(now) })
    }

    /// Lets in what comes from an address that this device calls.
    pub(super) fn calling(self: &Arc<Self>, address: SocketAddr) -> Pass {
        let address = canonical(address);
        *self.table().called.entry(address).or_insert(0) += 1;
        Pass { gate: self.clone(), address }
    }

    /// A place for a handshake with somebody who may dial this device and has answered from this address, and how far away that
    /// is. Nothing if nobody has, or all places of that introduction are taken.
    pub(super) fn place_for(&self, address: SocketAddr) -> Option<(Duration, OwnedSemaphorePermit)> {
        let address = canonical(address);
        let place = |call: &Call| {
            let round_trip = call.punch.round_trip(address)?;
            Some((round_trip, call.places.clone().try_acquire_owned().ok()?))
        };
        self.table().calls.values().filter(|call| call.role == Role::Listener).find_map(place)
    }

    /// Whether this machine has a way to an address at all, and this socket too. Nothing is sent.
    fn has_way_to(&self, target: SocketAddr) -> bool {
        (self.ipv6 || target.is_ipv4()) && source_toward(target).is_some()
    }

    /// Sends from one of this machine's addresses, if one is given: an answer comes from where the question went. What the
    /// system does not take now is lost like other probes: they are sent again.
    fn send(&self, datagrams: Vec<Datagram>, src_ip: Option<IpAddr>) {
        datagrams.iter().for_each(|Datagram { to, bytes }| self.send_to(*to, bytes, src_ip));
    }

    fn send_to(&self, to: SocketAddr, contents: &[u8], src_ip: Option<IpAddr>) {
        let destination = if self.ipv6 { mapped(to) } else { to };
        let _ = self.socket.try_send(&Transmit { destination, ecn: None, contents, segment_size: None, src_ip });
    }

    /// Whether a datagram is for QUIC; a probe is dealt with here.
    fn admits(&self, table: &mut Table, datagram: &[u8], from: SocketAddr, to: Option<IpAddr>) -> bool {
        let first = datagram.first().copied().unwrap_or_default();
        if first & FIXED_BIT != 0 {
            // A short header finds its connection by an identifier that this device chose, from a new address too.
            return first & LONG_HEADER == 0 || table.knows(from);
        }
        // Version negotiation alone may leave the fixed bit clear (RFC 8999 section 6).
        if first & LONG_HEADER != 0 {
            return table.called.contains_key(&from);
        }
        if observation::is_stun(datagram) {
            self.told(table, datagram, from);
            return false;
        }
        if let Some(probe) = UnverifiedProbe::read(datagram)
            && let Some(id) = table.tags.get(&probe.tag())
            && let Some(Call { punch, changed, .. }) = table.calls.get_mut(id)
        {
            let answers = punch.receive(from, &probe, Instant::now());
            self.send(answers, to);
            changed.notify_one();
        }
        false
    }
}

impl Table {
    fn listening(&self) -> impl Iterator<Item = &Punch> {
        self.calls.values().filter(|call| call.role == Role::Listener).map(|call| &call.punch)
    }

    fn knows(&self, address: SocketAddr) -> bool {
        self.called.contains_key(&address) || self.listening().any(|punch| punch.is_open(address))
    }
}

impl AsyncUdpSocket for Gate {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            let mut table = self.table();
            for (buffer, meta) in bufs.iter_mut().zip(meta).take(count) {
                let (from, to) = (canonical(meta.addr), meta.dst_ip);
                sift(buffer, meta, |datagram| self.admits(&mut table, datagram, from, to));
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
