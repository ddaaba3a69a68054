//! What routers do to packets, as rules of nftables. The names of RFC 3489 are what people know; RFC 4787 says what they
//! mean: a *mapping* is the outside port of an inside socket, *filtering* is who may send to it.
//!
//! | kind | mapping | filtering |
//! |---|---|---|
//! | full cone | the same toward everybody | everybody |
//! | restricted cone | the same toward everybody | addresses that the inside has sent to |
//! | port-restricted cone | the same toward everybody | addresses *and ports* that the inside has sent to |
//! | symmetric | another one toward every address and port | as port-restricted |
//!
//! Linux' own NAT keeps the port where it can and lets only the other end of a flow in: port-restricted cone. With
//! `fully-random` every flow has a port of its own: symmetric. The other two are made with a map of who has which port.
//!
//! Packets to the router itself are dropped, as every home router does. This matters: were one from a stranger taken, the
//! kernel would remember it as a flow of the router's own, and give the inside another port toward that stranger.

/// How an IPv4 router shares its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    Restricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// Address- and port-dependent mapping and filtering.
    Symmetric,
}

impl NatKind {
    /// All of them, the most open first.
    pub const ALL: [Self; 4] = [Self::FullCone, Self::Restricted, Self::PortRestricted, Self::Symmetric];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullCone => "full cone",
            Self::Restricted => "restricted cone",
            Self::PortRestricted => "port-restricted cone",
            Self::Symmetric => "symmetric",
        }
    }
}

/// A router of this kind with this outside address, between its devices `lan` and `wan`. With `hairpin` (RFC 4787 section
/// 6) two devices inside reach each other by their outside addresses; that is for full cones here.
#[must_use]
pub fn nat(kind: NatKind, outside: &str, hairpin: bool) -> String {
    match kind {
        NatKind::FullCone => cone(outside, "", hairpin),
        NatKind::Restricted => cone(outside, "ip saddr . udp dport @called", false),
        NatKind::PortRestricted => translation(outside, ""),
        NatKind::Symmetric => translation(outside, "fully-random"),
    }
}

/// The kernel's own translation.
fn translation(outside: &str, how: &str) -> String {
    format!(
        "table ip nat {{
            chain out {{
                type nat hook postrouting priority srcnat; policy accept;
                oifname \"wan\" snat to {outside} {how}
            }}
        }}
        {STATEFUL}"
    )
}

/// Who has which port is noted on the way out; whoever satisfies `condition` gets in by it. The port outside is the port
/// inside, which holds as long as no two devices behind the router have drawn the same one.
fn cone(outside: &str, condition: &str, hairpin: bool) -> String {
    let (arrives, turned) = if hairpin {
        ("", format!("oifname \"lan\" ip saddr 100.64.0.0/16 snat to {outside}"))
    } else {
        ("iifname \"wan\"", String::new())
    };
    format!(
        "table ip nat {{
            map inside {{
                type inet_service : ipv4_addr
                flags dynamic,timeout
                timeout 300s
                size 65536
            }}
            set called {{
                type ipv4_addr . inet_service
                flags dynamic,timeout
                timeout 300s
                size 65536
            }}
            chain note {{
                type filter hook postrouting priority 99; policy accept;
                oifname \"wan\" meta l4proto udp update @inside {{ udp sport : ip saddr }}
                oifname \"wan\" meta l4proto udp update @called {{ ip daddr . udp sport }}
            }}
            chain in {{
                type nat hook prerouting priority dstnat; policy accept;
                {arrives} ip daddr {outside} meta l4proto udp {condition} dnat to udp dport map @inside
            }}
            chain out {{
                type nat hook postrouting priority srcnat; policy accept;
                oifname \"wan\" snat to {outside}
                {turned}
            }}
        }}
        {STATEFUL}"
    )
}

/// A stateful firewall, for both families: what the inside began goes on, nothing else comes in (RFC 6092 section 2.3, with
/// endpoint-dependent filtering).
pub const STATEFUL: &str = "table inet firewall {
    chain input {
        type filter hook input priority filter; policy accept;
        iifname { \"wan\", \"lan\" } meta l4proto udp drop
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname \"wan\" ct state established,related accept
        iifname \"wan\" ct status dnat accept
        iifname \"wan\" drop
    }
}";

/// Where a router's `miniupnpd` puts what it opens: chains within the firewall that [`nat`] and [`STATEFUL`] make; and the UDP
/// port by which it may be asked from inside.
#[must_use]
pub fn opening(by: u16) -> String {
    format!(
        "table inet firewall {{
            chain opened {{ }}
            chain opened_in {{
                type nat hook prerouting priority dstnat; policy accept;
            }}
            chain opened_out {{
                type nat hook postrouting priority srcnat; policy accept;
            }}
        }}
        insert rule inet firewall forward jump opened
        insert rule inet firewall input iifname \"lan\" udp dport {by} accept"
    )
}

/// Nothing by UDP passes but to one port of the home server's: some hotels and firms.
#[must_use]
pub fn only_udp_to(server_v4: &str, server_v6: &str, port: u16) -> String {
    format!(
        "table inet hotel {{
            chain forward {{
                type filter hook forward priority filter - 1; policy accept;
                meta l4proto != udp accept
                ip daddr {server_v4} udp dport {port} accept
                ip6 daddr {server_v6} udp dport {port} accept
                ip saddr {server_v4} udp sport {port} accept
                ip6 saddr {server_v6} udp sport {port} accept
                drop
            }}
        }}"
    )
}

/// By IPv4 nothing passes that is UDP; IPv6 was forgotten, as firms do.
pub const NO_UDP_BY_V4: &str = "table inet firm {
    chain forward {
        type filter hook forward priority filter - 1; policy accept;
        meta nfproto ipv4 meta l4proto udp drop
    }
}";

/// Nothing passes to the home server and from it: for the router of the internet.
#[must_use]
pub fn unreachable(server_v4: &str, server_v6: &str) -> String {
    format!(
        "table inet silence {{
            chain forward {{
                type filter hook forward priority filter; policy accept;
                ip daddr {server_v4} drop
                ip6 daddr {server_v6} drop
                ip saddr {server_v4} drop
                ip6 saddr {server_v6} drop
            }}
        }}"
    )
}
