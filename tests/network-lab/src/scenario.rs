//! The situations that people call each other in, and what must come of it.

use crate::line::Quality;
use crate::plan::{Access, House, Opens, Plan, Shared};
use crate::rules::NatKind;
use crate::topology::Who;

/// The line of a home: 10 ms to the internet, so that two people are 40 ms apart, there and back.
const HOME: Quality = Quality::clean(10);

/// What happens while they talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: a call is set up, again and again.
    Nothing,
    /// Once they are connected, the directory cannot be reached any more.
    DirectoryGone,
    /// The same, until the caller's device has noticed and says so.
    DirectoryGivenUp,
    /// While a text is on its way, this person's device changes to another uplink.
    UplinkSwitched(Who),
}

/// In how many directories the two are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directories {
    /// In one: they belong to the same home server.
    One,
    /// Each in her own home server's.
    Two,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Every text is delivered.
    Connects,
    /// None is, and the reason that the caller is told contains these words.
    Refused(&'static str),
}

/// One situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: String,
    /// In which table of the page it stands.
    pub table: Table,
    /// Its row or, in the table of pairs, alice's router.
    pub row: String,
    /// In the table of pairs, bob's router.
    pub column: Option<&'static str>,
    /// Its networks.
    pub plan: Plan,
    /// Where the two are found.
    pub directories: Directories,
    /// What happens.
    pub turn: Turn,
    /// What must come of it.
    pub expected: Expected,
    /// Whether `./test` plays it too.
    pub short: bool,
}

/// The tables of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Every kind of IPv4 router with every other.
    Pairs,
    /// Other networks.
    Networks,
    /// What happens during a conversation.
    Turns,
}

/// All situations, in the order of the page.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut all = pairs();
    all.extend(networks());
    all.extend(turns());
    all
}

fn pairs() -> Vec<Scenario> {
    let pair = |(alice, bob): (NatKind, NatKind)| Scenario {
        name: format!("{}/{}", alice.name(), bob.name()).replace(' ', "-"),
        table: Table::Pairs,
        row: alice.name().to_owned(),
        column: Some(bob.name()),
        plan: Plan {
            alice: House::v4(Access::Nat(alice)),
            bob: House::v4(Access::Nat(bob)),
            shared: Shared::Nothing,
            line: HOME,
        },
        directories: Directories::One,
        turn: Turn::Nothing,
        expected: of_pair(alice, bob),
        short: alice == bob && matches!(alice, NatKind::PortRestricted | NatKind::Symmetric),
    };
    NatKind::ALL.into_iter().flat_map(|alice| NatKind::ALL.map(|bob| (alice, bob))).map(pair).collect()
}

/// What can be known beforehand: a symmetric router's outside port toward the other side shows itself only by a packet that
/// gets through, so the other side's filter must not ask for the port.
const fn of_pair(alice: NatKind, bob: NatKind) -> Expected {
    use NatKind::{PortRestricted, Symmetric};
    match (alice, bob) {
        (Symmetric, Symmetric) => Expected::Refused("both routers change the address of every connection"),
        (Symmetric, PortRestricted) | (PortRestricted, Symmetric) => Expected::Refused(NOTHING_CAME),
        _ => Expected::Connects,
    }
}

/// What the caller is told where there should be a way.
const NOTHING_CAME: &str = "let nothing through";

const fn between(alice: House, bob: House) -> Plan {
    Plan { alice, bob, shared: Shared::Nothing, line: HOME }
}

fn networks() -> Vec<Scenario> {
    use Access::{Carrier, Firewall, Nat, NoUdp, NoUdpByV4, Open};
    use Expected::{Connects, Refused};
    use NatKind::{FullCone, PortRestricted};
    let network = |name: &str, row: &str, plan: Plan, expected: Expected, short: bool| Scenario {
        name: name.to_owned(),
        table: Table::Networks,
        row: row.to_owned(),
        column: None,
        plan,
        directories: Directories::One,
        turn: Turn::Nothing,
        expected,
        short,
    };
    let home = House::v4(Nat(PortRestricted));
    let open = House::v6(Open);
    let bad = |line: Quality| Plan { line, ..between(open, open) };
    let lossy = Quality { loss_permille: 50, ..HOME };
    let slow = Quality::clean(100);
    vec![
        network("ipv6-open", "IPv6, no firewall", between(open, open), Connects, true),
        network(
            "ipv6-firewalls",
            "IPv6, a stateful firewall on both sides",
            between(House::v6(Firewall), House::v6(Firewall)),
            Connects,
            true,
        ),
        network(
            "ipv4-open",
            "IPv4, both with public addresses",
            between(House::v4(Open), House::v4(Open)),
            Connects,
            false,
        ),
        network(
            "dual-stack",
            "IPv4 behind port-restricted cones, and IPv6 behind firewalls",
            between(House::dual(Nat(PortRestricted)), House::dual(Nat(PortRestricted))),
            Connects,
            false,
        ),
        network(
            "no-common-family",
            "one side has IPv4 alone, the other one IPv6 alone",
            between(House::v4(Open), open),
            Refused("one side has only IPv6, the other only IPv4"),
            false,
        ),
        network(
            "carrier",
            "a carrier's NAT behind the home's on one side, a port-restricted cone on the other",
            between(House::v4(Carrier(PortRestricted, PortRestricted)), home),
            Connects,
            false,
        ),
        network(
            "carriers",
            "a carrier's NAT behind the home's on both sides",
            between(
                House::v4(Carrier(PortRestricted, PortRestricted)),
                House::v4(Carrier(PortRestricted, PortRestricted)),
            ),
            Connects,
            false,
        ),
        network(
            "same-router",
            "both in one house, behind one router",
            Plan { shared: Shared::Router, ..between(home, home) },
            Connects,
            false,
        ),
        network(
            "hairpin",
            "two houses behind one carrier, which turns packets round (hairpin)",
            Plan {
                shared: Shared::Carrier { hairpin: true },
                ..between(House::v4(Nat(FullCone)), House::v4(Nat(FullCone)))
            },
            Connects,
            false,
        ),
        network(
            "no-hairpin",
            "two houses behind one carrier, which does not",
            Plan { shared: Shared::Carrier { hairpin: false }, ..between(home, home) },
            Refused(NOTHING_CAME),
            false,
        ),
        network(
            "no-udp",
            "UDP passes to the directory alone on the caller's side",
            between(House::v4(NoUdp(PortRestricted)), House::v4(Open)),
            // The second port may be closed to everybody: it cannot be told from here.
            Refused(NOTHING_CAME),
            false,
        ),
        network(
            "no-udp-there",
            "UDP passes to the directory alone on the callee's side",
            between(House::v4(Open), House::v4(NoUdp(PortRestricted))),
            Refused(NOTHING_CAME),
            false,
        ),
        // What does not come by IPv4 was seen to come by IPv6: so it is this network, and the caller is told.
        network(
            "udp-blocked",
            "IPv6, and by IPv4 no UDP at all, on the caller's side; IPv4 alone on the callee's",
            between(House::dual(NoUdpByV4(PortRestricted)), House::v4(Open)),
            Refused("your network seems to block UDP"),
            true,
        ),
        network("loss", "IPv6, no firewall, 5 % of all packets lost on each line", bad(lossy), Connects, false),
        network(
            "pcp",
            "symmetric routers on both sides, of which the callee's opens ports (PCP)",
            between(
                House::v4(Nat(NatKind::Symmetric)),
                House { opens: Some(Opens::Pcp), ..House::v4(Nat(NatKind::Symmetric)) },
            ),
            Connects,
            false,
        ),
        network("delay", "IPv6, no firewall, 200 ms each way", bad(slow), Connects, false),
        network(
            "nat-loss",
            "port-restricted cones on both sides, 5 % of all packets lost on each line",
            Plan { line: lossy, ..between(home, home) },
            Connects,
            false,
        ),
        network(
            "nat-delay",
            "port-restricted cones on both sides, 200 ms each way",
            Plan { line: slow, ..between(home, home) },
            Connects,
            false,
        ),
        Scenario {
            directories: Directories::Two,
            ..network(
                "two-directories",
                "port-restricted cones on both sides, people of two home servers who have each other's contact card",
                between(home, home),
                Connects,
                false,
            )
        },
    ]
}

fn turns() -> Vec<Scenario> {
    use Access::{Nat, Open};
    let turn = |name: &str, row: &str, plan: Plan, turn: Turn, expected: Expected, short: bool| Scenario {
        name: name.to_owned(),
        table: Table::Turns,
        row: row.to_owned(),
        column: None,
        plan,
        directories: Directories::One,
        turn,
        expected,
        short,
    };
    // Far enough apart that the text is still on its way when the device changes.
    let far = |alice: House, bob: House| Plan { line: Quality::clean(100), ..between(alice, bob) };
    let open = House::v6(Open);
    let two = House { second_uplink: true, ..House::v4(Nat(NatKind::FullCone)) };
    let home = House::v4(Nat(NatKind::FullCone));
    vec![
        turn(
            "directory-gone",
            "the directory cannot be reached any more",
            between(open, open),
            Turn::DirectoryGone,
            Expected::Connects,
            true,
        ),
        turn(
            "directory-given-up",
            "the same, and the devices have noticed",
            between(open, open),
            Turn::DirectoryGivenUp,
            Expected::Connects,
            false,
        ),
        turn(
            "caller-switches",
            "the caller's device changes to another network while a text is on its way",
            far(two, home),
            Turn::UplinkSwitched(Who::Alice),
            Expected::Connects,
            false,
        ),
        turn(
            "callee-switches",
            "the callee's does",
            far(home, two),
            Turn::UplinkSwitched(Who::Bob),
            Expected::Connects,
            false,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_pair_is_there() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all.iter().filter(|scenario| scenario.table == Table::Pairs).count(), 16);
    }
}
