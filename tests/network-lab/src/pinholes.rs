//! Routers that open ports: the messenger's doctor asks each by each protocol, tells what was opened, and has it closed.

use story::Failure;

use crate::line::Quality;
use crate::people::People;
use crate::plan::{Access, House, Opens, Plan, Shared};
use crate::rules::NatKind;
use crate::topology::{Topology, Who};

/// Asks by both protocols, for both families; calls `told` with what was opened.
///
/// # Errors
/// A router was not asked as it wants to be, or something stays open.
pub fn opened(people: &People, mut told: impl FnMut(&str)) -> Result<(), Failure> {
    for (opens, name) in [(Opens::Pcp, "pcp"), (Opens::Upnp, "upnp")] {
        let house = House { opens: Some(opens), ..House::dual(Access::Nat(NatKind::Symmetric)) };
        let plan = Plan { alice: house, bob: house, shared: Shared::Router, line: Quality::clean(2) };
        let topology = Topology::build(&plan, people.place())?;
        let found = people.doctor(&topology, Who::Alice)?;
        let pinholes = found["pinholes"].as_array().cloned().unwrap_or_default();
        for (family, outside) in [("IPv6", "[2001:db8:2:1::2]:"), ("IPv4", "44.128.0.2:")] {
            let is_open = pinholes.iter().any(|pinhole| {
                pinhole["by"] == name && pinhole["outside"].as_str().is_some_and(|found| found.starts_with(outside))
            });
            if !is_open {
                return Err(Failure::new(format!("{name}, {family}: expected {outside}…, found {pinholes:?}")));
            }
            told(&format!("{name}, {family}: opened at {outside}…"));
        }
        let left = topology.opened(Who::Alice)?;
        if left.contains("dport") {
            return Err(Failure::new(format!("{name}: expected that all is closed again, found\n{left}")));
        }
    }
    Ok(())
}
