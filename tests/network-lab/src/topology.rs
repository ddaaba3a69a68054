//! The networks of two households, a home server and the internet between them.
//!
//! ```text
//!  alice ── router ─┐                       ┌─ router ── bob
//!        └─ router ─┤ line                  │ line
//!   (second uplink) └──── the internet ─────┘
//!                          │          (a carrier may stand between a router and its line)
//!                      home server
//! ```
//! Each uplink has a number, and its addresses from it: the line 203.0.113.(4n)/30 and 2001:db8:n::/64, public addresses
//! behind it 198.51.100.(16n)/28 and 2001:db8:n:1::/64, private ones 192.168.n.0/24, those of a carrier 100.64.0.n/16. A router
//! that opens ports shares 44.128.0.n: it refuses to for addresses that are kept for documentation.

use story::Failure;

use crate::line::Lines;
use crate::namespace::Namespace;
use crate::opener::Opener;
use crate::plan::{Access, House, Plan, Shared};
use crate::rules;
use crate::world::{self, DIRECTORY_PORT, SERVER_V4, SERVER_V6};

/// Addresses of the internet's own, for the prober's servers.
pub const OBSERVERS: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8:ffff::1", "2001:db8:ffff::2"];

/// Numbers of uplinks.
const ALICE: u8 = 2;
const BOB: u8 = 3;
const ALICE_SECOND: u8 = 4;
const BOB_SECOND: u8 = 5;
const CARRIER: u8 = 6;

/// A person in the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Who calls.
    Alice,
    /// Who is called.
    Bob,
}

/// A network that stands. Fields are taken down in this order; some are held for that alone.
#[derive(Debug)]
pub struct Topology {
    _lines: Lines,
    _openers: Vec<Opener>,
    alice: Namespace,
    bob: Namespace,
    _routers: Vec<Namespace>,
    internet: Namespace,
}

impl Topology {
    /// Builds what the plan says, and connects the home server's namespace to it.
    ///
    /// # Errors
    /// The kernel refuses something.
    pub fn build(plan: &Plan, server: &Namespace) -> Result<Self, Failure> {
        let internet = internet(server)?;
        let mut site = Site { plan, internet, lines: Lines::new()?, openers: Vec::new(), routers: Vec::new() };
        let alice = Namespace::host("alice")?;
        let bob = Namespace::host("bob")?;
        let carrier = match plan.shared {
            Shared::Carrier { hairpin } => Some(site.carrier(CARRIER, rules::NatKind::FullCone, hairpin)?),
            Shared::Nothing | Shared::Router => None,
        };
        site.house(&plan.alice, &alice, carrier, [ALICE, ALICE_SECOND])?;
        if plan.shared == Shared::Router {
            site.device(site.routers.len() - 1, &bob, "eth0", ALICE, 3, &plan.bob)?;
        } else {
            site.house(&plan.bob, &bob, carrier, [BOB, BOB_SECOND])?;
        }
        site.lines.start()?;
        let Site { internet, lines, openers, routers, .. } = site;
        Ok(Self { _lines: lines, _openers: openers, alice, bob, _routers: routers, internet })
    }

    /// Where a person's programs run.
    #[must_use]
    pub const fn host(&self, who: Who) -> &Namespace {
        match who {
            Who::Alice => &self.alice,
            Who::Bob => &self.bob,
        }
    }

    /// Where the prober's servers run.
    #[must_use]
    pub const fn internet(&self) -> &Namespace {
        &self.internet
    }

    /// What the router of a person's house has opened, as nftables lists it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn opened(&self, who: Who) -> Result<String, Failure> {
        let number = if who == Who::Alice { ALICE } else { BOB };
        let name = format!("router{number}");
        let chains = ["opened", "opened_in"].map(|chain| {
            world::command("ip", &["netns", "exec", &name, "nft", "list", "chain", "inet", "firewall", chain])
        });
        let [forward, inward] = chains;
        Ok(forward? + &inward?)
    }

    /// From now on nobody reaches the home server.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn silence_server(&self) -> Result<(), Failure> {
        self.internet.rules(&rules::unreachable(SERVER_V4, SERVER_V6))
    }

    /// A person's device leaves its first uplink; the second one is the way from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn switch_uplink(&self, who: Who) -> Result<(), Failure> {
        self.host(who).ip("link set eth0 down")
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        // The kernel takes its time with a namespace; the home server's next cable must not wait for it.
        let _ = self.internet.ip("link del server");
    }
}

/// The internet is one router; the home server hangs on it by a line without any delay.
fn internet(server: &Namespace) -> Result<Namespace, Failure> {
    let internet = Namespace::router("internet")?;
    cable((server, "eth0"), (&internet, "server"))?;
    server.ip(&format!(
        "addr add {SERVER_V4}/30 dev eth0
        addr add {SERVER_V6}/64 dev eth0 nodad
        link set eth0 up
        route add default via 203.0.113.5
        route add default via 2001:db8:1::1"
    ))?;
    let [one, other, one6, other6] = OBSERVERS;
    internet.ip(&format!(
        "addr add 203.0.113.5/30 dev server
        addr add 2001:db8:1::1/64 dev server nodad
        link set server up
        addr add {one}/32 dev lo
        addr add {other}/32 dev lo
        addr add {one6}/128 dev lo nodad
        addr add {other6}/128 dev lo nodad"
    ))?;
    Ok(internet)
}

/// A cable between two namespaces.
fn cable(one: (&Namespace, &str), other: (&Namespace, &str)) -> Result<(), Failure> {
    let ((near, near_device), (far, far_device)) = (one, other);
    let (near, far) = (near.name(), far.name());
    world::ip(&format!("link add {near_device} netns {near} type veth peer name {far_device} netns {far}"))
}

/// What is being built.
struct Site<'a> {
    plan: &'a Plan,
    internet: Namespace,
    lines: Lines,
    openers: Vec<Opener>,
    routers: Vec<Namespace>,
}

impl Site<'_> {
    /// A house with its router or routers, and the person's device in it.
    fn house(
        &mut self,
        house: &House,
        device: &Namespace,
        carrier: Option<usize>,
        [first, second]: [u8; 2],
    ) -> Result<(), Failure> {
        let carrier = match (carrier, house.access) {
            (None, Access::Carrier(_, kind)) => Some(self.carrier(first + CARRIER, kind, false)?),
            (carrier, _) => carrier,
        };
        let router = self.router(house, first, carrier)?;
        self.device(router, device, "eth0", first, 2, house)?;
        if house.second_uplink {
            let router = self.router(house, second, None)?;
            self.device(router, device, "eth1", second, 2, house)?;
        }
        Ok(())
    }

    /// A carrier's NAT, with customers on its device `lan`. Returns its place among the routers.
    fn carrier(&mut self, number: u8, kind: rules::NatKind, hairpin: bool) -> Result<usize, Failure> {
        let carrier = self.on_line(number)?;
        carrier.ip("link add lan type bridge\naddr add 100.64.0.1/16 dev lan\nlink set lan up")?;
        carrier.rules(&rules::nat(kind, &format!("203.0.113.{}", 4 * number + 2), hairpin))?;
        self.routers.push(carrier);
        Ok(self.routers.len() - 1)
    }

    /// A home's router, with the home's devices on its device `lan`.
    fn router(&mut self, house: &House, number: u8, carrier: Option<usize>) -> Result<usize, Failure> {
        let (router, mut outside) = match carrier {
            Some(carrier) => (self.at_carrier(number, carrier)?, format!("100.64.0.{number}")),
            None => (self.on_line(number)?, format!("203.0.113.{}", 4 * number + 2)),
        };
        if house.opens.is_some() {
            let shared = format!("44.128.0.{number}");
            router.ip(&format!("addr add {shared}/32 dev wan"))?;
            self.internet.ip(&format!("route add {shared}/32 via {outside}"))?;
            outside = shared;
        }
        let lan = if matches!(house.access, Access::Open | Access::Firewall) {
            self.internet.ip(&format!("route add 198.51.100.{}/28 via {outside}", 16 * number))?;
            format!("198.51.100.{}/28", 16 * number + 1)
        } else {
            format!("192.168.{number}.1/24")
        };
        router.ip(&format!(
            "link add lan type bridge
            addr add {lan} dev lan
            addr add 2001:db8:{number}:1::1/64 dev lan nodad
            link set lan up"
        ))?;
        match house.access {
            Access::Open => {}
            Access::Firewall => router.rules(rules::STATEFUL)?,
            Access::Nat(kind) | Access::Carrier(kind, _) => router.rules(&rules::nat(kind, &outside, false))?,
            Access::NoUdp(kind) => {
                router.rules(&rules::nat(kind, &outside, false))?;
                router.rules(&rules::only_udp_to(SERVER_V4, SERVER_V6, DIRECTORY_PORT))?;
            }
            Access::NoUdpByV4(kind) => {
                router.rules(&rules::nat(kind, &outside, false))?;
                router.rules(rules::NO_UDP_BY_V4)?;
            }
        }
        if let Some(opens) = house.opens {
            router.rules(&rules::opening(opens.port()))?;
            self.openers.push(Opener::start(&router, opens, &outside)?);
        }
        self.routers.push(router);
        Ok(self.routers.len() - 1)
    }

    /// A router at the end of a line of its own.
    fn on_line(&mut self, number: u8) -> Result<Namespace, Failure> {
        let router = Namespace::router(&format!("router{number}"))?;
        let (v4, gateway, upstream) = (4 * number, 4 * number + 1, format!("line{number}"));
        let [near, far] = self.lines.join((&router, "wan"), (&self.internet, &upstream), self.plan.line)?;
        router.ip(&format!(
            "addr add 203.0.113.{}/30 dev wan
            addr add 2001:db8:{number}::2/64 dev wan nodad
            route add default via 203.0.113.{gateway}
            route add default via 2001:db8:{number}::1
            neigh add 203.0.113.{gateway} lladdr {far} dev wan
            neigh add 2001:db8:{number}::1 lladdr {far} dev wan",
            v4 + 2
        ))?;
        self.internet.ip(&format!(
            "addr add 203.0.113.{gateway}/30 dev {upstream}
            addr add 2001:db8:{number}::1/64 dev {upstream} nodad
            route add 2001:db8:{number}:1::/64 via 2001:db8:{number}::2
            neigh add 203.0.113.{} lladdr {near} dev {upstream}
            neigh add 2001:db8:{number}::2 lladdr {near} dev {upstream}",
            v4 + 2
        ))?;
        Ok(router)
    }

    /// A router that is a carrier's customer (for IPv4; a carrier that shares addresses would hand IPv6 through).
    fn at_carrier(&mut self, number: u8, carrier: usize) -> Result<Namespace, Failure> {
        let router = Namespace::router(&format!("router{number}"))?;
        let customer = format!("customer{number}");
        cable((&router, "wan"), (&self.routers[carrier], &customer))?;
        router.ip(&format!(
            "addr add 100.64.0.{number}/16 dev wan
            link set wan up
            route add default via 100.64.0.1"
        ))?;
        self.routers[carrier].ip(&format!("link set {customer} master lan\nlink set {customer} up"))?;
        Ok(router)
    }

    /// A device in the home of the router at this place.
    fn device(
        &self,
        router: usize,
        device: &Namespace,
        name: &str,
        number: u8,
        host: u8,
        house: &House,
    ) -> Result<(), Failure> {
        let port = format!("{}-{name}", device.name());
        cable((device, name), (&self.routers[router], &port))?;
        self.routers[router].ip(&format!("link set {port} master lan\nlink set {port} up"))?;
        device.ip(&format!("link set {name} up"))?;
        // The first uplink is preferred as long as it works.
        let metric = if name == "eth0" { 100 } else { 200 };
        if house.v4 {
            let (net, length) = if matches!(house.access, Access::Open | Access::Firewall) {
                ("198.51.100", 28)
            } else {
                ("192.168", 24)
            };
            let (own, gateway) = if length == 28 {
                (format!("{net}.{}", 16 * number + host), format!("{net}.{}", 16 * number + 1))
            } else {
                (format!("{net}.{number}.{host}"), format!("{net}.{number}.1"))
            };
            device.ip(&format!(
                "addr add {own}/{length} dev {name}
                route add default via {gateway} metric {metric}"
            ))?;
        }
        if house.v6 {
            let net = format!("2001:db8:{number}:1:");
            device.ip(&format!(
                "addr add {net}:{host}/64 dev {name} nodad
                route add default via {net}:1 metric {metric}"
            ))?;
        }
        Ok(())
    }
}
