//! Which of the offered candidates are probed at all. Whoever offers a list asks this device to send packets to what is on
//! it, so that it must not be possible to aim it: the directory refuses such lists, and this side does not rely on that.

use std::net::{IpAddr, SocketAddr};

/// At most so many candidates are taken from a list (docs/spec/directory.md has the same limit).
pub const MAX_TARGETS: usize = 8;

/// What a device knows about its own place, when it judges where others say they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Where the directory listens. What is sent there is for the directory alone; if it is this machine, so may peers be.
    pub directory: Vec<SocketAddr>,
    /// Addresses of this device's own socket.
    pub own: Vec<SocketAddr>,
}

impl Surroundings {
    /// Whether a peer may be there.
    pub fn allow(&self, candidate: &SocketAddr) -> bool {
        let ip = candidate.ip();
        candidate.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !is_local_only(ip)
            && (!ip.is_loopback() || self.directory.iter().any(|directory| directory.ip().is_loopback()))
            && !self.directory.contains(candidate)
            && !self.own.contains(candidate)
    }
}

/// Broadcast, "this network" (RFC 1122 section 3.2.1.3), and what means nothing without the name of an interface.
fn is_local_only(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.octets()[0] == 0 || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The candidates to try, each once, IPv6 first (global before the rest), at most [`MAX_TARGETS`].
pub fn targets(offered: &[SocketAddr], surroundings: &Surroundings) -> Vec<SocketAddr> {
    let mut targets: Vec<SocketAddr> = Vec::new();
    for candidate in offered.iter().take(MAX_TARGETS) {
        let candidate = SocketAddr::new(candidate.ip().to_canonical(), candidate.port());
        if surroundings.allow(&candidate) && !targets.contains(&candidate) {
            targets.push(candidate);
        }
    }
    targets.sort_by_key(|candidate| match candidate.ip() {
        IpAddr::V6(ip) => u8::from(ip.is_unique_local() || ip.is_loopback()),
        IpAddr::V4(_) => 2,
    });
    targets
}
