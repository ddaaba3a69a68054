//! Where this device is: the addresses of its interfaces, and what it offers to others as candidates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Interface, get_if_addrs};

use crate::config::OfferedAddresses;
use crate::punch::Surroundings;

/// Candidates of one list (docs/spec/directory.md, "Bounds").
const MAX_CANDIDATES: usize = 8;
/// How many of them may be IPv6 addresses of interfaces, and addresses that others saw.
const MAX_OWN_IPV6: usize = 3;
const MAX_OBSERVED: usize = 3;

/// Nothing is sent there: it stands for any global address, to learn which source the system would choose.
pub(super) const ANYWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The same for both families (RFC 5737, RFC 3849).
pub(super) const ANYBODY: [IpAddr; 2] = [IpAddr::V6(ANYWHERE), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))];

/// What the kernel says of an IPv6 address (Linux, `IFA_F_*`): made for privacy (RFC 8981), or not to be used.
const TEMPORARY: u8 = 0x01;
const NOT_USABLE: u8 = 0x08 | 0x20 | 0x40;

/// Addresses of this machine, and whether others are held back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// Those that are offered, best first.
    pub(super) ips: Vec<IpAddr>,
    /// Those of other interfaces are not: the name of the VPN by which packets leave, or nothing where that was decided.
    pub(super) alone: Option<Option<String>>,
}

/// The addresses of this machine that a peer may reach a socket bound to `bound` at, as far as they are to be offered.
pub(super) fn own(bound: IpAddr, directory: SocketAddr, offered: OfferedAddresses) -> Own {
    if !bound.is_unspecified() {
        return Own { ips: vec![bound.to_canonical()], alone: None };
    }
    // A way by a family that the socket has not is none, and no VPN either.
    let families = ANYBODY.into_iter().filter(|ip| bound.is_ipv6() || ip.is_ipv4());
    let by_default = families.filter_map(|ip| source_toward(SocketAddr::new(ip, 443)));
    let ways = Ways {
        by_default: by_default.map(|ip| ip.to_canonical()).collect(),
        toward_directory: source_toward(directory).map(|ip| ip.to_canonical()),
        interfaces: get_if_addrs().unwrap_or_default().into_iter().map(named).collect(),
    };
    let mut own = ways.offered(offered, is_tunnel);
    own.ips.retain(|ip| bound.is_ipv6() || ip.is_ipv4());
    own
}

/// An address of this device before which a router may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    /// With the port of the socket.
    pub(super) address: SocketAddr,
    pub(super) interface: String,
    /// The number of the interface, for what holds on its link alone.
    pub(super) index: u32,
}

/// From where packets to anybody leave, as far as it is offered: at most one of each family, none of a tunnel.
pub(super) fn routed(bound: SocketAddr, directory: SocketAddr, offered: OfferedAddresses) -> Vec<Inside> {
    let own = own(bound.ip(), directory, offered);
    let by_default = ANYBODY.into_iter().filter_map(|ip| source_toward(SocketAddr::new(ip, 443)));
    let interfaces = get_if_addrs().unwrap_or_default();
    let inside = by_default.map(|ip| ip.to_canonical()).filter(|ip| own.ips.contains(ip)).filter_map(|ip| {
        let interface = interfaces.iter().find(|interface| interface.ip() == ip)?;
        let (address, index) = (SocketAddr::new(ip, bound.port()), interface.index?);
        Some(Inside { address, interface: interface.name.clone(), index })
    });
    inside.filter(|inside| has_router(inside.address.ip()) && !is_tunnel(&inside.interface)).collect()
}

/// By which addresses packets leave.
struct Ways {
    /// Toward anybody, at most one of each family.
    by_default: Vec<IpAddr>,
    toward_directory: Option<IpAddr>,
    /// All that there are, each with its interface.
    interfaces: Vec<(IpAddr, String)>,
}

impl Ways {
    fn offered(self, offered: OfferedAddresses, is_tunnel: impl Fn(&str) -> bool) -> Own {
        let alone = match offered {
            OfferedAddresses::All => None,
            OfferedAddresses::DefaultRoute => Some(None),
            OfferedAddresses::Automatic => vpn(&self.by_default, &self.interfaces, &is_tunnel).map(Some),
        };
        let ips = match &alone {
            None => self.all(),
            Some(None) => self.out(|_| true),
            // A VPN for one family alone: what leaves beside it by the other one would show what it hides.
            Some(Some(_)) => self.out(|ip| vpn(&[*ip], &self.interfaces, &is_tunnel).is_some()),
        };
        Own { ips, alone }
    }

    /// The ways out by default, as far as they are to be offered.
    fn out(&self, is_offered: impl Fn(&IpAddr) -> bool) -> Vec<IpAddr> {
        // A directory that is nowhere else on the way out (in a house without internet, on this machine) is reached from there anyway.
        let nowhere =
            |ip: &IpAddr| ip.is_loopback() || !self.by_default.iter().any(|other| other.is_ipv4() == ip.is_ipv4());
        let by_default = self.by_default.iter().copied().filter(is_offered);
        by_default.chain(self.toward_directory.filter(nowhere)).collect()
    }

    fn all(self) -> Vec<IpAddr> {
        let preferred = self.by_default.into_iter().filter(IpAddr::is_ipv6).chain(self.toward_directory);
        let flags = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        order(preferred.collect(), self.interfaces.into_iter().map(|(ip, _)| ip).collect(), &flags)
    }
}

fn named(interface: Interface) -> (IpAddr, String) {
    let ip = match &interface.addr {
        IfAddr::V4(address) => address.ip.into(),
        IfAddr::V6(address) => address.ip.into(),
    };
    (ip, interface.name)
}

/// The VPN by which packets leave, if they do.
fn vpn(by_default: &[IpAddr], interfaces: &[(IpAddr, String)], is_tunnel: impl Fn(&str) -> bool) -> Option<String> {
    let used = interfaces.iter().filter(|(ip, _)| by_default.contains(ip));
    used.map(|(_, name)| name).find(|name| is_tunnel(name)).cloned()
}

/// Whether an interface leads into a tunnel: by its type (Linux, `ARPHRD_*`) or, where the system does not tell it, by its name.
fn is_tunnel(name: &str) -> bool {
    // None (tun, WireGuard), PPP, IP in IP, IPv6 in IPv6, SIT, GRE, GRE over IPv6.
    const TYPES: [&str; 7] = ["65534", "512", "768", "769", "776", "778", "823"];
    const NAMES: [&str; 6] = ["utun", "tun", "wg", "ppp", "ipsec", "gif"];
    match std::fs::read_to_string(format!("/sys/class/net/{name}/type")) {
        Ok(kind) => TYPES.contains(&kind.trim()),
        Err(_) => NAMES.iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// Of what others saw, what was seen by the way on which the offered addresses lie: what somebody saw beside a VPN is held back.
pub(super) fn seen_by_them(sights: &[(SocketAddr, Option<SocketAddr>)], own: &Own) -> Vec<SocketAddr> {
    let by_them = |port: &SocketAddr| {
        own.alone.is_none() || source_toward(*port).is_some_and(|ip| own.ips.contains(&ip.to_canonical()))
    };
    sights.iter().filter(|(port, _)| by_them(port)).filter_map(|(_, seen)| *seen).collect()
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

/// A router may stand before global addresses, and before IPv4 ones of a house.
fn has_router(ip: IpAddr) -> bool {
    is_for_others(&ip) && !matches!(ip, IpAddr::V6(ip) if ip.is_unique_local())
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
        // What the system itself would use comes first, whatever it is: packets leave from there, so the other side sees it
        // anyway, and a firewall lets nothing in for another one.
        let preferred = ips(&["2001:db8:0:1::7", "10.0.0.7"]);
        let expected = ["2001:db8:0:1::7", "2001:db8:0:2::7", "fd00::7", "10.0.0.7"];
        assert_eq!(order(preferred, interfaces, FLAGS), ips(&expected));
    }

    #[test]
    fn where_the_system_uses_a_temporary_address_the_lasting_one_of_that_network_is_told_to_nobody() {
        let interfaces = ips(&["2001:db8:0:1::7", "2001:db8:0:1::aa", "2001:db8:0:2::7"]);
        for used in ["2001:db8:0:1::aa", "2001:db8:0:1::bb"] {
            let own = order(ips(&[used]), interfaces.clone(), FLAGS);
            assert_eq!(own, ips(&[used, "2001:db8:0:2::7"]));
        }
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
        for offered in [OfferedAddresses::All, OfferedAddresses::Automatic, OfferedAddresses::DefaultRoute] {
            assert_eq!(own([127, 0, 0, 1].into(), directory, offered).ips, ips(&["127.0.0.1"]));
            let own = own(Ipv6Addr::UNSPECIFIED.into(), directory, offered).ips;
            assert!(own.contains(&[127, 0, 0, 1].into()), "as the directory would see it: {own:?}");
        }
    }

    #[test]
    fn a_vpn_is_one_if_packets_leave_by_it() {
        let interfaces = [("10.0.0.7", "eth0"), ("10.8.0.2", "tun0"), ("2001:db8::7", "eth0")];
        let interfaces = interfaces.map(|(ip, name)| (ip.parse().unwrap(), name.to_owned()));
        let is_tunnel = |name: &str| name == "tun0";
        assert_eq!(vpn(&ips(&["2001:db8::7", "10.0.0.7"]), &interfaces, is_tunnel), None);
        assert_eq!(vpn(&ips(&["2001:db8::7", "10.8.0.2"]), &interfaces, is_tunnel), Some("tun0".to_owned()));
    }

    #[test]
    fn a_vpn_for_one_family_holds_back_the_way_of_the_other() {
        let interfaces = [("10.0.0.7", "eth0"), ("10.8.0.2", "tun0"), ("2001:db8::7", "eth0")];
        let offered = |offered| {
            let ways = Ways {
                by_default: ips(&["2001:db8::7", "10.8.0.2"]),
                toward_directory: Some("2001:db8::7".parse().unwrap()),
                interfaces: interfaces.map(|(ip, name)| (ip.parse().unwrap(), name.to_owned())).to_vec(),
            };
            ways.offered(offered, |name| name == "tun0")
        };
        let own = offered(OfferedAddresses::Automatic);
        assert_eq!((own.ips, own.alone), (ips(&["10.8.0.2"]), Some(Some("tun0".to_owned()))));
        assert_eq!(offered(OfferedAddresses::DefaultRoute).ips, ips(&["2001:db8::7", "10.8.0.2"]));
        assert_eq!(offered(OfferedAddresses::All).ips, ips(&["2001:db8::7", "10.0.0.7", "10.8.0.2"]));
    }

    #[test]
    fn what_was_seen_beside_the_only_address_offered_is_held_back() {
        let sights = [("127.0.0.1:443", "203.0.113.7:4000")];
        let sights = sights.map(|(port, seen)| (port.parse().unwrap(), Some(seen.parse().unwrap())));
        let through = |ip: &str| Own { ips: ips(&[ip]), alone: Some(Some("tun0".to_owned())) };
        assert_eq!(seen_by_them(&sights, &through("127.0.0.1")), addresses(&["203.0.113.7:4000"]));
        assert_eq!(seen_by_them(&sights, &through("10.8.0.2")), []);
        let all = Own { ips: ips(&["10.8.0.2"]), alone: None };
        assert_eq!(seen_by_them(&sights, &all), addresses(&["203.0.113.7:4000"]));
    }
}
