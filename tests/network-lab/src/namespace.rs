//! A network namespace: a host or a router of its own.

use std::path::Path;
use std::process::Command;

use story::{Failure, guard};

use crate::world;

/// A namespace, taken away when this value is dropped. Whoever runs in it must have ended before.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// What a fresh namespace is told. Addresses are ours to give, so nothing waits for duplicate address detection
/// (RFC 4862 section 5.4), and nobody listens to router advertisements.
const HOST: &str = "cd /proc/sys/net
    for one in ipv6/conf/all ipv6/conf/default; do
        echo 0 > $one/disable_ipv6; echo 0 > $one/accept_dad; echo 0 > $one/accept_ra; done";
/// What makes a router of a host. What stays within its bridge is no business of its rules, and what comes from there to be
/// routed meets them once (br_netfilter, where there is one, would have it meet them twice).
const ROUTER: &str = "echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding
    for family in ip ip6 arp; do
        one=bridge/bridge-nf-call-${family}tables; if [ -e $one ]; then echo 0 > $one; fi; done";

impl Namespace {
    /// A host without any connection.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn host(name: &str) -> Result<Self, Failure> {
        Self::told(name, HOST)
    }

    /// A router without any connection, which forwards everything.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn router(name: &str) -> Result<Self, Failure> {
        Self::told(name, &format!("{HOST}\n{ROUTER}"))
    }

    fn told(name: &str, script: &str) -> Result<Self, Failure> {
        let make = "ip netns add \"$1\"; exec ip netns exec \"$1\" sh -ec \"$2\"";
        world::command("sh", &["-ec", make, "sh", name, &format!("ip link set lo up\n{script}")])?;
        Ok(Self { name: name.to_owned() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to put before a command that shall run here.
    #[must_use]
    pub fn wrapper(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// A command that will run here and end with this process.
    ///
    /// # Errors
    /// The programs have not been built.
    pub fn command(&self, program: &Path) -> Result<Command, Failure> {
        let wrapper: Vec<String> = self.wrapper().map(str::to_owned).to_vec();
        guard::guarded_under(&wrapper, program)
    }

    /// Gives lines to `ip`, one command each.
    ///
    /// # Errors
    /// One of them is refused.
    pub fn ip(&self, lines: &str) -> Result<(), Failure> {
        world::feed("ip", &["-n", &self.name, "-batch", "-"], lines).map(drop)
    }

    /// Gives rules to nftables.
    ///
    /// # Errors
    /// They are refused.
    pub fn rules(&self, rules: &str) -> Result<(), Failure> {
        let [first, rest @ ..] = self.wrapper();
        let all: Vec<&str> = rest.into_iter().chain(["nft", "-f", "-"]).collect();
        world::feed(first, &all, rules).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What cannot be taken away now ends with the world.
        let _ = world::command("ip", &["netns", "del", &self.name]);
    }
}
