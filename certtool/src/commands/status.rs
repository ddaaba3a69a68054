//! `certtool status`: what one has, what ends when, and what to do.

mod earlier;
mod endorsed;

use clap::Args;
use device::enrolment::Due;
use device::logbook::Logbook;
use device::{HomeError, Locked, LockedDevice, OwnKey};
use identity::UnixTime;
use identity::rules::Rule;
use identity::trust::Trust;
use serde::Serialize;

use self::earlier::Earlier;
use self::endorsed::Endorsed;
use super::trust::Summary;
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::health::watch::{Looks, Watched, no_timers};
use crate::health::{Finding, files};
use crate::output::{Page, Report};
use crate::{subject, text, timer};

/// Show what you have, what ends when, and what to do.
///
/// Looks at this device only; no connection is made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool status\n  certtool status --json")]
pub(crate) struct Status {}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let now = clock::now();
        let policies = context.home.trust_policies()?;
        let trust = context.home.trust_at(now)?;
        let (devices, mailboxes) = (context.home.devices()?, context.home.mailboxes()?);
        let mut logs = Vec::new();
        for authority in policies.iter().flat_map(|policy| &policy.authorities) {
            let earlier = authority.earlier_logs.iter().map(|earlier| &earlier.log);
            for origin in earlier.chain([&authority.log]) {
                let cursor = Logbook::open(&context.home, origin).cursor()?;
                logs.push(Log { origin: origin.clone(), audited: cursor.map(|cursor| cursor.size()) });
            }
        }
        let looks = Looks::read(&context.home)?;
        let mut watched = looks.of_certificates(&devices, &mailboxes, now);
        watched.extend(looks.elsewhere(&watched, now));
        let timers = Timers { watch: timer::WATCH.is_installed(), renew: timer::RENEW.is_installed() };
        let status = |device: &LockedDevice| {
            let endorsed_by = Endorsed::read(&context.home, &device.identifier, &trust, now)?;
            Ok(DeviceStatus { endorsed_by, ..DeviceStatus::new(device, &trust, now) })
        };
        let devices = devices.iter().map(status).collect::<Result<Vec<_>, HomeError>>()?;
        let mail: Vec<_> = mailboxes.iter().map(|mailbox| DeviceStatus::new(mailbox, &trust, now)).collect();
        let mut advice = advice(policies.is_empty(), &devices, &mail);
        let mut findings: Vec<_> = watched.iter().filter_map(Watched::finding).collect();
        findings.extend(files::evidence(&context.home));
        if [&devices, &mail].iter().any(|own| !own.is_empty()) {
            findings.extend(no_timers());
        }
        advice.extend(findings.into_iter().map(|finding| {
            let what = text::upper_first(&finding.what);
            format!("{what}: {}", finding.mend)
        }));
        let home = context.home.folder().display().to_string();
        context.output.report(&Found {
            home,
            policies: policies.iter().map(Summary::new).collect(),
            devices,
            mail,
            earlier: Earlier::all(&context.home)?,
            watched,
            timers,
            logs,
            advice,
        });
        Ok(Exit::Ok)
    }
}

fn advice(nothing_pinned: bool, devices: &[DeviceStatus], mail: &[DeviceStatus]) -> Vec<String> {
    let mut advice: Vec<_> = devices.iter().chain(mail).filter_map(|device| device.advice.clone()).collect();
    if nothing_pinned {
        advice.push("Pin a trust policy: certtool trust add URL --fingerprint HEX".to_owned());
    } else if devices.is_empty() && mail.is_empty() {
        advice.push("Get a certificate: certtool enroll you@example.org".to_owned());
    }
    advice
}

#[derive(Debug, Serialize)]
struct Found {
    home: String,
    policies: Vec<Summary>,
    devices: Vec<DeviceStatus>,
    /// What there is for mail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mail: Vec<DeviceStatus>,
    /// What is kept to read old mails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Earlier>,
    watched: Vec<Watched>,
    timers: Timers,
    logs: Vec<Log>,
    advice: Vec<String>,
}

/// What systemd does by itself.
#[derive(Debug, Serialize)]
struct Timers {
    watch: bool,
    renew: bool,
}

/// How far a log was audited.
#[derive(Debug, Serialize)]
struct Log {
    origin: String,
    audited: Option<u64>,
}

/// One device's certificate.
#[derive(Debug, Serialize)]
pub(super) struct DeviceStatus {
    identifier: String,
    authority: String,
    device_key: String,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renew_from: Option<String>,
    /// It should have been renewed long ago.
    ends_soon: bool,
    /// Which other devices of the person speak for this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endorsed_by: Vec<Endorsed>,
    /// As it is typed.
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    in_words: String,
    #[serde(skip)]
    advice: Option<String>,
}

impl DeviceStatus {
    /// What is wrong, if there is something to do.
    pub(super) fn finding(&self) -> Option<Finding> {
        let what = format!("{}: {}", self.name, self.in_words);
        let mend = self.advice.as_ref()?.clone();
        // Due is not late: the timer, or whoever renews, has days for it.
        Some(if self.verified && !self.ends_soon {
            Finding::note("certificate", what, mend)
        } else {
            Finding::wrong("certificate", what, mend)
        })
    }

    pub(super) fn new<K: OwnKey>(device: &Locked<K>, trust: &Trust, now: UnixTime) -> Self {
        let (name, option) = match K::FOR_MAIL {
            true => (subject::for_mail(&device.identifier), " --for mail"),
            false => (device.identifier.to_string(), ""),
        };
        let mut status = Self {
            identifier: device.identifier.to_string(),
            authority: device.enrolment.authority.clone(),
            device_key: hex::encode(device.public_key().unwrap_or_default()),
            verified: false,
            refusal: None,
            not_after: None,
            renew_from: None,
            ends_soon: false,
            endorsed_by: Vec::new(),
            name,
            in_words: String::new(),
            advice: None,
        };
        let anew = format!("Make a new key and certificate: certtool enroll {}{option}", device.identifier);
        match K::verify(&device.chain, trust, now) {
            // Also where the list that says so could not be had, or it has ended since.
            verified if device.enrolment.revoked => {
                status.in_words = "revoked: it counts no more".to_owned();
                let here = |_| "it was revoked here".to_owned();
                status.refusal = Some(verified.map_or_else(|error| error.to_string(), here));
                status.advice = Some(anew);
            }
            Ok(person) => {
                let due = Due::of(&device.chain, &device.enrolment).map_or(person.not_after(), |due| due.from);
                status.verified = true;
                status.not_after = Some(text::rfc3339(person.not_after()));
                status.renew_from = Some(text::rfc3339(due));
                // Renewal is due after two to three fifths of a life; with less left than was to be left by then, it failed.
                let left = person.not_after().as_secs().saturating_sub(now.as_secs());
                let left_when_due = person.not_after().as_secs().saturating_sub(due.as_secs());
                status.ends_soon = left < left_when_due / 2;
                status.in_words = format!(
                    "valid, ends {}, renewal due {}",
                    text::relative(person.not_after(), now),
                    text::relative(due, now)
                );
                if due.as_secs() <= now.as_secs() {
                    status.advice = Some(format!("Renew: certtool renew {}{option}", device.identifier));
                }
            }
            Err(error) => {
                status.in_words = match error.rule {
                    Rule::RevocationRevoked => "revoked: it counts no more".to_owned(),
                    _ => format!("refused by {error}"),
                };
                status.refusal = Some(error.to_string());
                status.advice = Some(match error.rule {
                    Rule::ChainExpired => {
                        format!("Renew: certtool renew {}{option}. {}", device.identifier, clock::says())
                    }
                    Rule::ChainNotYetValid => clock::says(),
                    Rule::ChainPath => {
                        "Pin the policy of its authority: certtool trust add URL --fingerprint HEX".to_owned()
                    }
                    Rule::RevocationRevoked => anew,
                    Rule::RevocationFresh => {
                        format!("Fetch the newest revocation list: certtool watch {} --once", device.identifier)
                    }
                    _ => format!("Look closer: certtool inspect {}", status.name),
                });
            }
        }
        status
    }
}

impl Report for Found {
    fn page(&self, page: &mut Page) {
        page.heading("Certificates");
        for device in self.devices.iter().chain(&self.mail) {
            page.line(format!("  {}: {}", device.name, device.in_words));
            device.endorsed_by.iter().for_each(|one| page.line(format!("    {}", one.line())));
        }
        if self.devices.is_empty() && self.mail.is_empty() {
            page.line("  none");
        }
        if !self.earlier.is_empty() {
            page.heading("Kept for old mails");
            self.earlier.iter().for_each(|earlier| page.line(format!("  {}", earlier.line())));
        }
        if !self.watched.is_empty() {
            page.heading("Watch");
            self.watched.iter().for_each(|watched| page.line(format!("  {}", watched.line())));
            let by_itself = |timer: bool| if timer { "by a timer" } else { "not by itself" };
            let Timers { watch, renew } = self.timers;
            page.line(format!("  looks {}, renews {}", by_itself(watch), by_itself(renew)));
        }
        page.heading("Trust");
        for policy in &self.policies {
            page.line(format!("  {}", policy.line()));
        }
        if self.policies.is_empty() {
            page.line("  none");
        }
        for log in &self.logs {
            let audited = match log.audited {
                Some(size) => format!("audited up to {}", text::count(size, "entry", "entries")),
                None => "not audited yet".to_owned(),
            };
            page.line(format!("  log {}: {audited}", log.origin));
        }
        if !self.advice.is_empty() {
            page.heading("To do");
            for advice in &self.advice {
                page.line(format!("  {advice}"));
            }
        }
    }
}
