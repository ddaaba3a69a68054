//! Which router is this device's: the next hop of its default route, as Linux tells it. Elsewhere the anycast addresses for
//! PCP stand for it (RFC 7723).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::pcp;

/// Flags of a route (Linux, `RTF_*`): usable, by a gateway.
const BY_GATEWAY: u32 = 0x1 | 0x2;

/// Where to ask by PCP about an address of this interface.
pub(super) fn toward(inside: IpAddr, interface: &str, index: u32) -> SocketAddr {
    let anycast = match inside {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 0, 9)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 1)),
    };
    match next_hop(inside, interface).unwrap_or(anycast) {
        IpAddr::V6(router) if router.is_unicast_link_local() => SocketAddrV6::new(router, pcp::PORT, 0, index).into(),
        router => SocketAddr::new(router, pcp::PORT),
    }
}

/// The router by which packets from this address leave to anybody, where the system tells it.
pub(super) fn next_hop(inside: IpAddr, interface: &str) -> Option<IpAddr> {
    let read = |path| std::fs::read_to_string(path).ok();
    match inside {
        IpAddr::V4(_) => default_v4(&read("/proc/net/route")?, interface).map(IpAddr::V4),
        IpAddr::V6(_) => default_v6(&read("/proc/net/ipv6_route")?, interface).map(IpAddr::V6),
    }
}

/// Columns: interface, destination, gateway, flags, …, metric at 6, mask. Addresses as the machine has them in memory.
fn default_v4(table: &str, interface: &str) -> Option<Ipv4Addr> {
    let routes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let is_default = number(1)? == 0 && number(7)? == 0 && number(3)? & BY_GATEWAY == BY_GATEWAY;
        let metric: u32 = fields.get(6)?.parse().ok()?;
        (is_default && fields[0] == interface).then(|| Some((metric, Ipv4Addr::from(number(2)?.to_ne_bytes()))))?
    });
    routes.min().map(|(_, router)| router)
}

/// Columns: destination, its prefix length, source, its length, next hop, metric, …, flags at 8, interface.
fn default_v6(table: &str, interface: &str) -> Option<Ipv6Addr> {
    let routes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let is_default = number(1)? == 0 && number(8)? & BY_GATEWAY == BY_GATEWAY;
        let next_hop = u128::from_str_radix(fields.get(4)?, 16).ok()?;
        (is_default && *fields.get(9)? == interface).then_some((number(5)?, Ipv6Addr::from(next_hop)))
    });
    routes.min().map(|(_, router)| router)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_default_route_of_the_interface_with_the_smallest_metric() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t00000000\t0201A8C0\t0003\t0\t0\t50\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
";
        assert_eq!(default_v4(table, "eth0"), Some(Ipv4Addr::new(192, 168, 1, 2)));
        assert_eq!(default_v4(table, "wlan0"), Some(Ipv4Addr::new(192, 168, 0, 1)));
        assert_eq!(default_v4(table, "tun0"), None);
        assert_eq!(default_v4("eth0 00000000\nzz", "eth0"), None);
    }

    #[test]
    fn the_same_for_ipv6() {
        let nothing = "0".repeat(32);
        let (router, other) = (format!("fe80{}1", "0".repeat(27)), format!("fe80{}2", "0".repeat(27)));
        let table = format!(
            "{nothing} 00 {nothing} 00 {other} 00000400 00000001 00000000 00000003     eth0\n\
             {nothing} 00 {nothing} 00 {router} 00000064 00000001 00000000 00000003     eth0\n\
             {nothing} 00 {nothing} 00 {nothing} ffffffff 00000001 00000000 00200200       lo\n\
             20010db8000000000000000000000000 40 {nothing} 00 {nothing} 00000100 00000001 00000000 00000001     eth0\n"
        );
        assert_eq!(default_v6(&table, "eth0"), Some("fe80::1".parse().unwrap()));
        assert_eq!(default_v6(&table, "lo"), None);
        assert_eq!(default_v6("nonsense", "eth0"), None);
    }
}
