//! What one look found, for people and for programs.

use device::watch::{self, Alarm, OpenedCertificate, Owner, Seen, WatchReport};
use identity::Identifier;
use identity::certificate::Certificate;
use serde::Serialize;

use super::{Kind, News, Page};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Clean,
    Alarm,
    Blind,
}

/// What one look found.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    verdict: Verdict,
    identifier: String,
    authority: String,
    /// Other authorities that may certify the address, and that were not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_watched: Vec<String>,
    /// The logs that were searched, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<Searched>,
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
    /// Whether control was proven for the watch alone.
    #[serde(skip)]
    no_certificate: bool,
    #[serde(skip)]
    unknown: Vec<OpenedCertificate>,
}

/// A log that was searched, and how many entries it has.
#[derive(Debug, Serialize)]
struct Searched {
    log: String,
    size: u64,
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
    fn new(certificate: &OpenedCertificate, own: &[Vec<u8>]) -> Self {
        let this_device = own.contains(&certificate.key);
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
    pub(super) fn new(owner: &Owner, report: WatchReport) -> Self {
        let own = own_keys(owner);
        let mut found = Self {
            verdict: Verdict::Clean,
            identifier: owner.identifier().to_string(),
            authority: owner.authority().to_owned(),
            not_watched: Vec::new(),
            logs: Vec::new(),
            covered_from: None,
            certificates: Vec::new(),
            alarms: Vec::new(),
            evidence: Vec::new(),
            confirmed: Vec::new(),
            blind: None,
            no_certificate: owner.own().is_empty(),
            unknown: Vec::new(),
        };
        match report {
            WatchReport::Clean(seen) => found.see(&seen, &own),
            WatchReport::Alarm(seen, alarms) => {
                found.see(&seen, &own);
                found.verdict = Verdict::Alarm;
                found.alarms = alarms.iter().map(|alarm| describe(alarm, &found.logs)).collect();
                found.unknown = alarms
                    .into_iter()
                    .filter_map(
                        |alarm| if let Alarm::UnknownKey(certificate) = alarm { Some(certificate) } else { None },
                    )
                    .collect();
            }
            WatchReport::Blind(reason) => {
                found.verdict = Verdict::Blind;
                found.blind = Some(reason.to_string());
            }
        }
        found
    }

    fn see(&mut self, seen: &Seen, own: &[Vec<u8>]) {
        self.not_watched = seen.not_watched.clone();
        self.logs = seen.audits.iter().map(|one| Searched { log: one.origin.clone(), size: one.size }).collect();
        self.evidence = seen.evidence.iter().map(|path| path.display().to_string()).collect();
        self.covered_from = Some(text::rfc3339(seen.covered.0));
        self.certificates = seen.certificates.iter().map(|certificate| Logged::new(certificate, own)).collect();
    }

    /// Remembers the unknown keys that begin with these digits as the owner's; the others, and what no key explains, stay
    /// alarms.
    pub(super) fn confirm(&mut self, context: &Context, identifier: &Identifier, prefix: &str) -> Result<(), Failure> {
        let (matching, others) = std::mem::take(&mut self.unknown)
            .into_iter()
            .partition::<Vec<_>, _>(|one| text::key_digits(&one.key).starts_with(prefix));
        self.unknown = others;
        for certificate in matching {
            watch::confirm_key(&context.home, identifier, &certificate.key, clock::now())?;
            let description = describe(&Alarm::UnknownKey(certificate.clone()), &self.logs);
            self.alarms.retain(|alarm| *alarm != description);
            self.confirmed.push(hex::encode(&certificate.key));
            self.certificates.push(Logged::new(&certificate, &[]));
        }
        if self.verdict == Verdict::Alarm && self.alarms.is_empty() {
            self.verdict = Verdict::Clean;
        }
        Ok(())
    }

    /// The same, to be told.
    pub(super) fn news<'a>(&self, owner: &'a Owner) -> News<'a> {
        let (kind, title) = match self.verdict {
            Verdict::Clean => (Kind::Clean, "Nothing new"),
            Verdict::Alarm => (Kind::Alarm, "ALARM: a certificate that you do not know"),
            Verdict::Blind => (Kind::Blind, "Your watch is blind"),
        };
        News {
            kind,
            identifier: owner.identifier(),
            authority: owner.authority(),
            title: format!("{title}, in the name of {}", owner.identifier()),
            text: Page::of(self),
            json: serde_json::to_string(self).expect("reports are plain structures"),
            // Reasons for blindness may count minutes: being blind is one news.
            about: if self.verdict == Verdict::Blind { "blind".to_owned() } else { self.alarms.join("\n") },
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Clean => Exit::Ok,
            Verdict::Alarm => Exit::Refused,
            Verdict::Blind => Exit::Blind,
        }
    }
}

/// The keys of her certificates that are here.
fn own_keys(owner: &Owner) -> Vec<Vec<u8>> {
    let leaves = owner.own().iter().filter_map(|chain| Certificate::parse(chain.first()?).ok());
    leaves.map(|leaf| leaf.tbs().spki().subject_public_key.raw_bytes().to_vec()).collect()
}

/// As many digits of a key as `--known` wants.
fn short(key: &[u8]) -> String {
    text::key_digits(key)[..16].to_owned()
}

/// An entry's number says where it stands only together with the log, if there are several.
fn describe(alarm: &Alarm, logs: &[Searched]) -> String {
    match logs.len() {
        0 | 1 => alarm.to_string(),
        _ => format!("{alarm} (in the log {})", alarm.log()),
    }
}

impl Report for Found {
    fn page(&self, page: &mut Page) {
        let who = &self.identifier;
        match self.verdict {
            Verdict::Clean => {
                let count = text::count(self.certificates.len() as u64, "certificate", "certificates");
                let known = if self.certificates.len() == 1 { "known" } else { "all known" };
                let whose = match (self.no_certificate, self.not_watched.is_empty()) {
                    (true, _) => format!(" of {}", self.authority),
                    (false, true) => String::new(),
                    (false, false) => " of this authority".to_owned(),
                };
                if self.certificates.is_empty() {
                    page.good(&format!("Clean: the log{whose} holds no certificate for {who}."));
                } else {
                    page.good(&format!("Clean: the log{whose} holds {count} for {who}, {known}, and no other."));
                }
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
        for Searched { log, size } in &self.logs {
            page.field("searched", format!("{} of {log}", text::count(*size, "entry", "entries")));
        }
        for other in &self.not_watched {
            page.field(
                "not watched",
                format!("{other} may certify this address too; certtool watch {who} --authority '{other}' looks there"),
            );
        }
        if let Some(blind) = &self.blind {
            page.field("because", blind);
            let authority = &self.authority;
            page.line(if self.no_certificate {
                format!("Prove again that the address is yours (certtool watch {who} --authority '{authority}' --prove), or ask {authority}.")
            } else {
                format!("Prove again that the address is yours (certtool enroll {who} --new), or ask {authority}.")
            });
        }
        if self.verdict == Verdict::Alarm {
            let key = self.unknown.first().map_or(String::new(), |one| format!("={}", short(&one.key)));
            page.line(format!(
                "If it is another device of yours: certtool watch {who} --once --known{key}. If not, somebody got a certificate in your name: tell {}, and everybody you talk with.",
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
            logs: Vec::new(),
            covered_from: None,
            certificates: Vec::new(),
            alarms: Vec::new(),
            evidence: Vec::new(),
            confirmed: Vec::new(),
            blind: None,
            no_certificate: false,
            unknown: Vec::new(),
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
