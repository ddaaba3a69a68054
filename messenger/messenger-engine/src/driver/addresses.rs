//! Where this device is: the addresses of its interfaces, and what it offers to others as candidates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, get_if_addrs};

use crate::punch::Surroundings;

/// Candidates of one list (docs/spec/directory.md, "Bounds").
const MAX_CANDIDATES: usize = 8;
/// How many of them may be IPv6 addresses of interfaces, and addresses that others saw.
const MAX_OWN_IPV6: usize = 3;
const MAX_OBSERVED: usize = 3;

/// Nothing is sent there: it stands for any global address, to learn which source the system would choose.
pub(super) const ANYWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// What the kernel says of an IPv6 address (Linux, `IFA_F_*`): made for privacy (RFC 8981), or not to be used.
const TEMPORARY: u8 = 0x01;
const NOT_USABLE: u8 = 0x08 | 0x20 | 0x40;

/// The addresses of this machine that a peer may reach a socket bound to `bound` at, best first.
pub(super) fn own(bound: IpAddr, directory: SocketAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound.to_canonical()];
    }
    let preferred = [SocketAddr::new(ANYWHERE.into(), 443), directory].map(source_toward);
    let preferred = preferred.into_iter().flatten().map(|ip| ip.to_canonical());
    let interfaces = get_if_addrs().unwrap_or_default().into_iter().map(|interface| match interface.addr {
        IfAddr::V4(address) => address.ip.into(),
        IfAddr::V6(address) => address.ip.into(),
    });
    let flags = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut own = order(preferred.collect(), interfaces.collect(), &flags);
    own.retain(|ip| bound.is_ipv6() || ip.is_ipv4());
    own
}

/// The address this machine uses toward another; nothing is sent.
pub(super) fn source_toward(other: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(other).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The system's own choice first; of the rest one IPv6 address for each network, a temporary one if there is one, then IPv4.
fn order(preferred: Vec<IpAddr>, interfaces: Vec<IpAddr>, flags: &str) -> Vec<IpAddr> {
    let flags_of = |ip: &Ipv6Addr| flags.lines().find_map(|line| flags_in(line, ip)).unwrap_or_default();
    let mut rest: Vec<IpAddr> = interfaces.into_iter().filter(is_for_others).collect();
    rest.retain(|ip| !matches!(ip, IpAddr::V6(ip) if flags_of(ip) & NOT_USABLE != 0));
    rest.sort_by_key(|ip| match ip {
        IpAddr::V6(ip) => (ip.is_unique_local(), flags_of(ip) & TEMPORARY == 0, false),
        IpAddr::V4(_) => (true, true, true),
    });
    let mut own: Vec<IpAddr> = Vec::new();
    for ip in preferred.into_iter().chain(rest) {
        let known = own.iter().any(|before| match (before, ip) {
            (IpAddr::V6(before), IpAddr::V6(ip)) => before.segments()[..4] == ip.segments()[..4],
            (before, ip) => *before == ip,
        });
        if !known {
            own.push(ip);
        }
    }
    // A stable sort: IPv6 before IPv4, and otherwise as it was.
    own.sort_by_key(IpAddr::is_ipv4);
    own
}

/// The flags in a line of /proc/net/if_inet6, if it is this address's: address, index, prefix length, scope, flags, name.
fn flags_in(line: &str, ip: &Ipv6Addr) -> Option<u8> {
    let mut fields = line.split_ascii_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    (Ipv6Addr::from(address) == *ip).then(|| fields.nth(3).and_then(|flags| u8::from_str_radix(flags, 16).ok()))?
}

fn is_for_others(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// What to offer: the addresses of interfaces with the socket's port, and those that others saw. IPv6 first; of IPv4 what was
/// seen from outside before what may be private. Nothing that no peer would try: a directory refuses the whole list for it.
pub(super) fn candidates(
    own: &[IpAddr],
    port: u16,
    observed: &[SocketAddr],
    surroundings: &Surroundings,
) -> Vec<SocketAddr> {
    let own: Vec<IpAddr> = own.iter().copied().filter(|ip| surroundings.allow(&SocketAddr::new(*ip, port))).collect();
    let observed: Vec<SocketAddr> = observed.iter().copied().filter(|seen| surroundings.allow(seen)).collect();
    let own = |v4: bool| own.iter().filter(move |ip| ip.is_ipv4() == v4).map(move |ip| SocketAddr::new(*ip, port));
    let observed = |v4: bool| observed.iter().filter(move |seen| seen.is_ipv4() == v4).copied().take(MAX_OBSERVED);
    let all = own(false).take(MAX_OWN_IPV6).chain(observed(false)).chain(observed(true)).chain(own(true));
    let mut candidates = Vec::new();
    for candidate in all {
        if !candidates.contains(&candidate) && candidates.len() < MAX_CANDIDATES {
            candidates.push(candidate);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const FLAGS: &str = "\
20010db8000000010000000000000007 02 40 00 80     eth0
20010db80000000100000000000000aa 02 40 00 01     eth0
20010db80000000100000000000000bb 02 40 00 21     eth0
20010db8000000020000000000000007 03 40 00 80    wlan0
20010db8000000030000000000000007 03 40 00 40    wlan0
fd000000000000000000000000000007 03 40 00 80    wlan0
fe800000000000000000000000000007 02 40 20 80     eth0
";

    #[test]
    fn of_each_network_the_temporary_address_and_ipv6_before_ipv4() {
        let interfaces = ips(&[
            "127.0.0.1",
            "10.0.0.7",
            "169.254.3.4",
            "::1",
            "fe80::7",
            "fd00::7",
            "2001:db8:0:1::7",
            "2001:db8:0:1::bb",
            "2001:db8:0:1::aa",
            "2001:db8:0:2::7",
            "2001:db8:0:3::7",
        ]);
        let expected = ["2001:db8:0:1::aa", "2001:db8:0:2::7", "fd00::7", "10.0.0.7"];
        assert_eq!(order(Vec::new(), interfaces.clone(), FLAGS), ips(&expected));
        // What the system itself would use comes first, whatever it is.
        let preferred = ips(&["2001:db8:0:1::7", "10.0.0.7"]);
        let expected = ["2001:db8:0:1::7", "2001:db8:0:2::7", "fd00::7", "10.0.0.7"];
        assert_eq!(order(preferred, interfaces, FLAGS), ips(&expected));
    }

    #[test]
    fn a_system_that_tells_nothing_of_its_addresses_is_believed() {
        for flags in ["", "nonsense", "20010db8", "zz 02 40 00 80 eth0"] {
            assert_eq!(order(Vec::new(), ips(&["2001:db8::7", "10.0.0.7"]), flags), ips(&["2001:db8::7", "10.0.0.7"]));
        }
    }

    #[test]
    fn what_others_saw_is_always_among_the_candidates() {
        let own = ips(&[
            "2001:db8::1",
            "2001:db8:1::1",
            "2001:db8:2::1",
            "2001:db8:3::1",
            "10.0.0.1",
            "10.1.0.1",
            "10.2.0.1",
        ]);
        let observed = addresses(&["[2001:db8::1]:4000", "192.0.2.7:61000", "192.0.2.7:61001"]);
        let expected = [
            "[2001:db8::1]:4000",
            "[2001:db8:1::1]:4000",
            "[2001:db8:2::1]:4000",
            "192.0.2.7:61000",
            "192.0.2.7:61001",
            "10.0.0.1:4000",
            "10.1.0.1:4000",
            "10.2.0.1:4000",
        ];
        assert_eq!(candidates(&own, 4000, &observed, &Surroundings::default()), addresses(&expected));
    }

    #[test]
    fn nothing_is_offered_for_which_a_directory_refuses_the_list() {
        let own = ips(&["127.0.0.1", "::1", "fe80::7", "169.254.3.4", "224.0.0.1", "0.1.2.3", "10.0.0.1"]);
        let observed = addresses(&["127.0.1.1:61000", "192.0.2.7:0", "192.0.2.7:61000"]);
        let offered = candidates(&own, 4000, &observed, &Surroundings::default());
        assert_eq!(offered, addresses(&["192.0.2.7:61000", "10.0.0.1:4000"]));
        // A town on a desk.
        let desk = Surroundings { directory: addresses(&["127.0.0.1:443"]), own: Vec::new() };
        let offered = candidates(&own, 4000, &observed, &desk);
        let expected = ["[::1]:4000", "127.0.1.1:61000", "192.0.2.7:61000", "127.0.0.1:4000", "10.0.0.1:4000"];
        assert_eq!(offered, addresses(&expected));
    }

    #[test]
    fn this_machine_has_an_address() {
        let directory = "127.0.0.1:443".parse().unwrap();
        assert_eq!(own([127, 0, 0, 1].into(), directory), ips(&["127.0.0.1"]));
        let own = own(Ipv6Addr::UNSPECIFIED.into(), directory);
        assert!(own.contains(&[127, 0, 0, 1].into()), "as the directory would see it: {own:?}");
    }
}
