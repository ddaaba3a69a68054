//! The lab's own test: every router does what its name says, and every line is as long and as bad as it should be.

use std::time::Duration;

use story::Failure;

use crate::line::Quality;
use crate::namespace::Namespace;
use crate::plan::{Access, House, Plan, Shared};
use crate::probe::{self, Behaviour, Dependence};
use crate::rules::NatKind;
use crate::topology::{Topology, Who};

use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

/// A router and what must be found.
struct Claim {
    name: String,
    house: House,
    shared: Shared,
    expected: Behaviour,
}

/// Probes every kind of router; calls `told` with each.
///
/// # Errors
/// One does something else than its name says.
pub fn routers(mut told: impl FnMut(&str, &Behaviour)) -> Result<(), Failure> {
    let server = Namespace::host("homeserver")?;
    for claim in claims() {
        let Claim { name, house, shared, expected } = claim;
        let plan = Plan { alice: house, bob: house, shared, line: Quality::clean(2) };
        let topology = Topology::build(&plan, &server)?;
        let found = probe::behaviour(topology.host(Who::Alice), topology.internet(), house.v6)?;
        if found != expected {
            return Err(Failure::new(format!("{name}: expected {expected:?}, found {found:?}")));
        }
        told(&name, &found);
    }
    Ok(())
}

fn claims() -> Vec<Claim> {
    let claim = |name: &str, house: House, mapping, filtering, hairpin| Claim {
        name: name.to_owned(),
        house,
        shared: Shared::Router,
        expected: Behaviour {
            mapping,
            filtering,
            hairpin,
            translated: !matches!(house.access, Access::Open | Access::Firewall),
        },
    };
    let nat = |kind: NatKind| {
        let (mapping, filtering) = behaves(kind);
        claim(kind.name(), House::v4(Access::Nat(kind)), mapping, filtering, false)
    };
    let mut claims: Vec<Claim> = NatKind::ALL.map(nat).into();
    let port_restricted = NatKind::PortRestricted;
    claims.extend([
        // Two sockets of one device, without anything in between.
        claim("open, IPv4", House::v4(Access::Open), EndpointIndependent, EndpointIndependent, true),
        claim("open, IPv6", House::v6(Access::Open), EndpointIndependent, EndpointIndependent, true),
        claim("firewall, IPv6", House::v6(Access::Firewall), EndpointIndependent, AddressAndPortDependent, true),
        claim(
            "behind a carrier",
            House::v4(Access::Carrier(port_restricted, port_restricted)),
            EndpointIndependent,
            AddressAndPortDependent,
            false,
        ),
    ]);
    for hairpin in [true, false] {
        let behind = claim(
            "behind a full cone and a carrier",
            House::v4(Access::Nat(NatKind::FullCone)),
            EndpointIndependent,
            EndpointIndependent,
            hairpin,
        );
        let name = format!("{}, {} hairpin", behind.name, if hairpin { "with" } else { "without" });
        claims.push(Claim { name, shared: Shared::Carrier { hairpin }, ..behind });
    }
    claims
}

/// RFC 4787's words for the kinds of RFC 3489.
const fn behaves(kind: NatKind) -> (Dependence, Dependence) {
    match kind {
        NatKind::FullCone => (EndpointIndependent, EndpointIndependent),
        NatKind::Restricted => (EndpointIndependent, AddressDependent),
        NatKind::PortRestricted => (EndpointIndependent, AddressAndPortDependent),
        NatKind::Symmetric => (AddressAndPortDependent, AddressAndPortDependent),
    }
}

/// Measures a line of 30 ms on which a fifth is lost, by 500 packets there and back.
///
/// # Errors
/// It is shorter, or loses much more or less.
pub fn line() -> Result<(), Failure> {
    let server = Namespace::host("homeserver")?;
    let open = House::v6(Access::Open);
    let line = Quality { one_way: Duration::from_millis(15), loss_permille: 106 };
    let topology = Topology::build(&Plan { alice: open, bob: open, shared: Shared::Nothing, line }, &server)?;
    let echoes = probe::echoes(topology.host(Who::Alice), topology.internet())?;
    if echoes.shortest < 2 * line.one_way {
        return Err(Failure::new(format!("expected at least 30 ms there and back, found {:?}", echoes.shortest)));
    }
    // Losing a fifth, 400 of 500 come back; the bounds are eight standard deviations away.
    if !(330..=470).contains(&echoes.came_back) {
        return Err(Failure::new(format!("expected 400 of 500 packets to come back, found {}", echoes.came_back)));
    }
    Ok(())
}
