//! Who may begin a handshake: bounds on connections, altogether, per address and per site, checked before any cryptography.

use crate::config::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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
    /// Handshakes alone: who is let in has a certificate, and of those one person has eight connections.
    per_site: HashMap<IpAddr, usize>,
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
        let (network, site) = (network(address), site(address));
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let share = counted.per_network.get(&network).copied().unwrap_or_default();
        let of_site = counted.per_site.get(&site).copied().unwrap_or_default();
        let Limits { connections_per_address, handshakes_per_address, handshakes_per_site, .. } = self.limits;
        let crowded = share.all >= connections_per_address
            || share.handshakes >= handshakes_per_address
            || of_site >= handshakes_per_site;
        let full = counted.all >= self.limits.connections || counted.handshakes >= self.limits.handshakes;
        if full || (crowded && !network.is_loopback()) {
            return Verdict::Refused;
        }
        // Whoever sends in the name of others takes their places as long as nobody has to prove that she receives.
        let many = (share.handshakes >= handshakes_per_address.div_ceil(4)
            || of_site >= handshakes_per_site.div_ceil(4))
            && !network.is_loopback();
        if !validated && (many || counted.handshakes >= self.limits.handshakes_before_retry) {
            return Verdict::Retry;
        }
        counted.all += 1;
        counted.handshakes += 1;
        let share = counted.per_network.entry(network).or_default();
        share.all += 1;
        share.handshakes += 1;
        *counted.per_site.entry(site).or_default() += 1;
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
            let site = site(self.network);
            if let Some(handshakes) = counted.per_site.get_mut(&site) {
                *handshakes -= 1;
                if *handshakes == 0 {
                    counted.per_site.remove(&site);
                }
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
        IpAddr::V6(ip) if !ip.is_loopback() => prefix(ip, 64),
        other => other,
    }
}

/// What one customer of a provider may have of such: the IPv4 /24 or IPv6 /48 around an address. Sixty-five thousand networks in
/// one hand are no more than that.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => prefix(ip, 48),
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
    }
}

fn prefix(ip: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 4,
        connections_per_address: 2,
        handshakes: 4,
        handshakes_per_address: 2,
        handshakes_per_site: 99,
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
    fn one_site_does_not_take_all_handshakes() {
        let limits =
            Limits { handshakes: 9, handshakes_per_site: 3, handshakes_before_retry: 9, connections: 9, ..LIMITS };
        for (ours, theirs) in [("2001:db8:7:NN::1", "2001:db8:8::1"), ("192.0.2.NN", "198.51.100.1")] {
            let admission = Admission::new(limits);
            let address = |n: u32| ours.replace("NN", &n.to_string()).parse().unwrap();
            let mut passes: Vec<Pass> = (1..4).map(|n| admitted(admission.judge(address(n), true))).collect();
            assert!(matches!(admission.judge(address(4), true), Verdict::Refused), "each has its own network");
            let _theirs = admitted(admission.judge(theirs.parse().unwrap(), true));
            passes[0].established();
            passes.push(admitted(admission.judge(address(4), true)));
            assert!(matches!(admission.judge(address(5), true), Verdict::Refused));
            drop(passes);
            assert_eq!(admission.counted.lock().unwrap().per_site.len(), 1, "nothing is kept of who has gone");
        }
    }

    /// Nobody takes a site's places by sending in its name.
    #[test]
    fn a_site_with_many_unfinished_handshakes_proves_that_it_receives() {
        let limits =
            Limits { handshakes: 99, handshakes_per_site: 8, handshakes_before_retry: 99, connections: 99, ..LIMITS };
        let admission = Admission::new(limits);
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 7, n, 0, 0, 0, 1]);
        let _begun: Vec<Pass> = (0..2).map(|n| admitted(admission.judge(address(n), false))).collect();
        assert!(matches!(admission.judge(address(2), false), Verdict::Retry));
        let _proven = admitted(admission.judge(address(2), true));
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
