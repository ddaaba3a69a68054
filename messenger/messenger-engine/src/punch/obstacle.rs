//! Why two devices did not find each other, as far as one of them can tell: from what each offered, from where this one is
//! seen, and from what did not come.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::machine::Unreachable;

/// What stands between two devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// One has only IPv6, the other only IPv4; or one has no address at all.
    NoCommonAddressFamily,
    /// Both routers use another address toward every remote one (RFC 4787 section 4.1), so that neither can be told.
    EndpointDependentNats,
    /// This network lets no UDP through in the address family that leads to the other side.
    UdpBlocked,
    /// There should be a way, and nothing came by it.
    Firewall,
}

/// Where this device is seen from: what each port of the directory said, or that it said nothing.
pub type Sights = [(SocketAddr, Option<SocketAddr>)];

impl Obstacle {
    /// What is most likely.
    pub fn between(sights: &Sights, unreachable: &Unreachable) -> Self {
        let ways: Vec<SocketAddr> =
            unreachable.tried.iter().filter(|tried| !unreachable.no_route.contains(tried)).copied().collect();
        let families = [true, false].into_iter().filter(|ipv6| ways.iter().any(|way| way.is_ipv6() == *ipv6));
        let hopeless: Vec<Option<Self>> = families.map(|ipv6| Self::in_family(ipv6, sights, &ways)).collect();
        if hopeless.is_empty() {
            return Self::NoCommonAddressFamily;
        }
        // A family in which nothing forbids it, but for what cannot be seen from here, decides.
        if hopeless.contains(&None) {
            return Self::Firewall;
        }
        if hopeless.contains(&Some(Self::EndpointDependentNats)) {
            return Self::EndpointDependentNats;
        }
        Self::UdpBlocked
    }

    /// What makes it hopeless in one address family.
    fn in_family(ipv6: bool, sights: &Sights, ways: &[SocketAddr]) -> Option<Self> {
        let others = sights.iter().any(|(port, seen)| port.is_ipv6() != ipv6 && seen.is_some());
        let sights = || sights.iter().filter(move |(port, _)| port.is_ipv6() == ipv6);
        let seen: Vec<SocketAddr> = sights().filter_map(|(_, seen)| *seen).collect();
        let theirs: Vec<SocketAddr> = ways.iter().filter(|way| way.is_ipv6() == ipv6).copied().collect();
        if seen.iter().any(|one| *one != seen[0]) && changes_ports(&theirs) {
            return Some(Self::EndpointDependentNats);
        }
        // A directory's second port may be closed to everybody, and an older directory says nothing at all: what does not
        // answer proves something only if it answers in the other family.
        (seen.is_empty() && sights().next().is_some() && others).then_some(Self::UdpBlocked)
    }

    /// What happened, for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoCommonAddressFamily => {
                "no direct connection is possible: one side has only IPv6, the other only IPv4"
            }
            Self::EndpointDependentNats => {
                "no direct connection is possible: both routers change the address of every connection (symmetric NAT)"
            }
            Self::UdpBlocked => "no direct connection came about: your network seems to block UDP",
            Self::Firewall => {
                "no direct connection came about: a firewall or router on one of the two sides let nothing through"
            }
        }
    }

    /// What to try, for people.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoCommonAddressFamily => "switch IPv6 on in the router that lacks it, or use another network",
            Self::EndpointDependentNats => {
                "let one of the two routers open ports (UPnP or PCP in its settings), or use another network, such as a phone's; \
                 IPv6 on both sides helps as well"
            }
            Self::UdpBlocked => "use another network, or ask whoever runs this one to let UDP through",
            Self::Firewall => {
                "let UDP to this device through (`messenger --bind [::]:PORT` keeps its port), or use another network; \
                 `messenger doctor` shows what this one lets through"
            }
        }
    }
}

/// Whether somebody offers several ports of one address, or of several that are not private: as two ports of a directory saw
/// it through a router that uses another one toward each. A carrier's may change the address as well.
fn changes_ports(offered: &[SocketAddr]) -> bool {
    let same_place = |one: IpAddr, other: IpAddr| one == other || is_outside(one) && is_outside(other);
    let others =
        |one: &SocketAddr| offered.iter().any(|other| one.port() != other.port() && same_place(one.ip(), other.ip()));
    offered.iter().any(others)
}

/// An IPv4 address that is none of those behind routers: a home's (RFC 1918) or a carrier's (RFC 6598).
fn is_outside(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if !(ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Obstacle::{EndpointDependentNats, Firewall, NoCommonAddressFamily, UdpBlocked};

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn between(sights: &[(&str, &str)], tried: &[&str], no_route: &[&str]) -> Obstacle {
        let sights: Vec<_> = sights.iter().map(|(port, seen)| (at(port), seen.parse().ok())).collect();
        let list = |addresses: &[&str]| addresses.iter().map(|address| at(address)).collect();
        Obstacle::between(&sights, &Unreachable { tried: list(tried), no_route: list(no_route) })
    }

    const STEADY: [(&str, &str); 2] = [("192.0.2.1:1", "198.51.100.1:61000"), ("192.0.2.1:2", "198.51.100.1:61000")];
    const CHANGING: [(&str, &str); 2] = [("192.0.2.1:1", "198.51.100.1:61000"), ("192.0.2.1:2", "198.51.100.1:61001")];
    const HALF: [(&str, &str); 2] = [("192.0.2.1:1", "198.51.100.1:61000"), ("192.0.2.1:2", "nothing")];
    const SILENT: [(&str, &str); 2] = [("192.0.2.1:1", "nothing"), ("192.0.2.1:2", "nothing")];

    #[test]
    fn without_a_common_family() {
        assert_eq!(between(&STEADY, &[], &[]), NoCommonAddressFamily);
        assert_eq!(between(&STEADY, &["[2001:db8::1]:5"], &["[2001:db8::1]:5"]), NoCommonAddressFamily);
    }

    #[test]
    fn both_routers_change_ports() {
        let strict = ["10.0.0.2:4000", "203.0.113.2:5000", "203.0.113.2:5001"];
        assert_eq!(between(&CHANGING, &strict, &[]), EndpointDependentNats);
        // A carrier may change the address too; what a home network uses inside says nothing.
        let carrier = ["10.0.0.2:4000", "203.0.113.2:5000", "203.0.113.3:5001"];
        assert_eq!(between(&CHANGING, &carrier, &[]), EndpointDependentNats);
        assert_eq!(between(&CHANGING, &["10.0.0.2:4000", "203.0.113.2:5000"], &[]), Firewall);
        // One of them alone does not make it impossible; what stopped it stands elsewhere.
        assert_eq!(between(&STEADY, &strict, &[]), Firewall);
        assert_eq!(between(&CHANGING, &["203.0.113.2:5000"], &[]), Firewall);
        // Nor does it matter where IPv6 was a way; but where there is none, it does.
        let dual = [&strict[..], &["[2001:db8::1]:5"]].concat();
        assert_eq!(between(&CHANGING, &dual, &[]), Firewall);
        assert_eq!(between(&CHANGING, &dual, &["[2001:db8::1]:5"]), EndpointDependentNats);
    }

    #[test]
    fn ports_that_do_not_answer() {
        // The second port may be closed to everybody; that nothing answers may be the directory's age.
        assert_eq!(between(&HALF, &["203.0.113.2:5000"], &[]), Firewall);
        assert_eq!(between(&SILENT, &["203.0.113.2:5000"], &[]), Firewall);
        let ipv6_alone = [&SILENT[..], &[("[2001:db8::9]:1", "[2001:db8::7]:5")]].concat();
        assert_eq!(between(&ipv6_alone, &["203.0.113.2:5000"], &[]), UdpBlocked);
        assert_eq!(between(&ipv6_alone, &["203.0.113.2:5000", "[2001:db8::1]:5"], &[]), Firewall);
    }

    #[test]
    fn nothing_known_is_a_firewall() {
        assert_eq!(between(&[], &["203.0.113.2:5000"], &[]), Firewall);
    }

    #[test]
    fn each_says_what_to_try() {
        for obstacle in [NoCommonAddressFamily, EndpointDependentNats, UdpBlocked, Firewall] {
            assert!(obstacle.message().starts_with("no direct connection") && !obstacle.remedy().is_empty());
        }
        assert_eq!(serde_json::to_string(&EndpointDependentNats).unwrap(), "\"endpoint_dependent_nats\"");
    }
}
