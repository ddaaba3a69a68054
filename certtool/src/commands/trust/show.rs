//! `certtool trust show`: a policy, explained.

use clap::Args;
use device::PinnedPolicy;
use identity::trust::TrustPolicy;
use serde::Serialize;

use super::{Summary, choose, words};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::text;

/// Show what a pinned policy says: whom its authorities may certify, its log, its witnesses, its directories.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool trust show\n  certtool trust show 5f1c")]
pub(crate) struct Show {
    /// Name of the policy, or the beginning of its fingerprint; not needed if there is only one
    #[arg(value_name = "NAME|FINGERPRINT")]
    which: Option<String>,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let pinned = choose(context, self.which.as_deref())?;
        context.output.report(&Shown::new(&pinned));
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    /// Who publishes it: whose root signs the next version.
    publisher: String,
    directories: Vec<Directory>,
    logs: Vec<words::Key>,
    witnesses: Vec<words::Key>,
    quorum: String,
    tlog_policy: String,
    operator_witnesses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updates: Option<String>,
    /// Issuing keys that no longer count, by authority: SHA-256 of their SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    withdrawn: Vec<Withdrawn>,
}

#[derive(Debug, Serialize)]
struct Withdrawn {
    authority: String,
    key: String,
}

#[derive(Debug, Serialize)]
struct Directory {
    name: String,
    address: String,
}

impl Shown {
    fn new(pinned: &PinnedPolicy) -> Self {
        let policy: &TrustPolicy = &pinned.policy;
        let directories = policy.directories.iter();
        Self {
            summary: Summary::pinned(pinned),
            publisher: policy.authorities.first().map(|first| first.name.clone()).unwrap_or_default(),
            directories: directories.map(|d| Directory { name: d.name.clone(), address: d.address.clone() }).collect(),
            logs: words::logs(policy, clock::now()),
            witnesses: words::witnesses(policy, clock::now()),
            quorum: words::quorum(policy),
            tlog_policy: policy.tlog_policy.clone(),
            operator_witnesses: policy.operator_witnesses.clone(),
            updates: policy.updates.clone(),
            withdrawn: (policy.authorities.iter())
                .flat_map(|of| of.withdrawn.iter().map(|key| (of.name.clone(), key.to_string())))
                .map(|(authority, key)| Withdrawn { authority, key })
                .collect(),
        }
    }
}

impl Report for Shown {
    fn page(&self, page: &mut Page) {
        page.heading(&self.summary.name);
        self.summary.fields(page);
        for authority in &self.summary.authorities {
            page.field("enrolment", format!("with {} at {}", authority.name, authority.acme));
            page.field("entries", format!("of {} stand in the log {}", authority.name, authority.log));
        }
        for withdrawn in &self.withdrawn {
            let key = text::groups(&withdrawn.key[..16], 4);
            page.field("withdrawn", format!("an issuing key of {} ({key} …), which never counts", withdrawn.authority));
        }
        for log in &self.logs {
            page.field("log", &log.in_words);
        }
        for witness in &self.witnesses {
            page.field("witness", &witness.in_words);
        }
        page.field("needed", format!("every entry must have been seen by {}", self.quorum));
        for directory in &self.directories {
            page.field("directory", format!("{} at {}", directory.name, directory.address));
        }
        match &self.updates {
            Some(url) => page.field("updates", format!("signed by {}, from {url}", self.publisher)),
            None => {
                page.field("updates", format!("signed by {}; the policy does not say where they are", self.publisher));
            }
        }
    }
}
