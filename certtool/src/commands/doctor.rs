//! `certtool doctor`: what is wrong on this computer, and what stands between this device and others. The second the messenger
//! looks at, for it has the connections.

mod messenger;

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use device::LockedDevice;
use identity::Identifier;
use serde::Serialize;
use serde_json::{Map, Value};

use super::status::DeviceStatus;
use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::health::watch::{self, Looks};
use crate::health::{Finding, authority, files, surroundings};
use crate::output::{Page, Report};
use crate::subject;

/// Look for what is wrong: clock, authority, trust, certificates, permissions, watch, log, network
///
/// Each thing that is found comes with the command that mends it. Then it shows this device's addresses and how they are
/// seen from your directory, what a router or a firewall does to them, and the way to the directory (round trip, largest
/// packets). It calls nobody, and nobody sees it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool doctor\n  \
    certtool doctor alice@example.org --json\n\n\
    The network is looked at by `messenger doctor`: the program messenger has to be installed for that.\n\
    Exit codes: 0 nothing is wrong, 1 failed, 3 something is wrong, 4 your authority or your directory is not reached.")]
pub(crate) struct Doctor {
    /// As whom; not needed if you enrolled one address
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Option<Identifier>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (mut findings, devices) = self.here(context);
        let mut unreachable = false;
        match context.home.trust_at(clock::now()) {
            Ok(trust) => {
                let trust = Arc::new(trust);
                for (acme, name) in authorities(context, &devices) {
                    let (found, away) = authority::look(&name, &acme, &trust, clock::now).await;
                    findings.extend(found);
                    unreachable |= away;
                }
            }
            Err(error) => findings.push(Finding::failed("trust", error.into())),
        }
        if !findings.iter().any(|finding| finding.about == "proxy") {
            findings.extend(surroundings::proxy().map(surroundings::note_of));
        }
        let wrong = findings.iter().any(|finding| finding.wrong);
        let found = Found { findings };
        let network = if devices.is_empty() {
            context.output.report(&found);
            None
        } else {
            Some(self.with_network(context, found)?)
        };
        Ok(match network {
            // Why it did not come so far as to look stands among what was found.
            Some(Exit::Failed) if wrong => Exit::Refused,
            Some(exit) if exit != Exit::Ok => exit,
            _ if unreachable => Exit::Unreachable,
            _ if wrong => Exit::Refused,
            _ => Exit::Ok,
        })
    }

    /// What can be seen without a connection, and whose devices there are.
    fn here(&self, context: &Context) -> (Vec<Finding>, Vec<LockedDevice>) {
        let (home, now) = (&context.home, clock::now());
        let mut findings = files::permissions(home);
        let (mut devices, mut mailboxes) = (Vec::new(), Vec::new());
        match (
            home.devices().and_then(|devices| Ok((devices, home.mailboxes()?))),
            home.trust_policies(),
            home.trust_at(now),
        ) {
            (Ok(found), Ok(policies), Ok(trust)) => {
                (devices, mailboxes) = found;
                devices.retain(|device| self.identifier.as_ref().is_none_or(|id| device.identifier == *id));
                mailboxes.retain(|mailbox| self.identifier.as_ref().is_none_or(|id| mailbox.identifier == *id));
                if policies.is_empty() {
                    let mend = "certtool trust add URL --fingerprint HEX (the operator tells you both)";
                    findings.push(Finding::wrong("trust", "no trust policy is pinned yet", mend));
                } else if devices.is_empty() && mailboxes.is_empty() {
                    findings.push(Finding::failed("certificate", subject::nobody()));
                }
                findings.extend(devices.iter().filter_map(|device| DeviceStatus::new(device, &trust, now).finding()));
                findings.extend(mailboxes.iter().filter_map(|one| DeviceStatus::new(one, &trust, now).finding()));
            }
            (devices, policies, trust) => {
                let errors = [devices.err(), policies.err(), trust.err()];
                // A key that others can read was found already.
                let told = |failure: &Failure| findings.iter().any(|one| failure.remedy.contains(&one.mend));
                let errors = errors.into_iter().flatten().map(Failure::from).filter(|failure| !told(failure));
                let failed: Vec<_> = errors.map(|failure| Finding::failed("folder", failure)).collect();
                findings.extend(failed);
            }
        }
        match Looks::read(home) {
            Ok(looks) => {
                let states = looks.of_certificates(&devices, &mailboxes, now);
                findings.extend(states.iter().filter_map(|state| state.finding()));
            }
            Err(error) => findings.push(Finding::failed("watch", error.into())),
        }
        if !devices.is_empty() || !mailboxes.is_empty() {
            findings.extend(watch::no_timers());
        }
        findings.extend(files::evidence(home));
        findings.extend(surroundings::name_clash());
        (findings, devices)
    }

    /// Tells what was found, and then what the messenger finds.
    fn with_network(&self, context: &Context, found: Found) -> Result<Exit, Failure> {
        if !context.output.json() {
            context.output.report(&found);
            return messenger::shown(context, self.identifier.as_ref());
        }
        // What was found here is told also where no messenger is.
        let (network, exit) = messenger::found(context, self.identifier.as_ref()).unwrap_or_else(|failure| {
            let exit = failure.exit;
            (failure.object().as_object().cloned().unwrap_or_default(), exit)
        });
        context.output.report(&WithNetwork { found, network });
        Ok(exit)
    }
}

/// The authorities that gave certificates, else those that are pinned: address and name.
fn authorities(context: &Context, devices: &[LockedDevice]) -> BTreeMap<String, String> {
    let enrolled = devices.iter().map(|one| (one.enrolment.acme.clone(), one.enrolment.authority.clone()));
    let enrolled: BTreeMap<_, _> = enrolled.collect();
    if !enrolled.is_empty() {
        return enrolled;
    }
    let pinned = context.home.trust_policies().unwrap_or_default();
    pinned.into_iter().flat_map(|policy| policy.authorities).map(|one| (one.acme, one.name)).collect()
}

#[derive(Debug, Serialize)]
struct Found {
    findings: Vec<Finding>,
}

/// Both in one object.
#[derive(Debug, Serialize)]
struct WithNetwork {
    #[serde(flatten)]
    found: Found,
    /// What the messenger says of the network, or its error.
    #[serde(flatten)]
    network: Map<String, Value>,
}

impl Report for Found {
    fn page(&self, page: &mut Page) {
        let (wrong, notes): (Vec<_>, Vec<_>) = self.findings.iter().partition(|finding| finding.wrong);
        if wrong.is_empty() {
            page.good("Nothing is wrong here.");
        } else {
            page.heading("Wrong");
            wrong.iter().for_each(|finding| finding.on(page));
        }
        if !notes.is_empty() {
            page.heading("Good to know");
            notes.iter().for_each(|finding| finding.on(page));
        }
        page.line("");
    }
}

impl Report for WithNetwork {
    fn page(&self, page: &mut Page) {
        self.found.page(page);
    }
}
