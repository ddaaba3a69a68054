//! What was revoked, for people and for programs.

use device::enrolment::{EnrolError, Revoked};
use identity::Identifier;
use serde::Serialize;

use crate::commands::verify::Purpose;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::text;

#[derive(Debug, Serialize)]
pub(super) struct Done {
    done: &'static str,
    identifier: String,
    pub(super) certificates: Vec<One>,
    /// Other accounts' proofs that the address is hers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proofs_ended: Option<u64>,
    /// One that is here, and what it was for.
    #[serde(skip)]
    pub(super) own: Option<Purpose>,
}

#[derive(Debug, Serialize)]
pub(super) struct One {
    serial: String,
    /// False if it had been revoked before, or is not revoked.
    pub(super) now: bool,
    /// It was planned, given up, and will never be issued.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) never: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<NotRevoked>,
}

/// Why one is not revoked.
#[derive(Debug, Serialize)]
pub(super) struct NotRevoked {
    what: String,
    #[serde(rename = "try")]
    remedy: String,
    #[serde(skip)]
    exit: Exit,
}

impl One {
    pub(super) fn new(serial: String, revoked: Result<Revoked, EnrolError>) -> Self {
        let (now, never) = (matches!(revoked, Ok(Revoked::Now)), matches!(revoked, Ok(Revoked::Never)));
        let failed = revoked.err().map(|error| {
            let Failure { exit, what, remedy } = error.into();
            NotRevoked { what, remedy, exit }
        });
        Self { serial, now, never, failed }
    }
}

impl Done {
    pub(super) fn new(identifier: &Identifier, revoked: Vec<(String, Revoked)>) -> Self {
        let certificates = revoked.into_iter().map(|(serial, revoked)| One::new(serial, Ok(revoked))).collect();
        Self { done: "revoked", identifier: identifier.to_string(), certificates, proofs_ended: None, own: None }
    }

    /// Good only if none is left that counts.
    pub(super) fn exit(&self) -> Exit {
        self.certificates.iter().find_map(|one| one.failed.as_ref()).map_or(Exit::Ok, |failed| failed.exit)
    }
}

impl Report for Done {
    fn page(&self, page: &mut Page) {
        for one in &self.certificates {
            if let Some(failed) = &one.failed {
                page.bad(&format!("Not revoked: {} of {}: {}", one.serial, self.identifier, failed.what));
                page.line(&failed.remedy);
                continue;
            }
            if one.never {
                page.line(format!("Never issued: {} of {}", one.serial, self.identifier));
                continue;
            }
            let word = if one.now { "Revoked" } else { "Revoked before" };
            page.good(&format!("{word}: {} of {}", one.serial, self.identifier));
        }
        match self.own {
            Some(Purpose::Live) => {
                page.line(format!("A new key and certificate for this device: certtool enroll {}", self.identifier));
            }
            Some(Purpose::Mail) => page.line(format!(
                "A new key and certificate for mail: certtool enroll {} --for mail (the old key stays, for what was written to it)",
                self.identifier
            )),
            None => {}
        }
        if let Some(ended @ 1..) = self.proofs_ended {
            let proofs = text::count(ended, "other proof", "other proofs");
            page.good(&format!("Ended: {proofs} of control of {}", self.identifier));
            page.line("Each of your other devices asks for a code once, at its next renewal.");
        }
        if self.certificates.iter().any(|one| !one.never && one.failed.is_none()) {
            page.line("Others learn it within the hour; a directory cuts its connections at once.");
        }
    }
}
