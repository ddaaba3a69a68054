//! Who may begin a handshake: bounds on connections, altogether and per address, checked before any cryptography.

use crate::config::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// What to do with an incoming connection.
pub(crate) enum Verdict {
    /// Go on with the handshake; the pass is held as long as the connection lives.
    Admitted(Pass),
    /// First let the address prove that it receives what is sent to it.
    Retry,
    /// Too many already.
    Refused,
}

/// Counts the connections and handshakes there are.
#[derive(Clone)]
pub(crate) struct Admission {
    limits: Limits,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Default)]
struct Counted {
    all: usize,
    handshakes: usize,
    per_network: HashMap<IpAddr, Share>,
}

/// What is one network's of that.
#[derive(Clone, Copy, Default)]
struct Share {
    all: usize,
    handshakes: usize,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, counted: Arc::default() }
    }

    /// How many handshakes are begun and not complete.
    pub(crate) fn handshakes(&self) -> usize {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).handshakes
    }

    /// Judges a new connection. `validated`: the address has proven that it receives.
    pub(crate) fn judge(&self, address: IpAddr, validated: bool) -> Verdict {
        let network = network(address);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let share = counted.per_network.get(&network).copied().unwrap_or_default();
        let Limits { connections_per_address, handshakes_per_address, .. } = self.limits;
        let crowded = share.all >= connections_per_address || share.handshakes >= handshakes_per_address;
        let full = counted.all >= self.limits.connections || counted.handshakes >= self.limits.handshakes;
        if full || (crowded && !network.is_loopback()) {
            return Verdict::Refused;
        }
        // Whoever sends in the name of others takes their places as long as nobody has to prove that she receives.
        let few = handshakes_per_address.div_ceil(4);
        let many = share.handshakes >= few && !network.is_loopback();
        if !validated && (many || counted.handshakes >= self.limits.handshakes_before_retry) {
            return Verdict::Retry;
        }
        counted.all += 1;
        counted.handshakes += 1;
        let share = counted.per_network.entry(network).or_default();
        share.all += 1;
        share.handshakes += 1;
        Verdict::Admitted(Pass { counted: Arc::clone(&self.counted), network, in_handshake: true })
    }
}

/// Stands for one admitted connection; dropping it makes room for another.
pub(crate) struct Pass {
    counted: Arc<Mutex<Counted>>,
    network: IpAddr,
    in_handshake: bool,
}

impl Pass {
    /// The handshake is complete.
    pub(crate) fn established(&mut self) {
        if std::mem::take(&mut self.in_handshake) {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.handshakes -= 1;
            if let Some(share) = counted.per_network.get_mut(&self.network) {
                share.handshakes -= 1;
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.established();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.all -= 1;
        if let Some(share) = counted.per_network.get_mut(&self.network) {
            share.all -= 1;
            if share.all == 0 {
                counted.per_network.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the IPv6 /64 a single household has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 4,
        connections_per_address: 2,
        handshakes: 4,
        handshakes_per_address: 2,
        handshakes_before_retry: 3,
        ..Limits::DEFAULT
    };

    fn admission() -> Admission {
        Admission::new(LIMITS)
    }

    fn admitted(verdict: Verdict) -> Pass {
        match verdict {
            Verdict::Admitted(pass) => pass,
            Verdict::Retry => panic!("asked to retry"),
            Verdict::Refused => panic!("refused"),
        }
    }

    #[test]
    fn one_network_gets_its_share_and_gives_it_back() {
        let admission = admission();
        let (a, b) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let first = admitted(admission.judge(a, true));
        let _second = admitted(admission.judge(b, true));
        assert!(matches!(admission.judge(a, true), Verdict::Refused));
        drop(first);
        let _third = admitted(admission.judge(a, true));
    }

    #[test]
    fn no_more_handshakes_are_begun_than_end_in_time() {
        let admission = Admission::new(Limits { handshakes: 2, connections: 9, handshakes_before_retry: 9, ..LIMITS });
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut passes: Vec<Pass> = (0..2).map(|n| admitted(admission.judge(address(n), false))).collect();
        assert!(matches!(admission.judge(address(2), true), Verdict::Refused));
        passes[0].established();
        passes.push(admitted(admission.judge(address(2), false)));
        assert!(matches!(admission.judge(address(3), true), Verdict::Refused));
        passes.pop();
        passes.push(admitted(admission.judge(address(3), false)));
        assert_eq!(admission.handshakes(), 2);
    }

    #[test]
    fn one_network_does_not_take_all_handshakes() {
        let admission = Admission::new(Limits { handshakes: 9, handshakes_per_address: 1, connections: 9, ..LIMITS });
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut first = admitted(admission.judge(one, true));
        assert!(matches!(admission.judge(one, true), Verdict::Refused));
        let _other = admitted(admission.judge(other, true));
        first.established();
        let _second = admitted(admission.judge(one, true));
        let _neighbours: Vec<Pass> =
            (0..2).map(|_| admitted(admission.judge(Ipv6Addr::LOCALHOST.into(), true))).collect();
    }

    #[test]
    fn unfinished_handshakes_make_new_addresses_prove_themselves() {
        let admission = admission();
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut passes: Vec<Pass> = (0..3).map(|n| admitted(admission.judge(address(n), false))).collect();
        assert!(matches!(admission.judge(address(9), false), Verdict::Retry));
        passes[0].established();
        passes.push(admitted(admission.judge(address(9), false)));
        assert!(matches!(admission.judge(address(10), true), Verdict::Refused), "four altogether");
    }
}
