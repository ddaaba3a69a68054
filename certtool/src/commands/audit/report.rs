//! What an audit found, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use device::watch::Blindness;
use identity::UnixTime;
use identity::trust::TrustPolicy;
use serde::Serialize;
use transparency_log::monitor::{AuditReport, Looked};

use super::sources::Compared;
use crate::clock;
use crate::failure::Exit;
use crate::output::{Page, Report};
use crate::text;

/// What an audit of one log found.
#[derive(Debug, Serialize)]
pub(super) struct Audited {
    authority: String,
    log: String,
    size: u64,
    root: String,
    /// Entries checked now.
    checked: u64,
    entries_per_second: f64,
    kinds: BTreeMap<&'static str, u64>,
    cosigned_by: Vec<Witnessed>,
    witnessed_only_by_operator: bool,
    duplicates: Vec<String>,
    /// Objects fetched now that are what their entries say.
    objects: u64,
    /// Objects that entries name, and that are missing or altered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects_missing: Vec<String>,
    /// Entries whose objects the next audit looks at.
    #[serde(skip_serializing_if = "is_zero")]
    objects_left: u64,
    /// Why the log could not be asked for an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects_silent: Option<String>,
    /// Why the newest checkpoint says nothing about now, if it is older than an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stale: Option<String>,
    /// What others show of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<Compared>,
    /// Files that prove it to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) evidence: Vec<String>,
    #[serde(skip)]
    took: Duration,
}

/// One witness's cosignature on the newest checkpoint.
#[derive(Debug, Serialize)]
struct Witnessed {
    name: String,
    at: String,
    by_operator: bool,
    #[serde(skip)]
    when: UnixTime,
}

impl Audited {
    pub(super) fn new(authority: &str, policy: &TrustPolicy, report: &AuditReport, took: Duration) -> Self {
        let cosigned_by: Vec<_> = report
            .cosigned_by
            .iter()
            .map(|cosigned| {
                let when = UnixTime::since_unix_epoch(Duration::from_secs(cosigned.time));
                let by_operator = policy.operator_witnesses.contains(&cosigned.name);
                Witnessed { name: cosigned.name.clone(), at: text::rfc3339(when), by_operator, when }
            })
            .collect();
        let checked = report.size.saturating_sub(report.start);
        Self {
            authority: authority.to_owned(),
            log: report.origin.clone(),
            size: report.size,
            root: report.root.to_string(),
            checked,
            entries_per_second: checked as f64 / took.as_secs_f64().max(1e-6),
            kinds: kinds(report),
            witnessed_only_by_operator: cosigned_by.iter().all(|witness| witness.by_operator),
            cosigned_by,
            duplicates: report
                .duplicates
                .iter()
                .map(|duplicate| format!("entries {} and {}", duplicate.first, duplicate.second))
                .collect(),
            objects: 0,
            objects_missing: Vec::new(),
            objects_left: 0,
            objects_silent: None,
            stale: None,
            sources: Vec::new(),
            evidence: Vec::new(),
            took,
        }
    }

    pub(super) fn take(&mut self, looked: Looked) {
        self.objects = looked.good;
        self.objects_missing = looked.faults.iter().map(ToString::to_string).collect();
        self.objects_left = looked.left;
        self.objects_silent = looked.silent;
    }

    /// A log that shows an old state of itself may have broken its promise since. A source that does not answer leaves
    /// a question open, which is not the same as a clean answer.
    pub(super) fn exit(&self) -> Exit {
        if !self.keeps_its_promise() {
            Exit::Refused
        } else if self.objects_silent.is_some() || self.sources.iter().any(Compared::is_silent) {
            Exit::Unreachable
        } else {
            Exit::Ok
        }
    }

    fn keeps_its_promise(&self) -> bool {
        self.duplicates.is_empty()
            && self.objects_missing.is_empty()
            && self.stale.is_none()
            && !self.sources.iter().any(Compared::is_fault)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What an old checkpoint may mean.
pub(super) fn stale(blindness: &Blindness) -> String {
    let (cosigned, now) = match blindness {
        Blindness::Stale { cosigned, now } => (cosigned.as_secs(), now.as_secs()),
        other => return other.to_string(),
    };
    let at = text::time(UnixTime::since_unix_epoch(Duration::from_secs(now)));
    if cosigned > now {
        return format!(
            "this computer's clock says {at}, and the newest checkpoint is dated {} ahead of that: one of the two clocks is \
             wrong",
            text::span(cosigned - now)
        );
    }
    // The clock first: it is wrong more often than a log stands still.
    format!(
        "this computer's clock says {at}, and by that the newest checkpoint is {} old, expected at most {}. If the clock is \
         right, the log stands still or an old checkpoint is being shown",
        text::span(now - cosigned),
        text::span(device::watch::MAX_AGE.as_secs())
    )
}

/// The entries checked now, by kind.
fn kinds(report: &AuditReport) -> BTreeMap<&'static str, u64> {
    let counts = &report.counts;
    BTreeMap::from([
        ("certificates", counts.certificates),
        ("services", counts.services),
        ("signatures", counts.signatures),
        ("objects", counts.objects),
    ])
}

impl Report for Audited {
    fn page(&self, page: &mut Page) {
        page.heading(&format!("{} (log {})", self.authority, self.log));
        page.field("size", text::count(self.size, "entry", "entries"));
        page.field("root", &self.root);
        let millis = self.took.as_millis();
        page.field(
            "checked now",
            format!(
                "{} in {millis} ms ({:.0}/s)",
                text::count(self.checked, "entry", "entries"),
                self.entries_per_second
            ),
        );
        let kinds = self.kinds.iter().filter(|(_, count)| **count > 0);
        let kinds: Vec<_> = kinds.map(|(kind, &count)| text::count(count, kind.trim_end_matches('s'), kind)).collect();
        if !kinds.is_empty() {
            page.field("", kinds.join(", "));
        }
        if self.objects > 0 {
            page.field("fetched", format!("{} that entries name", text::count(self.objects, "object", "objects")));
        }
        if self.objects_left > 0 && self.objects_silent.is_none() && self.objects_missing.is_empty() {
            let left = text::count(self.objects_left, "entry", "entries");
            page.field("", format!("those that the last {left} may name are left for the next audit"));
        }
        for witness in &self.cosigned_by {
            page.field("cosigned by", format!("{}, {}", witness.name, text::relative(witness.when, clock::now())));
        }
        if self.witnessed_only_by_operator {
            page.warning("  witnessed only by the CA's operator");
        }
        if let Some(stale) = &self.stale {
            page.bad(&format!("What was checked is right, but {stale}."));
        }
        for missing in &self.objects_missing {
            page.bad(&format!("What the log names it must serve: {missing}."));
        }
        if let Some(reason) = &self.objects_silent {
            page.warning(&format!("  An object could not be asked for: {reason}"));
        }
        for source in &self.sources {
            source.page(page);
        }
        if self.keeps_its_promise() {
            page.good("The log keeps its promise: same history, right root, signed and cosigned.");
        }
        for duplicate in &self.duplicates {
            page.bad(&format!(
                "One label stands twice in the log, at {duplicate}: an honest authority never does that."
            ));
        }
        for path in &self.evidence {
            page.field("evidence", format!("{path} (certtool verify --evidence shows what it proves)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn audited() -> Audited {
        Audited {
            authority: "Example".into(),
            log: "log.example.org/2026".into(),
            size: 0,
            root: String::new(),
            checked: 0,
            entries_per_second: 0.0,
            kinds: BTreeMap::new(),
            cosigned_by: Vec::new(),
            witnessed_only_by_operator: false,
            duplicates: Vec::new(),
            objects: 0,
            objects_missing: Vec::new(),
            objects_left: 0,
            objects_silent: None,
            stale: None,
            sources: Vec::new(),
            evidence: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_log_that_withholds_an_object_does_not_keep_its_promise_and_one_that_is_silent_may() {
        let missing = Audited { objects_missing: vec!["object/00 is withheld".into()], ..audited() };
        assert!(Page::of(&missing).contains("object/00 is withheld"));
        assert_eq!(missing.exit(), Exit::Refused);
        let silent = Audited { objects_silent: Some("no route".into()), objects_left: 3, ..audited() };
        assert!(Page::of(&silent).contains("could not be asked for: no route"));
        assert_eq!(silent.exit(), Exit::Unreachable);
    }

    #[test]
    fn a_log_that_shows_an_old_checkpoint_does_not_keep_its_promise() {
        assert!(Page::of(&audited()).contains("keeps its promise"));
        let stale = stale(&Blindness::Stale { cosigned: at(10_000), now: at(10_000 + 3 * 3_600) });
        let old = Audited { stale: Some(stale), ..audited() };
        let text = Page::of(&old);
        for expected in ["clock says 1970-01-01 05:46:40 UTC", "3 hours old, expected at most 1 hour", "stands still"] {
            assert!(text.contains(expected) && !text.contains("keeps its promise"), "{text}");
        }
        assert!(serde_json::to_value(&old).unwrap()["stale"].as_str().unwrap().contains("3 hours old"));
        assert_eq!(old.exit(), Exit::Refused);
    }
}
