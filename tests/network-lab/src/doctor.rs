//! What the messenger's doctor says of the routers before a device, beside what they are.

use serde_json::{Value, json};
use story::Failure;

use crate::line::Quality;
use crate::people::People;
use crate::plan::{Access, House, Plan, Shared};
use crate::rules::NatKind;
use crate::topology::{Topology, Who};

/// A network, and what is to be said of it: what becomes of the address, and whether something comes in that was not asked for.
struct Case {
    name: &'static str,
    house: House,
    ipv4: [Value; 2],
    ipv6: [Value; 2],
}

/// Asks the doctor behind every kind of router, and calls `told` with what was said.
///
/// # Errors
/// It says something else than what is there.
pub fn says_what_is_there(people: &People, mut told: impl FnMut(&str)) -> Result<(), Failure> {
    for Case { name, house, ipv4, ipv6 } in cases() {
        let plan = Plan { alice: house, bob: house, shared: Shared::Router, line: Quality::clean(2) };
        let topology = Topology::build(&plan, people.place())?;
        let said = people.doctor(&topology, Who::Alice)?;
        for (family, expected) in [("ipv4", ipv4), ("ipv6", ipv6)] {
            let sight = &said[family];
            let found = [sight["nat"].clone(), sight["lets_in_unasked"].clone()];
            if found != expected {
                return Err(Failure::new(format!("{name}, {family}: expected {expected:?}, found {sight}")));
            }
            told(&format!("{name}, {family}: {sight}"));
        }
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let firewalled = || [json!("none"), json!(false)];
    // The other port is one of the same address: who filters by address alone lets it in.
    let behind = |kind: NatKind| {
        let ipv4 = match kind {
            NatKind::FullCone | NatKind::Restricted => [json!("endpoint_independent"), json!(true)],
            NatKind::PortRestricted => [json!("endpoint_independent"), json!(false)],
            NatKind::Symmetric => [json!("endpoint_dependent"), json!(false)],
        };
        Case { name: kind.name(), house: House::dual(Access::Nat(kind)), ipv4, ipv6: firewalled() }
    };
    let mut cases: Vec<Case> = NatKind::ALL.map(behind).into();
    let open = || [json!("none"), json!(true)];
    cases.push(Case { name: "open", house: House::dual(Access::Open), ipv4: open(), ipv6: open() });
    cases.push(Case { name: "firewall", house: House::dual(Access::Firewall), ipv4: firewalled(), ipv6: firewalled() });
    cases.push(Case {
        name: "no UDP by IPv4",
        house: House::dual(Access::NoUdpByV4(NatKind::PortRestricted)),
        ipv4: [json!("blocked"), Value::Null],
        ipv6: firewalled(),
    });
    cases
}
