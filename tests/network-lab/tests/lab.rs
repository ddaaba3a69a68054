//! The lab in the test suite. Where networks may not be made, it says so and tests nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use network_lab::world::NOT_PERMITTED;
use story::{guard, process};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/connectivity.md");

/// Runs the lab with these arguments and shows what it says.
fn lab(arguments: &[&str], patience: Duration) {
    let mut command = guard::guarded(Path::new(env!("CARGO_BIN_EXE_network-lab"))).unwrap();
    command.args(arguments);
    let done = process::run("network-lab", command, patience).unwrap();
    if done.code == i32::from(NOT_PERMITTED) {
        story::skipped(format_args!("the network lab. {}", done.stderr));
        return;
    }
    println!("{}", done.stdout);
    // What it could not play although it could play the rest.
    done.stderr.lines().filter_map(|line| line.strip_prefix("SKIPPED: ")).for_each(story::skipped);
    assert_eq!(done.code, 0, "{}", done.text());
}

#[test]
fn routers_and_lines_are_what_they_claim_to_be() {
    lab(&["check"], Duration::from_secs(120));
}

#[test]
fn a_short_selection_of_calls_ends_as_the_page_says() {
    lab(&["run", "--short", "--calls", "2", "--page", PAGE], Duration::from_secs(180));
}

#[test]
#[ignore = "some fifteen minutes of calls; run by ./test --all"]
fn all_calls_end_as_the_page_says() {
    let update = std::env::var_os("UPDATE_CONNECTIVITY").is_some();
    let options: &[&str] = if update { &["--update"] } else { &[] };
    let arguments = [&["run", "--page", PAGE], options].concat();
    lab(&arguments, Duration::from_secs(3600));
}

#[test]
#[ignore = "some two minutes of waiting for what does not come; run by ./test --all"]
fn the_doctor_says_of_each_router_what_it_is() {
    lab(&["doctor"], Duration::from_secs(600));
}

#[test]
#[ignore = "needs miniupnpd, which opens ports in routers; run by ./test --all"]
fn routers_open_ports_keep_them_open_and_close_them_again() {
    lab(&["pinholes"], Duration::from_secs(600));
}

#[test]
#[ignore = "some eight minutes, two of them without a quorum; run by ./test --all"]
fn rooms_survive_what_happens_to_their_networks() {
    lab(&["rooms"], Duration::from_secs(1500));
}
