//! Setting up a call between two people in the network lab (docs/connectivity.md), beside a round trip between them.
//!
//! The figure is what the first text takes longer than the next one, which finds the connection standing: introduction,
//! probes and handshake. The round trip is that next text, acknowledged: the same programs over the same lines, without
//! anything to set up. It is measured by the real programs, which have to lie beside this one; `./bench` sees to that.

use std::process::Command;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::measure::{Pair, Scale};

/// So many calls are measured, each by messengers started anew.
const CALLS: usize = 20;

/// The median over IPv6 that nothing stands in the way of.
pub(crate) fn open(_runtime: &Runtime, scale: Scale) -> Pair {
    in_lab("ipv6-open", "p50_us", scale)
}

/// What 19 of 20 calls stay within, through two port-restricted NATs.
pub(crate) fn punched(_runtime: &Runtime, scale: Scale) -> Pair {
    in_lab("port-restricted-cone/port-restricted-cone", "p95_us", scale)
}

fn in_lab(scenario: &str, rank: &str, scale: Scale) -> Pair {
    play(scenario, rank, CALLS * scale.factor)
        .unwrap_or_else(|why| Pair::new(f64::NAN, f64::NAN).noted(format!("not measured: {why}")))
}

fn play(scenario: &str, rank: &str, calls: usize) -> Result<Pair, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let lab = own.with_file_name("network-lab");
    let calls = calls.min(1000).to_string();
    let done = Command::new(&lab).args(["run", scenario, "--json", "--calls", &calls]).output();
    let done = done.map_err(|error| format!("{}: {error}", lab.display()))?;
    let line = String::from_utf8_lossy(&done.stdout);
    let said = || String::from_utf8_lossy(&done.stderr).trim().to_owned();
    let played: Value = serde_json::from_str(line.trim()).map_err(|_| said())?;
    let micros = |value: &Value| value.as_f64().ok_or_else(|| format!("the lab found {}", played["found"]));
    let found = &played["found"];
    let (figure, round_trip) = (micros(&found["set_up"][rank])?, micros(&found["next_text"]["p50_us"])?);
    let lines = micros(&played["round_trip_us"])? / 1e3;
    let note =
        format!("the baseline is a text over the connection that stands; the lines alone take {lines:.0} ms of it");
    Ok(Pair::new(figure / 1e3, round_trip / 1e3).noted(note))
}
