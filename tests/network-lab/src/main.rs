//! `network-lab`: plays calls through every kind of router, on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use network_lab::figures::Figures;
use network_lab::page::Results;
use network_lab::people::People;
use network_lab::run::{self, Outcome};
use network_lab::scenario::{self, Scenario};
use network_lab::world::{NOT_PERMITTED, NoWorld, World};
use network_lab::{check, doctor, line, page, pinholes, probe, rooms};
use serde_json::json;
use story::Failure;

/// Two people call each other through every kind of router, in networks made on this machine for the purpose.
///
/// It needs root (or a kernel that lets everybody be root in a world of their own), iproute2, nftables and ethtool, and the programs built
/// beside it. It touches no network of the machine, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(
    name = "network-lab",
    version,
    after_help = "\
Examples:
  network-lab list
  network-lab run ipv6-open symmetric/symmetric --calls 5
  network-lab run --json > results.jsonl

Exit codes: 0 everything is as it must be, 1 something is not, 2 wrong usage, 3 networks may not be made on this machine."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios, and what must come of each
    List,
    /// See whether the lab's routers do what their names say, and its lines are as long and as bad as they should be
    Check,
    /// See whether the messenger's doctor says of each router what it is
    Doctor,
    /// Have routers open ports by PCP and by UPnP, renew them, and close them again (needs miniupnpd)
    Pinholes,
    /// Have four people in a room, and see what becomes of it when the network between them fails, or one of their programs
    Rooms {
        /// What is played, by any part of its name; everything if nothing is named
        names: Vec<String>,
    },
    /// Play scenarios
    Run {
        /// The scenarios; all of them if none is named
        names: Vec<String>,
        /// Only those that take little time
        #[arg(long, conflicts_with = "names")]
        short: bool,
        /// How often a call is set up in each
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        calls: u16,
        /// Print a line of JSON for each
        #[arg(long)]
        json: bool,
        /// Compare what comes of them with the tables of this page
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
        /// Write the tables of the page instead
        #[arg(long, requires = "page", conflicts_with_all = ["short", "names"])]
        update: bool,
    },
    /// Carry packets from one end of each line to the other
    #[command(hide = true)]
    Relay { ends: Vec<String> },
    /// Tell whoever asks where they come from
    #[command(hide = true)]
    Observe { servers: Vec<SocketAddr> },
    /// Ask, and print what the router does
    #[command(hide = true)]
    Probe { one: SocketAddr, port: SocketAddr, address: SocketAddr },
    /// Have packets sent back
    #[command(hide = true)]
    Echo { one: SocketAddr, port: SocketAddr, address: SocketAddr },
}

fn main() -> ExitCode {
    match carry_out(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(NoWorld::Failed(failure)) => {
            eprintln!("network-lab: {failure}");
            ExitCode::FAILURE
        }
        Err(NoWorld::NotPermitted(why)) => {
            eprintln!("network-lab: {why}\nTry: sudo network-lab …");
            ExitCode::from(NOT_PERMITTED)
        }
    }
}

fn carry_out(command: Command) -> Result<(), NoWorld> {
    match command {
        Command::List => {
            list();
            Ok(())
        }
        Command::Check => {
            let _world = World::enter()?;
            checked().map_err(NoWorld::Failed)
        }
        Command::Doctor => {
            let world = World::enter()?;
            let people = People::enrol(&world).map_err(NoWorld::Failed)?;
            doctor::says_what_is_there(&people, |said| println!("{said}")).map_err(NoWorld::Failed)
        }
        Command::Pinholes => {
            let world = World::enter()?;
            let people = People::enrol(&world).map_err(NoWorld::Failed)?;
            pinholes::opened(&people, |opened| println!("{opened}")).map_err(NoWorld::Failed)?;
            pinholes::kept(&people, |kept| println!("{kept}")).map_err(NoWorld::Failed)
        }
        Command::Rooms { names } => {
            let world = World::enter()?;
            let told = |name: &str, took: std::time::Duration| println!("{name}: as it must be, after {took:.1?}");
            rooms::survive(&world, &names, told).map_err(NoWorld::Failed)
        }
        Command::Run { names, short, calls, json, page, update } => {
            let chosen = choose(&names, short).map_err(NoWorld::Failed)?;
            let world = World::enter()?;
            play(&world, chosen, calls.into(), json, page, update).map_err(NoWorld::Failed)
        }
        Command::Relay { ends } => line::relay(&ends).map_err(NoWorld::Failed),
        Command::Observe { servers } => probe::observe(&servers).map_err(NoWorld::Failed),
        Command::Probe { one, port, address } => {
            let found = probe::probe([one, port, address]).map_err(NoWorld::Failed)?;
            println!("{}", json!(found));
            Ok(())
        }
        Command::Echo { one, .. } => {
            println!("{}", json!(probe::echo(one).map_err(NoWorld::Failed)?));
            Ok(())
        }
    }
}

fn list() {
    for Scenario { name, row, column, expected, short, .. } in scenario::all() {
        let what = column.map_or_else(|| row.clone(), |column| format!("{row} calls {column}"));
        println!("{}{name}: {what}. Must be: {expected:?}", if short { "* " } else { "  " });
    }
}

fn checked() -> Result<(), Failure> {
    check::routers(|name, found| {
        let (mapping, filtering, hairpin) = (found.mapping, found.filtering, found.hairpin);
        println!("{name}: mapping {mapping:?}, filtering {filtering:?}, hairpin {hairpin}");
    })?;
    check::line()?;
    println!("lines: as long and as bad as they should be");
    Ok(())
}

fn choose(names: &[String], short: bool) -> Result<Vec<Scenario>, Failure> {
    let all = scenario::all();
    for name in names {
        if !all.iter().any(|scenario| scenario.name == *name) {
            return Err(Failure::new(format!("no scenario is called {name}; `network-lab list` shows them")));
        }
    }
    let chosen =
        |scenario: &Scenario| (names.is_empty() || names.contains(&scenario.name)) && (!short || scenario.short);
    Ok(all.into_iter().filter(chosen).collect())
}

/// Plays all of them, also after one that is not as it must be; then tells what was not.
fn play(
    world: &World,
    chosen: Vec<Scenario>,
    calls: usize,
    as_json: bool,
    page: Option<PathBuf>,
    update: bool,
) -> Result<(), Failure> {
    let mut people = People::enrol(world)?;
    let (mut results, mut wrong) = (Results::new(), Vec::new());
    for scenario in chosen {
        match run::play(&mut people, &scenario, calls) {
            Ok(outcome) => {
                tell(&scenario, &outcome, as_json);
                wrong.extend(run::hold(&scenario, &outcome).err());
                results.push((scenario, outcome));
            }
            Err(failure) => wrong.push(Failure::new(format!("{}: {failure}", scenario.name))),
        }
    }
    if let (Some(page), true) = (&page, wrong.is_empty()) {
        if update { page::update(page, &results)? } else { page::compare(page, &results)? }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong: Vec<String> = wrong.iter().map(Failure::to_string).collect();
    Err(Failure::new(wrong.join("\n")))
}

fn tell(scenario: &Scenario, outcome: &Outcome, as_json: bool) {
    if as_json {
        let round_trip = u64::try_from(scenario.plan.round_trip().as_micros()).unwrap_or(u64::MAX);
        println!("{}", json!({ "scenario": scenario.name, "round_trip_us": round_trip, "found": outcome }));
        return;
    }
    match outcome {
        Outcome::Connects { first_text: Figures { p50, p95, count }, set_up, .. } => {
            let set_up = set_up.map(|set_up| format!("; setting up took {:.1?} of it", set_up.p50)).unwrap_or_default();
            println!("{}: connects; p50 {p50:.1?}, p95 {p95:.1?} of {count}{set_up}", scenario.name);
        }
        Outcome::Refused { reason } => println!("{}: refused: {reason}", scenario.name),
        Outcome::Interrupted { again } => println!("{}: interrupted; delivered again: {again}", scenario.name),
    }
}
