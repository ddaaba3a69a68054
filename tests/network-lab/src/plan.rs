//! What a scenario's network looks like, before it is built.

use crate::line::Quality;
use crate::rules::NatKind;

/// How a household gets to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every device has addresses of its own that everybody reaches.
    Open,
    /// The same behind a stateful firewall.
    Firewall,
    /// IPv4 by a router that shares one address; IPv6, if there is any, behind a stateful firewall.
    Nat(NatKind),
    /// The router's address is itself one behind a carrier's NAT (RFC 6888).
    Carrier(NatKind, NatKind),
    /// As [`Access::Nat`], and UDP passes to the directory alone.
    NoUdp(NatKind),
    /// As [`Access::Nat`], and by IPv4 no UDP passes at all.
    NoUdpByV4(NatKind),
}

/// By what a home's router lets devices open ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// PCP (RFC 6887).
    Pcp,
    /// UPnP IGD 2 alone.
    Upnp,
    /// UPnP IGD 1 alone, which knows of IPv4 alone.
    UpnpOne,
}

impl Opens {
    /// The UDP port at which the router is asked, or found.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Pcp => 5351,
            Self::Upnp | Self::UpnpOne => 1900,
        }
    }
}

/// One person's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct House {
    /// How packets leave it.
    pub access: Access,
    /// Whether it has IPv4.
    pub v4: bool,
    /// Whether it has IPv6.
    pub v6: bool,
    /// Whether there is a second uplink behind a router of its own of the same kind, not in use as long as the first works.
    pub second_uplink: bool,
    /// Whether the router opens ports for devices that ask, and by what.
    pub opens: Option<Opens>,
}

impl House {
    /// A house with IPv4 alone.
    #[must_use]
    pub const fn v4(access: Access) -> Self {
        Self { access, v4: true, v6: false, second_uplink: false, opens: None }
    }

    /// A house with IPv6 alone.
    #[must_use]
    pub const fn v6(access: Access) -> Self {
        Self { access, v4: false, v6: true, second_uplink: false, opens: None }
    }

    /// A house with both.
    #[must_use]
    pub const fn dual(access: Access) -> Self {
        Self { access, v4: true, v6: true, second_uplink: false, opens: None }
    }
}

/// What two houses have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// The internet.
    Nothing,
    /// One router: they are in the same house (alice's).
    Router,
    /// Their routers' carrier (a full cone), which turns packets from inside to inside round, or does not.
    Carrier {
        /// Whether it does.
        hairpin: bool,
    },
}

/// A network for two people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The caller's.
    pub alice: House,
    /// The callee's.
    pub bob: House,
    /// What they have in common.
    pub shared: Shared,
    /// The line between each router (or carrier) and the internet.
    pub line: Quality,
}

impl Plan {
    /// How long a packet takes from one person to the other and back.
    #[must_use]
    pub fn round_trip(&self) -> std::time::Duration {
        match self.shared {
            Shared::Nothing => self.line.one_way * 4,
            Shared::Router | Shared::Carrier { .. } => std::time::Duration::ZERO,
        }
    }
}
