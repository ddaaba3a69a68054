//! `certtool watch`: certificates in one's name that are not one's own.

use std::time::Duration;

use clap::Args;
use device::Device;
use device::watch::{self, Alarm, OpenedCertificate, Seen, WatchReport};
use identity::Identifier;
use serde::Serialize;

use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{progress, subject, text};

/// How long between two looks without --once.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// Look for certificates in your name that are not yours.
///
/// Asks the authority to prove which labels in its log are yours, searches the whole log for them on this device, and
/// compares every certificate found with your keys. Exit code 3: alarm, the log holds something you do not know. Exit
/// code 5: blind, the authority gave no proofs, so nothing is known.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  certtool watch --once\n  certtool watch alice@example.org --once --json\n  certtool watch alice@example.org --once --known"
)]
pub(crate) struct Watch {
    /// Whose certificates; without it, everybody's who is enrolled here
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Option<Identifier>,
    /// Look once and end; without it, look every hour until something is wrong
    #[arg(long)]
    once: bool,
    /// The certificates found that are new are yours (another device): remember their keys
    #[arg(long, requires = "identifier")]
    known: bool,
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        loop {
            let exit = self.look(context).await?;
            if self.once || exit != Exit::Ok {
                return Ok(exit);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, context: &Context) -> Result<Exit, Failure> {
        let devices = match &self.identifier {
            Some(identifier) => vec![context.home.device(identifier)?],
            None => context.home.devices()?,
        };
        if devices.is_empty() {
            return Err(subject::nobody());
        }
        let mut exit = Exit::Ok;
        for device in &devices {
            let bar = progress::audit_bar(&context.output);
            let report =
                watch::watch_once(&context.home, device, clock::now(), |progress| progress::advance(&bar, &progress))
                    .await;
            bar.finish_and_clear();
            let mut found = Found::new(device, report?);
            if self.known {
                found.confirm(context, &device.identifier)?;
            }
            context.output.report(&found);
            exit = worse(exit, found.exit());
        }
        Ok(exit)
    }
}

/// An alarm is worse than blindness, and both are worse than nothing.
fn worse(a: Exit, b: Exit) -> Exit {
    match (a, b) {
        (Exit::Refused, _) | (_, Exit::Refused) => Exit::Refused,
        (Exit::Blind, _) | (_, Exit::Blind) => Exit::Blind,
        (a, _) => a,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Clean,
    Alarm,
    Blind,
}

/// What one look found.
#[derive(Debug, Serialize)]
struct Found {
    verdict: Verdict,
    identifier: String,
    authority: String,
    /// Other authorities that may certify the address, and that were not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_watched: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_from: Option<String>,
    certificates: Vec<Logged>,
    alarms: Vec<String>,
    /// Files that prove it to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
    /// Keys just confirmed as the owner's.
    confirmed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blind: Option<String>,
    #[serde(skip)]
    unknown: Vec<OpenedCertificate>,
    /// Alarms that no confirmation can settle.
    #[serde(skip)]
    grave: usize,
}

/// A certificate in the log.
#[derive(Debug, Serialize)]
struct Logged {
    index: u64,
    serial: String,
    key: String,
    this_device: bool,
    not_before: String,
    not_after: String,
    #[serde(skip)]
    in_words: String,
}

impl Logged {
    fn new(certificate: &OpenedCertificate, own: &[u8]) -> Self {
        let this_device = certificate.key == own;
        let whose = if this_device { "this device" } else { "a key you know" };
        let until = text::time(certificate.not_after);
        Self {
            index: certificate.index,
            serial: certificate.serial.clone(),
            key: hex::encode(&certificate.key),
            this_device,
            not_before: text::rfc3339(certificate.not_before),
            not_after: text::rfc3339(certificate.not_after),
            in_words: format!(
                "entry {}, {whose} ({}), until {until}",
                certificate.index,
                text::short_key(&certificate.key)
            ),
        }
    }
}

impl Found {
    fn new(device: &Device, report: WatchReport) -> Self {
        let own = device.key.public_key();
        let mut found = Self {
            verdict: Verdict::Clean,
            identifier: device.identifier.to_string(),
            authority: device.enrolment.authority.clone(),
            not_watched: Vec::new(),
            log: None,
            size: None,
            covered_from: None,
            certificates: Vec::new(),
            alarms: Vec::new(),
            evidence: Vec::new(),
            confirmed: Vec::new(),
            blind: None,
            unknown: Vec::new(),
            grave: 0,
        };
        match report {
            WatchReport::Clean(seen) => found.see(&seen, &own),
            WatchReport::Alarm(seen, alarms) => {
                found.see(&seen, &own);
                found.verdict = Verdict::Alarm;
                found.alarms = alarms.iter().map(describe).collect();
                for alarm in alarms {
                    match alarm {
                        Alarm::UnknownKey(certificate) => found.unknown.push(certificate),
                        _ => found.grave += 1,
                    }
                }
            }
            WatchReport::Blind(reason) => {
                found.verdict = Verdict::Blind;
                found.blind = Some(reason.to_string());
            }
        }
        found
    }

    fn see(&mut self, seen: &Seen, own: &[u8]) {
        self.log = Some(seen.audit.origin.clone());
        self.not_watched = seen.not_watched.clone();
        self.size = Some(seen.audit.size);
        self.evidence = seen.evidence.iter().map(|path| path.display().to_string()).collect();
        self.covered_from = Some(text::rfc3339(seen.covered.0));
        self.certificates = seen.certificates.iter().map(|certificate| Logged::new(certificate, own)).collect();
    }

    /// Remembers the unknown keys as the owner's; what no key explains stays an alarm.
    fn confirm(&mut self, context: &Context, identifier: &Identifier) -> Result<(), Failure> {
        for certificate in self.unknown.drain(..) {
            let Ok(key) = <[u8; 32]>::try_from(certificate.key.as_slice()) else {
                self.grave += 1;
                continue;
            };
            watch::confirm_key(&context.home, identifier, &key, clock::now())?;
            self.confirmed.push(hex::encode(key));
            self.certificates.push(Logged::new(&certificate, &[]));
        }
        if self.verdict == Verdict::Alarm && self.grave == 0 {
            self.verdict = Verdict::Clean;
            self.alarms.clear();
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Clean => Exit::Ok,
            Verdict::Alarm => Exit::Refused,
            Verdict::Blind => Exit::Blind,
        }
    }
}

fn describe(alarm: &Alarm) -> String {
    match alarm {
        Alarm::UnknownKey(certificate) => format!(
            "entry {}: a certificate in your name for a key you have not confirmed ({}), serial {}, from {} to {}",
            certificate.index,
            text::short_key(&certificate.key),
            certificate.serial,
            text::time(certificate.not_before),
            text::time(certificate.not_after),
        ),
        Alarm::NotOpened { index, reason } => {
            format!("entry {index}: something under your name that stays closed: {reason}")
        }
        Alarm::Duplicate { indexes } => {
            format!("entries {indexes:?} stand under one label, which an honest authority never does")
        }
        Alarm::OwnMissing { index, found } => format!(
            "entry {index} should be this device's certificate; found {found}: the log shows different people different things"
        ),
    }
}

impl Report for Found {
    fn page(&self, page: &mut Page) {
        let who = &self.identifier;
        match self.verdict {
            Verdict::Clean => {
                let count = text::count(self.certificates.len() as u64, "certificate", "certificates");
                let known = if self.certificates.len() == 1 { "known" } else { "all known" };
                let whose = if self.not_watched.is_empty() { "" } else { " of this authority" };
                page.good(&format!("Clean: the log{whose} holds {count} for {who}, {known}, and no other."));
            }
            Verdict::Alarm => {
                page.bad(&format!("ALARM: the log holds something in the name of {who} that you do not know."));
            }
            Verdict::Blind => page.warning(&format!("BLIND: it is not known what the log holds for {who}.")),
        }
        for certificate in &self.certificates {
            page.field("known", &certificate.in_words);
        }
        for key in &self.confirmed {
            page.field("confirmed", text::groups(&key[..16.min(key.len())], 4));
        }
        for alarm in &self.alarms {
            page.field("alarm", alarm);
        }
        for path in &self.evidence {
            page.field("evidence", format!("{path} (certtool verify --evidence shows what it proves)"));
        }
        if let (Some(log), Some(size)) = (&self.log, self.size) {
            page.field("searched", format!("{} of {log}", text::count(size, "entry", "entries")));
        }
        for other in &self.not_watched {
            page.field(
                "not watched",
                format!(
                    "{other} may certify this address too; certtool watch asks only authorities that certified you"
                ),
            );
        }
        if let Some(blind) = &self.blind {
            page.field("because", blind);
            page.line(format!(
                "Prove again that the address is yours (certtool enroll {who} --new), or ask {}.",
                self.authority
            ));
        }
        if self.verdict == Verdict::Alarm {
            page.line(format!(
                "If it is another device of yours: certtool watch {who} --once --known. If not, somebody got a certificate in your name: tell {}, and everybody you talk with.",
                self.authority
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_watch_says_which_authorities_it_did_not_ask() {
        let found = |not_watched: &[&str]| Found {
            verdict: Verdict::Clean,
            identifier: "alice@example.org".into(),
            authority: "Example".into(),
            not_watched: not_watched.iter().map(|&name| name.to_owned()).collect(),
            log: None,
            size: None,
            covered_from: None,
            certificates: Vec::new(),
            alarms: Vec::new(),
            evidence: Vec::new(),
            confirmed: Vec::new(),
            blind: None,
            unknown: Vec::new(),
            grave: 0,
        };
        let alone = Page::of(&found(&[]));
        assert!(alone.contains("Clean: the log holds") && !alone.contains("not watched"), "{alone}");
        let among = Page::of(&found(&["Other"]));
        assert!(among.contains("Clean: the log of this authority holds"), "{among}");
        assert!(among.contains("not watched   Other may certify this address too"), "{among}");
        let json = serde_json::to_value(found(&["Other"])).unwrap();
        assert_eq!(json["not_watched"], serde_json::json!(["Other"]));
    }
}
