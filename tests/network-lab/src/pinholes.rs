//! Routers that open ports: the messenger's doctor asks each by each protocol, tells what was opened, and has it closed. What a
//! messenger has opened stays as long as it runs, and no longer.

use std::thread;
use std::time::Duration;

use story::process::await_sight;
use story::{Failure, headless};

use crate::line::Quality;
use crate::opener::GRANTS;
use crate::people::People;
use crate::plan::{Access, House, Opens, Plan, Shared};
use crate::rules::NatKind;
use crate::topology::{Topology, Who};

/// Where others come in, by IPv6 and by IPv4.
const OUTSIDE: [(&str, &str); 2] = [("IPv6", "[2001:db8:2:1::2]:"), ("IPv4", "44.128.0.2:")];
/// How long a router may take to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// When a router may look at what has ended, after it has.
const LATER: Duration = Duration::from_secs(30);

/// Asks by each protocol, for each family that it knows; calls `told` with what was opened.
///
/// # Errors
/// A router was not asked as it wants to be, or something stays open.
pub fn opened(people: &People, mut told: impl FnMut(&str)) -> Result<(), Failure> {
    let both: &[&str] = &["IPv6", "IPv4"];
    for (opens, by, name, families) in [
        (Opens::Pcp, "pcp", "PCP", both),
        (Opens::Upnp, "upnp", "UPnP, IGD 2", both),
        (Opens::UpnpOne, "upnp", "UPnP, IGD 1", &["IPv4"]),
    ] {
        let topology = topology(opens, people)?;
        let found = people.doctor(&topology, Who::Alice)?;
        let pinholes = found["pinholes"].as_array().cloned().unwrap_or_default();
        for (family, outside) in OUTSIDE {
            let is_open = pinholes.iter().any(|pinhole| {
                pinhole["by"] == by && pinhole["outside"].as_str().is_some_and(|found| found.starts_with(outside))
            });
            if is_open != families.contains(&family) {
                let expected = if is_open { "nothing" } else { outside };
                return Err(Failure::new(format!("{name}, {family}: expected {expected}, found {pinholes:?}")));
            }
            told(&if is_open {
                format!("{name}, {family}: opened at {outside}…")
            } else {
                format!("{name}, {family}: not opened")
            });
        }
        if are_open(&topology)? != 0 {
            return Err(not_so(&topology, &format!("{name}: all to be closed again")));
        }
    }
    Ok(())
}

/// A messenger has ports closed when it ends; keeps them open for longer than the router grants at once; and after a crash they
/// end by themselves. Calls `told` with each.
///
/// # Errors
/// It is not so.
pub fn kept(people: &People, mut told: impl FnMut(&str)) -> Result<(), Failure> {
    let topology = topology(Opens::Pcp, people)?;
    asking(people, &topology)?.quit()?;
    await_closed(&topology, "the ports of a messenger that has ended to be closed", PATIENCE)?;
    told("closed when the messenger ends");
    let messenger = asking(people, &topology)?;
    thread::sleep(GRANTS + LATER);
    expect_open(&topology, "renewed ports to be open")?;
    told("renewed: open after more time than the router grants at once");
    // Killed and not ended: of a renewed port for IPv6 miniupnpd 2.3 forgets by which number it is known, and closes it to nobody.
    drop(messenger);
    expect_open(&topology, "the ports of a messenger that was killed to be open")?;
    await_closed(&topology, "the ports of a messenger that was killed to end", GRANTS + LATER)?;
    told("ended by themselves after a crash");
    Ok(())
}

/// A house whose router lets nobody in who was not asked for, unless by a port that it opens.
fn topology(opens: Opens, people: &People) -> Result<Topology, Failure> {
    let house = House { opens: Some(opens), ..House::dual(Access::Nat(NatKind::Symmetric)) };
    let plan = Plan { alice: house, bob: house, shared: Shared::Router, line: Quality::clean(2) };
    Topology::build(&plan, people.place())
}

/// Alice's messenger, for which ports of both families are open.
fn asking(people: &People, topology: &Topology) -> Result<headless::Messenger, Failure> {
    let messenger = people.messenger(topology, Who::Alice)?;
    await_sight("ports to be opened", PATIENCE, || are_open(topology).ok().filter(|open| *open >= OUTSIDE.len()))?;
    Ok(messenger)
}

/// How many rules the router has for ports that it opened.
fn are_open(topology: &Topology) -> Result<usize, Failure> {
    Ok(topology.opened(Who::Alice)?.matches("dport").count())
}

fn expect_open(topology: &Topology, what: &str) -> Result<(), Failure> {
    if are_open(topology)? >= OUTSIDE.len() { Ok(()) } else { Err(not_so(topology, what)) }
}

fn await_closed(topology: &Topology, what: &str, patience: Duration) -> Result<(), Failure> {
    let closed = await_sight(what, patience, || are_open(topology).ok().filter(|open| *open == 0));
    closed.map(drop).map_err(|_| not_so(topology, what))
}

fn not_so(topology: &Topology, what: &str) -> Failure {
    let found = topology.opened(Who::Alice).unwrap_or_else(|failure| failure.to_string());
    Failure::new(format!("expected {what}, found\n{found}"))
}
